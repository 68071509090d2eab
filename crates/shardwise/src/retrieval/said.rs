//! What was said of a shard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use shardwise_core::retention::Gap;

/// What the readers of a shard have said, one after the other: each thing is said once, though
/// every processor that is made anew has a reader that comes upon it again.
#[derive(Debug, Default)]
pub(crate) struct Said {
    gap: Mutex<Option<Gap>>,
    /// That aggregates are left out.
    pub(super) left_out: Once,
    /// That there are corrupt aggregates.
    pub(super) corrupt: Once,
    /// That records are not decoded.
    pub(crate) not_decoded: Once,
}

/// What is said the first time, and then only counted.
#[derive(Debug, Default)]
pub(crate) struct Once(AtomicBool);

impl Once {
    /// Whether this is the first time.
    pub(crate) fn is_first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

impl Said {
    /// Whether a gap is another one than the last, whose place it takes.
    pub(super) fn is_news(&self, gap: &Gap) -> bool {
        let mut last = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = last.as_ref() != Some(gap);
        *last = Some(gap.clone());
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_once_is_first_once() {
        let once = Once::default();
        assert_eq!([(); 3].map(|()| once.is_first()), [true, false, false]);
    }
}
