//! Kinesis over the AWS SDK.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::error::SubscribeToShardEventStreamError;
use aws_sdk_kinesis::types::{
    self, ConsumerStatus, ShardFilter, ShardFilterType, ShardIteratorType, StartingPosition,
    StreamDescriptionSummary, StreamStatus, SubscribeToShardEventStream,
};
use aws_smithy_types::event_stream::RawMessage;
use bytes::Bytes;
use futures_util::stream;
use shardwise_core::config::InitialPosition;
use shardwise_core::id::{ShardId, StreamName};
use shardwise_core::retention;
use shardwise_core::sequence::SequenceNumber;
use shardwise_core::shard::{ChildShard, HashKeyRange, Shard};
use shardwise_core::time::Timestamp;

use super::answers::CheckRecords;
use super::frames::GuardFrames;
use super::replaceable::{InFlight, Replaceable};
use super::subscribers::Subscribers;
use super::{is_refusal, is_throttling};
use crate::kinesis::{
    Answer, ConsumerArn, Event, Events, Kinesis, KinesisError, Position, Record,
    RegisteredConsumer, ShardIterator, ShardList, ShardPage, StreamState,
};

pub(super) struct Stream {
    client: Replaceable<Client>,
    subscribers: Subscribers,
    /// The stream's ARN, where a name alone would be a stream of this account.
    arn: Option<String>,
    /// Where streams are looked for.
    place: String,
}

impl Stream {
    pub(super) fn new(
        config: &aws_sdk_kinesis::Config,
        arn: Option<String>,
        place: String,
    ) -> Self {
        let subscribers = Subscribers::new(config);
        let config = config.clone();
        let client = Replaceable::new(move || Client::from_conf(config.clone()));
        Self { client, subscribers, arn, place }
    }

    async fn summary(
        &self,
        stream: &StreamName,
    ) -> Result<Option<StreamDescriptionSummary>, KinesisError> {
        let answer = self.client.call(|client| {
            let request = client.describe_stream_summary().stream_name(stream.as_str());
            request.set_stream_arn(self.arn.clone()).send()
        });
        let answer = answer.await.map_err(error)?;
        Ok(answer.stream_description_summary)
    }

    async fn stream_arn(&self, stream: &StreamName) -> Result<String, KinesisError> {
        if let Some(arn) = &self.arn {
            return Ok(arn.clone());
        }
        let summary = self.summary(stream).await?;
        summary.map(|summary| summary.stream_arn).ok_or_else(|| malformed("no stream ARN"))
    }
}

#[async_trait]
impl Kinesis for Stream {
    fn place(&self) -> Option<&str> {
        Some(&self.place)
    }

    async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, KinesisError> {
        let summary = self.summary(stream).await?;
        let hours = summary.as_ref().map(|summary| summary.retention_period_hours);
        let hours = hours.and_then(|hours| u64::try_from(hours).ok()).filter(|hours| *hours > 0);
        let retention = hours.map_or(retention::LEAST, |hours| Duration::from_secs(hours * 3_600));
        Ok(match summary.map(|summary| summary.stream_status) {
            Some(StreamStatus::Creating) => StreamState::Creating,
            Some(StreamStatus::Deleting) => StreamState::Deleting,
            _ => StreamState::Ready { retention },
        })
    }

    async fn list_shards(
        &self,
        stream: &StreamName,
        page: &ShardPage,
    ) -> Result<ShardList, KinesisError> {
        let answer = self.client.call(|client| {
            let request = client.list_shards().set_stream_arn(self.arn.clone());
            let request = match page {
                ShardPage::All => request.stream_name(stream.as_str()),
                ShardPage::OpenAt(position) => {
                    request.stream_name(stream.as_str()).shard_filter(filter(*position))
                }
                // With a token neither the name nor the filter may be sent; the ARN may.
                ShardPage::Next(token) => request.next_token(token),
            };
            request.send()
        });
        let answer = answer.await.map_err(error)?;
        let shards = answer.shards.ok_or_else(|| malformed("no list of shards"))?;
        let shards = shards.iter().map(shard).collect::<Result<_, _>>()?;
        Ok(ShardList { shards, next: answer.next_token })
    }

