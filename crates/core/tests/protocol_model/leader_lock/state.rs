//! What is at one moment: the lock, the workers, writes on their way.

use super::rules::{Belief, Expiry, Release, Rules};

/// One of the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(crate) u8);

/// How many workers a state has room for.
pub(crate) const WORKERS_MAX: usize = 3;

/// A version number of the lock: made by chance, so never the same twice.
///
/// Only which of them are the same matters. So they are numbered anew after each step, in the order
/// in which they are met, and one that nobody remembers any more is as good as one that never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Version(u8);

impl Version {
    /// One that nobody remembers.
    pub(crate) const NEW: Self = Self(u8::MAX);
}

/// The lock's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lock {
    pub(crate) owner: WorkerId,
    pub(crate) version: Version,
}

/// A conditional write of the lock's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Write {
    pub(crate) from: WorkerId,
    pub(crate) change: Change,
}

/// What a write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    /// Makes the row, if there is none.
    Acquire {
        version: Version,
    },
    /// Replaces the row that was seen for too long.
    Steal {
        seen: Version,
        version: Version,
    },
    Heartbeat {
        mine: Version,
        version: Version,
    },
    /// Deletes the row.
    Release {
        mine: Version,
    },
}

impl Change {
    /// The version number that it expects.
    fn before(&mut self) -> Option<&mut Version> {
        match self {
            Self::Acquire { .. } => None,
            Self::Steal { seen: before, .. }
            | Self::Heartbeat { mine: before, .. }
            | Self::Release { mine: before } => Some(before),
        }
    }

    /// The version number that it writes.
    fn after(&mut self) -> Option<&mut Version> {
        match self {
            Self::Acquire { version }
            | Self::Steal { version, .. }
            | Self::Heartbeat { version, .. } => Some(version),
            Self::Release { .. } => None,
        }
    }
}

impl Write {
    /// The row as it is once the write is applied.
    pub(crate) fn after(self) -> Option<Lock> {
        match self.change {
            Change::Acquire { version }
            | Change::Steal { version, .. }
            | Change::Heartbeat { version, .. } => Some(Lock { owner: self.from, version }),
            Change::Release { .. } => None,
        }
    }

    fn is_allowed_on(self, lock: Option<Lock>, rules: &Rules) -> bool {
        match (self.change, lock) {
            (Change::Acquire { .. }, lock) => lock.is_none(),
            (Change::Steal { seen, .. }, Some(lock)) => {
                lock.version == seen || !rules.steal_is_conditional
            }
            (Change::Heartbeat { mine, .. }, Some(lock)) => {
                lock == Lock { owner: self.from, version: mine } || !rules.heartbeat_is_conditional
            }
            (Change::Release { mine }, Some(lock)) => match rules.release {
                Release::OwnVersion => lock == Lock { owner: self.from, version: mine },
                Release::OwnName => lock.owner == self.from,
                Release::Unconditional => true,
            },
            (Change::Steal { .. } | Change::Heartbeat { .. } | Change::Release { .. }, None) => {
                false
            }
        }
    }
}

/// What one worker remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    /// The version number that it saw last, and for how long.
    pub(crate) sighting: Option<(Version, u8)>,
    pub(crate) lead: Option<Lead>,
    pub(crate) flight: Option<Flight>,
}

/// A lead: the version number last proven, and for how long it still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lead {
    pub(crate) version: Version,
    pub(crate) left_ticks: u8,
}

/// A write whose outcome the worker does not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) write: Write,
    pub(crate) stage: Stage,
    /// For how long it would hold if it was applied.
    pub(crate) left_ticks: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// On its way to the table.
    Sent,
    /// Applied; the answer is on its way back.
    Applied,
    /// Refused; the answer is on its way back.
    Refused,
    /// No answer came.
    Ambiguous,
}

/// Everything there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) lock: Option<Lock>,
    pub(crate) workers: [Worker; WORKERS_MAX],
    /// Writes that nobody waits for any more and that the table may still apply, sorted.
    pub(crate) late: Vec<Write>,
}

impl State {
    pub(crate) const NEW: Self = Self {
        lock: None,
        workers: [Worker { sighting: None, lead: None, flight: None }; WORKERS_MAX],
        late: Vec::new(),
    };

    pub(crate) fn worker(&mut self, id: WorkerId) -> &mut Worker {
        &mut self.workers[usize::from(id.0)]
    }

    /// The workers that believe, by their own clocks, that they lead.
    pub(crate) fn leaders(&self, rules: &Rules) -> impl Iterator<Item = WorkerId> {
        let believes = match rules.belief {
            Belief::FromSending | Belief::FromAnswer => |lead: Lead| lead.left_ticks > 0,
            Belief::UntilTold => |_| true,
        };
        let leads = move |worker: &Worker| worker.lead.is_some_and(believes);
        (0..).map(WorkerId).zip(&self.workers).filter(move |(_, w)| leads(w)).map(|(id, _)| id)
    }

