//! What was said of a shard.

use std::sync::{Mutex, PoisonError};

use shardwise_core::retention::Gap;

/// What the readers of a shard have said, one after the other: each thing is said once, though
/// every processor that is made anew has a reader that comes upon it again.
#[derive(Debug, Default)]
pub(crate) struct Said {
    gap: Mutex<Option<Gap>>,
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
