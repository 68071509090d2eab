//! Seeds that failed once, each with what it found. They run in every gate.

use shardwise_sim::plan::{Limits, Plan};

const CORPUS: &str = include_str!("../corpus.txt");

/// The plans of all of them.
pub(crate) fn plans() -> Result<Vec<Plan>, String> {
    let lines = CORPUS.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let seed = line.split_whitespace().next().unwrap_or_default();
            let seed = seed
                .parse()
                .map_err(|_| format!("sim/corpus.txt: line {}: `{seed}` is no seed", number + 1))?;
            Ok(Plan::new(seed, &Limits::default()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_of_the_corpus_is_a_seed_and_a_reason() {
        assert!(!super::plans().unwrap().is_empty());
        let lines = super::CORPUS.lines().filter(|line| !line.starts_with('#'));
        for line in lines.filter(|line| !line.is_empty()) {
            assert!(line.split_whitespace().count() > 3, "no reason: {line}");
        }
    }
}
