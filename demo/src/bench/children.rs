//! What a child for each shard costs, and what shards save that share one.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::throughput::{ALL_WITHIN, fill};
use super::{POLL, STOP, TICKS_PER_SECOND, late};
use crate::application::{Application, Settings};
use crate::args::BenchArguments;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::report::Report;
use crate::stage;
use crate::stream::Stream;
use crate::table::Table;
use crate::watch;

const SHARDS: u16 = 64;

/// The same records through a child for each shard, and through one child for all.
pub(super) async fn children(
    arguments: &BenchArguments,
    shardwise: &Path,
    parent: &Path,
    report: &mut Report,
) -> Result<(), Error> {
    let shards = arguments.shards.unwrap_or(SHARDS);
    let mut used = Vec::new();
    for per_child in [1, shards] {
        let directory = stage::run_directory(parent, "children")?;
        let streams = [("load", shards)];
        let (mut local, endpoints) =
            Endpoints::start(shardwise, &directory, &streams, false).await?;
        let stream = Stream { client: endpoints.kinesis(), name: "load".to_owned() };
        let acknowledged = fill(&stream, arguments.records).await?;
        let mut settings = Settings::journaling(shardwise, &directory, &endpoints, "load");
        settings.executable = "node several_consumer.js".to_owned();
        let settings = settings
            .with("retrievalMode", "POLLING")
            .with("shardwise.shardsPerChild", &per_child.to_string());
        let table = Table { client: endpoints.dynamodb(), name: settings.application.clone() };
        let mut application = Application::new(vec![settings]);
        let start = Instant::now();
        application.start(0)?;
        let all = stream.shards().await?;
        loop {
            local.check()?;
            application.check()?;
            let leases = table.leases().await?;
            let Some(missing) = watch::unfinished(&all, &leases, &acknowledged.last) else { break };
            late(start + ALL_WITHIN, &missing, ALL_WITHIN)?;
            tokio::time::sleep(POLL * 10).await;
        }
        let seconds = start.elapsed().as_secs_f64();
        let daemon = application.daemon(0).map(|daemon| daemon.id());
        let family = Family::of(daemon.unwrap_or_default())?;
        let what = format!("{} records, {shards} shards, {per_child} a child", arguments.records);
        report.tell(&what, format!("{seconds:.1} s"));
        report.tell("  child processes", family.processes.to_string());
        report.tell("  their memory (PSS)", format!("{:.0} MiB", family.pss_mib));
        report.tell("  their CPU (user + sys)", format!("{:.1} s", family.cpu_seconds));
        used.push(family);
        application.stop(STOP).await?;
        local.terminate(STOP).await?;
        std::fs::remove_dir_all(&directory).map_err(Error::file(&directory))?;
    }
    if let [apart, together] = &used[..] {
        let memory = apart.pss_mib / together.pss_mib;
        let cpu = apart.cpu_seconds / together.cpu_seconds;
        let figures = format!("{memory:.1} x less memory, {cpu:.1} x less CPU");
        let are_as_many = (apart.processes, together.processes) == (usize::from(shards), 1);
        let is_less = are_as_many && memory > 1.0;
        report.check("one child for all shards costs less", is_less, figures);
    }
    Ok(())
}

/// What the programs that a daemon has started use.
struct Family {
    processes: usize,
    pss_mib: f64,
    cpu_seconds: f64,
}

impl Family {
    /// The children of a process that run Node.
    fn of(parent: u32) -> Result<Self, Error> {
        let mut family = Self { processes: 0, pss_mib: 0.0, cpu_seconds: 0.0 };
        for (id, stat) in processes()? {
            let Some((head, fields)) = stat.rsplit_once(')') else { continue };
            let fields: Vec<&str> = fields.split_whitespace().collect();
            let number = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
            let is_child = fields.get(1).is_some_and(|field| *field == parent.to_string());
            if !is_child || !head.ends_with("node") {
                continue;
            }
            let path = format!("/proc/{id}/smaps_rollup");
            // One that has just ended uses nothing.
            let Ok(rollup) = std::fs::read_to_string(path) else { continue };
            let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let pss = pss.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
            family.processes += 1;
            family.pss_mib += pss.unwrap_or(f64::NAN) / 1024.0;
            let ticks = number(11).unwrap_or_default() + number(12).unwrap_or_default();
            family.cpu_seconds += ticks / TICKS_PER_SECOND;
        }
        Ok(family)
    }
}

/// The `stat` of each process that there is.
fn processes() -> Result<BTreeMap<u32, String>, Error> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").map_err(Error::file("/proc"))? {
        let entry = entry.map_err(Error::file("/proc"))?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended since.
        if let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) {
            found.insert(id, stat);
        }
    }
    Ok(found)
}
