//! What the model refuses, under the names that the service gives its exceptions.

use super::ShardId;

/// Why a call was refused. The text is what the service would say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The stream or shard does not exist (any more).
    #[error("{0}")]
    ResourceNotFound(String),
    /// The stream exists already, or is in a state that does not allow the call.
    #[error("{0}")]
    ResourceInUse(String),
    /// An argument does not fit the stream as it is.
    #[error("{0}")]
    InvalidArgument(String),
    /// An argument breaks a rule that holds for every stream.
    #[error("{0}")]
    Validation(String),
    /// A limit of the account or the stream would be passed.
    #[error("{0}")]
    LimitExceeded(String),
    /// The shard iterator is older than its lifetime.
    #[error("{0}")]
    ExpiredIterator(String),
    /// The token of a ListShards page is older than its lifetime.
    #[error("{0}")]
    ExpiredNextToken(String),
    /// The shard's read or write limit is used up for the moment.
    #[error("{0}")]
    ProvisionedThroughputExceeded(String),
}

impl ServiceError {
    /// The exception's name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::ResourceInUse(_) => "ResourceInUseException",
            Self::InvalidArgument(_) => "InvalidArgumentException",
            Self::Validation(_) => "ValidationException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::ExpiredIterator(_) => "ExpiredIteratorException",
            Self::ExpiredNextToken(_) => "ExpiredNextTokenException",
            Self::ProvisionedThroughputExceeded(_) => "ProvisionedThroughputExceededException",
        }
    }

    pub(super) fn stream_not_found(stream: &str, account: &str) -> Self {
        Self::ResourceNotFound(format!("Stream {stream} under account {account} not found."))
    }

    pub(super) fn shard_not_found(shard: ShardId, stream: &str, account: &str) -> Self {
        Self::ResourceNotFound(format!(
            "Shard {shard} in stream {stream} under account {account} does not exist"
        ))
    }

    pub(super) fn consumer_not_found(consumer: &str, stream: &str, account: &str) -> Self {
        Self::ResourceNotFound(format!(
            "Consumer {consumer} under stream {stream}, account {account} not found."
        ))
    }

    pub(super) fn another_subscription(
        consumer: &str,
        shard: ShardId,
        stream: &str,
        account: &str,
    ) -> Self {
        Self::ResourceInUse(format!(
            "Another active subscription exists for this consumer: \
             {account}:{stream}:{shard}:{consumer}"
        ))
    }

    pub(super) fn expired_next_token(lifetime: std::time::Duration) -> Self {
        Self::ExpiredNextToken(format!(
            "The NextToken is older than the tolerated delay of {} seconds.",
            lifetime.as_secs()
        ))
    }

    pub(super) fn rate_exceeded(shard: ShardId, stream: &str, account: &str) -> Self {
        Self::ProvisionedThroughputExceeded(format!(
            "Rate exceeded for shard {shard} in stream {stream} under account {account}."
        ))
    }

    pub(super) fn not_active(stream: &str, account: &str, status: super::StreamStatus) -> Self {
        Self::ResourceInUse(format!(
            "Stream {stream} under account {account} not ACTIVE, instead in state {}",
            status.name()
        ))
    }

    /// A value outside the bounds that the API's definition sets for it.
    pub(crate) fn constraint(value: impl std::fmt::Display, field: &str, rule: &str) -> Self {
        Self::Validation(format!(
            "1 validation error detected: Value '{value}' at '{field}' failed to satisfy \
             constraint: {rule}"
        ))
    }
}
