//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// What a report of a fault has to name.
macro_rules! build {
    ($linked:literal) => {
        concat!(
            env!("CARGO_PKG_VERSION"),
            "\ncommit: ",
            env!("SHARDWISE_COMMIT"),
            "\ntarget: ",
            env!("SHARDWISE_TARGET"),
            $linked,
            "\nprofile: ",
            env!("SHARDWISE_PROFILE"),
        )
    };
}

// Only this crate is compiled for it, so that nothing before it knows.
const BUILD: &str =
    if cfg!(target_feature = "crt-static") { build!(", static") } else { build!("") };

/// A Kinesis Client Library without Java.
#[derive(Debug, Parser)]
#[command(name = "shardwise", version, long_version = BUILD)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) mode: Mode,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    /// Process a stream with child processes, as KCL's MultiLangDaemon does.
    Daemon(DaemonArguments),
    /// Run Kinesis and DynamoDB on this machine, for development and tests.
    Local(LocalArguments),
    /// Look at a properties file before anything runs.
    #[command(subcommand)]
    Config(ConfigMode),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigMode {
    /// Print what holds and why, every warning, and the IAM policy that is needed.
    Check(CheckArguments),
}

#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    /// Fail if there is a warning.
    #[arg(long)]
    pub(crate) strict: bool,

    /// The properties file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct DaemonArguments {
    /// The properties file.
    #[arg(short = 'p', long, value_name = "FILE")]
    properties_file: Option<PathBuf>,

    /// A Logback file: the level of its root logger is used, nothing else.
    #[arg(short = 'l', long, value_name = "FILE")]
    pub(crate) log_configuration: Option<PathBuf>,

    /// Use local endpoints that live as long as the daemon, and make the stream there.
    #[arg(long)]
    pub(crate) local: bool,

    /// Stop in order when standard input ends: with it, whoever holds its other end.
    #[arg(long)]
    pub(crate) stop_with_stdin: bool,

    /// The properties file, as with -p.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct LocalArguments {
    /// The port of Kinesis; 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 4567)]
    pub(crate) kinesis_port: u16,

    /// The port of DynamoDB; 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) dynamodb_port: u16,

    /// A stream to make at the start; may come more than once.
    #[arg(long, value_name = "NAME:SHARDS", value_parser = parse_stream)]
    pub(crate) stream: Vec<(String, u32)>,

    /// A file that gets a line for each write to a table.
    #[arg(long, value_name = "FILE")]
    pub(crate) lease_journal: Option<PathBuf>,

    /// Keep the service's limits and take its time: requests above its rates are refused, calls
    /// take milliseconds, streams and tables take seconds to be made.
    #[arg(long)]
    pub(crate) service_limits: bool,

    /// What the jitter of those milliseconds follows from.
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "service_limits")]
    pub(crate) latency_seed: u64,
}

impl DaemonArguments {
    /// The one properties file, and those passed over for it.
    pub(crate) fn properties_file(&self) -> Result<(&PathBuf, &[PathBuf]), &'static str> {
        match (&self.properties_file, &self.files[..]) {
            (Some(file), passed_over) => Ok((file, passed_over)),
            (None, [file]) => Ok((file, &[])),
            (None, []) => Err("a properties file is needed: shardwise daemon -p FILE"),
            (None, [_, _, ..]) => Err("one properties file is needed, several were given"),
        }
    }
}

fn parse_stream(text: &str) -> Result<(String, u32), String> {
    let (name, shards) = text.rsplit_once(':').ok_or("NAME:SHARDS is needed")?;
    match shards.parse() {
        Ok(shards @ 1..=10_000) if !name.is_empty() => Ok((name.to_owned(), shards)),
        Ok(_) | Err(_) => Err("NAME:SHARDS with 1 to 10000 shards is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(arguments: &[&str]) -> DaemonArguments {
        let arguments = ["shardwise", "daemon"].iter().chain(arguments);
        match Arguments::try_parse_from(arguments).unwrap().mode {
            Mode::Daemon(arguments) => arguments,
            Mode::Local(_) | Mode::Config(_) => panic!(),
        }
    }

    #[test]
    fn the_properties_file_has_javas_spellings() {
        for arguments in [
            &["-p", "a"][..],
            &["--properties-file", "a"],
            &["--properties-file=a"],
            &["a"],
            &["a", "-l", "logback.xml"],
            &["a", "--log-configuration", "logback.xml", "--local"],
        ] {
            let arguments = daemon(arguments);
            assert_eq!(arguments.properties_file().unwrap().0, &PathBuf::from("a"));
        }
    }

    #[test]
    fn the_flag_wins_over_a_positional_file() {
        let arguments = daemon(&["b", "-p", "a"]);
        let (file, passed_over) = arguments.properties_file().unwrap();
        assert_eq!((file, passed_over), (&PathBuf::from("a"), &[PathBuf::from("b")][..]));
    }

    #[test]
    fn none_and_two_files_are_errors() {
        assert!(daemon(&[]).properties_file().is_err());
        assert!(daemon(&["a", "b"]).properties_file().is_err());
    }

    #[test]
    fn a_stream_has_a_name_and_shards() {
        assert_eq!(parse_stream("a:2"), Ok(("a".to_owned(), 2)));
        for text in ["a", ":2", "a:0", "a:x", "a:10001"] {
            assert!(parse_stream(text).is_err(), "{text}");
        }
    }
}
