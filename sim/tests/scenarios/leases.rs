//! Leases: lost without need, kept without right, or left by everybody.

use std::time::Duration;

use shardwise::InitialPosition;
use shardwise_referee::{Place, Why};
use shardwise_sim::dice::MILLION;
use shardwise_sim::order::Fault::{AnswerLost, Slow, Throttled};
use shardwise_sim::plan::Happening;
use shardwise_sim::point::Call;

use crate::scenario::{Ran, Scenario, millis, secs, shard};

/// No processor was told that its lease was lost before the last stop.
fn assert_no_lease_was_lost(ran: &Ran) {
    let plan = &ran.outcome().plan;
    for tenure in ran.tenures() {
        let lost = tenure.ends.iter().find(|(_, why)| *why == Why::LeaseLost);
        assert!(lost.is_none_or(|(at, _)| *at >= plan.chaos + plan.quiet), "{tenure:?}");
    }
}

/// KCL#777, and KCL#2, #59, #247, #325: a write that had been made was sent again, failed its own
/// condition, and the lease was given up.
#[test]
fn no_write_that_loses_its_answer_costs_a_lease() {
    let calls = [
        Call::Create,
        Call::Take,
        Call::Renew,
        Call::Checkpoint,
        Call::Prepare,
        Call::Children,
        Call::End,
        Call::Delete,
        Call::Release,
    ];
    for call in calls {
        let ran = Scenario::new(1, 1)
            .with(|plan| (plan.habits.prepare, plan.quiet) = (300_000, secs(180)))
            .fault(secs(0), 0, call, AnswerLost, 2)
            .at(secs(20), Happening::Split { pick: 0 })
            .at(secs(40), Happening::Split { pick: 0 })
            .run();
        assert_no_lease_was_lost(&ran);
        assert_eq!(ran.duplicates(), 0, "{call:?}");
        let (_, _, in_order) = ran.stop_of("w0");
        assert!(in_order, "{call:?}");
    }
}

/// KCL#108, #537, #677, #973: renewal and checkpoint raced for the counter, and the checkpoint was
/// refused though nobody had taken the lease.
#[test]
fn checkpoints_and_renewals_never_refuse_each_other() {
    let ran = Scenario::new(2, 1)
        .with(|plan| (plan.knobs.failover, plan.knobs.idle) = (secs(1), millis(200)))
        .with(|plan| plan.habits.usual = millis(400))
        .run();
    assert!(ran.tenures().iter().all(|tenure| tenure.refusals == 0));
    assert_no_lease_was_lost(&ran);
}

/// KCL#1354, KCL#1788: the table refused a checkpoint, memory had it, and the next renewal wrote
/// it.
#[test]
fn a_renewal_does_not_carry_a_checkpoint_that_was_refused() {
    let ran = Scenario::new(1, 1)
        .without_records()
        .at(secs(20), Happening::Put { pick: 0, records: 3 })
        .fault(secs(20), 0, Call::Checkpoint, Throttled, 1)
        .at(secs(40), Happening::Kill { worker: 0, down: secs(5) })
        .run();
    let (before, after) = (ran.row_at(0, secs(21)), ran.row_at(0, secs(39)));
    let (before, after) = (before.expect("it is leased"), after.expect("it is leased"));
    assert!(after.counter > before.counter + 3, "it was renewed");
    assert_eq!(after.checkpoint, Place::TrimHorizon);
    assert_eq!(ran.tenures_of(0)[1].hands[0].1.len(), 3);
}

/// KCL#136: after the network was away for everybody, nobody took what bore a worker's name.
#[test]
fn leases_that_all_workers_lost_together_are_taken_again() {
    let cut = |worker| Happening::Partition { worker, table: true, stream: true, lasts: secs(30) };
    let ran = Scenario::new(4, 2).at(secs(29), cut(0)).at(secs(29), cut(1)).run();
    for number in 0..4 {
        let tenures = ran.tenures_of(number);
        let again = tenures.iter().find(|tenure| tenure.started > secs(59));
        assert!(again.is_some_and(|tenure| tenure.started < secs(100)), "{}", shard(number));
    }
}

/// go-kcl#92, go-kcl#100: one shard had two consumers, and more than one lease was stolen at once.
#[test]
fn a_worker_that_joins_steals_one_lease_a_run_and_no_shard_keeps_two_consumers() {
    let ran = Scenario::new(4, 2).joins(secs(50), 1).run();
    assert_eq!(ran.outcome().verdict.counts.steals, 2);
    let stolen: Vec<_> = ran.tenures().into_iter().filter(|t| t.worker == "w1.2").collect();
    let [first, second] = &stolen[..] else { panic!("{stolen:?}") };
    assert!(second.started - first.started > secs(18));
    for tenure in stolen {
        let number = (0..4).find(|number| tenure.shard == shard(*number)).expect("one of four");
        let before = &ran.tenures_of(number)[0];
        // The holder may be about to hand a batch when it is stolen from; it hears of it then.
        let together = before.hands.iter().filter(|(at, _)| *at > tenure.started).count();
        assert!(together <= 1, "{together} batches of {before:?}");
    }
}

