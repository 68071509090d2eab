//! The figures: throughput, latency and memory of a daemon, and time to the first record.

mod children;
mod first;
mod latency;
mod memory;
mod relay;
mod throughput;

use std::time::{Duration, Instant};

use crate::args::{BenchArguments, Suite};
use crate::error::Error;
use crate::program::Program;
use crate::report::Report;
use crate::stage;

const STOP: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(5);
/// USER_HZ: what /proc counts CPU time in, on every Linux that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Measures, and returns a table of the figures.
///
/// # Errors
///
/// When something does not start, or does not end in time.
pub async fn bench(arguments: &BenchArguments) -> Result<Report, Error> {
    let shardwise = stage::path_variable("SHARDWISE_BIN", "bench")?;
    let parent = stage::path_variable("SHARDWISE_DEMO_DIRECTORY", "bench")?;
    let mut report = Report::default();
    for suite in &arguments.suites {
        match suite {
            Suite::First => first::first_records(&shardwise, &parent, &mut report).await?,
            Suite::Throughput => {
                throughput::throughput(arguments, &shardwise, &parent, &mut report).await?;
            }
            Suite::Latency => latency::latency(&shardwise, &parent, &mut report).await?,
            Suite::Children => {
                children::children(arguments, &shardwise, &parent, &mut report).await?;
            }
            Suite::Memory => memory::memory(arguments, &shardwise, &parent, &mut report).await?,
        }
    }
    Ok(report)
}

/// The median, and the range.
fn milliseconds(micros: &mut [u64]) -> String {
    micros.sort_unstable();
    let at = |index: usize| micros[index] / 1000;
    format!("{} ms ({} to {})", at(micros.len() / 2), at(0), at(micros.len() - 1))
}

/// A child of our own, that does nothing with records.
fn child(options: &str) -> Result<String, Error> {
    let program = std::env::current_exe().map_err(Error::file("this program"))?;
    Ok(format!("{} child {options}", program.display()))
}

/// What a process has used so far.
struct Usage {
    cpu_seconds: f64,
    peak_mib: f64,
}

impl Usage {
    fn of(program: &Program) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = format!("/proc/{}/{name}", program.id());
            std::fs::read_to_string(&path).map_err(Error::file(path))
        };
        let stat = read("stat")?;
        // The name may hold blanks and brackets; the fields follow its last bracket.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        let status = read("status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak_kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<f64>().ok());
        Ok(Self {
            cpu_seconds: ticks / TICKS_PER_SECOND,
            peak_mib: peak_kib.unwrap_or(f64::NAN) / 1024.0,
        })
    }
}

fn late(deadline: Instant, what: &str, within: Duration) -> Result<(), Error> {
    if Instant::now() > deadline {
        return Err(Error::Deadline { what: what.to_owned(), within });
    }
    Ok(())
}
