//! How many tests passed, read from what their runners print.

use std::fmt;
use std::ops::AddAssign;

/// Tests or checks that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Counts {
    /// What one line of a runner's output adds: those of cargo test, node's runner, pytest and our
    /// own programs do if they sum up, all others nothing.
    pub(crate) fn in_line(line: &str) -> Self {
        let line = line.trim();
        if line.starts_with("test result: ") {
            return Self { passed: before(line, "passed"), failed: before(line, "failed") };
        }
        let node = line.strip_prefix("# ").or_else(|| line.strip_prefix("\u{2139} "));
        if let Some((word, number)) = node.and_then(|rest| rest.split_once(' ')) {
            let number = number.parse().unwrap_or(0);
            return match word {
                "pass" => Self { passed: number, failed: 0 },
                // Cancelled tests are none that passed.
                "fail" | "cancelled" => Self { passed: 0, failed: number },
                _ => Self::default(),
            };
        }
        let ours = line.strip_suffix(" failed").and_then(|rest| rest.split_once(" passed, "));
        if let Some((passed, failed)) = ours
            && let (Ok(passed), Ok(failed)) = (passed.parse(), failed.parse())
        {
            return Self { passed, failed };
        }
        let line = line.trim_matches(['=', ' ']);
        let is_pytest = line.ends_with('s') || line.ends_with(')');
        if is_pytest && line.contains(" in ") && line.starts_with(|c: char| c.is_ascii_digit()) {
            let failed = before(line, "failed") + before(line, "error") + before(line, "errors");
            return Self { passed: before(line, "passed"), failed };
        }
        Self::default()
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// The number in front of a word.
fn before(line: &str, word: &str) -> usize {
    let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
    let number =
        words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok());
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_every_runner_count() {
        for (line, passed, failed) in [
            ("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out", 12, 0),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured", 3, 2),
            ("# pass 40", 40, 0),
            ("# fail 2", 0, 2),
            ("# cancelled 1", 0, 1),
            ("\u{2139} pass 7", 7, 0),
            ("======= 2 failed, 23 passed in 4.20s =======", 23, 2),
            ("25 passed in 65.10s (0:01:05)", 25, 0),
            ("1 error in 0.50s", 0, 1),
            ("333 passed, 2 failed", 333, 2),
        ] {
            assert_eq!(Counts::in_line(line), Counts { passed, failed }, "{line}");
        }
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in ["# tests 40", "test a::b ... ok", "12 things passed", "", "# Subtest: pass 3"]
        {
            assert_eq!(Counts::in_line(line), Counts::default(), "{line}");
        }
    }
}
