//! Which lines of what decides and of what carries it out never run: under tests, and under
//! simulated faults.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use crate::step::succeed;
use crate::tree::Tree;

const VERSION: &str = "0.37.5";
/// What the goal is for, in hundredths.
const GOAL: usize = 95;
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

/// Runs tests and simulation under ptrace, and lists what was not reached.
pub(crate) fn coverage(tree: &Tree) -> Result<ExitCode, String> {
    let tools = tree.target.join("coverage/tools");
    let tarpaulin = tools.join("bin/cargo-tarpaulin");
    if !tarpaulin.exists() {
        let install = ["install", "cargo-tarpaulin", "--version", VERSION, "--locked"];
        succeed(tree.cargo(&install).args(["--no-default-features", "--root"]).arg(&tools))?;
    }
    let mut files = BTreeMap::new();
    let tests = ["--packages", "shardwise-core", "--packages", "shardwise-sim", "--lib"];
    let golden = ["--packages", "shardwise-core", "--test", "golden_rows"];
    // Small worlds on a paused clock, for what a simulated fleet seldom comes to.
    let library = ["--packages", "shardwise", "--packages", "shardwise-multilang", "--lib"];
    let simulation = ["--packages", "shardwise-sim", "--command", "build", "--"];
    let simulation: Vec<&str> = simulation.into_iter().chain(SIMULATION.split(' ')).collect();
    let runs: [(&str, &[&str]); 4] =
        [("tests", &tests), ("rows", &golden), ("library", &library), ("sim", &simulation)];
    for (name, arguments) in runs {
        let report = tree.target.join("coverage").join(name);
        let mut run = tree.command(&tarpaulin);
        run.args(["tarpaulin", "--engine", "ptrace", "--profile", "coverage", "--locked"]);
        // Without the SDK, whose edge is no subject here.
        run.args(["--no-default-features", "--skip-clean", "--out", "Json"]);
        run.arg("--output-dir").arg(&report).arg("--target-dir");
        run.arg(tree.target.join("coverage/build"));
        run.args(FILES.iter().flat_map(|file| ["--include-files", file]));
        run.args(LEFT_OUT.iter().flat_map(|file| ["--exclude-files", file]));
        std::fs::create_dir_all(&report).map_err(|error| error.to_string())?;
        succeed(run.args(arguments))?;
        let report = std::fs::read(report.join("tarpaulin-report.json"));
        let report = report.map_err(|error| format!("the report of tarpaulin: {error}"))?;
        let report = serde_json::from_slice(&report).map_err(|error| error.to_string())?;
        merge(&mut files, &report);
    }
    Ok(tell(&files, &tree.root))
}

/// Adds a report of tarpaulin to those before it.
fn merge(files: &mut BTreeMap<String, Lines>, report: &Value) {
    for file in list(&report["files"]) {
        let parts = list(&file["path"]).iter().filter_map(Value::as_str);
        let path: Vec<&str> = parts.filter(|part| *part != "/").collect();
        let lines = files.entry(format!("/{}", path.join("/"))).or_default();
        for trace in list(&file["traces"]) {
            let has_run = trace["stats"]["Line"].as_u64().is_some_and(|hits| hits > 0);
            if let Some(line) = trace["line"].as_u64() {
                *lines.entry(line).or_default() |= has_run;
            }
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Lists every line that never ran, then each file's share and that of all.
fn tell(files: &BTreeMap<String, Lines>, root: &Path) -> ExitCode {
    let name = |path: &str| {
        let name = Path::new(path).strip_prefix(root).unwrap_or(Path::new(path));
        name.display().to_string()
    };
    for (path, lines) in files {
        let source = std::fs::read_to_string(path).unwrap_or_default();
        for line in lines.iter().filter(|(_, has_run)| !**has_run).map(|(line, _)| *line) {
            let text = source.lines().nth(line as usize - 1).unwrap_or_default();
            println!("{}:{line}: {}", name(path), text.trim());
        }
    }
    let (mut ran, mut all) = (0, 0);
    for (path, lines) in files {
        let here = lines.values().filter(|has_run| **has_run).count();
        println!("{:<56}{here:>5} of {:>5} lines", name(path), lines.len());
        ran += here;
        all += lines.len();
    }
    println!("{ran} of {all} lines ran: {:.1} %, {GOAL} are the goal", percent(ran, all));
    if 100 * ran >= GOAL * all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
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
        let mut files = BTreeMap::new();
        merge(&mut files, &report(1, 0));
        merge(&mut files, &report(0, 2));
        let lines = BTreeMap::from([(3, true), (5, true), (9, false)]);
        assert_eq!(files, BTreeMap::from([("/a/b.rs".to_owned(), lines)]));
    }
}
