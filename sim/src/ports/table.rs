//! The lease table as a node reaches it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shardwise::LeaseKey;
use shardwise::config::TableConfig;
use shardwise::lease_table::{LeaseTable, Outcome, Reads, Scan, TableError, TableState};
use shardwise::row::{Item, Write};
use tokio::sync::oneshot;

use super::pages::Pages;
use super::{SLOWEST, no_answer};
use crate::node::{Dimmed, Node};
use crate::order::Fault;
use crate::point::{Call, Edge};
use crate::refusals::Refused;
use crate::rows::Sender;
use crate::sometimes;
use crate::world::{State, World};

/// The table, seen from one node.
pub(crate) struct NodeTable {
    pub(crate) world: Arc<World>,
    pub(crate) node: Arc<Node>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered {
        back: Duration,
    },
    /// It does not arrive.
    Lost {
        is_reset: bool,
    },
    /// It is carried out; the answer does not come back.
    AnswerLost {
        is_reset: bool,
    },
    /// It arrives when nobody waits for it any more.
    Late {
        after: Duration,
        is_reset: bool,
    },
    Throttled,
    /// The credentials are of no use.
    Denied,
    /// There is no table.
    Gone,
    /// An error of the service, before or after it did what was asked.
    Broken {
        is_done: bool,
    },
}

impl Fate {
    /// Whether the request may be carried out without its sender being told so.
    fn is_doubtful(self) -> bool {
        match self {
            Self::AnswerLost { .. } | Self::Late { .. } | Self::Broken { .. } => true,
            Self::Answered { .. }
            | Self::Lost { .. }
            | Self::Throttled
            | Self::Denied
            | Self::Gone => false,
        }
    }

    /// What a scenario asks for.
    fn ordered(fault: Fault) -> Self {
        match fault {
            Fault::Lost => Self::Lost { is_reset: true },
            Fault::AnswerLost => Self::AnswerLost { is_reset: true },
            Fault::Late(after) => Self::Late { after, is_reset: true },
            Fault::Slow(back) => Self::Answered { back },
            Fault::Throttled => Self::Throttled,
            Fault::Expired
            | Fault::NotFound
            | Fault::NoEnd
            | Fault::Empty(_)
            | Fault::Doubled
            | Fault::Backwards
            | Fault::Old
            | Fault::Short
            | Fault::Retry
            | Fault::Restart
            | Fault::Ends
            | Fault::Silent
            | Fault::InUse
            | Fault::Panic => panic!("{fault:?} is no fault of the table"),
        }
    }
}

/// Notes what became of a write of whose fate its sender is not told, or not in time.
fn note_doubt(state: &mut State, node: &Node, write: &Write, fate: Fate, is_applied: bool) {
    let (call, key) = (Call::of(write), write.key.as_str());
    let State { rows, tally, .. } = state;
    let is_owners =
        matches!(call, Call::Renew | Call::Checkpoint | Call::End | Call::Prepare | Call::Release);
    if is_applied && fate.is_doubtful() {
        node.doubts().made(call, key, rows.row(key), tally);
    } else if matches!(fate, Fate::Late { .. }) && is_owners && !is_applied {
        sometimes::count_refused(&node.name, rows.row(key), tally);
    }
}

fn unanswered(why: &'static str) -> TableError {
    TableError::Unanswered(why.into())
}

