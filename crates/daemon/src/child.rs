//! Child processes: each a group of its own, with pipes that cannot hurt us, and always reaped.

mod ending;
mod environment;
mod spawner;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use async_trait::async_trait;
use rustix::process::Pid;
use shardwise::ShardId;
use shardwise_core::multilang::{LOG_OFFER, LOG_VARIABLE, SEVERAL_VARIABLE};
use shardwise_core::properties::settings::ChildSettings;
use shardwise_multilang::{Launch, Launched};
use tokio::sync::mpsc;
use tracing::info;

use self::spawner::Spawner;
use crate::exit::{Error, Exit};
use crate::guard::Guard;
use crate::{own_program, supervisor};

/// The first argument of a process that becomes a child.
pub(crate) const EXEC_MODE: &str = "exec-child";

/// What every child is started with.
pub(crate) struct Launcher {
    program: PathBuf,
    /// The program as the settings name it, and its arguments.
    command: Vec<String>,
    environment: Option<BTreeMap<OsString, OsString>>,
    /// How many shards a child is offered.
    per_child: NonZeroUsize,
    spawner: Spawner,
    guard: Guard,
    /// Each child holds one; when all are gone, so are the children.
    alive: mpsc::Sender<()>,
}

/// Tells when the last child is gone.
pub(crate) struct Alive {
    alive: mpsc::Receiver<()>,
}

impl Alive {
    /// Waits until every launcher and every child is gone.
    pub(crate) async fn gone(mut self) {
        while self.alive.recv().await.is_some() {}
    }
}

impl Launcher {
    /// A launcher of `program`, called with `command`. It must be made inside a runtime.
    pub(crate) fn new(
        program: PathBuf,
        command: Vec<String>,
        settings: &ChildSettings,
        guard: Guard,
    ) -> std::io::Result<(Self, Alive)> {
        let (alive, gone) = mpsc::channel(1);
        let spawner = Spawner::start()?;
        let environment = environment::chosen(&settings.environment, std::env::vars_os());
        let per_child = settings.per_child();
        let launcher = Self { program, command, environment, per_child, spawner, guard, alive };
        Ok((launcher, Alive { alive: gone }))
    }
}

#[async_trait]
impl Launch for Launcher {
    async fn launch(&self, shard: &ShardId) -> std::io::Result<Launched> {
        let mut command = Command::new(own_program());
        command.arg(EXEC_MODE).arg(std::process::id().to_string());
        command.arg(&self.program).args(&self.command);
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(environment) = &self.environment {
            command.env_clear().envs(environment);
        }
        command.env_remove(supervisor::SOCKET).env(LOG_VARIABLE, LOG_OFFER);
        command.env_remove(SEVERAL_VARIABLE);
        if self.per_child.get() > 1 {
            command.env(SEVERAL_VARIABLE, self.per_child.to_string());
        }
        let mut process = self.spawner.spawn(command).await?;
        let gone = || std::io::Error::other("the child was gone at once");
        let group = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let group = group.ok_or_else(gone)?;
        self.guard.began(group);
        info!(%shard, pid = group.as_raw_nonzero(), "child started");
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else { return Err(gone()) };
        let running = ending::Process {
            shard: shard.clone(),
            process,
            group,
            guard: self.guard.clone(),
            _spawner: self.spawner.clone(),
            _alive: self.alive.clone(),
        };
        Ok(Launched {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            running: Box::new(running),
        })
    }
}

/// Becomes a child: asks for a signal at the daemon's death, then runs the program in its place.
pub(crate) fn exec(mut arguments: impl Iterator<Item = OsString>) -> Result<Exit, Error> {
    let wrong = || Error::internal("exec-child is for the daemon's own use");
    let daemon = arguments.next().and_then(|id| id.to_str()?.parse().ok()).ok_or_else(wrong)?;
    let program = arguments.next().ok_or_else(wrong)?;
    let name = arguments.next().ok_or_else(wrong)?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .map_err(|error| Error::internal(format!("{EXEC_MODE}: {error}")))?;
    // A daemon that died before the line above will never send that signal.
    if rustix::process::getppid().map(|id| id.as_raw_nonzero().get()) != Some(daemon) {
        return Err(Error::internal("the daemon is gone"));
    }
    let error = Command::new(&program).arg0(name).args(arguments).exec();
    let is_there = error.kind() == std::io::ErrorKind::NotFound && Path::new(&program).exists();
    let hint = if is_there { "; the interpreter that its first line names is missing" } else { "" };
    Err(Error::internal(format!("cannot run `{}`: {error}{hint}", program.display())))
}
