//! What may be asked for.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use shardwise_sim::batch;
use shardwise_sim::plan::{Family, Limits, Plan};

/// Runs real workers in seeded worlds, and judges what they did.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim")]
pub(crate) struct Args {
    /// Runs this one seed, and tells everything about it.
    #[arg(long, conflicts_with_all = ["from", "seeds"])]
    pub(crate) seed: Option<u64>,
    /// The first of a range of seeds.
    #[arg(long, default_value_t = 1)]
    pub(crate) from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 20)]
    pub(crate) seeds: u64,
    /// Minutes of chaos in each run, instead of the plan's.
    #[arg(long)]
    minutes: Option<u64>,
    /// Workers in each run, instead of the plan's.
    #[arg(long)]
    workers: Option<usize>,
    /// Shards at first in each run, instead of the plan's.
    #[arg(long)]
    shards: Option<u32>,
    /// Kinds of faults that are left out, by commas.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Only the first so many kinds of faults, in the order in which they came to the simulation:
    /// with it a seed stays what it was when there were no more.
    #[arg(long)]
    families: Option<usize>,
    /// Threads; each run has one of its own.
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: usize,
    /// Prints everything that happened in the run of the one seed, in the hours of its figures, or
    /// in the run of the one point of a sweep.
    #[arg(long)]
    pub(crate) log: bool,
    /// Draws the run of the one seed, or of the one point of a sweep, into an SVG file, and tells
    /// it in words.
    #[arg(long, value_name = "FILE", conflicts_with = "figures")]
    pub(crate) timeline: Option<PathBuf>,
    /// Lets a worker die at each point of its calls in turn, in runs of three minutes; or at one,
    /// or at several of one run.
    #[arg(long, value_name = "POINT[+POINT]", num_args = 0..=1, default_missing_value = "")]
    pub(crate) sweep: Option<String>,
    /// Stops at the first run that fails, and only names what was broken.
    #[arg(long)]
    pub(crate) first: bool,
    /// Runs the seeds that failed once.
    #[arg(long)]
    pub(crate) corpus: bool,
    /// Runs seeds twice, in two processes, and compares all that happened.
    #[arg(long)]
    pub(crate) twice: bool,
    /// How long takeovers take and how many records they repeat, when nothing else goes wrong: in
    /// hours of a range of seeds, or of one.
    #[arg(long)]
    pub(crate) figures: bool,
    /// Everything that CI asks for: corpus, sweep, seeds, and some of them twice.
    #[arg(long)]
    pub(crate) gate: bool,
    /// Runs seeds from `--from` on, pairs of crash points and seeds over the SDK, for so many
    /// minutes; and as many seeds twice.
    #[arg(long, value_name = "MINUTES", num_args = 0..=1, default_missing_value = "60")]
    pub(crate) night: Option<u64>,
    /// Lets workers reach the services through the SDK's own clients, in runs of a quarter of an
    /// hour.
    #[arg(long)]
    sdk: bool,
    /// Prints the hash of each seed's run, and nothing else.
    #[arg(long, hide = true)]
    pub(crate) hashes: bool,
}

impl Args {
    pub(crate) fn range(&self) -> Range<u64> {
        let (from, seeds) = self.seed.map_or((self.from, self.seeds), |seed| (seed, 1));
        from..from.saturating_add(seeds)
    }

    /// The plan of a seed.
    pub(crate) fn plan(&self, seed: u64, limits: &Limits) -> Plan {
        if self.sdk { Plan::over_sdk(seed, limits) } else { Plan::new(seed, limits) }
    }

    /// The plans of some seeds.
    pub(crate) fn plans(&self, seeds: Range<u64>, limits: &Limits) -> Vec<Plan> {
        seeds.map(|seed| self.plan(seed, limits)).collect()
    }

    /// The plan of the only run that is asked for, if it is one.
    pub(crate) fn only(&self, limits: &Limits) -> Result<Option<Plan>, String> {
        let names_point = self.sweep.as_ref().is_some_and(|names| !names.is_empty());
        match self.seed {
            // There are several hours of a seed.
            Some(_) if self.figures => Ok(None),
            Some(seed) => Ok(Some(self.plan(seed, limits))),
            None if names_point && !self.first => Ok(self.swept()?.pop()),
            None if self.log || self.timeline.is_some() => {
                Err("--log and --timeline need a --seed, or a --sweep with a point".to_owned())
            }
            None => Ok(None),
        }
    }

    /// The options that say what a seed's plan is, as they were given.
    pub(crate) fn of_plan(&self) -> Vec<String> {
        let numbers = [
            ("--minutes", self.minutes.map(|minutes| minutes.to_string())),
            ("--workers", self.workers.map(|workers| workers.to_string())),
            ("--shards", self.shards.map(|shards| shards.to_string())),
            ("--families", self.families.map(|families| families.to_string())),
            ("--without", Some(self.without.join(",")).filter(|names| !names.is_empty())),
        ];
        let given = numbers.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
        given.flatten().chain(self.sdk.then(|| "--sdk".to_owned())).collect()
    }

    /// The plans of a sweep: every point's, or the one's that was named.
    pub(crate) fn swept(&self) -> Result<Vec<Plan>, String> {
        let points = batch::sweep_points();
        let Some(names) = self.sweep.as_ref().filter(|names| !names.is_empty()) else {
            return Ok(points.into_iter().map(|point| Plan::sweep(vec![point])).collect());
        };
        let named = |name: &str| {
            let point = points.iter().find(|point| point.to_string() == name).copied();
            point.ok_or_else(|| format!("no point of a sweep is called `{name}`"))
        };
        Ok(vec![Plan::sweep(names.split('+').map(named).collect::<Result<_, _>>()?)])
    }

    pub(crate) fn limits(&self) -> Result<Limits, String> {
        let family = |name: &String| {
            let known = || Family::ALL.map(|family| family.to_string()).join(", ");
            Family::named(name).ok_or_else(|| format!("no faults are called `{name}`: {}", known()))
        };
        let mut without = self.without.iter().map(family).collect::<Result<BTreeSet<_>, _>>()?;
        without.extend(Family::ALL.into_iter().skip(self.families.unwrap_or(Family::ALL.len())));
        Ok(Limits {
            without,
            chaos: self.minutes.map(|minutes| Duration::from_secs(60 * minutes)),
            workers: self.workers,
            shards: self.shards,
        })
    }
}
