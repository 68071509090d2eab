use proptest::prelude::*;

use super::*;
use crate::rng::Rng;
use crate::sequence::Checkpoint;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(0);
const F: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Time {
    Time::from_start(Duration::from_secs(seconds))
}

fn worker(name: impl std::fmt::Display) -> WorkerId {
    WorkerId::new(format!("worker-{name}")).unwrap()
}

fn lease(number: usize, owner: Option<&WorkerId>) -> Lease {
    let key = LeaseKey::new(format!("shardId-{number:012}")).unwrap();
    Lease { owner: owner.cloned(), ..Lease::new(key, Checkpoint::TrimHorizon) }
}

fn finished(number: usize, owner: Option<&WorkerId>) -> Lease {
    Lease { checkpoint: Checkpoint::ShardEnd, ..lease(number, owner) }
}

fn config() -> LeaseConfig {
    LeaseConfig { failover_time: F, ..LeaseConfig::default() }
}

/// A plan for rows that were first seen `now`.
fn plan_at_first_sight(leases: &[Lease], me: &WorkerId, round: Round) -> Plan {
    let mut sightings = Sightings::default();
    sightings.observe(leases, at(0));
    plan(leases, &sightings, me, &config(), round, true, &mut Rng::new(1), at(0))
}

#[test]
fn a_lease_expires_only_after_it_was_seen_unchanged_for_the_failover_time() {
    let mut row = lease(0, Some(&worker("b")));
    let mut sightings = Sightings::default();
    sightings.observe(std::slice::from_ref(&row), at(100));
    assert!(!sightings.is_expired(&row, F, at(110)));
    assert!(sightings.is_expired(&row, F, at(111)));

    row.counter += 1;
    sightings.observe(std::slice::from_ref(&row), at(111));
    assert_eq!(sightings.age(&row.key, at(113)), Some(Duration::from_secs(2)));
    assert!(!sightings.is_expired(&row, F, at(121)));
}

#[test]
fn a_lease_first_seen_without_an_owner_was_never_renewed() {
    let mut row = lease(0, None);
    let mut sightings = Sightings::default();
    sightings.observe(std::slice::from_ref(&row), at(1));
    assert_eq!(sightings.age(&row.key, at(50)), None);

    row = row.taken_by(&worker("b"), NOW);
    sightings.observe(std::slice::from_ref(&row), at(50));
    assert_eq!(sightings.age(&row.key, at(51)), Some(Duration::from_secs(1)));
}

#[test]
fn a_row_that_was_deleted_and_made_anew_does_not_inherit_an_age() {
    let row = lease(0, Some(&worker("b")));
    let mut sightings = Sightings::default();
    sightings.observe(std::slice::from_ref(&row), at(0));
    sightings.observe(&[], at(5));
    sightings.observe(std::slice::from_ref(&row), at(20));
    assert!(!sightings.is_expired(&row, F, at(30)));
}

#[test]
fn a_lone_worker_takes_everything_at_once() {
    let leases: Vec<Lease> = (0..64).map(|number| lease(number, None)).collect();
    let plan = plan_at_first_sight(&leases, &worker("a"), Round::Light);
    assert_eq!((plan.take.len(), plan.target, plan.workers), (64, 64, 1));
}

#[test]
fn a_lease_that_was_lost_but_still_has_this_workers_name_is_taken_again() {
    let a = worker("a");
    let leases = [lease(0, Some(&a)), lease(1, Some(&a))];
    let mut sightings = Sightings::default();
    sightings.observe(&leases, at(0));
    let taken = |now| {
        let rng = &mut Rng::new(1);
        plan(&leases, &sightings, &a, &config(), Round::Light, false, rng, now).take.len()
    };
    assert_eq!((taken(at(10)), taken(at(11))), (0, 2));
}

