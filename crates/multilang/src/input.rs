//! What is written to a child.

use std::sync::Arc;
use std::time::Duration;

use shardwise::ShardId;
use shardwise_core::multilang;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::failure::Broken;
use crate::several::Agreed;

/// A line on its way.
struct Line {
    bytes: Vec<u8>,
    /// How long the child may take to read it.
    limit: Duration,
    written: oneshot::Sender<Result<(), Broken>>,
}

/// The way to a child's stdin, by a task that writes, so that a child may write before it has read
/// everything. Clones are one way; when the last is dropped, stdin is closed.
#[derive(Clone)]
pub(crate) struct Input {
    lines: mpsc::UnboundedSender<Line>,
    /// Whom a child is told that a line is about, once it serves several shards.
    tag: Option<(ShardId, watch::Receiver<Agreed>)>,
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
            while let Some(Line { bytes, limit, written }) = received.recv().await {
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
    pub(crate) fn of(&self, shard: &ShardId, agreed: watch::Receiver<Agreed>) -> Self {
        Self { tag: Some((shard.clone(), agreed)), ..self.clone() }
    }

    /// Writes a line, which fails when the child has not read it within the limit from when its turn
    /// comes. Of each shard never more than an action and a checkpoint's answer are on their way.
    pub(crate) fn write(&self, mut bytes: Vec<u8>, limit: Duration) -> Writing {
        if let Some((shard, agreed)) = &self.tag
            && *agreed.borrow() == Agreed::Yes
        {
            multilang::tag(&mut bytes, shard);
        }
        let (written, receiver) = oneshot::channel();
        // With the task gone the sender is dropped, which is an answer.
        drop(self.lines.send(Line { bytes, limit, written }));
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
