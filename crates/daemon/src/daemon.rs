//! The daemon: from a properties file to a running worker, and to an exit code.

use std::fs::{self, Metadata};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shardwise::aws::{self, ConnectError, Service, Source};
use shardwise::metrics::prometheus::Prometheus;
use shardwise::{
    Budget, Clock, Stopped, Stopper, SystemClock, Worker, WorkerError, WorkerId, with_causes,
};
use shardwise_core::properties::settings::{DaemonSettings, Level, Warning};
use shardwise_multilang::{ChildProcessor, Children, Outcome, Shared, Turns};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use crate::args::DaemonArguments;
use crate::child::{Alive, Launcher};
use crate::executable::{self, Writable};
use crate::exit::{Error, Exit};
use crate::guard::Guard;
use crate::local::LocalEndpoints;
use crate::page::{Port, Subject};
use crate::signals::{self, Signals};
use crate::{config, logging, metrics, page, supervisor};

/// The longest properties file: anything longer is another kind of file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How long children may take to be gone once the worker has stopped: they are signalled by then.
const LAST_CHILDREN: Duration = Duration::from_secs(5);

/// Runs the daemon until it is stopped.
pub(crate) fn run(arguments: &DaemonArguments) -> Result<Exit, Error> {
    let (file, passed_over) = arguments.properties_file().map_err(Error::configuration)?;
    let (bytes, metadata) = read(file)?;
    let worker_id = WorkerId::from_random(u128::from_le_bytes(random()?));
    let settings = understand(file, &bytes, &worker_id)?;
    let place = |key| format!("{}: {}", file.display(), settings.place(key));
    let level_place = place("shardwise.logLevel");
    let logback = arguments.log_configuration.as_deref();
    let _log = logging::start(&settings.log, &level_place, logback)?;
    for other in passed_over {
        warn!(file = %other.display(), "passed over: -p names another properties file");
    }
    report(file, &settings.warnings);
    if !arguments.local {
        for name in config::in_clear_by_environment(&settings, &config::variable)? {
            warn!(variable = name, "requests cross the network in clear");
        }
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let program = executable::find(&settings.executable[0], &search);
    let program = program
        .map_err(|why| Error::configuration(format!("{}: {why}", place("executableName"))))?;
    may_be_trusted(file, &metadata)?;
    if let Ok(metadata) = fs::metadata(&program) {
        may_be_trusted(&program, &metadata)?;
    }
    let config = &settings.config;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        application = config.application_name,
        stream = %config.stream_name,
        table = config.table.name,
        worker = %config.worker_id,
        program = %program.display(),
        "daemon starts"
    );

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::internal(format!("no runtime: {error}")))?;
    let exit = runtime.block_on(serve(settings, file, program, arguments));
    // A blocked look-up of a name must not hold the exit up.
    runtime.shutdown_background();
    exit
}

pub(crate) fn read(file: &Path) -> Result<(Vec<u8>, Metadata), Error> {
    let failed =
        |why: &str| Error::configuration(format!("properties file `{}`: {why}", file.display()));
    let metadata = fs::metadata(file).map_err(|error| failed(&error.to_string()))?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(failed("too long for a properties file"));
    }
    let bytes = fs::read(file).map_err(|error| failed(&error.to_string()))?;
    Ok((bytes, metadata))
}

/// What a file says; `generated` is the worker's name if it has none.
pub(crate) fn understand(
    file: &Path,
    bytes: &[u8],
    generated: &WorkerId,
) -> Result<DaemonSettings, Error> {
    let settings = DaemonSettings::from_bytes(bytes, generated, SystemClock::start().date());
    settings.map_err(|error| Error::configuration(format!("{}: {error}", file.display())))
}

fn report(file: &Path, warnings: &[Warning]) {
    let file = file.display();
    for warning in warnings {
        let (key, line) = (&*warning.key, warning.line);
        match warning.level {
            Level::Note => info!(%file, line, key, "{}", warning.text),
            Level::Warning => warn!(%file, line, key, "{}", warning.text),
        }
    }
}

/// What is run as this user is decided by whoever may write these files.
fn may_be_trusted(file: &Path, metadata: &Metadata) -> Result<(), Error> {
    let who = match executable::writable(metadata) {
        Writable::Owner => return Ok(()),
        Writable::Group => "its group",
        Writable::Everybody if rustix::process::geteuid().is_root() => {
            let file = file.display();
            let text = format!("`{file}`: everybody may write to it, and this is root: refused");
            return Err(Error::configuration(text));
        }
        Writable::Everybody => "everybody",
    };
    warn!(file = %file.display(), "{who} may write to it, and so decide what is run here");
    Ok(())
}