    async fn shard_iterator(
        &self,
        stream: &StreamName,
        shard: &ShardId,
        position: &Position,
    ) -> Result<ShardIterator, KinesisError> {
        use ShardIteratorType as Type;
        let (at, date, number) = match position {
            Position::TrimHorizon => (Type::TrimHorizon, None, None),
            Position::Latest => (Type::Latest, None, None),
            Position::AtTimestamp(date) => (Type::AtTimestamp, Some(date), None),
            Position::At(number) => (Type::AtSequenceNumber, None, Some(number)),
            Position::After(number) => (Type::AfterSequenceNumber, None, Some(number)),
        };
        let answer = self.client.call(|client| {
            let request = client.get_shard_iterator().set_stream_arn(self.arn.clone());
            let request = request.stream_name(stream.as_str()).shard_id(shard.as_str());
            let date = date.map(|date| DateTime::from_millis(date.as_millis()));
            let number = number.map(|number| number.as_str().to_owned());
            let request = request.shard_iterator_type(at).set_timestamp(date);
            request.set_starting_sequence_number(number).send()
        });
        let answer = answer.await.map_err(error)?;
        answer.shard_iterator.map(ShardIterator).ok_or_else(|| malformed("no shard iterator"))
    }

    async fn records(&self, at: &ShardIterator, limit: u32) -> Result<Answer, KinesisError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let answer = self.client.call(|client| {
            let request = client.get_records().shard_iterator(&at.0).limit(limit);
            let request = request.set_stream_arn(self.arn.clone());
            request.customize().interceptor(CheckRecords).send()
        });
        let answer = answer.await.map_err(error)?;
        let children = answer.child_shards.unwrap_or_default();
        Ok(Answer {
            records: answer.records.into_iter().map(record).collect::<Result<_, _>>()?,
            millis_behind_latest: answer
                .millis_behind_latest
                .and_then(|millis| u64::try_from(millis).ok()),
            next: answer.next_shard_iterator.map(ShardIterator),
            children: children.iter().map(child).collect::<Result<_, _>>()?,
        })
    }

    async fn stream_consumer(
        &self,
        stream: &StreamName,
        name: &str,
    ) -> Result<Option<RegisteredConsumer>, KinesisError> {
        let arn = self.stream_arn(stream).await?;
        let answer = self.client.call(|client| {
            client.describe_stream_consumer().stream_arn(arn).consumer_name(name).send()
        });
        match answer.await.map_err(error) {
            Ok(answer) => {
                let found = answer.consumer_description;
                let found = found.ok_or_else(|| malformed("no stream consumer"))?;
                Ok(Some(consumer(&found.consumer_arn, &found.consumer_status)))
            }
            Err(KinesisError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn register_consumer(
        &self,
        stream: &StreamName,
        name: &str,
    ) -> Result<RegisteredConsumer, KinesisError> {
        let arn = self.stream_arn(stream).await?;
        let answer = self.client.call(|client| {
            client.register_stream_consumer().stream_arn(arn).consumer_name(name).send()
        });
        let made = answer.await.map_err(error)?.consumer;
        let made = made.ok_or_else(|| malformed("no stream consumer"))?;
        Ok(consumer(&made.consumer_arn, &made.consumer_status))
    }

    async fn subscribe(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardId,
        position: &Position,
    ) -> Result<Events, KinesisError> {
        let (client, on_connection) = self.subscribers.of(shard);
        let request = client.subscribe_to_shard();
        let request = request
            .consumer_arn(&*consumer.0)
            .shard_id(shard.as_str())
            .starting_position(starting_position(position));
        let in_flight = InFlight::new(|| self.subscribers.replace(shard));
        let answer = request.customize().interceptor(GuardFrames).send().await;
        in_flight.ended(&answer);
        let answer = answer.map_err(error)?;
        let subscription = (answer.event_stream, on_connection);
        Ok(Box::pin(stream::unfold(Some(subscription), |subscription| async {
            let mut subscription = subscription?;
            loop {
                match subscription.0.recv().await {
                    Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(pushed))) => {
                        return Some((event(pushed), Some(subscription)));
                    }
                    // Of a kind that came after this program.
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(error) => return Some((Err(event_error(error)), None)),
                }
            }
        })))
    }

    fn connection_is_dead(&self, shard: &ShardId) {
        self.subscribers.replace(shard);
    }
}

