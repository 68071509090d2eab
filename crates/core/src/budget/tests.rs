//! Every schedule here is shuttle's: the budget's lock is its own.

use std::pin::pin;
use std::task::Waker;

use proptest::collection::vec;
use proptest::prelude::*;
use shuttle::future;

use super::*;

const MIB: usize = 1 << 20;

/// Runs `test` as one thread.
fn alone(test: impl Fn() + Send + Sync + 'static) {
    shuttle::check_dfs(test, Some(1));
}

/// What is granted without waiting.
fn try_reserve(share: &Share, wanted: usize) -> Option<Hold> {
    match pin!(share.reserve(wanted)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(hold) => Some(hold),
        Poll::Pending => None,
    }
}

#[test]
fn a_shard_has_its_own_and_borrows_up_to_a_quarter() {
    alone(|| {
        let budget = Budget::new(16 * MIB);
        let share = budget.share(usize::MAX);
        let hold = try_reserve(&share, 10 * MIB).unwrap();
        assert_eq!(hold.bytes(), 4 * MIB);
        assert!(share.has_borrowed());
        assert!(try_reserve(&share, MIB).is_none());
        let other = budget.share(usize::MAX);
        assert_eq!(try_reserve(&other, 2 * MIB).unwrap().bytes(), 2 * MIB);
        drop(hold);
        assert!(!share.has_borrowed());
        assert_eq!(budget.used(), 0);
    });
}

#[test]
fn with_nothing_to_borrow_each_shard_still_has_its_own_and_one_large_record() {
    alone(|| {
        let budget = Budget::new(8 * MIB);
        let shares: Vec<Share> = (0..8).map(|_| budget.share(usize::MAX)).collect();
        let mut holds: Vec<Hold> =
            shares.iter().map(|share| try_reserve(share, 10 * MIB).unwrap()).collect();
        assert!(holds.iter().all(|hold| hold.bytes() == MIB));
        holds[0].resize(10 * MIB);
        assert_eq!(budget.used(), 17 * MIB);
        assert!(try_reserve(&shares[1], 1).is_none());
        holds[1].resize(1_000);
        assert_eq!(try_reserve(&shares[1], MIB).unwrap().bytes(), MIB - 1_000);
    });
}

#[test]
fn a_shard_may_be_held_to_less_than_a_quarter() {
    alone(|| {
        let share = Budget::new(256 * MIB).share(2 * MIB);
        assert_eq!(try_reserve(&share, 10 * MIB).unwrap().bytes(), 2 * MIB);
    });
}

#[test]
fn one_that_has_all_it_may_have_holds_nobody_up() {
    alone(|| {
        let budget = Budget::new(64 * MIB);
        let (full, other) = (budget.share(4 * MIB), budget.share(usize::MAX));
        let held = try_reserve(&full, 4 * MIB).unwrap();
        let mut waits = pin!(full.reserve_all(MIB));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        let first = try_reserve(&other, MIB).unwrap();
        assert_eq!(try_reserve(&other, 2 * MIB).unwrap().bytes(), 2 * MIB, "it borrows");
        drop((held, first));
        assert!(waits.as_mut().poll(&mut context).is_ready());
    });
}

#[test]
fn what_comes_in_the_size_that_it_has_waits_for_all_that_the_shard_may_have() {
    alone(|| {
        let budget = Budget::new(4 * MIB);
        let shares: Vec<Share> = (0..4).map(|_| budget.share(usize::MAX)).collect();
        let held = try_reserve(&shares[0], 1_000).unwrap();
        let mut whole = pin!(shares[0].reserve_all(3 * MIB));
        let mut context = Context::from_waker(Waker::noop());
        assert!(whole.as_mut().poll(&mut context).is_pending());
        drop(held);
        let Poll::Ready(hold) = whole.as_mut().poll(&mut context) else { panic!("still waits") };
        assert_eq!(hold.bytes(), MIB);
    });
}

#[test]
fn what_a_shard_left_behind_counts_until_it_is_dropped() {
    alone(|| {
        let budget = Budget::new(8 * MIB);
        let share = budget.share(usize::MAX);
        let hold = try_reserve(&share, 2 * MIB).unwrap();
        drop(share);
        assert_eq!(budget.used(), 2 * MIB);
        drop(hold);
        assert_eq!(budget.used(), 0);
    });
}

