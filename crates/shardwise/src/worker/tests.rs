//! Whole workers over a stream and a table in memory, on paused time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shardwise_core::config::{Config, InitialPosition, OnFailure};
use shardwise_core::id::{LeaseKey, ShardId, StreamName, WorkerId};
use shardwise_core::lease::Lease;
use shardwise_core::row::Value;
use shardwise_core::sequence::Checkpoint;
use tokio::task::JoinHandle;

use super::{Ports, Stopped, Stopper, Worker};
use crate::clock::Clock;
use crate::error::WorkerError;
use crate::kinesis::KinesisError;
use crate::processor::ProcessorError;
use crate::status::Board;
use crate::testing::{Fate, Log, MemoryStream, MemoryTable, PausedClock, Recorder, Told};

struct World {
    stream: Arc<MemoryStream>,
    table: Arc<MemoryTable>,
    clock: Arc<PausedClock>,
    log: Log,
    forgets_end: Arc<Mutex<u32>>,
}

struct Running {
    stopper: Stopper,
    board: Board,
    run: JoinHandle<Result<Stopped, WorkerError>>,
}

impl World {
    fn with_shards(count: usize) -> Self {
        Self {
            stream: Arc::new(MemoryStream::with_shards(count)),
            table: Arc::new(MemoryTable::default()),
            clock: Arc::new(PausedClock::start()),
            log: Log::default(),
            forgets_end: Arc::default(),
        }
    }

    fn start(&self, name: &str) -> Running {
        self.start_with(name, |_| {}, |_, _, _| Ok(()))
    }

    fn start_with(
        &self,
        name: &str,
        configure: impl FnOnce(&mut Config),
        act: impl Fn(&ShardId, &[String], u32) -> Result<(), ProcessorError> + Send + Sync + 'static,
    ) -> Running {
        let stream = StreamName::new("orders").unwrap();
        let mut config = Config::new("app", stream, WorkerId::new(name).unwrap());
        config.initial_position = InitialPosition::TrimHorizon;
        configure(&mut config);
        let ports = Ports {
            kinesis: Arc::clone(&self.stream) as _,
            table: Arc::clone(&self.table) as _,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
        };
        let worker = Worker::new(config, ports, 1).unwrap();
        let (stopper, board) = (worker.stopper(), worker.board());
        let (log, forgets_end) = (self.log.clone(), Arc::clone(&self.forgets_end));
        let act: Arc<crate::testing::Act> = Arc::new(act);
        let run = worker.run(move |shard| {
            Box::new(Recorder {
                shard: shard.clone(),
                log: log.clone(),
                act: Arc::clone(&act),
                forgets_end: Arc::clone(&forgets_end),
            })
        });
        Running { stopper, board, run: tokio::spawn(run) }
    }

    /// Puts records named `PREFIX-0` and so on to a shard.
    fn put(&self, shard: usize, prefix: &str, count: usize) -> BTreeSet<String> {
        let names: BTreeSet<String> = (0..count).map(|n| format!("{prefix}-{n:03}")).collect();
        for name in &names {
            self.stream.put(shard, name);
        }
        names
    }

    fn lease(&self, shard: usize) -> Option<Lease> {
        self.table.lease(&LeaseKey::new(format!("shardId-{shard:012}")).unwrap())
    }

    fn owner(&self, shard: usize) -> Option<String> {
        self.lease(shard)?.owner.map(|owner| owner.to_string())
    }

