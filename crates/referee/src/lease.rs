//! The history of one lease: its row, write by write, and who held it.

use crate::place::Place;
use crate::row::{LeaseWrite, Row};

/// What befell a lease.
#[derive(Default)]
pub(crate) struct LeaseHistory<'a> {
    /// The writes to it in the order of application.
    pub(crate) writes: Vec<Write<'a>>,
    /// Who held it, from the row before the first write on.
    pub(crate) holds: Vec<Hold<'a>>,
}

/// A write to a lease.
pub(crate) struct Write<'a> {
    /// When it was applied.
    pub(crate) t: u64,
    pub(crate) before: Option<&'a Row>,
    pub(crate) after: Option<&'a Row>,
    /// The worker that sent it, where it was one and that is known.
    pub(crate) by: Option<&'a str>,
    /// When it was sent; if that is not known, when it was applied.
    pub(crate) sent_t: u64,
    pub(crate) kind: Kind,
    /// Its place among the writes to all leases.
    pub(crate) number: usize,
}

/// What a write did to its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Delete,
    /// It has another holder now.
    Take,
    /// It has no holder any more.
    Release,
    /// The holder is the same, and the counter, the checkpoint or the prepared one changed.
    Keep,
    /// None of that, such as the children of its shard.
    Note,
}

/// Who held a lease since when.
pub(crate) struct Hold<'a> {
    pub(crate) holder: Option<&'a str>,
    /// When the write was applied that made it so; 0 if that was before the journal begins.
    pub(crate) since: u64,
}

impl<'a> LeaseHistory<'a> {
    /// Takes in the next write, applied at `t`; says whether it found the row as the last one left
    /// it.
    pub(crate) fn add(&mut self, write: &'a LeaseWrite, t: u64, number: usize) -> bool {
        let (before, after) = (write.before.as_ref(), write.after.as_ref());
        let is_continued = self.writes.last().is_none_or(|last| last.after == before);
        if self.writes.is_empty() && before.is_some() {
            self.holds.push(Hold { holder: holder(before), since: 0 });
        }
        if self.holds.last().is_none_or(|hold| hold.holder != holder(after)) {
            self.holds.push(Hold { holder: holder(after), since: t });
        }
        self.writes.push(Write {
            t,
            before,
            after,
            by: write.by.as_deref(),
            sent_t: write.sent_t.unwrap_or(t),
            kind: kind(before, after),
            number,
        });
        is_continued
    }

    /// The row at a time, after all that was applied by then; none while there is no row.
    pub(crate) fn row_at(&self, t: u64) -> Option<&'a Row> {
        match self.applied_by(t).checked_sub(1) {
            Some(last) => self.writes[last].after,
            None => self.writes.first()?.before,
        }
    }

    /// How many writes had been applied at a time.
    pub(crate) fn applied_by(&self, t: u64) -> usize {
        self.writes.partition_point(|write| write.t <= t)
    }

    /// The row's checkpoint at a time; none while there is no row.
    pub(crate) fn checkpoint_at(&self, t: u64) -> Option<&'a Place> {
        self.row_at(t).map(|row| &row.checkpoint)
    }

    /// The rows that a read between two moments may have shown.
    pub(crate) fn rows_between(&self, from: u64, until: u64) -> impl Iterator<Item = &'a Row> {
        let later = &self.writes[self.applied_by(from)..self.applied_by(until)];
        self.row_at(from).into_iter().chain(later.iter().filter_map(|write| write.after))
    }

    /// The writes that changed the checkpoint of a row that was there before.
    pub(crate) fn checkpoints(&self) -> impl Iterator<Item = (&Write<'a>, &'a Row, &'a Row)> {
        self.changes().filter(|(_, before, after)| before.checkpoint != after.checkpoint)
    }

    /// The writes to a row that was there before, and stayed.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&Write<'a>, &'a Row, &'a Row)> {
        self.writes.iter().filter_map(|write| Some((write, write.before?, write.after?)))
    }

    /// The first write that marked the shard as ended; its time is 0 if that was before the
    /// journal begins.
    pub(crate) fn ended_t(&self) -> Option<u64> {
        if self.writes.first()?.before.is_some_and(Row::is_finished) {
            return Some(0);
        }
        let is_end = |write: &&Write<'_>| write.after.is_some_and(Row::is_finished);
        self.writes.iter().find(is_end).map(|write| write.t)
    }

    /// Who held it at a time, and since when.
    pub(crate) fn hold_at(&self, t: u64) -> Option<&Hold<'a>> {
        let begun = self.holds.partition_point(|hold| hold.since <= t);
        self.holds.get(begun.checked_sub(1)?)
    }

    /// When `worker` last got it before a time.
    pub(crate) fn taken_before(&self, worker: &str, t: u64) -> Option<u64> {
        let begun = self.holds.partition_point(|hold| hold.since <= t);
        let held = self.holds[..begun].iter().rev().find(|hold| hold.holder == Some(worker));
        held.map(|hold| hold.since)
    }
}

impl Row {
    pub(crate) fn is_finished(&self) -> bool {
        self.checkpoint == Place::ShardEnd
    }
}

fn holder(row: Option<&Row>) -> Option<&str> {
    row?.holder.as_deref()
}

fn kind(before: Option<&Row>, after: Option<&Row>) -> Kind {
    let (Some(before), Some(after)) = (before, after) else {
        return if after.is_some() { Kind::Create } else { Kind::Delete };
    };
    if before.holder != after.holder {
        return if after.holder.is_some() { Kind::Take } else { Kind::Release };
    }
    let is_kept = before.counter != after.counter
        || before.checkpoint != after.checkpoint
        || before.pending != after.pending
        || before.pending_state != after.pending_state;
    if is_kept { Kind::Keep } else { Kind::Note }
}
