//! A program that the demo started; it does not outlive the demo unless told to.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::Error;

const POLL: Duration = Duration::from_millis(10);

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    log: PathBuf,
    child: Child,
    /// Held so that the program can go on writing.
    _stdout: Option<ChildStdout>,
    is_left_running: bool,
}

impl Program {
    /// Starts a program, in a process group of its own so that Ctrl-C reaches only the demo.
    ///
    /// # Errors
    ///
    /// When it cannot be started or its log cannot be written.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, Error> {
        let file = open_log(log)?;
        let stdout = file.try_clone().map_err(Error::file(log))?;
        let child = spawn(name, command.stdout(stdout).stderr(file))?;
        let log = log.to_owned();
        Ok(Self { name: name.to_owned(), log, child, _stdout: None, is_left_running: false })
    }

    /// Starts a program that says one line on stdout when it is ready, and waits for the line.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or ends or says nothing `within` the time.
    pub async fn start_until_ready(
        name: &str,
        command: &mut Command,
        log: &Path,
        within: Duration,
    ) -> Result<(Self, String), Error> {
        let mut child = spawn(name, command.stdout(Stdio::piped()).stderr(open_log(log)?))?;
        let stdout = child.stdout.take().expect("stdout was asked for");
        let log = log.to_owned();
        let mut program =
            Self { name: name.to_owned(), log, child, _stdout: None, is_left_running: false };
        let reading = tokio::task::spawn_blocking(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = String::new();
            let read = reader.read_line(&mut line);
            read.map(|_| (line, reader.into_inner()))
        });
        let read = tokio::time::timeout(within, reading).await;
        let what = || format!("the first line of `{name}`");
        let read = read.map_err(|_| Error::Deadline { what: what(), within })?;
        let (line, stdout) = read
            .expect("reading a line does not panic")
            .map_err(Error::file(program.log.clone()))?;
        if line.is_empty() {
            program.ended(within).await?;
        }
        program._stdout = Some(stdout);
        Ok((program, line))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        // Failing means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Asks it to end by SIGTERM, and waits for its end.
    ///
    /// # Errors
    ///
    /// When it has not ended `within` the time.
    pub async fn terminate(&mut self, within: Duration) -> Result<ExitStatus, Error> {
        self.signal(Signal::TERM);
        self.wait(within).await
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.id()).ok().and_then(Pid::from_raw) {
            // Failing means that it has ended already.
            kill_process(pid, signal).ok();
        }
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn try_end(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(Error::file(&self.log))
    }

    /// Fails if it has ended.
    ///
    /// # Errors
    ///
    /// When it has ended, naming how.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(self.end(status)),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Leaves it running when this value goes.
    pub fn leave(&mut self) {
        self.is_left_running = true;
    }

    async fn ended(&mut self, within: Duration) -> Result<(), Error> {
        let status = self.wait(within).await?;
        Err(self.end(status))
    }

    async fn wait(&mut self, within: Duration) -> Result<ExitStatus, Error> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.try_end()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(Error::Deadline {
                    what: format!("the end of `{}`", self.name),
                    within,
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn end(&self, status: ExitStatus) -> Error {
        Error::Ended { program: self.name.clone(), status, log: self.log.clone() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.is_left_running {
            self.kill();
        }
    }
}

fn spawn(name: &str, command: &mut Command) -> Result<Child, Error> {
    let child = command.stdin(Stdio::null()).process_group(0).spawn();
    child.map_err(|source| Error::Start { program: name.to_owned(), source })
}

fn open_log(log: &Path) -> Result<File, Error> {
    OpenOptions::new().create(true).append(true).open(log).map_err(Error::file(log))
}
