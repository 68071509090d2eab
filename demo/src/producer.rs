//! The producer: puts rows at an even pace, and writes down every acknowledgement.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use md5::{Digest, Md5};
use tokio::time::Instant;

use crate::clock::now_micros;
use crate::error::Error;
use crate::feed::Row;
use crate::stream::Stream;

const BATCH_MAX: usize = 500;
const BATCHES_PER_SECOND: usize = 20;
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
const FAILURES_IN_A_ROW_MAX: usize = 50;

/// What was acknowledged so far.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    /// How many records.
    pub records: usize,
    /// The last sequence number in each shard.
    pub last: BTreeMap<String, String>,
    /// Entries and requests that had to be sent again.
    pub retries: usize,
}

/// Shared between the producer and whoever watches it.
pub type Progress = Arc<Mutex<Acknowledged>>;

/// Puts rows into a stream.
pub struct Producer {
    stream: Stream,
    path: PathBuf,
    journal: BufWriter<File>,
    progress: Progress,
}

impl Producer {
    /// A producer that writes its journal into a directory.
    ///
    /// # Errors
    ///
    /// When the journal cannot be made.
    pub fn new(stream: Stream, directory: &Path, progress: Progress) -> Result<Self, Error> {
        let path = directory.join("producer.jsonl");
        let journal = BufWriter::new(File::create(&path).map_err(Error::file(&path))?);
        Ok(Self { stream, path, journal, progress })
    }

    /// Puts all rows, evenly over a time; zero means as fast as it goes.
    ///
    /// # Errors
    ///
    /// When requests go on failing, or when the journal cannot be written.
    pub async fn put(mut self, rows: Vec<Row>, over: Duration) -> Result<(), Error> {
        let batch = batch_size(rows.len(), over);
        let batches = u32::try_from(rows.len().div_ceil(batch)).expect("less than 2^32 batches");
        let start = Instant::now();
        for (number, batch) in (0_u32..).zip(rows.chunks(batch)) {
            tokio::time::sleep_until(start + over * number / batches).await;
            self.put_batch(batch.iter().collect()).await?;
        }
        self.journal.flush().map_err(Error::file(&self.path))
    }

    async fn put_batch(&mut self, mut rows: Vec<&Row>) -> Result<(), Error> {
        let mut failures = 0;
        while !rows.is_empty() {
            let sent = rows.len();
            match self.try_batch(&rows).await {
                Ok(refused) => rows = refused,
                Err(error) if failures == FAILURES_IN_A_ROW_MAX => return Err(error),
                Err(error) => self.write_down_failure(&error)?,
            }
            self.journal.flush().map_err(Error::file(&self.path))?;
            if rows.len() == sent {
                failures += 1;
            }
            if !rows.is_empty() {
                self.progress().retries += rows.len();
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
        Ok(())
    }

    /// Sends rows once, and returns those that were refused.
    async fn try_batch<'a>(&mut self, rows: &[&'a Row]) -> Result<Vec<&'a Row>, Error> {
        let entries = rows.iter().map(|row| {
            PutRecordsRequestEntry::builder()
                .data(Blob::new(row.data.clone()))
                .partition_key(&row.key)
                .build()
                .expect("data and partition key are set")
        });
        let request = self.stream.client.put_records().stream_name(&self.stream.name);
        let request = request.set_records(Some(entries.collect()));
        // A retry of the SDK's own could put records that nobody wrote down.
        let no_retry = aws_sdk_kinesis::Config::builder().retry_config(RetryConfig::disabled());
        let answer = request.customize().config_override(no_retry).send().await;
        let answer = answer.map_err(|error| Error::call("PutRecords", &error))?;
        let t = now_micros();
        let mut refused = Vec::new();
        for (&row, result) in rows.iter().zip(answer.records) {
            match (result.shard_id, result.sequence_number) {
                (Some(shard), Some(sequence)) => self.acknowledged(t, row, shard, sequence)?,
                _ => refused.push(row),
            }
        }
        Ok(refused)
    }

    fn acknowledged(
        &mut self,
        t: u64,
        row: &Row,
        shard: String,
        sequence: String,
    ) -> Result<(), Error> {
        let line = serde_json::json!({
            "t": t, "shard": shard, "seq": sequence, "key": row.key, "digest": digest(&row.data),
        });
        writeln!(self.journal, "{line}").map_err(Error::file(&self.path))?;
        let mut progress = self.progress();
        progress.records += 1;
        progress.last.insert(shard, sequence);
        Ok(())
    }

    fn write_down_failure(&mut self, error: &Error) -> Result<(), Error> {
        let line = serde_json::json!({ "t": now_micros(), "error": error.to_string() });
        writeln!(self.journal, "{line}").map_err(Error::file(&self.path))
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Acknowledged> {
        self.progress.lock().expect("no holder of this lock panics")
    }
}

/// Batches small enough that the pace looks even.
fn batch_size(rows: usize, over: Duration) -> usize {
    let seconds = usize::try_from(over.as_secs()).expect("a few minutes");
    if seconds == 0 {
        return BATCH_MAX;
    }
    rows.div_ceil(seconds * BATCHES_PER_SECOND).clamp(1, BATCH_MAX)
}

/// The digest that the children write down too: the first half of MD5.
#[must_use]
pub fn digest(data: &[u8]) -> String {
    Md5::digest(data)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_even_and_never_too_large() {
        assert_eq!(batch_size(200_000, Duration::from_secs(57)), 176);
        assert_eq!(batch_size(3_000_000, Duration::from_secs(10)), BATCH_MAX);
        assert_eq!(batch_size(5, Duration::from_secs(10)), 1);
        assert_eq!(batch_size(5, Duration::ZERO), BATCH_MAX);
    }

    #[test]
    fn a_digest_is_sixteen_hex_digits() {
        assert_eq!(digest(b""), "d41d8cd98f00b204");
    }
}
