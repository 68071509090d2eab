//! Why a worker did not start, or ended.

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
    #[error("stream `{stream}` does not exist: create it, or correct `streamName` and the region")]
    StreamMissing {
        /// The stream.
        stream: StreamName,
    },
    /// The stream is being deleted.
    #[error("stream `{stream}` is being deleted")]
    StreamDeleting {
        /// The stream.
        stream: StreamName,
    },
    /// There is no such table, and the settings say not to make it.
    #[error("lease table `{table}` does not exist, and the settings forbid to create it")]
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
    #[error("Kinesis, stream `{stream}`")]
    Kinesis {
        /// The stream.
        stream: StreamName,
        /// What it said.
        source: KinesisError,
    },
    /// DynamoDB did not answer as it should.
    #[error("DynamoDB, lease table `{table}`")]
    Table {
        /// The table.
        table: String,
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
