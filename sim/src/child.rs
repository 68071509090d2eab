//! Children of the world: scripts at the other end of the pipes of the daemon's own processor.
//!
//! A child reads its lines with a JSON reader of its own, writes down what it is told as the
//! processor in process does, and does everything wrong that a program can do on its stdout. Where
//! the plan says so, one child serves several shards.

mod hearing;
mod script;
mod several;
mod words;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use shardwise::{ShardId, Stopper};
use shardwise_core::properties::settings::{ChildEnvironment, ChildSettings, OnChildFailure};
use shardwise_multilang::{
    Children, Ended, Ending, Hurry, Launch, Launched, Patience, Running, Shared, Turns,
};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::hearing::{Ears, Turn};
use self::script::{Script, Stdout};
use crate::node::Node;
use crate::plan::Plan;
use crate::tenure::Tenure;
use crate::world::World;

/// What a pipe holds, as on Linux.
const PIPE_BYTES: usize = 64 << 10;
/// How much longer than its longest call a child may take for an answer.
const SPARE: Duration = Duration::from_secs(5);

/// How long a child may be silent.
pub(crate) fn timeout(plan: &Plan) -> Duration {
    plan.habits.longest.max(plan.habits.usual) + SPARE
}

/// What the processors of one worker share whose processors are children.
pub(crate) fn shared(world: &Arc<World>, node: &Arc<Node>, stopper: Stopper) -> Arc<Shared> {
    let launcher = Launcher { world: Arc::clone(world), node: Arc::clone(node) };
    let settings = ChildSettings {
        response_timeout: Some(timeout(&world.plan)),
        process_records_timeout: None,
        on_failure: OnChildFailure::Restart,
        environment: ChildEnvironment::Inherit,
        shards_per_child: world.plan.child_habits.per_child,
        log_lines_per_second: None,
    };
    Arc::new(Shared {
        children: Children::new(Box::new(launcher), settings.per_child()),
        settings,
        turns: world.plan.child_habits.at_once.map(|most| Arc::new(Turns::new(most))),
        stopper,
        outcome: Arc::default(),
    })
}

/// Starts the children of one worker.
struct Launcher {
    world: Arc<World>,
    node: Arc<Node>,
}

#[async_trait]
impl Launch for Launcher {
    async fn launch(&self, shard: &ShardId) -> std::io::Result<Launched> {
        let tenure = Tenure::new(&self.world, &self.node, shard);
        if tenure.happens(self.world.plan.child_habits.unstartable) {
            tenure.mark("child: cannot be started");
            return Err(std::io::ErrorKind::OutOfMemory.into());
        }
        let [(stdin, childs_stdin), (stdout, childs_stdout), (stderr, childs_stderr)] =
            [(); 3].map(|()| duplex(PIPE_BYTES));
        let outputs = [childs_stdout, childs_stderr];
        let child = match self.world.plan.child_habits.shares {
            true => tokio::spawn(several::serve(tenure, childs_stdin, outputs)),
            false => tokio::spawn(live(tenure, Arc::default(), childs_stdin, outputs, Stdout::Own)),
        };
        Ok(Launched {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            running: Box::new(Child(Some(child))),
        })
    }
}

/// Lives as a child of one shard, until stdin ends or its script does.
async fn live(
    tenure: Tenure,
    turn: Arc<Mutex<Turn>>,
    stdin: DuplexStream,
    outputs: [DuplexStream; 2],
    stdout: Stdout,
) {
    let (actions, told) = mpsc::unbounded_channel();
    let (answers, answered) = mpsc::unbounded_channel();
    let ears = Ears::new(tenure.clone(), Arc::clone(&turn), actions, answers);
    let _end = EndOfLife { tenure: tenure.clone(), turn: Arc::clone(&turn) };
    let script = Script::new(tenure, turn, outputs, stdout, told, answered);
    let (hearing, living) = (ears.hear(stdin), script.live());
    tokio::pin!(hearing, living);
    tokio::select! {
        biased;
        () = &mut hearing => living.await,
        () = &mut living => {}
    }
}

/// However a child ends, what it was told to do and has not answered ends with it; unless its
/// worker is dead, of whom nothing more is known.
struct EndOfLife {
    tenure: Tenure,
    turn: Arc<Mutex<Turn>>,
}

impl Drop for EndOfLife {
    fn drop(&mut self) {
        if Turn::is_out(&self.turn) && !self.tenure.node.is_dead() {
            self.tenure.done(Some("ends".to_owned()));
        }
    }
}

/// A child that runs, until it has ended.
struct Child(Option<JoinHandle<()>>);

#[async_trait]
impl Running for Child {
    async fn wait(&mut self) {
        let Some(child) = &mut self.0 else { return };
        // However it ended, it has.
        let _ = child.await;
        self.0 = None;
    }

    async fn end(mut self: Box<Self>, patience: Patience, hurry: Hurry<'_>) -> Ended {
        let ending = tokio::select! {
            biased;
            () = self.wait() => Ending::InOrder,
            () = tokio::time::sleep(patience.time()) => Ending::Forced,
            () = hurry => Ending::Forced,
        };
        Ended { ending, status: None }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(child) = &self.0 {
            child.abort();
        }
    }
}
