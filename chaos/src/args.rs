//! The command line.

use std::time::Duration;

use clap::{Parser, Subcommand};

/// The whole of it.
#[derive(Clone, Debug, Parser)]
#[command(name = "shardwise-chaos", bin_name = "cargo xtask chaos")]
#[command(args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    /// What to do, if it is not chaos.
    #[command(subcommand)]
    pub other: Option<Other>,

    /// Chaos.
    #[command(flatten)]
    pub chaos: Arguments,
}

/// What else can be done.
#[derive(Clone, Debug, Subcommand)]
pub enum Other {
    /// 64 shards under load, first without kills, then with a random child killed every second
    Soak(SoakArguments),
    /// A child of the soak, started by its daemon
    #[command(hide = true)]
    SoakChild,
}

/// How the soak is.
#[derive(Clone, Debug, Parser)]
pub struct SoakArguments {
    /// Decides which children are killed; random unless given.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// How long each of the two halves lasts.
    #[arg(long, value_name = "M", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=600))]
    pub minutes: u32,

    /// Keep journals and logs of a run that was good.
    #[arg(long)]
    pub keep: bool,
}

/// Three daemons with Node and Python children under kills, pauses and failing requests; judged.
#[derive(Clone, Debug, Parser)]
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
