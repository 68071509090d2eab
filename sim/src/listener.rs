//! Hears what a worker counts: where it says that records may be lost to retention.

use std::sync::Arc;

use async_trait::async_trait;
use shardwise::Checkpoint;
use shardwise::metrics::catalogue::RETENTION_GAPS;
use shardwise::metrics::{Datum, MetricsSink, Source};
use shardwise_referee::Gap;

use crate::node::Node;
use crate::processor::place_at;
use crate::world::World;

/// Listens to one worker.
pub(crate) struct Listener {
    world: Arc<World>,
    node: Arc<Node>,
}

impl Listener {
    pub(crate) fn new(world: &Arc<World>, node: &Arc<Node>) -> Self {
        Self { world: Arc::clone(world), node: Arc::clone(node) }
    }
}

#[async_trait]
impl MetricsSink for Listener {
    fn record(&self, source: Source<'_>, data: &[Datum]) {
        if data.iter().all(|datum| datum.metric.name != RETENTION_GAPS.name) {
            return;
        }
        let shard = source.shard.expect("a gap is in a shard");
        let gap = self.node.last_gap(shard).expect("it is on the board before it is counted");
        let before = gap.before.map(|before| Checkpoint::At { sequence: before, sub_sequence: 0 });
        let gap = Gap {
            t: self.world.t(),
            worker: self.node.name.clone(),
            shard: shard.to_string(),
            after: place_at(&gap.after),
            before: before.as_ref().map(place_at),
        };
        self.world.trace(&self.node.name, format_args!("{gap:?}"));
        self.world.mark(&self.node.name, "retention: gap told");
        self.world.state().journal.gap(gap);
    }
}
