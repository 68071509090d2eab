//! The conformance suite: our endpoints and every independent implementation.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::counts::Counts;
use crate::npm;
use crate::python;
use crate::step::{Failure, Steps, run, run_tests, succeed};
use crate::tools::{self, CC, NODE, NPM, PYTHON};
use crate::tree::Tree;

const SUITE: &str = "crates/local/tests/conformance";
const PAGE: &str = "docs/conformance.md";

/// Runs every case, and checks that the page says what came of them.
pub(crate) fn test(tree: &Tree) -> Result<Counts, Failure> {
    let suite = Suite::set_up(tree)?;
    let mut counts = suite.run(tree)?;
    counts += run(suite.matrix(tree).arg("--check"))?;
    Ok(counts)
}

/// Runs every case, and writes the page.
pub(crate) fn write(tree: &Tree) -> Result<ExitCode, String> {
    tools::need(&[CC, NODE, NPM, PYTHON])?;
    let mut steps = Steps::default();
    steps.step("conformance", "cargo xtask conformance", || {
        let suite = Suite::set_up(tree)?;
        let counts = suite.run(tree)?;
        succeed(&mut suite.matrix(tree))?;
        Ok(counts)
    });
    Ok(steps.finish())
}

/// A Python that has moto and boto3.
pub(crate) fn python(tree: &Tree) -> Result<PathBuf, String> {
    let requirements = tree.root.join(SUITE).join("requirements.txt");
    python::virtual_environment(tree, "conformance", &requirements)
}

/// All that a run needs, installed and built.
struct Suite {
    python: PathBuf,
    npm: PathBuf,
    results: PathBuf,
}

impl Suite {
    fn set_up(tree: &Tree) -> Result<Self, String> {
        let build = ["build", "--workspace", "--locked", "--bins", "--example", "serve"];
        succeed(&mut tree.cargo(&build))?;
        // The same programs as for the end-to-end tests, of the versions named there.
        let npm = npm::install(tree, &["demo/consumer", "demo/peers"], "peers")?;
        Ok(Self { python: python(tree)?, npm, results: tree.target.join("conformance.json") })
    }

    fn run(&self, tree: &Tree) -> Result<Counts, Failure> {
        let mut pytest = tree.command(&self.python);
        pytest
            .current_dir(tree.root.join(SUITE))
            // What is compiled belongs under the target directory, or nowhere.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SHARDWISE_BIN", tree.built("debug", "shardwise"))
            .env("SHARDWISE_SERVE", tree.built("debug", "examples/serve"))
            .env("CONFORMANCE_NPM", &self.npm)
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
            .arg(format!("--results={}", self.results.display()));
        run_tests(&mut pytest)
    }

    fn matrix(&self, tree: &Tree) -> std::process::Command {
        let mut matrix = tree.command(&self.python);
        matrix
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("CONFORMANCE_NPM", &self.npm)
            .arg(format!("{SUITE}/matrix.py"))
            .arg(&self.results)
            .arg(PAGE);
        matrix
    }
}
