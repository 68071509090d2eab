//! Python packages for tests, installed under the target directory.

use std::path::{Path, PathBuf};

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
    let wanted = std::fs::read_to_string(requirements)
        .map_err(|error| format!("{}: {error}", requirements.display()))?;
    let stamp = directory.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    succeed(tree.command("python3").args(["-m", "venv", "--clear"]).arg(&directory))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    succeed(tree.command(&python).args(install).arg(requirements))?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}
