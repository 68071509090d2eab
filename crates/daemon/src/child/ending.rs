//! How a child's process ends: in order if it can, by signals if it must, and always reaped.

use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use shardwise::ShardId;
use tokio::process;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use super::spawner::Spawner;
use crate::guard::{self, Guard};

/// How long a child may take to exit once its stdin is closed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a child that has closed its stdout may take: most often it is about to exit.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself.
    InOrder,
    /// By our signals.
    Forced,
}

/// How long a child is given before it is signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// It was told to end: it may finish what it does.
    Told,
    /// It seems to be ending.
    Ending,
    /// None.
    None,
}

/// A child's process and its group.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) process: process::Child,
    pub(super) group: Pid,
    pub(super) guard: Guard,
    /// The thread that started it: its end would be a signal to the child.
    pub(super) _spawner: Spawner,
    pub(super) _alive: mpsc::Sender<()>,
}

impl Running {
    /// Ends the process and whatever is left of its group. Its stdin must be closed already.
    /// `hurry` cuts the patience short.
    pub(super) async fn end(
        mut self,
        shard: &ShardId,
        patience: Patience,
        hurry: impl Future<Output = ()>,
    ) -> (Ending, Option<ExitStatus>) {
        let patience = match patience {
            Patience::Told => EXIT_TIMEOUT,
            Patience::Ending => LAST_BREATH,
            Patience::None => Duration::ZERO,
        };
        let mut ending = Ending::InOrder;
        let mut status = tokio::select! {
            biased;
            status = self.process.wait() => Some(status),
            () = sleep(patience) => None,
            () = hurry => None,
        };
        if status.is_none() {
            ending = Ending::Forced;
            debug!(%shard, "child does not exit by itself: SIGTERM");
            self.signal(Signal::TERM);
            status = timeout(guard::GRACE, self.process.wait()).await.ok();
        }
        if status.is_none() {
            warn!(%shard, "child does not exit after SIGTERM: SIGKILL");
            self.signal(Signal::KILL);
            // A process that is killed ends, unless the kernel itself is stuck with it.
            status = timeout(guard::GRACE, self.process.wait()).await.ok();
        }
        self.end_the_rest(shard).await;
        self.guard.ended(self.group);
        let status = status.and_then(Result::ok);
        debug!(%shard, status = status.map(|status| status.to_string()), "child ended");
        (ending, status)
    }

    /// Ends what the child has started and left behind in its group.
    async fn end_the_rest(&self, shard: &ShardId) {
        if guard::gone_by(self.group, Instant::now()).await {
            return;
        }
        warn!(%shard, "child has left processes behind: they are ended");
        self.signal(Signal::TERM);
        if !guard::gone_by(self.group, Instant::now() + guard::GRACE).await {
            self.signal(Signal::KILL);
        }
    }

    fn signal(&self, signal: Signal) {
        // A group that has ended meanwhile cannot be signalled.
        let _ = kill_process_group(self.group, signal);
    }
}
