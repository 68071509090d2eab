//! Python packages for tests, installed under the target directory.

use std::path::{Path, PathBuf};

use crate::package::SHARED_FEATURES;
use crate::step::succeed;
use crate::tree::Tree;

/// A Python of that name with what a file of requirements lists.
pub(crate) fn virtual_environment(
    tree: &Tree,
    name: &str,
    requirements: &Path,
) -> Result<PathBuf, String> {
    let directory = tree.target.join("venv").join(name);
    let python = directory.join("bin").join("python");
    once(&directory, requirements, || {
        succeed(tree.command("python3").args(["-m", "venv", "--clear"]).arg(&directory))?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        succeed(tree.command(&python).args(install).arg(requirements))
    })?;
    Ok(python)
}

/// The source of `amazon_kclpy`: its directory, for PYTHONPATH.
///
/// It is not installed: that would fetch the jars that it starts Java with.
pub(crate) fn kclpy(tree: &Tree) -> Result<PathBuf, String> {
    let directory = tree.target.join("kclpy");
    let requirements = tree.root.join("demo/peers/requirements.txt");
    let unpacked = directory.join("unpacked");
    once(&directory, &requirements, || {
        succeed(tree.command("python3").args(["-m", "venv", "--clear"]).arg(&directory))?;
        let download = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check"];
        let source = ["--no-deps", "--no-binary", ":all:", "--requirement"];
        let mut pip = tree.command(directory.join("bin/python"));
        pip.args(download).args(source).arg(&requirements).current_dir(&directory);
        succeed(&mut pip)?;
        let archive = only(&directory, |name| name.ends_with(".tar.gz"))?;
        let tar = ["-m", "tarfile", "--extract"];
        succeed(tree.command("python3").args(tar).arg(archive).arg(&unpacked))
    })?;
    only(&unpacked, |_| true)
}

/// Builds the wheel of `python/` with the binary that the other tests use: the directory it is in.
pub(crate) fn wheel(tree: &Tree, python: &Path) -> Result<PathBuf, String> {
    let wheels = tree.target.join("wheels");
    // Another version's would still be found there.
    if wheels.exists() {
        std::fs::remove_dir_all(&wheels)
            .map_err(|error| format!("{}: {error}", wheels.display()))?;
    }
    let mut maturin = tree.command(python);
    maturin
        .current_dir(tree.root.join("python"))
        .args(["-m", "maturin", "build", "--quiet", "--locked", "--profile", "dev"])
        .args(["--features", SHARED_FEATURES, "--target-dir"])
        .arg(&tree.target)
        .arg("--out")
        .arg(&wheels);
    succeed(&mut maturin)?;
    Ok(wheels)
}

/// Fills a directory, unless it was filled from the same requirements before.
fn once(
    directory: &Path,
    requirements: &Path,
    fill: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let wanted = std::fs::read_to_string(requirements)
        .map_err(|error| format!("{}: {error}", requirements.display()))?;
    // Written last: what was cut off is done again.
    let stamp = directory.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    fill()?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// The one entry of a directory with such a name.
fn only(directory: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<PathBuf, String> {
    let failed = |error| format!("{}: {error}", directory.display());
    let mut found = Vec::new();
    for entry in directory.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(&is_wanted) {
            found.push(path);
        }
    }
    match &found[..] {
        [path] => Ok(path.clone()),
        _ => Err(format!("{}: {} of what should be one", directory.display(), found.len())),
    }
}
