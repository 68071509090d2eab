//! A subscription to a shard, as a node follows it.

use std::time::Duration;

use futures_util::stream;
use shardwise::ShardId;
use shardwise::kinesis::{ConsumerArn, Event, Events, KinesisError, Position};
use shardwise_local::stream::{Pushed, SequenceNumber, Subscription, SubscriptionEvent};

use super::SILENCE;
use super::stream::starting_position;
use super::stream::{NodeStream, children, error, records, sequence_number};
use crate::node::Node;
use crate::order::Fault;
use crate::point::{Call, Edge};
use crate::world::World;

/// How long the service takes to push what has been put.
const PROPAGATION: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How a subscription goes wrong.
#[derive(Clone, Copy)]
enum Wrong {
    /// It ends.
    Ends,
    /// Nothing comes any more, and nobody says so: the connection is dead.
    Silent,
    /// Its connection breaks.
    Cut,
    /// Somebody else has subscribed.
    InUse,
    /// The next event has neither a continuation nor children.
    NoEnd,
    /// An event without records, though there may be some, that is so many milliseconds behind.
    Empty(u64),
}

impl NodeStream {
    /// Subscribes to a shard.
    pub(super) async fn open(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardId,
        position: &Position,
    ) -> Result<Events, KinesisError> {
        let not_found = self.is_drawn(self.world.plan.rates.not_found);
        let ordered = self.ordered(Call::Subscribe);
        let subscribed = self.ask(Call::Subscribe, ordered, |state, date| {
            let id = shard.as_str().parse().map_err(|_| KinesisError::NotFound(shard.to_string()));
            if not_found {
                return Err(self.not_found(state, shard.as_str()));
            }
            let position = starting_position(position)?;
            state.streams.subscribe(&consumer.0, id?, position, date).map_err(error)
        });
        let followed = Followed::new(self.clone(), subscribed.await?);
        Ok(Box::pin(stream::unfold(Some(followed), |followed| async {
            let mut followed = followed?;
            match followed.next().await {
                Ok(Some(pushed)) => {
                    let event = event(&followed.stream.node, pushed);
                    Some((event, Some(followed)))
                }
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })))
    }

    fn draw_wrong_event(&self) -> Option<Wrong> {
        let rates = &self.world.plan.rates;
        let all = [
            (Wrong::Cut, "stream: subscription cut"),
            (Wrong::Silent, "stream: subscription silent"),
            (Wrong::Ends, "stream: subscription ends early"),
            (Wrong::InUse, "stream: subscription taken over"),
        ];
        let (wrong, name) = *self.world.state().dice.stream.pick(&all);
        self.is_drawn(rates.subscription).then(|| {
            self.world.mark(&self.node.name, name);
            wrong
        })
    }
}

/// A subscription as it arrives at a node.
pub(crate) struct Followed {
    stream: NodeStream,
    subscription: Subscription,
    /// The last one that was sent.
    continuation: Option<SequenceNumber>,
}

impl Followed {
    pub(crate) fn new(stream: NodeStream, subscription: Subscription) -> Self {
        Self { stream, subscription, continuation: None }
    }

    /// The next event; none once it has ended in order.
    pub(crate) async fn next(&mut self) -> Result<Option<SubscriptionEvent>, KinesisError> {
        let NodeStream { world, node } = &self.stream;
        world.passes(node, Call::Event, Edge::Before).await;
        let wrong = match self.stream.ordered(Call::Event) {
            Some(Fault::Ends) => Some(Wrong::Ends),
            Some(Fault::Silent) => Some(Wrong::Silent),
            Some(Fault::Lost) => Some(Wrong::Cut),
            Some(Fault::InUse) => Some(Wrong::InUse),
            Some(Fault::NoEnd) => Some(Wrong::NoEnd),
            Some(Fault::Empty(millis)) => Some(Wrong::Empty(millis)),
            Some(fault) => panic!("{fault:?} is no fault of a subscription"),
            None => self.stream.draw_wrong_event(),
        };
        let result = match wrong {
            Some(Wrong::Ends) => Ok(None),
            Some(Wrong::Silent) => silence().await,
            Some(Wrong::Cut) => Err(KinesisError::Unanswered("cut".into())),
            Some(Wrong::InUse) => Err(KinesisError::InUse("taken over".to_owned())),
            Some(Wrong::NoEnd) => self.pushed().await.map(|event| event.map(without_end)),
            Some(Wrong::Empty(millis)) => Ok(Some(self.empty(millis).await)),
            None => self.pushed().await.map(|event| event.map(|event| self.as_sent(event))),
        };
        let NodeStream { world, node } = &self.stream;
        world.passes(node, Call::Event, Edge::After).await;
        if let Err(error) = &result {
            world.trace(&node.name, format_args!("{:?}: {error}", Call::Event));
        }
        result
    }

