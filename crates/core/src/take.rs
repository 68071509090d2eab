//! Which leases a worker takes: KCL 2.x's taker, and a lighter round for leases without an owner.
//!
//! Every worker counts alike (finished leases included) and wants the same share, so that takers
//! of ours and of KCL 2.x come to rest together.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::LeaseConfig;
use crate::id::{LeaseKey, WorkerId};
use crate::lease::Lease;
use crate::rng::Rng;
use crate::time::Time;

/// What a worker has seen of the leases' counters, by its own clock.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    leases: BTreeMap<LeaseKey, Sighting>,
}

#[derive(Clone, Debug)]
struct Sighting {
    counter: u64,
    holder: Option<WorkerId>,
    /// When the row was first seen as it is now.
    since: Time,
    /// Whether its owner has ever shown a sign of life, as far as this worker knows.
    renewed: bool,
}

impl Sightings {
    /// Notes what a scan that ended `now` has found; forgets what it has not.
    ///
    /// A lease first seen with an owner counts as just renewed: how old it is, is not known. One
    /// first seen without an owner counts as never renewed.
    pub fn observe(&mut self, leases: &[Lease], now: Time) {
        let mut before = std::mem::take(&mut self.leases);
        for lease in leases {
            let holder = lease.holder().cloned();
            let sighting = match before.remove(&lease.key) {
                Some(seen) if seen.counter == lease.counter && seen.holder == holder => seen,
                Some(_) => Sighting { counter: lease.counter, holder, since: now, renewed: true },
                None => {
                    let renewed = holder.is_some();
                    Sighting { counter: lease.counter, holder, since: now, renewed }
                }
            };
            self.leases.insert(lease.key.clone(), sighting);
        }
    }

    /// How long ago the lease was renewed; nothing if it never was, or was never seen.
    #[must_use]
    pub fn age(&self, key: &LeaseKey, now: Time) -> Option<Duration> {
        let seen = self.leases.get(key).filter(|seen| seen.renewed)?;
        Some(now.since(seen.since))
    }

    /// Whether the lease has an owner that has not renewed it for `failover`.
    #[must_use]
    pub fn is_expired(&self, lease: &Lease, failover: Duration, now: Time) -> bool {
        lease.holder().is_some() && self.age(&lease.key, now).is_some_and(|age| age > failover)
    }

    /// How long the row has been as it is, with or without an owner.
    fn unchanged_for(&self, key: &LeaseKey, now: Time) -> Duration {
        self.leases.get(key).map_or(Duration::ZERO, |seen| now.since(seen.since))
    }
}

/// How much a round may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Only leases without an owner and expired ones, up to this worker's share.
    Light,
    /// The taker of KCL 2.x: also leases that nobody has taken for long, beyond the share; and
    /// stealing.
    Full,
}

/// What to take, and what was seen on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The leases to take, as they were seen, in random order.
    pub take: Vec<Lease>,
    /// Whether they are stolen: their holder goes on renewing them, so that they have to be read
    /// once more right before they are taken.
    pub is_theft: bool,
    /// This worker's share: how many leases it should hold.
    pub target: usize,
    /// Live workers: those with a lease that is not expired, and this one.
    pub workers: usize,
    /// Leases whose owner has not renewed them in time.
    pub expired: usize,
    /// How far the share is above what this worker may hold.
    pub spillover: usize,
    /// How many leases this worker is short of its share.
    pub needed: usize,
    /// Leases that are free, and whose rows have not changed for long.
    pub very_old: usize,
}

/// How many failover times a lease waits before it is taken by anyone who has room.
const VERY_OLD: u32 = 3;

