//! The HTTP shell around both services: one port each, HTTP/1.1 and HTTP/2 without TLS.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::sync::{oneshot, watch};
use tracing::{debug, warn};

use crate::Format;
use crate::latency::Latencies;

/// Room for the largest call of either service: 10 MiB of records in base64.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long requests under way may take to end when the endpoint stops.
const GRACE: Duration = Duration::from_secs(1);

/// One to work (SQLite and the streams do one thing at a time), one to serve sockets meanwhile.
const THREADS: usize = 2;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// What a service answers to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The exception's name, if it is an error.
    pub error: Option<String>,
    /// The body, in the format of the request.
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn ok(body: Vec<u8>) -> Self {
        Self { status: 200, error: None, body }
    }

    /// An error as both services write it in JSON.
    #[must_use]
    pub fn error(status: u16, name: &str, message: &str) -> Self {
        Self::error_in(Format::Json, status, name, message)
    }

    pub(crate) fn error_in(format: Format, status: u16, name: &str, message: &str) -> Self {
        let body = format.write(&serde_json::json!({ "__type": name, "message": message }));
        Self { status, error: Some(name.to_owned()), body }
    }
}

/// An answer, whole or as it comes.
pub(crate) enum Reply {
    Whole(Answer),
    /// A success whose body goes on for as long as the client listens.
    Streamed {
        media_type: &'static str,
        body: BoxStream<'static, Bytes>,
    },
}

/// A service behind the shell.
pub(crate) trait Service: Send + Sync + 'static {
    /// What its threads are called, for logs and debuggers.
    const NAME: &'static str;
    /// What it speaks. A request that names something else is taken to be in the first of these.
    const SPOKEN: &'static [MediaType];

    /// Answers a target and a body, in the body's format. Called where it may block.
    fn answer(self: &Arc<Self>, target: &str, format: Format, body: &[u8]) -> Reply;
}

/// How a service calls a format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MediaType {
    pub(crate) name: &'static str,
    pub(crate) format: Format,
}

/// What the shell refuses by itself.
struct Refusal {
    status: u16,
    name: &'static str,
    message: &'static str,
}

/// A service being served, on a runtime of its own.
///
/// A scan or a large answer in here then never holds up the worker that asked for it, though both
/// live in one process. Dropping the server stops it too, without waiting.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Server {
    /// Serves at once; with latencies, each answer takes as long as one of the service.
    pub(crate) fn start<S: Service>(
        listener: TcpListener,
        service: Arc<S>,
        latencies: Option<Latencies>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name(S::NAME)
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        std::thread::Builder::new().name(S::NAME.to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(serve(listener, service, latencies, stopped)) {
                warn!(service = S::NAME, %error, "endpoint ended");
            }
            // Connections still open are closed with it.
            runtime.shutdown_background();
            // Whoever would wait for this may be gone already.
            let _ = ending.send(());
        })?;
        Ok(Self { address, stop, ended })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn stop(self) {
        // Both fail only if the server has ended by itself, which is what is wanted.
        let _ = self.stop.send(());
        let _ = self.ended.await;
    }
}

struct Shell<S> {
    service: Arc<S>,
    latencies: Option<Latencies>,
    request_ids: AtomicU64,
    /// Changes when the endpoint stops.
    stopping: watch::Receiver<()>,
    /// Tells the ids of this run from those of others.
    run: u64,
}

async fn serve<S: Service>(
    listener: TcpListener,
    service: Arc<S>,
    latencies: Option<Latencies>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            debug!(%error, "no TCP_NODELAY");
        }
    });
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let run = started.as_nanos() as u64;
    let (tell, stopping) = watch::channel(());
    let told = told(stopping.clone());
    let shell = Shell { service, latencies, request_ids: AtomicU64::new(0), stopping, run };
    let router = Router::new().fallback(handle::<S>).with_state(Arc::new(shell));
    let graceful = axum::serve(listener, router).with_graceful_shutdown(told);
    let mut serving = std::pin::pin!(graceful.into_future());
    tokio::select! {
        biased;
        result = &mut serving => return result,
        _ = stopped => {}
    }
    drop(tell);
    tokio::time::timeout(GRACE, serving).await.unwrap_or(Ok(()))
}

/// Until the endpoint stops.
async fn told(mut stopping: watch::Receiver<()>) {
    // An error means that the teller is gone, which is what it tells by.
    let _ = stopping.changed().await;
}

async fn handle<S: Service>(State(shell): State<Arc<Shell<S>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let spoken = spoken(S::SPOKEN, &parts.headers);
    let reply = shell.reply(&parts, spoken.format, body).await;
    let reply = reply.unwrap_or_else(|Refusal { status, name, message }| {
        Reply::Whole(Answer::error_in(spoken.format, status, name, message))
    });
    shell.response(reply, spoken)
}

