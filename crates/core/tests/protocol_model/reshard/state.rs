//! What is at one moment, and what becomes of it: rows, shard consumers, writes on their way.

use super::lineage::{SHARDS_MAX, Set, Shard};
use super::rules::{AbsentParent, Cleanup, Rules};

/// One of the two workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(crate) u8);

/// A checkpoint in a shard, which holds one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    Horizon,
    Record,
    End,
}

/// A lease's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) owner: Option<WorkerId>,
    pub(crate) counter: u8,
    pub(crate) checkpoint: Place,
    /// Whether it names the shard's children.
    pub(crate) names_children: bool,
}

impl Row {
    const NEW: Self =
        Self { owner: None, counter: 0, checkpoint: Place::Horizon, names_children: false };

    pub(crate) fn is_finished(self) -> bool {
        self.checkpoint == Place::End
    }
}

/// A worker's hold of one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Consumer {
    /// The row's counter and checkpoint as the worker last proved them.
    pub(crate) counter: u8,
    pub(crate) checkpoint: Place,
    pub(crate) stage: Stage,
}

/// How far a shard consumer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    WaitingOnParents,
    /// Whether the record was handed.
    Processing(bool),
    /// The end was reported: these children were given leases.
    Ending(Set),
    /// All children have leases, and the row names them: the processor may hear of the end.
    Ready,
    /// The processor has asked for the checkpoint at the end.
    Asked,
    /// The write of this checkpoint got no answer.
    InDoubt(Place),
    Finished,
}

/// A write that nobody waits for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Late {
    /// Makes a row; if a parent is named, only while that one has a row.
    Create(Shard, Option<Shard>),
    Checkpoint(Shard, WorkerId, u8, Place),
    Delete(Shard, Option<WorkerId>),
}

/// A statement of the list of invariants, by its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invariant {
    ParentsFirst,
    EndIsEarned,
    ChildrenAreLeased,
    OnlyFinishedIsDeleted,
    NeverLeasedAgain,
}

impl Invariant {
    /// Its name as a property of the model.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ParentsFirst => "I5 a shard begins after its parents' ends",
            Self::EndIsEarned => "I6 a shard's end is earned",
            Self::ChildrenAreLeased => "I7 a shard's children have leases before its end",
            Self::OnlyFinishedIsDeleted => "I27 a row is deleted once its children have begun",
            Self::NeverLeasedAgain => "I27 what was finished and deleted is not leased again",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Everything there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// How often the stream was resharded.
    pub(crate) reshards: u8,
    /// The shards that the stream no longer has.
    pub(crate) trimmed: Set,
    pub(crate) rows: [Option<Row>; SHARDS_MAX],
    pub(crate) workers: [[Option<Consumer>; SHARDS_MAX]; 2],
    /// Writes that the table may still apply, sorted.
    pub(crate) late: Vec<Late>,
    pub(crate) faults_left: u8,
    /// Whether somebody has deleted a row by hand. For judging only, as is all that follows.
    pub(crate) by_hand: bool,
    pub(crate) handed: Set,
    /// The shards whose processor ever asked for the checkpoint at the end.
    pub(crate) asked: Set,
    /// The shards whose `SHARD_END` was ever written.
    pub(crate) ended: Set,
    /// The shards that ever had a row.
    pub(crate) made: Set,
    /// The shards whose row was deleted because it was done.
    pub(crate) deleted: Set,
    /// The invariants that were broken on the way here.
    broken: u8,
}

impl State {
    /// The first shards have leases that nobody holds.
    pub(crate) fn new(rules: &Rules) -> Self {
        let mut state = Self {
            reshards: 0,
            trimmed: Set::default(),
            rows: [None; SHARDS_MAX],
            workers: [[None; SHARDS_MAX]; 2],
            late: Vec::new(),
            faults_left: rules.faults,
            by_hand: false,
            handed: Set::default(),
            asked: Set::default(),
            ended: Set::default(),
            made: Set::default(),
            deleted: Set::default(),
            broken: 0,
        };
        for shard in rules.lineage.shards().filter(|shard| rules.lineage.is_born(*shard, 0)) {
            state.create(shard, None);
        }
        state
    }

    pub(crate) fn is_broken(&self, invariant: Invariant) -> bool {
        self.broken & invariant.bit() != 0
    }

    pub(crate) fn expect(&mut self, holds: bool, invariant: Invariant) {
        if !holds {
            self.broken |= invariant.bit();
        }
    }

    pub(crate) fn row(&self, shard: Shard) -> Option<Row> {
        self.rows[shard.index()]
    }

    pub(crate) fn consumer(&self, id: WorkerId, shard: Shard) -> Option<Consumer> {
        self.workers[usize::from(id.0)][shard.index()]
    }

    pub(crate) fn set(&mut self, id: WorkerId, shard: Shard, consumer: Option<Consumer>) {
        self.workers[usize::from(id.0)][shard.index()] = consumer;
    }

    pub(crate) fn set_stage(&mut self, id: WorkerId, shard: Shard, stage: Stage) {
        let consumer = self.workers[usize::from(id.0)][shard.index()].as_mut();
        consumer.expect("only a holder has a stage").stage = stage;
    }

    /// Whether the worker still owns the row as it knows it.
    pub(crate) fn is_held(&self, id: WorkerId, shard: Shard) -> bool {
        let (Some(row), Some(consumer)) = (self.row(shard), self.consumer(id, shard)) else {
            return false;
        };
        let in_doubt = matches!(consumer.stage, Stage::InDoubt(_));
        let counted =
            row.counter == consumer.counter || (in_doubt && row.counter == consumer.counter + 1);
        row.owner == Some(id) && counted
    }

