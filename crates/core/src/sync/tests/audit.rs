use super::forest::{Stream, reference};
use crate::lease::Lease;
use crate::sequence::Checkpoint;
use crate::sync::{Audit, Auditor, lease_of, without_hash_range};

fn leases(stream: &Stream, numbers: &[usize]) -> Vec<Lease> {
    let lease = |&number: &usize| lease_of(&stream.shard(number), Checkpoint::Latest);
    numbers.iter().map(lease).collect()
}

#[test]
fn parents_beside_their_children_cover_everything() {
    let stream = reference();
    let mut auditor = Auditor::new(3);
    assert_eq!(auditor.audit(&leases(&stream, &[8, 4, 5, 9, 10])), Audit::Covered);
    assert_eq!(auditor.audit(&leases(&stream, &[0, 1, 2, 3, 4, 5, 9])), Audit::Covered);
}

#[test]
fn the_same_hole_is_repaired_from_the_third_look_in_a_row_on() {
    let stream = reference();
    let (holed, whole) = (leases(&stream, &[8, 4, 9]), leases(&stream, &[8, 4, 5]));
    let range = stream.shard(10).hash_range;
    let hole = |seen, repair| Audit::Hole { range, seen, repair };
    let mut auditor = Auditor::new(3);
    assert!(!auditor.has_seen_hole());
    assert_eq!(auditor.audit(&holed), hole(1, false));
    assert!(auditor.has_seen_hole());
    assert_eq!(auditor.audit(&holed), hole(2, false));
    assert_eq!(auditor.audit(&whole), Audit::Covered);
    assert!(!auditor.has_seen_hole());
    assert_eq!(auditor.audit(&holed), hole(1, false));
    assert_eq!(auditor.audit(&holed), hole(2, false));
    assert_eq!(auditor.audit(&holed), hole(3, true));
    assert_eq!(auditor.audit(&holed), hole(4, true));

    let other = stream.shard(4).hash_range;
    let elsewhere = auditor.audit(&leases(&stream, &[8, 5]));
    assert_eq!(elsewhere, Audit::Hole { range: other, seen: 1, repair: false });
}

#[test]
fn an_auditor_that_stands_by_counts_on_and_says_once_whether_something_was_missing() {
    let stream = reference();
    let (whole, broken) = (leases(&stream, &[8, 4, 5]), leases(&stream, &[8, 4, 9]));
    let mut auditor = Auditor::new(3);
    assert!(!auditor.stand_by(&whole));
    let range = stream.shard(10).hash_range;
    assert_eq!(auditor.audit(&broken), Audit::Hole { range, seen: 1, repair: false });
    assert!(auditor.stand_by(&broken));
    assert_eq!(auditor.audit(&broken), Audit::Hole { range, seen: 3, repair: true });
    assert!(auditor.stand_by(&whole));
    assert!(!auditor.stand_by(&whole));
    assert_eq!(auditor.audit(&broken), Audit::Hole { range, seen: 1, repair: false });
    assert_eq!(auditor.audit(&[]), Audit::NoLeases);
    assert!(auditor.stand_by(&[]));
}

#[test]
fn a_finished_shard_covers_nothing() {
    let stream = reference();
    let mut leases = leases(&stream, &[8, 4, 5]);
    leases[2].checkpoint = Checkpoint::ShardEnd;
    let range = stream.shard(5).hash_range;
    let audit = Auditor::new(1).audit(&leases);
    assert_eq!(audit, Audit::Hole { range, seen: 1, repair: true });
}

#[test]
fn a_table_without_leases_is_no_hole() {
    assert_eq!(Auditor::new(1).audit(&[]), Audit::NoLeases);
}

#[test]
fn hash_keys_are_asked_for_where_they_are_not_known_and_the_shard_has_not_ended() {
    let stream = reference();
    let mut leases = leases(&stream, &[4, 5, 8]);
    leases[0].hash_range = None;
    leases[1].hash_range = None;
    leases[1].checkpoint = Checkpoint::ShardEnd;
    assert_eq!(without_hash_range(&leases), [leases[0].key.clone()]);
}
