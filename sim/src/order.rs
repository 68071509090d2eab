//! Faults that are ordered, not drawn: what a scenario lets go wrong with a worker's next calls.

use std::time::Duration;

use crate::point::Call;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request does not arrive.
    Lost,
    /// It is carried out, and the answer does not come back.
    AnswerLost,
    /// A write to the table is applied so much later, when nobody waits for it any more.
    Late(Duration),
    /// The table's answer, or the processor's call, takes so long.
    Slow(Duration),
    /// It is refused for its rate.
    Throttled,
    /// The stream says that the iterator has expired.
    Expired,
    /// The stream says that there is no such shard.
    NotFound,
    /// A read of the stream has neither an iterator nor children in its answer; an event has
    /// neither a continuation nor children.
    NoEnd,
    /// A read or an event has no records, though there may be some, and says that it is so many
    /// milliseconds behind.
    Empty(u64),
    /// A subscription ends, as after five minutes.
    Ends,
    /// A subscription is silent from then on.
    Silent,
    /// The shard is subscribed to by somebody else.
    InUse,
    /// A list of shards has each shard twice.
    Doubled,
    /// A list of shards has children before their parents.
    Backwards,
    /// A list of shards is as it was before the last reshard.
    Old,
    /// A list of shards ends behind its first one.
    Short,
    /// The processor fails, and wants the same again.
    Retry,
    /// The processor fails, and wants to be replaced.
    Restart,
    /// The processor panics.
    Panic,
}

/// What is ordered and has not happened yet.
#[derive(Debug, Default)]
pub(crate) struct Orders(Vec<Order>);

#[derive(Debug)]
struct Order {
    worker: usize,
    call: Call,
    fault: Fault,
    /// How often; none is for ever.
    times: Option<u32>,
    /// Whether it has happened at all.
    is_taken: bool,
}

impl Orders {
    pub(crate) fn add(&mut self, worker: usize, call: Call, fault: Fault, times: Option<u32>) {
        self.0.push(Order { worker, call, fault, times, is_taken: false });
    }

    /// What goes wrong with the call that a worker makes now: what was ordered first, first.
    pub(crate) fn next(&mut self, worker: usize, call: Call) -> Option<Fault> {
        let is_meant = |order: &&mut Order| {
            order.worker == worker && order.call == call && order.times != Some(0)
        };
        let order = self.0.iter_mut().find(is_meant)?;
        order.times = order.times.map(|times| times - 1);
        order.is_taken = true;
        Some(order.fault)
    }

    /// How many of the ordered faults have not happened; of those that last for ever the first.
    pub(crate) fn left(&self) -> u64 {
        let left = |order: &Order| order.times.map_or(u64::from(!order.is_taken), u64::from);
        self.0.iter().map(left).sum()
    }
}
