//! The page: where operators, supervisors and Prometheus ask the daemon how it is.
//!
//! It only answers; nothing that can be asked changes anything.

mod admission;
mod standing;

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use shardwise::metrics::prometheus::{self, Prometheus};
use shardwise::{Board, Budget, Clock, Timestamp, WorkerPhase};
use shardwise_core::config::Config;
use shardwise_core::properties::settings::HttpSettings;
use shardwise_multilang::Turns;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use self::admission::{Admission, Page, Token};

/// The longest first line and headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How many may be connected; whoever comes then waits.
const CONNECTIONS_MAX: usize = 32;
/// How long a request's head may take, and a connection that nobody asks on may stay.
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a connection may last: one that reads nothing holds its place no longer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// A pause before the next connection is accepted where that has failed, as without descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NOT_CACHED: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");
const NOTHING_LOADED: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: std::net::SocketAddr, source: io::Error },
    #[error("`{file}`: {source}")]
    Unreadable { file: String, source: io::Error },
    #[error("`{file}`: {why}")]
    Token { file: String, why: &'static str },
}

impl Error {
    /// The key that it is about.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "shardwise.httpPort",
            Self::Unreadable { .. } | Self::Token { .. } => "shardwise.httpTokenFile",
        }
    }
}

/// The open port. Until there is a worker to tell of it says that the daemon starts.
pub(crate) struct Port {
    answers: Arc<Answers>,
}

/// What the page tells of.
pub(crate) struct Subject {
    pub(crate) config: Config,
    pub(crate) board: Board,
    pub(crate) metrics: Arc<Prometheus>,
    pub(crate) budget: Budget,
    pub(crate) turns: Option<Arc<Turns>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started_at: Timestamp,
}

impl Port {
    /// Opens the port that the settings name, and answers there for as long as the daemon lives.
    pub(crate) async fn open(settings: &HttpSettings) -> Result<Self, Error> {
        let token = settings.token_file.as_deref().map(read_token).transpose()?;
        let address = settings.address;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| Error::Listen { address, source })?;
        let admission = Admission { hosts: settings.hosts.clone(), token };
        let port = address.port();
        info!(port, "the page tells how this daemon is; `shardwise.httpPort` says so");
        let answers = Arc::new(Answers { admission, subject: OnceLock::new() });
        tokio::spawn(accept(listener, Arc::clone(&answers)));
        Ok(Self { answers })
    }

    /// Tells of this worker from here on.
    pub(crate) fn tell_of(&self, subject: Subject) {
        let is_first = self.answers.subject.set(subject).is_ok();
        assert!(is_first, "a daemon has one worker");
    }
}

fn read_token(file: &str) -> Result<Token, Error> {
    let unreadable = |source| Error::Unreadable { file: file.to_owned(), source };
    let metadata = fs::metadata(file).map_err(unreadable)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        warn!(file, "others than its owner may read the token");
    }
    let text = fs::read_to_string(file).map_err(unreadable)?;
    Token::of_file(&text).map_err(|why| Error::Token { file: file.to_owned(), why })
}

async fn accept(listener: TcpListener, answers: Arc<Answers>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((connection, _)) => {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    drop(timeout(CONNECTION_TIMEOUT, serve(connection, answers)).await);
                    drop(place);
                });
            }
            Err(error) => {
                debug!(%error, "the page accepts no connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(connection: TcpStream, answers: Arc<Answers>) {
    let answer = |asked: Request<Incoming>| {
        let answers = Arc::clone(&answers);
        async move { Ok::<_, Infallible>(answers.to(asked)) }
    };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(connection), service_fn(answer))
        .await;
    if let Err(error) = served {
        debug!(%error, "a connection of the page ended");
    }
}

struct Answers {
    admission: Admission,
    /// None while the daemon starts.
    subject: OnceLock<Subject>,
}

impl Answers {
    fn to(&self, asked: Request<Incoming>) -> Response<Full<Bytes>> {
        let (asked, _unread) = asked.into_parts();
        let (status, media_type, body) = match self.admission.admit(&asked) {
            Ok(page) => self.page(page),
            Err(status) => (status, TEXT, line(status.canonical_reason().unwrap_or("refused"))),
        };
        let body = if asked.method == Method::HEAD { String::new() } else { body };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value| drop(headers.insert(name, value));
        set(CONTENT_TYPE, media_type);
        set(CACHE_CONTROL, NOT_CACHED);
        set(X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
        set(CONTENT_SECURITY_POLICY, NOTHING_LOADED);
        match status {
            StatusCode::UNAUTHORIZED => set(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            StatusCode::METHOD_NOT_ALLOWED => set(ALLOW, HeaderValue::from_static("GET, HEAD")),
            _ => {}
        }
        response
    }

    fn page(&self, page: Page) -> (StatusCode, HeaderValue, String) {
        let word = |is_well, word| {
            let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, TEXT, line(word))
        };
        let Some(subject) = self.subject.get() else {
            // What it waits for, such as credentials, has time limits of its own.
            return match page {
                Page::Healthz => word(true, "ok"),
                Page::Readyz | Page::Metrics | Page::Status => {
                    word(false, standing::phase(WorkerPhase::Starting))
                }
            };
        };
        let worker = subject.board.worker();
        match page {
            Page::Healthz if worker.is_stuck() => word(false, "stuck"),
            Page::Healthz => word(true, "ok"),
            Page::Readyz if worker.phase == WorkerPhase::Running => word(true, "ready"),
            Page::Readyz => word(false, standing::phase(worker.phase)),
            Page::Metrics => {
                let text = HeaderValue::from_static(prometheus::CONTENT_TYPE);
                (StatusCode::OK, text, subject.metrics.render())
            }
            Page::Status => {
                let standing = standing::standing(subject, subject.clock.date());
                (StatusCode::OK, JSON, line(&standing.to_string()))
            }
        }
    }
}

fn line(text: &str) -> String {
    format!("{text}\n")
}
