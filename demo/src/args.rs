//! The command line.

use clap::{Args, Parser, Subcommand};

/// Shardwise on the local endpoints: the demo, and the figures.
#[derive(Debug, Parser)]
#[command(name = "shardwise-demo", bin_name = "cargo xtask")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub mode: Mode,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Two daemons, Node children, a split, a merge and kills while data flows; judged at the end.
    #[command(name = "run", bin_name = "cargo xtask demo")]
    Run(RunArguments),
    /// Records a second, CPU and memory of the daemon, time to the first record.
    #[command(bin_name = "cargo xtask bench")]
    Bench(BenchArguments),
}

/// What a run of the demo does.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// How many flights to put into the stream.
    #[arg(long, value_name = "N", default_value_t = 200_000,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(100..=3_000_000))]
    pub records: usize,

    /// How many times a daemon is killed, at random moments.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub kills: usize,

    /// Decides the moments and victims; random unless given.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Leave everything running at the end, and say how to stop it.
    #[arg(long)]
    pub keep: bool,
}

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct BenchArguments {
    /// How many records of 200 bytes.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub records: usize,

    /// How many shards.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub shards: u16,
}
