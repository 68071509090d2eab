//! What happens to whole workers.

use serde::Deserialize;

/// What happened to a worker, as whoever runs it saw it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "e", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum WorkerEvent {
    /// It runs; perhaps once more under the same name.
    Started {
        /// When.
        t: u64,
        /// Its id, as the lease table knows it.
        worker: String,
    },
    /// It is gone at once, without a word.
    Killed {
        /// When.
        t: u64,
        /// Its id.
        worker: String,
    },
    /// It stands still, and does not notice.
    Paused {
        /// When.
        t: u64,
        /// Its id.
        worker: String,
    },
    /// It goes on after it was paused.
    Resumed {
        /// When.
        t: u64,
        /// Its id.
        worker: String,
    },
    /// It was asked to stop in order.
    StopAsked {
        /// When.
        t: u64,
        /// Its id.
        worker: String,
    },
    /// It has ended by itself.
    Ended {
        /// When.
        t: u64,
        /// Its id.
        worker: String,
        /// Whether it says that every processor was told and every lease released.
        in_order: bool,
    },
}

impl WorkerEvent {
    /// When it happened, in microseconds of the world's clock.
    #[must_use]
    pub fn t(&self) -> u64 {
        match self {
            Self::Started { t, .. }
            | Self::Killed { t, .. }
            | Self::Paused { t, .. }
            | Self::Resumed { t, .. }
            | Self::StopAsked { t, .. }
            | Self::Ended { t, .. } => *t,
        }
    }

    /// The id of the worker that it happened to.
    #[must_use]
    pub fn worker(&self) -> &str {
        match self {
            Self::Started { worker, .. }
            | Self::Killed { worker, .. }
            | Self::Paused { worker, .. }
            | Self::Resumed { worker, .. }
            | Self::StopAsked { worker, .. }
            | Self::Ended { worker, .. } => worker,
        }
    }
}