#[test]
fn survivors_take_what_a_stopped_worker_released_in_one_round_each() {
    let (a, b) = (worker("a"), worker("b"));
    let mut leases: Vec<Lease> =
        (0..12).map(|number| lease(number, [Some(&a), Some(&b), None][number % 3])).collect();
    for me in [&a, &b] {
        let plan = plan_at_first_sight(&leases, me, Round::Light);
        assert_eq!((plan.target, plan.workers, plan.take.len()), (6, 2, 2));
        for seen in &plan.take {
            let row = leases.iter_mut().find(|row| row.key == seen.key).unwrap();
            *row = row.taken_by(me, NOW);
        }
    }
    assert!(leases.iter().all(|lease| lease.owner.is_some()));
}

#[test]
fn a_light_round_neither_steals_nor_takes_more_than_the_share() {
    let (a, b) = (worker("a"), worker("b"));
    let owned: Vec<Lease> = (0..8).map(|number| lease(number, Some(&b))).collect();
    assert_eq!(plan_at_first_sight(&owned, &a, Round::Light).take, []);

    let mut leases = vec![lease(0, Some(&a)), lease(1, Some(&b))];
    leases.extend((2..6).map(|number| lease(number, None)));
    let plan = plan_at_first_sight(&leases, &a, Round::Light);
    assert_eq!((plan.target, plan.take.len()), (3, 2));
}

#[test]
fn a_new_worker_steals_one_lease_from_the_worker_with_the_most_if_it_may() {
    let (a, b, c) = (worker("a"), worker("b"), worker("c"));
    let mut leases: Vec<Lease> = (0..7).map(|number| lease(number, Some(&b))).collect();
    leases.extend((7..9).map(|number| lease(number, Some(&c))));
    let plan = plan_at_first_sight(&leases, &a, Round::Full);
    assert_eq!(plan.take.len(), 1);
    assert_eq!(plan.take[0].owner.as_ref(), Some(&b));

    let mut sightings = Sightings::default();
    sightings.observe(&leases, at(0));
    let rng = &mut Rng::new(1);
    let tame = super::plan(&leases, &sightings, &a, &config(), Round::Full, false, rng, at(0));
    assert_eq!(tame.take, []);
}

#[test]
fn finished_leases_count_toward_the_share_but_not_toward_the_limit() {
    let a = worker("a");
    let config = LeaseConfig { max_leases: 2, ..config() };
    let mut leases: Vec<Lease> = (0..2).map(|number| finished(number, Some(&a))).collect();
    leases.extend((2..5).map(|number| lease(number, None)));
    leases.push(finished(5, None));
    let mut sightings = Sightings::default();
    sightings.observe(&leases, at(0));
    let round = Round::Light;
    let plan = plan(&leases, &sightings, &a, &config, round, true, &mut Rng::new(3), at(0));
    assert_eq!((plan.target, plan.spillover), (6, 4));
    assert_eq!(plan.take.iter().filter(|lease| lease.is_finished()).count(), 1);
    assert_eq!(plan.take.len(), 3);
}

#[test]
fn a_lease_in_the_middle_of_a_handoff_counts_as_the_old_owners() {
    let (a, b, c) = (worker("a"), worker("b"), worker("c"));
    let handed = |number| Lease { checkpoint_owner: Some(c.clone()), ..lease(number, Some(&b)) };
    let leases = [handed(0), handed(1), lease(2, Some(&b))];
    let plan = plan_at_first_sight(&leases, &a, Round::Full);
    assert_eq!(plan.workers, 3);

    let leases = [handed(0), handed(1)];
    assert_eq!(plan_at_first_sight(&leases, &b, Round::Full).workers, 2);
}

#[test]
fn what_no_one_has_room_for_within_the_share_is_taken_beyond_it_after_thrice_the_failover_time() {
    let (a, b) = (worker("a"), worker("b"));
    let mut leases: Vec<Lease> = (0..3).map(|number| lease(number, Some(&a))).collect();
    leases.push(lease(3, Some(&b)));
    leases.extend((4..6).map(|number| lease(number, None)));
    let mut sightings = Sightings::default();
    sightings.observe(&leases, at(0));
    for row in leases.iter_mut().take(4) {
        row.counter += 1;
    }
    sightings.observe(&leases, at(30));
    let taken = |round, now| {
        plan(&leases, &sightings, &a, &config(), round, true, &mut Rng::new(1), now).take.len()
    };
    assert_eq!(taken(Round::Full, at(30)), 0);
    assert_eq!(taken(Round::Light, at(31)), 0);
    assert_eq!(taken(Round::Full, at(31)), 2);
}

