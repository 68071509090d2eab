//! Who leads the fleet, by KCL 2.x's rule: every worker shuffles the owners alike.

use crate::id::WorkerId;
use crate::lease::Lease;

/// The seed that all workers of all versions share.
const SEED: u64 = 1947;

/// The leader among `owners`, as every other worker of the fleet sees it too.
///
/// The owners are sorted as Java sorts text, by UTF-16 code units, and shuffled as
/// `Collections.shuffle` does with `new Random(1947)`; the first one leads.
#[must_use]
pub fn shuffled_leader(owners: impl IntoIterator<Item = WorkerId>) -> Option<WorkerId> {
    let mut owners: Vec<WorkerId> = owners.into_iter().collect();
    owners.sort_by(|left, right| left.as_str().encode_utf16().cmp(right.as_str().encode_utf16()));
    owners.dedup();
    JavaRandom::new(SEED).shuffle(&mut owners);
    owners.into_iter().next()
}

/// Whether `me` leads. While nobody owns a lease, everybody leads.
#[must_use]
pub fn leads(me: &WorkerId, leases: &[Lease]) -> bool {
    let owners = leases.iter().filter_map(|lease| lease.owner.clone());
    shuffled_leader(owners).is_none_or(|leader| leader == *me)
}

/// `java.util.Random`: 48 bits of state, of which a call gives the upper 31.
struct JavaRandom(u64);

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const STATE_MASK: u64 = (1 << 48) - 1;

impl JavaRandom {
    fn new(seed: u64) -> Self {
        Self((seed ^ MULTIPLIER) & STATE_MASK)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & STATE_MASK;
        self.0 >> 17
    }

    /// A number below `bound`, which is at least 1.
    fn below(&mut self, bound: u64) -> u64 {
        if bound.is_power_of_two() {
            return (bound * self.next()) >> 31;
        }
        loop {
            let bits = self.next();
            let remainder = bits % bound;
            // The last stretch of 2^31 is shorter than `bound`; numbers in it would be favoured.
            if bits - remainder + (bound - 1) < 1 << 31 {
                return remainder;
            }
        }
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for length in (2..=list.len()).rev() {
            let chosen = usize::try_from(self.below(length as u64)).expect("it is below `length`");
            list.swap(length - 1, chosen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Lease;
    use crate::sequence::Checkpoint;

    fn worker(name: &str) -> WorkerId {
        WorkerId::new(name).unwrap()
    }

    fn lease(owner: Option<&str>) -> Lease {
        let key = crate::id::LeaseKey::new("shardId-000000000000").unwrap();
        Lease { owner: owner.map(worker), ..Lease::new(key, Checkpoint::Latest) }
    }

    /// Place of the leader among the sorted owners of a fleet of 1, 2, ... 40, as `OpenJDK` 17
    /// shuffles them.
    const LEADERS: [usize; 40] = [
        0, 0, 2, 3, 4, 2, 2, 2, 3, 8, 6, 9, 12, 4, 10, 11, 13, 11, 0, 14, 13, 7, 1, 1, 0, 3, 9, 20,
        12, 3, 22, 19, 21, 31, 23, 19, 22, 31, 35, 18,
    ];

    #[test]
    fn the_leader_is_the_one_that_java_shuffles_to_the_front() {
        for (index, leader) in LEADERS.into_iter().enumerate() {
            let owners = (0..=index).rev().map(|owner| worker(&format!("worker-{owner:02}")));
            let expected = worker(&format!("worker-{leader:02}"));
            assert_eq!(shuffled_leader(owners), Some(expected), "{} owners", index + 1);
        }
    }

    #[test]
    fn the_whole_shuffle_is_javas() {
        let mut indices = [0, 1, 2, 3, 4, 5, 6, 7];
        JavaRandom::new(SEED).shuffle(&mut indices);
        assert_eq!(indices, [2, 3, 0, 6, 4, 7, 1, 5]);
    }

    #[test]
    fn a_bound_that_does_not_divide_the_range_draws_again_where_java_does() {
        let mut random = JavaRandom::new(SEED);
        let drawn = [(); 4].map(|()| random.below((1 << 30) + 1));
        assert_eq!(drawn, [719_977_525, 63_954_995, 552_873_169, 1_046_619_502]);
    }

    #[test]
    fn an_owner_of_many_leases_counts_once() {
        let owners = ["c", "b", "a", "c", "c", "b"].map(worker);
        assert_eq!(shuffled_leader(owners), Some(worker("c")));
    }

    #[test]
    fn owners_are_sorted_by_utf_16_code_units() {
        // In UTF-8 the first would sort first; in UTF-16 its code unit is above a surrogate's.
        let owners = ["\u{ff61}", "\u{10000}"].map(worker);
        assert_eq!(shuffled_leader(owners), Some(worker("\u{10000}")));
    }

    #[test]
    fn everybody_leads_until_somebody_owns_a_lease() {
        assert!(leads(&worker("a"), &[]));
        assert!(leads(&worker("a"), &[lease(None)]));
        assert!(leads(&worker("b"), &[lease(None)]));
        assert!(!leads(&worker("a"), &[lease(None), lease(Some("b"))]));
        assert!(leads(&worker("b"), &[lease(None), lease(Some("b"))]));
    }
}
