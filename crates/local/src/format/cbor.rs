//! CBOR as Java's SDK writes and expects it.
//!
//! It is written through Jackson: maps and arrays are of indefinite length, long strings come in
//! pieces. A time is a whole number of milliseconds under tag 1, which the RFC means for seconds.

use std::io;

use ciborium::de::Error;
use ciborium::tag::{Accepted, Required};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::stream::Timestamp;

/// A map without entries.
pub(super) const EMPTY_MAP: &[u8] = &[0xa0];
/// How deep a request may be nested, as in JSON. Those that mean something need four levels.
const DEPTH_MAX: usize = 128;
const TIME: u64 = 1;

pub(super) fn read<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, String> {
    let mut rest = body;
    let read = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH_MAX);
    let request = read.map_err(|error| said(&error))?;
    if !rest.is_empty() {
        return Err(format!("{} bytes follow the request", rest.len()));
    }
    Ok(request)
}

fn said(error: &Error<io::Error>) -> String {
    match error {
        Error::Io(_) => "the request ends too early".to_owned(),
        Error::Syntax(at) => format!("no CBOR at byte {at}"),
        Error::Semantic(Some(at), what) => format!("{what} at byte {at}"),
        Error::Semantic(None, what) => what.clone(),
        Error::RecursionLimitExceeded => format!("nested deeper than {DEPTH_MAX} levels"),
    }
}

pub(super) fn write<A: Serialize>(answer: &A) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(answer, &mut bytes).expect("answers have no failing parts");
    bytes
}

/// A time as clients send it, some with a fraction or without the tag.
#[derive(Deserialize)]
#[serde(untagged)]
enum Millis {
    Whole(i64),
    Fraction(f64),
}

/// Reads a time; one before the epoch becomes the epoch.
pub(crate) fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let Accepted(millis) = Accepted::<Millis, TIME>::deserialize(deserializer)?;
    let millis = match millis {
        Millis::Whole(millis) => u64::try_from(millis).unwrap_or(0),
        // The cast saturates.
        Millis::Fraction(millis) => millis.round() as u64,
    };
    Ok(Timestamp::from_millis(millis))
}

pub(crate) fn write_time<S: Serializer>(time: Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    Required::<u64, TIME>(time.as_millis()).serialize(serializer)
}
