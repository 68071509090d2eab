//! The ports of a node's worker, over services that go wrong.

mod pages;
mod stream;
mod subscription;
mod table;

use shardwise::{Clock, Config, Ports};

pub(crate) use self::stream::NodeStream;
#[cfg(feature = "sdk")]
pub(crate) use self::stream::Obstacle;
#[cfg(feature = "sdk")]
pub(crate) use self::subscription::Followed;
#[cfg(feature = "sdk")]
pub(crate) use self::table::Fate;
pub(crate) use self::table::NodeTable;
use crate::node::{Node, NodeClock};
use crate::world::World;

use std::sync::Arc;
use std::time::Duration;

/// How long a request that nothing answers stays open: longer than any caller waits.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// How many failover times an answer of the table may take.
pub(crate) const SLOWEST: u32 = 3;

/// The ports of a node's worker.
pub(crate) fn of(world: &Arc<World>, node: &Arc<Node>, config: &Config) -> Ports {
    let (there, itself) = (|| Arc::clone(world), || Arc::clone(node));
    let clock = Arc::new(NodeClock(itself())) as Arc<dyn Clock>;
    #[cfg(feature = "sdk")]
    if world.sdk.is_some() {
        let (kinesis, table) = crate::sdk::ports(world, node, config);
        return Ports { kinesis, table, clock };
    }
    // Only the SDK's clients are told which table.
    let _ = config;
    Ports {
        kinesis: Arc::new(NodeStream { world: there(), node: itself() }),
        table: Arc::new(NodeTable { world: there(), node: itself() }),
        clock,
    }
}

/// How a node learns that there is no answer: at once (a connection is reset), or never.
pub(crate) async fn no_answer(is_reset: bool, after: Duration) {
    let wait = if is_reset { after } else { SILENCE };
    tokio::time::sleep(wait).await;
}
