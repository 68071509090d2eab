//! The stdio protocol between the daemon and a child: messages, lines, and whose turn it is.
//!
//! Everything is as the Java MultiLangDaemon does it, to the byte, with two exceptions: U+2028 and
//! U+2029 are escaped, because some JavaScript line readers take them for line ends, and a line
//! that says `null` is passed over instead of ending the daemon.

mod decode;
mod encode;
mod json;
mod lines;
mod log;
mod turn;

pub use decode::{CheckpointRequest, Line, NoMessage, Stray, decode, decode_tagged};
pub use encode::{RecordFields, checkpoint_answer, ending, initialize, process_records, tag};
pub use lines::LineBuffer;
pub use log::{LOG_OFFER, LOG_VARIABLE, LogLevel, LogLine};
pub use turn::{Step, Turn};

/// The variable by which children are told how many shards they may serve, where they may serve
/// several. One that will names its shard in its first status, and in each message from then on.
pub const SEVERAL_VARIABLE: &str = "SHARDWISE_SHARDS_PER_CHILD";

/// What a child is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin with a shard. The first one.
    Initialize,
    /// Process a batch.
    ProcessRecords,
    /// The lease is gone. A last one.
    LeaseLost,
    /// The shard is done, checkpoint its end. A last one.
    ShardEnded,
    /// The worker stops, checkpoint once more.
    ShutdownRequested,
}

impl Action {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::ProcessRecords => "processRecords",
            Self::LeaseLost => "leaseLost",
            Self::ShardEnded => "shardEnded",
            Self::ShutdownRequested => "shutdownRequested",
        }
    }

    /// Whether a checkpoint may be made while it is being worked on.
    #[must_use]
    pub fn may_checkpoint(self) -> bool {
        match self {
            Self::ProcessRecords | Self::ShardEnded | Self::ShutdownRequested => true,
            Self::Initialize | Self::LeaseLost => false,
        }
    }
}

/// The error name of a checkpoint that is asked for when none can be made.
pub const NO_CHECKPOINTER: &str = "InvalidStateException";

/// The error name of a checkpoint at a place that is none.
pub const NOT_A_PLACE: &str = "IllegalArgumentException";

#[cfg(test)]
mod transcript_tests;
