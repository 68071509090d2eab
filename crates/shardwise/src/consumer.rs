//! The shard consumer: one task for each held lease, from its parents' end to its own.
//!
//! It walks [`ConsumerState`] and calls the record processor; what is told when is decided there.

mod call;
mod children;
mod failures;
mod signal;

use std::sync::Arc;
use std::time::Duration;

use shardwise_core::budget::Budget;
use shardwise_core::config::{Config, OnFailure};
use shardwise_core::consumer::{Call, ConsumerState, Event, Failure};
use shardwise_core::id::{LeaseKey, ShardId};
use shardwise_core::metrics::catalogue as c;
use shardwise_core::row::{self, Row};
use shardwise_core::sequence::Checkpoint;
use shardwise_core::shard::HashKeyRange;
use shardwise_core::time::Timestamp;
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use self::call::{decode, failure, supervised};
use self::failures::Failures;
pub(crate) use self::signal::Signal;
use crate::clock::within;
use crate::decoder::Decoder;
use crate::kinesis::Position;
use crate::metrics::Metrics;
use crate::parents;
use crate::processor::{
    Checkpointer, Initialize, ProcessRecords, ProcessorError, ProcessorFactory, RecordProcessor,
};
use crate::retrieval::registration::Registration;
use crate::retrieval::user_records::UserRecords;
use crate::retrieval::{Batch, Fetched, Reader, Rhythm, Said};
use crate::status::Board;
use crate::tenure::Tenure;
use crate::worker::Ports;

/// How a shard consumer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerEnd {
    /// The shard is done; its lease stays held until it is cleaned up.
    Finished,
    /// The lease was lost.
    Lost,
    /// The worker stops: the lease is free to be released.
    Stopped,
}

/// What every shard consumer of a worker shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) config: Arc<Config>,
    pub(crate) factory: Arc<ProcessorFactory>,
    pub(crate) decoder: Option<Arc<dyn Decoder>>,
    pub(crate) board: Board,
    pub(crate) budget: Budget,
    /// As whom shards are subscribed to; none where they are polled.
    pub(crate) registration: Option<Arc<Registration>>,
    pub(crate) metrics: Metrics,
    /// How long the stream keeps records, as it said when the worker started.
    pub(crate) retention: Duration,
}

pub(crate) struct Consumer {
    shared: Shared,
    key: LeaseKey,
    shard: ShardId,
    tenure: Arc<Tenure>,
    signals: mpsc::UnboundedReceiver<Signal>,
    state: ConsumerState,
    /// What is at work between `initialize` and the end.
    work: Option<Work>,
    failures: Failures,
    /// When the shard may be read again, by whichever reader.
    rhythm: Arc<Rhythm>,
    /// What was said of the shard, by whichever reader.
    said: Arc<Said>,
}

/// A processor, and the records on their way to it.
struct Work {
    processor: Box<dyn RecordProcessor>,
    checkpointer: Checkpointer,
    /// The date that LATEST stands for, while that is the checkpoint.
    latest_since: Option<Timestamp>,
    /// The hash keys of the shard, where its row says them.
    hash_range: Option<HashKeyRange>,
    /// Behind what was handed over last: where a reader begins.
    handed: Checkpoint,
    /// Whether that was handed to this processor; before its first batch it is the checkpoint.
    has_handed: bool,
    reader: Option<Reader>,
    /// The batch that failed, to be handed over again, and how often it was.
    again: Option<(Batch, u32)>,
}

impl Consumer {
    pub(crate) fn new(
        shared: Shared,
        tenure: Arc<Tenure>,
        signals: mpsc::UnboundedReceiver<Signal>,
    ) -> Self {
        let key = tenure.key().clone();
        let polling = &shared.config.polling;
        let rhythm = Rhythm::new(polling.pace, polling.max_records, shared.ports.clock.now());
        Self {
            shard: key.shard(),
            key,
            shared,
            tenure,
            signals,
            state: ConsumerState::WaitingOnParentShards,
            work: None,
            failures: Failures::default(),
            rhythm: Arc::new(rhythm),
            said: Arc::default(),
        }
    }

