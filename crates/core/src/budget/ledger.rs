//! Who has how much, and who waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::Waker;

use super::always;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShareId(u64);

/// How little a share has use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UseFor {
    /// What is worth a request: a quarter of its own bytes.
    Part,
    /// All that it wants, or all of its own bytes.
    All,
    /// All that it wants, for a first answer; more than there is, if that is not too much. Where it
    /// is, or more than the share may have, the same as for a part.
    First,
}

/// Those to be woken, once the ledger is no longer locked.
type Woken = Vec<Waker>;

#[derive(Debug)]
pub(super) struct Ledger {
    total: usize,
    shares: BTreeMap<ShareId, Account>,
    next: u64,
    /// How many shares are open.
    open: usize,
    /// What open shares have beyond their own bytes, and closed ones in all.
    borrowed: usize,
    /// Shares that have bytes for a first answer that has not come.
    unanswered: BTreeSet<ShareId>,
    /// Who waits for bytes, in the order in which they came.
    queue: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    id: ShareId,
    waker: Waker,
    waits_for: WaitsFor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitsFor {
    /// What others give back, in its turn.
    Others,
    /// Itself, as it has all that it may have: nobody waits behind it.
    Itself,
    /// First answers, which may turn out small: nobody waits behind it either.
    Answers,
}

#[derive(Debug)]
struct Account {
    used: usize,
    at_most: usize,
    is_open: bool,
}

impl Account {
    fn borrowed(&self, own: usize) -> usize {
        if self.is_open { self.used.saturating_sub(own) } else { self.used }
    }
}

impl Ledger {
    pub(super) fn new(total: usize) -> Self {
        Self {
            total,
            shares: BTreeMap::new(),
            next: 0,
            open: 0,
            borrowed: 0,
            unanswered: BTreeSet::new(),
            queue: VecDeque::new(),
        }
    }

    fn own(&self) -> usize {
        always(self.total)
    }

    /// What one share may have, if nobody else has it.
    fn most(&self, account: &Account) -> usize {
        (self.total / 4).min(account.at_most).max(self.own())
    }

    fn spare(&self) -> usize {
        let own = self.open.saturating_mul(self.own());
        self.total.saturating_sub(own).saturating_sub(self.borrowed)
    }

    pub(super) fn open(&mut self, at_most: usize) -> ShareId {
        let id = ShareId(self.next);
        self.next += 1;
        self.open += 1;
        self.shares.insert(id, Account { used: 0, at_most, is_open: true });
        id
    }

    pub(super) fn close(&mut self, id: ShareId) -> Woken {
        self.open -= 1;
        self.change(id, |account| account.is_open = false);
        self.woken_by(id)
    }

    pub(super) fn used(&self) -> usize {
        self.shares.values().map(|account| account.used).sum()
    }

    pub(super) fn has_borrowed(&self, id: ShareId) -> bool {
        self.shares.get(&id).is_some_and(|account| account.borrowed(self.own()) > 0)
    }

    /// Grants up to `wanted` bytes, or has the share wait while it has no use for what there is.
    pub(super) fn reserve(
        &mut self,
        id: ShareId,
        wanted: usize,
        use_for: UseFor,
        waker: &Waker,
    ) -> (Option<usize>, Woken) {
        let Some(account) = self.shares.get(&id) else { return (Some(0), Woken::new()) };
        if use_for == UseFor::First && wanted <= self.most(account) {
            if self.over_with(account, wanted) <= self.total / 4 {
                self.unanswered.insert(id);
                self.change(id, |account| account.used += wanted);
                return (Some(wanted), self.leave(id));
            }
            if !self.unanswered.is_empty() {
                return (None, self.wait(id, waker, WaitsFor::Answers));
            }
        }
        let own = self.own().saturating_sub(account.used);
        let is_next = self.first().is_none_or(|first| first.id == id);
        let spare = if is_next { self.spare() } else { 0 };
        let left = self.most(account).saturating_sub(account.used);
        let room = (own + spare).min(left);
        let least = match use_for {
            UseFor::Part | UseFor::First => wanted.min(self.own() / 4),
            UseFor::All => wanted.min(self.own()),
        };
        let least = least.max(1);
        if room < least {
            let waits_for = if left < least { WaitsFor::Itself } else { WaitsFor::Others };
            return (None, self.wait(id, waker, waits_for));
        }
        let granted = wanted.min(room);
        self.change(id, |account| account.used += granted);
        (Some(granted), self.leave(id))
    }

    /// How much would be lent beyond what there is, if a share had so much more.
    fn over_with(&self, account: &Account, more: usize) -> usize {
        let own = self.own();
        let after = account.used.saturating_add(more).saturating_sub(own);
        let lent = self.borrowed - account.borrowed(own) + after;
        lent.saturating_sub(self.total.saturating_sub(self.open.saturating_mul(own)))
    }

    /// Puts one into the queue, if it is not there; who stood behind it may have a chance now.
    fn wait(&mut self, id: ShareId, waker: &Waker, waits_for: WaitsFor) -> Woken {
        match self.queue.iter_mut().find(|waiting| waiting.id == id) {
            Some(known) => {
                known.waker.clone_from(waker);
                known.waits_for = waits_for;
            }
            None => self.queue.push_back(Waiting { id, waker: waker.clone(), waits_for }),
        }
        let first = self.first().filter(|_| waits_for != WaitsFor::Others);
        first.map(|first| first.waker.clone()).into_iter().collect()
    }

    /// Takes one that waits out of the queue; whoever is first now may have a chance.
    pub(super) fn leave(&mut self, id: ShareId) -> Woken {
        self.queue.retain(|waiting| waiting.id != id);
        self.woken_by(id)
    }

    pub(super) fn resize(&mut self, id: ShareId, from: usize, to: usize) -> Woken {
        self.change(id, |account| account.used = account.used + to - from);
        let was_unanswered = self.unanswered.remove(&id);
        if to < from || was_unanswered { self.woken_by(id) } else { Woken::new() }
    }

    /// The first of those that wait for others.
    fn first(&self) -> Option<&Waiting> {
        self.queue.iter().find(|waiting| waiting.waits_for == WaitsFor::Others)
    }

    /// Who may have a chance now that something of a share has changed: the first, those that wait
    /// for answers, and the share itself, whose own bytes nobody else can have.
    fn woken_by(&self, id: ShareId) -> Woken {
        let first = self.first().map(|first| first.id);
        let is_woken = |waiting: &&Waiting| {
            let waits_for_answers = waiting.waits_for == WaitsFor::Answers;
            Some(waiting.id) == first || waiting.id == id || waits_for_answers
        };
        self.queue.iter().filter(is_woken).map(|waiting| waiting.waker.clone()).collect()
    }

    fn change(&mut self, id: ShareId, change: impl FnOnce(&mut Account)) {
        let own = self.own();
        let Some(account) = self.shares.get_mut(&id) else { return };
        self.borrowed -= account.borrowed(own);
        change(account);
        self.borrowed += account.borrowed(own);
        if !account.is_open && account.used == 0 {
            self.shares.remove(&id);
        }
    }
}
