//! Where Kinesis and DynamoDB are, and clients for them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_kinesis as kinesis;
use serde::Deserialize;

use crate::error::Error;
use crate::program::Program;

/// The region that the local endpoints answer for.
pub const REGION: &str = "us-east-1";

const START: Duration = Duration::from_secs(20);

/// URLs of a Kinesis and a DynamoDB.
#[derive(Clone, Debug, Deserialize)]
pub struct Endpoints {
    /// Kinesis.
    pub kinesis: String,
    /// DynamoDB.
    pub dynamodb: String,
}

impl Endpoints {
    /// Starts `shardwise local` in a process of its own, on ports that are free; with a journal, it
    /// writes down every write to a table.
    ///
    /// # Errors
    ///
    /// When it does not start, or does not say where it listens.
    pub async fn start(
        shardwise: &Path,
        directory: &Path,
        streams: &[(&str, u16)],
        with_journal: bool,
    ) -> Result<(Program, Self), Error> {
        let mut command = Command::new(shardwise);
        command.args(["local", "--kinesis-port", "0", "--dynamodb-port", "0"]);
        if with_journal {
            command.arg("--lease-journal").arg(directory.join("lease.jsonl"));
        }
        for (name, shards) in streams {
            command.arg("--stream").arg(format!("{name}:{shards}"));
        }
        let log = directory.join("endpoints.log");
        let name = "shardwise local";
        let (program, line) = Program::start_until_ready(name, &mut command, &log, START).await?;
        let said = |_| Error::Said { program: name.to_owned(), line: line.clone() };
        let endpoints = serde_json::from_str(&line).map_err(said)?;
        Ok((program, endpoints))
    }

    /// A client for Kinesis.
    #[must_use]
    pub fn kinesis(&self) -> kinesis::Client {
        let config = kinesis::Config::builder()
            .behavior_version(kinesis::config::BehaviorVersion::latest())
            .region(kinesis::config::Region::new(REGION))
            .credentials_provider(any_credentials())
            .endpoint_url(&self.kinesis)
            .build();
        kinesis::Client::from_conf(config)
    }

    /// A client for DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> dynamodb::Client {
        let config = dynamodb::Config::builder()
            .behavior_version(dynamodb::config::BehaviorVersion::latest())
            .region(dynamodb::config::Region::new(REGION))
            .credentials_provider(any_credentials())
            .endpoint_url(&self.dynamodb)
            .build();
        dynamodb::Client::from_conf(config)
    }
}

/// Local endpoints take any.
fn any_credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "local endpoints")
}
