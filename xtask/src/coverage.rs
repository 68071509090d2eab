//! Which lines of what decides and of what carries it out never run: under tests, and under
//! simulated faults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;

use crate::json::list;
use crate::step::succeed;
use crate::tree::Tree;

const VERSION: &str = "0.37.5";
/// The least share of the lines of each group that must have run, in hundredths.
const GOAL: usize = 95;
/// What the goal is for, and the beginnings of its files.
const HELD: [(&str, &[&str]); 2] = [
    ("the core", &["crates/core/src/"]),
    (
        "leases, sync, life cycle and checkpoints in the library",
        &[
            "crates/shardwise/src/consumer",
            "crates/shardwise/src/parents",
            "crates/shardwise/src/processor",
            "crates/shardwise/src/shards",
            "crates/shardwise/src/tenure",
            "crates/shardwise/src/worker",
        ],
    ),
];
/// What is covered.
const FILES: [&str; 3] = ["crates/core/src/*", "crates/shardwise/src/*", "crates/multilang/src/*"];
/// What of it is not: the AWS SDK's edge is tried against the real endpoints, and tests are no
/// subject.
const LEFT_OUT: [&str; 4] =
    ["crates/shardwise/src/aws*", "crates/shardwise/src/testing*", "*/tests.rs", "*/tests/*"];
/// What the simulation runs; a line costs ptrace nothing once it has run.
const SIMULATION: &str = "--from 100 --seeds 30 --minutes 20 --threads 1";

/// The lines of a file that can run, and whether they did.
type Lines = BTreeMap<u64, bool>;
/// Files by their path below the root of the tree.
type Files = BTreeMap<String, Lines>;

