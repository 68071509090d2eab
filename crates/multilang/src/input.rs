//! What is written to a child.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shardwise::ShardId;
use shardwise_core::multilang;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::agreement::{Agreed, Agreement};
use crate::failure::Broken;

/// A line on its way.
struct Line {
    bytes: Vec<u8>,
    /// How long the child may take to read it.
    limit: Duration,
    opening: Option<Opening>,
    written: oneshot::Sender<Result<(), Broken>>,
}

/// What happens when the turn of an action's line comes, which may be long after it was queued:
/// other shards of the child may have lines before it.
pub(crate) struct Opening {
    /// Whether it must not begin any more.
    pub(crate) is_too_late: Box<dyn FnOnce() -> bool + Send>,
    /// Told whether it begins, before the child can know of it.
    pub(crate) begins: oneshot::Sender<bool>,
    /// Where the number of actions that have begun is noted, and what it is from then on.
    pub(crate) begun: Arc<AtomicU64>,
    pub(crate) number: u64,
}

impl Opening {
    /// Begins, unless it is too late, or nobody wants that any more.
    fn open(self) -> bool {
        let begins = !(self.is_too_late)();
        if self.begins.send(begins).is_err() || !begins {
            return false;
        }
        self.begun.store(self.number, Ordering::Release);
        true
    }
}

/// The way to a child's stdin, by a task that writes, so that a child may write before it has read
/// everything. Clones are one way; when the last is dropped, stdin is closed.
#[derive(Clone)]
pub(crate) struct Input {
    lines: mpsc::UnboundedSender<Line>,
    /// Whom a child is told that a line is about, once it serves several shards.
    tag: Option<(ShardId, Agreement)>,
    _task: Arc<Task>,
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        // It may be in the middle of a line that the child does not read.
        self.0.abort();
    }
}

impl Input {
    /// To the child that reads from here.
    pub(crate) fn start(mut stdin: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        let (lines, mut received) = mpsc::unbounded_channel::<Line>();
        let task = tokio::spawn(async move {
            while let Some(Line { bytes, limit, opening, written }) = received.recv().await {
                if opening.is_some_and(|opening| !opening.open()) {
                    continue;
                }
                let result = match timeout(limit, stdin.write_all(&bytes)).await {
                    Ok(result) => result.map_err(Broken::Stdin),
                    Err(_) => Err(Broken::Timeout(limit)),
                };
                let failed = result.is_err();
                // Whoever wanted to know may be gone.
                drop(written.send(result));
                if failed {
                    return;
                }
            }
        });
        Self { lines, tag: None, _task: Arc::new(Task(task)) }
    }

    /// The same way, for what is about this shard.
    pub(crate) fn of(&self, shard: &ShardId, agreed: Agreement) -> Self {
        Self { tag: Some((shard.clone(), agreed)), ..self.clone() }
    }

    /// Writes a line, which fails when the child has not read it within the limit from when its
    /// turn comes. Of each shard never more than an action and a checkpoint's answer are on their
    /// way.
    pub(crate) fn write(&self, bytes: Vec<u8>, limit: Duration) -> Writing {
        self.queue(bytes, limit, None)
    }

    /// Writes the line of an action, if it may still begin when its turn comes.
    pub(crate) fn begin(&self, bytes: Vec<u8>, limit: Duration, opening: Opening) -> Writing {
        self.queue(bytes, limit, Some(opening))
    }

    fn queue(&self, mut bytes: Vec<u8>, limit: Duration, opening: Option<Opening>) -> Writing {
        if let Some((shard, agreed)) = &self.tag
            && agreed.now() == Agreed::Yes
        {
            multilang::tag(&mut bytes, shard);
        }
        let (written, receiver) = oneshot::channel();
        // With the task gone the sender is dropped, which is an answer.
        drop(self.lines.send(Line { bytes, limit, opening, written }));
        Writing { written: receiver }
    }
}

/// A line that is being written, or waits for that.
pub(crate) struct Writing {
    written: oneshot::Receiver<Result<(), Broken>>,
}

impl Writing {
    /// Waits until it is written; safe to cancel, but over once it has returned.
    pub(crate) async fn done(&mut self) -> Result<(), Broken> {
        let gone = |_| Err(Broken::Stdin(std::io::ErrorKind::BrokenPipe.into()));
        (&mut self.written).await.unwrap_or_else(gone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_an_action_is_asked_when_its_turn_comes_holds_for_that_moment() {
        let (stdin, mut told) = duplex(64 << 10);
        let input = Input::start(Box::new(stdin));
        let mut neighbours = input.write(vec![b'x'; 1 << 20], Duration::from_secs(60));
        let (is_lost, begun) = (Arc::new(AtomicBool::default()), Arc::new(AtomicU64::default()));
        let begin = |line: &[u8], number, is_lost: Arc<AtomicBool>| {
            let (begins, told) = oneshot::channel();
            let is_too_late = Box::new(move || is_lost.load(Ordering::Acquire));
            let opening = Opening { is_too_late, begins, begun: Arc::clone(&begun), number };
            (input.begin(line.to_vec(), Duration::from_secs(5), opening), told)
        };
        let (mut held, held_begins) = begin(b"held", 1, Arc::default());
        let (mut lost, lost_begins) = begin(b"lost", 2, Arc::clone(&is_lost));
        sleep(Duration::from_secs(15)).await;
        is_lost.store(true, Ordering::Release);
        assert_eq!(begun.load(Ordering::Acquire), 0, "nothing has begun before its turn");
        let mut line = vec![0; 1 << 20];
        told.read_exact(&mut line).await.unwrap();
        neighbours.done().await.unwrap();
        held.done().await.expect("the time of others is not its own");
        assert!(lost.done().await.is_err());
        let begins = (held_begins.await, lost_begins.await);
        assert_eq!((begins, begun.load(Ordering::Acquire)), ((Ok(true), Ok(false)), 1));
        drop(input);
        line.clear();
        told.read_to_end(&mut line).await.unwrap();
        assert_eq!(line, b"held");
    }
}
