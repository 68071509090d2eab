//! Turns: how many children may work on records at the same time, and what is said when none of
//! those that have one gets on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardwise::ShardId;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};
use tracing::error;

/// After so long without an answer a call is told of, as `processor is busy` is.
const LONG: Duration = Duration::from_secs(60);
/// While nothing changes it is said so often.
const SAID_AGAIN: Duration = Duration::from_secs(300);
/// So many shards are named.
const NAMED_MAX: usize = 10;

/// The turns of a daemon.
#[derive(Debug)]
pub struct Turns {
    places: Semaphore,
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Who has a turn, and since when, in the order of coming.
    held: BTreeMap<u64, (ShardId, Instant)>,
    next: u64,
    waiting: usize,
    /// When it was said that nobody gets on; none again once a turn has ended.
    said_at: Option<Instant>,
}

/// How the turns stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnsStanding {
    /// How many there are.
    pub most: usize,
    /// Who has one, and for how long.
    pub held: Vec<(ShardId, Duration)>,
    /// How many shards wait for one.
    pub waiting: usize,
    /// Whether shards wait while every turn is held by a call without an answer for a minute.
    pub are_stuck: bool,
}

impl Turns {
    /// So many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { places: Semaphore::new(most), most, state: Mutex::default() }
    }

    /// How they stand.
    #[must_use]
    pub fn standing(&self) -> TurnsStanding {
        self.lock().standing(self.most, Instant::now())
    }

    /// Waits for a turn, in the order of coming; nothing if `stop` comes first.
    pub(crate) async fn take(
        &self,
        shard: &ShardId,
        stop: impl Future<Output = ()>,
    ) -> Option<Turn<'_>> {
        let waits = Waits::begin(self);
        let place = self.places.acquire();
        tokio::pin!(stop, place);
        let place = loop {
            let look_at = self.lock().look_at(self.most, Instant::now());
            tokio::select! {
                biased;
                () = &mut stop => return None,
                place = &mut place => break place,
                () = sleep_until(look_at) => self.look(),
            }
        };
        drop(waits);
        let _place = place.expect("nobody closes the semaphore");
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.held.insert(number, (shard.clone(), Instant::now()));
        drop(state);
        Some(Turn { turns: self, number, _place })
    }

    /// Says it if nobody gets on.
    fn look(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        let TurnsStanding { most, held, waiting, are_stuck } = state.standing(self.most, now);
        if !are_stuck || state.said_at.is_some_and(|at| now < at + SAID_AGAIN) {
            return;
        }
        state.said_at = Some(now);
        drop(state);
        let mut names: Vec<String> = held
            .iter()
            .take(NAMED_MAX)
            .map(|(shard, held)| format!("{shard} for {} s", held.as_secs()))
            .collect();
        if held.len() > NAMED_MAX {
            names.push(format!("{} more", held.len() - NAMED_MAX));
        }
        error!(
            turns = most,
            held_by = names.join(", "),
            waiting,
            "every turn (`maxActiveThreads`) is held by a child that has not answered for a \
             minute: the shards that wait get nothing; `timeoutInSeconds` ends such children"
        );
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn standing(&self, most: usize, now: Instant) -> TurnsStanding {
        let held = self.held.values().map(|(shard, since)| (shard.clone(), now - *since));
        let held: Vec<_> = held.collect();
        let are_long = held.iter().all(|(_, held)| *held >= LONG);
        let are_stuck = self.waiting > 0 && held.len() == most && are_long;
        TurnsStanding { most, held, waiting: self.waiting, are_stuck }
    }

    /// When somebody who waits should look next whether anybody gets on.
    fn look_at(&self, most: usize, now: Instant) -> Instant {
        let youngest = self.held.values().map(|(_, since)| *since + LONG).max();
        let due = match self.said_at {
            Some(said_at) => Some(said_at + SAID_AGAIN),
            None => youngest.filter(|_| self.held.len() == most),
        };
        let latest = now + LONG;
        due.map_or(latest, |due| due.min(latest))
    }
}

/// Somebody waits.
struct Waits<'a>(&'a Turns);

impl<'a> Waits<'a> {
    fn begin(turns: &'a Turns) -> Self {
        turns.lock().waiting += 1;
        Self(turns)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    number: u64,
    _place: SemaphorePermit<'a>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.held.remove(&self.number);
        state.said_at = None;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io::{self, Write};
    use std::sync::Arc;

    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::scripted::shard;

    /// What was logged on this thread.
    #[derive(Clone, Default)]
    struct Logged(Arc<Mutex<Vec<u8>>>);

    impl Logged {
        fn errors(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let errors = text.lines().filter(|line| line.contains("ERROR"));
            errors.map(ToOwned::to_owned).collect()
        }
    }

    impl Write for Logged {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn turns_whose_children_do_not_answer_are_told_of_while_others_wait() {
        let logged = Logged::default();
        let writer = logged.clone();
        let writer = move || writer.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let turns = Arc::new(Turns::new(2));
        let first = turns.take(&shard(0), pending()).await.unwrap();
        sleep(secs(30)).await;
        let second = turns.take(&shard(1), pending()).await.unwrap();
        sleep(secs(70)).await;
        assert!(!turns.standing().are_stuck, "nobody waits");
        let waits: Vec<_> = [2, 3, 4]
            .map(|number| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move {
                    let _turn = turns.take(&shard(number), pending()).await.unwrap();
                    pending::<()>().await;
                })
            })
            .into();
        sleep(secs(1)).await;
        let standing = turns.standing();
        assert!(standing.are_stuck && standing.waiting == 3, "{standing:?}");
        let told = logged.errors();
        assert_eq!(told.len(), 1, "{told:?}");
        for part in ["turns=2", "shardId-0 for 100 s, shardId-1 for 70 s", "waiting=1"] {
            assert!(told[0].contains(part), "{part}: {told:?}");
        }
        assert!(told[0].contains("timeoutInSeconds"), "{told:?}");
        sleep(secs(290)).await;
        assert_eq!(logged.errors().len(), 1, "nothing is new");
        sleep(secs(20)).await;
        assert_eq!(logged.errors().len(), 2, "it goes on");
        // One of them answers: whoever waits longest has its turn.
        drop(first);
        sleep(secs(50)).await;
        let standing = turns.standing();
        assert_eq!(standing.held.last().map(|(shard, _)| shard.clone()), Some(shard(2)));
        assert!(!standing.are_stuck, "{standing:?}");
        assert_eq!(logged.errors().len(), 2);
        sleep(secs(80)).await;
        assert_eq!(logged.errors().len(), 3, "it happens anew");
        for wait in waits {
            wait.abort();
        }
        drop(second);
        assert!(timeout(secs(1), turns.take(&shard(5), pending())).await.is_ok());
    }
}
