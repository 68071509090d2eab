//! Facts of a build for `shardwise --version`. None of them is a time: the same source gives the
//! same binary again.

use std::path::Path;
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let commit = commit(&root).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=SHARDWISE_COMMIT={commit}");
    println!("cargo:rustc-env=SHARDWISE_TARGET={}", variable("TARGET"));
    println!("cargo:rustc-env=SHARDWISE_PROFILE={}", variable("PROFILE"));
    println!("cargo:rerun-if-changed=build.rs");
}

/// The commit that is checked out; none outside a checkout of this repository.
fn commit(root: &Path) -> Option<String> {
    // An unpacked archive may lie in a checkout of something else, which git would answer for.
    if !root.join(".git").exists() {
        return None;
    }
    for file in ["HEAD", "logs/HEAD"] {
        // A branch's own file may be packed away; the log of HEAD grows with every commit.
        let path = root.join(git(root, &["rev-parse", "--git-path", file])?);
        // A file that is not there would be a change for cargo, each time.
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    git(root, &["rev-parse", "--verify", "HEAD"])
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| "unknown".to_owned())
}