/// Decides which leases to take after a scan that was observed `now`.
///
/// Without `may_steal` leases are never taken from a worker that renews them. A lease that names
/// `me` but was not renewed in time is taken like any other: it was lost, and still has its name.
#[must_use]
#[expect(clippy::too_many_arguments, reason = "a decision names everything that it rests on")]
pub fn plan(
    leases: &[Lease],
    sightings: &Sightings,
    me: &WorkerId,
    config: &LeaseConfig,
    round: Round,
    may_steal: bool,
    rng: &mut Rng,
    now: Time,
) -> Plan {
    let fleet = Fleet::count(leases, sightings, me, config, now);
    let limit = config.failover_time * VERY_OLD;
    let waits_long = |lease: &&Lease| sightings.unchanged_for(&lease.key, now) > limit;
    let needed = fleet.share().saturating_sub(fleet.held[me].len());
    let mut plan = Plan {
        take: Vec::new(),
        is_theft: false,
        target: fleet.share(),
        workers: fleet.held.len(),
        expired: fleet.available.iter().filter(|lease| lease.holder().is_some()).count(),
        spillover: fleet.share().saturating_sub(config.max_leases),
        needed,
        very_old: fleet.available.iter().copied().filter(waits_long).count(),
    };
    let room = config.max_leases.saturating_sub(unfinished(&fleet.held[me]));
    let draw = |from: Vec<&Lease>, n: usize, rng: &mut Rng| pick(from, n, room, rng);

    match round {
        Round::Light => plan.take = draw(fleet.available, needed, rng),
        Round::Full => {
            if config.priority_assignment {
                let very_old = fleet.available.iter().copied().filter(waits_long).collect();
                plan.take = draw(very_old, usize::MAX, rng);
                if !plan.take.is_empty() {
                    return plan;
                }
            }
            if !fleet.available.is_empty() {
                plan.take = draw(fleet.available, needed, rng);
            } else if may_steal {
                let (from, n) = fleet.victim(needed, plan.target, config.max_steal);
                plan.take = draw(from, n, rng);
                plan.is_theft = true;
            }
        }
    }
    plan
}

/// Who holds what.
struct Fleet<'a> {
    /// Each live worker's leases; this worker's even if there are none.
    held: BTreeMap<WorkerId, Vec<&'a Lease>>,
    /// Leases without an owner, and expired ones.
    available: Vec<&'a Lease>,
    leases: usize,
}

impl<'a> Fleet<'a> {
    fn count(
        leases: &'a [Lease],
        sightings: &Sightings,
        me: &WorkerId,
        config: &LeaseConfig,
        now: Time,
    ) -> Self {
        let mut held = BTreeMap::from([(me.clone(), Vec::new())]);
        let mut available = Vec::new();
        for lease in leases {
            match lease.holder() {
                Some(holder) if !sightings.is_expired(lease, config.failover_time, now) => {
                    held.entry(holder.clone()).or_insert_with(Vec::new).push(lease);
                }
                Some(_) | None => available.push(lease),
            }
        }
        Self { held, available, leases: leases.len() }
    }

    fn share(&self) -> usize {
        self.leases.div_ceil(self.held.len()).max(1)
    }

    /// From whose leases how many are stolen: from the worker with the most, if it has more than
    /// its share; or one if it has just its share while this worker is short of two.
    fn victim(self, needed: usize, share: usize, max_steal: usize) -> (Vec<&'a Lease>, usize) {
        let most = self.held.into_values().rev().max_by_key(Vec::len).unwrap_or_default();
        let n = match (needed, most.len().checked_sub(share)) {
            (0, _) | (_, None) => 0,
            (needed, Some(0)) => usize::from(needed > 1),
            (needed, Some(surplus)) => needed.min(surplus),
        };
        (most, n.min(max_steal))
    }
}

/// `n` random leases, of which at most `room` are not finished.
fn pick(mut from: Vec<&Lease>, n: usize, mut room: usize, rng: &mut Rng) -> Vec<Lease> {
    let count = from.len();
    let mut picked = rng.choose(&mut from, count);
    picked.retain(|lease| {
        let fits = lease.is_finished() || room > 0;
        room -= usize::from(fits && !lease.is_finished());
        fits
    });
    picked.into_iter().take(n).cloned().collect()
}

fn unfinished(leases: &[&Lease]) -> usize {
    leases.iter().filter(|lease| !lease.is_finished()).count()
}

#[cfg(test)]
mod tests;
