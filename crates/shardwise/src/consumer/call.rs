//! One call of what users wrote: a record processor, or a decoder.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use shardwise_core::id::LeaseKey;
use shardwise_core::metrics::Metric;
use tracing::{debug, warn};

use super::Shared;
use crate::clock::Clock;
use crate::decoder::decode_all;
use crate::error::panic_text;
use crate::processor::{Checkpointer, ProcessorError, RecordProcessor};
use crate::retrieval::{Batch, Said};

/// Makes a call of a record processor: a panic becomes an error, a long one is reported, and how
/// long it took is told as `timer`.
pub(super) async fn supervised(
    shared: &Shared,
    key: &LeaseKey,
    timer: Option<&'static Metric>,
    call: impl Future<Output = Result<(), ProcessorError>>,
    checkpointer: &Checkpointer,
) -> Result<(), ProcessorError> {
    let began = shared.ports.clock.now();
    let call = AssertUnwindSafe(call).catch_unwind();
    let result = watched(shared, key, "record processor is busy with one call", call).await;
    shared.board.checkpoint(key, checkpointer.last());
    if let Some(timer) = timer {
        shared.metrics.timed(timer, key, began);
    }
    result.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// Decodes a batch that is about to be handed over, if anyone wants that.
pub(super) async fn decode(shared: &Shared, key: &LeaseKey, said: &Said, batch: &mut Batch) {
    let Some(decoder) = &shared.decoder else { return };
    let decoding = decode_all(&**decoder, &mut batch.records);
    let decoded = watched(shared, key, "records are still being decoded", decoding).await;
    batch.weigh();
    if let Some(error) = decoded.first {
        let (failures, of) = (decoded.failures, batch.records.len());
        shared.board.not_decoded(key, failures);
        shared.metrics.not_decoded(&key.shard(), failures);
        debug!(lease = %key, failures, of, error, "records not decoded");
        if said.not_decoded.is_first() {
            warn!(lease = %key, failures, of, error, "records not decoded: handed over as they \
                came; said once a shard, and counted (`DecodeFailures`)");
        }
    }
}

/// Waits for user's code, and reports it while it takes long.
async fn watched<T>(
    shared: &Shared,
    key: &LeaseKey,
    report: &'static str,
    call: impl Future<Output = T>,
) -> T {
    let clock: &dyn Clock = &*shared.ports.clock;
    let began = clock.now();
    shared.board.call_began(key);
    tokio::pin!(call);
    let result = loop {
        tokio::select! {
            biased;
            result = &mut call => break result,
            () = clock.sleep_until(clock.now() + shared.config.processor.busy_report) => {
                let seconds = clock.now().since(began).as_secs();
                warn!(lease = %key, seconds, "{report}");
            }
        }
    };
    shared.board.call_ended(key);
    result
}

/// Waits for a processor's failure between two calls.
pub(super) async fn failure(processor: &mut dyn RecordProcessor) -> ProcessorError {
    let failure = AssertUnwindSafe(processor.failure()).catch_unwind().await;
    failure.unwrap_or_else(|panic| panicked(&*panic))
}

fn panicked(panic: &(dyn Any + Send)) -> ProcessorError {
    ProcessorError::restart(format!("the processor panicked: {}", panic_text(panic)))
}
