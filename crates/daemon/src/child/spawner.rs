//! One thread that starts every child.
//!
//! The signal at a parent's death goes by the thread that forked, so that thread must live as long
//! as the daemon does.

use std::process::Command;
use std::sync::mpsc;
use std::thread;

use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

type Request = (Command, oneshot::Sender<std::io::Result<Child>>);

#[derive(Clone, Debug)]
pub(super) struct Spawner {
    requests: mpsc::Sender<Request>,
}

impl Spawner {
    /// Starts the thread; inside a runtime, which then watches the children.
    pub(super) fn start() -> std::io::Result<Self> {
        let (requests, received) = mpsc::channel::<Request>();
        let runtime = Handle::current();
        thread::Builder::new().name("spawner".to_owned()).spawn(move || {
            let _inside = runtime.enter();
            for (command, answer) in received {
                let spawned = tokio::process::Command::from(command).kill_on_drop(true).spawn();
                // Nobody waits any more: the child is dropped, and so killed.
                drop(answer.send(spawned));
            }
        })?;
        Ok(Self { requests })
    }

    pub(super) async fn spawn(&self, command: Command) -> std::io::Result<Child> {
        let gone = || std::io::Error::other("the thread that starts children is gone");
        let (answer, answered) = oneshot::channel();
        self.requests.send((command, answer)).map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}
