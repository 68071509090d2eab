//! Faults of processes, of the table and of credentials, one at a time.

use std::time::Duration;

use shardwise_referee::WorkerEvent;
use shardwise_sim::order::Fault::Slow;
use shardwise_sim::plan::{FanOut, Happening};
use shardwise_sim::point::Call;
use shardwise_sim::refusals::{Calls, Refused};

use crate::scenario::{Ran, Scenario, millis, secs, shard};

fn refuse(worker: Option<usize>, calls: Calls, refused: Refused, lasts: Duration) -> Happening {
    Happening::Refuse { worker, calls, refused, lasts }
}

/// Asserts that records of each of the shards are handed within a minute after `t`, and that nobody
/// has ended by himself.
fn assert_goes_on(ran: &Ran, shards: usize, t: Duration) {
    for number in 0..shards {
        let tenures = ran.tenures_of(number);
        let hands = tenures.iter().flat_map(|tenure| &tenure.hands).map(|(at, _)| *at);
        let next = hands.filter(|at| *at >= t).min();
        assert!(next.is_some_and(|next| next <= t + secs(60)), "{}: {next:?}", shard(number));
    }
    let mut started = 0;
    for event in &ran.outcome().journals.workers {
        started += usize::from(matches!(event, WorkerEvent::Started { .. }));
    }
    assert_eq!(started, ran.outcome().plan.workers, "nobody had to be started again");
}

/// D1, K2: longer than a lease lives, so that every lease is lost and taken again.
#[test]
fn a_service_that_throttles_everybody_for_half_a_minute_ends_nothing() {
    for calls in [Calls::Table, Calls::Stream] {
        let burst = refuse(None, calls, Refused::Throttled, secs(30));
        let ran = Scenario::new(2, 2).at(secs(20), burst).run();
        assert_goes_on(&ran, 2, secs(50));
    }
}

/// A1: refused as expired, by both services, and good again after ten minutes.
#[test]
fn credentials_that_expire_for_ten_minutes_end_nothing() {
    for mode in [FanOut::Nobody, FanOut::Everybody] {
        let expired = refuse(Some(0), Calls::All, Refused::Denied, secs(600));
        let ran = Scenario::new(2, 1)
            .with(|plan| (plan.knobs.fan_out, plan.chaos) = (mode, secs(640)))
            .at(secs(20), expired)
            .run();
        assert_goes_on(&ran, 2, secs(620));
    }
}

/// A1: the others have its leases meanwhile.
#[test]
fn leases_of_a_worker_whose_credentials_expired_are_taken_by_others() {
    let expired = refuse(Some(0), Calls::All, Refused::Denied, secs(120));
    let ran = Scenario::new(4, 2).with(|plan| plan.chaos = secs(160)).at(secs(30), expired).run();
    for number in 0..4 {
        let row = ran.row_at(number, secs(100)).unwrap();
        assert_eq!(row.holder.as_deref(), Some("w1"), "{}", shard(number));
    }
    assert_goes_on(&ran, 4, secs(30));
}

/// A3: the shard is split while one kind of call is forbidden, to everybody.
#[test]
fn one_kind_of_call_that_is_denied_for_two_minutes_ends_nothing() {
    for mode in [FanOut::Nobody, FanOut::Everybody] {
        for calls in Calls::ONE {
            let denied = refuse(None, calls, Refused::Denied, secs(120));
            let ran = Scenario::new(1, 2)
                .with(|plan| (plan.knobs.fan_out, plan.chaos) = (mode, secs(160)))
                .at(secs(20), denied)
                .at(secs(30), Happening::Split { pick: 0 })
                .run();
            let ended = ran.ended_at(0).expect("the parent comes to its end");
            assert!(ended <= secs(200), "{calls:?}: {ended:?}");
            assert_goes_on(&ran, 1, Duration::ZERO);
            for child in [1, 2] {
                let mut tenures = ran.tenures_of(child).into_iter();
                assert!(tenures.any(|tenure| !tenure.hands.is_empty()), "{calls:?}");
            }
        }
    }
}

