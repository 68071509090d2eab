//! The tests that the page of what is checked names: a name that leads nowhere is a promise that
//! nobody keeps.

use std::collections::BTreeSet;

/// The page.
pub(super) const PAGE: &str = "docs/correctness.md";
/// How many words a name has at least that is written as tests are.
const WORDS_MIN: usize = 4;

/// The tests of a source file, by name.
pub(super) fn tests(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        let name = function.split(['(', '<']).next()?;
        std::mem::take(&mut is_test).then_some(name)
    })
}

/// Finds names of tests in backticks that are not among `tests`.
pub(super) fn citations(text: &str, tests: &BTreeSet<String>, at: &mut impl FnMut(usize, &str)) {
    for (index, line) in text.lines().enumerate() {
        let quoted = line.split('`').skip(1).step_by(2);
        for name in quoted.filter(|name| is_like_a_test(name) && !tests.contains(*name)) {
            at(index + 1, &format!("no test is called `{name}`"));
        }
    }
}

fn is_like_a_test(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(is_word) && name.split('_').count() >= WORDS_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_tests_that_are_not_there_are_found() {
        let source = "#[test]\nfn a_test_that_is_there() {}\n\n\
                      #[tokio::test]\n#[ignore]\nasync fn so_is_this_one() {}\n\
                      fn what_helps_a_test() {}\n";
        let known: BTreeSet<String> = tests(source).map(str::to_owned).collect();
        let page = "`a_test_that_is_there`, `so_is_this_one`\n`row::take`, `max_leases`, `a b`\n\
                    x `what_helps_a_test`\n";
        let mut lines = Vec::new();
        citations(page, &known, &mut |line, _| lines.push(line));
        assert_eq!(lines, [3]);
    }
}