/// Runs tests and simulation under ptrace, and lists what was not reached.
pub(crate) fn coverage(tree: &Tree) -> Result<ExitCode, String> {
    let tools = tree.target.join("coverage/tools");
    let tarpaulin = tools.join("bin/cargo-tarpaulin");
    if !tarpaulin.exists() {
        let install = ["install", "cargo-tarpaulin", "--version", VERSION, "--locked"];
        succeed(tree.cargo(&install).args(["--no-default-features", "--root"]).arg(&tools))?;
    }
    let mut files = Files::new();
    let tests = ["--packages", "shardwise-core", "--packages", "shardwise-sim", "--lib"];
    let golden = ["--packages", "shardwise-core", "--test", "golden_rows"];
    // Small worlds on a paused clock, for what a simulated fleet seldom comes to.
    let library = ["--packages", "shardwise", "--packages", "shardwise-multilang", "--lib"];
    let simulation = ["--packages", "shardwise-sim", "--command", "build", "--"];
    let simulation: Vec<&str> = simulation.into_iter().chain(SIMULATION.split(' ')).collect();
    let runs: [(&str, &[&str]); 4] =
        [("sim", &simulation), ("tests", &tests), ("rows", &golden), ("library", &library)];
    let mut simulated = None;
    for (name, arguments) in runs {
        let report = tree.target.join("coverage").join(name);
        let mut run = tree.command(&tarpaulin);
        run.args(["tarpaulin", "--engine", "ptrace", "--profile", "coverage", "--locked"]);
        // Without the SDK, whose edge is no subject here.
        run.args(["--no-default-features", "--skip-clean", "--out", "Json"]);
        // Under ptrace, and beside other work, a test may take minutes.
        run.args(["--timeout", "1800"]);
        run.arg("--output-dir").arg(&report).arg("--target-dir");
        run.arg(tree.target.join("coverage/build"));
        run.args(FILES.iter().flat_map(|file| ["--include-files", file]));
        run.args(LEFT_OUT.iter().flat_map(|file| ["--exclude-files", file]));
        std::fs::create_dir_all(&report).map_err(|error| error.to_string())?;
        succeed(run.args(arguments))?;
        let report = std::fs::read(report.join("tarpaulin-report.json"));
        let report = report.map_err(|error| format!("the report of tarpaulin: {error}"))?;
        let report = serde_json::from_slice(&report).map_err(|error| error.to_string())?;
        merge(&mut files, &report, &tree.root);
        simulated.get_or_insert_with(|| HELD.map(|(_, held)| Share::of(&files, held)));
    }
    list_unreached(&files, &tree.root);
    for (path, lines) in &files {
        println!("{path:<56}{}", Share::of_lines(lines));
    }
    println!("all: {}", Share::of(&files, &[""]));
    let mut is_reached = true;
    for ((group, held), simulated) in HELD.iter().zip(simulated.unwrap_or_default()) {
        let share = Share::of(&files, held);
        println!("{group}: {share}; {GOAL} % are the goal; by simulated fleets alone: {simulated}");
        is_reached &= share.reaches(GOAL);
    }
    Ok(if is_reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many of some lines ran.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Share {
    ran: usize,
    all: usize,
}

impl Share {
    fn of_lines(lines: &Lines) -> Self {
        Self { ran: lines.values().filter(|has_run| **has_run).count(), all: lines.len() }
    }

    /// Of the files that begin in one of these ways.
    fn of(files: &Files, beginnings: &[&str]) -> Self {
        let counts = |path: &str| beginnings.iter().any(|beginning| path.starts_with(beginning));
        let counted = files.iter().filter(|(path, _)| counts(path));
        counted.map(|(_, lines)| Self::of_lines(lines)).fold(Self::default(), |sum, share| Self {
            ran: sum.ran + share.ran,
            all: sum.all + share.all,
        })
    }

    fn reaches(self, hundredths: usize) -> bool {
        self.all > 0 && 100 * self.ran >= hundredths * self.all
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * self.ran as f64 / self.all.max(1) as f64;
        write!(f, "{:>5} of {:>5} lines ran, {share:.1} %", self.ran, self.all)
    }
}

/// Adds a report of tarpaulin to those before it.
fn merge(files: &mut Files, report: &Value, root: &Path) {
    for file in list(&report["files"]) {
        let parts: PathBuf = list(&file["path"]).iter().filter_map(Value::as_str).collect();
        let path = parts.strip_prefix(root).unwrap_or(&parts).display().to_string();
        let lines = files.entry(path).or_default();
        for trace in list(&file["traces"]) {
            let has_run = trace["stats"]["Line"].as_u64().is_some_and(|hits| hits > 0);
            if let Some(line) = trace["line"].as_u64() {
                *lines.entry(line).or_default() |= has_run;
            }
        }
    }
}

/// Prints every line that never ran.
fn list_unreached(files: &Files, root: &Path) {
    for (path, lines) in files {
        let source = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        for line in lines.iter().filter(|(_, has_run)| !**has_run).map(|(line, _)| *line) {
            let text = source.lines().nth(line as usize - 1).unwrap_or_default();
            println!("{path}:{line}: {}", text.trim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ran_if_it_ran_in_any_report() {
        let report = |first: u64, second: u64| {
            serde_json::json!({ "files": [{ "path": ["/", "a", "b.rs"], "traces": [
                { "line": 3, "stats": { "Line": first } },
                { "line": 5, "stats": { "Line": second } },
                { "line": 9, "stats": { "Line": 0 } },
            ] }] })
        };
        let mut files = Files::new();
        merge(&mut files, &report(1, 0), Path::new("/a"));
        merge(&mut files, &report(0, 2), Path::new("/a"));
        let lines = BTreeMap::from([(3, true), (5, true), (9, false)]);
        assert_eq!(files, BTreeMap::from([("b.rs".to_owned(), lines)]));
    }

    #[test]
    fn each_group_of_files_is_held_to_the_goal_by_itself() {
        let lines = |all: u64, ran: u64| (0..all).map(|line| (line, line < ran)).collect();
        let files = Files::from([
            ("crates/core/src/lease.rs".to_owned(), lines(100, 95)),
            ("crates/shardwise/src/worker/stop.rs".to_owned(), lines(40, 38)),
            ("crates/shardwise/src/worker.rs".to_owned(), lines(60, 56)),
            ("crates/shardwise/src/retrieval.rs".to_owned(), lines(10, 1)),
        ]);
        let [core, library] = HELD.map(|(_, held)| Share::of(&files, held));
        assert_eq!((core, library), (Share { ran: 95, all: 100 }, Share { ran: 94, all: 100 }));
        assert!(core.reaches(GOAL) && !library.reaches(GOAL));
        assert_eq!(Share::of(&files, &[""]), Share { ran: 190, all: 210 });
    }
}
