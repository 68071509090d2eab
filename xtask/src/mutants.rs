//! Mutants: the code with one rule broken, which the simulation must notice.

mod mutant;
mod scratch;

use std::process::ExitCode;
use std::time::Instant;

use self::mutant::{DIRECTORY, Mutant, all, page};
use self::scratch::{Kill, Scratch};
use crate::tree::Tree;

/// The page that lists the mutants.
const PAGE: &str = "docs/correctness.md";
/// Invariants that no patch has to break, as ADR 21 says, and the page where each is judged.
const WITHOUT_PATCH: [u32; 6] = [25, 26, 30, 31, 32, 37];
/// How many invariants there are.
const INVARIANTS: u32 = 37;
/// How many mutants CI tries of each commit.
const OF_A_COMMIT: usize = 3;

/// Tries the mutants that are named, three that the commit picks, or all; or lists them.
pub(crate) fn mutants(tree: &Tree, arguments: &[String]) -> Result<ExitCode, String> {
    let all = all(&tree.root)?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let chosen: Vec<&Mutant> = match words[..] {
        ["--list"] => {
            print!("{}", page(&all));
            return Ok(ExitCode::SUCCESS);
        }
        ["--three"] => of_commit(&all, &scratch::commit(tree)?),
        [] => all.iter().collect(),
        _ => words.iter().map(|name| named(&all, name)).collect::<Result<_, _>>()?,
    };
    let scratch = Scratch::make(tree)?;
    let mut failed = 0;
    for mutant in &chosen {
        let start = Instant::now();
        let fate = fate(&scratch, mutant);
        let seconds = start.elapsed().as_secs();
        let text = match &fate {
            Ok(kill) => format!("killed by {}: {}", kill.run, kill.broken.join(", ")),
            Err(fault) => format!("FAILED: {fault}"),
        };
        println!("{:<40} {seconds:>4} s  {text}", mutant.name);
        failed += usize::from(fate.is_err());
    }
    println!("{} passed, {failed} failed", chosen.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Finds patches that no longer apply, and whether the page on correctness has all of them.
pub(crate) fn check(tree: &Tree, findings: &mut Vec<String>) -> Result<(), String> {
    let all = all(&tree.root)?;
    for mutant in &all {
        let file = mutant.file(&tree.root);
        let mut git = tree.command("git");
        if let Err(fault) = scratch::output(git.args(["apply", "--check"]).arg(&file)) {
            findings.push(format!("{DIRECTORY}/{}.patch does not apply: {fault}", mutant.name));
        }
    }
    for number in (1..=INVARIANTS).filter(|number| !WITHOUT_PATCH.contains(number)) {
        let id = format!("I{number}");
        if !all.iter().any(|mutant| mutant.breaks.contains(&id)) {
            findings.push(format!("no patch in {DIRECTORY} breaks {id}"));
        }
    }
    let text = std::fs::read_to_string(tree.root.join(PAGE));
    if !text.map_err(|error| format!("{PAGE}: {error}"))?.contains(&page(&all)) {
        findings.push(format!("{PAGE} lacks the table that cargo xtask mutants --list prints"));
    }
    Ok(())
}

fn named<'a>(all: &'a [Mutant], name: &str) -> Result<&'a Mutant, String> {
    let found = all.iter().find(|mutant| mutant.name == name);
    found.ok_or_else(|| format!("no mutant is called `{name}`: see cargo xtask mutants --list"))
}

/// A few mutants in a row, others for each commit.
fn of_commit<'a>(all: &'a [Mutant], commit: &str) -> Vec<&'a Mutant> {
    let number = commit.bytes().fold(0_usize, |sum, byte| (31 * sum + usize::from(byte)) % 9_973);
    let from = number % all.len().max(1);
    all.iter().cycle().skip(from).take(OF_A_COMMIT.min(all.len())).collect()
}

/// How a mutant is killed; or why that does not count.
fn fate(scratch: &Scratch<'_>, mutant: &Mutant) -> Result<Kill, String> {
    let kill = scratch.try_one(mutant)?;
    match mutant.breaks.iter().find(|id| !kill.broken.contains(id)) {
        Some(id) => Err(format!("{} breaks {}, and not {id}", kill.run, kill.broken.join(", "))),
        None => Ok(kill),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_commit_picks_three_mutants_in_a_row() {
        let mutant = |name: &&str| mutant::read(name, "It.\n\nBreaks: I1\nSeed: 1\n").unwrap();
        let all: Vec<Mutant> = ["a", "b", "c", "d", "e"].iter().map(mutant).collect();
        let names = |commit: &str| {
            let names: String = of_commit(&all, commit).iter().map(|m| m.name.as_str()).collect();
            names
        };
        assert!("abcdeab".contains(&names("8620568")));
        assert_ne!(names("8620568"), names("8620569"));
    }
}
