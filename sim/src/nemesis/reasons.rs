//! What workers say of shards that they hand nothing of.

use std::time::Duration;

use super::Nemesis;

/// Between two looks at the boards; much less than a shard may be silent.
const EVERY: Duration = Duration::from_secs(10);

impl Nemesis {
    /// Writes down what the boards of all workers say, if it is time for it.
    pub(super) fn look_at_boards(&mut self, now: Duration) {
        if now < self.looks_at {
            return;
        }
        self.looks_at = now + EVERY;
        for slot in self.slots.iter().filter(|slot| slot.is_up) {
            let reasons = slot.node.reasons(self.world.t());
            let mut state = self.world.state();
            state.journal.reasons(reasons);
            state.memory.look_at(&slot.node, self.world.plan.knobs.byte_budget);
        }
    }
}
