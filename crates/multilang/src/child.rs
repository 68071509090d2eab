//! A handle on a child, and what its task is asked for.

use std::time::Duration;

use shardwise::{Checkpointer, ShardId};
use shardwise_core::multilang::Action;
use tokio::sync::{mpsc, oneshot};

use crate::connection::Connection;
use crate::failure::{Broken, ChildFailure};
use crate::launch::Ending;
use crate::talk::Talk;

/// A handle on a child. Dropping it ends the child at once.
#[derive(Debug)]
pub(crate) struct Child {
    calls: mpsc::Sender<Call>,
}

/// What a child's task is asked for.
#[derive(Debug)]
pub(crate) enum Call {
    /// Carry an action out.
    Act(Act),
    /// Close stdin and wait for the child's end.
    Close(oneshot::Sender<Ending>),
    /// The child did something that cannot be gone on with.
    Fail(Broken, oneshot::Sender<ChildFailure>),
    /// Tell when the child fails by itself.
    Watch(oneshot::Sender<ChildFailure>),
}

#[derive(Debug)]
pub(crate) struct Act {
    pub(crate) action: Action,
    pub(crate) line: Vec<u8>,
    pub(crate) checkpointer: Option<Checkpointer>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) answer: oneshot::Sender<Result<(), Undone>>,
}

/// Why an action is not done.
#[derive(Debug)]
pub(crate) enum Undone {
    /// Its turn came when another worker could have the shard: the child was not told of it.
    TooLate,
    /// The child has failed, and is gone.
    Failed(ChildFailure),
}

impl Act {
    /// Whether a batch waited for its turn until the lease was lost.
    pub(crate) fn is_too_late(&self) -> bool {
        let is_lost = self.checkpointer.as_ref().is_some_and(|it| !it.is_held());
        self.action == Action::ProcessRecords && is_lost
    }
}

impl Child {
    /// Begins to talk with a child that was started.
    pub(crate) fn of(shard: &ShardId, connection: Connection) -> Self {
        let (calls, received) = mpsc::channel(1);
        tokio::spawn(Talk::new(shard.clone(), connection).run(received));
        Self { calls }
    }

    /// Writes an action's line and waits for its status; checkpoints are made meanwhile.
    pub(crate) async fn act(
        &self,
        action: Action,
        line: Vec<u8>,
        checkpointer: Option<&Checkpointer>,
        timeout: Option<Duration>,
    ) -> Result<(), Undone> {
        let checkpointer = checkpointer.cloned();
        let call = |answer| Call::Act(Act { action, line, checkpointer, timeout, answer });
        let answered = self.call(call).await;
        answered.unwrap_or_else(|| Err(Undone::Failed(ChildFailure::gone())))
    }

    /// Closes the child's stdin and waits for its end, for a bounded time.
    pub(crate) async fn close(self) -> Ending {
        self.call(Call::Close).await.unwrap_or(Ending::Forced)
    }

    /// Ends the child, which has done something wrong.
    pub(crate) async fn fail(self, why: Broken) -> ChildFailure {
        self.call(|answer| Call::Fail(why, answer)).await.unwrap_or_else(ChildFailure::gone)
    }

    /// Waits for the child's failure while nothing is asked of it; safe to cancel.
    pub(crate) async fn failure(&self) -> ChildFailure {
        self.call(Call::Watch).await.unwrap_or_else(ChildFailure::gone)
    }

    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.calls.send(call(answer)).await.ok()?;
        answered.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use async_trait::async_trait;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, duplex};

    use super::*;
    use crate::launch::{Ended, Hurry, Launched, Patience, Running};

    struct Lives;

    #[async_trait]
    impl Running for Lives {
        async fn wait(&mut self) {
            pending().await
        }

        async fn end(self: Box<Self>, _: Patience, _: Hurry<'_>) -> Ended {
            Ended { ending: Ending::InOrder, status: None }
        }
    }

    #[tokio::test]
    async fn a_child_that_asks_for_checkpoints_without_end_is_told_its_next_action() {
        let asked = "{\"action\":\"checkpoint\",\"sequenceNumber\":null}\n".repeat(1_000);
        let [(stdin, told), (stdout, mut tells), (stderr, _)] = [(); 3].map(|()| duplex(1 << 20));
        tells.write_all(asked.as_bytes()).await.unwrap();
        let (stdin, stdout, stderr) = (Box::new(stdin), Box::new(stdout), Box::new(stderr));
        let shard = ShardId::new("shardId-000000000000").unwrap();
        let launched = Launched { stdin, stdout, stderr, running: Box::new(Lives) };
        let child = Child::of(&shard, Connection::alone(&shard, launched));
        let mut told = BufReader::new(told).lines();
        assert!(told.next_line().await.unwrap().unwrap().contains("checkpoint"));
        let _acts = tokio::spawn(async move {
            child.act(Action::Initialize, b"next\n".to_vec(), None, None).await
        });
        let mut answers = 1;
        while told.next_line().await.unwrap().unwrap() != "next" {
            answers += 1;
        }
        assert!(answers < 100, "{answers} answers went before it");
    }
}
