//! From a calm beginning to everything at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use shardwise_demo::error::Error;
use shardwise_demo::table::Lease;

use super::{BETWEEN_LOOKS, DAEMONS, FAILOVER, FAULTS_PER_MILLE, Run, SHARDS};
use crate::hands::Hands;
use crate::proxy::Weather;
use crate::stretch::Stretch;

/// How long daemons may take to share the leases, and their children to be handed records.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// Workers that still had something to take or to steal would have done it by then.
const SETTLED: Duration = FAILOVER.saturating_mul(2);

/// What has to be so before the first stretch begins.
pub(super) struct Settling {
    leases: Vec<Lease>,
    /// Since when they are balanced and have not moved.
    since: Instant,
    looked: Option<Instant>,
    missing: Option<String>,
}

impl Settling {
    async fn missing(&mut self, run: &Run, is_flowing: bool) -> Result<Option<String>, Error> {
        if self.looked.is_none_or(|looked| looked.elapsed() > BETWEEN_LOOKS) {
            self.looked = Some(Instant::now());
            self.missing = self.look(run, is_flowing).await?;
        }
        Ok(self.missing.clone())
    }

    async fn look(&mut self, run: &Run, is_flowing: bool) -> Result<Option<String>, Error> {
        let leases = run.table.leases().await?;
        if owners(&leases) != owners(&self.leases) || !is_balanced(&leases) {
            self.since = Instant::now();
        }
        self.leases = leases;
        if self.since.elapsed() < SETTLED {
            return Ok(Some(format!("no lease moves: {:?}", by_owner(&self.leases))));
        }
        if !is_flowing {
            return Ok(None);
        }
        let all = Hands::of_all(&run.directory)?;
        let is_handed = |lease: &&Lease| {
            let is_of = |hands: &Hands| {
                hands.shard == lease.shard && Some(&hands.worker) == lease.owner.as_ref()
            };
            all.iter().any(|hands| is_of(hands) && !hands.times.is_empty())
        };
        let missing = self.leases.iter().find(|lease| !is_handed(lease));
        Ok(missing.map(|lease| format!("{} is handed records", lease.shard)))
    }
}

impl Run {
    /// Goes on until every daemon has its part of the leases and no lease moves any more: shards
    /// that change hands have gaps of their own.
    pub(super) async fn settle(&mut self) -> Result<Settling, Error> {
        let (leases, since) = (Vec::new(), Instant::now());
        let mut settling = Settling { leases, since, looked: None, missing: None };
        self.until("leases are settled", SETTLED_WITHIN, async |run| {
            settling.missing(run, false).await
        })
        .await?;
        Ok(settling)
    }

    /// Goes on until those that hold the leases have handed records to a child for each. Every
    /// second shard of each daemon is spared then, until everything may happen.
    pub(super) async fn until_handed(&mut self, mut settling: Settling) -> Result<(), Error> {
        settling.looked = None;
        self.until("records flow in every shard", SETTLED_WITHIN, async |run| {
            settling.missing(run, true).await
        })
        .await?;
        self.mischiefs.spare(spared(&settling.leases));
        Ok(())
    }

    /// Lets a stretch begin, unless the one before it is not over: children that hang or are
    /// stopped have to be replaced in it.
    pub(super) fn begin(&mut self, stretch: Stretch) -> bool {
        if stretch == Stretch::All {
            let mut children = self.processes.all.iter().filter(|it| it.worker.is_some());
            if self.mischiefs.is_open()
                || self.mischiefs.is_hanging(&self.processes)
                || children.any(|child| child.state == 'T')
            {
                return false;
            }
            self.mischiefs.spare(BTreeSet::new());
            for place in self.fleet.places() {
                for weather in &place.weather {
                    weather.send_replace(Weather::Faults { per_mille: FAULTS_PER_MILLE });
                }
            }
        }
        self.begun.begin(stretch);
        true
    }
}

fn owners(leases: &[Lease]) -> BTreeMap<&str, Option<&str>> {
    leases.iter().map(|lease| (lease.shard.as_str(), lease.owner.as_deref())).collect()
}

fn by_owner(leases: &[Lease]) -> BTreeMap<&str, Vec<&str>> {
    let mut owned: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (shard, owner) in owners(leases) {
        owned.entry(owner.unwrap_or_default()).or_default().push(shard);
    }
    owned
}

/// Whether every shard has an owner, and no daemon could have one more from another.
fn is_balanced(leases: &[Lease]) -> bool {
    let counts: Vec<usize> = by_owner(leases).values().map(Vec::len).collect();
    let (least, most) = (counts.iter().min(), counts.iter().max());
    leases.len() == usize::from(SHARDS)
        && leases.iter().all(|lease| lease.owner.is_some())
        && counts.len() == DAEMONS
        && most.zip(least).is_some_and(|(most, least)| most - least <= 1)
}

/// Every second shard of each daemon: its other ones are where children do wrong.
fn spared(leases: &[Lease]) -> BTreeSet<String> {
    let owned = by_owner(leases);
    let of_daemon = |shards: &Vec<&str>| -> Vec<String> {
        shards.iter().skip(1).step_by(2).map(|&shard| shard.to_owned()).collect()
    };
    owned.values().flat_map(of_daemon).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leases(owners: &str) -> Vec<Lease> {
        let lease = |(number, owner): (usize, char)| Lease {
            shard: number.to_string(),
            owner: (owner != '-').then(|| owner.to_string()),
            checkpoint: "TRIM_HORIZON".to_owned(),
        };
        owners.chars().enumerate().map(lease).collect()
    }

    #[test]
    fn leases_are_balanced_when_nobody_could_take_one_more() {
        for (owners, balanced) in [
            ("abcabcab", true),
            ("aaabbbcc", true),
            ("aaaabbcc", false),
            ("aaaabbbb", false),
            ("abcabca-", false),
            ("abcabca", false),
            ("", false),
        ] {
            assert_eq!(is_balanced(&leases(owners)), balanced, "{owners}");
        }
    }

    #[test]
    fn each_daemon_has_shards_that_are_spared_and_others() {
        let spared = spared(&leases("aaabcbcb"));
        assert_eq!(spared, ["1", "5", "6"].map(str::to_owned).into());
    }
}
