//! The binary `shardwise`: a drop-in for KCL's MultiLangDaemon, and the local endpoints.
//!
//! A shard's records go to a child process over stdin and stdout; `core::multilang` decides what
//! is said. This crate only acts: processes and pipes, signals, logs, exit codes.

mod args;
mod child;
mod config;
mod daemon;
mod executable;
mod exit;
mod guard;
mod init;
mod local;
mod logging;
mod metrics;
mod page;
mod signals;
mod supervisor;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Mode};
use crate::exit::Exit;
use crate::logging::Queue;

fn main() -> ExitCode {
    // What our starter has left open, such as a lock, is for this process: children shall not have
    // it, nor the guard, which lives on for a while.
    close_fds::set_fds_cloexec(3, &[]);
    let mut arguments = std::env::args_os().skip(1);
    let mode = arguments.next();
    let end = match mode.as_ref().and_then(|mode| mode.to_str()) {
        Some(child::EXEC_MODE) => child::exec(arguments).map(Into::into),
        Some(guard::MODE) => guard::run().map(Into::into),
        Some(init::MODE) => init::adopt().and_then(|()| init::run(arguments)),
        Some("daemon") if init::is_needed() => init::run(std::env::args_os().skip(1)),
        Some(_) | None => from_command_line().map(Into::into),
    };
    match end {
        Ok(code) => code,
        Err(error) => {
            say(&error.to_string());
            error.exit().into()
        }
    }
}

fn from_command_line() -> Result<Exit, exit::Error> {
    let arguments = match Arguments::try_parse_from(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors to the parser, but not to whoever asked for them.
            let exit = if error.use_stderr() { Exit::Configuration } else { Exit::InOrder };
            drop(error.print());
            return Ok(exit);
        }
    };
    match arguments.mode {
        Mode::Daemon(arguments) => daemon::run(&arguments),
        Mode::Local(arguments) => local::run(arguments),
        Mode::Config(mode) => config::run(&mode),
    }
}

/// One line for whoever started us: there may be no log yet.
fn say(text: &str) {
    // With stderr closed there is nobody left to tell, nor with one that nobody reads.
    let Ok(mut queue) = Queue::to(std::io::stderr()) else { return };
    drop(queue.write_all(format!("shardwise: {text}\n").as_bytes()));
    queue.finish();
}

/// A program of our own: this one, whatever has become of the file that it was started from.
fn own_program() -> OsString {
    if cfg!(target_os = "linux") {
        return "/proc/self/exe".into();
    }
    std::env::current_exe().map_or_else(|_| "shardwise".into(), Into::into)
}
