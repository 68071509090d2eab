//! What is written to a child.

use std::sync::Arc;

use shardwise::ShardId;
use shardwise_core::multilang;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::several::Agreed;

type Written = oneshot::Sender<std::io::Result<()>>;

/// The way to a child's stdin, by a task that writes, so that a child may write before it has read
/// everything. Clones are one way; when the last is dropped, stdin is closed.
#[derive(Clone)]
pub(crate) struct Input {
    lines: mpsc::UnboundedSender<(Vec<u8>, Written)>,
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
        let (lines, mut received) = mpsc::unbounded_channel::<(Vec<u8>, Written)>();
        let task = tokio::spawn(async move {
            while let Some((line, answer)) = received.recv().await {
                let written = stdin.write_all(&line).await;
                let failed = written.is_err();
                drop(answer.send(written));
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

    /// Writes a line; of each shard never more than an action and a checkpoint's answer are on
    /// their way.
    pub(crate) fn write(&self, mut line: Vec<u8>) -> oneshot::Receiver<std::io::Result<()>> {
        if let Some((shard, agreed)) = &self.tag
            && *agreed.borrow() == Agreed::Yes
        {
            multilang::tag(&mut line, shard);
        }
        let (answer, answered) = oneshot::channel();
        // With the task gone the answer is dropped, which is one.
        drop(self.lines.send((line, answer)));
        answered
    }
}
