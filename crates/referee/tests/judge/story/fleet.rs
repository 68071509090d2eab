//! The workers of a story, and time that passes.

use serde_json::json;
use shardwise_referee::Reason;

use super::{Story, StoryRow, WORKERS};

/// One second, in the journals' microseconds.
pub(crate) const SECOND: u64 = 1_000_000;
/// The failover time of a story that is watched.
pub(crate) const FAILOVER: u64 = 10 * SECOND;
/// From one full run of the taker to the next.
pub(crate) const TAKE_INTERVAL: u64 = 20 * SECOND;
/// How long the phase without faults lasts: long enough for a hole to be repaired.
pub(crate) const QUIET: u64 = 450 * SECOND;

impl Story {
    /// As [`new`](Self::new), with all workers running and all evidence written down.
    pub(crate) fn watched(shards: usize) -> Self {
        let mut story = Self { is_watched: true, ..Self::new(0) };
        story.terms = json!({
            "failover": FAILOVER, "takeInterval": TAKE_INTERVAL, "lightIntervalMax": SECOND,
            "pollInterval": SECOND, "auditInterval": 120 * SECOND, "callMax": 2 * SECOND,
            "clockDrift": SECOND / 10, "quietFrom": u64::MAX, "quietUntil": u64::MAX,
        });
        for worker in WORKERS {
            story.worker(worker, "started");
        }
        for _ in 0..shards {
            let shard = story.add_shard(&[]);
            story.create_lease(&shard);
        }
        story
    }

    /// Something happens to a worker: an event's name.
    pub(crate) fn worker(&mut self, worker: &str, event: &str) {
        let mut line = json!({"e": event, "t": self.tick(), "worker": worker});
        if event == "ended" {
            line["inOrder"] = json!(true);
        }
        self.worker_events.push(line);
    }

    /// Whether a worker runs, and is not about to stop.
    pub(crate) fn is_at_work(&self, worker: &str) -> bool {
        let last = self.worker_events.iter().rfind(|event| event["worker"] == worker);
        last.is_none_or(|event| event["e"] == "started" || event["e"] == "resumed")
    }

    /// A worker stops in order; `tenures` are those it has.
    pub(crate) fn stop(&mut self, worker: &str, tenures: &[String]) {
        self.worker(worker, "stopAsked");
        for tenure in tenures {
            self.tell_end(tenure, "shutdownRequested");
            self.checkpoint(tenure);
            self.done(tenure, None);
            self.tell_end(tenure, "leaseLost");
            self.done(tenure, None);
        }
        for shard in self.leases_of(worker) {
            self.release(&shard);
        }
        self.worker(worker, "ended");
    }

    /// The leases that have a worker's name.
    pub(crate) fn leases_of(&self, worker: &str) -> Vec<String> {
        let has_name = |owner: Option<&String>| owner.is_some_and(|owner| owner == worker);
        let leases = self
            .shards
            .iter()
            .filter(|(_, shard)| has_name(shard.row.as_ref().and_then(|row| row.owner.as_ref())));
        leases.map(|(id, _)| id.clone()).collect()
    }

    /// Time passes; workers that are at work renew what they have.
    pub(crate) fn wait(&mut self, micros: u64) {
        let until = self.now + micros;
        while self.now < until {
            self.now += (until - self.now).min(FAILOVER / 4);
            self.say();
            for worker in WORKERS {
                if self.is_at_work(worker) && self.stuck != Some(worker) {
                    for shard in self.leases_of(worker) {
                        self.renew(&shard);
                    }
                }
            }
        }
    }

    fn say(&mut self) {
        let Some(says) = self.says else { return };
        self.reasons.push(Reason {
            t: self.now,
            worker: WORKERS[0].to_owned(),
            shard: self.shards.keys().next().unwrap().clone(),
            kept_by: says(self.reasons.len() as u32),
        });
    }

    /// Moves leases until every worker has as many as the others, or one more; says which moved.
    pub(crate) fn balance(&mut self) -> Vec<(String, &'static str)> {
        let mut moved = Vec::new();
        loop {
            let count = |worker: &&str| self.leases_of(worker).len();
            let least = WORKERS.into_iter().min_by_key(count).unwrap();
            let most = WORKERS.into_iter().max_by_key(count).unwrap();
            let is_free = |row: &StoryRow| row.owner.is_none();
            let mut shards = self.shards.iter();
            let free = shards.find(|(_, shard)| shard.row.as_ref().is_some_and(is_free));
            let shard = match free {
                Some((shard, _)) => shard.clone(),
                None if count(&least) + 1 >= count(&most) => return moved,
                None => self.leases_of(most).pop().unwrap(),
            };
            self.write(&shard, "UpdateItem", |row| row.owner = Some(least.to_owned()));
            moved.push((shard, least));
        }
    }

    /// From here on there are no faults.
    pub(crate) fn begin_quiet(&mut self) {
        self.terms["quietFrom"] = json!(self.tick());
    }

    /// The phase without faults, and with it the run, is over.
    pub(crate) fn end_quiet(&mut self) {
        let t = self.tick();
        self.tick();
        self.terms["quietUntil"] = json!(t);
    }
}
