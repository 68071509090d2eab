//! One call of a record processor.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use shardwise_core::id::LeaseKey;
use tracing::warn;

use super::Shared;
use crate::clock::Clock;
use crate::processor::{Checkpointer, ProcessorError, RecordProcessor};

/// From when on a call that has not returned is reported, and how often.
const BUSY_REPORT: Duration = Duration::from_secs(60);

/// Makes a call of a record processor: a panic becomes an error, and a long one is reported.
pub(super) async fn supervised(
    shared: &Shared,
    key: &LeaseKey,
    call: impl Future<Output = Result<(), ProcessorError>>,
    checkpointer: &Checkpointer,
) -> Result<(), ProcessorError> {
    let clock: &dyn Clock = &*shared.ports.clock;
    let began = clock.now();
    shared.board.call_began(key);
    let call = AssertUnwindSafe(call).catch_unwind();
    tokio::pin!(call);
    let result = loop {
        tokio::select! {
            biased;
            result = &mut call => break result,
            () = clock.sleep_until(clock.now() + BUSY_REPORT) => {
                let seconds = clock.now().since(began).as_secs();
                warn!(lease = %key, seconds, "record processor is busy with one call");
            }
        }
    };
    shared.board.call_ended(key, checkpointer.last());
    result.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// Waits for a processor's failure between two calls.
pub(super) async fn failure(processor: &mut dyn RecordProcessor) -> ProcessorError {
    let failure = AssertUnwindSafe(processor.failure()).catch_unwind().await;
    failure.unwrap_or_else(|panic| panicked(&*panic))
}

fn panicked(panic: &(dyn Any + Send)) -> ProcessorError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("of an unknown kind");
    ProcessorError::restart(format!("the processor panicked: {text}"))
}
