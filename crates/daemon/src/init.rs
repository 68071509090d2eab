//! The first process of a container: it starts the daemon, passes signals on, and reaps whatever
//! the kernel leaves to it. Nobody else would, and what has ended would stay for ever.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Error;
use crate::own_program;
use crate::signals::Caught;

/// The first argument of such a process that is not the first of a container.
pub(crate) const MODE: &str = "init";

/// Whether this is the first process.
pub(crate) fn is_needed() -> bool {
    getpid().is_init()
}

/// Has whatever is left by its parent come to this process, as it comes to the first one anyway.
pub(crate) fn adopt() -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(getpid()))
        .map_err(|error| Error::internal(format!("{MODE}: {error}")))?;
    Ok(())
}

/// Runs this program with these arguments, and ends as it does.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, Error> {
    let failed = |error: std::io::Error| Error::internal(format!("{MODE}: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let _inside = runtime.enter();
    let mut ended = signal(SignalKind::child()).map_err(failed)?;
    let mut terminate = Caught::new(SignalKind::terminate())?;
    let mut interrupt = Caught::new(SignalKind::interrupt())?;
    let mut hangup = Caught::new(SignalKind::hangup())?;
    // A terminal signals the whole group: the daemon shall hear it once.
    let program = Command::new(own_program()).args(arguments).process_group(0).spawn();
    let program = Pid::from_child(&program.map_err(failed)?);
    runtime.block_on(async {
        loop {
            let passed_on = tokio::select! {
                biased;
                _ = ended.recv() => None,
                () = terminate.next() => Some(Signal::TERM),
                () = interrupt.next() => Some(Signal::INT),
                () = hangup.next() => Some(Signal::HUP),
            };
            match passed_on {
                // It may have ended meanwhile.
                Some(signal) => drop(kill_process(program, signal)),
                None => {
                    if let Some(status) = reap(program) {
                        return Ok(code(status));
                    }
                }
            }
        }
    })
}

/// Reaps all that has ended; gives the program's own status if that is among it.
fn reap(program: Pid) -> Option<WaitStatus> {
    let mut own = None;
    // Without any process of ours that is an error, and there is nothing to do.
    while let Ok(Some((id, status))) = wait(WaitOptions::NOHANG) {
        if id == program {
            own = Some(status);
        }
    }
    own
}

/// As a shell tells how a program has ended.
fn code(status: WaitStatus) -> ExitCode {
    let status = ExitStatus::from_raw(status.as_raw());
    let signalled = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(signalled).and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(u8::MAX))
}