async fn serve(
    mut settings: DaemonSettings,
    file: &Path,
    program: PathBuf,
    arguments: &DaemonArguments,
) -> Result<Exit, Error> {
    let mut signals = Signals::catch()?;
    if arguments.stop_with_stdin {
        signals.stdin_end = Some(spawn_blocking(signals::read_to_end));
    }
    let started = start(&mut settings, file, program, arguments.local);
    let started = tokio::select! {
        biased;
        // Nothing has begun: there is nothing to end.
        name = signals.next() => {
            info!(signal = name, "stopped while starting");
            return Ok(Exit::InOrder);
        }
        started = started => started?,
    };
    let Started { worker, shared, alive, endpoints, grace } = started;
    tokio::spawn(supervisor::inform(worker.board(), grace));
    let (stopper, outcome) = (shared.stopper.clone(), Arc::clone(&shared.outcome));
    let run = worker.run(move |shard| Box::new(ChildProcessor::new(shard, &shared)));
    let stopped = until_stopped(run, &stopper, &mut signals).await;
    if tokio::time::timeout(LAST_CHILDREN, alive.gone()).await.is_err() {
        warn!("children are still there: the guard process ends them");
        outcome.forced.store(true, Ordering::Release);
    }
    if let Some(endpoints) = endpoints {
        endpoints.stop().await;
    }
    Ok(judge(&stopped, &outcome))
}

/// What a daemon that has started is made of.
struct Started {
    worker: Worker,
    shared: Arc<Shared>,
    alive: Alive,
    endpoints: Option<LocalEndpoints>,
    /// How long a stop may take.
    grace: Duration,
}

async fn start(
    settings: &mut DaemonSettings,
    file: &Path,
    program: PathBuf,
    local: bool,
) -> Result<Started, Error> {
    let failed = |error: std::io::Error| Error::internal(format!("no child can start: {error}"));
    let endpoints = if local { Some(LocalEndpoints::start(settings).await?) } else { None };
    let reach = reach(settings, local);
    let misled = |key: Option<&'static str>, error: &dyn std::error::Error| {
        let place = key.map(|key| format!("{}: ", settings.place(key))).unwrap_or_default();
        Error::configuration(format!("{}: {place}{}", file.display(), with_causes(error)))
    };
    let misplaced = |error: page::Error| misled(Some(error.key()), &error);
    let port = match &settings.http {
        Some(http) => Some(Port::open(http).await.map_err(misplaced)?),
        None => None,
    };
    let ports = aws::connect(&reach, &settings.config).await;
    let ports = ports.map_err(|error| misled(key_of(&error, settings), &error))?;
    let clock = Arc::clone(&ports.clock);
    let seed = u64::from_le_bytes(random()?);
    let worker = Worker::new(settings.config.clone(), ports, seed);
    let worker = worker.map_err(|error| Error::configuration(with_causes(&error)))?;
    let worker = metrics::attach(worker, settings, &reach.kinesis, &clock).await;
    let mut worker = worker.map_err(|error| match &error {
        metrics::Error::CloudWatch(source) => misled(key_of(source, settings), source),
        metrics::Error::Otlp(_) | metrics::Error::Collector(_) | metrics::Error::Insecure => {
            misled(Some("shardwise.metrics"), &error)
        }
    })?;
    let turns = settings.max_calls.map(|calls| Arc::new(Turns::new(calls.get())));
    if let Some(port) = port {
        worker = show(worker, &port, settings, turns.clone(), &clock);
    }
    let guard = Guard::start().map_err(failed)?;
    let command = std::mem::take(&mut settings.executable);
    let (launcher, alive) =
        Launcher::new(program, command, &settings.child, guard).map_err(failed)?;
    let shared = Arc::new(Shared {
        children: Children::new(Box::new(launcher), settings.child.per_child())
            .logging(settings.child.logged_per_second()),
        settings: settings.child.clone(),
        turns,
        stopper: worker.stopper(),
        outcome: Arc::default(),
    });
    let grace = settings.config.coordinator.shutdown_grace;
    Ok(Started { worker, shared, alive, endpoints, grace })
}

