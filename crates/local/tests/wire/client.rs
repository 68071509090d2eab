//! A client that sends what it is given, and shows what comes.

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use ciborium::Value;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value as Json;
use shardwise_local::{Endpoints, Format, Options};

use super::{ARN, SHARD, map, text};

/// From this length on Java's SDK writes text in pieces.
const PIECE: usize = 3_000;

/// An endpoint, and a client of it that speaks one format.
pub(super) struct Client {
    pub(super) endpoints: Endpoints,
    format: Format,
    http: Http<HttpConnector, Full<Bytes>>,
}

/// An answer that is one body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media_type: String,
    pub(super) error: Option<String>,
    pub(super) body: Bytes,
}

impl Client {
    pub(super) async fn new(format: Format) -> Self {
        let endpoints = Endpoints::start(Options::default()).await.unwrap();
        Self { endpoints, format, http: Http::builder(TokioExecutor::new()).build_http() }
    }

    /// A client whose account has a stream `s` of one shard.
    pub(super) async fn with_stream(format: Format) -> Self {
        let client = Self::new(format).await;
        client.call("CreateStream", &map([stream(), ("ShardCount", 1.into())])).await;
        client
    }

    pub(super) fn media_type(&self) -> &'static str {
        match self.format {
            Format::Json => "application/x-amz-json-1.1",
            Format::Cbor => "application/x-amz-cbor-1.1",
        }
    }

    pub(super) async fn send(&self, operation: &str, body: Vec<u8>) -> Response<Incoming> {
        let request = Request::post(self.endpoints.kinesis_url())
            .header("content-type", self.media_type())
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .header("authorization", "any")
            .body(Full::from(body))
            .unwrap();
        self.http.request(request).await.unwrap()
    }

    pub(super) async fn post(&self, operation: &str, body: Vec<u8>) -> Answer {
        let response = self.send(operation, body).await;
        let (parts, body) = response.into_parts();
        let header = |name| parts.headers.get(name).map(|it| it.to_str().unwrap().to_owned());
        Answer {
            status: parts.status.as_u16(),
            media_type: header("content-type").unwrap(),
            error: header("x-amzn-errortype"),
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// What a call is answered with that succeeds.
    pub(super) async fn call(&self, operation: &str, asked: &Value) -> Value {
        let answer = self.post(operation, self.written(asked)).await;
        let body = self.read(&answer.body);
        assert_eq!(answer.status, 200, "{operation}: {body:?}");
        assert_eq!(answer.media_type, self.media_type());
        body
    }

    /// The name of the error that a call is refused with, as it stands in the body, and its text.
    pub(super) async fn refused(&self, operation: &str, asked: &Value) -> (String, String) {
        self.refused_bytes(operation, self.written(asked)).await
    }

    pub(super) async fn refused_bytes(&self, operation: &str, body: Vec<u8>) -> (String, String) {
        let answer = self.post(operation, body).await;
        let body = self.read(&answer.body);
        assert_eq!(answer.status, 400, "{operation}: {body:?}");
        assert_eq!(answer.media_type, self.media_type());
        assert_eq!(answer.error.as_deref(), Some(text(&body, "__type")));
        (text(&body, "__type").to_owned(), text(&body, "message").to_owned())
    }

    /// An iterator at the beginning of the shard.
    pub(super) async fn iterator(&self) -> String {
        let position = ("ShardIteratorType", "TRIM_HORIZON".into());
        let asked = map([stream(), ("ShardId", SHARD.into()), position]);
        text(&self.call("GetShardIterator", &asked).await, "ShardIterator").to_owned()
    }

    /// Subscribes a new consumer to the shard.
    pub(super) async fn subscribe(&self, position: Value) -> Frames {
        let asked = map([("StreamARN", ARN.into()), ("ConsumerName", "app".into())]);
        let registered = self.call("RegisterStreamConsumer", &asked).await;
        let consumer = text(super::field(&registered, "Consumer"), "ConsumerARN");
        self.subscribe_as(consumer, position).await
    }

    pub(super) async fn subscribe_as(&self, consumer: &str, position: Value) -> Frames {
        let asked = map([
            ("ConsumerARN", consumer.into()),
            ("ShardId", SHARD.into()),
            ("StartingPosition", position),
        ]);
        let response = self.send("SubscribeToShard", self.written(&asked)).await;
        assert_eq!(response.status(), 200);
        let kind = &response.headers()["content-type"];
        assert_eq!(kind, "application/vnd.amazon.eventstream");
        Frames {
            format: self.format,
            body: response.into_body(),
            received: BytesMut::new(),
            decoder: MessageFrameDecoder::new(),
        }
    }

    /// A request as Java's SDK writes it, or the same one in JSON.
    pub(super) fn written(&self, asked: &Value) -> Vec<u8> {
        match self.format {
            Format::Json => as_json(asked).to_string().into_bytes(),
            Format::Cbor => as_java(asked),
        }
    }

    fn read(&self, body: &[u8]) -> Value {
        read(self.format, body)
    }
}

/// The frames of a subscription, as they come.
pub(super) struct Frames {
    format: Format,
    body: Incoming,
    received: BytesMut,
    decoder: MessageFrameDecoder,
}

/// A frame: the names in its headers, and its payload.
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) payload: Value,
}

