//! LATEST before the first checkpoint: the tip moves on, and nothing behind the first one is
//! skipped.

use super::delivery::fan_out;
use super::*;

fn latest(config: &mut Config) {
    config.initial_position = InitialPosition::Latest;
}

/// By polling, and by fan-out.
const BOTH: [fn(&mut Config); 2] = [latest, |config| {
    latest(config);
    fan_out(config);
}];

#[tokio::test(start_paused = true)]
async fn at_latest_a_batch_that_killed_its_processor_comes_again() {
    for mode in BOTH {
        comes_again_at_latest(mode).await;
    }
}

async fn comes_again_at_latest(mode: fn(&mut Config)) {
    let world = World::with_shards(1);
    let failed = Mutex::new(false);
    let _worker = world.start_with("a", mode, move |_, _, _| {
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
async fn at_latest_a_read_that_times_out_skips_nothing() {
    let world = World::with_shards(1);
    let _worker = world.start_with("a", latest, |_, _, _| Ok(()));
    tokio::time::sleep(secs(5)).await;
    world.stream.hang_next_read();
    tokio::time::sleep(secs(2)).await;
    let hidden = world.put(0, "hidden", 3);
    world.wait_for(&hidden).await;
}

#[tokio::test(start_paused = true)]
async fn at_latest_a_read_that_fails_for_good_skips_nothing() {
    type Fail = fn(&MemoryStream);
    let failures: [(&str, Fail); 3] = [
        ("expired", |stream| stream.fail([KinesisError::Expired])),
        ("invalid", |stream| stream.fail([KinesisError::Invalid("odd".to_owned())])),
        ("panic", |stream| stream.panic_next_read()),
    ];
    for (name, fail) in failures {
        let world = World::with_shards(1);
        let _worker = world.start_with("a", latest, |_, _, _| Ok(()));
        tokio::time::sleep(secs(5)).await;
        fail(&world.stream);
        world.wait("the failure", || world.stream.has_failed()).await;
        let hidden = world.put(0, name, 3);
        world.wait_for(&hidden).await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_latest_what_arrives_while_a_processor_is_replaced_is_not_skipped() {
    let world = World::with_shards(1);
    let failed = Mutex::new(false);
    let configure = |config: &mut Config| {
        latest(config);
        config.processor.call_for_empty_batches = true;
        config.processor.backoff = secs(5);
    };
    let has_failed = Arc::new(Mutex::new(false));
    let told = Arc::clone(&has_failed);
    let _worker = world.start_with("a", configure, move |_, _, _| {
        *told.lock().unwrap() = true;
        if std::mem::replace(&mut *failed.lock().unwrap(), true) {
            Ok(())
        } else {
            Err(ProcessorError::restart("died of an empty batch"))
        }
    });
    world.wait("the failure", || *has_failed.lock().unwrap()).await;
    let meanwhile = world.put(0, "meanwhile", 3);
    world.wait_for(&meanwhile).await;
}

#[tokio::test(start_paused = true)]
async fn at_latest_what_arrives_before_another_worker_takes_over_is_not_skipped() {
    for mode in BOTH {
        let world = World::with_shards(1);
        let first = world.start_with("a", mode, |_, _, _| Ok(()));
        world.wait("the lease", || world.owner(0).is_some()).await;
        first.run.abort();
        tokio::time::sleep(secs(5)).await;
        let meanwhile = world.put(0, "meanwhile", 3);
        let _second = world.start_with("b", mode, |_, _, _| Ok(()));
        world.wait_for(&meanwhile).await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_latest_with_a_date_that_is_to_come_for_the_service_nothing_waits_or_is_skipped() {
    for mode in BOTH {
        let world = World::with_shards(1);
        world.stream.lag_behind(secs(3_600));
        let _worker = world.start_with("a", mode, |_, _, _| Ok(()));
        tokio::time::sleep(secs(5)).await;
        let put = world.put(0, "put", 3);
        world.wait_for(&put).await;
    }
}

/// The service takes LATEST's date for one to come while it is asked, and no longer soon after.
#[tokio::test(start_paused = true)]
async fn at_latest_with_a_clock_that_is_a_little_ahead_nothing_behind_the_date_is_skipped() {
    for mode in BOTH {
        for way in [0, 60, 130, 190, 250, 350] {
            skips_nothing_behind_the_date(mode, Duration::from_millis(way)).await;
        }
    }
}

async fn skips_nothing_behind_the_date(mode: fn(&mut Config), way: Duration) {
    let world = World::with_shards(1);
    world.stream.lag_behind(Duration::from_millis(400));
    world.stream.be_far(way);
    let _worker = world.start_with("a", mode, |_, _, _| Ok(()));
    world.wait("the date", || world.lease(0).is_some_and(|it| it.latest_since.is_some())).await;
    let date = world.lease(0).unwrap().latest_since.unwrap();
    let mut is_as_new = BTreeSet::new();
    for number in 0..30 {
        let put = world.put(0, &number.to_string(), 1);
        if world.stream.date_now() >= date {
            is_as_new.extend(put);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!((24..30).contains(&is_as_new.len()), "{}", is_as_new.len());
    world.wait_for(&is_as_new).await;
}
