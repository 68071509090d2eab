//! The HTTP client of a node: no socket, but all that can happen to a request.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::Value as Json;
use shardwise::kinesis::KinesisError;
use shardwise_local::kinesis::{Kinesis, SUBSCRIBE};
use shardwise_local::stream::{Settings, Streams, Subscription, Timestamp};
use shardwise_local::{Answer, Format};
use tokio::sync::oneshot;

use super::{item, pushing};
use crate::node::Node;
use crate::point::{Call, Edge};
use crate::ports::{Fate, Followed, NodeStream, NodeTable, Obstacle, no_answer};
use crate::rows::Sender;
use crate::world::World;

/// Which service a client is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Kinesis,
    DynamoDb,
}

/// The way from one node to one service.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    world: Arc<World>,
    node: Arc<Node>,
    service: Service,
}

/// A request as the handlers take it.
#[derive(Clone, Debug)]
struct Asked {
    target: String,
    body: Vec<u8>,
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let (wire, asked) = (self.clone(), Asked { target, body });
        HttpConnectorFuture::new(async move {
            match wire.service {
                Service::Kinesis => wire.ask_stream(asked).await,
                Service::DynamoDb => wire.ask_table(asked).await,
            }
        })
    }
}

impl Wire {
    pub(super) fn new(world: &Arc<World>, node: &Arc<Node>, service: Service) -> Self {
        Self { world: Arc::clone(world), node: Arc::clone(node), service }
    }

    async fn ask_stream(self, asked: Asked) -> Result<HttpResponse, ConnectorError> {
        let call = match asked.operation() {
            "DescribeStreamSummary" => Call::StreamState,
            "ListShards" => Call::ListShards,
            "GetShardIterator" => Call::Iterator,
            "DescribeStreamConsumer" => Call::StreamConsumer,
            "RegisterStreamConsumer" => Call::RegisterConsumer,
            SUBSCRIBE => Call::Subscribe,
            _ => Call::Records,
        };
        self.world.passes(&self.node, call, Edge::Before).await;
        let (there, back) = (self.world.way(), self.world.way());
        let stream = NodeStream { world: Arc::clone(&self.world), node: Arc::clone(&self.node) };
        let answered = match stream.obstacle(call, None) {
            Some(Obstacle::Lost { is_reset }) => {
                no_answer(is_reset, there).await;
                Err(reset())
            }
            Some(Obstacle::Refused(error)) => {
                tokio::time::sleep(there).await;
                let is_denied = matches!(error, KinesisError::Refused(_));
                Ok(if is_denied { denied() } else { throttled() })
            }
            None => {
                tokio::time::sleep(there).await;
                let answer = if call == Call::Subscribe {
                    self.subscribe(&asked)
                } else {
                    Err(self.answer_of_stream(&asked))
                };
                tokio::time::sleep(back).await;
                match answer {
                    Ok(subscription) => {
                        self.world.passes(&self.node, call, Edge::After).await;
                        return Ok(pushing::answer(Followed::new(stream, subscription)));
                    }
                    Err(answer) => Ok(answer),
                }
            }
        };
        self.world.passes(&self.node, call, Edge::After).await;
        self.told(call, answered)
    }

    fn subscribe(&self, asked: &Asked) -> Result<Subscription, Answer> {
        self.lent(|kinesis, date| kinesis.subscribe_at(Format::Json, &asked.body, date))
    }

    /// Lends the world's streams to their handlers for one call.
    fn lent<T>(&self, call: impl FnOnce(&Kinesis, Timestamp) -> T) -> T {
        let date = self.world.date();
        let mut state = self.world.state();
        let nothing = Streams::new(Settings::default());
        let kinesis = Kinesis::of(std::mem::replace(&mut state.streams, nothing));
        let answer = call(&kinesis, date);
        state.streams = kinesis.into_streams();
        answer
    }

    fn answer_of_stream(&self, asked: &Asked) -> Answer {
        let answer = self
            .lent(|kinesis, date| kinesis.call_at(&asked.target, Format::Json, &asked.body, date));
        let refusal = match answer.error.as_deref() {
            Some("ExpiredIteratorException") => Some("sdk: iterator expired"),
            Some("ProvisionedThroughputExceededException") => {
                Some("sdk: beyond the limits of a shard")
            }
            Some(_) | None => None,
        };
        if let Some(refusal) = refusal {
            self.world.mark(&self.node.name, refusal);
        }
        answer
    }