/// KCL's rule for how many leases a run takes and whether it steals them, told in its own terms.
fn as_kcl(leases: &[Lease], dead: usize, me: &WorkerId, config: &LeaseConfig) -> (usize, bool) {
    let mut counts = BTreeMap::from([(me.clone(), 0_usize)]);
    for lease in &leases[dead..] {
        *counts.entry(lease.owner.clone().unwrap()).or_default() += 1;
    }
    let mine = counts[me];
    if config.priority_assignment && dead > 0 {
        return (dead.min(config.max_leases - mine), false);
    }
    let target = if counts.len() >= leases.len() {
        1
    } else {
        leases.len() / counts.len() + usize::from(!leases.len().is_multiple_of(counts.len()))
    };
    let Some(needed) = target.checked_sub(mine).filter(|needed| *needed > 0) else {
        return (0, false);
    };
    if dead > 0 {
        return (needed.min(dead), false);
    }
    let most = counts.into_values().max().unwrap();
    if most < target {
        return (0, false);
    }
    let n = if needed > 1 { needed.min(most - target).max(1) } else { needed.min(most - target) };
    (n.min(config.max_steal), true)
}

proptest! {
    #[test]
    fn a_full_round_takes_as_many_as_kcl(
        owners in proptest::collection::vec(0_usize..5, 1..40),
        dead in 0_usize..40,
        max_steal in 1_usize..4,
        priority_assignment: bool,
        seed: u64,
    ) {
        let dead = dead.min(owners.len());
        let me = worker(0);
        let config = LeaseConfig { max_steal, priority_assignment, ..config() };
        let mut leases: Vec<Lease> = owners
            .iter()
            .enumerate()
            .map(|(number, owner)| {
                let nobody = number < dead && *owner == 0;
                lease(number, (!nobody).then(|| worker(owner)).as_ref())
            })
            .collect();
        let mut sightings = Sightings::default();
        sightings.observe(&leases, at(0));
        for lease in &mut leases[dead..] {
            lease.counter += 1;
        }
        sightings.observe(&leases, at(40));
        let rng = &mut Rng::new(seed);
        let plan = plan(&leases, &sightings, &me, &config, Round::Full, true, rng, at(40));

        let (n, steals) = as_kcl(&leases, dead, &me, &config);
        prop_assert_eq!(plan.take.len(), n);
        for taken in &plan.take {
            let alive = leases[dead..].iter().any(|lease| lease.key == taken.key);
            prop_assert_eq!(alive, steals);
        }
    }

    #[test]
    fn nothing_is_taken_from_a_live_worker_without_leave_to_steal_nor_beyond_the_limit(
        owners in proptest::collection::vec((0_usize..5, any::<bool>(), any::<bool>()), 0..40),
        max_leases in 1_usize..12,
        full: bool,
        seed: u64,
    ) {
        let me = worker(0);
        let config = LeaseConfig { max_leases, ..config() };
        let mut leases: Vec<Lease> = owners
            .iter()
            .enumerate()
            .map(|(number, (owner, done, _))| {
                let owner = Some(worker(owner)).filter(|_| *owner < 4);
                if *done { finished(number, owner.as_ref()) } else { lease(number, owner.as_ref()) }
            })
            .collect();
        let mut sightings = Sightings::default();
        sightings.observe(&leases, at(0));
        for (lease, (_, _, alive)) in leases.iter_mut().zip(&owners) {
            lease.counter += u64::from(*alive && lease.owner.is_some());
        }
        sightings.observe(&leases, at(60));
        let live = |lease: &Lease| lease.owner.is_some() && lease.counter == 1;
        let round = if full { Round::Full } else { Round::Light };
        let rng = &mut Rng::new(seed);
        let plan = plan(&leases, &sightings, &me, &config, round, false, rng, at(60));

        prop_assert!(!plan.take.iter().any(live));
        let mine = leases.iter().filter(|lease| live(lease) && lease.owner.as_ref() == Some(&me));
        let held = mine.filter(|lease| !lease.is_finished()).count();
        let more = plan.take.iter().filter(|lease| !lease.is_finished()).count();
        prop_assert!(more == 0 || held + more <= max_leases);
    }
}

