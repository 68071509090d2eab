//! Where metrics go: decided at start, and said in one line.

mod collector;

use std::sync::Arc;

use shardwise::aws::{self, Service, Source};
use shardwise::metrics::cloudwatch::{self, CloudWatch};
use shardwise::metrics::otlp::{self, Otlp};
use shardwise::metrics::{Level, MetricsSink};
use shardwise::{Clock, Worker};
use shardwise_core::properties::settings::{DaemonSettings, MetricsTarget};
use tracing::{info, warn};

/// Why metrics cannot go where the settings say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    CloudWatch(#[from] aws::ConnectError),
    #[error("metrics cannot be sent by OTLP")]
    Otlp(#[from] otlp::SettingsError),
    #[error("metrics cannot be sent by OTLP")]
    Collector(#[from] collector::Malformed),
    #[error(
        "metrics with headers, which may hold a secret, are not sent by OTLP over http:// to \
         another machine; use https://, or set shardwise.allowInsecureEndpoint = true"
    )]
    Insecure,
}

/// Has the worker tell what it counts to whom the settings name. Kinesis is reached as `kinesis`
/// says.
pub(crate) async fn attach(
    mut worker: Worker,
    settings: &DaemonSettings,
    kinesis: &Service,
    clock: &Arc<dyn Clock>,
) -> Result<Worker, Error> {
    if settings.metrics.targets.is_empty() {
        info!("no metrics, as configured");
    }
    for target in &settings.metrics.targets {
        let sink = match target {
            MetricsTarget::CloudWatch => to_cloudwatch(settings, kinesis, clock).await?,
            MetricsTarget::Otlp => Some(to_collector(settings, clock)?),
        };
        if let Some(sink) = sink {
            worker = worker.with_metrics(sink);
        }
    }
    Ok(worker)
}

async fn to_cloudwatch(
    settings: &DaemonSettings,
    kinesis: &Service,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<dyn MetricsSink>>, aws::ConnectError> {
    let wanted = &settings.metrics.cloudwatch;
    let service = Service {
        region: wanted.region.clone(),
        endpoint: wanted.endpoint.clone(),
        fips: wanted.endpoint_kind.fips,
        dual_stack: wanted.endpoint_kind.dual_stack,
        account_id: wanted.endpoint_kind.account_id,
        https_only: !settings.metrics.allow_insecure_endpoint,
        credentials: match kinesis.credentials {
            Source::Local => Source::Local,
            Source::Providers(_) => Source::Providers(wanted.credentials.clone()),
        },
    };
    if aws::is_only_cloudwatch_at_aws(kinesis, &service).await {
        info!(
            "no metrics go to CloudWatch: Kinesis is not at AWS, and where else CloudWatch is \
             nothing says; `cloudWatchClient.endpointOverride` and AWS_ENDPOINT_URL_CLOUDWATCH can"
        );
        return Ok(None);
    }
    let config = aws::cloudwatch(&service).await?;
    let namespace = settings.config.application_name.clone();
    let selection = settings.cloudwatch_selection();
    let level = name(selection.level);
    info!(
        namespace,
        level,
        "metrics go to CloudWatch, as Java's do: AWS charges for each metric and for calls; \
         `metricsLevel = SUMMARY` sends fewer, `NONE` none"
    );
    let sent = cloudwatch::Settings { namespace, selection, limits: settings.metrics.limits };
    Ok(Some(Arc::new(CloudWatch::start(&config, sent, Arc::clone(clock)))))
}

fn to_collector(
    settings: &DaemonSettings,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn MetricsSink>, Error> {
    let metrics = &settings.metrics;
    let configured = metrics.otlp_endpoint.as_deref();
    let found = collector::find(configured, |name| std::env::var(name).ok())?;
    let in_clear = found.is_in_clear();
    if in_clear && !found.headers.is_empty() && !metrics.allow_insecure_endpoint {
        return Err(Error::Insecure);
    }
    let sent = otlp::Settings {
        endpoint: found.endpoint.clone(),
        headers: found.headers,
        service_name: settings.config.application_name.clone(),
        instance_id: settings.config.worker_id.to_string(),
        selection: metrics.selection.clone(),
        interval: metrics.limits.time,
    };
    let sink = Otlp::start(sent, Arc::clone(clock))?;
    let (endpoint, level) = (found.endpoint, name(metrics.selection.level));
    info!(endpoint, level, "metrics go to an OpenTelemetry collector; `shardwise.metrics` says so");
    if in_clear {
        warn!("metrics cross the network in clear");
    }
    Ok(Arc::new(sink))
}

const fn name(level: Level) -> &'static str {
    match level {
        Level::Summary => "SUMMARY",
        Level::Detailed => "DETAILED",
    }
}
