//! What stops us from outside.

use std::future::pending;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::exit::Error;

/// What stops us.
pub(crate) struct Signals {
    terminate: Caught,
    interrupt: Caught,
    hangup: Caught,
    /// Ends with standard input, where that counts as a signal.
    pub(crate) stdin_end: Option<JoinHandle<()>>,
}

impl Signals {
    pub(crate) fn catch() -> Result<Self, Error> {
        Ok(Self {
            terminate: Caught::new(SignalKind::terminate())?,
            interrupt: Caught::new(SignalKind::interrupt())?,
            hangup: Caught::new(SignalKind::hangup())?,
            stdin_end: None,
        })
    }

    /// Waits for the next one; its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            () = self.terminate.next() => "SIGTERM",
            () = self.interrupt.next() => "SIGINT",
            () = self.hangup.next() => "SIGHUP",
            () = once(&mut self.stdin_end) => "end of standard input",
        }
    }
}

/// A signal, or none if whoever started us has us ignore it: `nohup` means that, and a shell that
/// starts a job in the background. Java's programs keep to it too.
pub(crate) struct Caught(Option<Signal>);

impl Caught {
    pub(crate) fn new(kind: SignalKind) -> Result<Self, Error> {
        if is_ignored(kind) {
            return Ok(Self(None));
        }
        let caught =
            signal(kind).map_err(|error| Error::internal(format!("no signals: {error}")))?;
        Ok(Self(Some(caught)))
    }

    pub(crate) async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => pending().await,
        }
    }
}

/// As the kernel tells it, where it does.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = ignored(&status);
    let bit = kind.as_raw_value() - 1;
    ignored >> bit & 1 == 1
}

/// The bits of the signals that a process ignores, from the lowest one on.
fn ignored(status: &str) -> u64 {
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or_default()
}

/// Returns once: when the task has ended.
async fn once(task: &mut Option<JoinHandle<()>>) {
    let Some(running) = task else { return pending().await };
    // However it ended, it has.
    let _ = running.await;
    *task = None;
}

pub(crate) fn read_to_end() {
    // Input that breaks has ended too.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_ignored_signals_are_read() {
        let status = "Name:\tshardwise\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored(status), 1 << 12 | 1);
        assert_eq!(ignored(""), 0);
    }
}
