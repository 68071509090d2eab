//! The stream as a node reaches it.

use std::sync::Arc;

use async_trait::async_trait;
use shardwise::kinesis::{
    Answer, ConsumerArn, Events, Kinesis, KinesisError, Position, Record, RegisteredConsumer,
    ShardIterator, ShardList, ShardPage, StreamState,
};
use shardwise::{InitialPosition, SequenceNumber, ShardId, StreamName};
use shardwise_core::shard::{ChildShard, HashKeyRange, Shard};
use shardwise_core::time::Timestamp;
use shardwise_local::stream::{self, ServiceError, ShardFilter, StartingPosition};

use super::no_answer;
use super::subscription::AT_THE_END;
use crate::node::Node;
use crate::order::Fault;
use crate::point::{Call, Edge};
use crate::refusals::Refused;
use crate::world::{STREAM, State, World};

/// The stream, seen from one node.
#[derive(Clone)]
pub(crate) struct NodeStream {
    pub(crate) world: Arc<World>,
    pub(crate) node: Arc<Node>,
}

/// How an answer to a read is made wrong.
#[derive(Clone, Copy)]
enum Wrong {
    /// No records, though there may be some; so many milliseconds behind.
    Empty(u64),
    /// Neither an iterator nor children.
    NoEnd,
    /// Children, and an iterator as well.
    TwoEnds,
}

/// How many shards a list that ends early may have.
const SHORT_LIST_MAX: usize = 12;

/// How a list of shards is made wrong.
#[derive(Clone, Copy)]
enum WrongList {
    Doubled,
    Backwards,
    Old,
    /// It ends behind so many shards, as if they were all: of as many as leave one out.
    Short(usize),
}

impl NodeStream {
    /// Asks the service, which may not answer.
    pub(super) async fn ask<T>(
        &self,
        call: Call,
        ordered: Option<Fault>,
        answer: impl FnOnce(&mut State, stream::Timestamp) -> Result<T, KinesisError> + Send,
    ) -> Result<T, KinesisError> {
        self.world.passes(&self.node, call, Edge::Before).await;
        let (there, back) = (self.world.way(), self.world.way());
        let result = match self.obstacle(call, ordered) {
            Some(Obstacle::Lost { is_reset }) => {
                no_answer(is_reset, there).await;
                Err(KinesisError::Unanswered("lost".into()))
            }
            Some(Obstacle::Refused(error)) => {
                tokio::time::sleep(there).await;
                Err(error)
            }
            None => {
                tokio::time::sleep(there).await;
                let date = self.world.date();
                let result = answer(&mut self.world.state(), date);
                tokio::time::sleep(back).await;
                result
            }
        };
        self.world.passes(&self.node, call, Edge::After).await;
        if let Err(error) = &result {
            self.world.trace(&self.node.name, format_args!("{call:?}: {error}"));
        }
        result
    }

    pub(crate) fn obstacle(&self, call: Call, ordered: Option<Fault>) -> Option<Obstacle> {
        if let Some(fault) = ordered {
            return Obstacle::ordered(fault);
        }
        let rates = &self.world.plan.rates;
        let is_cut = !self.node.has_stream();
        let mut state = self.world.state();
        let (is_chaos, now) = (state.is_chaos, self.world.now());
        if let Some(refused) = state.refusals.of(self.node.slot, call, now) {
            let (error, name) = match refused {
                Refused::Throttled => (KinesisError::Throttled, "stream: burst of throttling"),
                Refused::Denied => {
                    (KinesisError::Refused("as planned".to_owned()), "stream: denied")
                }
            };
            state.mark(now, &self.node.name, name);
            return Some(Obstacle::Refused(error));
        }
        let dice = &mut state.dice.stream;
        let (obstacle, name) = if is_cut {
            (Obstacle::Lost { is_reset: dice.happens(500_000) }, "stream: cut off")
        } else if !is_chaos {
            return None;
        } else if dice.happens(rates.stream_lost) {
            (Obstacle::Lost { is_reset: dice.happens(500_000) }, "stream: no answer")
        } else if dice.happens(rates.stream_throttled) {
            (Obstacle::Refused(KinesisError::Throttled), "stream: throttled")
        } else {
            return None;
        };
        state.mark(now, &self.node.name, name);
        Some(obstacle)
    }

    fn draw_wrong_answer(&self) -> Option<Wrong> {
        self.is_drawn(self.world.plan.rates.malformed).then(|| {
            let mut state = self.world.state();
            *state.dice.stream.pick(&[Wrong::Empty(9), Wrong::NoEnd, Wrong::TwoEnds])
        })
    }

