//! For unit tests: a clock on tokio's paused time, a lease table and a stream in memory, and a
//! record processor that writes down what it is told.

#![expect(clippy::disallowed_methods, reason = "tests run on tokio's paused time")]

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

/// The date of a test that began at `start`.
fn date_after(start: Instant) -> Timestamp {
    let millis = start.elapsed().as_millis();
    Timestamp::from_millis(1_000 + i64::try_from(millis).expect("no test lasts an age"))
}

#[async_trait]
impl Clock for PausedClock {
    fn now(&self) -> Time {
        Time::from_start(self.start.elapsed())
    }

    fn date(&self) -> Timestamp {
        date_after(self.start)
    }

    async fn sleep_until(&self, at: Time) {
        tokio::time::sleep_until(self.start + at.since_start()).await;
    }
}
