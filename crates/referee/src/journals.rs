//! Journals, and reading them: JSON lines, whose last one a killed process may have left
//! unfinished.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::error::ReadError;
use crate::event::Event;
use crate::gap::Gap;
use crate::place::Place;
use crate::put::{ProducerLine, Put, Shard};
use crate::reason::Reason;
use crate::row::LeaseWrite;
use crate::terms::Terms;
use crate::worker::WorkerEvent;

/// Everything that was written down about one application's run on one stream.
///
/// What may be missing is missing in the journals of those who cannot know it: an invariant that
/// needs it is then not judged.
#[derive(Clone, Debug, Default)]
pub struct Journals {
    /// The records that the stream acknowledged.
    pub puts: Vec<Put>,
    /// Whether the producer had errors: then a record may be in the stream without an answer.
    pub producer_had_errors: bool,
    /// All shards that ever were.
    pub shards: Vec<Shard>,
    /// What record processors saw: one list for each file, in the order of that file.
    pub hand_overs: Vec<Vec<Event>>,
    /// The writes to the lease table, in the order in which they were applied.
    pub lease_writes: Vec<LeaseWrite>,
    /// What happened to the workers, in order; may be missing.
    pub workers: Vec<WorkerEvent>,
    /// What the workers said in the phase without faults of shards whose records wait, in order of
    /// time and looked at much more often than once a minute; may be missing. In no file: only who
    /// runs the workers can ask them.
    pub reasons: Option<Vec<Reason>>,
    /// By which times the run is judged; may be missing.
    pub terms: Option<Terms>,
    /// Shard and place of each record that retention removed before anyone had read it. In no
    /// file: only a stream that is part of the run can tell.
    pub trimmed: Vec<(String, Place)>,
    /// How long the stream keeps a record, in microseconds. In no file.
    pub retention: Option<u64>,
    /// Shards that the stream no longer lists, and since when. In no file.
    pub delisted: Vec<(String, u64)>,
    /// Records put before then lie before the application's start, where that is LATEST or
    /// AT_TIMESTAMP: its date, or when its first lease was made. In no file.
    pub owed_from: Option<u64>,
    /// What the stream's date was when the journals' clock was at 0, in milliseconds since 1970. In
    /// no file.
    pub first_date: Option<u64>,
    /// Where the application says that retention may have removed records before they were read;
    /// none if nobody listened. In no file.
    pub gaps: Option<Vec<Gap>>,
}

/// Where journals lie.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// `{"t","shard","seq","key","digest"}`, and `{"t","error"}` for a request without an answer.
    pub producer: Vec<PathBuf>,
    /// `{"shard","parents"}`.
    pub shards: Vec<PathBuf>,
    /// `{"e":"start"|"hand"|"ask"|"answer"|"prepare"|"prepared"|"end"|"done","t","tenure",…}`.
    pub hand_overs: Vec<PathBuf>,
    /// `{"t","table","op","key","before","after"}` with items in DynamoDB's JSON; perhaps `by` and
    /// `sentT`.
    pub lease_writes: Vec<PathBuf>,
    /// `{"e":"started"|"killed"|"paused"|"resumed"|"stopAsked"|"ended","t","worker",…}`.
    pub workers: Vec<PathBuf>,
    /// One object, the [`Terms`].
    pub terms: Option<PathBuf>,
}

impl Paths {
    /// The journals in a directory, by how their names begin: `producer`, `shards`, `hand`,
    /// `lease`, `worker`, each followed by anything and `.jsonl`; and `terms.json`.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read, or when a journal `producer`, `shards` or `lease` is
    /// missing.
    pub fn in_directory(directory: &Path) -> Result<Self, ReadError> {
        let unreadable = |source: io::Error| ReadError::File { path: directory.to_owned(), source };
        let mut files = Vec::new();
        for entry in directory.read_dir().map_err(unreadable)? {
            files.push(entry.map_err(unreadable)?.path());
        }
        files.sort();
        let begins_with = |prefix: &str| -> Vec<PathBuf> {
            let is_journal = |path: &&PathBuf| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.starts_with(prefix) && name.ends_with(".jsonl")
            };
            files.iter().filter(is_journal).cloned().collect()
        };
        let needed = |prefix: &'static str| {
            let found = begins_with(prefix);
            let directory = directory.to_owned();
            if found.is_empty() { Err(ReadError::Missing { directory, prefix }) } else { Ok(found) }
        };
        Ok(Self {
            producer: needed("producer")?,
            shards: needed("shards")?,
            hand_overs: begins_with("hand"),
            lease_writes: needed("lease")?,
            workers: begins_with("worker"),
            terms: files.iter().find(|path| path.ends_with("terms.json")).cloned(),
        })
    }
}

impl Journals {
    /// Reads the journals in a directory; their names are those of [`Paths::in_directory`].
    ///
    /// # Errors
    ///
    /// When a file is missing or cannot be read, or when a line that is not the unfinished last
    /// one of its file is not what the journal holds.
    pub fn read(directory: &Path) -> Result<Self, ReadError> {
        Self::read_files(&Paths::in_directory(directory)?)
    }

    /// Reads journals wherever they lie.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_files(paths: &Paths) -> Result<Self, ReadError> {
        let mut journals = Self::default();
        for path in &paths.producer {
            for line in read_lines(path)? {
                match line {
                    ProducerLine::Put(put) => journals.puts.push(put),
                    ProducerLine::Failure => journals.producer_had_errors = true,
                }
            }
        }
        for path in &paths.shards {
            journals.shards.extend(read_lines::<Shard>(path)?);
        }
        for path in &paths.hand_overs {
            journals.hand_overs.push(read_lines(path)?);
        }
        for path in &paths.lease_writes {
            journals.lease_writes.extend(read_lines::<LeaseWrite>(path)?);
        }
        for path in &paths.workers {
            journals.workers.extend(read_lines::<WorkerEvent>(path)?);
        }
        if let Some(path) = &paths.terms {
            journals.terms = Some(read_object(path)?);
        }
        Ok(journals)
    }
}

fn read_object<T: DeserializeOwned>(path: &Path) -> Result<T, ReadError> {
    let path = path.to_owned();
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| ReadError::Line {
            path,
            line: source.line(),
            source,
        }),
        Err(source) => Err(ReadError::File { path, source }),
    }
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ReadError> {
    let unreadable = |source| ReadError::File { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut parsed = Vec::new();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if file.read_until(b'\n', &mut bytes).map_err(unreadable)? == 0 {
            break;
        }
        let is_finished = bytes.ends_with(b"\n");
        match serde_json::from_slice(&bytes) {
            Ok(value) => parsed.push(value),
            // Only the last line of a file can lack its end: its writer was killed.
            Err(_) if !is_finished => {}
            Err(source) => return Err(ReadError::Line { path: path.to_owned(), line, source }),
        }
    }
    Ok(parsed)
}
