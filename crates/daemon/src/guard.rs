//! The guard: a process of our own that ends the children when the daemon cannot.
//!
//! It reads from a pipe which process groups live. When the pipe ends, the daemon is gone,
//! whatever ended it: the guard then ends every group that is left, and itself.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tracing::warn;

use crate::exit::{Error, Exit};
use crate::own_program;

/// The first argument of a guard process.
pub(crate) const MODE: &str = "guard";

/// How long a group has between the signal that asks and the one that does not.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// How often it is looked whether a group is gone.
const LOOK: Duration = Duration::from_millis(20);

/// The daemon's end of the pipe.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    process: Child,
    groups: BTreeSet<i32>,
}

impl Guard {
    /// Starts a guard process.
    pub(crate) fn start() -> std::io::Result<Self> {
        let inner = Inner { process: spawn()?, groups: BTreeSet::new() };
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// A child leads this process group.
    pub(crate) fn began(&self, group: Pid) {
        let mut inner = self.inner();
        inner.groups.insert(group.as_raw_nonzero().get());
        inner.tell(&format!("+{}\n", group.as_raw_nonzero()));
    }

    /// The group is empty.
    pub(crate) fn ended(&self, group: Pid) {
        let mut inner = self.inner();
        inner.groups.remove(&group.as_raw_nonzero().get());
        inner.tell(&format!("-{}\n", group.as_raw_nonzero()));
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Writes to the guard; one that is gone is replaced, and told everything again.
    fn tell(&mut self, line: &str) {
        if self.write(line).is_ok() {
            return;
        }
        warn!("the guard process is gone: a new one is started");
        let all: String = self.groups.iter().map(|group| format!("+{group}\n")).collect();
        let replaced = spawn().and_then(|process| {
            let mut gone = std::mem::replace(&mut self.process, process);
            drop(gone.stdin.take());
            gone.wait()?;
            self.write(&all)
        });
        if let Err(error) = replaced {
            warn!(%error, "no guard process: if the daemon is killed, children may outlive it");
        }
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        let pipe = self.process.stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        pipe.write_all(text.as_bytes())
    }
}

fn spawn() -> std::io::Result<Child> {
    // A group of its own, so that a terminal's Ctrl-C does not reach it.
    Command::new(own_program())
        .arg(MODE)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
}

/// What the guard process does: reads until the pipe ends, then ends what is left.
pub(crate) fn run() -> Result<Exit, Error> {
    let failed = |error: std::io::Error| Error::internal(format!("guard: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(failed)?.block_on(async {
        // It ends with the daemon, not before: signals to a whole service do not stop it.
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let caught: Result<Vec<_>, _> = kinds.into_iter().map(signal).collect();
        let _caught = caught.map_err(failed)?;
        let groups = tokio::task::spawn_blocking(read_groups).await;
        end(&groups.unwrap_or_default()).await;
        Ok(Exit::InOrder)
    })
}

fn read_groups() -> Vec<Pid> {
    let mut groups = BTreeSet::new();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let Some((sign, number)) = line.split_at_checked(1) else { continue };
        let Ok(group) = number.parse::<i32>() else { continue };
        match sign {
            "+" => drop(groups.insert(group)),
            "-" => drop(groups.remove(&group)),
            _ => {}
        }
    }
    groups.into_iter().filter(|group| *group > 1).filter_map(Pid::from_raw).collect()
}

async fn end(groups: &[Pid]) {
    let deadline = Instant::now() + GRACE;
    for group in groups {
        // A group that has ended meanwhile cannot be signalled.
        let _ = kill_process_group(*group, Signal::TERM);
    }
    for group in groups {
        if !gone_by(*group, deadline).await {
            let _ = kill_process_group(*group, Signal::KILL);
        }
    }
}

/// Whether a group is empty before the deadline.
pub(crate) async fn gone_by(group: Pid, deadline: Instant) -> bool {
    loop {
        if test_kill_process_group(group).is_err() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
}