    /// An event that may be malformed on its way: the last one has a continuation as well, or no
    /// children; another one ends where nothing ends.
    fn as_sent(&mut self, event: SubscriptionEvent) -> SubscriptionEvent {
        let rate = self.stream.world.plan.rates.malformed;
        let is_end = event.continuation.is_none();
        let rate = if is_end { AT_THE_END * rate } else { rate };
        if !self.stream.is_drawn(rate) {
            self.continuation = event.continuation.or(self.continuation);
            return event;
        }
        let (event, name) = match self.continuation.filter(|_| is_end) {
            Some(continuation) => {
                let event = SubscriptionEvent { continuation: Some(continuation), ..event };
                (event, "stream: event with two ends")
            }
            None => (without_end(event), "stream: event without an end"),
        };
        self.stream.world.mark(&self.stream.node.name, name);
        event
    }

    /// An event that brings nothing, where the last one was.
    async fn empty(&self, millis_behind_latest: u64) -> SubscriptionEvent {
        tokio::time::sleep(propagation(&self.stream.world)).await;
        let continuation = self.continuation;
        assert!(continuation.is_some(), "a subscription's first event cannot be empty by order");
        let (records, child_shards) = (Vec::new(), Vec::new());
        SubscriptionEvent { records, continuation, millis_behind_latest, child_shards }
    }

    /// What the service pushes, once it has something to say and its way is open.
    async fn pushed(&mut self) -> Result<Option<SubscriptionEvent>, KinesisError> {
        loop {
            let NodeStream { world, node } = &self.stream;
            tokio::time::sleep(propagation(world)).await;
            if !node.has_stream() {
                world.mark(&node.name, "stream: cut off");
                return silence().await;
            }
            let date = world.date();
            let pushed = world.state().streams.next_event(&mut self.subscription, date);
            match pushed.map_err(error)? {
                Pushed::Event(pushed) => return Ok(Some(pushed)),
                Pushed::WaitUntil(_) => {}
                Pushed::Ended => return Ok(None),
            }
        }
    }
}

/// How much more often a shard's last event, or answer, is malformed than others: there is one.
pub(super) const AT_THE_END: u32 = 50;

/// A connection over which nothing comes any more: whoever listens has to notice it.
async fn silence<T>() -> Result<T, KinesisError> {
    tokio::time::sleep(100 * SILENCE).await;
    Err(KinesisError::Unanswered("nobody listened for so long".into()))
}

fn propagation(world: &World) -> Duration {
    world.state().dice.stream.between(PROPAGATION.0, PROPAGATION.1)
}

/// Neither a continuation nor children.
fn without_end(event: SubscriptionEvent) -> SubscriptionEvent {
    SubscriptionEvent { continuation: None, child_shards: Vec::new(), ..event }
}

fn event(node: &Node, pushed: SubscriptionEvent) -> Result<Event, KinesisError> {
    Ok(Event {
        records: records(node, pushed.records)?,
        continuation: pushed.continuation.map(sequence_number).transpose()?,
        millis_behind_latest: Some(pushed.millis_behind_latest),
        children: children(&pushed.child_shards)?,
    })
}
