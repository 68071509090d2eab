//! How an account is set up, and what kinds and states of streams there are.

use std::time::Duration;

use super::{Limits, RETENTION_MIN};

/// How the account behaves. The defaults are the service's, without its delays and throttling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The region in ARNs. Default: `us-east-1`.
    pub region: String,
    /// The account in ARNs and messages. Default: `000000000000`.
    pub account: String,
    /// How long a new stream is CREATING. Default: no time at all.
    pub creating: Duration,
    /// How long a stream is UPDATING before a resharding takes effect. Default: no time at all.
    pub updating: Duration,
    /// How long a deleted stream is DELETING. Default: no time at all.
    pub deleting: Duration,
    /// How long a new stream consumer is CREATING, and a deregistered one DELETING. Default: no
    /// time at all.
    pub registering: Duration,
    /// How long a subscription lasts before it has to be made again. Default: 5 min.
    pub subscription_lifetime: Duration,
    /// How long a shard iterator can be used. Default: 5 min.
    pub iterator_lifetime: Duration,
    /// How long a token of a page of shards or consumers can be used. Default: 5 min.
    pub next_token_lifetime: Duration,
    /// How long a new stream keeps its records. Default: 24 h.
    ///
    /// May be shorter than the calls that change a stream's retention allow, so that tests need
    /// not wait a day to see records go.
    pub retention: Duration,
    /// How many shards of all streams may be open. Default: 10,000.
    pub shard_limit: usize,
    /// How many shards a new on-demand stream has. Default: 4.
    pub on_demand_shards: u32,
    /// Which limits of the service are kept. Default: none.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            creating: Duration::ZERO,
            updating: Duration::ZERO,
            deleting: Duration::ZERO,
            registering: Duration::ZERO,
            subscription_lifetime: Duration::from_secs(300),
            iterator_lifetime: Duration::from_secs(300),
            next_token_lifetime: Duration::from_secs(300),
            retention: RETENTION_MIN,
            shard_limit: 10_000,
            on_demand_shards: 4,
            limits: Limits::default(),
        }
    }
}

/// Who chooses how many shards a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMode {
    /// Its owner, by resharding.
    Provisioned,
    /// The service. (This model never does: the number stays as it was.)
    OnDemand,
}

/// Where a stream stands between its creation and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamStatus {
    /// It has no shards yet.
    Creating,
    /// It can be read, written and resharded.
    Active,
    /// It can be read and written, and a resharding is about to take effect.
    Updating,
    /// Nothing can be done with it any more.
    Deleting,
}

impl StreamStatus {
    /// The status on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
        }
    }
}

/// What a new stream is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// This many shards.
    Provisioned(u32),
    /// As many as the settings say.
    OnDemand,
}
