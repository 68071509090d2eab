//! The two ways in which requests and answers of Kinesis are written.
//!
//! They have the same fields. What differs, blobs and times, each such field writes by whether the
//! format is one for people ([`Serializer::is_human_readable`](serde::Serializer)).

#[cfg(feature = "cbor")]
pub(crate) mod cbor;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How requests and answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON: blobs in base64, times in seconds.
    Json,
    /// CBOR, which Java's SDK speaks unless it is told not to, but for SubscribeToShard: blobs as
    /// they are, times in milliseconds.
    #[cfg(feature = "cbor")]
    Cbor,
}

impl Format {
    /// What requests, answers and events of Kinesis are called that are written so.
    #[cfg(feature = "endpoints")]
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }

    /// Reads a request. An empty body is one without fields.
    pub(crate) fn read<Q: DeserializeOwned>(self, body: &[u8]) -> Result<Q, String> {
        match self {
            Self::Json => {
                let body = if body.is_empty() { b"{}" } else { body };
                serde_json::from_slice(body).map_err(|error| error.to_string())
            }
            #[cfg(feature = "cbor")]
            Self::Cbor => cbor::read(if body.is_empty() { cbor::EMPTY_MAP } else { body }),
        }
    }

    /// Writes an answer.
    pub(crate) fn write<A: Serialize>(self, answer: &A) -> Vec<u8> {
        match self {
            Self::Json => {
                serde_json::to_vec(answer).expect("answers have string keys and no failing parts")
            }
            #[cfg(feature = "cbor")]
            Self::Cbor => cbor::write(answer),
        }
    }
}
