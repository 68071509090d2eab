//! ListShards and the other calls that only look at streams.

use std::time::Duration;

use super::shard::ShardLog;
use super::token::NextToken;
use super::{ServiceError, Shard, ShardId, Stream, StreamMode, StreamStatus, Streams, Timestamp};

/// A page of ListShards never has more shards than this.
pub const SHARDS_PER_PAGE_MAX: usize = 1000;

/// Which shards ListShards shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardFilter {
    /// Those whose id follows the given one.
    AfterShardId(ShardId),
    /// Those that were open at the trim horizon: the oldest that have not expired.
    AtTrimHorizon,
    /// All that have not expired. What a call without a filter shows.
    FromTrimHorizon,
    /// Those that are open now.
    AtLatest,
    /// Those that were open at the time, or at the trim horizon if that is later.
    ///
    /// When a shard was closed in that very millisecond it is shown and its children are not,
    /// though the service's documentation would show both. So the shards never overlap, and no
    /// record that arrived then is missed.
    AtTimestamp(Timestamp),
    /// Those that are open now or were closed at the time or later.
    FromTimestamp(Timestamp),
}

/// One page of ListShards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardPage {
    /// In the order of their ids.
    pub shards: Vec<Shard>,
    /// What the next page is asked for with; none after the last.
    pub next_token: Option<String>,
}

/// What DescribeStreamSummary tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// The stream's name.
    pub name: String,
    /// The stream's ARN.
    pub arn: String,
    /// Where it stands between its creation and its end.
    pub status: StreamStatus,
    /// Who chooses the number of shards.
    pub mode: StreamMode,
    /// How long records are kept.
    pub retention: Duration,
    /// When its creation was asked for.
    pub created: Timestamp,
    /// How many of its shards are open.
    pub open_shards: usize,
    /// How many consumers are registered with it.
    pub consumers: usize,
    /// The largest record it takes.
    pub record_bytes_max: usize,
}

impl Streams {
    /// Shows the shards that `filter` selects, at most `limit` of them, in pages.
    ///
    /// `after` leaves out all up to and including that shard.
    pub fn list_shards(
        &mut self,
        stream: &str,
        filter: ShardFilter,
        after: Option<ShardId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<ShardPage, ServiceError> {
        let now = self.advance(now);
        let stream = self.stream(stream)?;
        stream.require_shards()?;
        Ok(stream.shard_page(filter, after, limit, now))
    }

    /// Shows the next page of a list, from the token that came with the one before.
    pub fn list_shards_next(
        &mut self,
        next_token: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<ShardPage, ServiceError> {
        let now = self.advance(now);
        let refused = || ServiceError::InvalidArgument("NextToken is invalid.".to_owned());
        let token = NextToken::decode(next_token).ok_or_else(refused)?;
        let lifetime = self.settings.next_token_lifetime;
        if token.created + lifetime < now {
            return Err(ServiceError::expired_next_token(lifetime));
        }
        let stream = self.stream(&token.stream)?;
        stream.require_shards()?;
        if stream.incarnation != token.incarnation {
            return Err(refused());
        }
        Ok(stream.shard_page(token.filter, Some(token.after), limit, now))
    }

    /// Shards of the stream as DescribeStream shows them, in whatever state it is, and whether
    /// there are more.
    pub fn describe_shards(
        &mut self,
        stream: &str,
        after: Option<ShardId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Shard>, bool), ServiceError> {
        let now = self.advance(now);
        let page = self.stream(stream)?.shard_page(ShardFilter::FromTrimHorizon, after, limit, now);
        Ok((page.shards, page.next_token.is_some()))
    }

    /// What the stream is like, without its shards.
    pub fn summary(&mut self, stream: &str, now: Timestamp) -> Result<StreamSummary, ServiceError> {
        self.advance(now);
        let name = self.stream(stream)?.name.clone();
        Ok(self.summary_of(&name))
    }

    fn summary_of(&self, name: &str) -> StreamSummary {
        let stream = &self.streams[name];
        StreamSummary {
            name: stream.name.clone(),
            arn: self.arn(&stream.name),
            status: stream.status(),
            mode: stream.mode,
            retention: stream.retention,
            created: stream.created,
            open_shards: stream.open.len(),
            consumers: stream.consumers.len(),
            record_bytes_max: stream.record_bytes_max,
        }
    }

    /// The streams whose names follow `after`, at most `limit`, and whether there are more.
    pub fn list_streams(
        &mut self,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> (Vec<StreamSummary>, bool) {
        self.advance(now);
        let later =
            self.streams.keys().filter(|name| after.is_none_or(|after| name.as_str() > after));
        let mut names: Vec<_> = later.take(limit.saturating_add(1)).cloned().collect();
        let more = names.len() > limit;
        names.truncate(limit);
        (names.iter().map(|name| self.summary_of(name)).collect(), more)
    }

    /// How many streams the service chooses the shards of.
    #[must_use]
    pub fn on_demand_streams(&self) -> usize {
        self.streams.values().filter(|stream| stream.mode == StreamMode::OnDemand).count()
    }

    /// How many shards are open and how many there may be.
    pub fn shard_usage(&mut self, now: Timestamp) -> (usize, usize) {
        self.advance(now);
        (self.open_shards(), self.settings.shard_limit)
    }
}

impl Stream {
    /// Whether the shard is where reading from the trim horizon starts.
    fn is_oldest(&self, log: &ShardLog) -> bool {
        let mut parents = [log.shard.parent, log.shard.adjacent_parent].into_iter().flatten();
        !parents.any(|parent| self.shards.contains_key(&parent))
    }

    fn shard_page(
        &self,
        filter: ShardFilter,
        after: Option<ShardId>,
        limit: usize,
        now: Timestamp,
    ) -> ShardPage {
        let first = after.map_or(0, |after| after.0.saturating_add(1));
        let mut shards = Vec::new();
        let mut more = false;
        for (id, log) in self.shards.range(ShardId(first)..) {
            let selected = match filter {
                ShardFilter::AfterShardId(shard) => *id > shard,
                ShardFilter::AtTrimHorizon => self.is_oldest(log),
                ShardFilter::FromTrimHorizon => true,
                ShardFilter::AtLatest => log.closed.is_none(),
                ShardFilter::AtTimestamp(at) if at <= self.horizon => self.is_oldest(log),
                ShardFilter::AtTimestamp(at) => log.was_open_at(at),
                ShardFilter::FromTimestamp(from) => log.closed.is_none_or(|closed| closed >= from),
            };
            if selected && shards.len() == limit {
                more = true;
                break;
            }
            if selected {
                shards.push(log.shard.clone());
            }
        }
        let last = shards.last().map(|shard| shard.id);
        let next_token = last.filter(|_| more).map(|after| {
            let stream = self.name.clone();
            let incarnation = self.incarnation;
            NextToken { stream, incarnation, after, filter, created: now }.encode()
        });
        ShardPage { shards, next_token }
    }
}
