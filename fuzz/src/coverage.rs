//! Which code ran: the counters that the compiler puts into an instrumented build.
//!
//! `cargo xtask fuzz` builds with LLVM's SanitizerCoverage, which counts each edge of the code in a
//! byte of its own, and tells at the start of the program where these bytes lie. Any other build
//! has none: then every input looks alike, and the fuzzer is blind but works.
#![expect(unsafe_code, reason = "what LLVM counts is memory without a Rust owner")]

use std::sync::OnceLock;

/// Where the counters lie, and how many there are.
static COUNTERS: OnceLock<(usize, usize)> = OnceLock::new();

/// Called once for each object file, before `main`, and always with the same bounds.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    COUNTERS.get_or_init(|| (start as usize, stop as usize - start as usize));
}

/// What inputs have reached so far.
pub(crate) struct Coverage {
    /// The counters of the last run, eight to a word.
    counters: Vec<u64>,
    /// For each counter, which magnitudes it has had: a bit for each.
    seen: Vec<[u8; 8]>,
}

impl Coverage {
    pub(crate) fn new() -> Self {
        let words = COUNTERS.get().map_or(0, |(_, edges)| edges.div_ceil(8));
        Self { counters: vec![0; words], seen: vec![[0; 8]; words] }
    }

    /// Whether there is anything to see in this build.
    pub(crate) fn is_blind(&self) -> bool {
        self.seen.is_empty()
    }

    /// How many edges were reached.
    pub(crate) fn edges(&self) -> usize {
        self.seen.iter().flatten().filter(|seen| **seen != 0).count()
    }

    /// Sets the counters back.
    pub(crate) fn begin(&mut self) {
        self.collect();
    }

    /// Takes in what ran since [`begin`](Self::begin); whether any of it is new.
    pub(crate) fn end(&mut self) -> bool {
        self.collect();
        let mut is_new = false;
        for (word, seen) in self.counters.iter().zip(&mut self.seen) {
            // Nearly all are 0.
            if *word == 0 {
                continue;
            }
            for (count, seen) in word.to_ne_bytes().into_iter().zip(seen) {
                let magnitude = magnitude(count);
                is_new |= *seen & magnitude != magnitude;
                *seen |= magnitude;
            }
        }
        is_new
    }

    /// Copies the counters out, and zeroes them.
    fn collect(&mut self) {
        let Some(&(start, edges)) = COUNTERS.get() else { return };
        let start = start as *mut u8;
        assert!(edges <= 8 * self.counters.len(), "the counters are where they were");
        // SAFETY: LLVM's start-up code named these bytes; they are there as long as the program,
        // no Rust value lies in them, and the one thread that counts in them is this one or
        // concerns nobody (the watch).
        unsafe {
            start.copy_to_nonoverlapping(self.counters.as_mut_ptr().cast(), edges);
            start.write_bytes(0, edges);
        }
    }
}

/// A loop that runs 5 times is no news after one that ran 4 times; one that ran 40 times is.
fn magnitude(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..8 => 8,
        8..16 => 16,
        16..32 => 32,
        32..128 => 64,
        128.. => 128,
    }
}
