//! Where shards get their children from: one each, or several shards one.

use std::num::NonZeroUsize;
use std::time::Duration;

use shardwise::ShardId;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::launch::Launch;
use crate::several::{Agreed, Several};

/// How long a shard waits for a child to say whether it will serve it too, which it says with its
/// first status; then it has another one started.
const SAYS_WITHIN: Duration = Duration::from_secs(10);

/// Starts children, and lets shards share those that want to be shared.
pub struct Children {
    launcher: Box<dyn Launch>,
    per_child: NonZeroUsize,
    /// Locked while a child is started or asked, so that shards which come at the same time do not
    /// start one each.
    pool: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    several: Vec<Several>,
    /// The program serves one shard a child: nobody needs to wait for what it says.
    declines: bool,
    /// A child has taken too long to say anything: no other one is waited for.
    is_slow: bool,
}

impl Children {
    /// Children of this launcher, each for so many shards if it wants. The launcher must offer it.
    #[must_use]
    pub fn new(launcher: Box<dyn Launch>, per_child: NonZeroUsize) -> Self {
        Self { launcher, per_child, pool: Mutex::default() }
    }

    /// A shard's way to a child.
    pub(crate) async fn connect(&self, shard: &ShardId) -> std::io::Result<Connection> {
        if self.per_child.get() == 1 {
            return Ok(Connection::alone(shard, self.launcher.launch(shard).await?));
        }
        let mut pool = self.pool.lock().await;
        if !pool.declines
            && let Some(connection) = pool.join(shard, self.per_child.get()).await
        {
            return Ok(connection);
        }
        let launched = self.launcher.launch(shard).await?;
        let (several, connection) = Several::start(shard, launched);
        if !pool.declines {
            pool.several.push(several);
        }
        Ok(connection)
    }
}

impl Pool {
    /// A way to a child that has room.
    async fn join(&mut self, shard: &ShardId, per_child: usize) -> Option<Connection> {
        self.several.retain(|several| *several.agreed().borrow() != Agreed::Gone);
        let has_room = |several: &&Several| several.shards() < per_child;
        let says = |several: &Several| *several.agreed().borrow();
        let mut agreed = self.several.iter().filter(has_room).filter(|it| says(it) == Agreed::Yes);
        if let Some(connection) = agreed.find_map(|several| several.join(shard)) {
            return Some(connection);
        }
        let pending = |several: &&Several| says(several) == Agreed::Pending;
        let several =
            self.several.iter().filter(has_room).find(pending).filter(|_| !self.is_slow)?;
        let mut agreed = several.agreed();
        let spoken = agreed.wait_for(|agreed| *agreed != Agreed::Pending);
        self.is_slow = timeout(SAYS_WITHIN, spoken).await.is_err();
        self.declines = says(several) == Agreed::No;
        several.join(shard)
    }
}
