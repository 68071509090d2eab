//! What a reviewer would say twice and no lint knows.

mod citations;
mod imports;
mod licences;
mod links;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::mutants;
use crate::tree::Tree;

/// What tidy found: findings fail the gate, notes do not.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) findings: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Looks at every file that git knows or would, and at what cargo knows of the packages.
pub(crate) fn tidy(tree: &Tree) -> Result<Report, String> {
    let mut report = Report::default();
    let mut tests = BTreeSet::new();
    for path in files(tree)? {
        // What is not text is none of tidy's business.
        let Ok(text) = std::fs::read_to_string(tree.root.join(&path)) else { continue };
        let kind = Kind::of(&path);
        let mut at = |line: usize, fault: &str| {
            report.findings.push(format!("{}:{line}: {fault}", path.display()));
        };
        if kind != Kind::Lock {
            source::places(&text, &mut at);
        }
        match kind {
            Kind::Code => {
                source::code(&text, &mut at);
                tests.extend(citations::tests(&text).map(str::to_owned));
            }
            Kind::Markdown => links::links(&text, &tree.root.join(&path), &mut at),
            Kind::Lock | Kind::Other => {}
        }
    }
    let page = std::fs::read_to_string(tree.root.join(citations::PAGE));
    let page = page.map_err(|error| format!("{}: {error}", citations::PAGE))?;
    citations::citations(&page, &tests, &mut |line, fault| {
        report.findings.push(format!("{}:{line}: {fault}", citations::PAGE));
    });
    imports::check(&tree.metadata, &mut report.findings);
    licences::check(tree, &mut report)?;
    mutants::check(tree, &mut report.findings)?;
    Ok(report)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Markdown,
    Lock,
    Other,
}

impl Kind {
    fn of(path: &Path) -> Self {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if matches!(name, "Cargo.lock" | "package-lock.json") {
            return Self::Lock;
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs" | "js" | "mjs" | "cjs" | "ts" | "py" | "java" | "sh") => Self::Code,
            Some("md") => Self::Markdown,
            _ => Self::Other,
        }
    }
}

/// The files that git tracks, and those it would track if they were added.
fn files(tree: &Tree) -> Result<Vec<PathBuf>, String> {
    let output = tree
        .command("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(|error| format!("git does not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}
