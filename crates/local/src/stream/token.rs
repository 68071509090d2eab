//! The opaque texts that clients carry back: shard iterators, and tokens of pages of shards and of
//! consumers.
//!
//! They hold their fields in plain sight under base64, since nobody here needs to be kept from
//! making one up; a made-up one is refused only for what does not exist.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::listing::ShardFilter;
use super::{ShardId, Timestamp};

/// Where a reader stands in one shard of one incarnation of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShardIterator {
    pub(super) stream: String,
    pub(super) incarnation: u64,
    pub(super) shard: ShardId,
    /// The index of the next record to read.
    pub(super) index: u64,
    pub(super) created: Timestamp,
}

/// Where the next page of ListShards begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NextToken {
    pub(super) stream: String,
    pub(super) incarnation: u64,
    pub(super) after: ShardId,
    pub(super) filter: ShardFilter,
    pub(super) created: Timestamp,
}

/// Where the next page of ListStreamConsumers begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConsumersToken {
    pub(super) stream: String,
    pub(super) incarnation: u64,
    pub(super) after: String,
    pub(super) created: Timestamp,
}

fn seal(kind: &str, fields: fmt::Arguments<'_>) -> String {
    URL_SAFE_NO_PAD.encode(format!("{kind}:{fields}"))
}

fn open(kind: &str, token: &str) -> Option<Vec<String>> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let fields = text.strip_prefix(kind)?.strip_prefix(':')?;
    Some(fields.split(':').map(str::to_owned).collect())
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn timestamp(text: &str) -> Option<Timestamp> {
    number(text).map(Timestamp::from_millis)
}

impl ShardIterator {
    pub(super) fn encode(&self) -> String {
        let Self { stream, incarnation, shard, index, created } = self;
        let (shard, created) = (shard.0, created.as_millis());
        seal("iterator", format_args!("{stream}:{incarnation}:{shard}:{index}:{created}"))
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let fields = open("iterator", text)?;
        let [stream, incarnation, shard, index, created] = fields.as_slice() else { return None };
        Some(Self {
            stream: stream.clone(),
            incarnation: number(incarnation)?,
            shard: ShardId(number(shard)?),
            index: number(index)?,
            created: timestamp(created)?,
        })
    }
}

impl NextToken {
    pub(super) fn encode(&self) -> String {
        let Self { stream, incarnation, after, filter, created } = self;
        let (kind, value) = match filter {
            ShardFilter::AfterShardId(shard) => ("after", u64::from(shard.0)),
            ShardFilter::AtTrimHorizon => ("at-trim-horizon", 0),
            ShardFilter::FromTrimHorizon => ("from-trim-horizon", 0),
            ShardFilter::AtLatest => ("at-latest", 0),
            ShardFilter::AtTimestamp(at) => ("at", at.as_millis()),
            ShardFilter::FromTimestamp(from) => ("from", from.as_millis()),
        };
        let (after, created) = (after.0, created.as_millis());
        seal("shards", format_args!("{stream}:{incarnation}:{after}:{kind}:{value}:{created}"))
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let fields = open("shards", text)?;
        let [stream, incarnation, after, kind, value, created] = fields.as_slice() else {
            return None;
        };
        let filter = match kind.as_str() {
            "after" => ShardFilter::AfterShardId(ShardId(number(value)?)),
            "at-trim-horizon" => ShardFilter::AtTrimHorizon,
            "from-trim-horizon" => ShardFilter::FromTrimHorizon,
            "at-latest" => ShardFilter::AtLatest,
            "at" => ShardFilter::AtTimestamp(timestamp(value)?),
            "from" => ShardFilter::FromTimestamp(timestamp(value)?),
            _ => return None,
        };
        Some(Self {
            stream: stream.clone(),
            incarnation: number(incarnation)?,
            after: ShardId(number(after)?),
            filter,
            created: timestamp(created)?,
        })
    }
}

impl ConsumersToken {
    pub(super) fn encode(&self) -> String {
        let Self { stream, incarnation, after, created } = self;
        let created = created.as_millis();
        seal("consumers", format_args!("{stream}:{incarnation}:{after}:{created}"))
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let fields = open("consumers", text)?;
        let [stream, incarnation, after, created] = fields.as_slice() else { return None };
        Some(Self {
            stream: stream.clone(),
            incarnation: number(incarnation)?,
            after: after.clone(),
            created: timestamp(created)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iterator_is_read_back_and_is_not_taken_for_a_page_token() {
        let iterator = ShardIterator {
            stream: "orders.v2_x-y".to_owned(),
            incarnation: 3,
            shard: ShardId(7),
            index: u64::MAX,
            created: Timestamp::from_millis(1),
        };

        let text = iterator.encode();

        assert_eq!(ShardIterator::decode(&text), Some(iterator));
        assert_eq!(NextToken::decode(&text), None);
    }

    #[test]
    fn a_page_token_keeps_each_filter() {
        for filter in [
            ShardFilter::AfterShardId(ShardId(4)),
            ShardFilter::AtTrimHorizon,
            ShardFilter::FromTrimHorizon,
            ShardFilter::AtLatest,
            ShardFilter::AtTimestamp(Timestamp::from_millis(5)),
            ShardFilter::FromTimestamp(Timestamp::from_millis(6)),
        ] {
            let token = NextToken {
                stream: "orders".to_owned(),
                incarnation: 1,
                after: ShardId(2),
                filter,
                created: Timestamp::from_millis(9),
            };
            assert_eq!(NextToken::decode(&token.encode()), Some(token));
        }
    }

    #[test]
    fn other_text_is_no_token() {
        for text in ["", "AAAA", "not base64!", "aXRlcmF0b3I6YTpiOmM"] {
            assert_eq!(ShardIterator::decode(text), None, "{text}");
        }
    }
}
