//! How a child's process ends: in order if it can, by signals if it must, and always reaped.

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use shardwise::ShardId;
use shardwise_multilang::{Ended, Ending, Hurry, Patience, Running};
use tokio::process;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use super::spawner::Spawner;
use crate::guard::{self, Guard};

/// A child's process and its group.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) shard: ShardId,
    pub(super) process: process::Child,
    pub(super) group: Pid,
    pub(super) guard: Guard,
    /// The thread that started it: its end would be a signal to the child.
    pub(super) _spawner: Spawner,
    pub(super) _alive: mpsc::Sender<()>,
}

#[async_trait]
impl Running for Process {
    fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    async fn wait(&mut self) {
        // One that cannot be waited for is not there either.
        let _ = self.process.wait().await;
    }

    /// Ends the process and whatever is left of its group.
    async fn end(mut self: Box<Self>, patience: Patience, hurry: Hurry<'_>) -> Ended {
        let shard = self.shard.clone();
        let mut ending = Ending::InOrder;
        let mut status = tokio::select! {
            biased;
            status = self.process.wait() => Some(status),
            () = sleep(patience.time()) => None,
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
        self.end_the_rest().await;
        self.guard.ended(self.group);
        let status = status.and_then(Result::ok).map(|status| status.to_string());
        debug!(%shard, status, "child ended");
        Ended { ending, status }
    }
}

impl Process {
    /// Ends what the child has started and left behind in its group.
    async fn end_the_rest(&self) {
        if guard::gone_by(self.group, Instant::now()).await {
            return;
        }
        warn!(shard = %self.shard, "child has left processes behind: they are ended");
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