    /// Consumes the shard until it is done, lost, or the worker stops.
    pub(crate) async fn consume(mut self) -> ConsumerEnd {
        let mut event = self.wait_for_parents().await;
        let mut lost = false;
        loop {
            lost |= event == Event::LeaseLost;
            let (state, call) = self.state.on(event);
            if state != self.state {
                debug!(shard = %self.shard, from = ?self.state, to = ?state, "shard consumer");
                self.state = state;
                self.shared.board.state(&self.key, state);
            }
            event = match (call, state) {
                (Some(call), _) => self.tell(call).await,
                (None, ConsumerState::ShutdownComplete) => break,
                (None, ConsumerState::WaitingOnParentShards) => self.wait_for_parents().await,
                (None, _) => self.process().await,
            };
        }
        // A renewal that was answered late may have brought the lease back meanwhile. That helps
        // nobody: the processor has been told.
        lost |= !self.tenure.is_held();
        let at_end = self.work.take().is_some_and(|work| work.checkpointer.is_at_end());
        match lost {
            true => ConsumerEnd::Lost,
            false if at_end => ConsumerEnd::Finished,
            false => ConsumerEnd::Stopped,
        }
    }

    async fn wait_for_parents(&mut self) -> Event {
        loop {
            let (ports, config) = (self.shared.ports.clone(), Arc::clone(&self.shared.config));
            let key = self.key.clone();
            let ended = match self.unless_told(parents::ended(&ports, &config, &key)).await {
                Ok(ended) => ended,
                Err(event) => return event,
            };
            match ended {
                Ok(true) => return Event::ParentsEnded,
                Ok(false) => debug!(shard = %self.shard, "waits for its parents"),
                Err(error) => warn!(shard = %self.shard, %error, "parents not known"),
            }
            let pause = self.shared.config.processor.parent_poll_interval;
            if let Some(event) = self.pause(pause).await {
                return event;
            }
        }
    }

    /// Makes one call of the life cycle, after a back-off if it failed before.
    async fn tell(&mut self, call: Call) -> Event {
        if call == Call::Initialize
            && let Some(work) = &mut self.work
        {
            // What the next processor is handed is read anew.
            work.reader = None;
        }
        let in_a_row = self.failures.in_a_row();
        if in_a_row > 0 && matches!(call, Call::Initialize | Call::ShardEnded) {
            let pause = self.shared.config.processor.wait_after(in_a_row);
            if let Some(event) = self.pause(pause).await {
                return event;
            }
        }
        let result = match call {
            Call::Initialize => self.initialize().await,
            Call::ShutdownRequested | Call::ShardEnded | Call::LeaseLost => self.end(call).await,
        };
        let name = match call {
            Call::Initialize => "initialize",
            Call::ShutdownRequested => "shutdownRequested",
            Call::ShardEnded => "shardEnded",
            Call::LeaseLost => "leaseLost",
        };
        self.judge(name, result)
    }

    fn judge(&mut self, call: &'static str, result: Result<(), ProcessorError>) -> Event {
        let place = match (call, &self.work) {
            ("shardEnded", _) => Some(Checkpoint::ShardEnd),
            (_, work) => work.as_ref().map(|work| work.handed.clone()),
        };
        match result {
            Ok(()) => {
                // A processor that starts well each time may fail at the same batch each time.
                if call != "initialize" && self.failures.got_to(place.as_ref()) {
                    self.shared.board.succeeded(&self.key);
                }
                Event::CallSucceeded
            }
            Err(why) if why.was_not_begun() => {
                // Should it still be due it is not asked for without a pause.
                self.failures.add(None);
                debug!(shard = %self.shard, call, %why, "not begun");
                Event::CallFailed(Failure::Retry)
            }
            Err(failure) => {
                self.failures.add(place);
                let (in_a_row, restart) = (self.failures.in_a_row(), failure.wants_restart());
                let error = failure.with_causes();
                error!(shard = %self.shard, call, error, in_a_row, restart,
                    "record processor failed");
                self.shared.board.failed(&self.key, failure.to_string());
                Event::CallFailed(if restart { Failure::Restart } else { Failure::Retry })
            }
        }
    }