    /// Hardly any answer is the last of its shard: it is drawn for apart.
    fn draw_wrong_end(&self, state: &mut State, answer: &Answer) -> Option<Wrong> {
        let rate = AT_THE_END * self.world.plan.rates.malformed;
        let is_drawn = answer.next.is_none() && state.is_chaos && state.dice.ends.happens(rate);
        is_drawn.then_some(Wrong::TwoEnds)
    }

    fn draw_wrong_list(&self) -> Option<WrongList> {
        let rates = &self.world.plan.rates;
        if self.is_drawn(rates.list) {
            let wrong = [WrongList::Doubled, WrongList::Backwards, WrongList::Old];
            return Some(*self.world.state().dice.stream.pick(&wrong));
        }
        self.world.happens(|dice| &mut dice.short_lists, rates.short_list).then(|| {
            WrongList::Short(1 + self.world.state().dice.short_lists.below(SHORT_LIST_MAX))
        })
    }

    /// Whether something is to go wrong; it is marked where it does.
    pub(super) fn is_drawn(&self, per_million: u32) -> bool {
        self.world.happens(|dice| &mut dice.stream, per_million)
    }

    /// Counts what went wrong, where the services' state is at hand.
    fn mark(&self, state: &mut State, what: &'static str) {
        state.mark(self.world.now(), &self.node.name, what);
    }

    pub(super) fn not_found(&self, state: &mut State, what: &str) -> KinesisError {
        self.mark(state, "stream: not found");
        KinesisError::NotFound(what.to_owned())
    }

    pub(super) fn ordered(&self, call: Call) -> Option<Fault> {
        self.world.ordered(&self.node, call)
    }
}

pub(crate) enum Obstacle {
    Lost { is_reset: bool },
    Refused(KinesisError),
}

impl Obstacle {
    /// What a scenario asks for; none if it asks for an answer that is wrong.
    fn ordered(fault: Fault) -> Option<Self> {
        Some(match fault {
            Fault::Lost | Fault::AnswerLost => Self::Lost { is_reset: true },
            Fault::Throttled => Self::Refused(KinesisError::Throttled),
            Fault::Expired => Self::Refused(KinesisError::Expired),
            Fault::NotFound => Self::Refused(KinesisError::NotFound("as ordered".to_owned())),
            Fault::InUse => Self::Refused(KinesisError::InUse("as ordered".to_owned())),
            Fault::NoEnd
            | Fault::Empty(_)
            | Fault::Doubled
            | Fault::Backwards
            | Fault::Old
            | Fault::Short
            | Fault::Ends
            | Fault::Silent => return None,
            Fault::Late(_) | Fault::Slow(_) | Fault::Retry | Fault::Restart | Fault::Panic => {
                panic!("{fault:?} is no fault of the stream")
            }
        })
    }
}

#[async_trait]
impl Kinesis for NodeStream {
    async fn stream_state(&self, _: &StreamName) -> Result<StreamState, KinesisError> {
        self.ask(Call::StreamState, self.ordered(Call::StreamState), |state, date| {
            let retention = state.streams.summary(STREAM, date).map_err(error)?.retention;
            Ok(StreamState::Ready { retention })
        })
        .await
    }

    async fn list_shards(
        &self,
        _: &StreamName,
        page: &ShardPage,
    ) -> Result<ShardList, KinesisError> {
        let ordered = self.ordered(Call::ListShards);
        let wrong = match ordered {
            Some(Fault::Doubled) => Some(WrongList::Doubled),
            Some(Fault::Backwards) => Some(WrongList::Backwards),
            Some(Fault::Old) => Some(WrongList::Old),
            Some(Fault::Short) => Some(WrongList::Short(1)),
            Some(_) | None => self.draw_wrong_list(),
        };
        let limit = self.world.plan.knobs.page_shards;
        let page = page.clone();
        self.ask(Call::ListShards, ordered, move |state, date| {
            let listed = match &page {
                ShardPage::All => {
                    let filter = ShardFilter::FromTrimHorizon;
                    state.streams.list_shards(STREAM, filter, None, limit, date)
                }
                ShardPage::OpenAt(position) => {
                    state.streams.list_shards(STREAM, filter(*position), None, limit, date)
                }
                ShardPage::Next(token) => state.streams.list_shards_next(token, limit, date),
            };
            let listed = listed.map_err(error)?;
            let mut shards = listed.shards.iter().map(shard).collect::<Result<Vec<_>, _>>()?;
            match wrong {
                Some(WrongList::Doubled) if !shards.is_empty() => {
                    shards.extend_from_within(..);
                    self.mark(state, "stream: list doubled");
                }
                Some(WrongList::Backwards) if shards.len() > 1 => {
                    shards.reverse();
                    self.mark(state, "stream: list backwards");
                }
                Some(WrongList::Old) => {
                    if let (ShardPage::All, Some(old)) = (&page, state.shards_of_old(date)) {
                        let shards = old.iter().map(shard).collect::<Result<_, _>>()?;
                        self.mark(state, "stream: list from before a reshard");
                        return Ok(ShardList { shards, next: None });
                    }
                }
                Some(WrongList::Short(kept)) => {
                    let is_last = listed.next_token.is_none();
                    let most = shards.len() - usize::from(is_last && !shards.is_empty());
                    if most > 0 {
                        shards.truncate(kept.min(most));
                        self.mark(state, "stream: list ends early");
                        return Ok(ShardList { shards, next: None });
                    }
                }
                Some(WrongList::Doubled | WrongList::Backwards) | None => {}
            }
            Ok(ShardList { shards, next: listed.next_token })
        })
        .await
    }

