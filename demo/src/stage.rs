//! Where a run takes place: its directory, and the processes that must be gone after it.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;

/// An environment variable that every process of a run inherits, so that none can be missed.
pub const MARK: &str = "SHARDWISE_DEMO_RUN";

const POLL: Duration = Duration::from_millis(50);

/// A variable of the environment that `cargo xtask` sets.
///
/// # Errors
///
/// When it is not set, naming the command that sets it.
pub fn path_variable(name: &'static str, command: &'static str) -> Result<PathBuf, Error> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from).ok_or(Error::Environment { name, command })
}

/// Makes an empty directory for one run.
///
/// # Errors
///
/// When it cannot be made.
pub fn run_directory(parent: &Path, name: &str) -> Result<PathBuf, Error> {
    let directory = parent.join(format!("{name}-{}", std::process::id()));
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(Error::file(&directory))?;
    }
    fs::create_dir_all(&directory).map_err(Error::file(&directory))?;
    Ok(directory)
}

/// What comes of some work, unless Ctrl-C or SIGTERM comes first.
///
/// # Errors
///
/// Those of the work; [`Error::Interrupted`].
pub async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut interrupted = signal(SignalKind::interrupt()).map_err(Error::file("SIGINT"))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(Error::file("SIGTERM"))?;
    tokio::select! {
        biased;
        _ = interrupted.recv() => Err(Error::Interrupted),
        _ = terminated.recv() => Err(Error::Interrupted),
        end = work => end,
    }
}

/// Waits until no process of a run is left, and returns those that are.
pub async fn left_behind(directory: &Path, within: Duration) -> Vec<u32> {
    let deadline = Instant::now() + within;
    loop {
        let left = marked(directory);
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The processes whose environment says that they belong to a run.
fn marked(directory: &Path) -> Vec<u32> {
    let mark = format!("{MARK}={}", directory.display());
    let is_marked = |pid: &u32| {
        // A process that has ended or is another user's has no environment to read.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
    };
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(is_marked).collect()
}
