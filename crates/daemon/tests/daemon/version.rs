//! What the binary says of itself.

use std::path::Path;
use std::process::Command;

#[test]
fn the_version_names_commit_target_and_profile() {
    let said = said("--version");
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some(concat!("shardwise ", env!("CARGO_PKG_VERSION"))));
    let facts: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    let [("commit", commit), ("target", target), ("profile", profile)] = facts[..] else {
        panic!("{said}")
    };
    assert_eq!(commit, checked_out().as_deref().unwrap_or("unknown"));
    assert!(target.starts_with(std::env::consts::ARCH), "{target}");
    assert_eq!(profile, if cfg!(debug_assertions) { "debug" } else { "release" });
}

#[test]
fn the_short_version_is_one_line() {
    assert_eq!(said("-V"), concat!("shardwise ", env!("CARGO_PKG_VERSION"), "\n"));
}

fn said(option: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_shardwise")).arg(option).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What git says now; the binary was built for this test.
fn checked_out() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !root.join(".git").exists() {
        return None;
    }
    let output = Command::new("git").arg("-C").arg(root).args(["rev-parse", "HEAD"]).output();
    let output = output.unwrap();
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}
