//! A shard's way to a child, whether the child is its own or serves others too.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use shardwise::ShardId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::input::Input;
use crate::launch::{Launched, Running};
use crate::output::{self, Heard, Tail, Whose};

/// How many messages may wait: all that a child writes at once, when it writes as it should.
pub(crate) const MESSAGES_MAX: usize = 16;

/// A shard's way to a child.
pub(crate) struct Connection {
    pub(crate) input: Input,
    pub(crate) messages: mpsc::Receiver<Heard>,
    /// The number of actions that have begun, for whoever reads stdout.
    pub(crate) begun: Arc<AtomicU64>,
    pub(crate) tail: Tail,
    pub(crate) running: Box<dyn Running>,
    /// Who reads the child's pipes, if the child is this shard's own.
    pub(crate) readers: Vec<JoinHandle<()>>,
}

impl Connection {
    /// The one connection of a child, of whose pipes so many lines are logged in a second.
    pub(crate) fn alone(shard: &ShardId, launched: Launched, logged_per_second: u32) -> Self {
        let Launched { stdin, stdout, stderr, running } = launched;
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        let (tail, begun) = (Tail::default(), Arc::default());
        let whose = || Whose::alone(shard).logging(logged_per_second);
        let stdout = output::read_stdout(stdout, whose(), Arc::clone(&begun), sender);
        let stderr = output::read_stderr(stderr, whose(), tail.clone());
        let readers = vec![tokio::spawn(stdout), tokio::spawn(stderr)];
        Self { input: Input::start(stdin), messages, begun, tail, running, readers }
    }
}
