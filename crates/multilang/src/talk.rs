//! The task that talks with one child: the only one who writes to it and hears it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use shardwise::{Checkpoint, Checkpointer, ShardId};
use shardwise_core::multilang::{self, Action, CheckpointRequest, Step, Turn};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::child::{Act, Call, Undone};
use crate::connection::{Connection, MESSAGES_MAX};
use crate::failure::{Broken, ChildFailure};
use crate::input::{Input, Opening, Writing};
use crate::launch::{Ended, Ending, Hurry, Patience, Running};
use crate::output::{Heard, Rate, Tail, Whose};

/// How long what a child has left in its pipes is read after its end.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a child may take for a message when the settings do not say, and in any case to read
/// what it is told: how long it works on that is another matter.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(300);
/// How long a child may take to read an answer that it asked for between two actions.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a child's own words is shown.
const SHOWN_CHARS_MAX: usize = 80;

/// What a talk does next.
enum Next {
    Message(Result<Heard, Broken>),
    /// None once nobody can call any more.
    Call(Option<Call>),
}

/// What became of an action.
enum Acted {
    Done,
    /// Another worker could have the shard when its turn came: the child was not told of it.
    TooLate,
}

/// One child and its pipes.
pub(crate) struct Talk {
    shard: ShardId,
    running: Box<dyn Running>,
    input: Input,
    messages: mpsc::Receiver<Heard>,
    turn: Turn,
    /// What the child has answered last.
    answered: Option<Action>,
    /// The turn's number of actions, for the reader of stdout.
    begun: Arc<AtomicU64>,
    warnings: Rate,
    checkpointer: Option<Checkpointer>,
    /// What the child had by the last action's status, while no action is out: a checkpoint
    /// without a place means it, and none may be beyond it. The next batch counts as delivered
    /// before the child has it.
    done: Option<Checkpoint>,
    /// What it had when the action that is out began, and what it wrote before that knew of.
    had: Option<Checkpoint>,
    /// The turn's number of actions once the child was told of the shard's end.
    end_told: Option<u64>,
    /// How many messages were heard since a call was looked for.
    heard: usize,
    tail: Tail,
    readers: Vec<JoinHandle<()>>,
}

impl Talk {
    pub(crate) fn new(shard: ShardId, connection: Connection) -> Self {
        let Connection { input, messages, begun, tail, running, readers } = connection;
        Self {
            shard,
            running,
            input,
            messages,
            turn: Turn::default(),
            answered: None,
            begun,
            warnings: Rate::new(),
            checkpointer: None,
            done: None,
            had: None,
            end_told: None,
            heard: 0,
            tail,
            readers,
        }
    }

