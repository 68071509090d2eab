//! The command line.

use std::path::PathBuf;

use clap::builder::ArgPredicate;
use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Records a second, latency, CPU and memory of the daemon, time to the first record.
    #[command(bin_name = "cargo xtask bench")]
    Bench(BenchArguments),
    /// A child that notes when records come, and does nothing with them.
    #[command(hide = true)]
    Child(ChildArguments),
}

/// What a run of the demo does.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// What to run: the journaling consumer unless given.
    #[arg(long, value_enum)]
    pub sample: Option<Sample>,

    /// How many records to put into the stream: flights, or by a sample 3000 of its own.
    #[arg(long, value_name = "N", default_value_t = 200_000,
        default_value_if("sample", ArgPredicate::IsPresent, "3000"),
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

/// A sample of the npm package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sample {
    /// Its own producer, and a consumer that writes to S3; the bucket is judged.
    ClickStream,
}

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct BenchArguments {
    /// Which figures.
    #[arg(value_enum, default_values = ["first", "throughput", "latency"])]
    pub suites: Vec<Suite>,

    /// How many records of 200 bytes the throughput is of.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub records: usize,

    /// How many shards; 4 for the throughput, 256 for the memory, unless given.
    #[arg(long, value_name = "N")]
    pub shards: Option<u16>,

    /// The byte budget that memory is measured under.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub budget: u32,
}

/// Figures that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// From start to the first record.
    First,
    /// Records a second, and their cost.
    Throughput,
    /// From put to processor, by polling and by fan-out.
    Latency,
    /// Of busy shards whose children are slow.
    Memory,
    /// Of a child for each shard, and of one for all of them.
    Children,
}

/// What a child does.
#[derive(Args, Clone, Debug)]
pub struct ChildArguments {
    /// Where it writes when each record came, and its partition key.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,

    /// How long it takes over each batch.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    pub rest: u64,
}