impl Frames {
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            match self.decoder.decode_frame(&mut self.received).unwrap() {
                DecodedFrame::Complete(message) => {
                    let header = |names: [&str; 2]| {
                        let mut headers = message.headers().iter();
                        let found = headers.find(|it| names.contains(&it.name().as_str()));
                        found.unwrap().value().as_string().unwrap().as_str().to_owned()
                    };
                    return Some(Frame {
                        name: header([":event-type", ":exception-type"]),
                        media_type: header([":content-type"; 2]),
                        payload: read(self.format, message.payload()),
                    });
                }
                DecodedFrame::Incomplete => {
                    let more = self.body.frame().await?.unwrap();
                    self.received.extend_from_slice(&more.into_data().unwrap());
                }
            }
        }
    }
}

pub(super) fn stream() -> (&'static str, Value) {
    ("StreamName", "s".into())
}

/// The bytes of a record that was read.
pub(super) fn data(record: &Value) -> Vec<u8> {
    let data = super::field(record, "Data");
    let base64 = || STANDARD.decode(data.as_text().unwrap()).unwrap();
    data.as_bytes().cloned().unwrap_or_else(base64)
}

fn read(format: Format, body: &[u8]) -> Value {
    match format {
        Format::Json => Value::serialized(&serde_json::from_slice::<Json>(body).unwrap()).unwrap(),
        Format::Cbor => ciborium::from_reader(body).unwrap(),
    }
}

/// As Java's SDK writes: maps and arrays of indefinite length, long text in pieces.
pub(super) fn as_java(value: &Value) -> Vec<u8> {
    let within = |head: u8, items: Vec<Vec<u8>>| [vec![head], items.concat(), vec![0xff]].concat();
    if let Some(fields) = value.as_map() {
        let each = fields.iter().flat_map(|(name, value)| [as_java(name), as_java(value)]);
        return within(0xbf, each.collect());
    }
    if let Some(items) = value.as_array() {
        return within(0x9f, items.iter().map(as_java).collect());
    }
    if let Some(text) = value.as_text().filter(|text| text.len() > PIECE) {
        let pieces: Vec<char> = text.chars().collect();
        let pieces =
            pieces.chunks(PIECE / 4).map(|piece| as_java(&piece.iter().collect::<String>().into()));
        return within(0x7f, pieces.collect());
    }
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The same in JSON: blobs in base64, times in seconds.
fn as_json(value: &Value) -> Json {
    if let Some(fields) = value.as_map() {
        let name = |name: &Value| name.as_text().unwrap().to_owned();
        return fields.iter().map(|(field, value)| (name(field), as_json(value))).collect();
    }
    if let Some(items) = value.as_array() {
        return items.iter().map(as_json).collect();
    }
    if let Some(bytes) = value.as_bytes() {
        return STANDARD.encode(bytes).into();
    }
    value.deserialized().unwrap()
}