    /// Serves calls until the child is closed, fails, or is dropped.
    pub(crate) async fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        let mut watcher = None;
        loop {
            let call = match self.next(&mut calls).await {
                Next::Call(call) => call,
                Next::Message(message) => {
                    let stepped = match message {
                        Ok(message) => self.step(message, ANSWER_TIMEOUT).await,
                        Err(why) => Err(why),
                    };
                    let Err(why) = stepped else { continue };
                    let (failure, ending) = self.fail(why, None).await;
                    return gone(failure, ending, watcher, calls).await;
                }
            };
            match call {
                Some(Call::Act(act)) => {
                    let Act { action, line, checkpointer, timeout, mut answer } = act;
                    let acted = tokio::select! {
                        biased;
                        acted = self.act(action, line, checkpointer, timeout) => acted,
                        // Nobody waits any more: the worker drops what it has.
                        () = answer.closed() => Err(Broken::Gone),
                    };
                    let why = match acted {
                        Ok(acted) => {
                            drop(answer.send(match acted {
                                Acted::Done => Ok(()),
                                Acted::TooLate => Err(Undone::TooLate),
                            }));
                            continue;
                        }
                        Err(why) => why,
                    };
                    let (failure, _) = self.fail(why, Some(action)).await;
                    drop(answer.send(Err(Undone::Failed(failure))));
                }
                Some(Call::Close(mut answer)) => {
                    let ended = self.end(Patience::Told, Box::pin(answer.closed())).await;
                    let _ = answer.send(ended.ending);
                }
                Some(Call::Fail(why, answer)) => {
                    let (failure, _) = self.fail(why, Some(Action::ShardEnded)).await;
                    drop(answer.send(failure));
                }
                Some(Call::Watch(answer)) => {
                    watcher = Some(answer);
                    continue;
                }
                None => drop(self.end(Patience::None, Box::pin(pending())).await),
            }
            return;
        }
    }

    /// What is next between two actions: what the child says goes first, but not for ever.
    async fn next(&mut self, calls: &mut mpsc::Receiver<Call>) -> Next {
        if self.heard >= MESSAGES_MAX {
            self.heard = 0;
            match calls.try_recv() {
                Ok(call) => return Next::Call(Some(call)),
                Err(TryRecvError::Disconnected) => return Next::Call(None),
                Err(TryRecvError::Empty) => {}
            }
        }
        tokio::select! {
            biased;
            message = hear(&mut self.messages, &mut *self.running) => {
                self.heard += 1;
                Next::Message(message)
            }
            call = calls.recv() => {
                self.heard = 0;
                Next::Call(call)
            }
        }
    }

    /// Writes an action's line and hears the child until its status.
    async fn act(
        &mut self,
        action: Action,
        line: Vec<u8>,
        checkpointer: Option<Checkpointer>,
        limit: Option<Duration>,
    ) -> Result<Acted, Broken> {
        let to_read = limit.unwrap_or(TIMEOUT);
        let lease = checkpointer.clone().filter(|_| action == Action::ProcessRecords);
        let Some(mut writing) = self.open(line, to_read, lease).await? else {
            return Ok(Acted::TooLate);
        };
        self.turn.begin(action);
        if action == Action::ShardEnded {
            self.end_told.get_or_insert(self.turn.begun());
        }
        self.checkpointer = checkpointer.or_else(|| self.checkpointer.take());
        self.had = self.done.take();
        let mut written = false;
        while !(written && self.turn.out().is_none()) {
            let step = async {
                tokio::select! {
                    biased;
                    result = writing.done(), if !written => {
                        written = true;
                        result.map(|()| None)
                    }
                    message = hear(&mut self.messages, &mut *self.running),
                        if self.turn.out().is_some() => message.map(Some),
                }
            };
            let heard = match limit {
                Some(limit) => timeout(limit, step).await.map_err(|_| Broken::Timeout(limit))?,
                None => step.await,
            };
            if let Some(message) = heard? {
                self.step(message, to_read).await?;
            }
        }
        Ok(Acted::Done)
    }

    /// Waits for the turn of an action's line, while other shards of the child may have lines
    /// before it; none if the lease it is for is lost by then. Until then the child is between two
    /// actions.
    async fn open(
        &mut self,
        line: Vec<u8>,
        to_read: Duration,
        lease: Option<Checkpointer>,
    ) -> Result<Option<Writing>, Broken> {
        let (begins, mut told) = oneshot::channel();
        let is_too_late = Box::new(move || lease.is_some_and(|it| !it.is_held()));
        let (begun, number) = (Arc::clone(&self.begun), self.turn.begun() + 1);
        let opening = Opening { is_too_late, begins, begun, number };
        let mut writing = self.input.begin(line, to_read, opening);
        loop {
            let message = tokio::select! {
                biased;
                begins = &mut told => return match begins {
                    Ok(begins) => Ok(begins.then_some(writing)),
                    Err(_) => writing.done().await.map(|()| Some(writing)),
                },
                message = hear(&mut self.messages, &mut *self.running) => message?,
            };
            self.step(message, ANSWER_TIMEOUT).await?;
        }
    }

    /// Does what a message asks for; its answer must be read within the limit.
    async fn step(&mut self, message: Heard, limit: Duration) -> Result<(), Broken> {
        let knows_end = self.end_told.is_some_and(|told| message.begun >= told);
        let is_late = message.begun < self.turn.begun();
        let step = self.turn.on(message.line, message.begun);
        if self.turn.out().is_none() && self.done.is_none() {
            self.done = self.checkpointer.as_ref().map(Checkpointer::delivered);
        }
        match step {
            Step::Nothing => Ok(()),
            Step::Finished(action) => {
                self.answered = Some(action);
                Ok(())
            }
            // As in Java: the lease goes all the same, and what the child missed comes again.
            Step::WrongStatus { asked: Action::ShutdownRequested, response_for } => {
                let (shard, response_for) = (&self.shard, response_for.map(shortened));
                warn!(%shard, response_for, "child answers `shutdownRequested` wrongly");
                Ok(())
            }
            Step::WrongStatus { response_for, .. } => {
                Err(Broken::WrongStatus(response_for.map(shortened)))
            }
            Step::Checkpoint(request) => {
                let up_to = if is_late { self.had.clone() } else { self.done.clone() };
                let error = self.checkpoint(&request, up_to, knows_end).await;
                self.answer(&request, error, limit).await
            }
            Step::Refuse(request, error) => self.answer(&request, Some(error), limit).await,
            Step::Unasked { response_for } => {
                if self.may_warn() {
                    let answered = self.answered.map(Action::name);
                    let what = if answered.is_some() && answered == response_for.as_deref() {
                        "child answers a second time"
                    } else {
                        "child answers what was not asked"
                    };
                    let response_for = response_for.map(shortened);
                    warn!(shard = %self.shard, response_for, "{what}");
                }
                Ok(())
            }
            Step::Stray(why) => {
                debug!(shard = %self.shard, %why, "child");
                Ok(())
            }
        }
    }

    /// A child can do wrong as fast as it can write.
    fn may_warn(&mut self) -> bool {
        self.warnings.allows(&Whose::alone(&self.shard), "warnings")
    }

    /// Makes a checkpoint; the name of its error if it fails. What the child wrote between two
    /// actions is about what it had by then, `up_to`. The shard may be at its end while what the
    /// child has written before it knew of that still waits.
    async fn checkpoint(
        &mut self,
        request: &CheckpointRequest,
        up_to: Option<Checkpoint>,
        knows_end: bool,
    ) -> Option<&'static str> {
        let Some(checkpointer) = &self.checkpointer else {
            return Some(multilang::NO_CHECKPOINTER);
        };
        let is_beyond = |place: &Checkpoint| up_to.as_ref().is_some_and(|up_to| place > up_to);
        // It waits for the answer, and does nothing else.
        let checkpointer = checkpointer.that_tries_again();
        let made = match request.place() {
            Ok(Some(place)) if is_beyond(&place) => {
                if self.may_warn() {
                    warn!(shard = %self.shard, %place, "checkpoint refused: the child has not got \
                          so far");
                }
                return Some(multilang::NOT_A_PLACE);
            }
            Ok(place) => match (place.or(up_to), knows_end) {
                (place, false) => checkpointer.checkpoint_records(place).await,
                (Some(place), true) => checkpointer.checkpoint_at(place).await,
                (None, true) => checkpointer.checkpoint().await,
            },
            Err(error) => {
                if self.may_warn() {
                    warn!(shard = %self.shard, %error, "checkpoint refused");
                }
                return Some(multilang::NOT_A_PLACE);
            }
        };
        let error = made.err()?;
        let name = error.java_name();
        if self.may_warn() {
            let error = shardwise::with_causes(&error);
            warn!(shard = %self.shard, error, name, "checkpoint failed");
        }
        Some(name)
    }

    async fn answer(
        &mut self,
        request: &CheckpointRequest,
        error: Option<&str>,
        limit: Duration,
    ) -> Result<(), Broken> {
        let mut line = Vec::new();
        multilang::checkpoint_answer(&mut line, request, error);
        self.input.write(line, limit).done().await
    }

    async fn fail(self, why: Broken, during: Option<Action>) -> (ChildFailure, Ending) {
        let patience = match why {
            Broken::Closed | Broken::Ended | Broken::Stdin(_) => Patience::Ending,
            Broken::Timeout(_)
            | Broken::WrongStatus(_)
            | Broken::NoFinalCheckpoint
            | Broken::Gone => Patience::None,
        };
        let tail = self.tail.clone();
        let Ended { ending, status } = self.end(patience, Box::pin(pending())).await;
        (ChildFailure::new(why, during, status, tail.text()), ending)
    }

    /// Closes stdin, ends the process, and reads what is left in its pipes for a while.
    async fn end(self, patience: Patience, hurry: Hurry<'_>) -> Ended {
        let Self { shard, running, input, messages, readers, warnings, .. } = self;
        warnings.report(&Whose::alone(&shard), "warnings");
        drop(input);
        // What still comes is not the protocol's any more, and must not hold the reader up.
        drop(messages);
        let ended = running.end(patience, hurry).await;
        for mut reader in readers {
            if timeout(DRAIN_TIMEOUT, &mut reader).await.is_err() {
                // Somebody outside the child's group holds the other end.
                warn!(%shard, "child's pipe is still open after its end: closed");
                reader.abort();
            }
        }
        ended
    }
}

