//! Lease rows from the real Java KCL, recorded again.

use std::process::ExitCode;

use crate::endpoints::Endpoints;
use crate::step::succeed;
use crate::tools::{self, CC, JAVA, MAVEN};
use crate::tree::Tree;

const VERSIONS: [&str; 2] = ["2.7.2", "3.5.1"];

pub(crate) fn record(tree: &Tree) -> Result<ExitCode, String> {
    tools::need(&[CC, JAVA, MAVEN])?;
    let script = tree.root.join("fixtures/record-java/record.sh");
    if !script.is_file() {
        return Err(format!("{} is missing", script.display()));
    }
    succeed(&mut tree.cargo(&["build", "--workspace", "--locked"]))?;
    for version in VERSIONS {
        // A version's rows must not meet those of another.
        let endpoints = Endpoints::start(&tree.built("debug", "shardwise"))?;
        succeed(tree.command("sh").arg(&script).args([&endpoints.dynamodb, version]))?;
    }
    Ok(ExitCode::SUCCESS)
}
