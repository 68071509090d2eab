//! Where shards get their children from: one each, or several shards one.

use std::num::NonZeroUsize;
use std::time::Duration;

use shardwise::ShardId;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::warn;

use crate::agreement::Agreed;
use crate::connection::Connection;
use crate::launch::Launch;
use crate::output::LOGGED_PER_SECOND;
use crate::several::Several;

/// How long a shard waits for a child to say whether it will serve it too, which it says with its
/// first status; then it has another one started.
const SAYS_WITHIN: Duration = Duration::from_secs(10);

/// Starts children, and lets shards share those that want to be shared.
pub struct Children {
    launcher: Box<dyn Launch>,
    per_child: NonZeroUsize,
    logged_per_second: u32,
    /// Locked while a child is started or asked, so that shards which come at the same time do not
    /// start one each.
    pool: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    offered: Vec<Offered>,
    /// The program serves one shard a child: nobody needs to wait for what it says.
    declines: bool,
    /// That a child is slow was told.
    is_told: bool,
}

/// A child that was offered several shards.
struct Offered {
    child: Several,
    /// It has taken too long to say anything: it is not waited for any more.
    is_slow: bool,
}

impl Children {
    /// Children of this launcher, each for so many shards if it wants. The launcher must offer it.
    #[must_use]
    pub fn new(launcher: Box<dyn Launch>, per_child: NonZeroUsize) -> Self {
        Self { launcher, per_child, logged_per_second: LOGGED_PER_SECOND, pool: Mutex::default() }
    }

    /// The same with so many lines of each pipe of a child logged in a second.
    #[must_use]
    pub fn logging(self, lines_per_second: u32) -> Self {
        Self { logged_per_second: lines_per_second, ..self }
    }

    /// A shard's way to a child.
    pub(crate) async fn connect(&self, shard: &ShardId) -> std::io::Result<Connection> {
        if self.per_child.get() == 1 {
            let launched = self.launcher.launch(shard).await?;
            return Ok(Connection::alone(shard, launched, self.logged_per_second));
        }
        let mut pool = self.pool.lock().await;
        if let Some(connection) = pool.join(shard, self.per_child.get()).await {
            return Ok(connection);
        }
        let launched = self.launcher.launch(shard).await?;
        let (child, connection) = Several::start(shard, launched, self.logged_per_second);
        if !pool.declines {
            pool.offered.push(Offered { child, is_slow: false });
        }
        Ok(connection)
    }
}

impl Pool {
    /// A way to a child that has room, which may have to say first whether it wants to be shared.
    async fn join(&mut self, shard: &ShardId, per_child: usize) -> Option<Connection> {
        self.look();
        if let Some(connection) = self.agreed(shard, per_child) {
            return Some(connection);
        }
        let is_pending = |it: &&mut Offered| says(it) == Agreed::Pending && !it.is_slow;
        let pending = self.offered.iter_mut().find(is_pending)?;
        let agreed = pending.child.agreed();
        let spoken = agreed.until(|agreed| agreed != Agreed::Pending);
        pending.is_slow = timeout(SAYS_WITHIN, spoken).await.is_err();
        if pending.is_slow && !self.is_told {
            self.is_told = true;
            let seconds = SAYS_WITHIN.as_secs();
            warn!(%shard, seconds, "a child that may be shared has not answered its first \
                  `initialize`: shards that come meanwhile have others started");
        }
        self.look();
        self.agreed(shard, per_child)
    }

    /// Forgets the children that are of no use to others.
    fn look(&mut self) {
        self.offered.retain(|it| says(it) != Agreed::Gone);
        if self.offered.iter().any(|it| says(it) == Agreed::No) {
            self.declines = true;
            self.offered.clear();
        }
    }

    /// A way to a child that wants to be shared.
    fn agreed(&self, shard: &ShardId, per_child: usize) -> Option<Connection> {
        let has_room = |it: &&Offered| it.child.shards() < per_child;
        self.offered.iter().filter(has_room).find_map(|it| it.child.join(shard))
    }
}

fn says(offered: &Offered) -> Agreed {
    offered.child.agreed().now()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex, PoisonError};

    use async_trait::async_trait;

    use super::*;
    use crate::launch::Launched;
    use crate::scripted::{Script, scripted, shard};

    /// Has prepared children.
    struct Prepared(Mutex<VecDeque<Launched>>);

    #[async_trait]
    impl Launch for Prepared {
        async fn launch(&self, _: &ShardId) -> std::io::Result<Launched> {
            let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            left.pop_front().ok_or(std::io::ErrorKind::OutOfMemory.into())
        }
    }

    /// So many children for four shards each, and their other ends.
    fn prepared(children: usize) -> (Arc<Children>, Vec<Script>) {
        let (launched, scripts) = (0..children).map(|_| scripted(None)).unzip();
        let launcher = Box::new(Prepared(Mutex::new(launched)));
        (Arc::new(Children::new(launcher, NonZeroUsize::new(4).unwrap())), scripts)
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_that_is_slow_to_begin_is_shared_once_it_has() {
        let (children, mut scripts) = prepared(2);
        let _first = children.connect(&shard(0)).await.unwrap();
        let _second = children.connect(&shard(1)).await.unwrap();
        let third = tokio::spawn({
            let children = Arc::clone(&children);
            async move { children.connect(&shard(2)).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (number, script) in scripts.iter_mut().enumerate() {
            let status = r#"{"action":"status","responseFor":"initialize","shardId":"shardId-"#;
            script.says(&format!("{status}{number}\"}}")).await;
        }
        let _third = third.await.unwrap().expect("no third child is needed");
        let _fourth = children.connect(&shard(3)).await.expect("nor for a fourth shard");
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_program_that_declines_nothing_is_kept() {
        let (children, mut scripts) = prepared(3);
        let first = children.connect(&shard(0)).await.unwrap();
        scripts[0].says(r#"{"action":"status","responseFor":"initialize"}"#).await;
        let _second = children.connect(&shard(1)).await.unwrap();
        let _third = children.connect(&shard(2)).await.unwrap();
        let pool = children.pool.lock().await;
        assert!(pool.declines && pool.offered.is_empty());
        drop(first);
    }
}
