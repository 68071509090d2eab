//! Metrics to an OpenTelemetry collector, over OTLP/HTTP.

mod message;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use shardwise_core::id::ShardId;
use shardwise_core::metrics::totals::Totals;
use shardwise_core::metrics::{Datum, Selection, Source};
use shardwise_core::time::Time;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use super::MetricsSink;
use crate::clock::{Clock, within};
use crate::error::with_causes;

/// How long one call may take. OpenTelemetry: 10 s; here as long as a stop waits.
const CALL_TIME: Duration = Duration::from_secs(5);
/// How often it is warned of calls that fail.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What is sent, and where.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where metrics are sent, such as `http://localhost:4318/v1/metrics`. User information and a
    /// query are refused: secrets belong into headers.
    pub endpoint: String,
    /// Headers of every call, such as one with a token.
    pub headers: Vec<(String, String)>,
    /// The attribute `service.name`.
    pub service_name: String,
    /// The attribute `service.instance.id`, which tells those of one service apart: the worker.
    pub instance_id: String,
    /// Which metrics are sent, and what they are told apart by.
    pub selection: Selection,
    /// How often they are sent: at least 100 ms apart.
    pub interval: Duration,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { headers, service_name, instance_id, selection, interval, .. } = self;
        let headers: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Settings")
            .field("headers", &headers)
            .field("service_name", service_name)
            .field("instance_id", instance_id)
            .field("selection", selection)
            .field("interval", interval)
            .finish_non_exhaustive()
    }
}

/// Why the settings cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The endpoint cannot be. It may hold a secret, and is not shown.
    #[error("its endpoint must be http://HOST or https://HOST, with neither user nor query")]
    Endpoint,
    /// A header that cannot be sent. Its value may be a secret, and is not shown.
    #[error("{0} cannot be sent")]
    Header(String),
    /// The system's certificates cannot be read.
    #[error("no certificates of authorities")]
    Certificates(#[source] std::io::Error),
}

/// A sink that sends all that has come to be counted to a collector, again and again, from a task
/// of its own: OTLP/HTTP with Protobuf, cumulative.
///
/// A call that fails loses nothing: the next one tells more. What has added up of a shard that the
/// worker has no more is sent once more. Dropping the sink ends its task.
pub struct Otlp {
    totals: Arc<Mutex<Totals>>,
    clock: Arc<dyn Clock>,
    flushes: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl Otlp {
    /// Starts the task that sends.
    ///
    /// # Errors
    ///
    /// An endpoint or a header that cannot be.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, SettingsError> {
        let (uri, headers) = (uri(&settings.endpoint)?, headers(&settings.headers)?);
        let totals = Arc::new(Mutex::new(Totals::new(settings.selection)));
        let (flushes, asked) = mpsc::unbounded_channel();
        let sender = Sender {
            client: client(&uri)?,
            uri,
            headers,
            resource: [
                ("service.name", settings.service_name),
                ("service.instance.id", settings.instance_id),
            ],
            interval: settings.interval.max(SHORTEST_INTERVAL),
            totals: Arc::clone(&totals),
            clock: Arc::clone(&clock),
            warned_at: None,
        };
        tokio::spawn(sender.run(asked));
        Ok(Self { totals, clock, flushes })
    }
}

#[async_trait]
impl MetricsSink for Otlp {
    fn record(&self, source: Source<'_>, data: &[Datum]) {
        lock(&self.totals).record(source, data, self.clock.date());
    }

    fn begin(&self, shard: &ShardId) {
        lock(&self.totals).begin(shard);
    }

    fn end(&self, shard: &ShardId) {
        lock(&self.totals).end(shard);
    }

    async fn flush(&self) {
        let (sent, is_sent) = oneshot::channel();
        if self.flushes.send(sent).is_ok() {
            // A task that is gone sends nothing.
            let _ = is_sent.await;
        }
    }
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Otlp").field(&lock(&self.totals)).finish()
    }
}

fn lock(totals: &Mutex<Totals>) -> MutexGuard<'_, Totals> {
    totals.lock().unwrap_or_else(PoisonError::into_inner)
}

