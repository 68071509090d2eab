//! Random choices that a seed repeats.

/// A small generator of random numbers (splitmix64): fast, seeded, and nothing for secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The generator that `seed` stands for.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // The high half of the product is below `n`: the random number is a fraction of 2^64.
        let product = u128::from(self.next()) * (n as u128);
        usize::try_from(product >> 64).expect("it is below `n`, which is a usize")
    }

    /// Takes `n` elements out of `from`, or all if there are fewer, in random order.
    pub fn choose<T>(&mut self, from: &mut Vec<T>, n: usize) -> Vec<T> {
        (0..n.min(from.len())).map(|_| from.swap_remove(self.below(from.len()))).collect()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::Rng;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn every_number_below_the_limit_comes_up() {
        let mut rng = Rng::new(0);
        let mut hits = [0; 7];
        for _ in 0..7_000 {
            hits[rng.below(7)] += 1;
        }
        assert!(hits.iter().all(|hits| (800..1_200).contains(hits)), "{hits:?}");
    }

    proptest! {
        #[test]
        fn what_is_chosen_and_what_is_left_are_what_there_was(
            seed: u64,
            there in proptest::collection::vec(any::<u8>(), 0..20),
            n in 0_usize..25,
        ) {
            let mut left = there.clone();
            let chosen = Rng::new(seed).choose(&mut left, n);
            prop_assert_eq!(chosen.len(), n.min(there.len()));
            let mut both = [chosen, left].concat();
            let mut there = there;
            both.sort_unstable();
            there.sort_unstable();
            prop_assert_eq!(both, there);
        }

        #[test]
        fn a_number_is_below_its_limit(seed: u64, n in 1_usize..) {
            prop_assert!(Rng::new(seed).below(n) < n);
        }
    }
}
