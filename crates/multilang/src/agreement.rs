//! Whether a child serves several shards, for whoever asks or waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Whether a child serves more than the shard that it was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {
    /// It has not said yet.
    Pending,
    Yes,
    No,
    /// It has ended.
    Gone,
}

/// What it has said so far. Whoever waits is woken in the order of coming, so that a run of the
/// simulation can be repeated: tokio's `watch` wakes as chance has it.
#[derive(Clone)]
pub(crate) struct Agreement(Arc<Said>);

struct Said {
    agreed: Mutex<Agreed>,
    changed: Notify,
}

impl Agreement {
    pub(crate) fn pending() -> Self {
        Self(Arc::new(Said { agreed: Mutex::new(Agreed::Pending), changed: Notify::new() }))
    }

    pub(crate) fn now(&self) -> Agreed {
        *self.lock()
    }

    pub(crate) fn becomes(&self, agreed: Agreed) {
        *self.lock() = agreed;
        self.0.changed.notify_waiters();
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, is_so: impl Fn(Agreed) -> bool) -> Agreed {
        loop {
            // It hears of every change from here on.
            let changed = self.0.changed.notified();
            let agreed = self.now();
            if is_so(agreed) {
                return agreed;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Agreed> {
        self.0.agreed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