fn uri(endpoint: &str) -> Result<Uri, SettingsError> {
    let uri = endpoint.parse::<Uri>().map_err(|_| SettingsError::Endpoint)?;
    let is_plain = uri.authority().is_some_and(|it| !it.as_str().contains('@'));
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_all = uri.query().is_none() && !endpoint.contains('#');
    Some(uri).filter(|_| is_plain && is_http && is_all).ok_or(SettingsError::Endpoint)
}

/// Certificates are looked for only if they matter. Which code encrypts is our own choice, and
/// nobody else's in the process.
fn client(uri: &Uri) -> Result<HttpClient, SettingsError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let connector = HttpsConnectorBuilder::new();
    let connector = if uri.scheme_str() == Some("https") {
        connector.with_provider_and_native_roots(provider).map_err(SettingsError::Certificates)?
    } else {
        connector.with_tls_config(
            rustls::ClientConfig::builder_with_provider(provider.into())
                .with_safe_default_protocol_versions()
                .expect("its own versions are safe")
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth(),
        )
    };
    let connector = connector.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

fn headers(all: &[(String, String)]) -> Result<Vec<(HeaderName, HeaderValue)>, SettingsError> {
    let header = |(name, value): &(String, String)| {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some((name.parse().ok()?, value))
    };
    // What is no name may be a secret in the wrong place.
    let shown = |name: &str| match name.parse::<HeaderName>() {
        Ok(name) => format!("the header `{name}`"),
        Err(_) => "a header".to_owned(),
    };
    let all = all.iter().map(|it| header(it).ok_or_else(|| SettingsError::Header(shown(&it.0))));
    all.collect()
}

type HttpClient = Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The task that sends.
struct Sender {
    client: HttpClient,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    resource: [(&'static str, String); 2],
    interval: Duration,
    totals: Arc<Mutex<Totals>>,
    clock: Arc<dyn Clock>,
    warned_at: Option<Time>,
}

impl Sender {
    /// Sends whenever it is time to, or asked for, until nobody can ask any more.
    async fn run(mut self, mut asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
        loop {
            let due = self.clock.now() + self.interval;
            let asked = tokio::select! {
                biased;
                asked = asked.recv() => match asked {
                    Some(asked) => Some(asked),
                    None => return,
                },
                () = self.clock.sleep_until(due) => None,
            };
            // Workers write into the totals, and shall not wait for this.
            let told = lock(&self.totals).clone();
            let text = message::encode(&told, &self.resource, self.clock.date());
            let sent = within(&*self.clock, CALL_TIME, self.send(text)).await;
            match sent.unwrap_or_else(|| Err("no answer within 5 s".into())) {
                Ok(()) => {
                    debug!("metrics sent");
                    lock(&self.totals).settle(&told);
                }
                Err(error) => self.warn_of(&with_causes(&*error)),
            }
            if let Some(asked) = asked {
                // Whoever asked may have stopped waiting.
                let _ = asked.send(());
            }
        }
    }

    async fn send(&self, text: Vec<u8>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::post(&self.uri).header(CONTENT_TYPE, "application/x-protobuf");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = self.client.request(request.body(Full::from(text))?).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("the collector answers {status}").into());
        }
        // What an answer of success holds may be nothing, or of a later version.
        let answer = ExportMetricsServiceResponse::decode(body).unwrap_or_default();
        match answer.partial_success {
            Some(partial) if partial.rejected_data_points > 0 => Err(format!(
                "the collector rejects {} numbers: {}",
                partial.rejected_data_points, partial.error_message
            )
            .into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Warns of a call that failed: of the first one, and then now and again.
    fn warn_of(&mut self, error: &str) {
        let now = self.clock.now();
        let endpoint = &self.uri;
        if self.warned_at.is_some_and(|at| now.since(at) < WARNING_INTERVAL) {
            debug!(%endpoint, error, "metrics not sent");
        } else {
            self.warned_at = Some(now);
            warn!(%endpoint, error, "metrics not sent");
        }
    }
}
