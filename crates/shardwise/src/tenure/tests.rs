#![expect(clippy::disallowed_methods, reason = "tests run on tokio's paused time")]

use std::sync::Arc;
use std::time::Duration;

use shardwise_core::config::LeaseConfig;
use shardwise_core::id::{LeaseKey, WorkerId};
use shardwise_core::lease::{Change, Lease, PendingCheckpoint};
use shardwise_core::row;
use shardwise_core::sequence::{Checkpoint, SequenceNumber};
use shardwise_core::time::Timestamp;
use tokio::task::JoinHandle;

use super::*;
use crate::processor::{CheckpointError, Checkpointer};
use crate::testing::{Fate, MemoryTable, PausedClock};

struct Setup {
    table: Arc<MemoryTable>,
    tenure: Arc<Tenure>,
    kept: JoinHandle<TenureEnd>,
}

fn key() -> LeaseKey {
    LeaseKey::new("shardId-000000000000").unwrap()
}

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

fn at(sequence: u64) -> Checkpoint {
    Checkpoint::at(SequenceNumber::parse(&sequence.to_string()).unwrap())
}

/// A lease that worker `a` has just taken, with a failover time of 10 s.
fn setup() -> Setup {
    let lease = Lease::new(key(), Checkpoint::TrimHorizon)
        .taken_by(&worker("a"), Timestamp::from_millis(0));
    let table = Arc::new(MemoryTable::of(&lease));
    let clock = Arc::new(PausedClock::start());
    let ports = (Arc::clone(&table), Arc::clone(&clock));
    let now = clock.now();
    let (config, metrics) = (LeaseConfig::default(), Metrics::default());
    let (tenure, keeper) = Keeper::new(lease, now, ports.0, ports.1, config, metrics);
    Setup { table, tenure, kept: tokio::spawn(keeper.keep()) }
}

impl Setup {
    fn lease(&self) -> Lease {
        self.table.lease(&key()).unwrap()
    }

    fn is_held(&self) -> bool {
        self.tenure.is_held()
    }

