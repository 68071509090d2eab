//! The rules that workers follow, and the scope that is explored. A mutant changes one rule.

use super::leap::LEAP_LENGTH;

/// How far a worker looks at the row that it reads after a write without a clear answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirm {
    /// Owner, counter, checkpoint and sub-sequence number.
    Everything,
    /// All but the sub-sequence number.
    WithoutSubSequence,
    /// Owner and counter only.
    OwnerAndCounter,
}

/// Where a tenure starts to hand records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the checkpoint in the row that the take returned, or that a consistent read returned.
    Written,
    /// At the checkpoint in the row that was seen before the take.
    Scanned,
    /// After the newest record.
    Tip,
}

/// Where a processor that is restarted inside a tenure starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// At the checkpoint in the row, read consistently.
    Read,
    /// At the checkpoint that the worker remembers.
    Remembered,
}

/// Which counter a take writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakeCounter {
    /// The next one, as Java.
    Next,
    /// One so far above, by chance, that no write of another tenure expects it or those after it.
    Apart,
}

/// What every worker does, and what the explored world may do to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Whether a checkpoint names the row that it expects.
    pub(crate) checkpoint_is_conditional: bool,
    /// Whether a renewal names the row that it expects.
    pub(crate) renewal_is_conditional: bool,
    /// Whether conditions name the owner beside the counter.
    pub(crate) condition_names_owner: bool,
    /// What proves a write whose answer did not come.
    pub(crate) confirm: Confirm,
    /// Whether a checkpoint without an answer is told to the processor as made.
    pub(crate) ambiguity_is_success: bool,
    /// Which counter a take writes.
    pub(crate) take_counter: TakeCounter,
    /// Where a tenure starts.
    pub(crate) start: Start,
    /// Where a restarted processor starts.
    pub(crate) restart: Restart,
    /// Whether somebody may delete the row and create it anew, once.
    pub(crate) row_may_be_recreated: bool,
    /// The counter of a row that is created anew; Java's is 0.
    pub(crate) recreated_counter: u8,
    /// How far counters are explored above the one that the row was created with.
    pub(crate) counter_max: u8,
    /// How many writes of one worker may be under way without anyone waiting for them.
    pub(crate) late_writes_max: usize,
}

impl Rules {
    /// Our rules, on a row that lives for ever.
    pub(crate) const OURS: Self = Self {
        checkpoint_is_conditional: true,
        renewal_is_conditional: true,
        condition_names_owner: true,
        confirm: Confirm::Everything,
        ambiguity_is_success: false,
        take_counter: TakeCounter::Next,
        start: Start::Written,
        restart: Restart::Read,
        row_may_be_recreated: false,
        recreated_counter: 0,
        counter_max: 4,
        late_writes_max: 1,
    };

    /// Our rules, on a row that somebody deletes and creates anew.
    pub(crate) const OURS_ON_A_RECREATED_ROW: Self =
        Self { row_may_be_recreated: true, counter_max: 2, ..Self::OURS };

    /// How far `counter` is above the one that its row was made with, but for the leaps of takes.
    pub(crate) fn steps(&self, counter: u8, generation: u8) -> u8 {
        match self.take_counter {
            TakeCounter::Next => counter.saturating_sub(generation * self.recreated_counter),
            TakeCounter::Apart => counter % LEAP_LENGTH,
        }
    }
}
