//! Whether a daemon that was left few descriptors ever ran out of them.

use std::fs;
use std::path::Path;

use shardwise_demo::error::Error;

/// How the system says so.
const RAN_OUT: &str = "Too many open files";

/// The daemons whose logs say that they had no descriptor left: names of the logs, sorted.
///
/// # Errors
///
/// When a log cannot be read.
pub fn of_whom(directory: &Path) -> Result<Vec<String>, Error> {
    let mut short = Vec::new();
    for entry in directory.read_dir().map_err(Error::file(directory))? {
        let path = entry.map_err(Error::file(directory))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.starts_with("daemon") || !name.ends_with(".log") {
            continue;
        }
        let log = fs::read(&path).map_err(Error::file(&path))?;
        if String::from_utf8_lossy(&log).contains(RAN_OUT) {
            short.push(name.to_owned());
        }
    }
    short.sort();
    Ok(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_daemons_log_says_that_it_ran_out_and_only_in_the_systems_words() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("daemon1-1.log", "leave 1 3 descriptors for 3000 ms");
        write("endpoints.log", RAN_OUT);
        assert!(of_whom(directory.path()).unwrap().is_empty());
        let error = std::io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        write("daemon2-1.log", &format!("child not started: {error}"));
        assert_eq!(of_whom(directory.path()).unwrap(), ["daemon2-1.log"]);
    }
}
