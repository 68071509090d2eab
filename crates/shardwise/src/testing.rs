//! For unit tests: a clock on tokio's paused time, a lease table and a stream in memory, and a
//! record processor that writes down what it is told.

mod recorder;
mod stream;
mod table;

use async_trait::async_trait;
use shardwise_core::time::{Time, Timestamp};
use tokio::time::Instant;

pub(crate) use self::recorder::{Act, Log, Recorder, Told};
pub(crate) use self::stream::MemoryStream;
pub(crate) use self::table::{Fate, MemoryTable};
use crate::clock::Clock;

pub(crate) struct PausedClock {
    start: Instant,
}

impl PausedClock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }
}

#[async_trait]
impl Clock for PausedClock {
    fn now(&self) -> Time {
        Time::from_start(self.start.elapsed())
    }

    fn date(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    async fn sleep_until(&self, at: Time) {
        tokio::time::sleep_until(self.start + at.since_start()).await;
    }
}
