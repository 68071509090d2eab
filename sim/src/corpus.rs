//! Seeds that failed once, each with what it found. They run in every gate.

use clap::Parser;
use shardwise_sim::plan::Plan;

use crate::args::Args;

const CORPUS: &str = include_str!("../corpus.txt");
/// The options of a plan that are followed by a value.
const VALUED: [&str; 5] = ["--families", "--without", "--minutes", "--workers", "--shards"];

/// The plans of all of them.
pub(crate) fn plans() -> Result<Vec<Plan>, String> {
    let lines = CORPUS.lines().zip(1..);
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(line, number)| {
            plan(line).map_err(|fault| format!("sim/corpus.txt: line {number}: {fault}"))
        })
        .collect()
}

/// The plan of a line: a seed, options of its plan, and what it found.
fn plan(line: &str) -> Result<Plan, String> {
    let mut words = line.split_whitespace().peekable();
    let seed = words.next().unwrap_or_default();
    let mut given = vec!["sim", "--seed", seed];
    while let Some(option) = words.next_if(|word| word.starts_with("--")) {
        given.push(option);
        if VALUED.contains(&option) {
            given.extend(words.next());
        } else if option != "--sdk" {
            return Err(format!("`{option}` is no option of a plan"));
        }
    }
    if words.count() < 3 {
        return Err("it does not say what the seed found".to_owned());
    }
    let args = Args::try_parse_from(given).map_err(|error| error.to_string())?;
    let plan = args.only(&args.limits()?)?;
    plan.ok_or_else(|| format!("`{seed}` is no seed"))
}

#[cfg(test)]
mod tests {
    use shardwise_sim::plan::Family;

    use super::*;

    #[test]
    fn every_line_of_the_corpus_is_a_seed_and_a_reason() {
        assert!(!plans().unwrap().is_empty());
    }

    #[test]
    fn a_line_may_hold_parts_of_its_plan_fixed() {
        let line = "7 --without kills,hands --minutes 5 --workers 2 --shards 3 what it had found";
        let plan = plan(line).unwrap();
        assert_eq!((plan.seed, plan.workers, plan.shards, plan.over_sdk), (7, 2, 3, false));
        assert_eq!(plan.chaos.as_secs(), 300);
        assert!(!plan.has(Family::Kills) && !plan.has(Family::Hands));
        assert!(super::plan("7 --sdk what it had found").unwrap().over_sdk);
    }

    #[test]
    fn a_line_that_is_no_seed_or_names_no_option_of_a_plan_is_refused() {
        let without = |name: &str| format!("7 --without {name} what it had found");
        assert!(plan(&without("kills")).is_ok());
        for line in ["x what it had found", "7", "7 --gate what it had found", &without("kill")] {
            assert!(plan(line).is_err(), "{line}");
        }
    }
}
