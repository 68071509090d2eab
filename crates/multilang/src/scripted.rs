//! For unit tests: a child whose pipes are in memory, and who does what a test says.

use std::future::pending;

use async_trait::async_trait;
use shardwise::ShardId;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};

use crate::launch::{Ended, Ending, Hurry, Launched, Patience, Running};

/// What a pipe holds, as on Linux.
const PIPE_BYTES: usize = 64 << 10;

/// The child's ends of its pipes, and what it is told of its own end.
pub(crate) struct Script {
    pub(crate) told: BufReader<DuplexStream>,
    pub(crate) tells: DuplexStream,
    pub(crate) ended: mpsc::UnboundedReceiver<Patience>,
    _stderr: DuplexStream,
}

impl Script {
    pub(crate) async fn says(&mut self, line: &str) {
        self.tells.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn hears(&mut self) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).await.unwrap();
        line
    }
}

/// Ends when it is told to, and tells how.
struct Life {
    ended: mpsc::UnboundedSender<Patience>,
    dies: Option<oneshot::Receiver<()>>,
}

#[async_trait]
impl Running for Life {
    async fn wait(&mut self) {
        match &mut self.dies {
            Some(dies) => drop(dies.await),
            None => pending().await,
        }
    }

    async fn end(self: Box<Self>, patience: Patience, _: Hurry<'_>) -> Ended {
        // Whoever wants to know may be gone.
        let _ = self.ended.send(patience);
        Ended { ending: Ending::InOrder, status: Some("ended".to_owned()) }
    }
}

/// A child that lives until it is ended, or until it dies.
pub(crate) fn scripted(dies: Option<oneshot::Receiver<()>>) -> (Launched, Script) {
    let [(stdin, told), (stdout, tells), (stderr, other)] = [(); 3].map(|()| duplex(PIPE_BYTES));
    let (ended, receiver) = mpsc::unbounded_channel();
    let launched = Launched {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
        running: Box::new(Life { ended, dies }),
    };
    let told = BufReader::new(told);
    (launched, Script { told, tells, ended: receiver, _stderr: other })
}

pub(crate) fn shard(number: u32) -> ShardId {
    ShardId::new(format!("shardId-{number}")).unwrap()
}