fn starting_position(position: &Position) -> StartingPosition {
    let start = StartingPosition::builder();
    let start = match position {
        Position::TrimHorizon => start.r#type(ShardIteratorType::TrimHorizon),
        Position::Latest => start.r#type(ShardIteratorType::Latest),
        Position::AtTimestamp(date) => start
            .r#type(ShardIteratorType::AtTimestamp)
            .timestamp(DateTime::from_millis(date.as_millis())),
        Position::At(sequence) => {
            start.r#type(ShardIteratorType::AtSequenceNumber).sequence_number(sequence.as_str())
        }
        Position::After(sequence) => {
            start.r#type(ShardIteratorType::AfterSequenceNumber).sequence_number(sequence.as_str())
        }
    };
    start.build().expect("its one required field, the type, was set above")
}

fn consumer(arn: &str, status: &ConsumerStatus) -> RegisteredConsumer {
    RegisteredConsumer {
        arn: ConsumerArn(arn.into()),
        is_active: *status == ConsumerStatus::Active,
    }
}

fn event(event: types::SubscribeToShardEvent) -> Result<Event, KinesisError> {
    let continuation = event.continuation_sequence_number;
    let children = event.child_shards.unwrap_or_default();
    Ok(Event {
        records: event.records.into_iter().map(record).collect::<Result<_, _>>()?,
        // The SDK has no place for an absent one: at a shard's end it gives an empty text.
        continuation: match continuation.as_str() {
            "" => None,
            number => Some(sequence_number(number)?),
        },
        millis_behind_latest: u64::try_from(event.millis_behind_latest).ok(),
        children: children.iter().map(child).collect::<Result<_, _>>()?,
    })
}

/// What ends a subscription inside its stream. The code is the name of the variant there.
fn event_error(failure: SdkError<SubscribeToShardEventStreamError, RawMessage>) -> KinesisError {
    use SubscribeToShardEventStreamError as Failure;
    let message = |error: &Failure| error.message().unwrap_or_default().to_owned();
    match failure.as_service_error() {
        Some(error @ Failure::ResourceNotFoundException(_)) => {
            KinesisError::NotFound(message(error))
        }
        Some(error @ Failure::ResourceInUseException(_)) => KinesisError::InUse(message(error)),
        Some(Failure::KmsThrottlingException(_)) => KinesisError::Throttled,
        Some(
            error @ (Failure::KmsAccessDeniedException(_)
            | Failure::KmsDisabledException(_)
            | Failure::KmsInvalidStateException(_)
            | Failure::KmsNotFoundException(_)
            | Failure::KmsOptInRequired(_)),
        ) => KinesisError::Refused(format!("the stream's key: {}", message(error))),
        _ => error(failure),
    }
}

fn filter(position: InitialPosition) -> ShardFilter {
    let filter = ShardFilter::builder();
    let filter = match position {
        InitialPosition::TrimHorizon => filter.r#type(ShardFilterType::AtTrimHorizon),
        InitialPosition::Latest => filter.r#type(ShardFilterType::AtLatest),
        InitialPosition::AtTimestamp(date) => filter
            .r#type(ShardFilterType::AtTimestamp)
            .timestamp(DateTime::from_millis(date.as_millis())),
    };
    filter.build().expect("its one required field, the type, was set above")
}

