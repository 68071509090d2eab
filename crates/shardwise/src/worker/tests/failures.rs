//! Processors, readers and tables that fail.

use super::decoding::Strips;
use super::*;

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
async fn a_batch_that_was_not_begun_is_no_failure_and_is_never_passed_over() {
    let world = World::with_shards(1);
    let names = world.put(0, "r", 2);
    let skip = |config: &mut Config| config.processor.on_failure = OnFailure::Skip;
    let worker = world.start_with("a", skip, |_, _, attempt| match attempt {
        1 | 2 => Err(ProcessorError::not_begun("no turn yet")),
        _ => Ok(()),
    });
    world.wait_for(&names).await;
    let failing = || worker.board.shards().into_values().any(|shard| shard.failing.is_some());
    world.wait("it comes again", || world.log.all_handed()["r-000"] == 2 && !failing()).await;
    let made = || world.lease(0).is_some_and(|lease| lease.checkpoint > Checkpoint::Latest);
    world.wait("it is done", || made() && !failing()).await;
    assert_eq!(world.log.all_handed()["r-000"], 3);
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
async fn a_processor_that_breaks_while_no_records_come_is_replaced_and_a_stop_is_in_order() {
    let world = World::with_shards(1);
    let first = world.put(0, "first", 2);
    let worker = world.start("a");
    world.wait_for(&first).await;
    let at = |world: &World| world.lease(0).unwrap().checkpoint;
    world.wait("a checkpoint", || matches!(at(&world), Checkpoint::At { .. })).await;
    world.breaks.notify_one();
    let failing = || worker.board.shards().into_values().find_map(|shard| shard.failing);
    world.wait("it is visible", || failing().is_some_and(|failing| failing.times == 1)).await;
    let starts = |told: &Told| matches!(told, Told::Initialize { .. });
    world
        .wait("a second processor", || world.log.told().into_iter().filter(starts).count() == 2)
        .await;
    let second = world.put(0, "second", 2);
    world.wait_for(&second).await;
    assert!(world.log.all_handed().values().all(|&times| times == 1));
    worker.stopper.stop();
    assert!(ended(worker).await.in_order);
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
    assert!((5..=6).contains(&world.stream.reads(0)), "{}", world.stream.reads(0));
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
async fn a_first_sync_that_breaks_off_is_made_to_its_end() {
    let world = World::with_shards(4);
    world.table.fate([Fate::Answered, Fate::Throttled]);
    let _worker = world.start("a");
    let took = world.wait("every lease", || (0..4).all(|n| world.lease(n).is_some())).await;
    assert!(took < secs(5), "{took:?}");
}

/// Others have begun the first leases by the time that the rest of the sync is made.
#[tokio::test(start_paused = true)]
async fn a_first_sync_that_breaks_off_while_others_are_at_work_is_made_to_its_end() {
    let world = World::with_shards(4);
    world.put(0, "r", 3);
    world.table.fate([Fate::Answered, Fate::Throttled]);
    let slow = |config: &mut Config| config.coordinator.start_backoff = secs(30);
    let _first = world.start_with("a", slow, |_, _, _| Ok(()));
    world.wait("a lease", || world.lease(0).is_some()).await;
    let _second = world.start("b");
    world.wait("a checkpoint", || world.lease(0).unwrap().checkpoint > Checkpoint::Latest).await;
    assert!(world.lease(1).is_none());
    let took = world.wait("every lease", || (0..4).all(|n| world.lease(n).is_some())).await;
    assert!(took < secs(31), "{took:?}");
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
async fn a_reader_that_panics_goes_on() {
    let world = World::with_shards(1);
    let _worker = world.start("a");
    tokio::time::sleep(secs(2)).await;
    world.stream.panic_next_read();
    let names = world.put(0, "r", 3);
    world.wait_for(&names).await;
}

/// The renewal is sent in time and answered after the lease's time; meanwhile its consumer, with a
/// batch that was read before that, has given up, and takes longer over that than the answer.
#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_after_its_consumer_gave_up_is_processed_again() {
    let world = World { loss_takes: secs(4), ..World::with_shards(1) };
    let worker = world.worker("a", |_| {}).with_decoder(Strips);
    let _worker = run(worker, world.recorders(|_, _, _| Ok(())));
    let first = world.put(0, "first", 1);
    world.wait_for(&first).await;
    world.wait("a checkpoint", || world.lease(0).unwrap().checkpoint > Checkpoint::Latest).await;
    // Renewals are refused up to nine seconds after the last one; then one is answered slowly.
    world.table.fate([Fate::Throttled; 8]);
    world.table.fate([Fate::Slow(secs(3))]);
    tokio::time::sleep(Duration::from_millis(8_500)).await;
    let second = world.put(0, "second", 2);
    world
        .wait("the loss", || world.log.told().iter().any(|t| matches!(t, Told::LeaseLost { .. })))
        .await;
    let took = world.wait_for(&second).await;
    assert!(took <= secs(12), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_not_found_for_a_moment_is_not_taken_as_ended() {
    let world = World::with_shards(1);
    let _worker = world.start("a");
    world.wait("a holds it", || world.owner(0).is_some()).await;
    tokio::time::sleep(secs(3)).await;
    // The stream's list is a moment old as well: the shard is in neither answer.
    world.stream.hide(0, true);
    tokio::time::sleep(secs(20)).await;
    world.stream.hide(0, false);
    let names = world.put(0, "r", 3);
    world.wait_for(&names).await;
    assert_ne!(world.lease(0).unwrap().checkpoint, Checkpoint::ShardEnd);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_stays_away_is_taken_as_ended() {
    let world = World::with_shards(2);
    let _worker = world.start("a");
    world.wait("a holds it", || world.owner(0).is_some()).await;
    tokio::time::sleep(secs(3)).await;
    // The stream forgets a shard once it is closed: an open one is missing from its list.
    world.stream.split(0);
    world.stream.hide(0, true);
    world
        .wait("the end", || {
            world.lease(0).is_none_or(|lease| lease.checkpoint == Checkpoint::ShardEnd)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_take_that_only_a_read_proves_is_renewed_before_it_counts() {
    let world = World::with_shards(1);
    // The first take arrives with the second, which then is refused and not answered either.
    world.table.fate([Fate::Answered, Fate::Late, Fate::AnswerLost]);
    let names = world.put(0, "r", 1);
    let _worker = world.start("a");
    world.wait_for(&names).await;
    let sent: Vec<_> = world.table.writes().into_iter().map(|write| write.values).collect();
    let counter = |values: &Item| values.get(":leaseCounter").cloned();
    assert_eq!(counter(&sent[1]), counter(&sent[2]), "the same take twice");
    assert_eq!(counter(&sent[3]), Some(Value::N("2".to_owned())), "and a renewal on top");
    let is_other = [":leaseOwner", ":checkpoint"].iter().any(|name| sent[3].contains_key(*name));
    assert!(!is_other, "{:?}", sent[3]);
}
