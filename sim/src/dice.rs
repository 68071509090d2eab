//! Chance, from a seed. Each purpose has dice of its own, so that a run without one kind of fault
//! throws the others as before.

use std::time::Duration;

use shardwise_core::rng::Rng;

/// Dice for one purpose.
#[derive(Clone, Debug)]
pub struct Dice(Rng);

/// One in so many.
pub const MILLION: u32 = 1_000_000;

impl Dice {
    /// The dice of `purpose` in the run of `seed`.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a, so that purposes of any length spread over all seeds.
        let mixed =
            purpose.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed.rotate_left(17), |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self(Rng::new(mixed))
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0.below(n)
    }

    /// Whether a thing that happens `per_million` times in a million happens now.
    pub fn happens(&mut self, per_million: u32) -> bool {
        per_million > 0 && self.below(MILLION as usize) < per_million as usize
    }

    /// A duration from `low` to `high`, to the microsecond.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = high.saturating_sub(low).as_micros() as usize;
        low + Duration::from_micros(self.below(span + 1) as u64)
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// A whole number, all of them equally likely.
    pub fn number(&mut self) -> u128 {
        let mut part = || self.below(usize::MAX) as u128;
        part() << 64 | part()
    }
}