    async fn ask_table(self, asked: Asked) -> Result<HttpResponse, ConnectorError> {
        let call = asked.call_of_table();
        self.world.passes(&self.node, call, Edge::Before).await;
        let there = self.world.way();
        let table = NodeTable { world: Arc::clone(&self.world), node: Arc::clone(&self.node) };
        let answered = match table.fate(call) {
            Fate::Answered { back } => {
                let answer = self.send(&asked, call, there).await;
                tokio::time::sleep(back).await;
                answer.map_err(|_| reset())
            }
            Fate::Lost { is_reset } => {
                no_answer(is_reset, there).await;
                Err(reset())
            }
            Fate::AnswerLost { is_reset } => {
                drop(self.send(&asked, call, there));
                no_answer(is_reset, 2 * there).await;
                Err(reset())
            }
            Fate::Late { after, is_reset } => {
                drop(self.send(&asked, call, after));
                no_answer(is_reset, there).await;
                Err(reset())
            }
            Fate::Throttled => {
                tokio::time::sleep(there).await;
                Ok(throttled())
            }
            Fate::Denied => {
                tokio::time::sleep(there).await;
                Ok(denied())
            }
            Fate::Gone => {
                tokio::time::sleep(there).await;
                Ok(Answer::error(400, "ResourceNotFoundException", "no such table"))
            }
            Fate::Broken { is_done: false } => {
                tokio::time::sleep(2 * there).await;
                Ok(Answer::error(500, "InternalServerError", "try again"))
            }
            // It was carried out, and what comes back of its answer is half of it.
            Fate::Broken { is_done: true } => {
                self.world.mark(&self.node.name, "sdk: answer cut off");
                let answer = self.send(&asked, call, there).await.map_err(|_| reset());
                answer.map(|answer| {
                    let half = answer.body.len() / 2;
                    Answer { body: answer.body[..half].to_vec(), ..answer }
                })
            }
        };
        self.world.passes(&self.node, call, Edge::After).await;
        self.told(call, answered)
    }

    /// Sends a request on its way; it arrives whatever becomes of its sender.
    fn send(&self, asked: &Asked, call: Call, after: Duration) -> oneshot::Receiver<Answer> {
        let (told, answer) = oneshot::channel();
        let (wire, asked, sent_t) = (self.clone(), asked.clone(), self.world.t());
        let is_write = call.edges().contains(&Edge::Arrived);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let dies_before = is_write && wire.world.dies(&wire.node, call, Edge::Arrived);
            let answer = wire.answer_of_table(&asked, sent_t);
            if is_write && answer.error.is_none() && !dies_before {
                wire.world.dies(&wire.node, call, Edge::Applied);
            }
            // The sender may have stopped waiting.
            let _ = told.send(answer);
        });
        answer
    }

    /// Has the tables answer, and notes what they wrote.
    fn answer_of_table(&self, asked: &Asked, sent_t: u64) -> Answer {
        let services = self.world.sdk.as_ref().expect("a wire is of a world with the SDK");
        let answer = services.tables.call_at(&asked.target, &asked.body, self.world.date());
        let now = self.world.now();
        let mut state = self.world.state();
        for write in services.take_written() {
            let after = write.after.map(|after| {
                let after = serde_json::to_value(after).expect("attributes are JSON");
                item::item(after.as_object().expect("an item has names"))
            });
            let sender = Sender { by: Some(&self.node.name), sent_t };
            let key = write.key.unwrap_or_default();
            let written = state.rows.replace(&key, after, sender, now);
            state.journal.write(written);
        }
        answer
    }

    fn told(
        &self,
        call: Call,
        answered: Result<Answer, ConnectorError>,
    ) -> Result<HttpResponse, ConnectorError> {
        let answer = match answered {
            Ok(answer) => answer,
            Err(error) => {
                self.world.trace(&self.node.name, format_args!("{call:?}: no answer"));
                return Err(error);
            }
        };
        if let Some(error) = &answer.error {
            self.world.trace(&self.node.name, format_args!("{call:?}: {error}"));
        }
        let status = StatusCode::try_from(answer.status).map_err(|error| {
            ConnectorError::other(format!("a status that is none: {error}").into(), None)
        })?;
        let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
        response.headers_mut().insert("content-type", self.service.media_type());
        Ok(response)
    }
}

impl Asked {
    fn operation(&self) -> &str {
        self.target.rsplit('.').next().unwrap_or_default()
    }

    fn call_of_table(&self) -> Call {
        match self.operation() {
            "DescribeTable" => Call::TableState,
            "CreateTable" => Call::TableCreate,
            "Scan" => Call::Scan,
            operation => {
                let body: Json = serde_json::from_slice(&self.body).unwrap_or_default();
                item::write(operation, &body).map_or(Call::Read, |write| Call::of(&write))
            }
        }
    }
}

impl Service {
    fn media_type(self) -> &'static str {
        match self {
            Self::Kinesis => "application/x-amz-json-1.1",
            Self::DynamoDb => "application/x-amz-json-1.0",
        }
    }
}

fn reset() -> ConnectorError {
    ConnectorError::io("the connection was reset".into())
}

fn denied() -> Answer {
    Answer::error(400, "AccessDeniedException", "as planned")
}

fn throttled() -> Answer {
    Answer::error(400, "ProvisionedThroughputExceededException", "too much")
}