impl NodeTable {
    pub(crate) fn fate(&self, call: Call) -> Fate {
        if let Some(fault) = self.world.ordered(&self.node, call) {
            return Fate::ordered(fault);
        }
        let rates = &self.world.plan.rates;
        let failover = self.world.plan.knobs.failover;
        let back = self.world.way();
        let is_cut = !self.node.has_table();
        let mut state = self.world.state();
        let is_chaos = state.is_chaos;
        let now = self.world.now();
        if now < state.table_gone_until || !state.has_table(call, now) {
            return Fate::Gone;
        }
        if let Some(refused) = state.refusals.of(self.node.slot, call, now) {
            let (fate, name) = match refused {
                Refused::Throttled => (Fate::Throttled, "table: burst of throttling"),
                Refused::Denied => (Fate::Denied, "table: denied"),
            };
            state.mark(now, &self.node.name, name);
            return fate;
        }
        let dice = &mut state.dice.table;
        let (fate, name) = if is_cut {
            (Fate::Lost { is_reset: dice.happens(rates.table_reset) }, "table: cut off")
        } else if !is_chaos {
            (Fate::Answered { back }, "")
        } else if call == Call::Take
            && let Some(back) = self.node.begin_brownout()
        {
            (Fate::Answered { back }, "table: brownout at a take")
        } else if matches!(call, Call::Renew | Call::Checkpoint | Call::Prepare)
            && let Some(dimmed) = self.node.dimmed()
        {
            let fate = match dimmed {
                Dimmed::Refused => Fate::Throttled,
                Dimmed::Slow(back) => Fate::Answered { back },
            };
            (fate, "table: brownout of renewals")
        } else if dice.happens(rates.table_lost) {
            (Fate::Lost { is_reset: dice.happens(rates.table_reset) }, "table: request lost")
        } else if dice.happens(rates.table_answer_lost) {
            (Fate::AnswerLost { is_reset: dice.happens(rates.table_reset) }, "table: answer lost")
        } else if call.edges().len() == 4 && dice.happens(rates.table_late) {
            let after = dice.between(Duration::from_millis(500), Duration::from_secs(30));
            (
                Fate::Late { after, is_reset: dice.happens(rates.table_reset) },
                "table: write arrives late",
            )
        } else if dice.happens(rates.table_throttled) {
            (Fate::Throttled, "table: throttled")
        } else if dice.happens(rates.table_broken) {
            (Fate::Broken { is_done: dice.happens(500_000) }, "table: error of the service")
        } else if dice.happens(rates.table_slow) {
            (
                Fate::Answered { back: dice.between(failover / 2, SLOWEST * failover) },
                "table: slow answer",
            )
        } else {
            (Fate::Answered { back }, "")
        };
        if !name.is_empty() {
            state.mark(self.world.now(), &self.node.name, name);
        }
        fate
    }

    /// Asks what changes nothing.
    async fn ask<T>(
        &self,
        call: Call,
        answer: impl Fn(&World) -> Result<T, TableError> + Send,
    ) -> Result<T, TableError> {
        self.world.passes(&self.node, call, Edge::Before).await;
        let there = self.world.way();
        let fate = self.fate(call);
        let result = match fate {
            Fate::Answered { back } => {
                tokio::time::sleep(there).await;
                let result = answer(&self.world);
                tokio::time::sleep(back).await;
                result
            }
            Fate::Lost { is_reset }
            | Fate::AnswerLost { is_reset }
            | Fate::Late { is_reset, .. } => {
                no_answer(is_reset, there).await;
                Err(unanswered("lost"))
            }
            Fate::Throttled => {
                tokio::time::sleep(there).await;
                Err(TableError::Throttled)
            }
            Fate::Denied => {
                tokio::time::sleep(there).await;
                Err(TableError::Refused("as planned".to_owned()))
            }
            Fate::Gone => {
                tokio::time::sleep(there).await;
                Err(TableError::Missing)
            }
            Fate::Broken { .. } => {
                tokio::time::sleep(there).await;
                Err(unanswered("internal server error"))
            }
        };
        self.world.passes(&self.node, call, Edge::After).await;
        if let Err(error) = &result {
            self.world.trace(&self.node.name, format_args!("{call:?}: {error}"));
        }
        result
    }

    /// The time between two pages of a scan, in which rows may change.
    async fn turn_page(&self) {
        let gap = {
            let mut state = self.world.state();
            let is_long = state.is_chaos && state.dice.pages.happens(100_000);
            if is_long {
                state.mark(self.world.now(), &self.node.name, "table: pages from two moments");
            }
            let longest = if is_long { Duration::from_secs(3) } else { Duration::ZERO };
            state.dice.pages.between(Duration::ZERO, longest)
        };
        tokio::time::sleep(gap).await;
    }

    /// Sends a write on its way; it arrives whatever becomes of its sender.
    fn send(
        &self,
        write: &Write,
        call: Call,
        after: Duration,
        fate: Fate,
    ) -> oneshot::Receiver<Outcome> {
        let (told, outcome) = oneshot::channel();
        let (world, node, write) = (Arc::clone(&self.world), Arc::clone(&self.node), write.clone());
        let sent_t = world.t();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let dies_before = world.dies(&node, call, Edge::Arrived);
            let applied = {
                let now = world.now();
                let sender = Sender { by: Some(&node.name), sent_t };
                let mut state = world.state();
                let applied = state.rows.apply(&write, sender, now);
                let is_applied = applied.is_some();
                if let Some(applied) = applied {
                    state.journal.write(applied);
                }
                let key = &write.key;
                state.trace.note(
                    now,
                    &node.name,
                    format_args!("{call:?} {key}: {is_applied} {:?}", write.values),
                );
                note_doubt(&mut state, &node, &write, fate, is_applied);
                is_applied
            };
            if applied && !dies_before {
                world.dies(&node, call, Edge::Applied);
            }
            // The sender may have stopped waiting.
            let _ = told.send(if applied { Outcome::Written } else { Outcome::Refused });
        });
        outcome
    }
}

