//! Runs a target on input after input, and keeps those that reach what none before them did.

use std::any::Any;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use shardwise_core::rng::Rng;

use crate::coverage::Coverage;
use crate::mutate::mutate;
use crate::targets::Target;
use crate::watch::Watch;

/// Of so many newest inputs comes half of what is tried.
const NEWEST: usize = 32;

/// What an input broke.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) input: Vec<u8>,
    pub(crate) panic: String,
}

/// One target, and what inputs have reached in it.
pub(crate) struct Fuzzer<'a> {
    target: &'a Target,
    coverage: Coverage,
    /// Inputs, each of which reached something when it came.
    pool: Vec<Vec<u8>>,
    rng: Rng,
    watch: Watch,
    /// Where each input is written before it is run, so that it survives the process.
    last: File,
}

impl<'a> Fuzzer<'a> {
    pub(crate) fn new(target: &'a Target, seed: u64, last: &Path) -> io::Result<Self> {
        Ok(Self {
            target,
            coverage: Coverage::new(),
            pool: Vec::new(),
            rng: Rng::new(seed),
            watch: Watch::start(),
            last: File::create(last)?,
        })
    }

    pub(crate) fn executions(&self) -> u64 {
        self.watch.executions()
    }

    pub(crate) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    pub(crate) fn pool(&self) -> &[Vec<u8>] {
        &self.pool
    }

    /// Runs each input as it is.
    pub(crate) fn replay(&mut self, inputs: Vec<Vec<u8>>) -> Result<(), Finding> {
        inputs.into_iter().try_for_each(|input| self.run(input))
    }

    /// Runs changed inputs for so long.
    pub(crate) fn explore(&mut self, time: Duration) -> Result<(), Finding> {
        let start = Instant::now();
        while start.elapsed() < time {
            // The clock costs as much as an input.
            for _ in 0..64 {
                let mut input = self.pick().to_vec();
                let other = self.pick().to_vec();
                mutate(&mut input, &other, self.target, &mut self.rng);
                self.run(input)?;
            }
        }
        Ok(())
    }

    /// What is left of the inputs when each has to reach what no shorter one does.
    pub(crate) fn distil(mut self) -> Vec<Vec<u8>> {
        self.coverage = Coverage::new();
        let mut inputs = std::mem::take(&mut self.pool);
        inputs.sort_by_key(Vec::len);
        // All of them passed once.
        inputs.retain(|input| self.reaches_more(input).unwrap_or(false));
        inputs
    }

    fn pick(&mut self) -> &[u8] {
        let inputs = self.pool.len();
        let from = if self.rng.below(2) == 0 { inputs.saturating_sub(NEWEST) } else { 0 };
        let at = from + self.rng.below(inputs - from);
        self.pool.get(at).map_or(&[], Vec::as_slice)
    }

    fn run(&mut self, input: Vec<u8>) -> Result<(), Finding> {
        match self.reaches_more(&input) {
            Ok(true) => self.pool.push(input),
            Ok(false) => {}
            Err(panic) => return Err(self.shrink(Finding { input, panic })),
        }
        Ok(())
    }

    /// Runs an input; whether it reached anything new, or what it broke.
    fn reaches_more(&mut self, input: &[u8]) -> Result<bool, String> {
        let written = self.last.write_all_at(input, 0);
        written.and_then(|()| self.last.set_len(input.len() as u64)).expect("the disk has room");
        self.watch.count();
        self.coverage.begin();
        let outcome = catch_unwind(|| (self.target.check)(input));
        let is_new = self.coverage.end();
        outcome.map(|()| is_new).map_err(|panic| text(&*panic))
    }

    /// Leaves parts out for as long as anything breaks without them.
    fn shrink(&mut self, mut finding: Finding) -> Finding {
        let mut part = finding.input.len() / 2;
        while part > 0 {
            let mut at = 0;
            while at < finding.input.len() {
                let mut input = finding.input.clone();
                input.drain(at..(at + part).min(input.len()));
                match self.reaches_more(&input) {
                    Ok(_) => at += part,
                    Err(panic) => finding = Finding { input, panic },
                }
            }
            part /= 2;
        }
        finding
    }
}

/// What one input breaks, if it breaks anything.
pub(crate) fn try_one(target: &Target, input: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| (target.check)(input))).map_err(|panic| text(&*panic))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: Target = Target {
        name: "letters",
        words: &["fu", "zz"],
        bytes_max: 64,
        check: |input| assert!(!input.windows(4).any(|four| four == b"fuzz"), "found"),
    };

    fn fuzzer(last: &Path) -> Fuzzer<'static> {
        Fuzzer::new(&LETTERS, 1, last).unwrap()
    }

    #[test]
    fn what_breaks_is_found_without_instrumentation_and_made_small() {
        let last = tempfile::NamedTempFile::new().unwrap();
        let finding = fuzzer(last.path()).explore(Duration::from_secs(60)).unwrap_err();
        assert_eq!(finding.input, b"fuzz");
        assert_eq!(finding.panic, "found");
    }

    #[test]
    fn the_input_at_work_is_in_a_file() {
        let last = tempfile::NamedTempFile::new().unwrap();
        let inputs = vec![b"a longer one".to_vec(), b"short".to_vec()];
        fuzzer(last.path()).replay(inputs).unwrap();
        assert_eq!(std::fs::read(last.path()).unwrap(), b"short");
    }

    #[test]
    fn a_committed_input_that_breaks_is_a_finding() {
        let last = tempfile::NamedTempFile::new().unwrap();
        let inputs = vec![b"fine".to_vec(), b"a fuzz b".to_vec()];
        assert_eq!(fuzzer(last.path()).replay(inputs).unwrap_err().input, b"fuzz");
    }

    #[test]
    fn a_seed_makes_the_same_inputs() {
        let inputs = |seed| {
            let mut rng = Rng::new(seed);
            let mut input = b"some input".to_vec();
            let mut all = Vec::new();
            for _ in 0..1_000 {
                mutate(&mut input, b"another", &LETTERS, &mut rng);
                assert!(input.len() <= LETTERS.bytes_max);
                all.push(input.clone());
            }
            all
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
    }
}
