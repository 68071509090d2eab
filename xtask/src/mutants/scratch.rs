//! A work tree of its own, where mutants are built and run.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::mutant::{Killer, Mutant};
use crate::tree::Tree;

/// The runs after which a mutant has survived.
const SEEDS: [&str; 4] = ["--from", "1", "--seeds", "50"];
const SWEEP: [&str; 1] = ["--sweep"];
const FIGURES: [&str; 3] = ["--figures", "--seeds", "10"];
const TWICE: [&str; 3] = ["--twice", "--seeds", "20"];
/// How long they may take: where a mutant lets no time pass, nothing is judged.
const LONGEST: Duration = Duration::from_secs(600);
/// What mutants are made of. A patch file need not be committed.
const SOURCES: [&str; 5] = ["crates", "sim/src", "sim/Cargo.toml", "Cargo.toml", "Cargo.lock"];

/// HEAD in a work tree below the target directory, with a target directory beside it.
pub(super) struct Scratch<'a> {
    tree: &'a Tree,
    root: PathBuf,
    target: PathBuf,
    /// The simulation without any mutant.
    sound: PathBuf,
}

/// What killed a mutant.
pub(super) struct Kill {
    /// The run, as the simulation calls it.
    pub(super) run: String,
    /// The ids of the invariants that it broke.
    pub(super) broken: Vec<String>,
}

/// The commit that the work tree is at.
pub(super) fn commit(tree: &Tree) -> Result<String, String> {
    let head = output(tree.command("git").args(["rev-parse", "HEAD"]))?;
    Ok(head.trim().to_owned())
}

impl<'a> Scratch<'a> {
    /// Checks HEAD out, and builds the simulation as it is.
    pub(super) fn make(tree: &'a Tree) -> Result<Self, String> {
        let mut status = tree.command("git");
        let changed = output(status.args(["status", "--porcelain", "--"]).args(SOURCES))?;
        if !changed.is_empty() {
            println!("note: mutants are made of HEAD, without what is not committed:\n{changed}");
        }
        let directory = tree.target.join("mutants");
        let scratch = Self {
            tree,
            root: directory.join("tree"),
            target: directory.join("target"),
            sound: directory.join("sound"),
        };
        // One may be left of a run that was cut off.
        scratch.remove();
        let add = ["worktree", "add", "--quiet", "--force", "--detach"];
        output(tree.command("git").args(add).arg(&scratch.root).arg("HEAD"))?;
        println!("builds HEAD in {}", scratch.root.display());
        scratch.build().map_err(|text| format!("HEAD does not compile: {text}"))?;
        std::fs::copy(scratch.built(), &scratch.sound)
            .map_err(|error| format!("{}: {error}", scratch.sound.display()))?;
        Ok(scratch)
    }

    /// Builds a mutant, and runs it until something breaks that is whole without it.
    pub(super) fn try_one(&self, mutant: &Mutant) -> Result<Kill, String> {
        let patch = mutant.file(&self.tree.root);
        self.git(&["apply"], &patch).map_err(|text| format!("it does not apply: {text}"))?;
        let built = self.build().map_err(|text| format!("it does not compile: {text}"));
        let kill = built.and_then(|()| self.kill(mutant));
        // Not by the patch: whoever edits it meanwhile would leave the mutant in the tree.
        self.git(&["checkout", "--quiet", "--"], Path::new("."))?;
        kill
    }

    fn kill(&self, mutant: &Mutant) -> Result<Kill, String> {
        let first = mutant.killer.options();
        let rest = match mutant.killer {
            Killer::Seed(_) => SEEDS.as_slice(),
            Killer::Point(_) => SWEEP.as_slice(),
            Killer::Figures => FIGURES.as_slice(),
            Killer::Twice => TWICE.as_slice(),
        };
        let rest = rest.iter().map(|option| (*option).to_owned()).collect();
        for options in [first, rest] {
            if let Some((killer, broken)) = failure(&self.built(), &mutant.run, &options)? {
                let again = killer.options();
                if let Some((_, broken)) = failure(&self.sound, &mutant.run, &again)? {
                    return Err(format!("{killer} breaks {} without it", broken.join(", ")));
                }
                return Ok(Kill { run: killer.to_string(), broken });
            }
        }
        Err("it survives".to_owned())
    }

    fn build(&self) -> Result<(), String> {
        let build =
            ["build", "--quiet", "--locked", "-p", "shardwise-sim", "--no-default-features"];
        let mut cargo = self.tree.cargo(&build);
        // Each mutant differs from the last in a line or two.
        cargo.env("CARGO_TARGET_DIR", &self.target).env("CARGO_INCREMENTAL", "1");
        output(cargo.current_dir(&self.root)).map(drop)
    }

    fn built(&self) -> PathBuf {
        self.target.join("debug").join("shardwise-sim")
    }

    fn git(&self, arguments: &[&str], path: &Path) -> Result<(), String> {
        let mut git = Command::new("git");
        output(git.current_dir(&self.root).args(arguments).arg(path)).map(drop)
    }

    fn remove(&self) {
        // There is none, mostly.
        let remove = ["worktree", "remove", "--force", "--force"];
        drop(output(self.tree.command("git").args(remove).arg(&self.root)));
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The first run of the simulation that fails, and what it broke.
fn failure(
    sim: &Path,
    run: &[String],
    options: &[String],
) -> Result<Option<(Killer, Vec<String>)>, String> {
    let start = Instant::now();
    let mut command = Command::new(sim);
    // What panics says so on stderr, too.
    command.arg("--first").args(run).args(options).stdout(Stdio::piped()).stderr(Stdio::null());
    let failed = |error| format!("{}: {error}", sim.display());
    let mut child = command.spawn().map_err(failed)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if start.elapsed() > LONGEST {
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
            return Err(format!("it runs for more than {} s", LONGEST.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut said).map_err(failed)?;
    }
    if status.success() {
        return Ok(None);
    }
    let parts = said.lines().last().and_then(|last| last.rsplit_once(": "));
    let killer = parts.and_then(|(name, broken)| Some((Killer::named(name)?, broken)));
    let (killer, broken) = killer.ok_or_else(|| format!("the simulation says `{said}`"))?;
    Ok(Some((killer, broken.split(", ").map(str::to_owned).collect())))
}

/// What a command prints; on failure what it complains about.
pub(super) fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program} does not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
