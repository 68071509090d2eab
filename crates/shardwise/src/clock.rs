//! Port: time. The system's own clock here; the simulation brings another.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rustix::time::{ClockId, clock_gettime};
use shardwise_core::time::{Time, Timestamp};

/// What a worker knows of time.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// How long the clock has run. It only rises, and it counts the time a machine sleeps.
    fn now(&self) -> Time;

    /// The date.
    fn date(&self) -> Timestamp;

    /// Returns at `at` or soon after it.
    async fn sleep_until(&self, at: Time);
}

/// The clock of the operating system. On Linux it counts suspend (`CLOCK_BOOTTIME`).
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Duration,
}

impl SystemClock {
    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: since_boot() }
    }
}

#[async_trait]
#[expect(clippy::disallowed_methods, reason = "this is the port's one way to the system")]
impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time::from_start(since_boot().saturating_sub(self.start))
    }

    fn date(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    async fn sleep_until(&self, at: Time) {
        tokio::time::sleep(at.since(self.now())).await;
    }
}

#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

fn since_boot() -> Duration {
    let now = clock_gettime(CLOCK);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// The future's answer, or nothing once `limit` has passed; then the future is dropped.
pub(crate) async fn within<T>(
    clock: &dyn Clock,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        answer = future => Some(answer),
        () = clock.sleep_until(clock.now() + limit) => None,
    }
}
