//! The record processor of the world that runs in its worker's process.

use std::sync::Arc;

use async_trait::async_trait;
use shardwise::{
    Checkpoint, CheckpointError, Checkpointer, Initialize, ProcessRecords, ProcessorError, Record,
    RecordProcessor, ShardId,
};
use shardwise_referee::{Handed, Place, Why};

use crate::journal::digest;
use crate::node::Node;
use crate::point::{Call, Edge};
use crate::tenure::{End, Tenure, Wish};
use crate::world::World;

/// One processor.
pub(crate) struct Processor {
    tenure: Tenure,
    /// Where the last batch begins, and how many records it has.
    batch: Option<(Place, usize)>,
    /// How often that was handed over.
    tries: u32,
}

impl Processor {
    pub(crate) fn new(world: &Arc<World>, node: &Arc<Node>, shard: &ShardId) -> Self {
        Self { tenure: Tenure::new(world, node, shard), batch: None, tries: 0 }
    }

    /// The same records come again as another try, and with no try before they are new (I3).
    fn count_tries(&mut self, input: &ProcessRecords<'_>) {
        let Some(first) = input.records.first().map(place_of) else { return };
        let batch = Some((first, input.records.len()));
        self.tries = if batch == self.batch { self.tries + 1 } else { 1 };
        assert_eq!(input.attempt, self.tries, "{batch:?}");
        self.batch = batch;
    }

    /// Spends the time of a call; says how it is to end.
    async fn work(&self, call: Call) -> End {
        let end = self.tenure.work(call).await;
        match end {
            End::Well => {}
            End::Retry => self.tenure.mark("processor: fails, wants the same again"),
            End::Restart => self.tenure.mark("processor: fails, wants a new processor"),
            End::Panic => self.tenure.mark("processor: panics"),
        }
        end
    }

    /// Ends a call as it is to end.
    fn finish(&self, end: End) -> Result<(), ProcessorError> {
        self.tenure.done((end != End::Well).then(|| format!("{end:?}")));
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
        self.tenure.done(name_of(&made));
        made.map_err(ProcessorError::from)
    }

    /// Asks for a checkpoint, at a record or where the processor is, and writes down what came of
    /// it.
    async fn checkpoint(
        &self,
        checkpointer: &Checkpointer,
        at: Option<&Record>,
        here: Option<Place>,
    ) -> Result<(), CheckpointError> {
        let place = at.map(place_of);
        self.tenure.ask(place.clone());
        let made = if self.tenure.chooses(self.tenure.habits().prepare) {
            self.prepared(checkpointer, at, here).await
        } else {
            match at {
                Some(record) => checkpointer.checkpoint_at(record.place()).await,
                None => checkpointer.checkpoint().await,
            }
        };
        self.tenure.node.passes().await;
        // Without a place it means what was processed: a batch that failed is not.
        let place = place.or_else(|| made.is_ok().then(|| place_at(&checkpointer.last())));
        self.tenure.answer(place, name_of(&made));
        made
    }

    async fn prepared(
        &self,
        checkpointer: &Checkpointer,
        at: Option<&Record>,
        here: Option<Place>,
    ) -> Result<(), CheckpointError> {
        let place = at.map(place_of);
        self.tenure.prepare(place.clone());
        let state = place.clone().or(here).map(|place| state_at(&place));
        let prepared = match at {
            Some(record) => checkpointer.prepare_at(record.place(), state).await,
            None => checkpointer.prepare(state).await,
        };
        self.tenure.node.passes().await;
        self.tenure.prepared(place, name_of(&prepared));
        self.tenure.mark("processor: prepared checkpoint");
        prepared?.checkpoint().await
    }

    /// Asks for a checkpoint that must be refused.
    async fn ask_wrongly(&self, checkpointer: &Checkpointer) {
        let far = "9".repeat(60);
        let number = shardwise::SequenceNumber::parse(&far).expect("a number");
        let refused = checkpointer.checkpoint_at(Checkpoint::at(number)).await;
        assert!(refused.is_err(), "a checkpoint beyond all records was made");
        self.tenure.mark("processor: checkpoint out of range");
    }
}