/// Has a port tell of a worker.
fn show(
    worker: Worker,
    port: &Port,
    settings: &DaemonSettings,
    turns: Option<Arc<Turns>>,
    clock: &Arc<dyn Clock>,
) -> Worker {
    let (config, clock) = (settings.config.clone(), Arc::clone(clock));
    let metrics = Arc::new(Prometheus::new(settings.metrics.selection.clone()));
    let budget = Budget::new(config.byte_budget);
    let worker = worker.with_metrics(Arc::clone(&metrics) as _).with_budget(budget.clone());
    let (board, started_at) = (worker.board(), clock.date());
    port.tell_of(Subject { config, board, metrics, budget, turns, clock, started_at });
    worker
}

/// The key that it is about.
fn key_of(error: &ConnectError, settings: &DaemonSettings) -> Option<&'static str> {
    let ConnectError::NoCredentials { service, .. } = error else { return None };
    let own = match *service {
        "DynamoDB" => "AwsCredentialsProviderDynamoDB",
        "CloudWatch" => "AwsCredentialsProviderCloudWatch",
        _ => "AwsCredentialsProvider",
    };
    Some(if settings.sets(own) { own } else { "AwsCredentialsProvider" })
}

fn reach(settings: &DaemonSettings, local: bool) -> aws::Settings {
    let source = |providers: &Vec<_>| {
        if local { Source::Local } else { Source::Providers(providers.clone()) }
    };
    let https_only = !settings.metrics.allow_insecure_endpoint;
    aws::Settings {
        kinesis: Service {
            region: settings.kinesis_region.clone(),
            endpoint: settings.kinesis_endpoint.clone(),
            fips: settings.kinesis_endpoint_kind.fips,
            dual_stack: settings.kinesis_endpoint_kind.dual_stack,
            account_id: settings.kinesis_endpoint_kind.account_id,
            https_only,
            credentials: source(&settings.kinesis_credentials),
        },
        dynamodb: Service {
            region: settings.dynamodb_region.clone(),
            endpoint: settings.dynamodb_endpoint.clone(),
            fips: settings.dynamodb_endpoint_kind.fips,
            dual_stack: settings.dynamodb_endpoint_kind.dual_stack,
            account_id: settings.dynamodb_endpoint_kind.account_id,
            https_only,
            credentials: source(&settings.dynamodb_credentials),
        },
    }
}

async fn until_stopped(
    run: impl Future<Output = Result<Stopped, WorkerError>>,
    stopper: &Stopper,
    signals: &mut Signals,
) -> Result<Stopped, WorkerError> {
    tokio::pin!(run);
    let mut signalled = false;
    loop {
        tokio::select! {
            biased;
            ended = &mut run => return ended,
            name = signals.next() => {
                info!(signal = name, how = if signalled { "at once" } else { "in order" }, "stop");
                if signalled {
                    stopper.stop();
                } else {
                    stopper.stop_in_order();
                }
                signalled = true;
            }
        }
    }
}

fn judge(stopped: &Result<Stopped, WorkerError>, outcome: &Outcome) -> Exit {
    match stopped {
        Err(error) => {
            error!(error = with_causes(error), "daemon ends");
            if error.is_configuration() { Exit::Configuration } else { Exit::Internal }
        }
        Ok(_) if outcome.failed.load(Ordering::Acquire) => {
            error!("daemon ends: a child has failed, and `shardwise.onChildFailure` is `exit`");
            Exit::Configuration
        }
        Ok(stopped) if stopped.in_order && !outcome.forced.load(Ordering::Acquire) => {
            info!("daemon ends");
            Exit::InOrder
        }
        Ok(_) => {
            warn!("daemon ends before everything was ended in order");
            Exit::CutShort
        }
    }
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    let filled = getrandom::fill(&mut bytes);
    filled.map_err(|error| Error::internal(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_differ() {
        let (one, other) = (random::<16>().unwrap(), random().unwrap());
        assert_ne!(one, other);
    }

    #[test]
    fn only_a_stop_in_order_is_a_success() {
        let outcome = Outcome::default();
        assert_eq!(judge(&Ok(Stopped { in_order: true }), &outcome), Exit::InOrder);
        assert_eq!(judge(&Ok(Stopped { in_order: false }), &outcome), Exit::CutShort);
        outcome.forced.store(true, Ordering::Release);
        assert_eq!(judge(&Ok(Stopped { in_order: true }), &outcome), Exit::CutShort);
        outcome.failed.store(true, Ordering::Release);
        assert_eq!(judge(&Ok(Stopped { in_order: true }), &outcome), Exit::Configuration);
    }
}
