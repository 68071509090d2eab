//! npm packages for tests and the demo, installed under the target directory.

use std::fs;
use std::path::{Path, PathBuf};

use crate::step::succeed;
use crate::tree::Tree;

/// Copies the files of directories to `target/npm/NAME` and installs what package.json names.
///
/// The copy is what runs: node looks for packages beside the file that asks for them.
pub(crate) fn install(tree: &Tree, from: &[&str], name: &str) -> Result<PathBuf, String> {
    let to = tree.target.join("npm").join(name);
    for from in from {
        copy_files(&tree.root.join(from), &to)?;
    }
    let wanted = read(&to.join("package.json"))?;
    // The stamp is written last: an install that was cut off is done again.
    let stamp = to.join("node_modules").join(".installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(to);
    }
    let install = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    succeed(tree.command("npm").args(install).current_dir(&to))?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(to)
}

/// Packs `node/` and installs it under the name `aws-kcl`, as a user's package.json would, beside
/// programs that require it by that name.
pub(crate) fn install_alias(tree: &Tree, programs: &[&str]) -> Result<PathBuf, String> {
    let to = tree.target.join("npm").join("alias");
    // A packed file of the same version has the same name: npm would take it for unchanged.
    if to.exists() {
        fs::remove_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
    }
    for from in programs {
        copy_files(&tree.root.join(from), &to)?;
    }
    let node = tree.root.join("node");
    pack(tree, &node, &to)?;
    let version = version(&node.join("package.json"))?;
    let package = format!(
        "{{\"name\":\"alias\",\"private\":true,\"dependencies\":\
         {{\"aws-kcl\":\"file:./shardwise-{version}.tgz\"}}}}\n"
    );
    fs::write(to.join("package.json"), package)
        .map_err(|error| format!("package.json: {error}"))?;
    let install = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    succeed(tree.command("npm").args(install).current_dir(&to))?;
    Ok(to)
}

/// Installs what `node/package-lock.json` names for the package's own tests.
pub(crate) fn install_package(tree: &Tree) -> Result<(), String> {
    let node = tree.root.join("node");
    let lock = node.join("package-lock.json");
    let stamp = node.join("node_modules").join(".installed");
    let wanted = read(&lock)?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let install = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    succeed(tree.command("npm").args(install).current_dir(&node))?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// Packs the package in a directory into a file in another.
pub(crate) fn pack(tree: &Tree, package: &Path, to: &Path) -> Result<(), String> {
    let mut pack = tree.command("npm");
    pack.args(["pack", "--loglevel=error", "--pack-destination"]).arg(to).current_dir(package);
    succeed(&mut pack)
}

/// The version that a package.json names.
pub(crate) fn version(package: &Path) -> Result<String, String> {
    let json: serde_json::Value = serde_json::from_str(&read(package)?)
        .map_err(|error| format!("{}: {error}", package.display()))?;
    let version = json["version"].as_str().map(str::to_owned);
    version.ok_or_else(|| format!("{} has no version", package.display()))
}

fn copy_files(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error| format!("copying {} to {}: {error}", from.display(), to.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).map_err(failed)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
