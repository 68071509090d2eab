//! The times that the application was given, and by which it is judged.

use serde::Deserialize;

/// The times by which an application is judged, all in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// How long a lease may go unrenewed before another worker takes it.
    pub failover: u64,
    /// From one full run of the taker, which also steals, to the next.
    pub take_interval: u64,
    /// The longest time between two looks for leases that are free.
    pub light_interval_max: u64,
    /// From one read of a shard to the next.
    pub poll_interval: u64,
    /// From one look for holes to the next.
    pub audit_interval: u64,
    /// The longest that a call of a processor takes while its worker runs, with the checkpoints
    /// that it waits for.
    pub call_max: u64,
    /// How far the clocks of two workers may drift apart in one failover time.
    pub clock_drift: u64,
    /// When the phase without faults begins, by the clock of the journals.
    pub quiet_from: u64,
    /// When it ends.
    pub quiet_until: u64,
    /// Whether a batch with which a processor failed is handed again until it succeeds.
    #[serde(default)]
    pub retries: bool,
}

impl Terms {
    /// Whether `t` is in the phase without faults.
    pub(crate) fn is_quiet(&self, t: u64) -> bool {
        self.quiet_from <= t && t <= self.quiet_until
    }

    /// How long a lease may be without a living owner: two full runs of the taker after it
    /// expired, but no more than 40 s if two such runs fit into that.
    pub(crate) fn takeover_max(&self) -> u64 {
        const MICROS_2X: u64 = 40_000_000;
        let two_runs = 2 * self.take_interval;
        (self.failover + two_runs).min(two_runs.max(MICROS_2X))
    }

    /// How long a hole may stay: an audit sees it, two more looks that come sooner than audits
    /// confirm it, a sync makes it whole, and a run of the taker has its lease held; 220 s with the
    /// settings that are usual.
    pub(crate) fn hole_max(&self) -> u64 {
        const LOOK_AGAIN: u64 = 30_000_000;
        self.audit_interval + 2 * LOOK_AGAIN.min(self.audit_interval) + 2 * self.take_interval
    }
}