    async fn shard_iterator(
        &self,
        _: &StreamName,
        shard: &ShardId,
        position: &Position,
    ) -> Result<ShardIterator, KinesisError> {
        let not_found = self.is_drawn(self.world.plan.rates.not_found);
        self.ask(Call::Iterator, self.ordered(Call::Iterator), |state, date| {
            let id = shard.as_str().parse().map_err(|_| KinesisError::NotFound(shard.to_string()));
            if not_found {
                return Err(self.not_found(state, shard.as_str()));
            }
            let position = starting_position(position)?;
            let text = state.streams.shard_iterator(STREAM, id?, position, date);
            text.map(ShardIterator).map_err(error)
        })
        .await
    }

    async fn records(&self, at: &ShardIterator, limit: u32) -> Result<Answer, KinesisError> {
        let rates = &self.world.plan.rates;
        let expires = self.is_drawn(rates.expired);
        let ordered = self.ordered(Call::Records);
        let wrong = match ordered {
            Some(Fault::NoEnd) => Some(Wrong::NoEnd),
            Some(Fault::Empty(millis)) => Some(Wrong::Empty(millis)),
            Some(_) | None => self.draw_wrong_answer(),
        };
        let not_found = self.is_drawn(rates.not_found);
        self.ask(Call::Records, ordered, |state, date| {
            if expires {
                self.mark(state, "stream: iterator expires");
                return Err(KinesisError::Expired);
            }
            if not_found {
                return Err(self.not_found(state, "a shard"));
            }
            if let Some(Wrong::Empty(millis)) = wrong {
                self.mark(state, "stream: answer empty");
                let (records, children) = (Vec::new(), Vec::new());
                let next = Some(at.clone());
                return Ok(Answer { records, millis_behind_latest: Some(millis), next, children });
            }
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let batch = state.streams.records(&at.0, limit, date).map_err(error)?;
            let mut answer = answer(&self.node, batch)?;
            match wrong.or_else(|| self.draw_wrong_end(state, &answer)) {
                Some(Wrong::NoEnd) => {
                    (answer.next, answer.children) = (None, Vec::new());
                    self.mark(state, "stream: answer without an end");
                }
                Some(Wrong::TwoEnds) if answer.next.is_none() => {
                    answer.next = Some(at.clone());
                    self.mark(state, "stream: answer with two ends");
                }
                Some(Wrong::TwoEnds | Wrong::Empty(_)) | None => {}
            }
            Ok(answer)
        })
        .await
    }