/// go-kcl-v2#34 to #37: a renewal waited behind a slow processor.
#[test]
fn a_processor_slower_than_a_lease_lives_keeps_its_lease() {
    let ran = Scenario::new(1, 2)
        .with(|plan| (plan.chaos, plan.habits.longest) = (secs(120), secs(60)))
        .joins(secs(10), 1)
        .fault(secs(20), 0, Call::Process, Slow(secs(60)), 1)
        .run();
    assert_no_lease_was_lost(&ran);
    assert_eq!(ran.outcome().verdict.counts.takes, 1);
}

/// go-kcl-v2#24: dates of different workers were compared.
#[test]
fn a_jump_of_the_date_costs_no_lease() {
    let jump = |worker, millis| Happening::Jump { worker, millis };
    let ran = Scenario::new(4, 2)
        .with(|plan| plan.chaos = secs(120))
        .at(secs(70), jump(0, 3_600_000))
        .at(secs(80), jump(1, -3_600_000))
        .at(secs(90), jump(0, -7_200_000))
        .run();
    let moved = ran.tenures().into_iter().filter(|tenure| tenure.started > secs(69)).count();
    assert_eq!(moved, 0);
}

/// P5: what the first worker meant by LATEST, by its date from its birth on, is read until there is
/// a checkpoint: with a date behind everything, with one ahead what comes from then on.
#[test]
fn at_latest_a_date_that_is_wrong_from_birth_skips_what_comes_before_it_and_nothing_else() {
    let skipped = [-3_600_000, 40_000].map(|millis| {
        let ran = Scenario::new(1, 2)
            .with(|plan| (plan.knobs.start, plan.habits.lazy) = (InitialPosition::Latest, MILLION))
            .at(secs(0), Happening::Jump { worker: 0, millis })
            .joins(secs(20), 1)
            .at(secs(30), Happening::Kill { worker: 0, down: secs(200) })
            .run();
        let tenures = ran.tenures_of(0);
        let is_handed = |place: &Place| {
            tenures.iter().flat_map(|tenure| &tenure.hands).any(|hand| hand.1.contains(&place))
        };
        let puts = ran.outcome().journals.puts.iter();
        let skipped = puts.filter(|put| !is_handed(&put.place)).map(|put| put.t).max();
        skipped.map(Duration::from_micros)
    });
    assert_eq!(skipped[0], None);
    assert!(skipped[1] > Some(secs(30)) && skipped[1] < Some(secs(41)), "{skipped:?}");
}

/// reactive-kinesis#40: the loss of a lease was logged, and the records went on.
#[test]
fn a_worker_that_stood_still_hands_on_nothing_of_a_lease_that_it_lost() {
    let ran = Scenario::new(1, 2)
        .with(|plan| (plan.knobs.records_max, plan.knobs.idle) = (5, millis(200)))
        // No checkpoint whose refusal would tell.
        .with(|plan| (plan.habits.usual, plan.habits.lazy) = (millis(800), 1_000_000))
        .joins(secs(10), 1)
        .at(secs(20), Happening::Pause { worker: 0, lasts: secs(30) })
        .run();
    let tenures = ran.tenures_of(0);
    let [first, second, ..] = &tenures[..] else { panic!("{tenures:?}") };
    assert_eq!((first.worker, second.worker), ("w0", "w1.2"));
    let (last, _) = first.hands.last().expect("it was handed records");
    assert!(*last <= secs(20), "{last:?}");
    assert!(matches!(first.ends[..], [(at, Why::LeaseLost)] if at >= secs(50)));
}

/// KCL#886: after a slow scan the counters were old, and every steal was refused.
#[test]
fn a_worker_whose_scans_are_slow_gets_its_share() {
    let ran =
        Scenario::new(4, 2).joins(secs(30), 1).always(secs(0), 1, Call::Scan, Slow(secs(5))).run();
    let held = (0..4).filter(|number| {
        let row = ran.row_at(*number, secs(299)).expect("it is leased");
        row.holder.as_deref() == Some("w1.2")
    });
    assert_eq!(held.count(), 2);
}

/// A risk in KCL: five threads renew, however many leases there are.
#[test]
fn hundreds_of_leases_are_renewed_in_time() {
    let ran = Scenario::new(300, 1)
        .with(|plan| (plan.chaos, plan.quiet) = (secs(10), secs(150)))
        .with(|plan| (plan.knobs.failover, plan.knobs.idle) = (secs(3), secs(3)))
        .run();
    assert_no_lease_was_lost(&ran);
    assert_eq!(ran.tenures().len(), 300);
}