/// Live workers and one table, second by second.
#[derive(Debug)]
struct World {
    leases: Vec<Lease>,
    workers: Vec<(WorkerId, Sightings, LeaseConfig)>,
    rng: Rng,
    second: u64,
}

impl World {
    /// Every worker looks, then every worker takes: in a full round each twenty seconds, at a time
    /// of its own, else in a light one. Returns how many leases were taken.
    fn step(&mut self) -> usize {
        self.second += 1;
        let now = at(self.second);
        let mut plans = Vec::new();
        for (number, (me, sightings, config)) in self.workers.iter_mut().enumerate() {
            sightings.observe(&self.leases, now);
            let full = (self.second + 7 * number as u64).is_multiple_of(20);
            let round = if full { Round::Full } else { Round::Light };
            let rng = &mut self.rng;
            let plan = plan(&self.leases, sightings, me, config, round, true, rng, now);
            plans.push((me.clone(), plan.take));
        }
        let mut taken = 0;
        let count = plans.len();
        for (me, seen) in self.rng.choose(&mut plans, count) {
            for seen in seen {
                let row = self.leases.iter_mut().find(|row| row.key == seen.key).unwrap();
                if *row == seen {
                    *row = row.taken_by(&me, NOW);
                    taken += 1;
                }
            }
        }
        if self.second.is_multiple_of(3) {
            for row in &mut self.leases {
                let alive = self.workers.iter().any(|(id, ..)| row.owner.as_ref() == Some(id));
                row.counter += u64::from(alive);
            }
        }
        taken
    }

    fn counts(&self) -> Vec<usize> {
        let of = |me: &WorkerId| {
            self.leases.iter().filter(|lease| lease.owner.as_ref() == Some(me)).count()
        };
        self.workers.iter().map(|(me, ..)| of(me)).collect()
    }
}

fn worlds() -> impl Strategy<Value = World> {
    let owners = proptest::collection::vec(proptest::option::of(0_usize..8), 0..32);
    (owners, 1_usize..7, 1_usize..4, any::<u64>()).prop_map(|(owners, workers, max_steal, seed)| {
        let lease = |(number, owner): (usize, Option<usize>)| {
            let owner = owner.map(worker);
            if number % 5 == 4 {
                finished(number, owner.as_ref())
            } else {
                lease(number, owner.as_ref())
            }
        };
        let config = LeaseConfig { max_steal, ..config() };
        World {
            leases: owners.into_iter().enumerate().map(lease).collect(),
            workers: (0..workers)
                .map(|number| (worker(number), Sightings::default(), config.clone()))
                .collect(),
            rng: Rng::new(seed),
            second: 0,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_fleet_comes_to_rest_with_every_lease_held_and_evenly(mut world in worlds()) {
        for _ in 0..60 + 20 * world.leases.len() {
            world.step();
        }
        let counts = world.counts();
        prop_assert_eq!(counts.iter().sum::<usize>(), world.leases.len());
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
        let moves: usize = (0..80).map(|_| world.step()).sum();
        prop_assert_eq!(moves, 0);
    }

    #[test]
    fn workers_with_limits_leave_no_lease_that_one_of_them_has_room_for(
        mut world in worlds(),
        limits in proptest::collection::vec(1_usize..8, 7),
    ) {
        for ((_, _, config), limit) in world.workers.iter_mut().zip(limits).skip(1) {
            config.max_leases = limit;
        }
        for _ in 0..100 + 20 * world.leases.len() {
            world.step();
        }
        prop_assert_eq!(world.counts().iter().sum::<usize>(), world.leases.len());
        let moves: usize = (0..80).map(|_| world.step()).sum();
        prop_assert_eq!(moves, 0);
    }
}