    /// Forgets what can no longer matter, and numbers the version numbers anew.
    pub(crate) fn settle(&mut self, rules: &Rules) {
        let mut live: Vec<Version> = self.lock.iter().map(|lock| lock.version).collect();
        let flights = self.workers.iter().filter_map(|worker| worker.flight);
        let sent = flights.filter(|flight| flight.stage == Stage::Sent).map(|flight| flight.write);
        let writes = sent.chain(self.late.iter().copied());
        live.extend(writes.filter_map(|mut write| write.change.after().copied()));
        self.late.retain_mut(|write| {
            let may_apply = match write.change {
                Change::Acquire { .. } => true,
                Change::Steal { .. } => !rules.steal_is_conditional,
                Change::Heartbeat { .. } => !rules.heartbeat_is_conditional,
                Change::Release { .. } => rules.release != Release::OwnVersion,
            };
            may_apply || write.change.before().is_some_and(|before| live.contains(before))
        });
        for worker in &mut self.workers {
            worker.sighting = worker.sighting.filter(|(version, _)| live.contains(version));
        }
        let mut met = Vec::new();
        self.each_version(|version| {
            let at = met.iter().position(|other| *other == *version).unwrap_or_else(|| {
                met.push(*version);
                met.len() - 1
            });
            *version = Version(u8::try_from(at).expect("they are few"));
        });
        self.late.sort_unstable();
    }

    fn each_version(&mut self, mut visit: impl FnMut(&mut Version)) {
        self.lock.iter_mut().for_each(|lock| visit(&mut lock.version));
        for worker in &mut self.workers {
            worker.sighting.iter_mut().for_each(|(version, _)| visit(version));
            worker.lead.iter_mut().for_each(|lead| visit(&mut lead.version));
        }
        let flights = self.workers.iter_mut().filter_map(|worker| worker.flight.as_mut());
        for write in flights.map(|flight| &mut flight.write).chain(&mut self.late) {
            write.change.before().into_iter().for_each(&mut visit);
            write.change.after().into_iter().for_each(&mut visit);
        }
    }

    /// The table gets a write.
    pub(crate) fn apply(&mut self, write: Write, rules: &Rules) -> Stage {
        if !write.is_allowed_on(self.lock, rules) {
            return Stage::Refused;
        }
        self.lock = write.after();
        Stage::Applied
    }

    /// A worker that does not lead reads the row, and does what it calls for.
    pub(crate) fn look(&mut self, id: WorkerId, rules: &Rules) {
        let (lock, version) = (self.lock, Version::NEW);
        let worker = self.worker(id);
        let Some(lock) = lock else {
            worker.sighting = None;
            return self.send(id, Change::Acquire { version }, rules);
        };
        if rules.own_name_is_enough && lock.owner == id {
            let left_ticks = rules.duration_ticks;
            worker.lead = Some(Lead { version: lock.version, left_ticks });
            return;
        }
        let age = match (rules.expiry, worker.sighting) {
            (Expiry::OwnStamp, Some((seen, age))) if seen == lock.version => age,
            (Expiry::OwnStamp | Expiry::FreshRead, _) => 0,
            (Expiry::AtOnce, _) => rules.duration_ticks,
        };
        if age < rules.duration_ticks {
            worker.sighting = Some((lock.version, age));
            return;
        }
        worker.sighting = None;
        self.send(id, Change::Steal { seen: lock.version, version }, rules);
    }

    pub(crate) fn send(&mut self, id: WorkerId, change: Change, rules: &Rules) {
        let write = Write { from: id, change };
        let flight = Flight { write, stage: Stage::Sent, left_ticks: rules.duration_ticks };
        self.worker(id).flight = Some(flight);
    }

    /// The sender learns, by the answer or by a read, what its write came to.
    pub(crate) fn conclude(&mut self, id: WorkerId, rules: &Rules) {
        let lock = self.lock;
        let worker = self.worker(id);
        let Some(flight) = worker.flight.take() else { return };
        let written = match flight.stage {
            Stage::Applied => flight.write.after(),
            Stage::Ambiguous => flight.write.after().filter(|after| lock == Some(*after)),
            Stage::Sent | Stage::Refused => None,
        };
        let untouched = worker.lead.is_some_and(|lead| {
            flight.stage == Stage::Ambiguous
                && lock == Some(Lock { owner: id, version: lead.version })
        });
        match (written, rules.belief) {
            (Some(Lock { version, .. }), Belief::FromSending | Belief::UntilTold) => {
                worker.lead = Some(Lead { version, left_ticks: flight.left_ticks });
            }
            (Some(Lock { version, .. }), Belief::FromAnswer) => {
                worker.lead = Some(Lead { version, left_ticks: rules.duration_ticks });
            }
            // It may be tried again.
            (None, _) if untouched => {}
            (None, _) => worker.lead = None,
        }
    }

    /// Time passes, for all of them alike.
    pub(crate) fn tick(&mut self, rules: &Rules) {
        for worker in &mut self.workers {
            if let Some((_, age)) = &mut worker.sighting {
                *age = (*age + 1).min(rules.duration_ticks);
            }
            if let Some(lead) = &mut worker.lead {
                lead.left_ticks = lead.left_ticks.saturating_sub(1);
            }
            if let Some(flight) = &mut worker.flight {
                flight.left_ticks = flight.left_ticks.saturating_sub(1);
            }
        }
    }

    pub(crate) fn add_late(&mut self, write: Write) {
        let at = self.late.partition_point(|other| *other < write);
        self.late.insert(at, write);
    }
}
