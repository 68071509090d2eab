//! A mutant: a patch file, and what its head says of it.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the patch files are.
pub(super) const DIRECTORY: &str = "sim/mutants";

/// What is run unless a patch says otherwise: rows that a hand deletes or marks hide much of what a
/// mutant does, and with the kinds of faults that there were at first a seed stays what it was.
const RUN: &str = "--without hands --families 26";

/// One patch file.
pub(super) struct Mutant {
    pub(super) name: String,
    /// Which rule it breaks, in a sentence.
    what: String,
    /// Where the like was seen: issues, or parts of the project's list of bugs.
    bugs: String,
    /// The invariants that must notice, each of them.
    pub(super) breaks: Vec<String>,
    /// Options of the simulation.
    pub(super) run: Vec<String>,
    /// What is tried first: it killed the mutant when it was written.
    pub(super) killer: Killer,
}

/// The one run that kills a mutant.
pub(super) enum Killer {
    Seed(u64),
    /// A point of a sweep.
    Point(String),
    /// The hours of the figures.
    Figures,
    /// The same seeds in two processes.
    Twice,
}

impl Killer {
    /// The run that the simulation calls so.
    pub(super) fn named(name: &str) -> Option<Self> {
        if let Some(point) = name.strip_prefix("crash at ") {
            return Some(Self::Point(point.to_owned()));
        }
        match name {
            "figures" => Some(Self::Figures),
            "twice" => Some(Self::Twice),
            _ => name.strip_prefix("seed ")?.parse().ok().map(Self::Seed),
        }
    }

    /// The options by which it is run alone.
    pub(super) fn options(&self) -> Vec<String> {
        match self {
            Self::Seed(seed) => vec![format!("--from={seed}"), "--seeds=1".to_owned()],
            Self::Point(point) => vec![format!("--sweep={point}")],
            Self::Figures => vec!["--figures".to_owned(), "--seeds=1".to_owned()],
            Self::Twice => vec!["--twice".to_owned(), "--seeds=1".to_owned()],
        }
    }
}

impl fmt::Display for Killer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(seed) => write!(f, "seed {seed}"),
            Self::Point(point) => write!(f, "crash at {point}"),
            Self::Figures => write!(f, "figures"),
            Self::Twice => write!(f, "twice"),
        }
    }
}

impl Mutant {
    pub(super) fn file(&self, root: &Path) -> PathBuf {
        root.join(DIRECTORY).join(&self.name).with_extension("patch")
    }
}

/// Every mutant, in the order of their names.
pub(super) fn all(root: &Path) -> Result<Vec<Mutant>, String> {
    let failed = |error: std::io::Error| format!("{DIRECTORY}: {error}");
    let mut mutants = Vec::new();
    for entry in fs::read_dir(root.join(DIRECTORY)).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let text = fs::read_to_string(&path).map_err(failed)?;
        mutants.push(read(name, &text).map_err(|fault| format!("{}: {fault}", path.display()))?);
    }
    mutants.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(mutants)
}

/// Reads what stands before the patch: a sentence, an empty line, and lines of a key and a value.
pub(super) fn read(name: &str, text: &str) -> Result<Mutant, String> {
    let head = text.split("\ndiff --git ").next().unwrap_or_default();
    let (what, keys) = head.split_once("\n\n").ok_or("no empty line behind the sentence")?;
    let (mut bugs, mut breaks, mut run, mut killer) = ("", "", RUN, None);
    for line in keys.lines() {
        let (key, value) = line.split_once(": ").ok_or_else(|| format!("`{line}` has no key"))?;
        match key {
            "Bugs" => bugs = value,
            "Breaks" => breaks = value,
            "Run" => run = value,
            "Seed" => {
                let seed = value.parse().map_err(|_| format!("`{value}` is no seed"))?;
                killer = Some(Killer::Seed(seed));
            }
            "Point" => killer = Some(Killer::Point(value.to_owned())),
            "By" if matches!(value, "figures" | "twice") => killer = Killer::named(value),
            _ => return Err(format!("`{key}` is not known")),
        }
    }
    if breaks.is_empty() {
        return Err("no line `Breaks: ...`".to_owned());
    }
    Ok(Mutant {
        name: name.to_owned(),
        what: what.split_whitespace().collect::<Vec<_>>().join(" "),
        bugs: bugs.to_owned(),
        breaks: breaks.split(", ").map(str::to_owned).collect(),
        run: run.split_whitespace().map(str::to_owned).collect(),
        killer: killer.ok_or("no line `Seed: ...`, `Point: ...` or `By: ...`")?,
    })
}

/// The table of mutants, for the page on correctness.
pub(super) fn page(mutants: &[Mutant]) -> String {
    let mut text = "| mutant | what is broken | seen in | must break | killed by |\n\
        | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for mutant in mutants {
        let Mutant { name, what, bugs, breaks, run, killer } = mutant;
        let (breaks, run) = (breaks.join(", "), run.join(" "));
        let run = if run == RUN { String::new() } else { format!(", `{run}`") };
        writeln!(text, "| `{name}` | {what} | {bugs} | {breaks} | {killer}{run} |")
            .expect("text grows");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "A rule\nis broken.\n\nBugs: KCL#1\nBreaks: I5, keys\nSeed: 17\n\
        diff --git a/a b/a\n+Seed: 18\n";

    #[test]
    fn the_head_of_a_patch_says_what_it_is() {
        let mutant = read("a-name", PATCH).unwrap();
        assert_eq!(mutant.breaks, ["I5", "keys"]);
        assert_eq!(mutant.run, ["--without", "hands", "--families", "26"]);
        let row = "| `a-name` | A rule is broken. | KCL#1 | I5, keys | seed 17 |\n";
        assert!(page(&[mutant]).ends_with(row));
    }

    #[test]
    fn a_mutant_may_be_killed_by_the_figures_or_in_two_processes() {
        let options = |by: &str| {
            let text = format!("It.\n\nBreaks: I15\nBy: {by}\n");
            read("a-name", &text).map(|mutant| mutant.killer.options())
        };
        assert_eq!(options("figures").unwrap(), ["--figures", "--seeds=1"]);
        assert_eq!(options("twice").unwrap(), ["--twice", "--seeds=1"]);
        assert!(options("seed 7").is_err());
    }

    #[test]
    fn a_head_that_says_too_little_is_refused() {
        for text in ["", "It.\n\nSeed: 1\n", "It.\n\nBreaks: I1\n", "It.\n\nBreaks: I1\nSeeds: 1\n"]
        {
            assert!(read("a-name", text).is_err(), "{text}");
        }
    }
}
