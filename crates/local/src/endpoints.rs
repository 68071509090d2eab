//! Both services on ports of their own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Format;
use crate::http::{MediaType, Reply, Server, Service};
use crate::kinesis::{FRAMES_MEDIA_TYPE, Kinesis, SUBSCRIBE, TARGET_PREFIX};
use crate::latency::{self, Latencies};
use crate::pushing;
use crate::stream::{Limits, Settings, Timestamp};
use crate::table::{Tables, TablesError};

/// How the endpoints are set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The loopback address to listen on. Default: 127.0.0.1.
    pub host: IpAddr,
    /// The port of Kinesis; 0 takes any that is free. Default: 0.
    pub kinesis_port: u16,
    /// The port of DynamoDB; 0 takes any that is free. Default: 0.
    pub dynamodb_port: u16,
    /// How streams behave: delays, retention, limits, region and account.
    pub streams: Settings,
    /// How long a new table is CREATING. Default: no time at all.
    pub table_creation: Duration,
    /// Whether calls take as long as the service's, with jitter from this seed. Default: no, each
    /// is answered at once.
    pub latency_seed: Option<u64>,
    /// A file to which every write to a table is appended. Default: none.
    pub lease_journal: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            kinesis_port: 0,
            dynamodb_port: 0,
            streams: Settings::default(),
            table_creation: Duration::ZERO,
            latency_seed: None,
            lease_journal: None,
        }
    }
}

impl Options {
    /// Limits, latencies and times of creation as those of the service, where it says or we know.
    ///
    /// The seed is that of the latencies' jitter.
    #[must_use]
    pub fn with_service_limits(self, seed: u64) -> Self {
        let streams = Settings {
            creating: latency::STREAM_CREATION,
            updating: latency::RESHARDING,
            deleting: latency::STREAM_CREATION,
            registering: latency::CONSUMER_REGISTRATION,
            limits: Limits { reads: true, writes: true, calls: true },
            ..self.streams
        };
        let table_creation = latency::TABLE_CREATION;
        Self { streams, table_creation, latency_seed: Some(seed), ..self }
    }
}

/// Why the endpoints did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another process listens on the port.
    #[error("port {port} is taken")]
    PortTaken {
        /// The port asked for.
        port: u16,
    },
    /// The address is not a loopback one. The endpoints accept any credentials, so they are
    /// for this machine only.
    #[error("{host} is not a loopback address")]
    NotLoopback {
        /// The address asked for.
        host: IpAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address and port asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The threads that serve could not be started.
    #[error("no threads to serve with")]
    Threads(#[source] io::Error),
    /// The tables could not be set up.
    #[error(transparent)]
    Tables(#[from] TablesError),
}

/// Kinesis and DynamoDB, each served on a port and threads of its own.
///
/// Both stop when this is dropped; [`stop`](Self::stop) also waits until they have.
#[derive(Debug)]
pub struct Endpoints {
    kinesis: Arc<Kinesis>,
    tables: Arc<Tables>,
    kinesis_server: Server,
    dynamodb_server: Server,
}

impl Endpoints {
    /// Starts both. They accept connections when this returns.
    ///
    /// # Errors
    ///
    /// [`StartError::PortTaken`] names the port that another process has; nothing is left
    /// running after any error.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let kinesis_listener = listen(options.host, options.kinesis_port)?;
        let dynamodb_listener = listen(options.host, options.dynamodb_port)?;
        let mut tables = Tables::new()?.creating_for(options.table_creation);
        if let Some(path) = &options.lease_journal {
            tables = tables.journaled(path)?;
        }
        let tables = Arc::new(tables);
        let kinesis = Arc::new(Kinesis::new(options.streams));
        // Each service draws by itself, so that calls of one do not shift those of the other.
        let latencies = |salt| options.latency_seed.map(|seed| Latencies::new(seed ^ salt));
        let kinesis_server = Server::start(kinesis_listener, Arc::clone(&kinesis), latencies(0))
            .map_err(StartError::Threads)?;
        let dynamodb_server = Server::start(dynamodb_listener, Arc::clone(&tables), latencies(1))
            .map_err(StartError::Threads)?;
        Ok(Self { kinesis, tables, kinesis_server, dynamodb_server })
    }

    /// Where Kinesis is, as `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn kinesis_url(&self) -> String {
        format!("http://{}", self.kinesis_server.address())
    }

    /// Where DynamoDB is, as `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn dynamodb_url(&self) -> String {
        format!("http://{}", self.dynamodb_server.address())
    }

    /// The streams behind the port, to look at or change without it.
    #[must_use]
    pub fn kinesis(&self) -> &Arc<Kinesis> {
        &self.kinesis
    }

    /// The tables behind the port. Calls block while SQLite works.
    #[must_use]
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Lets requests under way end, for a second at most, and closes both ports.
    pub async fn stop(self) {
        let Self { kinesis_server, dynamodb_server, .. } = self;
        kinesis_server.stop().await;
        dynamodb_server.stop().await;
    }
}

fn listen(host: IpAddr, port: u16) -> Result<TcpListener, StartError> {
    if !host.is_loopback() {
        return Err(StartError::NotLoopback { host });
    }
    let address = SocketAddr::new(host, port);
    TcpListener::bind(address).map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            StartError::PortTaken { port }
        } else {
            StartError::Listen { address, source }
        }
    })
}

impl Service for Kinesis {
    const NAME: &'static str = "local-kinesis";
    const SPOKEN: &'static [MediaType] = &[
        MediaType { name: Format::Json.media_type(), format: Format::Json },
        MediaType { name: Format::Cbor.media_type(), format: Format::Cbor },
    ];

    fn answer(self: &Arc<Self>, target: &str, format: Format, body: &[u8]) -> Reply {
        if target.strip_prefix(TARGET_PREFIX) != Some(SUBSCRIBE) {
            return Reply::Whole(self.call_at(target, format, body, wall_clock()));
        }
        match self.subscribe_at(format, body, wall_clock()) {
            Ok(subscription) => {
                let frames = pushing::frames(Arc::clone(self), subscription, format);
                Reply::Streamed { media_type: FRAMES_MEDIA_TYPE, body: Box::pin(frames) }
            }
            Err(refusal) => Reply::Whole(refusal),
        }
    }
}

impl Service for Tables {
    const NAME: &'static str = "local-dynamodb";
    const SPOKEN: &'static [MediaType] =
        &[MediaType { name: "application/x-amz-json-1.0", format: Format::Json }];

    fn answer(self: &Arc<Self>, target: &str, _: Format, body: &[u8]) -> Reply {
        Reply::Whole(self.call_at(target, body, wall_clock()))
    }
}

pub(crate) fn wall_clock() -> Timestamp {
    // A clock before 1970 would be a broken machine; the epoch serves as well as any time then.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
