//! The record processor of the world: it writes down what it is told, and fails as it should.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shardwise::{
    Checkpoint, CheckpointError, Checkpointer, Initialize, ProcessRecords, ProcessorError, Record,
    RecordProcessor, ShardId,
};
use shardwise_referee::{Event, Handed, Place, Why};

use crate::journal::digest;
use crate::node::Node;
use crate::order::Fault;
use crate::plan::Habits;
use crate::point::{Call, Edge};
use crate::world::World;

/// From when on a call that has not returned is to be reported.
const BUSY_AFTER: Duration = Duration::from_secs(60);
/// Counts that one was not.
pub(crate) const UNREPORTED: &str = "processor: hangs, and is not reported";

/// One processor.
pub(crate) struct Processor {
    world: Arc<World>,
    node: Arc<Node>,
    tenure: String,
    shard: ShardId,
}

/// How a call is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Well,
    Retry,
    Restart,
    Panic,
}

impl End {
    /// What a scenario asks for.
    fn ordered(fault: Fault) -> Self {
        match fault {
            Fault::Slow(_) => Self::Well,
            Fault::Retry => Self::Retry,
            Fault::Restart => Self::Restart,
            Fault::Panic => Self::Panic,
            Fault::Lost
            | Fault::AnswerLost
            | Fault::Late(_)
            | Fault::Throttled
            | Fault::Expired
            | Fault::NotFound
            | Fault::NoEnd
            | Fault::Empty(_)
            | Fault::Doubled
            | Fault::Backwards
            | Fault::Ends
            | Fault::Silent
            | Fault::InUse
            | Fault::Old => panic!("{fault:?} is no fault of a processor"),
        }
    }
}

impl Processor {
    pub(crate) fn new(world: &Arc<World>, node: &Arc<Node>, shard: &ShardId) -> Self {
        let tenure = world.state().journal.new_tenure(&node.name);
        Self { world: Arc::clone(world), node: Arc::clone(node), tenure, shard: shard.clone() }
    }

    fn habits(&self) -> &Habits {
        &self.world.plan.habits
    }

    fn happens(&self, per_million: u32) -> bool {
        self.world.happens(|dice| &mut dice.processor, per_million)
    }

    /// As [`happens`](Self::happens), in quiet times too: a way of working, no fault.
    fn chooses(&self, per_million: u32) -> bool {
        self.world.state().dice.processor.happens(per_million)
    }

    fn note(&self, event: Event) {
        let now = self.world.now();
        let mut state = self.world.state();
        match &event {
            Event::Hand { records, .. } => {
                let (first, last) = (records.first(), records.last());
                let place = |handed: Option<&Handed>| handed.map(|h| h.place.to_string());
                state.trace.note(
                    now,
                    &self.node.name,
                    format_args!(
                        "{} hand {} {:?}..{:?}",
                        self.tenure,
                        records.len(),
                        place(first),
                        place(last)
                    ),
                );
            }
            Event::Start { .. }
            | Event::Ask { .. }
            | Event::Answer { .. }
            | Event::Prepare { .. }
            | Event::Prepared { .. }
            | Event::End { .. }
            | Event::Done { .. } => {
                state.trace.note(now, &self.node.name, format_args!("{event:?}"));
            }
        }
        state.journal.event(event);
    }

    /// Spends the time of a call; says how it is to end.
    async fn work(&self, call: Call) -> End {
        let habits = self.habits();
        let ordered = self.world.ordered(&self.node, call);
        let is_slow = self.happens(habits.slow);
        if is_slow {
            self.world.mark(&self.node.name, "processor: slow call");
        }
        let most = if is_slow { habits.longest } else { habits.usual };
        let time = match ordered {
            Some(Fault::Slow(time)) => time,
            Some(_) | None => self.world.state().dice.processor.between(Duration::ZERO, most),
        };
        self.hang(time).await;
        self.node.passes().await;
        if let Some(fault) = ordered {
            return End::ordered(fault);
        }
        let (end, name) = if self.happens(habits.retry) {
            (End::Retry, "processor: fails, wants the same again")
        } else if self.happens(habits.restart) {
            (End::Restart, "processor: fails, wants a new processor")
        } else if self.happens(habits.panic) {
            (End::Panic, "processor: panics")
        } else {
            return End::Well;
        };
        self.world.mark(&self.node.name, name);
        end
    }