    /// The shards that a list of them names.
    pub(crate) fn is_listed(&self, shard: Shard, rules: &Rules) -> bool {
        rules.lineage.is_born(shard, self.reshards) && !self.trimmed.has(shard)
    }

    pub(crate) fn add_late(&mut self, write: Late) {
        let at = self.late.partition_point(|other| *other < write);
        self.late.insert(at, write);
    }

    /// Makes a row, unless there is one, or none of the parent that has to have one.
    pub(crate) fn create(&mut self, shard: Shard, parent: Option<Shard>) {
        if self.row(shard).is_some() || parent.is_some_and(|parent| self.row(parent).is_none()) {
            return;
        }
        let again = self.deleted.has(shard) && !self.by_hand;
        self.expect(!again, Invariant::NeverLeasedAgain);
        self.rows[shard.index()] = Some(Row::NEW);
        self.made.add(shard);
    }

    /// A checkpoint of one who knows the row's owner and counter; whether it was made.
    pub(crate) fn checkpoint(
        &mut self,
        shard: Shard,
        (from, counter): (WorkerId, u8),
        place: Place,
        rules: &Rules,
    ) -> bool {
        let Some(row) = self.row(shard) else { return false };
        if row.owner != Some(from) || row.counter != counter {
            return false;
        }
        if place == Place::End {
            let lineage = &rules.lineage;
            let children: Set = lineage.children(shard).collect();
            let closed = lineage.is_closed(shard, self.reshards);
            let handed = self.handed.has(shard) || self.trimmed.has(shard);
            let earned = closed && handed && self.asked.has(shard);
            self.expect(earned, Invariant::EndIsEarned);
            self.expect(self.made.contains_all(children), Invariant::ChildrenAreLeased);
            self.ended.add(shard);
        }
        self.rows[shard.index()] = Some(Row { counter: counter + 1, checkpoint: place, ..row });
        true
    }

    /// Deletes the row that a worker has found done, if it still is.
    pub(crate) fn delete(&mut self, shard: Shard, owner: Option<WorkerId>, rules: &Rules) {
        let Some(row) = self.row(shard) else { return };
        if rules.delete_is_conditional && !(row.is_finished() && row.owner == owner) {
            return;
        }
        self.expect(row.is_finished(), Invariant::OnlyFinishedIsDeleted);
        self.rows[shard.index()] = None;
        self.deleted.add(shard);
        if !rules.zombies_outlive_children {
            self.bury(shard, rules);
        }
    }

    /// Ends what could still make the row of a shard that is done and deleted: requests on their
    /// way, and workers that have lost its parents' leases and have not noticed.
    fn bury(&mut self, shard: Shard, rules: &Rules) {
        self.late.retain(|write| !matches!(write, Late::Create(made, _) if *made == shard));
        for parent in rules.lineage.parents(shard) {
            for id in [0, 1].map(WorkerId) {
                if self.consumer(id, parent).is_some() && !self.is_held(id, parent) {
                    self.set(id, parent, None);
                }
            }
        }
    }

    /// Whether the row of a finished shard may go.
    pub(crate) fn may_delete(&self, shard: Shard, rules: &Rules) -> bool {
        let lineage = &rules.lineage;
        let Some(row) = self.row(shard).filter(|row| row.is_finished()) else { return false };
        if !self.is_listed(shard, rules) {
            return true;
        }
        let mut children = lineage.children(shard).map(|child| self.row(child));
        let parents_gone = lineage.parents(shard).all(|parent| self.row(parent).is_none());
        let has_begun = |row: Option<Row>| row.is_some_and(|row| row.checkpoint != Place::Horizon);
        match rules.cleanup {
            Cleanup::AllBegunParentsGone => children.all(has_begun) && parents_gone,
            Cleanup::AllBegun => children.all(has_begun),
            Cleanup::AllMade => children.all(|row| row.is_some()) && parents_gone,
            Cleanup::NamedBegun => (!row.names_children || children.all(has_begun)) && parents_gone,
        }
    }

    /// Judges a worker that decides to delete a row.
    pub(crate) fn judge_deletion(&mut self, shard: Shard, rules: &Rules) {
        let mut children = rules.lineage.children(shard).map(|child| self.row(child));
        let begun = children.all(|row| row.is_some_and(|row| row.checkpoint != Place::Horizon));
        let is_listed = self.is_listed(shard, rules);
        self.expect(begun || !is_listed, Invariant::OnlyFinishedIsDeleted);
    }

    /// Whether a shard has begun that came from this one.
    pub(crate) fn has_begun_after(&self, shard: Shard, rules: &Rules) -> bool {
        let has_begun = |row: Row| row.checkpoint != Place::Horizon;
        let mut children =
            rules.lineage.children(shard).filter(|child| self.is_listed(*child, rules));
        children.any(|child| {
            self.row(child).is_some_and(has_begun) || self.has_begun_after(child, rules)
        })
    }

    /// What a shard's parents say of its beginning: whether it may begin, and which of their rows
    /// have to be made first.
    pub(crate) fn parents_ended(&self, shard: Shard, rules: &Rules) -> (bool, Set) {
        let Some(row) = self.row(shard) else { return (false, Set::default()) };
        if row.checkpoint != Place::Horizon || !rules.waits_for_parents {
            return (true, Set::default());
        }
        let (mut ended, mut missing) = (true, Set::default());
        for parent in rules.lineage.parents(shard) {
            match (self.row(parent), rules.absent_parent) {
                (Some(row), _) => ended &= row.is_finished(),
                (None, AbsentParent::IsMadeAnew)
                    if self.is_listed(parent, rules) && !self.has_begun_after(parent, rules) =>
                {
                    missing.add(parent);
                }
                (None, AbsentParent::IsMadeAnew | AbsentParent::HasEnded) => {}
            }
        }
        (ended && missing.is_empty(), missing)
    }
}