/// P6: what waits in the buffer when the machine falls asleep is nobody's when it wakes up, though
/// none of its timers has run off.
#[test]
fn a_machine_that_slept_hands_on_nothing_of_a_lease_that_expired_meanwhile() {
    let ran = Scenario::new(1, 2)
        .fault(secs(20), 0, Call::Process, Slow(secs(8)), 1)
        .fault(secs(20), 1, Call::Process, Slow(secs(8)), 1)
        .at(secs(24), Happening::Suspend { worker: 0, lasts: secs(30) })
        .run_with_faults_left();
    let tenures = ran.tenures_of(0);
    let slept = &tenures[0];
    assert_eq!(slept.worker, "w0");
    let late = slept.hands.iter().filter(|(at, _)| *at > secs(24)).count();
    assert_eq!(late, 0, "{slept:?}");
    assert!(tenures.iter().any(|tenure| tenure.worker == "w1"), "{tenures:?}");
    assert_goes_on(&ran, 1, secs(24));
}

/// P6: shorter than a lease lives; the renewal that was due meanwhile is late by as much.
#[test]
fn a_machine_that_slept_for_a_moment_keeps_its_leases() {
    let ran =
        Scenario::new(2, 1).at(secs(24), Happening::Suspend { worker: 0, lasts: secs(2) }).run();
    assert_eq!(ran.tenures().len(), 2);
    assert_eq!(ran.duplicates(), 0);
    assert_goes_on(&ran, 2, secs(26));
}

/// P4: each wake-up up to half a second late, for half a minute.
#[test]
fn a_starved_worker_keeps_its_leases() {
    let starved = Happening::Starve { worker: 0, most: millis(500), lasts: secs(30) };
    let ran = Scenario::new(2, 1).at(secs(25), starved).run();
    assert_eq!((ran.duplicates(), ran.tenures().len()), (0, 2), "{:?}", ran.tenures());
    assert_goes_on(&ran, 2, secs(25));
}

/// D9: its owner's next write is refused, and whoever takes the lease counts on from there.
#[test]
fn a_counter_that_a_hand_raised_ends_a_tenure_and_nothing_else() {
    let ran = Scenario::new(1, 2).at(secs(25), Happening::RaiseCounter { pick: 0 }).run();
    assert!(ran.tenures_of(0).len() > 1);
    assert!(ran.row_at(0, secs(200)).unwrap().counter > 1_000);
    assert_goes_on(&ran, 1, secs(25));
}

/// D9: the tenure is over, and the row still has its worker's name: nobody else took the lease.
#[test]
fn a_stop_releases_a_lease_whose_counter_a_hand_has_raised() {
    let raised = Scenario::new(1, 1).at(secs(25), Happening::RaiseCounter { pick: 0 });
    let down = secs(60);
    let ran = raised.at(secs(31), Happening::Stop { worker: 0, down }).run();
    assert_eq!(ran.row_at(0, secs(40)).unwrap().owner, None);
}

/// D9: deleted and made anew in one moment, without its owner.
#[test]
fn a_row_that_a_hand_made_anew_is_taken_from_its_checkpoint_on() {
    let ran = Scenario::new(1, 2).at(secs(25), Happening::RemakeRow { pick: 0 }).run();
    let tenures = ran.tenures_of(0);
    assert!(tenures.len() > 1);
    assert!(tenures[1..].iter().all(|tenure| tenure.start != tenures[0].start), "{tenures:?}");
    assert_goes_on(&ran, 1, secs(25));
}

/// D10: CREATING, as the service says for a while.
#[test]
fn workers_wait_for_a_table_that_is_in_the_making() {
    let ran = Scenario::new(2, 2).with(|plan| plan.knobs.creation = secs(40)).run();
    assert_goes_on(&ran, 2, secs(40));
    assert_eq!(ran.creations_of(0) + ran.creations_of(1), 2);
}

/// D8: a row to a page, and rows change between two pages.
#[test]
fn a_scan_whose_pages_are_of_different_moments_makes_no_lease_twice() {
    let mut scenario = Scenario::new(3, 2).with(|plan| plan.knobs.page_rows = Some(1));
    for (nth, at) in (20..60).step_by(10).enumerate() {
        scenario = scenario.at(secs(at), Happening::Split { pick: nth as u32 });
    }
    let ran = scenario.run();
    let shards = ran.outcome().journals.shards.len();
    assert_eq!(shards, 11);
    assert!((0..shards).all(|number| ran.creations_of(number) == 1));
    assert_eq!(ran.duplicates(), 0);
}
