//! One target: its corpus, then what chance makes of it.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::panic;
use std::path::{Path, PathBuf};

use crate::Args;
use crate::engine::{Finding, Fuzzer, try_one};
use crate::targets::Target;

/// Inputs that every run begins with.
pub(crate) fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// Where the input that is being run lies.
pub(crate) fn last(target: &Target, out: &Path) -> PathBuf {
    out.join(format!("{}.last", target.name))
}

/// Runs one input, and tells what it broke.
pub(crate) fn try_file(target: &Target, file: &Path) -> Result<bool, String> {
    let input = fs::read(file).map_err(|error| said(file, &error))?;
    Ok(try_one(target, &input).is_ok())
}

/// Runs one target for as long as was asked for; whether it passed.
pub(crate) fn run(target: &'static Target, args: &Args) -> Result<bool, String> {
    // A panic is told once, of the smallest input that makes it.
    panic::set_hook(Box::new(|_| {}));
    let found = args.out.join("corpus").join(target.name);
    fs::create_dir_all(&found).map_err(|error| said(&found, &error))?;
    let mut inputs = read_all(&corpus(target))?;
    let committed = inputs.len();
    inputs.extend(read_all(&found)?);
    let last = last(target, &args.out);
    let mut fuzzer = Fuzzer::new(target, args.seed, &last).map_err(|error| said(&last, &error))?;
    let outcome = fuzzer.replay(inputs).and_then(|()| fuzzer.explore(args.time));
    if fuzzer.coverage().is_blind() {
        return Err(format!("{} sees no edges: it is built by `cargo xtask fuzz`", target.name));
    }
    println!(
        "{:<18}{:>11} executions {:>8} a second, {} committed inputs, {} kept, {} edges",
        target.name,
        fuzzer.executions(),
        fuzzer.executions() / args.time.as_secs().max(1),
        committed,
        fuzzer.pool().len(),
        fuzzer.coverage().edges(),
    );
    match outcome {
        Ok(()) => {
            replace_all(&found, &fuzzer.distil()).map_err(|error| said(&found, &error))?;
            fs::remove_file(&last).map_err(|error| said(&last, &error))?;
            Ok(true)
        }
        Err(finding) => {
            tell(target, &finding, &args.out)?;
            Ok(false)
        }
    }
}

fn tell(target: &Target, finding: &Finding, out: &Path) -> Result<(), String> {
    let directory = out.join("findings");
    let file = directory.join(name_of(target, &finding.input));
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(&file, &finding.input))
        .map_err(|error| said(&file, &error))?;
    println!("{}: {}", target.name, finding.panic);
    println!("input: {}  \"{}\"", file.display(), finding.input.escape_ascii());
    println!("again: {}", again(target, &file));
    Ok(())
}

/// The command that runs an input again.
pub(crate) fn again(target: &Target, file: &Path) -> String {
    format!("cargo xtask fuzz {} --input {}", target.name, file.display())
}

fn name_of(target: &Target, input: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    format!("{}-{:016x}", target.name, hasher.finish())
}

/// The inputs in a directory, by the names of their files.
pub(crate) fn read_all(directory: &Path) -> Result<Vec<Vec<u8>>, String> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| said(directory, &error))?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).map_err(|error| said(file, &error))).collect()
}

fn replace_all(directory: &Path, inputs: &[Vec<u8>]) -> io::Result<()> {
    fs::remove_dir_all(directory)?;
    fs::create_dir_all(directory)?;
    for (number, input) in inputs.iter().enumerate() {
        fs::write(directory.join(format!("{number:05}")), input)?;
    }
    Ok(())
}

fn said(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
