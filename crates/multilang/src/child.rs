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
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;
    use crate::output::LOGGED_PER_SECOND;
    use crate::scripted::{Script, scripted, shard};

    /// A child of one shard, and its other end.
    fn begin() -> (Child, Script) {
        let (launched, script) = scripted(None);
        let connection = Connection::alone(&shard(0), launched, LOGGED_PER_SECOND);
        (Child::of(&shard(0), connection), script)
    }

    /// Has a child told this as a batch, and given up in time.
    async fn given_up(child: &Child, line: Vec<u8>) {
        let began = Instant::now();
        let act = child.act(Action::ProcessRecords, line, None, None);
        let Err(Undone::Failed(failure)) = act.await else { panic!("it has answered") };
        let failure = failure.to_string();
        assert!(failure.contains("has not answered for 300 s"), "{failure}");
        // What stays open of its other pipes is drained for a second each.
        let took = began.elapsed().as_secs();
        assert!((300..=302).contains(&took), "{took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_that_never_reads_its_batch_is_given_up_without_a_time_for_batches() {
        let (child, _script) = begin();
        let line = vec![b'x'; 1 << 20];
        given_up(&child, line).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_that_never_reads_the_answers_that_it_asks_for_is_given_up() {
        let (child, mut script) = begin();
        let asks = tokio::spawn(async move {
            let asked = b"{\"action\":\"checkpoint\"}\n";
            loop {
                // Until it is ended.
                tokio::select! {
                    biased;
                    _ = script.ended.recv() => return script,
                    written = script.tells.write_all(asked) => written.unwrap(),
                }
            }
        });
        given_up(&child, b"\n".to_vec()).await;
        asks.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_may_work_on_a_batch_that_it_has_read_for_as_long_as_it_likes() {
        let (child, mut script) = begin();
        let works = tokio::spawn(async move {
            script.hears().await;
            tokio::time::sleep(Duration::from_secs(10_000)).await;
            script.says("{\"action\":\"status\",\"responseFor\":\"processRecords\"}").await;
            script
        });
        let line = [vec![b'x'; 1 << 20], b"\n".to_vec()].concat();
        child.act(Action::ProcessRecords, line, None, None).await.unwrap();
        works.await.unwrap();
    }

    #[tokio::test]
    async fn a_child_that_asks_for_checkpoints_without_end_is_told_its_next_action() {
        let asked = "{\"action\":\"checkpoint\",\"sequenceNumber\":null}\n".repeat(1_000);
        let (child, script) = begin();
        let Script { told, mut tells, .. } = script;
        let _asks = tokio::spawn(async move { tells.write_all(asked.as_bytes()).await });
        let mut told = told.lines();
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