    /// Makes a new processor and tells it where to start: at the checkpoint in the row as it is.
    async fn initialize(&mut self) -> Result<(), ProcessorError> {
        if let Some(work) = self.work.take() {
            work.checkpointer.revoke();
        }
        let Shared { ports, config, .. } = &self.shared;
        let read = within(&*ports.clock, config.lease.failover_time, ports.table.read(&self.key));
        let item = read.await.ok_or_else(|| ProcessorError::retry("lease table: no answer"))??;
        let lease = match item.as_ref().map(row::read) {
            Some(Row::Lease(lease)) => lease,
            Some(Row::Foreign { .. } | Row::Malformed { .. }) | None => {
                return Err(ProcessorError::retry(format!("no row for lease `{}`", self.key)));
            }
        };
        let input = Initialize {
            shard: self.shard.clone(),
            checkpoint: lease.checkpoint.clone(),
            pending: lease.pending,
        };
        info!(shard = %self.shard, checkpoint = %input.checkpoint, "processor starts");
        let checkpointer = Checkpointer::new(Arc::clone(&self.tenure), lease.checkpoint.clone());
        let processor = (self.shared.factory)(&self.shard);
        self.work = Some(Work {
            processor,
            checkpointer,
            latest_since: lease.latest_since,
            hash_range: lease.hash_range,
            handed: lease.checkpoint,
            has_handed: false,
            reader: None,
            again: None,
        });
        let work = self.work.as_mut().expect("it was set on the line above");
        let call = work.processor.initialize(&input);
        let timer = Some(&c::INITIALIZE_TIME);
        supervised(&self.shared, &self.key, timer, call, &work.checkpointer).await
    }

    /// Makes one of the calls that end a tenure.
    async fn end(&mut self, call: Call) -> Result<(), ProcessorError> {
        let Some(work) = &mut self.work else { return Ok(()) };
        let (processor, checkpointer) = (&mut work.processor, &work.checkpointer);
        let shared = &self.shared;
        work.reader = None;
        let timer = Some(&c::SHUTDOWN_TIME);
        match call {
            Call::ShutdownRequested => {
                let call = processor.shutdown_requested(checkpointer);
                supervised(shared, &self.key, None, call, checkpointer).await
            }
            Call::ShardEnded => {
                checkpointer.reach_end();
                let call = processor.shard_ended(checkpointer);
                let result = supervised(shared, &self.key, timer, call, checkpointer).await;
                if checkpointer.is_at_end() {
                    info!(shard = %self.shard, error = ?result.err(), "shard is done");
                    return Ok(());
                }
                result.and_then(|()| {
                    Err(ProcessorError::retry(
                        "the processor returned from the shard's end without a checkpoint there",
                    ))
                })
            }
            Call::LeaseLost => {
                let call = processor.lease_lost();
                supervised(shared, &self.key, timer, call, checkpointer).await
            }
            Call::Initialize => Ok(()),
        }
    }