    /// Does not return for so long; from a minute on the worker must say so.
    async fn hang(&self, time: Duration) {
        let before = time.min(BUSY_AFTER);
        tokio::time::sleep(before).await;
        if time > BUSY_AFTER && !self.node.is_dead() {
            self.world.mark(
                &self.node.name,
                match self.node.says_busy(&self.shard) {
                    true => "processor: hangs, and is reported",
                    false => UNREPORTED,
                },
            );
        }
        tokio::time::sleep(time - before).await;
    }

    /// Ends a call as it is to end.
    fn finish(&self, end: End) -> Result<(), ProcessorError> {
        let error = (end != End::Well).then(|| format!("{end:?}"));
        self.note(Event::Done { t: self.world.t(), tenure: self.tenure.clone(), error });
        match end {
            End::Well => Ok(()),
            End::Retry => Err(ProcessorError::retry("as planned")),
            End::Restart => Err(ProcessorError::restart("as planned")),
            // As `panic!` does, without its message on stderr.
            End::Panic => std::panic::resume_unwind(Box::new("as planned".to_owned())),
        }
    }

    /// Ends a call whose checkpoint had this result.
    fn conclude(&self, made: Result<(), CheckpointError>) -> Result<(), ProcessorError> {
        let error = made.as_ref().err().map(|error| error.java_name().to_owned());
        self.note(Event::Done { t: self.world.t(), tenure: self.tenure.clone(), error });
        made.map_err(ProcessorError::from)
    }

    /// Asks for a checkpoint, and writes down what came of it.
    async fn checkpoint(
        &self,
        checkpointer: &Checkpointer,
        at: Option<&Record>,
    ) -> Result<(), CheckpointError> {
        let place = at.map(place_of);
        let (t, tenure) = (self.world.t(), self.tenure.clone());
        self.note(Event::Ask { t, tenure, place: place.clone() });
        let made = if self.chooses(self.habits().prepare) {
            self.prepared(checkpointer, at).await
        } else {
            match at {
                Some(record) => checkpointer.checkpoint_at(record.place()).await,
                None => checkpointer.checkpoint().await,
            }
        };
        self.node.passes().await;
        let error = made.as_ref().err().map(|error| error.java_name().to_owned());
        let (t, tenure) = (self.world.t(), self.tenure.clone());
        // Without a place it means what was processed: a batch that failed is not.
        let place = place.or_else(|| made.is_ok().then(|| place_at(&checkpointer.last())));
        self.note(Event::Answer { t, tenure, place, error });
        made
    }

    async fn prepared(
        &self,
        checkpointer: &Checkpointer,
        at: Option<&Record>,
    ) -> Result<(), CheckpointError> {
        let place = at.map(place_of);
        let (t, tenure) = (self.world.t(), self.tenure.clone());
        self.note(Event::Prepare { t, tenure, place: place.clone() });
        let state = Some(vec![7; 3]);
        let prepared = match at {
            Some(record) => checkpointer.prepare_at(record.place(), state).await,
            None => checkpointer.prepare(state).await,
        };
        self.node.passes().await;
        let error = prepared.as_ref().err().map(|error| error.java_name().to_owned());
        let (t, tenure) = (self.world.t(), self.tenure.clone());
        self.note(Event::Prepared { t, tenure, place, error });
        self.world.mark(&self.node.name, "processor: prepared checkpoint");
        prepared?.checkpoint().await
    }

    /// Asks for a checkpoint that must be refused.
    async fn ask_wrongly(&self, checkpointer: &Checkpointer) {
        let far = "9".repeat(60);
        let number = shardwise::SequenceNumber::parse(&far).expect("a number");
        let refused = checkpointer.checkpoint_at(Checkpoint::at(number)).await;
        assert!(refused.is_err(), "a checkpoint beyond all records was made");
        self.world.mark(&self.node.name, "processor: checkpoint out of range");
    }