/// What is granted for a first answer without waiting, of 10 MiB at most.
fn try_first(share: &Share) -> Option<Hold> {
    match pin!(share.reserve_first(10 * MIB)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(hold) => Some(hold),
        Poll::Pending => None,
    }
}

#[test]
fn first_answers_of_small_records_come_whole_and_those_of_large_ones_keep_to_a_quarter_more() {
    for (record, mib_max) in [(100, 256), (MIB, 256 + 64)] {
        alone(move || {
            let budget = Budget::new(256 * MIB);
            let shares: Vec<Share> = (0..256).map(|_| budget.share(usize::MAX)).collect();
            let (mut answered, mut is_whole): (Vec<Hold>, Vec<bool>) = Default::default();
            while answered.len() < 256 {
                let under_way: Vec<Hold> =
                    shares[answered.len()..].iter().map_while(try_first).collect();
                assert!(!under_way.is_empty(), "nobody gets on");
                assert!(budget.used() <= (256 + 64) * MIB, "{}", budget.used());
                for mut hold in under_way {
                    is_whole.push(hold.bytes() == 10 * MIB);
                    hold.resize(hold.bytes().min(1_000 * record));
                    answered.push(hold);
                }
            }
            assert!(budget.used() <= mib_max * MIB, "{}", budget.used());
            let whole = is_whole.iter().filter(|is_whole| **is_whole).count();
            assert_eq!(whole, if record == MIB { 7 } else { 256 });
        });
    }
}

#[test]
fn one_that_waits_for_a_first_answer_is_woken_by_it_and_holds_nobody_up() {
    let test = || {
        let budget = Budget::new(40 * MIB);
        let shares: Vec<Arc<Share>> = (0..40).map(|_| Arc::new(budget.share(usize::MAX))).collect();
        let mut first = try_first(&shares[0]).unwrap();
        let waits = {
            let share = Arc::clone(&shares[1]);
            future::spawn(async move { share.reserve_first(10 * MIB).await.bytes() })
        };
        future::block_on(future::yield_now());
        assert_eq!(try_reserve(&shares[2], MIB).unwrap().bytes(), MIB);
        first.resize(10 * MIB);
        assert_eq!(future::block_on(waits).unwrap(), MIB, "it was large");
        drop(first);
        assert_eq!(try_first(&shares[3]).unwrap().bytes(), 10 * MIB);
    };
    shuttle::check_random(test, 10_000);
}

/// A reader: what it reserves is given back by another task, some time later.
async fn read(budget: Budget, times: usize, wanted: usize) {
    let share = budget.share(usize::MAX);
    for _ in 0..times {
        let mut hold = share.reserve(wanted).await;
        assert!(hold.bytes() <= wanted);
        hold.resize(hold.bytes() / 2 + MIB);
        future::spawn(async move {
            future::yield_now().await;
            drop(hold);
        });
    }
}

#[test]
fn everyone_gets_what_they_wait_for_in_every_schedule() {
    let test = || {
        // Two MiB to borrow, to each one more than its own.
        let budget = Budget::new(8 * MIB);
        let _idle = [0; 3].map(|_| budget.share(usize::MAX));
        let readers =
            [2 * MIB, MIB, 2 * MIB].map(|wanted| future::spawn(read(budget.clone(), 3, wanted)));
        for reader in readers {
            future::block_on(reader).unwrap();
        }
    };
    shuttle::check_random(test, 10_000);
    shuttle::check_pct(test, 10_000, 3);
}

/// Six shares of which two have borrowed all that there is, and two have no more than their own.
fn lent_out() -> (Vec<Share>, Vec<Hold>) {
    let budget = Budget::new(8 * MIB);
    let shares: Vec<Share> = (0..6).map(|_| budget.share(usize::MAX)).collect();
    let wanted = [2 * MIB, 2 * MIB, MIB, MIB].iter().zip(&shares);
    let held = wanted.map(|(wanted, share)| try_reserve(share, *wanted).unwrap()).collect();
    (shares, held)
}

