//! A child that serves several shards, because it wants to: each shard talks with it as with a
//! child of its own, in turns of its own, over lines that say whom they are about.
//!
//! They live and die together: one shard that gives the child up ends it for all, and each begins
//! again at its checkpoint.

mod moments;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use shardwise::ShardId;
use shardwise_core::multilang::{self, Line};
use tokio::io::AsyncRead;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{info, warn};

use self::moments::Moments;
use crate::agreement::{Agreed, Agreement};
use crate::connection::{Connection, MESSAGES_MAX};
use crate::input::Input;
use crate::launch::{Ended, Ending, Hurry, Launched, Patience, Running};
use crate::lines::Lines;
use crate::output::{self, Endless, Heard, LINE_BYTES_MAX, PassedOver, Tail, Whose};
use crate::talk::DRAIN_TIMEOUT;

/// A child that was offered several shards.
pub(crate) struct Several {
    state: Arc<State>,
    tail: Tail,
    /// The id of its process, if it is one.
    pid: Option<u32>,
    orders: mpsc::UnboundedSender<Order>,
}

/// What its tasks share.
struct State {
    /// Behind one lock, so that nobody comes between the last one's leaving and the end.
    members: Mutex<Members>,
    agreed: Agreement,
}

/// The shards that a child serves.
struct Members {
    routes: BTreeMap<ShardId, Route>,
    /// None once nobody may come any more.
    input: Option<Input>,
}

/// Where the messages of one shard go.
#[derive(Clone)]
struct Route {
    begun: Arc<AtomicU64>,
    messages: mpsc::Sender<Heard>,
}

/// What a shard asks of the task that has the child.
enum Order {
    /// It needs the child no more, or gives it up.
    Leave { shard: ShardId, patience: Patience, answer: oneshot::Sender<Ended> },
    /// Nobody waits for its end.
    Drop(ShardId),
}

impl Several {
    /// Begins with a child that was started for its first shard, and of whose pipes so many lines
    /// are logged in a second.
    pub(crate) fn start(
        shard: &ShardId,
        launched: Launched,
        logged_per_second: u32,
    ) -> (Self, Connection) {
        let Launched { stdin, stdout, stderr, running } = launched;
        let pid = running.pid();
        let input = Input::start(stdin);
        let members = Members { routes: BTreeMap::new(), input: Some(input.clone()) };
        let agreed = Agreement::pending();
        let state = Arc::new(State { members: Mutex::new(members), agreed });
        let tail = Tail::default();
        let (orders, received) = mpsc::unbounded_channel();
        let several = Self { state: Arc::clone(&state), tail: tail.clone(), pid, orders };
        let first = several.connection(&mut state.members(), shard, &input);
        let whose = || Whose::several(shard, pid, several.agreed()).logging(logged_per_second);
        let readers = [
            tokio::spawn(read(stdout, shard.clone(), whose(), Arc::clone(&state))),
            tokio::spawn(output::read_stderr(stderr, whose(), tail)),
        ];
        tokio::spawn(keep(running, state, received, readers));
        (several, first)
    }

    pub(crate) fn agreed(&self) -> Agreement {
        self.state.agreed.clone()
    }

    /// How many shards it serves.
    pub(crate) fn shards(&self) -> usize {
        self.state.members().routes.len()
    }

    /// One more shard's way to it, unless it has ended or been told to.
    pub(crate) fn join(&self, shard: &ShardId) -> Option<Connection> {
        let mut members = self.state.members();
        let agrees = self.state.agreed.now() == Agreed::Yes;
        // A shard that is told of twice would hear itself.
        let is_new = !members.routes.contains_key(shard);
        let input = members.input.clone().filter(|_| agrees && is_new)?;
        info!(%shard, pid = self.pid, "shard joins a child of others");
        Some(self.connection(&mut members, shard, &input))
    }

    fn connection(&self, members: &mut Members, shard: &ShardId, input: &Input) -> Connection {
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        let begun = Arc::<AtomicU64>::default();
        let route = Route { begun: Arc::clone(&begun), messages: sender };
        members.routes.insert(shard.clone(), route);
        let running = Member {
            shard: shard.clone(),
            orders: self.orders.clone(),
            agreed: self.agreed(),
            has_left: false,
        };
        let (input, tail) = (input.of(shard, self.agreed()), self.tail.clone());
        Connection { input, messages, begun, tail, running: Box::new(running), readers: Vec::new() }
    }
}

impl State {
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many actions of each shard have begun.
    fn begun(&self) -> BTreeMap<ShardId, u64> {
        let begun = |route: &Route| route.begun.load(Ordering::Acquire);
        let members = self.members();
        members.routes.iter().map(|(shard, route)| (shard.clone(), begun(route))).collect()
    }

    /// A shard needs the child no more. Says whether it was the last: then nobody may come either.
    fn leave(&self, shard: &ShardId) -> bool {
        let mut members = self.members();
        members.routes.remove(shard);
        let is_last = members.routes.is_empty();
        if is_last {
            self.close(&mut members);
        }
        is_last
    }

    /// The child has said whether it will serve more than its first shard.
    fn agree(&self, agrees: bool, first: &ShardId) {
        if !agrees {
            info!(shard = %first, "child serves one shard only, though it may serve several");
        }
        self.agreed.becomes(if agrees { Agreed::Yes } else { Agreed::No });
    }

    /// Nobody may come any more, and those who are there hear nothing any more.
    fn close(&self, members: &mut Members) {
        *members = Members { routes: BTreeMap::new(), input: None };
        self.agreed.becomes(Agreed::Gone);
    }
}