    fn end(&self, why: Why) {
        self.note(Event::End { t: self.world.t(), tenure: self.tenure.clone(), why });
    }
}

fn place_of(record: &Record) -> Place {
    Place::parse(record.sequence_number.as_str(), record.sub_sequence_number)
        .expect("a record has a number")
}

fn place_at(checkpoint: &Checkpoint) -> Place {
    Place::parse(checkpoint.as_str(), checkpoint.sub_sequence()).expect("a checkpoint is a place")
}

#[async_trait]
impl RecordProcessor for Processor {
    async fn initialize(&mut self, input: &Initialize) -> Result<(), ProcessorError> {
        self.world.passes(&self.node, Call::Initialize, Edge::Before).await;
        self.note(Event::Start {
            t: self.world.t(),
            tenure: self.tenure.clone(),
            worker: Some(self.node.name.clone()),
            shard: self.shard.to_string(),
            place: place_at(&input.checkpoint),
            pending: input.pending.as_ref().map(|pending| place_at(&pending.checkpoint)),
        });
        let end = self.work(Call::Initialize).await;
        let result = self.finish(end);
        self.world.passes(&self.node, Call::Initialize, Edge::After).await;
        result
    }

    async fn process_records(&mut self, input: &ProcessRecords<'_>) -> Result<(), ProcessorError> {
        // No await before this: the deadline of the lease was looked at a moment ago.
        let handed =
            |record: &Record| Handed { place: place_of(record), digest: digest(&record.data) };
        let records = input.records.iter().map(handed).collect();
        self.note(Event::Hand { t: self.world.t(), tenure: self.tenure.clone(), records });
        self.world.state().note_bytes(self.node.used_bytes());
        self.world.passes(&self.node, Call::Process, Edge::Before).await;
        let end = self.work(Call::Process).await;
        if end != End::Well {
            return self.finish(end);
        }
        if self.chooses(self.habits().wrong) {
            self.ask_wrongly(input.checkpointer).await;
        }
        let made = if self.chooses(self.habits().lazy) {
            Ok(())
        } else if let [_, .., _] = input.records
            && self.chooses(self.habits().inside)
        {
            let at = self.world.state().dice.processor.below(input.records.len());
            self.checkpoint(input.checkpointer, Some(&input.records[at])).await
        } else {
            self.checkpoint(input.checkpointer, None).await
        };
        let made = match made {
            // The next batch's checkpoint covers it.
            Err(error) if error.is_retryable() => Ok(()),
            made => made,
        };
        let result = self.conclude(made);
        self.world.passes(&self.node, Call::Process, Edge::After).await;
        result
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        self.world.passes(&self.node, Call::ShardEnded, Edge::Before).await;
        self.end(Why::ShardEnded);
        let end = self.work(Call::ShardEnded).await;
        if end != End::Well {
            return self.finish(end);
        }
        let made = if self.happens(self.habits().forget) {
            self.world.mark(&self.node.name, "processor: forgets the shard's end");
            Ok(())
        } else {
            self.checkpoint(checkpointer, None).await
        };
        let result = self.conclude(made);
        self.world.passes(&self.node, Call::ShardEnded, Edge::After).await;
        result
    }

    async fn shutdown_requested(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        self.world.passes(&self.node, Call::ShutdownRequested, Edge::Before).await;
        self.end(Why::ShutdownRequested);
        let made = self.checkpoint(checkpointer, None).await;
        let result = self.conclude(made);
        self.world.passes(&self.node, Call::ShutdownRequested, Edge::After).await;
        result
    }

    async fn lease_lost(&mut self) -> Result<(), ProcessorError> {
        self.world.passes(&self.node, Call::LeaseLost, Edge::Before).await;
        self.end(Why::LeaseLost);
        let result = self.conclude(Ok(()));
        self.world.passes(&self.node, Call::LeaseLost, Edge::After).await;
        result
    }
}