    /// Hands the next batch over, or finds that the shard is at its end or the processor broken.
    async fn process(&mut self) -> Event {
        if let Some(event) = self.signalled() {
            return event;
        }
        let Some(work) = &mut self.work else { return Event::CallFailed(Failure::Restart) };
        if let Some((batch, attempt)) = work.again.take() {
            return self.hand_over(batch, attempt).await;
        }
        let reader = match &work.reader {
            Some(reader) => reader,
            None => {
                let from = work.handed.clone();
                let initial = self.shared.config.initial_position;
                let position = Position::of(&from, work.latest_since, initial);
                let Some(position) = position else { return Event::ShardEnded };
                let (shared, shard, said) = (&self.shared, &self.shard, Arc::clone(&self.said));
                let mut user_records = UserRecords::new(shard.clone(), work.hash_range, from, said);
                if work.has_handed {
                    user_records = user_records.behind_what_was_handed();
                }
                let (rhythm, tenure) = (&self.rhythm, &self.tenure);
                let reader = Reader::start(shared, shard, user_records, position, rhythm, tenure);
                work.reader.insert(reader)
            }
        };
        let fetched = tokio::select! {
            biased;
            signal = self.signals.recv() => {
                return self.note(signal).unwrap_or(Event::CallSucceeded);
            }
            failure = failure(&mut *work.processor) => {
                self.judge("between calls", Err(failure));
                return Event::CallFailed(Failure::Restart);
            }
            fetched = reader.next() => fetched,
        };
        match fetched {
            Fetched::Batch(batch) => self.hand_over(batch, 1).await,
            Fetched::Nothing(millis_behind_latest) => {
                // What fails again and again has not got on by that, unless nothing is left.
                if self.failures.in_a_row() == 0 || millis_behind_latest == Some(0) {
                    self.shared.board.succeeded(&self.key);
                }
                self.shared.metrics.processed_nothing(&self.shard, millis_behind_latest);
                Event::CallSucceeded
            }
            Fetched::End(children) => self.prepare_end(&children).await,
        }
    }

    async fn hand_over(&mut self, mut batch: Batch, attempt: u32) -> Event {
        if attempt == 1 {
            let (shared, key) = (self.shared.clone(), self.key.clone());
            let said = Arc::clone(&self.said);
            if let Err(event) = self.unless_told(decode(&shared, &key, &said, &mut batch)).await {
                return event;
            }
        }
        let Some(work) = &mut self.work else { return Event::CallFailed(Failure::Restart) };
        if !self.tenure.is_held() {
            return Event::LeaseLost;
        }
        if let Some(last) = batch.records.last() {
            (work.handed, work.has_handed) = (last.place(), true);
            work.checkpointer.deliver(last.place());
        }
        let input = ProcessRecords {
            records: &batch.records,
            millis_behind_latest: batch.millis_behind_latest,
            attempt,
            checkpointer: &work.checkpointer,
        };
        self.shared.board.delivered(&self.key, batch.records.len());
        self.shared.metrics.handing_over(&self.shard, &input);
        let call = work.processor.process_records(&input);
        let (timer, began) = (Some(&c::PROCESS_RECORDS_TIME), self.shared.ports.clock.now());
        let result = supervised(&self.shared, &self.key, timer, call, &work.checkpointer).await;
        let was_begun = !result.as_ref().is_err_and(ProcessorError::was_not_begun);
        if was_begun {
            self.shared.metrics.processed(&self.shard, &input, began, result.is_ok());
        }
        let skip = was_begun && self.shared.config.processor.on_failure == OnFailure::Skip;
        let event = self.judge("processRecords", result);
        let Some(work) = &mut self.work else { return event };
        match event {
            Event::CallFailed(Failure::Retry) if skip => {
                let (records, first) = (batch.records.len(), batch.records.first());
                let first = first.map(|record| record.sequence_number.to_string());
                error!(shard = %self.shard, records, first, "batch skipped, as configured");
                work.checkpointer.settle();
                self.failures.forget();
            }
            Event::CallFailed(failure) => {
                work.checkpointer.fail();
                if failure == Failure::Retry {
                    // Others may have use for what a shard that fails has read ahead of its own; it
                    // is read again.
                    if work.reader.take_if(|reader| reader.has_borrowed()).is_some() {
                        batch.drop_rest();
                    }
                    work.again = Some((batch, attempt.saturating_add(1)));
                    let pause = self.shared.config.processor.wait_after(self.failures.in_a_row());
                    return self.pause(pause).await.unwrap_or(event);
                }
            }
            Event::CallSucceeded => work.checkpointer.settle(),
            Event::ParentsEnded | Event::ShardEnded | Event::ShutdownAsked | Event::LeaseLost => {}
        }
        event
    }
}