#[async_trait]
impl LeaseTable for NodeTable {
    async fn state(&self) -> Result<TableState, TableError> {
        self.ask(Call::TableState, |world| {
            let (now, mut state) = (world.now(), world.state());
            let Some(made_at) = state.table_made_at else { return Ok(TableState::Missing) };
            if now < made_at {
                state.mark(now, &self.node.name, "table: in the making");
                return Ok(TableState::NotReady);
            }
            Ok(TableState::Ready)
        })
        .await
    }

    async fn create(&self, _: &TableConfig) -> Result<(), TableError> {
        self.ask(Call::TableCreate, |world| {
            let made_at = world.now() + world.plan.knobs.creation;
            world.state().table_made_at.get_or_insert(made_at);
            Ok(())
        })
        .await
    }

    async fn recover_to_any_time(&self) -> Result<(), TableError> {
        Ok(())
    }

    async fn scan(&self, reads: Reads) -> Result<Scan, TableError> {
        let rate = match reads {
            Reads::Eventual => self.world.plan.rates.stale_scan,
            Reads::Consistent => 0,
        };
        let age = self.world.happens(|dice| &mut dice.table, rate).then(|| {
            let mut state = self.world.state();
            state.mark(self.world.now(), &self.node.name, "table: stale scan");
            state.dice.table.between(Duration::from_millis(100), Duration::from_secs(30))
        });
        let mut pages = Pages::new(self.world.plan.knobs.page_rows);
        let mut scan = Scan::default();
        loop {
            let page = self
                .ask(Call::Scan, |world| {
                    let now = world.now();
                    let state = world.state();
                    Ok(pages.next(match age {
                        Some(age) => state.rows.at(now.saturating_sub(age)),
                        None => state.rows.all(),
                    }))
                })
                .await?;
            pages.turn(&page);
            scan.items.extend(page.items);
            if page.is_last {
                scan.read_units = 0.5 + scan.items.len() as f64 * 0.05;
                return Ok(scan);
            }
            self.turn_page().await;
        }
    }

    async fn read(&self, key: &LeaseKey) -> Result<Option<Item>, TableError> {
        let key = key.as_str();
        let row = self.ask(Call::Read, |world| Ok(world.state().rows.row(key).cloned())).await?;
        self.node.doubts().shown(key, row.as_ref(), &mut self.world.state().tally);
        Ok(row)
    }

    async fn write(&self, write: &Write) -> Result<Outcome, TableError> {
        let call = Call::of(write);
        self.world.passes(&self.node, call, Edge::Before).await;
        let there = self.world.way();
        let fate = self.fate(call);
        let result = match fate {
            Fate::Answered { back } => {
                let outcome = self.send(write, call, there, fate).await;
                tokio::time::sleep(back).await;
                outcome.map_err(|_| unanswered("the service is gone"))
            }
            Fate::Lost { is_reset } => {
                no_answer(is_reset, there).await;
                Err(unanswered("request lost"))
            }
            Fate::AnswerLost { is_reset } => {
                let sent = self.send(write, call, there, fate);
                no_answer(is_reset, 2 * there).await;
                drop(sent);
                Err(unanswered("answer lost"))
            }
            Fate::Late { after, is_reset } => {
                let sent = self.send(write, call, after, fate);
                no_answer(is_reset, there).await;
                drop(sent);
                Err(unanswered("late"))
            }
            Fate::Throttled => {
                tokio::time::sleep(there).await;
                Err(TableError::Throttled)
            }
            Fate::Denied => {
                tokio::time::sleep(there).await;
                Err(TableError::Refused("as planned".to_owned()))
            }
            Fate::Gone => {
                tokio::time::sleep(there).await;
                Err(TableError::Missing)
            }
            Fate::Broken { is_done } => {
                if is_done {
                    drop(self.send(write, call, there, fate));
                }
                tokio::time::sleep(2 * there).await;
                Err(unanswered("internal server error"))
            }
        };
        self.world.passes(&self.node, call, Edge::After).await;
        if let Err(error) = &result {
            let key = &write.key;
            self.world.trace(&self.node.name, format_args!("{call:?} {key}: {error}: {fate:?}"));
        }
        result
    }
}