    async fn wait(&self, what: &str, is_so: impl Fn() -> bool) -> Duration {
        let start = self.clock.now();
        while !is_so() {
            let waited = self.clock.now().since(start);
            assert!(waited < Duration::from_secs(600), "not after ten minutes: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.clock.now().since(start)
    }

    async fn wait_for(&self, names: &BTreeSet<String>) -> Duration {
        self.wait("everything is handed over", || self.log.handed().is_superset(names)).await
    }

    fn position_of(&self, is_it: impl Fn(&Told) -> bool) -> usize {
        self.log.told().iter().position(is_it).expect("it was told")
    }
}

fn of_shard(told: &Told) -> &str {
    match told {
        Told::Initialize { shard, .. }
        | Told::Records { shard, .. }
        | Told::ShutdownRequested { shard }
        | Told::ShardEnded { shard }
        | Told::LeaseLost { shard } => shard,
    }
}

/// How a stopped worker ended; on paused time one that goes on would go on for ever.
async fn ended(worker: Running) -> Stopped {
    let run = tokio::time::timeout(secs(120), worker.run).await;
    run.expect("it ends").unwrap().unwrap()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_new_application_hands_everything_over_and_checkpoints_it() {
    let world = World::with_shards(4);
    let names: BTreeSet<_> = (0..4).flat_map(|n| world.put(n, &format!("s{n}"), 25)).collect();
    let _worker = world.start("a");
    let took = world.wait_for(&names).await;
    assert!(took < secs(1), "{took:?}");
    assert_eq!(world.log.all_handed().values().max(), Some(&1));
    world
        .wait("checkpoints", || {
            (0..4).all(|n| matches!(world.lease(n).unwrap().checkpoint, Checkpoint::At { .. }))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn children_start_after_their_parents_through_a_split_and_a_merge() {
    let world = World::with_shards(2);
    let mut names = world.put(0, "before", 10);
    let _worker = world.start("a");
    world.stream.split(0); // into 2 and 3
    names.extend(world.put(2, "left", 10));
    names.extend(world.put(3, "right", 10));
    world.stream.merge(2, 3); // into 4
    names.extend(world.put(4, "merged", 10));
    world.wait_for(&names).await;
    for (parent, child) in [(0, 2), (0, 3), (2, 4), (3, 4)] {
        let (parent, child) = (format!("shardId-{parent:012}"), format!("shardId-{child:012}"));
        let ended = world.position_of(|told| *told == Told::ShardEnded { shard: parent.clone() });
        let began = world.position_of(|told| of_shard(told) == child);
        assert!(ended < began, "{child} began before {parent} had ended");
    }
    assert_eq!(world.lease(0).unwrap().checkpoint, Checkpoint::ShardEnd);
    assert_eq!(world.lease(0).unwrap().children.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_comes_again_and_other_shards_go_on() {
    let world = World::with_shards(2);
    let mut names = world.put(0, "poison", 3);
    names.extend(world.put(1, "fine", 3));
    let worker = world.start_with(
        "a",
        |_| {},
        |_, data, attempt| {
            if data[0].starts_with("poison") && attempt < 4 {
                return Err(ProcessorError::retry("no good"));
            }
            Ok(())
        },
    );
    let fine = names.iter().filter(|name| name.starts_with("fine")).cloned().collect();
    world.wait_for(&fine).await;
    world
        .wait("a failure shows", || {
            worker
                .board
                .shards()
                .values()
                .any(|shard| shard.failing.as_ref().is_some_and(|failing| failing.times >= 2))
        })
        .await;
    world
        .wait("success", || {
            world.lease(0).is_some_and(|lease| lease.checkpoint > Checkpoint::Latest)
        })
        .await;
    let mut batches = Vec::new();
    for told in world.log.told() {
        if let Told::Records { data, attempt, .. } = told
            && data[0].starts_with("poison")
        {
            batches.push((data.len(), attempt));
        }
    }
    assert_eq!(batches, [(3, 1), (3, 2), (3, 3), (3, 4)]);
    assert!(worker.board.shards().values().all(|shard| shard.failing.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_passed_over_only_when_configured() {
    let world = World::with_shards(1);
    world.put(0, "poison", 1);
    let skip = |config: &mut Config| config.processor.on_failure = OnFailure::Skip;
    let _worker = world.start_with("a", skip, |_, data, _| match data[0].as_str() {
        "poison-000" => Err(ProcessorError::retry("no good")),
        _ => Ok(()),
    });
    world.wait("the poison is handed over", || !world.log.handed().is_empty()).await;
    let next = world.put(0, "next", 1);
    world.wait_for(&next).await;
    assert_eq!(world.log.all_handed()["poison-000"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_panics_is_replaced_by_one_that_starts_at_the_checkpoint() {
    let world = World::with_shards(1);
    let first = world.put(0, "first", 2);
    let panicked = Mutex::new(false);
    let _worker = world.start_with(
        "a",
        |_| {},
        move |_, data, _| {
            let again = std::mem::replace(&mut *panicked.lock().unwrap(), true);
            assert!(again || !data[0].starts_with("second"), "on purpose");
            if data[0].starts_with("first") {
                *panicked.lock().unwrap() = false;
            }
            Ok(())
        },
    );
    world.wait_for(&first).await;
    world
        .wait("a checkpoint", || {
            matches!(world.lease(0).unwrap().checkpoint, Checkpoint::At { .. })
        })
        .await;
    let second = world.put(0, "second", 2);
    world.wait_for(&second).await;
    world
        .wait("a second processor", || {
            let told = world.log.told();
            told.iter().filter(|told| matches!(told, Told::Initialize { .. })).count() == 2
        })
        .await;
    world.wait("the batch again", || world.log.all_handed()["second-000"] == 2).await;
    assert_eq!(world.log.all_handed()["first-000"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_shard_end_without_a_checkpoint_is_told_again_until_it_has_one() {
    let world = World::with_shards(1);
    *world.forgets_end.lock().unwrap() = 2;
    world.put(0, "r", 2);
    let _worker = world.start("a");
    world.stream.split(0);
    world
        .wait("the end", || {
            world.lease(0).is_some_and(|lease| lease.checkpoint == Checkpoint::ShardEnd)
        })
        .await;
    let told = world.log.told();
    let ends = told.iter().filter(|told| matches!(told, Told::ShardEnded { .. })).count();
    assert_eq!(ends, 3);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_worker_releases_its_leases_and_another_has_them_within_seconds() {
    let world = World::with_shards(4);
    let a = world.start("a");
    world.wait("a holds all", || (0..4).all(|n| world.owner(n).as_deref() == Some("a"))).await;
    let b = world.start("b");
    let before = world.put(0, "before", 5);
    world.wait_for(&before).await;
    a.stopper.stop();
    assert_eq!(ended(a).await, Stopped { in_order: true });
    assert!((0..4).all(|n| world.owner(n).as_deref() != Some("a")));
    let took =
        world.wait("b holds all", || (0..4).all(|n| world.owner(n).as_deref() == Some("b"))).await;
    assert!(took <= secs(2), "{took:?}");
    let after = world.put(0, "after", 5);
    world.wait_for(&after).await;
    assert_eq!(world.log.all_handed().values().max(), Some(&1), "a hand-over repeats nothing");
    let told = world.log.told();
    let asked = told.iter().filter(|told| matches!(told, Told::ShutdownRequested { .. })).count();
    let lost = told.iter().filter(|told| matches!(told, Told::LeaseLost { .. })).count();
    assert!(asked >= 1 && lost >= asked, "{asked} asked, {lost} lost");
    b.stopper.stop();
    assert_eq!(ended(b).await, Stopped { in_order: true });
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_vanishes_is_replaced_within_forty_seconds() {
    let world = World::with_shards(4);
    let a = world.start("a");
    world.wait("a holds all", || (0..4).all(|n| world.owner(n).as_deref() == Some("a"))).await;
    let _b = world.start("b");
    tokio::time::sleep(secs(15)).await;
    a.run.abort();
    let took =
        world.wait("b holds all", || (0..4).all(|n| world.owner(n).as_deref() == Some("b"))).await;
    assert!(took <= secs(40), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn workers_come_to_share_the_leases() {
    let world = World::with_shards(6);
    let _workers: Vec<_> = ["a", "b", "c"].map(|name| world.start(name)).into();
    let count = |name: &str| (0..6).filter(|&n| world.owner(n).as_deref() == Some(name)).count();
    world.wait("two leases each", || ["a", "b", "c"].iter().all(|name| count(name) == 2)).await;
    tokio::time::sleep(secs(120)).await;
    assert!(["a", "b", "c"].iter().all(|name| count(name) == 2), "the shares do not last");
}

#[tokio::test(start_paused = true)]
async fn lost_answers_cost_neither_a_lease_nor_a_record() {
    let world = World::with_shards(2);
    let mut names = BTreeSet::new();
    world.table.fate([Fate::Answered; 4]);
    let _worker = world.start("a");
    world.wait("a holds all", || (0..2).all(|n| world.owner(n).is_some())).await;
    world.table.fate([Fate::AnswerLost, Fate::RequestLost, Fate::Late, Fate::Answered].repeat(50));
    for round in 0..60 {
        names.extend(world.put(round % 2, &format!("r{round:03}"), 2));
        tokio::time::sleep(secs(1)).await;
    }
    world.wait_for(&names).await;
    assert!(!world.log.told().iter().any(|told| matches!(told, Told::LeaseLost { .. })));
    assert_eq!(world.log.all_handed().values().max(), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_processor_holds_the_reading_back() {
    let world = World::with_shards(1);
    let _worker = world.start_with(
        "a",
        |config| config.polling.max_records = 10,
        |_, _, attempt| match attempt {
            1 => Err(ProcessorError::retry("never done")),
            _ => Err(ProcessorError::retry("never")),
        },
    );
    world.put(0, "r", 500);
    tokio::time::sleep(secs(300)).await;
    // Four batches wait, one is in hand, and each took one read.
    assert!(world.stream.reads(0) <= 6, "{}", world.stream.reads(0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_shard_is_asked_once_a_second() {
    let world = World::with_shards(1);
    let _worker = world.start("a");
    tokio::time::sleep(secs(100)).await;
    let reads = world.stream.reads(0);
    assert!((90..=101).contains(&reads), "{reads}");
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_stream_end_nothing() {
    let world = World::with_shards(1);
    let _worker = world.start("a");
    let first = world.put(0, "first", 5);
    world.wait_for(&first).await;
    world.stream.fail((0..5).flat_map(|_| {
        [
            KinesisError::Expired,
            KinesisError::Throttled,
            KinesisError::Unanswered("reset".into()),
            KinesisError::Invalid("odd".to_owned()),
            KinesisError::NotFound("for a moment".to_owned()),
        ]
    }));
    let second = world.put(0, "second", 5);
    world.wait_for(&second).await;
    assert_eq!(world.log.all_handed().values().max(), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn finished_leases_are_deleted_once_their_children_are_under_way() {
    let world = World::with_shards(1);
    let _worker = world.start("a");
    world.put(0, "r", 2);
    world.stream.split(0);
    world.wait("children", || (1..3).all(|n| world.owner(n).is_some())).await;
    tokio::time::sleep(secs(700)).await;
    assert!(world.lease(0).is_some(), "a parent goes before its children have begun");
    world.put(1, "left", 1);
    world.put(2, "right", 1);
    world.wait("the cleanup", || world.lease(0).is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_by_hand_is_made_again() {
    let world = World::with_shards(2);
    let _worker = world.start("a");
    world.wait("a holds all", || (0..2).all(|n| world.owner(n).is_some())).await;
    world.table.delete(&LeaseKey::new("shardId-000000000001").unwrap());
    world.wait("the repair", || world.owner(1).is_some()).await;
    let names = world.put(1, "r", 3);
    world.wait_for(&names).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_does_not_wait() {
    let world = World::with_shards(1);
    let worker = world.start_with("a", |_| {}, |_, _, _| Ok(()));
    world.wait("a holds it", || world.owner(0).is_some()).await;
    world.table.fate([Fate::Hangs; 50]);
    worker.stopper.stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    worker.stopper.stop();
    assert_eq!(ended(worker).await, Stopped { in_order: false });
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_confirm_a_batch_that_failed() {
    let world = World::with_shards(1);
    let fine = world.put(0, "fine", 1);
    let worker = world.start_with(
        "a",
        |_| {},
        |_, data, _| match data[0].as_str() {
            "fine-000" => Ok(()),
            _ => Err(ProcessorError::retry("no good")),
        },
    );
    world.wait_for(&fine).await;
    world.wait("a checkpoint", || world.lease(0).unwrap().checkpoint > Checkpoint::Latest).await;
    let poison = world.put(0, "poison", 1);
    world.wait_for(&poison).await;
    let before = world.lease(0).unwrap().checkpoint;
    worker.stopper.stop();
    assert_eq!(ended(worker).await, Stopped { in_order: true });
    assert_eq!(world.lease(0).unwrap().checkpoint, before);
}

#[tokio::test(start_paused = true)]
async fn at_latest_a_batch_that_killed_its_processor_comes_again() {
    let world = World::with_shards(1);
    let failed = Mutex::new(false);
    let latest = |config: &mut Config| config.initial_position = InitialPosition::Latest;
    let _worker = world.start_with("a", latest, move |_, _, _| {
        if std::mem::replace(&mut *failed.lock().unwrap(), true) {
            Ok(())
        } else {
            Err(ProcessorError::restart("died"))
        }
    });
    tokio::time::sleep(secs(5)).await;
    world.put(0, "first", 3);
    world
        .wait("the batch again", || {
            world.log.all_handed().get("first-000").is_some_and(|times| *times == 2)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn at_latest_a_read_that_times_out_or_expires_skips_nothing() {
    let world = World::with_shards(1);
    let latest = |config: &mut Config| config.initial_position = InitialPosition::Latest;
    let _worker = world.start_with("a", latest, |_, _, _| Ok(()));
    tokio::time::sleep(secs(5)).await;
    world.stream.hang_next_read();
    tokio::time::sleep(secs(2)).await;
    let hidden = world.put(0, "hidden", 3);
    world.wait_for(&hidden).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_sync_that_breaks_off_is_made_to_its_end() {
    let world = World::with_shards(4);
    world.table.fate([Fate::Answered, Fate::Throttled]);
    let _worker = world.start("a");
    let took = world.wait("every lease", || (0..4).all(|n| world.lease(n).is_some())).await;
    assert!(took < secs(5), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_table_of_another_kind_of_application_is_left_alone() {
    let world = World::with_shards(1);
    let text = |text: &str| Value::S(text.to_owned());
    let key = "111122223333:orders:1700000000:shardId-000000000007";
    let item = [
        ("leaseKey", text(key)),
        ("streamName", text("111122223333:orders:1700000000")),
        ("shardId", text("shardId-000000000007")),
        ("leaseCounter", Value::N("3".to_owned())),
        ("ownerSwitchesSinceCheckpoint", Value::N("0".to_owned())),
        ("checkpoint", text("TRIM_HORIZON")),
    ];
    let item = item.map(|(name, value)| (name.to_owned(), value)).into();
    world.table.put(key, item);
    let run = tokio::time::timeout(secs(60), world.start("a").run).await;
    let error = run.expect("it ends at once").unwrap().unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains(key), "{error}");
    assert!(world.lease(0).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_dies_of_each_batch_is_replaced_less_and_less_often() {
    let world = World::with_shards(1);
    world.put(0, "poison", 1);
    let worker = world.start_with("a", |_| {}, |_, _, _| Err(ProcessorError::restart("died")));
    tokio::time::sleep(secs(120)).await;
    let told = world.log.told();
    let starts = told.iter().filter(|told| matches!(told, Told::Initialize { .. })).count();
    assert!((8..=12).contains(&starts), "{starts}");
    let failing = worker.board.shards().into_values().find_map(|shard| shard.failing);
    assert!(failing.is_some_and(|failing| failing.times >= 8));
}

#[tokio::test(start_paused = true)]
async fn a_stop_releases_the_leases_of_finished_shards_too() {
    let world = World::with_shards(1);
    let worker = world.start("a");
    world.put(0, "r", 2);
    world.stream.split(0);
    world.wait("children", || (1..3).all(|n| world.owner(n).is_some())).await;
    world.table.fate([Fate::Throttled, Fate::Throttled]);
    worker.stopper.stop();
    assert_eq!(ended(worker).await, Stopped { in_order: true });
    assert!((0..3).all(|n| world.owner(n).is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_panics_goes_on() {
    let world = World::with_shards(1);
    let _worker = world.start("a");
    tokio::time::sleep(secs(2)).await;
    world.stream.panic_next_read();
    let names = world.put(0, "r", 3);
    world.wait_for(&names).await;
}
