//! What comes before a shard's end: the leases of its children.

use shardwise_core::consumer::Event;
use shardwise_core::id::LeaseKey;
use shardwise_core::row;
use shardwise_core::shard::ChildShard;
use shardwise_core::sync;
use tracing::warn;

use super::{Consumer, Shared};
use crate::lease_table::TableError;

impl Consumer {
    /// Makes the child shards' leases before anyone may hear that this shard has ended.
    pub(super) async fn prepare_end(&mut self, children: &[ChildShard]) -> Event {
        loop {
            if !self.tenure.is_held() {
                return Event::LeaseLost;
            }
            let (shared, key) = (self.shared.clone(), self.key.clone());
            let leased = match self.unless_told(lease_children(&shared, &key, children)).await {
                Ok(leased) => leased,
                Err(event) => return event,
            };
            match leased {
                Ok(()) => return Event::ShardEnded,
                Err(error) => {
                    self.failures.add(None);
                    warn!(shard = %self.shard, %error, "child leases not made");
                    self.shared.board.failed(&self.key, format!("child leases: {error}"));
                }
            }
            let pause = self.shared.config.processor.wait_after(self.failures.in_a_row());
            if let Some(event) = self.pause(pause).await {
                return event;
            }
        }
    }
}

/// Makes the leases of a shard's children, and notes on its own row which they are.
async fn lease_children(
    shared: &Shared,
    key: &LeaseKey,
    children: &[ChildShard],
) -> Result<(), TableError> {
    let table = &shared.ports.table;
    for lease in sync::child_leases(children) {
        let began = shared.ports.clock.now();
        let written = table.write(&row::create(&lease)).await;
        shared.metrics.created_child(began, written.is_ok());
        written?;
    }
    if !children.is_empty() {
        let ids = children.iter().map(|child| child.id.clone()).collect();
        table.write(&row::set_children(key, &ids)).await?;
    }
    Ok(())
}
