//! K8: retention passes the reader, with records of every kind and in reads of every size.

use std::time::Duration;

use shardwise_sim::plan::{Family, FanOut, Happening, Load};

use crate::scenario::{Ran, Scenario, millis, secs};

const BOTH: [FanOut; 2] = [FanOut::Nobody, FanOut::Everybody];
const LARGEST: Happening = Happening::PutLoad { pick: 0, load: Load::Largest };

/// One shard and one worker, on a stream that keeps records for so long.
fn kept_for(retention: Duration, mode: FanOut) -> Scenario {
    Scenario::new(1, 1).with(|plan| {
        (plan.knobs.fan_out, plan.knobs.retention) = (mode, retention);
        (plan.knobs.idle, plan.records_per_second) = (millis(200), 2);
    })
}

fn with_aggregates(scenario: Scenario) -> Scenario {
    scenario.with(|plan| {
        plan.families.insert(Family::Aggregates);
        // Checkpoints inside of them.
        plan.habits.inside = 500_000;
    })
}

fn one_at_a_time(scenario: Scenario) -> Scenario {
    scenario.with(|plan| plan.knobs.records_max = 1)
}

const KINDS: [fn(Scenario) -> Scenario; 3] = [|it| it, with_aggregates, one_at_a_time];

/// A worker that is away for longer than records are kept.
fn too_late(mode: FanOut) -> Scenario {
    kept_for(secs(60), mode)
        .with(|plan| plan.chaos = secs(260))
        .at(secs(20), Happening::Kill { worker: 0, down: secs(200) })
}

/// A worker that cannot read until retention has come close to what it read last. It tries again
/// every forty seconds.
fn just_in_time(mode: FanOut) -> Scenario {
    let cut_off = Happening::Partition { worker: 0, table: false, stream: true, lasts: secs(350) };
    kept_for(secs(400), mode).with(|plan| plan.chaos = secs(410)).at(secs(20), cut_off)
}

/// Behind the checkpoint something is gone, up to the first record that was handed then.
fn the_gap_was_told(ran: &Ran) {
    let (tenures, gap) = (ran.tenures_of(0), &ran.gaps()[0]);
    assert_eq!((&gap.after, gap.before.as_ref()), (tenures[1].start, tenures[1].first()));
}

/// Each record was handed once, and none is missed.
fn nothing_was_lost(ran: &Ran) {
    let counts = &ran.outcome().verdict.counts;
    assert_eq!((ran.tenures_of(0).len(), ran.gaps()), (1, &[][..]));
    assert_eq!((counts.trimmed, ran.duplicates()), (0, 0));
    assert_eq!(counts.distinct, ran.outcome().journals.puts.len());
}

#[test]
fn what_expired_unread_is_told_of_in_aggregates_and_where_records_are_read_one_by_one() {
    for (mode, kind) in BOTH.into_iter().flat_map(|mode| KINDS.map(|kind| (mode, kind))) {
        let ran = kind(too_late(mode)).run();
        assert!(ran.outcome().verdict.counts.trimmed > 100);
        the_gap_was_told(&ran);
    }
}

#[test]
fn what_expired_unread_is_told_of_where_each_record_is_an_answer() {
    for mode in BOTH {
        let mut scenario = too_late(mode).without_records();
        for at in [10, 40, 50, 225, 230] {
            scenario = scenario.at(secs(at), LARGEST);
        }
        let ran = scenario.run();
        assert_eq!((ran.outcome().verdict.counts.trimmed, ran.gaps().len()), (2, 1));
        the_gap_was_told(&ran);
    }
}

/// It is asked for once more, to see that nothing behind it is gone.
#[test]
fn a_record_that_is_asked_for_again_is_not_handed_again() {
    for (mode, kind) in BOTH.into_iter().flat_map(|mode| KINDS.map(|kind| (mode, kind))) {
        nothing_was_lost(&kind(just_in_time(mode)).run());
    }
}

#[test]
fn a_record_of_ten_mebibytes_that_is_asked_for_again_is_not_handed_again() {
    for mode in BOTH {
        let mut scenario = just_in_time(mode).without_records();
        for at in [18, 350, 360] {
            scenario = scenario.at(secs(at), LARGEST);
        }
        nothing_was_lost(&scenario.run());
    }
}
