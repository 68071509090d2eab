//! Chaos: built daemons with real children, killed, paused, cut off, and given requests that fail;
//! judged by the referee.
//!
//! A seed decides what is done and when. What the machine makes of it is not repeated: a run is
//! evidence, and a seed that found something finds it again only often.

pub mod args;
pub mod canary;
pub mod fleet;
pub mod hands;
pub mod isolation;
pub mod journal;
pub mod memory;
pub mod mischief;
pub mod plan;
pub mod processes;
pub mod proxy;
pub mod released;
pub mod remains;
pub mod run;
pub mod shortage;
pub mod soak;
pub mod stretch;
pub mod verdict;

/// A service that a daemon calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Records.
    Kinesis,
    /// Leases.
    DynamoDb,
}

impl Service {
    /// Its name in journals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kinesis => "kinesis",
            Self::DynamoDb => "dynamodb",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Kinesis => "application/x-amz-json-1.1",
            Self::DynamoDb => "application/x-amz-json-1.0",
        }
    }

    fn error_prefix(self) -> &'static str {
        match self {
            Self::Kinesis => "",
            Self::DynamoDb => "com.amazonaws.dynamodb.v20120810#",
        }
    }

    fn internal_error(self) -> &'static str {
        match self {
            Self::Kinesis => "InternalFailure",
            Self::DynamoDb => "InternalServerError",
        }
    }
}