fn name_of<T>(made: &Result<T, CheckpointError>) -> Option<String> {
    made.as_ref().err().map(|error| error.java_name().to_owned())
}

fn place_of(record: &Record) -> Place {
    Place::parse(record.sequence_number.as_str(), record.sub_sequence_number)
        .expect("a record has a number")
}

pub(crate) fn place_at(checkpoint: &Checkpoint) -> Place {
    Place::parse(checkpoint.as_str(), checkpoint.sub_sequence()).expect("a checkpoint is a place")
}

/// The state that comes with a checkpoint which is prepared at a place.
fn state_at(place: &Place) -> Vec<u8> {
    place.to_string().into_bytes()
}

#[async_trait]
impl RecordProcessor for Processor {
    async fn initialize(&mut self, input: &Initialize) -> Result<(), ProcessorError> {
        self.tenure.passes(Call::Initialize, Edge::Before).await;
        if let Some(pending) = &input.pending
            && let Some(state) = &pending.state
        {
            let meant = state_at(&place_at(&pending.checkpoint));
            assert_eq!(*state, meant, "another state than was prepared");
        }
        let pending = input.pending.as_ref().map(|pending| place_at(&pending.checkpoint));
        self.tenure.start(place_at(&input.checkpoint), pending);
        let end = self.work(Call::Initialize).await;
        let result = self.finish(end);
        self.tenure.passes(Call::Initialize, Edge::After).await;
        result
    }

    async fn process_records(&mut self, input: &ProcessRecords<'_>) -> Result<(), ProcessorError> {
        // No await before this: the deadline of the lease was looked at a moment ago.
        let handed =
            |record: &Record| Handed { place: place_of(record), digest: digest(&record.data) };
        self.tenure.hand(input.records.iter().map(handed).collect());
        self.count_tries(input);
        self.tenure.passes(Call::Process, Edge::Before).await;
        let end = self.work(Call::Process).await;
        if end != End::Well {
            return self.finish(end);
        }
        if self.tenure.chooses(self.tenure.habits().wrong) {
            self.ask_wrongly(input.checkpointer).await;
        }
        let made = match self.tenure.wish(input.records.len()) {
            Wish::Nothing => Ok(()),
            Wish::Inside(at) => {
                self.checkpoint(input.checkpointer, Some(&input.records[at]), None).await
            }
            Wish::All => {
                let here = input.records.last().map(place_of);
                self.checkpoint(input.checkpointer, None, here).await
            }
        };
        let made = match made {
            // The next batch's checkpoint covers it.
            Err(error) if error.is_retryable() => Ok(()),
            made => made,
        };
        let result = self.conclude(made);
        self.tenure.passes(Call::Process, Edge::After).await;
        result
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        self.tenure.passes(Call::ShardEnded, Edge::Before).await;
        self.tenure.end(Why::ShardEnded);
        let end = self.work(Call::ShardEnded).await;
        if end != End::Well {
            return self.finish(end);
        }
        let made = match self.tenure.forgets() {
            true => Ok(()),
            false => self.checkpoint(checkpointer, None, Some(Place::ShardEnd)).await,
        };
        let result = self.conclude(made);
        self.tenure.passes(Call::ShardEnded, Edge::After).await;
        result
    }

    async fn shutdown_requested(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        self.tenure.passes(Call::ShutdownRequested, Edge::Before).await;
        self.tenure.end(Why::ShutdownRequested);
        // A batch that failed is not in it: where it is, only the library knows.
        let made = self.checkpoint(checkpointer, None, None).await;
        let result = self.conclude(made);
        self.tenure.passes(Call::ShutdownRequested, Edge::After).await;
        result
    }

    async fn lease_lost(&mut self) -> Result<(), ProcessorError> {
        self.tenure.passes(Call::LeaseLost, Edge::Before).await;
        self.tenure.end(Why::LeaseLost);
        let result = self.conclude(Ok(()));
        self.tenure.passes(Call::LeaseLost, Edge::After).await;
        result
    }
}
