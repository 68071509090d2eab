//! What a child is: three pipes, and something that runs until it ends or is ended.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use shardwise::ShardId;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long a child may take to exit once its stdin is closed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a child that has closed its stdout may take: most often it is about to exit.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Starts children.
#[async_trait]
pub trait Launch: Send + Sync {
    /// Starts a child for a shard.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    async fn launch(&self, shard: &ShardId) -> std::io::Result<Launched>;
}

/// A child that was started, and our ends of its pipes.
pub struct Launched {
    /// What it reads.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Where its messages come from.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Where its log lines come from.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// The child itself.
    pub running: Box<dyn Running>,
}

/// A child that runs. Dropping it ends the child at once.
#[async_trait]
pub trait Running: Send {
    /// The id of its process, if it is one.
    fn pid(&self) -> Option<u32> {
        None
    }

    /// Waits until it has ended by itself; safe to cancel.
    async fn wait(&mut self);

    /// Ends it, by force if it does not end by itself within the patience, which `hurry` cuts
    /// short. Its stdin must be closed already.
    async fn end(self: Box<Self>, patience: Patience, hurry: Hurry<'_>) -> Ended;
}

/// Returns when nobody can wait any longer.
pub type Hurry<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// How long a child is given before it is ended by force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It was told to end: it may finish what it does.
    Told,
    /// It seems to be ending.
    Ending,
    /// None.
    None,
}

impl Patience {
    /// How long that is.
    #[must_use]
    pub fn time(self) -> Duration {
        match self {
            Self::Told => EXIT_TIMEOUT,
            Self::Ending => LAST_BREATH,
            Self::None => Duration::ZERO,
        }
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    InOrder,
    /// By force.
    Forced,
}

/// The end of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub ending: Ending,
    /// The status that it left, in words, if that is known.
    pub status: Option<String>,
}
