//! Fields of requests: how each is read, and what is checked before the model sees it.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::stream::{SequenceNumber, ServiceError, ShardId, StartingPosition, Timestamp};

/// The one stream that name and ARN speak of.
pub(super) fn stream(name: Option<String>, arn: Option<String>) -> Result<String, ServiceError> {
    let Some(arn) = arn else {
        return name.ok_or_else(|| {
            ServiceError::InvalidArgument(
                "Either StreamName or StreamARN must be provided.".to_owned(),
            )
        });
    };
    // Account and region are not compared: a client set up for a real account may try itself
    // here without a change to its streams.
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let named = match parts.as_slice() {
        ["arn", _, "kinesis", _, _, resource] => resource.strip_prefix("stream/"),
        _ => None,
    };
    match named {
        Some(named) if named.contains('/') || named.is_empty() => Err(()),
        Some(named) if name.as_deref().is_none_or(|name| name == named) => Ok(named.to_owned()),
        Some(_) | None => Err(()),
    }
    .map_err(|()| {
        ServiceError::InvalidArgument(format!("StreamARN {arn} does not name the stream."))
    })
}

pub(super) fn required<T>(value: Option<T>, field: &str) -> Result<T, ServiceError> {
    value.ok_or_else(|| {
        ServiceError::Validation(format!(
            "1 validation error detected: Value null at '{field}' failed to satisfy constraint: \
             Member must not be null"
        ))
    })
}

/// A number from 1 to `max`, which is also what no number means.
pub(super) fn limit(value: Option<i64>, max: usize, field: &str) -> Result<usize, ServiceError> {
    let Some(value) = value else { return Ok(max) };
    match usize::try_from(value) {
        Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
        Ok(limit) if limit > max => {
            let rule = format!("Member must have value less than or equal to {max}");
            Err(ServiceError::constraint(value, field, &rule))
        }
        Ok(_) | Err(_) => {
            let rule = "Member must have value greater than or equal to 1";
            Err(ServiceError::constraint(value, field, rule))
        }
    }
}

pub(super) fn count(value: i64, field: &str) -> Result<u32, ServiceError> {
    u32::try_from(value).map_err(|_| {
        let rule = "Member must have value greater than or equal to 1";
        ServiceError::constraint(value, field, rule)
    })
}

pub(super) fn hash_key(text: &str, field: &str) -> Result<u128, ServiceError> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
        && !text.is_empty();
    if !is_canonical {
        let rule = "Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})";
        return Err(ServiceError::constraint(text, field, rule));
    }
    text.parse().map_err(|_| {
        ServiceError::InvalidArgument(format!(
            "Invalid {field}: {text}. It must be less than 2 to the power of 128."
        ))
    })
}

/// A shard id that need not exist.
pub(super) fn shard(text: &str) -> Result<ShardId, ServiceError> {
    text.parse().map_err(|_| {
        ServiceError::InvalidArgument(format!("Shard id {text} is not of the form shardId-N."))
    })
}

/// A shard id that has to exist: one that cannot be any shard's is not found.
pub(super) fn existing_shard(text: &str, stream: &str) -> Result<ShardId, ServiceError> {
    text.parse().map_err(|_| {
        ServiceError::ResourceNotFound(format!("Could not find shard {text} in stream {stream}."))
    })
}

/// Where to start in a shard: its parts, each with what the operation calls it.
pub(super) struct Position {
    pub(super) kind: (Option<String>, &'static str),
    pub(super) number: (Option<String>, &'static str),
    pub(super) timestamp: (Option<Time>, &'static str),
}

impl Position {
    pub(super) fn checked(
        self,
        operation: &str,
        shard: &str,
        stream: &str,
    ) -> Result<StartingPosition, ServiceError> {
        let Self { kind, number, timestamp } = self;
        let number = || -> Result<SequenceNumber, ServiceError> {
            let text = required(number.0, number.1)?;
            text.parse().map_err(|_| {
                ServiceError::InvalidArgument(format!(
                    "StartingSequenceNumber {text} used in {operation} on shard {shard} in stream \
                     {stream} is invalid."
                ))
            })
        };
        let (kind, field) = (required(kind.0, kind.1)?, kind.1);
        match kind.as_str() {
            "TRIM_HORIZON" => Ok(StartingPosition::TrimHorizon),
            "LATEST" => Ok(StartingPosition::Latest),
            "AT_TIMESTAMP" => {
                let at = required(timestamp.0, timestamp.1)?;
                Ok(StartingPosition::AtTimestamp(at.0))
            }
            "AT_SEQUENCE_NUMBER" => number().map(StartingPosition::AtSequenceNumber),
            "AFTER_SEQUENCE_NUMBER" => number().map(StartingPosition::AfterSequenceNumber),
            other => {
                let rule = "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, \
                            AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]";
                Err(ServiceError::constraint(other, field, rule))
            }
        }
    }
}

/// Bytes; where they stand as base64, decoded straight from the request's text.
pub(super) struct Blob(pub(super) Bytes);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Data;

        impl Visitor<'_> for Data {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes, or base64 where the format is text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Blob, E> {
                STANDARD.decode(text).map(|data| Blob(data.into())).map_err(E::custom)
            }

            fn visit_byte_buf<E: Error>(self, data: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(data.into()))
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Data)
        } else {
            deserializer.deserialize_byte_buf(Data)
        }
    }
}

/// A partition key; copied once, into what every reader will share.
pub(super) struct Key(pub(super) Arc<str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
                Ok(Key(text.into()))
            }
        }

        deserializer.deserialize_string(Text)
    }
}

/// A time: in text, seconds since the epoch with a fraction; else milliseconds.
pub(super) struct Time(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[cfg(feature = "cbor")]
        if !deserializer.is_human_readable() {
            return crate::format::cbor::read_time(deserializer).map(Self);
        }
        let seconds = f64::deserialize(deserializer)?;
        // The cast saturates; times before the epoch become the epoch.
        Ok(Self(Timestamp::from_millis((seconds * 1000.0).round() as u64)))
    }
}