    /// Another worker takes the lease, as it is now.
    fn steal(&self) {
        let stolen = row::take(&self.lease(), &worker("b"), Timestamp::from_millis(0));
        assert_eq!(self.table.apply(&stolen), Outcome::Written);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_thrice_per_failover_time() {
    let setup = setup();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(setup.lease().counter, 4);
    assert!(setup.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_is_lost_costs_nothing() {
    let setup = setup();
    setup.table.fate([Fate::AnswerLost; 9]);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(setup.is_held());
    assert_eq!(setup.lease().counter, 10);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_arrives_late_is_known_for_our_own() {
    let setup = setup();
    setup.table.fate([Fate::Late, Fate::Answered, Fate::Answered]);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(setup.is_held());
    assert_eq!(setup.tenure.write(Change::Checkpoint(at(5))).await.ok(), Some(()));
    assert_eq!(setup.lease().checkpoint, at(5));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_ends_when_it_expires() {
    let setup = setup();
    setup.table.fate([Fate::RequestLost; 200]);
    tokio::time::sleep(Duration::from_millis(9_990)).await;
    assert!(setup.is_held());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!setup.is_held());
    assert_eq!(setup.kept.await.unwrap(), TenureEnd::Expired);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_does_not_extend_the_lease() {
    let setup = setup();
    setup.table.fate([Fate::Hangs; 20]);
    tokio::time::sleep(Duration::from_millis(10_010)).await;
    assert!(!setup.is_held());
    assert_eq!(setup.kept.await.unwrap(), TenureEnd::Expired);
}

#[tokio::test(start_paused = true)]
async fn throttled_renewals_are_tried_again_in_time() {
    let setup = setup();
    setup.table.fate([Fate::Throttled; 5]);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(setup.is_held());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_once_another_worker_has_the_lease() {
    let setup = setup();
    setup.steal();
    let refused = setup.tenure.write(Change::Checkpoint(at(5))).await;
    assert!(matches!(refused, Err(WriteError::Lost)), "{refused:?}");
    assert!(!setup.is_held());
    assert_eq!(setup.lease().checkpoint, Checkpoint::TrimHorizon);
    assert_eq!(setup.lease().owner, Some(worker("b")));
    assert_eq!(setup.kept.await.unwrap(), TenureEnd::Taken { by: Some(worker("b")) });
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_whose_answer_is_lost_is_acknowledged_by_proof() {
    let setup = setup();
    setup.table.fate([Fate::AnswerLost]);
    assert_eq!(setup.tenure.write(Change::Checkpoint(at(5))).await.ok(), Some(()));
    assert_eq!(setup.lease().checkpoint, at(5));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_not_acknowledged_when_an_earlier_renewal_used_its_counter() {
    let setup = setup();
    // The renewal arrives in place of the checkpoint, and leaves owner and counter as expected.
    setup.table.fate([Fate::Late, Fate::AnswerLost]);
    tokio::time::sleep(Duration::from_millis(3_400)).await;
    let written = setup.tenure.write(Change::Checkpoint(at(5))).await;
    assert_eq!(written.ok(), Some(()));
    assert_eq!(setup.lease().checkpoint, at(5));
    assert_eq!(setup.lease().counter, 3);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_never_falls_behind_one_that_was_in_doubt() {
    let setup = setup();
    setup.table.fate([Fate::Late, Fate::Answered]);
    let unanswered = setup.tenure.write(Change::Checkpoint(at(9))).await;
    assert!(matches!(unanswered, Err(WriteError::Table(_))), "{unanswered:?}");
    let behind = setup.tenure.write(Change::Checkpoint(at(7))).await;
    assert!(matches!(&behind, Err(WriteError::Behind(place)) if *place == at(9)), "{behind:?}");
    assert_eq!(setup.lease().checkpoint, at(9));
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_has_no_owner_and_is_not_held() {
    let setup = setup();
    assert_eq!(setup.tenure.write(Change::Release).await.ok(), Some(()));
    assert!(!setup.is_held());
    assert_eq!(setup.lease().owner, None);
    assert_eq!(setup.kept.await.unwrap(), TenureEnd::Released);
    let writes = setup.table.writes().len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(setup.table.writes().len(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_gone_ends_the_tenure() {
    let setup = setup();
    setup.tenure.write(Change::Checkpoint(Checkpoint::ShardEnd)).await.unwrap();
    assert_eq!(setup.table.apply(&row::delete(&setup.lease())), Outcome::Written);
    assert_eq!(setup.kept.await.unwrap(), TenureEnd::RowGone);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_proven_late_counts_from_when_it_was_sent() {
    let setup = setup();
    // The first renewal is applied at 3.3 s; nothing answers, and nothing can be read, until 9 s.
    setup.table.fate([Fate::AnswerLost]);
    setup.table.fate([Fate::RequestLost; 40]);
    setup.table.refuse_reads(true);
    tokio::time::sleep(Duration::from_secs(9)).await;
    setup.table.refuse_reads(false);
    tokio::time::sleep(Duration::from_millis(4_250)).await;
    assert!(setup.is_held());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!setup.is_held(), "13.3 s after the start others may take it");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_always_turned_down_does_not_put_renewals_off() {
    let setup = setup();
    for _ in 0..40 {
        setup.table.fate([Fate::Rejected]);
        let pending = PendingCheckpoint { checkpoint: at(5), state: Some(vec![0; 9]) };
        assert!(setup.tenure.write(Change::Prepare(pending)).await.is_err());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(setup.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_release_that_arrives_late_ends_the_tenure() {
    let setup = setup();
    setup.table.fate([Fate::Late]);
    assert!(setup.tenure.write(Change::Release).await.is_err());
    assert_eq!(setup.kept.await.unwrap(), TenureEnd::Released);
    assert_eq!(setup.table.lease(&key()).unwrap().owner, None);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_taken_for_our_own_success() {
    let setup = setup();
    // Another process under our own name renews at the same moment.
    let twin = row::change(&setup.lease(), &Change::Renew);
    assert_eq!(setup.table.apply(&twin), Outcome::Written);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!setup.is_held());
}

/// A checkpointer of the lease's processor, to whom records up to 5 were delivered.
fn checkpointer(setup: &Setup) -> Checkpointer {
    let checkpointer = Checkpointer::new(Arc::clone(&setup.tenure), Checkpoint::TrimHorizon);
    checkpointer.deliver(at(5));
    checkpointer
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_is_turned_down_or_not_answered_is_tried_again_where_that_is_wanted() {
    let setup = setup();
    let checkpointer = checkpointer(&setup);
    setup.table.fate([Fate::Throttled]);
    let once = checkpointer.checkpoint().await;
    assert!(matches!(once, Err(CheckpointError::Table { .. })), "{once:?}");
    assert_eq!(setup.table.writes().len(), 1);
    setup.table.fate([Fate::Throttled, Fate::RequestLost, Fate::Throttled, Fate::Answered]);
    checkpointer.that_tries_again().checkpoint().await.unwrap();
    assert_eq!(setup.lease().checkpoint, at(5));
    assert_eq!(setup.table.writes().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_given_up_within_a_third_of_the_lease_and_the_lease_is_kept() {
    let setup = setup();
    setup.table.fate([Fate::Throttled; 9]);
    let began = tokio::time::Instant::now();
    let made = checkpointer(&setup).that_tries_again().checkpoint().await;
    let Err(CheckpointError::Table { source: TableError::Throttled, .. }) = made else {
        panic!("{made:?}")
    };
    assert!(began.elapsed() < Duration::from_secs(10) / 3, "{:?}", began.elapsed());
    let tries = setup.table.writes().len();
    assert!((6..=9).contains(&tries), "{tries}");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(setup.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_no_other_try_can_help_is_tried_once() {
    for fate in [Fate::Missing, Fate::Rejected] {
        let setup = setup();
        setup.table.fate([fate]);
        let made = checkpointer(&setup).that_tries_again().checkpoint().await;
        assert!(matches!(made, Err(CheckpointError::Table { .. })), "{made:?}");
        assert_eq!(setup.table.writes().len(), 1, "{fate:?}");
    }
    let setup = setup();
    setup.steal();
    let made = checkpointer(&setup).that_tries_again().checkpoint().await;
    assert!(matches!(made, Err(CheckpointError::LeaseLost { .. })), "{made:?}");
    assert_eq!(setup.table.writes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_try_is_waited_for_once_the_lease_is_gone() {
    let setup = setup();
    setup.table.fate([Fate::Throttled; 5]);
    let checkpointer = checkpointer(&setup).that_tries_again();
    let asked = tokio::spawn(async move { checkpointer.checkpoint().await });
    while setup.table.writes().len() < 5 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    setup.tenure.write(Change::Release).await.unwrap();
    let released = tokio::time::Instant::now();
    let made = asked.await.unwrap();
    assert!(matches!(made, Err(CheckpointError::LeaseLost { .. })), "{made:?}");
    assert!(released.elapsed() < Duration::from_millis(10), "{:?}", released.elapsed());
    assert_eq!(setup.lease().checkpoint, Checkpoint::TrimHorizon);
}
