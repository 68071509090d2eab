//! The byte budget of a process: how much of the records that were fetched may be in memory.
//!
//! Each shard has a [`Share`]. What is fetched is reserved before it is asked for, and given back
//! when its last user drops the [`Hold`]. A shard may always have [`BATCH`] bytes, and with nothing
//! in its hands one record of any size, so every shard gets on whatever the others do; the rest of
//! the budget is lent to whoever asks first, to each shard a quarter at most.
//!
//! Of a shard's first answer nothing is known but the largest size that it can have. So much is
//! reserved for it, and all of them together may have a quarter more than the budget: most turn out
//! small. Who comes when that is lent waits for answers that are on their way, and no longer: where
//! they turned out large, it has to do with less.
//!
//! So what is reserved comes to five quarters of the budget at most, or of the bytes that the
//! shards may always have, where those are more. Answers that turn out larger than what was
//! reserved for them come on top. What is lent is not called back: shards that come later have
//! their own on top of it, until it is given back.

mod ledger;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::poll_fn;
use std::sync::PoisonError;
use std::task::{Context, Poll};

use self::ledger::{Ledger, ShareId, UseFor};
#[cfg(test)]
use shuttle::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(test))]
use std::sync::{Arc, Mutex, MutexGuard};

/// What each shard may have at any time: 1 MiB, the largest record of a stream by default.
pub const BATCH: usize = 1 << 20;
/// The default budget of a process: 256 MiB.
pub const DEFAULT: usize = 256 << 20;

/// What each shard may always have of a budget: [`BATCH`], but of one too small for that a quarter.
#[must_use]
pub fn always(budget: usize) -> usize {
    BATCH.min(budget / 4).max(1)
}

/// Bytes that all shards of a process share. Clones are one budget.
#[derive(Clone)]
pub struct Budget(Arc<Mutex<Ledger>>);

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(Ledger::new(bytes))))
    }

    /// The share of one more shard, which never holds more than `at_most`, but for one record.
    #[must_use]
    pub fn share(&self, at_most: usize) -> Share {
        Share { id: self.ledger().open(at_most), budget: self.clone() }
    }

    /// Bytes that are reserved or held now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.ledger().used()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").finish_non_exhaustive()
    }
}

/// What one shard has of a budget. Its holds may outlive it.
#[derive(Debug)]
pub struct Share {
    id: ShareId,
    budget: Budget,
}

impl Share {
    /// Reserves up to `wanted` bytes, and waits while there are none. One asks at a time; to stop
    /// asking is to drop what is waited on.
    pub async fn reserve(&self, wanted: usize) -> Hold {
        self.reserve_for(wanted, UseFor::Part).await
    }

    /// As [`reserve`](Self::reserve), and waits until there is all that is wanted, or as much as a
    /// shard may always have: for what comes in the size that it has.
    pub async fn reserve_all(&self, wanted: usize) -> Hold {
        self.reserve_for(wanted, UseFor::All).await
    }

    /// As [`reserve`](Self::reserve), for the largest first answer. Either there is all that is
    /// wanted, at times more than the budget has, or as much as `reserve` gives.
    pub async fn reserve_first(&self, largest: usize) -> Hold {
        self.reserve_for(largest, UseFor::First).await
    }

    async fn reserve_for(&self, wanted: usize, use_for: UseFor) -> Hold {
        let mut waiting = Waiting { share: self, is_queued: false };
        poll_fn(|context| waiting.poll(context, wanted, use_for)).await
    }

    /// Whether the shard has more than it may always have.
    #[must_use]
    pub fn has_borrowed(&self) -> bool {
        self.budget.ledger().has_borrowed(self.id)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let woken = self.budget.ledger().close(self.id);
        wake(woken);
    }
}

/// One that asks; leaves the queue when it is dropped.
struct Waiting<'a> {
    share: &'a Share,
    is_queued: bool,
}

impl Waiting<'_> {
    fn poll(&mut self, context: &mut Context<'_>, wanted: usize, use_for: UseFor) -> Poll<Hold> {
        let Share { id, budget } = self.share;
        let (granted, woken) = budget.ledger().reserve(*id, wanted, use_for, context.waker());
        wake(woken);
        self.is_queued = granted.is_none();
        match granted {
            Some(bytes) => Poll::Ready(Hold { id: *id, bytes, budget: budget.clone() }),
            None => Poll::Pending,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_queued {
            let woken = self.share.budget.ledger().leave(self.share.id);
            wake(woken);
        }
    }
}

fn wake(woken: Vec<std::task::Waker>) {
    woken.into_iter().for_each(std::task::Waker::wake);
}

/// Bytes of a shard's share; given back when it is dropped.
#[derive(Debug)]
pub struct Hold {
    id: ShareId,
    bytes: usize,
    budget: Budget,
}

impl Hold {
    /// How many.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it what has really come, more than was reserved if need be.
    pub fn resize(&mut self, bytes: usize) {
        let woken = self.budget.ledger().resize(self.id, self.bytes, bytes);
        self.bytes = bytes;
        wake(woken);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.resize(0);
    }
}
