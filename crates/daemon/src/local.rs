//! The local endpoints: served alone, or inside a daemon that uses them.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use shardwise::with_causes;
use shardwise_core::properties::settings::DaemonSettings;
use shardwise_local::stream::{Capacity, Timestamp};
use shardwise_local::{Endpoints, Options};
use tracing::info;

use crate::args::LocalArguments;
use crate::exit::{Error, Exit};
use crate::signals::Signals;

/// The region that the endpoints say they are in, for a file that names none.
const REGION: &str = "us-east-1";

/// Serves the endpoints until a signal comes.
pub(crate) fn run(arguments: LocalArguments) -> Result<Exit, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::internal(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::catch()?;
        let mut options = Options {
            kinesis_port: arguments.kinesis_port,
            dynamodb_port: arguments.dynamodb_port,
            lease_journal: arguments.lease_journal,
            ..Options::default()
        };
        if arguments.service_limits {
            options = options.with_service_limits(arguments.latency_seed);
        }
        let endpoints = start(options).await?;
        for (stream, shards) in &arguments.stream {
            create_stream(&endpoints, stream, *shards)?;
        }
        let urls = serde_json::json!({
            "kinesis": endpoints.kinesis_url(),
            "dynamodb": endpoints.dynamodb_url(),
        });
        let mut stdout = std::io::stdout();
        let told = writeln!(stdout, "{urls}").and_then(|()| stdout.flush());
        told.map_err(|error| Error::internal(format!("stdout: {error}")))?;
        signals.next().await;
        endpoints.stop().await;
        Ok(Exit::InOrder)
    })
}

/// Endpoints that live as long as a daemon.
pub(crate) struct LocalEndpoints {
    endpoints: Endpoints,
}

impl LocalEndpoints {
    /// Starts them, makes the stream, and points the settings there.
    pub(crate) async fn start(settings: &mut DaemonSettings) -> Result<Self, Error> {
        let endpoints = start(Options::default()).await?;
        let stream = settings.config.stream_name.as_str();
        create_stream(&endpoints, stream, 1)?;
        let (kinesis, dynamodb) = (endpoints.kinesis_url(), endpoints.dynamodb_url());
        info!(stream, shards = 1, kinesis, dynamodb, "local endpoints with a new stream");
        settings.kinesis_endpoint = Some(kinesis);
        settings.dynamodb_endpoint = Some(dynamodb);
        settings.kinesis_region.get_or_insert_with(|| REGION.to_owned());
        settings.dynamodb_region.get_or_insert_with(|| REGION.to_owned());
        settings.metrics.cloudwatch.region.get_or_insert_with(|| REGION.to_owned());
        Ok(Self { endpoints })
    }

    pub(crate) async fn stop(self) {
        self.endpoints.stop().await;
    }
}

async fn start(options: Options) -> Result<Endpoints, Error> {
    let started = Endpoints::start(options).await;
    started
        .map_err(|error| Error::configuration(format!("local endpoints: {}", with_causes(&error))))
}

fn create_stream(endpoints: &Endpoints, name: &str, shards: u32) -> Result<(), Error> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
    let capacity = Capacity::Provisioned(shards);
    let created = endpoints.kinesis().streams().create_stream(name, capacity, now);
    created.map_err(|error| Error::configuration(format!("stream `{name}`: {error}")))
}