fn shard(shard: &types::Shard) -> Result<Shard, KinesisError> {
    let range = shard.sequence_number_range.as_ref();
    let starting = range.map(|range| range.starting_sequence_number.as_str()).unwrap_or_default();
    let ending = range.and_then(|range| range.ending_sequence_number.as_deref());
    Ok(Shard {
        id: shard_id(&shard.shard_id)?,
        parent: shard.parent_shard_id.as_deref().map(shard_id).transpose()?,
        adjacent_parent: shard.adjacent_parent_shard_id.as_deref().map(shard_id).transpose()?,
        hash_range: hash_range(shard.hash_key_range.as_ref())?,
        starting_sequence: sequence_number(starting)?,
        ending_sequence: ending.map(sequence_number).transpose()?,
    })
}

fn child(child: &types::ChildShard) -> Result<ChildShard, KinesisError> {
    Ok(ChildShard {
        id: shard_id(&child.shard_id)?,
        parents: child.parent_shards.iter().map(|id| shard_id(id)).collect::<Result<_, _>>()?,
        hash_range: hash_range(child.hash_key_range.as_ref())?,
    })
}

fn record(record: types::Record) -> Result<Record, KinesisError> {
    let arrival = record.approximate_arrival_timestamp.and_then(|date| date.to_millis().ok());
    Ok(Record {
        data: Bytes::from(record.data.into_inner()),
        partition_key: record.partition_key.filter(|key| !key.is_empty()).map(Into::into),
        explicit_hash_key: None,
        sequence_number: sequence_number(&record.sequence_number)?,
        sub_sequence_number: 0,
        approximate_arrival: arrival.map(Timestamp::from_millis),
    })
}

fn shard_id(text: &str) -> Result<ShardId, KinesisError> {
    ShardId::new(text).map_err(|_| malformed("a shard without an id"))
}

fn sequence_number(text: &str) -> Result<SequenceNumber, KinesisError> {
    SequenceNumber::parse(text).map_err(|error| KinesisError::Unanswered(error.into()))
}

fn hash_range(range: Option<&types::HashKeyRange>) -> Result<HashKeyRange, KinesisError> {
    let range = range.ok_or_else(|| malformed("a shard without a range of hash keys"))?;
    HashKeyRange::parse(&range.starting_hash_key, &range.ending_hash_key)
        .map_err(|error| KinesisError::Unanswered(error.into()))
}

fn malformed(what: &str) -> KinesisError {
    KinesisError::Unanswered(format!("malformed answer: {what}").into())
}

fn error<E, R>(error: SdkError<E, R>) -> KinesisError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let known = known(error.code().unwrap_or_default(), error.message().unwrap_or_default());
    known.unwrap_or_else(|| KinesisError::Unanswered(super::described(error)))
}

/// What the service says by a code; nothing where it only failed.
fn known(code: &str, message: &str) -> Option<KinesisError> {
    Some(match code {
        "ResourceNotFoundException" => KinesisError::NotFound(message.to_owned()),
        "ExpiredIteratorException" | "ExpiredNextTokenException" => KinesisError::Expired,
        "InvalidArgumentException" | "ValidationException" => {
            KinesisError::Invalid(message.to_owned())
        }
        "ResourceInUseException" => KinesisError::InUse(message.to_owned()),
        code if is_throttling(code) => KinesisError::Throttled,
        code if is_refusal(code) => KinesisError::Refused(format!("{code}: {message}")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_must_mend_is_told_from_what_passes() {
        for code in [
            "AccessDeniedException",
            "KMSAccessDeniedException",
            "KMSDisabledException",
            "KMSInvalidStateException",
            "KMSNotFoundException",
            "KMSOptInRequired",
        ] {
            let Some(KinesisError::Refused(text)) = known(code, "why") else { panic!("{code}") };
            assert_eq!(text, format!("{code}: why"));
        }
        for code in ["ProvisionedThroughputExceededException", "KMSThrottlingException"] {
            assert!(matches!(known(code, ""), Some(KinesisError::Throttled)), "{code}");
        }
        for code in ["InternalFailure", "ServiceUnavailable", ""] {
            assert!(known(code, "").is_none(), "{code}");
        }
    }
}
