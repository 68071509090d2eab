//! Canaries: words that must never appear in what daemons and endpoints write.

use std::fs;
use std::path::Path;

use shardwise_demo::error::Error;
use shardwise_demo::feed::Row;

/// A secret, for `AWS_SECRET_ACCESS_KEY`.
pub const SECRET: &str = "canary+secret/9dRk2vQzW7nLx4TfYp0s";
/// In the data of each record. Its length, with what is before it, makes whole groups of base64.
const DATA: &str = "canary-of-the-payload";
/// How each record begins.
const DATA_BEGIN: &str = "{\"canary\":\"canary-of-the-payload\"";
/// The same as children get it.
const DATA_BEGIN_BASE64: &str = "eyJjYW5hcnkiOiJjYW5hcnktb2YtdGhlLXBheWxvYWQi";
/// How each partition key begins.
const KEY: &str = "canary-of-the-key";
/// How many different keys.
const KEYS: usize = 400;

/// Everything that must not appear.
const ALL: [&str; 4] = [SECRET, DATA, DATA_BEGIN_BASE64, KEY];

/// Records that hold them.
#[must_use]
pub fn rows(count: usize) -> Vec<Row> {
    (0..count)
        .map(|row| {
            let key = format!("{KEY}-{}", row * 7 % KEYS);
            let fields = format!("\"row\":{row},\"origin\":\"{key}\",\"delay\":0,\"distance\":0");
            Row { data: format!("{DATA_BEGIN},{fields}}}").into_bytes(), key }
        })
        .collect()
}

/// Which canaries are in which logs of a directory, and how many bytes were looked through.
///
/// # Errors
///
/// When a log cannot be read.
pub fn sightings(directory: &Path) -> Result<(Vec<String>, u64), Error> {
    let mut sightings = Vec::new();
    let mut bytes = 0;
    for entry in directory.read_dir().map_err(Error::file(directory))? {
        let path = entry.map_err(Error::file(directory))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".log") {
            continue;
        }
        let log = fs::read(&path).map_err(Error::file(&path))?;
        bytes += u64::try_from(log.len()).expect("a length fits into 64 bits");
        let log = String::from_utf8_lossy(&log);
        let seen = ALL.iter().filter(|canary| log.contains(**canary));
        sightings.extend(seen.map(|canary| format!("{canary} in {name}")));
    }
    Ok((sightings, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_canary_is_seen_in_a_log_and_only_there() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("daemon1-1.log", "nothing\n");
        write("hand-daemon1-1-7.jsonl", KEY);
        let (seen, bytes) = sightings(directory.path()).unwrap();
        assert_eq!((seen.len(), bytes), (0, 8));
        for canary in ALL {
            write("daemon2-1.log", &format!("before{canary}after\n"));
            assert_eq!(sightings(directory.path()).unwrap().0.len(), 1, "{canary}");
        }
    }

    #[test]
    fn records_hold_the_canaries() {
        for row in rows(3) {
            let data = String::from_utf8(row.data).unwrap();
            assert!(data.starts_with(DATA_BEGIN) && data.contains(DATA) && data.contains(&row.key));
            assert!(row.key.starts_with(KEY));
        }
        assert_eq!(DATA_BEGIN.len() % 3, 0, "so that base64 of it does not depend on what follows");
    }
}
