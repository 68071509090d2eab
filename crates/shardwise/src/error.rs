//! Why a worker did not start, or ended.

use std::any::Any;

use shardwise_core::config::InvalidSetting;
use shardwise_core::id::StreamName;
use shardwise_core::sync::SyncError;

use crate::kinesis::KinesisError;
use crate::lease_table::TableError;

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// A setting cannot be.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// There is no such stream.
    #[error(
        "stream `{stream}` does not exist{}: create it, or correct its name (`streamName` or \
         `streamArn`) or the region (`regionName`)",
        at(.place.as_ref())
    )]
    StreamMissing {
        /// The stream.
        stream: StreamName,
        /// Where it was looked for.
        place: Option<String>,
    },
    /// The stream is being deleted.
    #[error("stream `{stream}` is being deleted")]
    StreamDeleting {
        /// The stream.
        stream: StreamName,
    },
    /// There is no such table, and the settings say not to make it.
    #[error(
        "lease table `{table}` does not exist, and the settings (`shardwise.leaseTable.create`) \
         forbid to create it"
    )]
    TableMissing {
        /// The table.
        table: String,
    },
    /// The table is still not ready.
    #[error("lease table `{table}` is not ready after ten minutes")]
    TableNotReady {
        /// The table.
        table: String,
    },
    /// The table holds rows of another kind of application.
    #[error("lease table `{table}` is not this application's: row `{key}`: {why}")]
    NotOurs {
        /// The table.
        table: String,
        /// One such row.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// Kinesis did not answer as it should.
    #[error("Kinesis{}, stream `{stream}`", at(.place.as_ref()))]
    Kinesis {
        /// The stream.
        stream: StreamName,
        /// Where Kinesis was asked.
        place: Option<String>,
        /// What it said.
        source: KinesisError,
    },
    /// DynamoDB did not answer as it should.
    #[error("DynamoDB{}, lease table `{table}`", at(.place.as_ref()))]
    Table {
        /// The table.
        table: String,
        /// Where DynamoDB was asked.
        place: Option<String>,
        /// What it said.
        source: TableError,
    },
    /// The list of shards makes no sense.
    #[error("shard sync of stream `{stream}`")]
    Sync {
        /// The stream.
        stream: StreamName,
        /// Why.
        source: SyncError,
    },
}

fn at(place: Option<&String>) -> String {
    place.map(|place| format!(" in {place}")).unwrap_or_default()
}

impl WorkerError {
    /// Whether only a change of the configuration, the stream, or permissions can help.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Setting(_)
            | Self::StreamMissing { .. }
            | Self::StreamDeleting { .. }
            | Self::TableMissing { .. }
            | Self::NotOurs { .. } => true,
            Self::Kinesis { source, .. } => {
                matches!(source, KinesisError::Refused(_) | KinesisError::Invalid(_))
            }
            Self::Table { source, .. } => {
                matches!(source, TableError::Refused(_) | TableError::Rejected(_))
            }
            Self::TableNotReady { .. } | Self::Sync { .. } => false,
        }
    }
}

/// An error with its causes, as one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(|error| one_line(&error.to_string())).collect();
    texts.join(": ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("of an unknown kind")
}

#[cfg(test)]
mod tests;
