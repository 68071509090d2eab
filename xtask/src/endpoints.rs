//! The local endpoints in a process of their own, for as long as a step needs them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Running endpoints; ended when dropped.
pub(crate) struct Endpoints {
    process: Child,
    pub(crate) kinesis: String,
    pub(crate) dynamodb: String,
}

impl Endpoints {
    /// What `shardwise local` serves.
    pub(crate) fn start(shardwise: &Path) -> Result<Self, String> {
        let ports = ["local", "--kinesis-port", "0", "--dynamodb-port", "0"];
        Self::start_by(Command::new(shardwise).args(ports))
    }

    /// The same, with iterators and records that do not live long: by the example `serve`, since
    /// nobody but a test wants that.
    pub(crate) fn start_short(serve: &Path) -> Result<Self, String> {
        let lives = ["iterator-lifetime-ms=1000", "retention-ms=2000"];
        Self::start_by(Command::new(serve).args(lives))
    }

    fn start_by(command: &mut Command) -> Result<Self, String> {
        // The example ends with its stdin, which stays open as long as the process is held.
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let process = process.map_err(|error| format!("endpoints do not start: {error}"))?;
        // From here on a failure drops, and so ends, the process.
        let mut endpoints = Self { process, kinesis: String::new(), dynamodb: String::new() };
        let stdout = endpoints.process.stdout.take().ok_or("endpoints have no stdout")?;
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        read.map_err(|error| format!("reading from the endpoints: {error}"))?;
        let urls: Value = serde_json::from_str(&line)
            .map_err(|_| format!("the endpoints did not say where they listen: `{line}`"))?;
        let url = |name: &str| urls[name].as_str().map(str::to_owned);
        endpoints.kinesis = url("kinesis").ok_or("the endpoints named no kinesis URL")?;
        endpoints.dynamodb = url("dynamodb").ok_or("the endpoints named no dynamodb URL")?;
        Ok(endpoints)
    }
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        // Failing means that it has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
