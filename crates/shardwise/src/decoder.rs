//! Decoding records before they are handed over.

use std::error::Error;
use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;

use crate::error::panic_text;
use crate::kinesis::Record;

/// Turns what producers put into what record processors get: by a schema registry, say, or by
/// decompressing it. It is what Java's KCL does with a `GlueSchemaRegistryDeserializer`.
///
/// A record that cannot be decoded is handed over as it came. That is warned of the first time in a
/// shard's tenure, and counted
/// ([`decode_failures`](crate::ShardStatus::decode_failures), and the metric `DecodeFailures`):
/// neither an error nor a panic here stops a shard. A call that does not return does; one that asks
/// another service needs a time limit of its own. When the worker stops or loses the lease, a call
/// under way is dropped: the record has not been handed over, and whoever reads it next decodes it.
#[async_trait]
pub trait Decoder: Send + Sync {
    /// The data that is handed over instead of [`record.data`](Record::data). It is asked once for
    /// each user record, in order, and again only if the record is read again.
    async fn decode(&self, record: &Record) -> Result<Bytes, Box<dyn Error + Send + Sync>>;
}

/// What decoding a batch came to.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Records that stayed as they were.
    pub(crate) failures: usize,
    /// Why the first of them did.
    pub(crate) first: Option<String>,
}

/// Decodes all that can be.
pub(crate) async fn decode_all(decoder: &dyn Decoder, records: &mut [Record]) -> Decoded {
    let mut decoded = Decoded::default();
    for record in records {
        let error = match AssertUnwindSafe(decoder.decode(record)).catch_unwind().await {
            Ok(Ok(data)) => {
                record.data = data;
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("the decoder panicked: {}", panic_text(&*panic)),
        };
        decoded.failures += 1;
        decoded.first.get_or_insert(error);
    }
    decoded
}