/// A shard's hold on the child.
struct Member {
    shard: ShardId,
    orders: mpsc::UnboundedSender<Order>,
    agreed: Agreement,
    has_left: bool,
}

#[async_trait]
impl Running for Member {
    async fn wait(&mut self) {
        self.agreed.until(|agreed| agreed == Agreed::Gone).await;
    }

    async fn end(mut self: Box<Self>, patience: Patience, hurry: Hurry<'_>) -> Ended {
        self.has_left = true;
        let ended = self.leave(patience);
        let ended = tokio::select! {
            biased;
            ended = ended => ended,
            () = hurry => self.leave(Patience::None).await,
        };
        ended.unwrap_or(Ended { ending: Ending::Forced, status: None })
    }
}

impl Member {
    fn leave(&self, patience: Patience) -> oneshot::Receiver<Ended> {
        let (answer, answered) = oneshot::channel();
        let shard = self.shard.clone();
        // With the task gone the answer is dropped, which is one.
        drop(self.orders.send(Order::Leave { shard, patience, answer }));
        answered
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if !self.has_left {
            drop(self.orders.send(Order::Drop(self.shard.clone())));
        }
    }
}

/// Has the child until its last shard has left, or one gives it up, or it ends by itself.
async fn keep(
    mut running: Box<dyn Running>,
    state: Arc<State>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut readers: [JoinHandle<()>; 2],
) {
    let (patience, mut answers) = loop {
        let order = tokio::select! {
            biased;
            () = running.wait() => break (Patience::Ending, Vec::new()),
            order = orders.recv() => order,
        };
        match order {
            Some(Order::Leave { shard, patience: Patience::Told, answer }) => {
                if state.leave(&shard) {
                    break (Patience::Told, vec![answer]);
                }
                drop(answer.send(Ended { ending: Ending::InOrder, status: None }));
            }
            Some(Order::Leave { patience, answer, .. }) => break (patience, vec![answer]),
            Some(Order::Drop(shard)) => {
                if state.leave(&shard) {
                    break (Patience::None, Vec::new());
                }
            }
            None => break (Patience::None, Vec::new()),
        }
    };
    state.members().input = None;
    if patience == Patience::Ending {
        // What it has left in its pipe counts.
        read_out(&mut readers[0]).await;
    }
    state.close(&mut state.members());
    let hurried = async {
        loop {
            match orders.recv().await {
                Some(Order::Leave { patience, answer, .. }) => {
                    answers.push(answer);
                    if patience == Patience::None {
                        return;
                    }
                }
                Some(Order::Drop(_)) => {}
                None => pending().await,
            }
        }
    };
    let ended = running.end(patience, Box::pin(hurried)).await;
    for reader in &mut readers {
        read_out(reader).await;
        // Somebody outside the child's group may hold the other end.
        reader.abort();
    }
    for answer in answers {
        drop(answer.send(ended.clone()));
    }
    while let Some(order) = orders.recv().await {
        if let Order::Leave { answer, .. } = order {
            drop(answer.send(ended.clone()));
        }
    }
}

/// Lets a pipe be read to its end, for a while.
async fn read_out(reader: &mut JoinHandle<()>) {
    if !reader.is_finished() {
        // However it ended, it has; or it goes on.
        let _ = timeout(DRAIN_TIMEOUT, reader).await;
    }
}

/// Reads stdout until it ends, and hands each message to its shard.
async fn read(
    pipe: Box<dyn AsyncRead + Send + Unpin>,
    first: ShardId,
    whose: Whose,
    state: Arc<State>,
) {
    let moments = Mutex::new(Moments::default());
    let lock = || moments.lock().unwrap_or_else(PoisonError::into_inner);
    let mut lines = Lines::new(pipe, LINE_BYTES_MAX, || lock().note(state.begun()));
    let mut passed_over = PassedOver::new();
    let mut endless = Endless::new(&whose, "stdout");
    while let Some(line) = lines.next(|length| endless.grows(length)).await {
        lock().forget_before(line.began);
        if !line.is_whole() {
            endless.ended();
            continue;
        }
        let (named, message) = multilang::decode_tagged(line.kept);
        // A checkpoint is about what the child knew when it began to ask for it.
        let (is_status, moment) = match message {
            Line::Blank => continue,
            Line::Stray(_) | Line::NoMessage(_) => {
                passed_over.log(&whose, &line, &message);
                continue;
            }
            Line::Status { .. } => (true, line.ended),
            Line::Checkpoint(_) => (false, line.began),
        };
        if is_status && state.agreed.now() == Agreed::Pending {
            state.agree(named.is_some(), &first);
        }
        let is_shared = state.agreed.now() == Agreed::Yes;
        let shard = match named {
            None if !is_shared => Some(first.clone()),
            named => named.and_then(|name| ShardId::new(name).ok()),
        };
        let found = shard.and_then(|shard| {
            let route = state.members().routes.get(&shard).cloned();
            route.map(|Route { messages, .. }| (shard, messages))
        });
        let Some((shard, messages)) = found else {
            if passed_over.messages.allows(&whose, "stdout") {
                let (shard, pid) = whose.names();
                warn!(shard, pid, "child's message passed over: of no shard that it has");
            }
            continue;
        };
        let begun = lock().of(moment, &shard);
        // A shard that leaves takes nothing more; the others do.
        drop(messages.send(Heard { line: message, begun }).await);
    }
    passed_over.report(&whose);
    endless.report();
    // Whoever waits for a message hears that none will come, and nobody else comes.
    *state.members() = Members { routes: BTreeMap::new(), input: None };
}
