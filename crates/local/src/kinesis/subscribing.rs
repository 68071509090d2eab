//! SubscribeToShard: the request, and its answer frame by frame.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::sync::futures::Notified;

use super::{Body, CallError, Kinesis, answer, field};
use crate::stream::{
    ChangedShards, ConsumerArn, Pushed, SequenceNumber, ServiceError, ShardId, Subscription,
    SubscriptionEvent, Timestamp,
};
use crate::{Answer, Format};

/// The operation whose answer is a stream of frames, without the prefix of its target.
pub const SUBSCRIBE: &str = "SubscribeToShard";
/// The media type of that answer.
pub const FRAMES_MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Subscribe {
    #[serde(rename = "ConsumerARN")]
    consumer_arn: Option<String>,
    shard_id: Option<String>,
    starting_position: Option<Position>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Position {
    r#type: Option<String>,
    sequence_number: Option<String>,
    timestamp: Option<field::Time>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    records: Vec<answer::Record>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "continuation")]
    continuation_sequence_number: Option<SequenceNumber>,
    millis_behind_latest: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    child_shards: Vec<answer::ChildShard>,
}

fn continuation<S: serde::Serializer>(
    number: &Option<SequenceNumber>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serializer.collect_str(number),
        None => serializer.serialize_none(),
    }
}

/// What comes next of the answer to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushedFrame {
    /// A frame, and perhaps more at once.
    Frame(Bytes),
    /// Nothing before then, unless something is put or the shard is closed meanwhile.
    WaitUntil(Timestamp),
    /// Nothing any more.
    Ended,
}

/// The frame that every answer begins with.
#[must_use]
pub fn initial_response(format: Format) -> Bytes {
    frame("event", (":event-type", "initial-response"), format, &answer::nothing(()))
}

/// The frame of an event.
#[must_use]
pub fn event_frame(event: SubscriptionEvent, format: Format) -> Bytes {
    let event = Event {
        records: event.records.into_iter().map(answer::Record).collect(),
        continuation_sequence_number: event.continuation,
        millis_behind_latest: event.millis_behind_latest,
        child_shards: event.child_shards.iter().map(answer::ChildShard::new).collect(),
    };
    frame("event", (":event-type", "SubscribeToShardEvent"), format, &event)
}

/// The frame of an error that comes when the answer has begun; the last one.
#[must_use]
pub fn exception_frame(error: &ServiceError, format: Format) -> Bytes {
    let payload = serde_json::json!({ "message": error.to_string() });
    frame("exception", (":exception-type", error.name()), format, &payload)
}

fn frame<P: Serialize>(
    message: &str,
    (kind, name): (&'static str, &str),
    format: Format,
    payload: &P,
) -> Bytes {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let message = Message::new(format.write(payload))
        .add_header(Header::new(":message-type", text(message)))
        .add_header(Header::new(kind, text(name)))
        .add_header(Header::new(":content-type", text(format.media_type())));
    let mut bytes = BytesMut::new();
    write_message_to(&message, &mut bytes).expect("the headers are short");
    bytes.freeze()
}

impl Kinesis {
    /// Begins a subscription from the body of a request, or says with what it is refused.
    ///
    /// Its answer is [`initial_response`] and then what [`next_frame`](Self::next_frame) gives.
    ///
    /// # Errors
    ///
    /// The whole answer, if it is refused.
    pub fn subscribe_at(
        &self,
        format: Format,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Subscription, Answer> {
        let body = Body { format, bytes: body };
        self.subscribe(&body, now).map_err(|error| error.answer(format))
    }

    fn subscribe(&self, body: &Body<'_>, now: Timestamp) -> Result<Subscription, CallError> {
        let asked: Subscribe = body.read()?;
        let arn = field::required(asked.consumer_arn, "consumerARN")?;
        let shard = field::required(asked.shard_id, "shardId")?;
        let position = field::required(asked.starting_position, "startingPosition")?;
        let position = field::Position {
            kind: (position.r#type, "startingPosition.type"),
            number: (position.sequence_number, "startingPosition.sequenceNumber"),
            timestamp: (position.timestamp, "startingPosition.timestamp"),
        };
        let ConsumerArn { stream, .. } = ConsumerArn::parse(&arn)?;
        let position = position.checked(SUBSCRIBE, &shard, &stream)?;
        let shard = field::existing_shard(&shard, &stream)?;
        Ok(self.streams().subscribe(&arn, shard, position, now)?)
    }

    /// What a subscription has to say now. An error is a frame too, the last one.
    pub fn next_frame(
        &self,
        subscription: &mut Subscription,
        format: Format,
        now: Timestamp,
    ) -> PushedFrame {
        // Taken out of the lock before it is written out, as with GetRecords.
        let pushed = self.streams().next_event(subscription, now);
        match pushed {
            Ok(Pushed::Event(event)) => PushedFrame::Frame(event_frame(event, format)),
            Ok(Pushed::WaitUntil(at)) => PushedFrame::WaitUntil(at),
            Ok(Pushed::Ended) => PushedFrame::Ended,
            Err(error) => PushedFrame::Frame(exception_frame(&error, format)),
        }
    }

    /// Done when a subscription to the shard may have something to say that it had not when this
    /// was made and first polled, or enabled.
    pub(crate) fn changed(&self, shard: ShardId) -> Notified<'_> {
        self.waiting[ChangedShards::place(shard)].notified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As bytes that a client of the service has accepted.
    #[test]
    fn the_initial_response_is_a_frame_with_an_empty_object() {
        let expected = "0000007200000060ab820d9e0d3a6d6573736167652d747970650700056576656e740b3a65\
                        76656e742d74797065070010696e697469616c2d726573706f6e73650d3a636f6e74656e74\
                        2d7479706507001a6170706c69636174696f6e2f782d616d7a2d6a736f6e2d312e317b7de1\
                        6e66e4";

        assert_eq!(hex(&initial_response(Format::Json)), expected);
    }

    #[test]
    fn an_exception_is_a_frame_of_its_own_kind() {
        let error = ServiceError::ResourceInUse("m".to_owned());

        let frame = exception_frame(&error, Format::Json);

        let text = String::from_utf8_lossy(&frame);
        assert!(text.contains("exception-type\u{7}\0\u{16}ResourceInUseException"), "{text}");
        assert!(text.contains(r#"{"message":"m"}"#), "{text}");
    }

    #[test]
    fn an_event_names_children_exactly_when_it_does_not_go_on() {
        let event = SubscriptionEvent {
            records: Vec::new(),
            continuation: None,
            millis_behind_latest: 3,
            child_shards: Vec::new(),
        };

        let frame = event_frame(event, Format::Json);

        let text = String::from_utf8_lossy(&frame);
        assert!(text.contains(r#"{"Records":[],"MillisBehindLatest":3}"#), "{text}");
    }
}