    async fn stream_consumer(
        &self,
        _: &StreamName,
        name: &str,
    ) -> Result<Option<RegisteredConsumer>, KinesisError> {
        let ordered = self.ordered(Call::StreamConsumer);
        self.ask(Call::StreamConsumer, ordered, |state, date| {
            match state.streams.describe_consumer(STREAM, name, date).map_err(error) {
                Ok(found) => Ok(Some(consumer(&found))),
                Err(KinesisError::NotFound(_)) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn register_consumer(
        &self,
        _: &StreamName,
        name: &str,
    ) -> Result<RegisteredConsumer, KinesisError> {
        let ordered = self.ordered(Call::RegisterConsumer);
        self.ask(Call::RegisterConsumer, ordered, |state, date| {
            let made = state.streams.register_consumer(STREAM, name, date).map_err(error)?;
            Ok(consumer(&made))
        })
        .await
    }

    async fn subscribe(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardId,
        position: &Position,
    ) -> Result<Events, KinesisError> {
        self.open(consumer, shard, position).await
    }
}

fn consumer(known: &stream::Consumer) -> RegisteredConsumer {
    let is_active = known.status == stream::ConsumerStatus::Active;
    RegisteredConsumer { arn: ConsumerArn(known.arn.as_str().into()), is_active }
}

fn filter(position: InitialPosition) -> ShardFilter {
    match position {
        InitialPosition::TrimHorizon => ShardFilter::AtTrimHorizon,
        InitialPosition::Latest => ShardFilter::AtLatest,
        InitialPosition::AtTimestamp(date) => ShardFilter::AtTimestamp(stream_date(date)),
    }
}

pub(super) fn starting_position(position: &Position) -> Result<StartingPosition, KinesisError> {
    let number = |number: &SequenceNumber| {
        number.as_str().parse().map_err(|_| KinesisError::Invalid(number.to_string()))
    };
    Ok(match position {
        Position::TrimHorizon => StartingPosition::TrimHorizon,
        Position::Latest => StartingPosition::Latest,
        Position::AtTimestamp(date) => StartingPosition::AtTimestamp(stream_date(*date)),
        Position::At(sequence) => StartingPosition::AtSequenceNumber(number(sequence)?),
        Position::After(sequence) => StartingPosition::AfterSequenceNumber(number(sequence)?),
    })
}

fn stream_date(date: Timestamp) -> stream::Timestamp {
    stream::Timestamp::from_millis(u64::try_from(date.as_millis()).unwrap_or_default())
}

fn shard(listed: &stream::Shard) -> Result<Shard, KinesisError> {
    Ok(Shard {
        id: shard_id(listed.id)?,
        parent: listed.parent.map(shard_id).transpose()?,
        adjacent_parent: listed.adjacent_parent.map(shard_id).transpose()?,
        hash_range: hash_range(listed.hash_key_range)?,
        starting_sequence: sequence_number(listed.starting_sequence_number)?,
        ending_sequence: listed.ending_sequence_number.map(sequence_number).transpose()?,
    })
}

fn answer(node: &Node, batch: stream::Batch) -> Result<Answer, KinesisError> {
    Ok(Answer {
        records: records(node, batch.records)?,
        millis_behind_latest: Some(batch.millis_behind_latest),
        next: batch.next_shard_iterator.map(ShardIterator),
        children: children(&batch.child_shards)?,
    })
}

/// Records as a node gets them.
pub(super) fn records(
    node: &Node,
    records: Vec<stream::Record>,
) -> Result<Vec<Record>, KinesisError> {
    let record = |record: stream::Record| {
        let millis = i64::try_from(record.arrival.as_millis()).unwrap_or(i64::MAX);
        Ok(Record {
            data: node.given.lend(record.data),
            partition_key: Some(record.partition_key.to_string().into()),
            explicit_hash_key: None,
            sequence_number: sequence_number(record.sequence_number)?,
            sub_sequence_number: 0,
            approximate_arrival: Some(Timestamp::from_millis(millis)),
        })
    };
    records.into_iter().map(record).collect()
}

pub(super) fn children(children: &[stream::ChildShard]) -> Result<Vec<ChildShard>, KinesisError> {
    let child = |child: &stream::ChildShard| {
        Ok(ChildShard {
            id: shard_id(child.id)?,
            parents: child.parents.iter().map(|id| shard_id(*id)).collect::<Result<_, _>>()?,
            hash_range: hash_range(child.hash_key_range)?,
        })
    };
    children.iter().map(child).collect()
}

fn shard_id(id: stream::ShardId) -> Result<ShardId, KinesisError> {
    ShardId::new(id.to_string()).map_err(|error| KinesisError::Unanswered(error.into()))
}

pub(super) fn sequence_number(
    number: stream::SequenceNumber,
) -> Result<SequenceNumber, KinesisError> {
    SequenceNumber::parse(&number.to_string())
        .map_err(|error| KinesisError::Unanswered(error.into()))
}

fn hash_range(range: stream::HashKeyRange) -> Result<HashKeyRange, KinesisError> {
    HashKeyRange::new(range.start, range.end)
        .ok_or_else(|| KinesisError::Unanswered("a range the wrong way round".into()))
}

pub(super) fn error(error: ServiceError) -> KinesisError {
    match error {
        ServiceError::ResourceNotFound(text) => KinesisError::NotFound(text),
        ServiceError::ResourceInUse(text) => KinesisError::InUse(text),
        ServiceError::InvalidArgument(text) | ServiceError::Validation(text) => {
            KinesisError::Invalid(text)
        }
        ServiceError::LimitExceeded(_) | ServiceError::ProvisionedThroughputExceeded(_) => {
            KinesisError::Throttled
        }
        ServiceError::ExpiredIterator(_) | ServiceError::ExpiredNextToken(_) => {
            KinesisError::Expired
        }
        other => KinesisError::Unanswered(other.to_string().into()),
    }
}
