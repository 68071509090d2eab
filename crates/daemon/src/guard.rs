//! The guard: a process of our own that ends the children when the daemon cannot.
//!
//! It reads from a pipe which process groups live. When the pipe ends, the daemon is gone,
//! whatever ended it: the guard then ends every group that is left, and itself.

use std::collections::BTreeSet;
use std::io::{PipeWriter, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tracing::warn;

use crate::exit::{Error, Exit};
use crate::own_program;

/// The first argument of a guard process.
pub(crate) const MODE: &str = "guard";

/// How long a group has between the signal that asks and the one that does not.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The pause before a guard that did not last, or did not start, is started again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked whether a group is gone.
const LOOK: Duration = Duration::from_millis(20);

/// The daemon's end of the pipe.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    pipe: PipeWriter,
    groups: BTreeSet<i32>,
}

impl Guard {
    /// Starts a guard process, and another one whenever it ends before the daemon does.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (process, pipe) = spawn()?;
        let inner = Arc::new(Mutex::new(Inner { pipe, groups: BTreeSet::new() }));
        let guard = Self { inner };
        tokio::spawn(guard.clone().keep(process));
        Ok(guard)
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

    /// Replaces the guard process whenever it ends.
    async fn keep(self, mut process: Child) {
        loop {
            let began = Instant::now();
            let ended = process.wait().await;
            warn!(?ended, "the guard process is gone: a new one is started");
            if began.elapsed() < PAUSE {
                tokio::time::sleep(PAUSE).await;
            }
            process = self.replace().await;
        }
    }

    async fn replace(&self) -> Child {
        loop {
            match spawn() {
                Ok((process, pipe)) => {
                    self.inner().go_on_with(pipe);
                    return process;
                }
                Err(error) => {
                    let text = "no guard process: if the daemon is killed, children may outlive it";
                    warn!(%error, "{text}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Inner {
    fn tell(&mut self, text: &str) {
        // A guard that is gone is replaced, and its successor is told everything.
        let _ = self.pipe.write_all(text.as_bytes());
    }

    fn go_on_with(&mut self, pipe: PipeWriter) {
        self.pipe = pipe;
        let all: String = self.groups.iter().map(|group| format!("+{group}\n")).collect();
        self.tell(&all);
    }
}

fn spawn() -> std::io::Result<(Child, PipeWriter)> {
    let (reader, writer) = std::io::pipe()?;
    // A group of its own, so that a terminal's Ctrl-C does not reach it.
    let process = Command::new(own_program())
        .arg(MODE)
        .process_group(0)
        .stdin(reader)
        .stdout(Stdio::null())
        .spawn()?;
    Ok((process, writer))
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
