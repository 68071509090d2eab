//! Every target, each in a process of its own: what breaks one of them for good leaves the others.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::Args;
use crate::one;
use crate::targets::{TARGETS, Target};

/// How many run at the same time.
const AT_ONCE: usize = 2;

/// Runs all targets; whether all passed.
pub(crate) fn run(args: &Args) -> Result<bool, String> {
    println!("seed {}, {} s for each target", args.seed, args.time.as_secs());
    let next = AtomicUsize::new(0);
    let (mut passed, mut failed) = (0, 0);
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..AT_ONCE {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(target) = TARGETS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send(run_apart(target, args)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for result in results {
            let (text, has_passed) = result?;
            print!("{text}");
            if has_passed {
                passed += 1;
            } else {
                failed += 1;
            }
        }
        Ok::<(), String>(())
    })?;
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// Runs one target in a process of its own: what it said, and whether it passed.
fn run_apart(target: &Target, args: &Args) -> Result<(String, bool), String> {
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let output = Command::new(&program)
        .args([target.name, "--seconds", &args.time.as_secs().to_string()])
        .args(["--seed", &args.seed.to_string(), "--out"])
        .arg(&args.out)
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said += &String::from_utf8_lossy(&output.stderr);
    // A process that could not tell what broke it: its input is where it was written before.
    if output.status.code().is_none() {
        let last = one::last(target, &args.out);
        said += &format!("{}: {}\n", target.name, output.status);
        said += &format!("again: {}\n", one::again(target, &last));
    }
    Ok((said, output.status.success()))
}