/// Waits for the child's next message. What a child leaves in its pipe when it ends counts, but
/// for a pipe that another process holds open nobody waits.
async fn hear(
    messages: &mut mpsc::Receiver<Heard>,
    running: &mut dyn Running,
) -> Result<Heard, Broken> {
    let message = tokio::select! {
        biased;
        message = messages.recv() => message,
        () = running.wait() => {
            timeout(DRAIN_TIMEOUT, messages.recv()).await.map_err(|_| Broken::Ended)?
        }
    };
    message.ok_or(Broken::Closed)
}

/// Tells whoever watches a child, or else calls it next, that it has failed when nothing was asked
/// of it. One that was to be closed has done that itself.
async fn gone(
    mut failure: ChildFailure,
    ending: Ending,
    watcher: Option<oneshot::Sender<ChildFailure>>,
    mut calls: mpsc::Receiver<Call>,
) {
    let mut next = match watcher {
        Some(watcher) => Some(Call::Watch(watcher)),
        None => calls.recv().await,
    };
    while let Some(call) = next {
        match call {
            // One who has stopped waiting gives it back.
            Call::Watch(answer) | Call::Fail(_, answer) => match answer.send(failure) {
                Ok(()) => return,
                Err(back) => failure = back,
            },
            Call::Act(act) => return drop(act.answer.send(Err(Undone::Failed(failure)))),
            Call::Close(answer) => {
                let _ = answer.send(ending);
                return;
            }
        }
        next = calls.recv().await;
    }
}

fn shortened(text: String) -> String {
    text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_default).collect()
}
