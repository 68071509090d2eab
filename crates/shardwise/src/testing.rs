//! For unit tests: a clock on tokio's paused time, a lease table and a stream in memory, and a
//! record processor that writes down what it is told.

#![expect(clippy::disallowed_methods, reason = "tests run on tokio's paused time")]

mod metrics;
mod recorder;
mod stream;
mod table;

use async_trait::async_trait;
use shardwise_core::time::{Time, Timestamp};
use tokio::time::Instant;

pub(crate) use self::metrics::Recording;
pub(crate) use self::recorder::{Act, Log, Recorder, Told};
pub(crate) use self::stream::{MemoryStream, shard_id};
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

/// An aggregate of `hello`, of the partition key `pk-1`, and `world!`, of `pk-2`: V1 of our
/// reference. The keys lie in the upper half of all hash keys.
pub(crate) fn two_user_records() -> Vec<u8> {
    let body =
        b"\x0a\x04pk-1\x0a\x04pk-2\x1a\x09\x08\x00\x1a\x05hello\x1a\x0a\x08\x01\x1a\x06world!";
    let digest = 0xd499_14be_0c2d_0790_1a10_ca19_9c83_2059_u128.to_be_bytes();
    [&b"\xf3\x89\x9a\xc2"[..], body, &digest].concat()
}

/// The same with a digest that is wrong.
pub(crate) fn corrupt_aggregate() -> Vec<u8> {
    let mut corrupt = two_user_records();
    *corrupt.last_mut().expect("it ends with its digest") ^= 1;
    corrupt
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
