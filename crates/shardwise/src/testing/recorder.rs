//! A record processor that writes down what it is told, and does as its test says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use shardwise_core::id::ShardId;
use tokio::sync::Notify;

use crate::processor::{Checkpointer, Initialize, ProcessRecords, ProcessorError, RecordProcessor};

/// What one processor was told, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Initialize { shard: String, from: String },
    Records { shard: String, data: Vec<String>, attempt: u32 },
    ShutdownRequested { shard: String },
    ShardEnded { shard: String },
    LeaseLost { shard: String },
}

/// What all processors of a test wrote down.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Told>>>);

impl Log {
    pub(crate) fn told(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }

    /// Every record that was handed over, once.
    pub(crate) fn handed(&self) -> BTreeSet<String> {
        self.all_handed().into_keys().collect()
    }

    /// Every record that was handed over, and how often.
    pub(crate) fn all_handed(&self) -> BTreeMap<String, usize> {
        let mut handed = BTreeMap::new();
        for told in self.told() {
            if let Told::Records { data, .. } = told {
                for record in data {
                    *handed.entry(record).or_default() += 1;
                }
            }
        }
        handed
    }

    pub(crate) fn note(&self, told: Told) {
        self.0.lock().unwrap().push(told);
    }
}

/// What a processor does with a batch.
pub(crate) type Act = dyn Fn(&ShardId, &[String], u32) -> Result<(), ProcessorError> + Send + Sync;

pub(crate) struct Recorder {
    pub(crate) shard: ShardId,
    pub(crate) log: Log,
    pub(crate) act: Arc<Act>,
    /// How often the shard's end is left without a checkpoint.
    pub(crate) forgets_end: Arc<Mutex<u32>>,
    /// How long it takes over the loss of a lease.
    pub(crate) loss_takes: Duration,
    /// Breaks one processor between two calls.
    pub(crate) breaks: Arc<Notify>,
}

impl Recorder {
    /// Whether the shard's end is left without a checkpoint this time.
    fn forgets(&self) -> bool {
        let mut left = self.forgets_end.lock().unwrap();
        let forgets = *left > 0;
        *left = left.saturating_sub(1);
        forgets
    }
}

#[async_trait]
impl RecordProcessor for Recorder {
    async fn initialize(&mut self, input: &Initialize) -> Result<(), ProcessorError> {
        assert_eq!(input.shard, self.shard);
        let (shard, from) = (self.shard.to_string(), input.checkpoint.to_string());
        self.log.note(Told::Initialize { shard, from });
        Ok(())
    }

    async fn process_records(&mut self, input: &ProcessRecords<'_>) -> Result<(), ProcessorError> {
        let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
        let data: Vec<String> = input.records.iter().map(|record| text(&record.data)).collect();
        let (shard, attempt) = (self.shard.to_string(), input.attempt);
        self.log.note(Told::Records { shard, data: data.clone(), attempt });
        (self.act)(&self.shard, &data, attempt)?;
        match input.checkpointer.checkpoint().await {
            Err(error) if error.is_retryable() => {} // the next batch's checkpoint covers it
            result => result?,
        }
        Ok(())
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        self.log.note(Told::ShardEnded { shard: self.shard.to_string() });
        if !self.forgets() {
            checkpointer.checkpoint().await?;
        }
        Ok(())
    }

    async fn shutdown_requested(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        self.log.note(Told::ShutdownRequested { shard: self.shard.to_string() });
        checkpointer.checkpoint().await?;
        Ok(())
    }

    async fn lease_lost(&mut self) -> Result<(), ProcessorError> {
        self.log.note(Told::LeaseLost { shard: self.shard.to_string() });
        tokio::time::sleep(self.loss_takes).await;
        Ok(())
    }

    async fn failure(&mut self) -> ProcessorError {
        self.breaks.notified().await;
        ProcessorError::retry("broken")
    }
}
