//! The command line.

use std::time::Duration;

use clap::Parser;

/// Three daemons with Node and Python children under kills, pauses and failing requests; judged.
#[derive(Clone, Debug, Parser)]
#[command(name = "shardwise-chaos", bin_name = "cargo xtask chaos")]
pub struct Arguments {
    /// Decides what is done, to whom and when; random unless given.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// How long data flows; how many faults there are follows from it.
    #[arg(long, value_name = "M", default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..=600))]
    pub minutes: u32,

    /// Keep journals and logs of a run that was good.
    #[arg(long)]
    pub keep: bool,
}

impl Arguments {
    /// How long data flows.
    #[must_use]
    pub fn flow(&self) -> Duration {
        Duration::from_secs(60) * self.minutes
    }
}
