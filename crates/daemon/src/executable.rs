//! The child's program: found once, at the start, and never through a shell.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Finds a program as a shell would: a name with a slash is a path, any other is looked up in
/// `search`, the value of `PATH`.
pub(crate) fn find(name: &str, search: &OsStr) -> Result<PathBuf, String> {
    if name.contains('/') {
        return runnable(Path::new(name)).map_err(|why| format!("`{name}` {why}"));
    }
    // An empty part of PATH means the working directory, and joins as such.
    let mut found =
        std::env::split_paths(search).filter_map(|part| runnable(&part.join(name)).ok());
    found.next().ok_or_else(|| format!("`{name}` is not a program in PATH"))
}

/// The absolute path of a file that can be run.
fn runnable(path: &Path) -> Result<PathBuf, &'static str> {
    let metadata = fs::metadata(path).map_err(|_| "does not exist")?;
    if !metadata.is_file() {
        return Err("is not a file");
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err("cannot be run: it lacks the execute permission");
    }
    std::path::absolute(path).map_err(|_| "has no absolute path")
}

/// What others than its owner may do to a file that decides what is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writable {
    /// Nothing.
    Owner,
    /// The group may change it.
    Group,
    /// Everybody may change it.
    Everybody,
}

/// Who may write to a file.
pub(crate) fn writable(metadata: &Metadata) -> Writable {
    match metadata.permissions().mode() {
        mode if mode & 0o002 != 0 => Writable::Everybody,
        mode if mode & 0o020 != 0 => Writable::Group,
        _ => Writable::Owner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &Path, name: &str, mode: u32) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_name_is_looked_up_in_the_path_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("1"), directory.path().join("2"));
        fs::create_dir(&first).unwrap();
        fs::create_dir(&second).unwrap();
        file(&first, "app", 0o644);
        let app = file(&second, "app", 0o755);
        let search = format!("/nowhere:{}:{}", first.display(), second.display());
        assert_eq!(find("app", search.as_ref()).unwrap(), app);
        let error = find("other", search.as_ref()).unwrap_err();
        assert_eq!(error, "`other` is not a program in PATH");
    }

    #[test]
    fn a_path_must_be_a_file_that_can_be_run() {
        let directory = tempfile::tempdir().unwrap();
        let text = file(directory.path(), "text", 0o644);
        for (path, why) in [
            (text.to_str().unwrap(), "execute permission"),
            (directory.path().to_str().unwrap(), "not a file"),
            ("./nothing/here", "does not exist"),
        ] {
            let error = find(path, OsStr::new("")).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn who_may_write_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        for (mode, expected) in
            [(0o755, Writable::Owner), (0o775, Writable::Group), (0o757, Writable::Everybody)]
        {
            let path = file(directory.path(), "app", mode);
            assert_eq!(writable(&fs::metadata(path).unwrap()), expected);
        }
    }
}
