//! Between a client and the local Kinesis, over HTTP/1.1: answers of status 200 that no service
//! should give.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// What becomes of an answer with records.
pub(crate) type Fault = fn(Value) -> String;

/// What is to happen, and what was asked for meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// What becomes of the next answers to GetRecords that bring records.
    pub(crate) answers: Vec<Fault>,
    /// Operations whose next answers come at a byte a second.
    pub(crate) drips: Vec<String>,
    /// Codes with which the next requests are refused, the last one first.
    pub(crate) refuses: Vec<String>,
    /// What the first event of the next subscriptions is.
    pub(crate) events: Vec<String>,
    /// Shards, or iterators, whose last answer was a fault.
    pub(crate) faulty: BTreeMap<String, usize>,
    /// Operations that were asked for without the ARN of a stream or a consumer.
    pub(crate) without_arn: Vec<String>,
    /// How many of them were asked for again in the same words.
    pub(crate) asked_again: usize,
}

impl Script {
    /// How many faults have happened.
    pub(crate) fn happened(&self) -> usize {
        self.faulty.len()
    }

    /// Whether the answer of an operation is to drip in; it will not another time.
    fn drip(&mut self, operation: Option<&str>) -> bool {
        let at = self.drips.iter().position(|drip| Some(drip.as_str()) == operation);
        at.map(|at| self.drips.remove(at)).is_some()
    }

    /// Notes a question; gives whether it is asked for the first time.
    fn asks(&mut self, question: &str) -> bool {
        let Some(again) = self.faulty.get_mut(question) else { return true };
        *again += 1;
        self.asked_again += usize::from(*again == 1);
        false
    }
}

#[derive(Clone)]
struct Proxy {
    to: String,
    client: Client<HttpConnector, Body>,
    script: Arc<Mutex<Script>>,
}

/// Listens; gives its own URL.
pub(crate) async fn start(to: String, script: Arc<Mutex<Script>>) -> String {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let to = to.trim_end_matches('/').to_owned();
    let router = Router::new().fallback(pass).with_state(Proxy { to, client, script });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn pass(State(proxy): State<Proxy>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let question = to_bytes(body, usize::MAX).await.unwrap();
    let words = String::from_utf8(question.to_vec()).unwrap();
    let target = parts.headers.get("x-amz-target").map(|it| it.to_str().unwrap().to_owned());
    let operation = target.as_deref().and_then(|it| it.split_once('.')).map(|(_, name)| name);
    if !words.contains("ARN\":\"arn:aws:kinesis:") {
        let name = operation.unwrap_or_default().to_owned();
        proxy.script.lock().unwrap().without_arn.push(name);
    }
    if operation == Some("SubscribeToShard") {
        let mut script = proxy.script.lock().unwrap();
        if script.asks(&words)
            && let Some(event) = script.events.pop()
        {
            script.faulty.insert(words, 0);
            return subscription(&event);
        }
    }
    if let Some(code) = proxy.script.lock().unwrap().refuses.pop() {
        let error = serde_json::json!({ "__type": code, "message": "is the clock right?" });
        let headers = [(CONTENT_TYPE, "application/x-amz-json-1.1")];
        return (StatusCode::BAD_REQUEST, headers, error.to_string()).into_response();
    }
    parts.uri = format!("{}/", proxy.to).parse().unwrap();
    let question = Request::from_parts(parts, Body::from(question));
    let answer = proxy.client.request(question).await.unwrap();
    if proxy.script.lock().unwrap().drip(operation) {
        let (parts, body) = answer.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
        return Response::from_parts(parts, drip(body));
    }
    if operation != Some("GetRecords") || !answer.status().is_success() {
        return answer.into_response();
    }
    let (parts, body) = answer.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
    let told: Value = serde_json::from_slice(&body).unwrap();
    let has_records = told["Records"].as_array().is_some_and(|records| !records.is_empty());
    let mut script = proxy.script.lock().unwrap();
    if script.asks(&words)
        && has_records
        && let Some(fault) = script.answers.pop()
    {
        script.faulty.insert(words, 0);
        return ([(CONTENT_TYPE, "application/x-amz-json-1.1")], fault(told)).into_response();
    }
    Response::from_parts(parts, Body::from(body))
}

fn drip(body: Bytes) -> Body {
    Body::from_stream(stream::unfold(body, |mut rest| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let next = (!rest.is_empty()).then(|| rest.split_to(1))?;
        Some((Ok::<_, Infallible>(next), rest))
    }))
}

/// Of one event, with which it ends.
fn subscription(event: &str) -> Response {
    let frames = [frame("initial-response", "{}"), frame("SubscribeToShardEvent", event)].concat();
    let headers = [(CONTENT_TYPE, "application/vnd.amazon.eventstream")];
    (headers, Bytes::from(frames)).into_response()
}

/// As in our reference for event streams.
fn frame(kind: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":message-type", "event"),
        (":event-type", kind),
        (":content-type", "application/x-amz-json-1.1"),
    ] {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend(name.as_bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let lengths = [16 + headers.len() + payload.len(), headers.len()];
    let mut frame: Vec<u8> =
        lengths.iter().flat_map(|it| u32::try_from(*it).unwrap().to_be_bytes()).collect();
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}