#[test]
fn one_that_no_longer_waits_lets_the_next_one_through() {
    let test = || {
        let (mut shares, mut held) = lent_out();
        let (first, second) = (shares.remove(2), shares.remove(2));
        let gives_up = future::spawn(async move {
            {
                let mut waits = pin!(first.reserve(MIB));
                poll_fn(|context| Poll::Ready(waits.as_mut().poll(context).is_ready())).await;
                future::yield_now().await;
            }
            first
        });
        let waits = future::spawn(async move { second.reserve(MIB).await.bytes() });
        future::block_on(future::yield_now());
        drop(held.remove(0));
        let _first = future::block_on(gives_up).unwrap();
        assert_eq!(future::block_on(waits).unwrap(), MIB);
    };
    shuttle::check_random(test, 10_000);
}

#[test]
fn what_one_gives_back_goes_to_all_whom_it_is_enough_for() {
    let test = || {
        let (mut shares, mut held) = lent_out();
        let (first, second) = (shares.remove(2), shares.remove(2));
        let wait = |share: Share| {
            future::spawn(async move {
                let hold = share.reserve(MIB / 2).await;
                (share, hold)
            })
        };
        let waits = [wait(first), wait(second)];
        future::block_on(future::yield_now());
        drop(held.remove(0));
        let granted = waits.map(|waits| future::block_on(waits).unwrap());
        assert!(granted.iter().all(|(_, hold)| hold.bytes() == MIB / 2));
    };
    shuttle::check_random(test, 10_000);
}

#[derive(Clone, Debug)]
enum Step {
    Reserve { share: usize, wanted: usize },
    First { share: usize },
    Resize { hold: usize, bytes: usize },
    Drop { hold: usize },
    Reopen { share: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_usize, 1..12 * MIB).prop_map(|(share, wanted)| Step::Reserve { share, wanted }),
        1 => (0..4_usize).prop_map(|share| Step::First { share }),
        1 => (0..8_usize, 1..3 * MIB).prop_map(|(hold, bytes)| Step::Resize { hold, bytes }),
        2 => (0..8_usize).prop_map(|hold| Step::Drop { hold }),
        1 => (0..4_usize).prop_map(|share| Step::Reopen { share }),
    ]
}

proptest! {
    #[test]
    fn nothing_is_granted_that_is_not_there(total in 1..40 * MIB, steps in vec(step(), 0..60)) {
        alone(move || {
            let budget = Budget::new(total);
            let own = MIB.min(total / 4).max(1);
            let mut shares: Vec<Share> = (0..4).map(|_| budget.share(usize::MAX)).collect();
            let mut holds: Vec<Hold> = Vec::new();
            for step in &steps {
                match *step {
                    Step::Reserve { share, wanted } => {
                        let before = budget.used();
                        let granted = try_reserve(&shares[share], wanted);
                        if let Some(hold) = granted {
                            assert!(hold.bytes() <= wanted);
                            let is_there = before + hold.bytes() <= total.max(4 * own);
                            assert!(is_there || hold.bytes() <= own, "{before} {hold:?}");
                            holds.push(hold);
                        }
                    }
                    Step::First { share } => {
                        let before = budget.used();
                        if let Some(hold) = try_first(&shares[share]) {
                            let is_there = before + hold.bytes() <= total.max(4 * own) + total / 4;
                            assert!(is_there || hold.bytes() <= own, "{before} {hold:?}");
                            holds.push(hold);
                        }
                    }
                    Step::Resize { hold, bytes } => {
                        if let Some(hold) = holds.get_mut(hold) {
                            hold.resize(bytes);
                        }
                    }
                    Step::Drop { hold } if hold < holds.len() => drop(holds.swap_remove(hold)),
                    Step::Drop { .. } => {}
                    Step::Reopen { share } => shares[share] = budget.share(usize::MAX),
                }
                assert_eq!(budget.used(), holds.iter().map(Hold::bytes).sum::<usize>());
            }
            drop(holds);
            assert_eq!(budget.used(), 0);
            assert!(shares.iter().all(|share| try_reserve(share, 1).is_some()));
        });
    }
}
