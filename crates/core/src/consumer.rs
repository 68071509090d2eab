//! The shard consumer's life cycle, from holding a lease to giving it up.

/// Where one shard's consumer stands.
///
/// [`on`](Self::on) is the whole of the state machine: nothing else changes the state. A record
/// processor answers one call at a time, so while a call is out every other event is held back
/// until the call's own end has been fed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerState {
    /// The lease is held, but a parent shard still has records to process.
    WaitingOnParentShards,
    /// The processor is being told which shard it has.
    Initializing,
    /// Records flow.
    Processing,
    /// The worker stops: the processor may checkpoint once more.
    ShutdownRequested,
    /// Every record was processed: the processor is being told, and must checkpoint.
    ShardEnding,
    /// The processor is being told that the lease is gone.
    LosingLease,
    /// Nothing more happens for this shard in this tenure.
    ShutdownComplete,
}

/// What may happen to a shard consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Every parent shard is done.
    ParentsEnded,
    /// The call that was out has succeeded; at the shard's end this includes its checkpoint.
    CallSucceeded,
    /// The call that was out has failed.
    CallFailed(Failure),
    /// Every record of the shard was processed, and its child shards have leases.
    ShardEnded,
    /// The worker stops.
    ShutdownAsked,
    /// The lease is no longer held.
    LeaseLost,
}

/// What a failed call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The same call again, after a back-off.
    Retry,
    /// A new processor that starts from the last checkpoint, after a back-off.
    Restart,
}

/// What a record processor is told. `processRecords` is not among them: batches flow in
/// [`Processing`](ConsumerState::Processing) without a change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Which shard, and from where; to a processor that has not been used yet.
    Initialize,
    /// Checkpoint once more, the worker stops.
    ShutdownRequested,
    /// The shard is done, checkpoint its end.
    ShardEnded,
    /// The lease is gone, stop.
    LeaseLost,
}

impl ConsumerState {
    /// Moves on, and says what to tell the record processor, if anything.
    #[must_use]
    pub fn on(self, event: Event) -> (Self, Option<Call>) {
        use ConsumerState::{
            Initializing, LosingLease, Processing, ShardEnding, ShutdownComplete,
            ShutdownRequested, WaitingOnParentShards,
        };
        use Event::{
            CallFailed, CallSucceeded, LeaseLost, ParentsEnded, ShardEnded, ShutdownAsked,
        };

        match (self, event) {
            (WaitingOnParentShards, ParentsEnded) => (Initializing, Some(Call::Initialize)),
            // A processor that was never initialized has nothing to be told.
            (WaitingOnParentShards | Initializing, ShutdownAsked | LeaseLost) => {
                (ShutdownComplete, None)
            }

            (Initializing, CallSucceeded) => (Processing, None),
            (Initializing, CallFailed(_)) => (Initializing, Some(Call::Initialize)),

            (Processing, CallSucceeded | CallFailed(Failure::Retry)) => (Processing, None),
            (Processing, ShardEnded) => (ShardEnding, Some(Call::ShardEnded)),
            (Processing, ShutdownAsked) => (ShutdownRequested, Some(Call::ShutdownRequested)),

            (ShardEnding, CallSucceeded) => (ShutdownComplete, None),
            // It must checkpoint the end, or the child shards never start: tell it again.
            (ShardEnding, CallFailed(Failure::Retry)) => (ShardEnding, Some(Call::ShardEnded)),
            (Processing | ShardEnding, CallFailed(Failure::Restart)) => {
                (Initializing, Some(Call::Initialize))
            }

            // Whatever it answered, the lease is given up next. Without the lease a checkpoint
            // would be refused, so this last call offers none.
            (ShutdownRequested, CallSucceeded | CallFailed(_))
            | (Processing | ShutdownRequested | ShardEnding, LeaseLost)
            | (ShardEnding, ShutdownAsked) => (LosingLease, Some(Call::LeaseLost)),

            (LosingLease, CallSucceeded | CallFailed(_)) => (ShutdownComplete, None),

            // Spelled out, not `_`: a new event must not compile before someone has placed it.
            (state, ParentsEnded | CallSucceeded | CallFailed(_)) => (state, None),
            (state, ShardEnded | ShutdownAsked | LeaseLost) => (state, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVENTS: [Event; 7] = [
        Event::ParentsEnded,
        Event::CallSucceeded,
        Event::CallFailed(Failure::Retry),
        Event::CallFailed(Failure::Restart),
        Event::ShardEnded,
        Event::ShutdownAsked,
        Event::LeaseLost,
    ];

    fn walk(events: &[Event]) -> (ConsumerState, Vec<Call>) {
        let mut state = ConsumerState::WaitingOnParentShards;
        let mut calls = Vec::new();
        for &event in events {
            let (next, call) = state.on(event);
            state = next;
            calls.extend(call);
        }
        (state, calls)
    }

    #[test]
    fn a_shard_is_processed_to_its_end() {
        let (state, calls) = walk(&[
            Event::ParentsEnded,
            Event::CallSucceeded,
            Event::CallSucceeded,
            Event::ShardEnded,
            Event::CallSucceeded,
        ]);
        assert_eq!(state, ConsumerState::ShutdownComplete);
        assert_eq!(calls, [Call::Initialize, Call::ShardEnded]);
    }

    #[test]
    fn a_processor_is_asked_before_it_is_told_that_the_lease_goes() {
        let (state, calls) = walk(&[
            Event::ParentsEnded,
            Event::CallSucceeded,
            Event::ShutdownAsked,
            Event::CallFailed(Failure::Retry),
            Event::CallSucceeded,
        ]);
        assert_eq!(state, ConsumerState::ShutdownComplete);
        assert_eq!(calls, [Call::Initialize, Call::ShutdownRequested, Call::LeaseLost]);
    }

    #[test]
    fn a_forgotten_checkpoint_at_the_end_is_asked_for_again() {
        let (state, calls) = walk(&[
            Event::ParentsEnded,
            Event::CallSucceeded,
            Event::ShardEnded,
            Event::CallFailed(Failure::Retry),
        ]);
        assert_eq!(state, ConsumerState::ShardEnding);
        assert_eq!(calls, [Call::Initialize, Call::ShardEnded, Call::ShardEnded]);
    }

    #[test]
    fn a_processor_that_asks_for_a_restart_is_initialized_anew() {
        let (state, calls) =
            walk(&[Event::ParentsEnded, Event::CallSucceeded, Event::CallFailed(Failure::Restart)]);
        assert_eq!(state, ConsumerState::Initializing);
        assert_eq!(calls, [Call::Initialize, Call::Initialize]);
    }

    proptest! {
        #[test]
        fn after_the_lease_is_lost_nothing_is_asked_but_to_stop(
            before in proptest::collection::vec(proptest::sample::select(&EVENTS[..]), 0..12),
            after in proptest::collection::vec(proptest::sample::select(&EVENTS[..]), 0..12),
        ) {
            let (mut state, _) = walk(&before);
            state = state.on(Event::LeaseLost).0;
            prop_assert!(matches!(
                state,
                ConsumerState::LosingLease | ConsumerState::ShutdownComplete
            ));
            for event in after {
                let (next, call) = state.on(event);
                prop_assert_eq!(call, None);
                state = next;
            }
        }
    }
}