impl<S: Service> Shell<S> {
    async fn reply(&self, parts: &Parts, format: Format, body: Body) -> Result<Reply, Refusal> {
        if !is_local(&parts.uri, &parts.headers) {
            let message = "this endpoint answers only to loopback names";
            return Err(Refusal { status: 403, name: "AccessDeniedException", message });
        }
        if parts.method != Method::POST {
            let message = "requests are made by POST";
            return Err(Refusal { status: 404, name: "UnknownOperationException", message });
        }
        let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| {
            debug!(%error, "request body not read");
            let message = "the body is too large";
            Refusal { status: 413, name: "RequestEntityTooLargeException", message }
        })?;
        self.wait(&parts.headers).await;
        self.answer(&parts.headers, format, &body)
    }

    /// Takes the time that a call takes, before it is carried out.
    async fn wait(&self, headers: &HeaderMap) {
        let Some(latencies) = &self.latencies else { return };
        let target = headers.get(TARGET).and_then(|value| value.to_str().ok());
        tokio::time::sleep(latencies.next(target.unwrap_or_default())).await;
    }

    fn answer(&self, headers: &HeaderMap, format: Format, body: &Bytes) -> Result<Reply, Refusal> {
        let target = checked(headers)?;
        let reply = self.service.answer(target, format, body);
        match &reply {
            Reply::Whole(answer) => {
                debug!(target, status = answer.status, error = answer.error, "request answered");
            }
            Reply::Streamed { .. } => debug!(target, "answer begun"),
        }
        Ok(reply)
    }

    fn response(&self, reply: Reply, spoken: MediaType) -> Response {
        let (status, error, media_type, body) = match reply {
            Reply::Whole(Answer { status, error, body }) => {
                let status = StatusCode::from_u16(status);
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, error, spoken.name, Body::from(body))
            }
            Reply::Streamed { media_type, body } => {
                let body = body.take_until(Box::pin(told(self.stopping.clone())));
                let body = Body::from_stream(body.map(Ok::<_, Infallible>));
                (StatusCode::OK, None, media_type, body)
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(REQUEST_ID, header(&self.next_id()));
        if let Some(error) = error {
            headers.insert(ERROR_TYPE, header(&error));
        }
        response
    }

    fn next_id(&self) -> String {
        let number = self.request_ids.fetch_add(1, Ordering::Relaxed);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{number:012x}",
            self.run >> 32,
            (self.run >> 16) & 0xffff,
            self.run & 0xffff,
            number >> 48,
        )
    }
}

/// The target of a request as the services take them.
fn checked(headers: &HeaderMap) -> Result<&str, Refusal> {
    let Some(target) = headers.get(TARGET).and_then(|value| value.to_str().ok()) else {
        let message = "no X-Amz-Target header";
        return Err(Refusal { status: 400, name: "UnknownOperationException", message });
    };
    if !headers.contains_key(AUTHORIZATION) {
        // Any credentials will do, but a client without is not set up as for the service.
        let (name, message) =
            ("MissingAuthenticationTokenException", "Missing Authentication Token");
        return Err(Refusal { status: 400, name, message });
    }
    Ok(target)
}

/// What a request is written in, less the parameters that some clients add to the media type.
fn spoken(offered: &[MediaType], headers: &HeaderMap) -> MediaType {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let named = named.and_then(|value| value.split(';').next()).map(str::trim);
    let is_named =
        |offer: &&MediaType| named.is_some_and(|named| named.eq_ignore_ascii_case(offer.name));
    *offered.iter().find(is_named).unwrap_or(&offered[0])
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids and exception names are printable ASCII")
}

/// Whether the request was meant for this machine by name. A web page whose own name has been
/// made to resolve to a loopback address (DNS rebinding) is turned away by it.
fn is_local(uri: &Uri, headers: &HeaderMap) -> bool {
    // HTTP/2 carries the name in the URI, HTTP/1.1 in a header; both, if both are there.
    let authority = uri.authority().map(|authority| authority.as_str());
    let host = headers.get(HOST).map(|host| host.to_str().unwrap_or(""));
    let names: Vec<&str> = authority.into_iter().chain(host).collect();
    !names.is_empty() && names.into_iter().all(is_loopback_name)
}

fn is_loopback_name(authority: &str) -> bool {
    let without_port = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => authority,
    };
    let name = without_port.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_local() {
        for name in ["localhost", "LOCALHOST:4567", "127.0.0.1:1", "127.8.9.1", "[::1]:80", "[::1]"]
        {
            assert!(is_loopback_name(name), "{name}");
        }
        for name in ["", "example.com", "localhost.example.com:80", "10.0.0.1", "0.0.0.0:80"] {
            assert!(!is_loopback_name(name), "{name}");
        }
    }

    #[test]
    fn a_foreign_host_header_is_not_outweighed_by_a_local_uri() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("evil.example"));

        assert!(!is_local(&Uri::from_static("http://localhost:1/"), &headers));
        assert!(!is_local(&Uri::from_static("/"), &HeaderMap::new()));
    }
}
