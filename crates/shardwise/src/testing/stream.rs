//! A stream in memory: shards that are put to, split and merged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use shardwise_core::id::{ShardId, StreamName};
use shardwise_core::retention;
use shardwise_core::sequence::SequenceNumber;
use shardwise_core::shard::{ChildShard, HashKeyRange, Shard};
use shardwise_core::time::Timestamp;
use tokio::time::Instant;

use crate::kinesis::{
    Answer, ConsumerArn, Event, Events, Kinesis, KinesisError, Position, Record,
    RegisteredConsumer, ShardIterator, ShardList, ShardPage, StreamState,
};

pub(crate) struct MemoryStream {
    start: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    shards: BTreeMap<ShardId, (Shard, Vec<Record>)>,
    next_sequence: u64,
    reads: BTreeMap<ShardId, u32>,
    /// When each shard was asked for records, and for how many, whether it answered or not.
    asked: BTreeMap<ShardId, Vec<(Instant, u32)>>,
    /// How many of a shard's first records are gone.
    expired: BTreeMap<ShardId, usize>,
    /// Answers to come that are errors.
    failures: Vec<KinesisError>,
    hangs: bool,
    panics: bool,
    /// By how much its date is behind the workers'.
    behind: Duration,
    /// How long a question where to begin is on its way.
    way: Duration,
    /// Shards that neither reads nor lists show.
    hidden: BTreeSet<ShardId>,
    is_consumer_registered: bool,
    retention: Option<Duration>,
    /// When each shard was last subscribed to.
    subscribed: BTreeMap<ShardId, Instant>,
    in_use: u32,
    subscriptions: BTreeMap<ShardId, u32>,
    continues_too_early: bool,
    /// Whether every subscription is called wrong.
    refuses_subscriptions: bool,
    /// What is said of the stream first.
    states: VecDeque<Result<StreamState, KinesisError>>,
    /// Lists to come that fail.
    lists: VecDeque<KinesisError>,
}

/// What one answer or event shows.
struct Page {
    records: Vec<Record>,
    /// Up to where records have been read.
    read: usize,
    is_behind: bool,
    /// The number of the last record up to there, or of the shard's start.
    behind: SequenceNumber,
    is_end: bool,
    children: Vec<ChildShard>,
}

impl State {
    /// The index of the first record behind a position.
    fn index(
        &self,
        shard: &ShardId,
        position: &Position,
        now: Timestamp,
    ) -> Result<usize, KinesisError> {
        let (_, records) =
            self.shards.get(shard).ok_or_else(|| KinesisError::NotFound(shard.to_string()))?;
        let before = |is_before: &dyn Fn(&Record) -> bool| {
            records.iter().take_while(|record| is_before(record)).count()
        };
        Ok(match position {
            Position::TrimHorizon => 0,
            Position::AtTimestamp(date) if *date > now => {
                return Err(KinesisError::Invalid("a date that is to come".to_owned()));
            }
            Position::AtTimestamp(date) => {
                before(&|record| record.approximate_arrival < Some(*date))
            }
            Position::Latest => records.len(),
            Position::At(number) => before(&|record| record.sequence_number < *number),
            Position::After(number) => before(&|record| record.sequence_number <= *number),
        })
    }

    fn page(&self, id: &ShardId, from: usize, limit: usize) -> Page {
        let (shard, all) = &self.shards[id];
        let from = from.max(self.expired.get(id).copied().unwrap_or_default());
        let records: Vec<Record> = all.iter().skip(from).take(limit).cloned().collect();
        let read = from + records.len();
        let is_end = !shard.is_open() && read == all.len();
        let is_child = |shard: &&Shard| shard.parents().any(|parent| parent == id);
        let as_child = |shard: &Shard| ChildShard {
            id: shard.id.clone(),
            parents: shard.parents().cloned().collect(),
            hash_range: shard.hash_range,
        };
        let children = self.shards.values().map(|(shard, _)| shard).filter(is_child);
        let children = if is_end { children.map(as_child).collect() } else { Vec::new() };
        let last = all[..read].last().map(|record| &record.sequence_number);
        let behind = last.unwrap_or(&shard.starting_sequence).clone();
        Page { records, read, is_behind: read < all.len(), behind, is_end, children }
    }
}

pub(crate) fn shard_id(index: usize) -> ShardId {
    ShardId::new(format!("shardId-{index:012}")).unwrap()
}

impl MemoryStream {
    pub(crate) fn with_shards(count: usize) -> Self {
        let stream = Self { start: Instant::now(), state: Arc::default() };
        let width = u128::MAX / u128::try_from(count).unwrap();
        for index in 0..count {
            let start = width * u128::try_from(index).unwrap();
            let end = if index + 1 == count { u128::MAX } else { start + width - 1 };
            stream.open(HashKeyRange::new(start, end).unwrap(), &[]);
        }
        stream
    }

    /// Puts a record to the shard with this index.
    pub(crate) fn put(&self, index: usize, data: &[u8]) {
        self.put_shared(index, Bytes::copy_from_slice(data));
    }

    /// The same, of data that other records may have as well.
    pub(crate) fn put_shared(&self, index: usize, data: Bytes) {
        let mut state = self.state.lock().unwrap();
        state.next_sequence += 1;
        let date = self.date(&state);
        let record = Record {
            data,
            partition_key: Some("key".into()),
            explicit_hash_key: None,
            sequence_number: sequence(state.next_sequence),
            sub_sequence_number: 0,
            approximate_arrival: Some(date),
        };
        let (shard, records) = state.shards.get_mut(&shard_id(index)).unwrap();
        assert!(shard.is_open(), "a record is put to the closed shard {index}");
        records.push(record);
    }

    /// Removes the first `count` records that were ever put to a shard.
    pub(crate) fn expire(&self, index: usize, count: usize) {
        self.state.lock().unwrap().expired.insert(shard_id(index), count);
    }

    /// Says that records are kept for so long, and goes on keeping them.
    pub(crate) fn says_that_it_keeps(&self, retention: Duration) {
        self.state.lock().unwrap().retention = Some(retention);
    }

    /// Splits a shard into the two that get the next indexes.
    pub(crate) fn split(&self, index: usize) {
        let range = self.close(index);
        let middle = range.start() + (range.end() - range.start()) / 2;
        let parents = [shard_id(index)];
        self.open(HashKeyRange::new(range.start(), middle).unwrap(), &parents);
        self.open(HashKeyRange::new(middle + 1, range.end()).unwrap(), &parents);
    }

    /// Merges two shards into the one that gets the next index.
    pub(crate) fn merge(&self, left: usize, right: usize) {
        let (low, high) = (self.close(left), self.close(right));
        let range = HashKeyRange::new(low.start(), high.end()).unwrap();
        self.open(range, &[shard_id(left), shard_id(right)]);
    }

    /// The next calls of `records`, or events, fail so, the last one first.
    pub(crate) fn fail(&self, failures: impl IntoIterator<Item = KinesisError>) {
        self.state.lock().unwrap().failures.extend(failures);
    }

    /// Sets its date behind the workers'.
    pub(crate) fn lag_behind(&self, by: Duration) {
        self.state.lock().unwrap().behind = by;
    }

    /// Sets how long a question where to begin is on its way.
    pub(crate) fn be_far(&self, way: Duration) {
        self.state.lock().unwrap().way = way;
    }

    async fn get_there(&self) {
        let way = self.state.lock().unwrap().way;
        if !way.is_zero() {
            tokio::time::sleep(way).await;
        }
    }

    pub(crate) fn date_now(&self) -> Timestamp {
        self.date(&self.state.lock().unwrap())
    }

    fn date(&self, state: &State) -> Timestamp {
        let behind = i64::try_from(state.behind.as_millis()).unwrap();
        Timestamp::from_millis(super::date_after(self.start).as_millis() - behind)
    }

    /// Hides a shard, or shows it again.
    pub(crate) fn hide(&self, index: usize, is_hidden: bool) {
        let hidden = &mut self.state.lock().unwrap().hidden;
        if is_hidden {
            hidden.insert(shard_id(index));
        } else {
            hidden.remove(&shard_id(index));
        }
    }

    /// Whether every failure was told.
    pub(crate) fn has_failed(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.failures.is_empty() && !state.panics
    }

    /// The next call of `records` gets no answer within any limit.
    pub(crate) fn hang_next_read(&self) {
        self.state.lock().unwrap().hangs = true;
    }

    /// The next call of `records` panics.
    pub(crate) fn panic_next_read(&self) {
        self.state.lock().unwrap().panics = true;
    }

    /// How often a shard was subscribed to within five seconds of the last time.
    pub(crate) fn in_use(&self) -> u32 {
        self.state.lock().unwrap().in_use
    }

    /// What is said of the stream the next times that somebody asks.
    pub(crate) fn say(&self, states: impl IntoIterator<Item = Result<StreamState, KinesisError>>) {
        self.state.lock().unwrap().states.extend(states);
    }

    /// The next lists of shards fail in this way.
    pub(crate) fn fail_lists(&self, failures: impl IntoIterator<Item = KinesisError>) {
        self.state.lock().unwrap().lists.extend(failures);
    }

    /// How often a shard was subscribed to.
    pub(crate) fn subscriptions(&self, index: usize) -> u32 {
        let state = self.state.lock().unwrap();
        state.subscriptions.get(&shard_id(index)).copied().unwrap_or_default()
    }

    /// From now on events say that reading goes on before their own records.
    pub(crate) fn continue_too_early(&self) {
        self.state.lock().unwrap().continues_too_early = true;
    }

    /// From now on every subscription is called wrong.
    pub(crate) fn refuse_subscriptions(&self) {
        self.state.lock().unwrap().refuses_subscriptions = true;
    }

    /// How often the shard was read.
    pub(crate) fn reads(&self, index: usize) -> u32 {
        self.state.lock().unwrap().reads.get(&shard_id(index)).copied().unwrap_or_default()
    }

    /// When the shard was asked for records, and for how many, whether it answered or not.
    pub(crate) fn asked(&self, index: usize) -> Vec<(Instant, u32)> {
        self.state.lock().unwrap().asked.get(&shard_id(index)).cloned().unwrap_or_default()
    }

    fn open(&self, hash_range: HashKeyRange, parents: &[ShardId]) {
        let mut state = self.state.lock().unwrap();
        state.next_sequence += 1;
        let shard = Shard {
            id: shard_id(state.shards.len()),
            parent: parents.first().cloned(),
            adjacent_parent: parents.get(1).cloned(),
            hash_range,
            starting_sequence: sequence(state.next_sequence),
            ending_sequence: None,
        };
        state.shards.insert(shard.id.clone(), (shard, Vec::new()));
    }

    fn close(&self, index: usize) -> HashKeyRange {
        let mut state = self.state.lock().unwrap();
        state.next_sequence += 1;
        let end = sequence(state.next_sequence);
        let (shard, _) = state.shards.get_mut(&shard_id(index)).unwrap();
        shard.ending_sequence = Some(end);
        shard.hash_range
    }
}

fn sequence(number: u64) -> SequenceNumber {
    SequenceNumber::parse(&number.to_string()).unwrap()
}

#[async_trait]
impl Kinesis for MemoryStream {
    async fn stream_state(&self, _: &StreamName) -> Result<StreamState, KinesisError> {
        let mut state = self.state.lock().unwrap();
        if let Some(said) = state.states.pop_front() {
            return said;
        }
        let retention = state.retention.unwrap_or(retention::LEAST);
        Ok(StreamState::Ready { retention })
    }

    async fn list_shards(
        &self,
        _: &StreamName,
        page: &ShardPage,
    ) -> Result<ShardList, KinesisError> {
        let mut state = self.state.lock().unwrap();
        if let Some(failure) = state.lists.pop_front() {
            return Err(failure);
        }
        let shards = state.shards.values().map(|(shard, _)| shard.clone());
        let shards = shards.filter(|shard| !state.hidden.contains(&shard.id));
        let shards = match page {
            ShardPage::OpenAt(_) => {
                shards.filter(|shard| shard.parents().next().is_none()).collect()
            }
            ShardPage::All | ShardPage::Next(_) => shards.collect(),
        };
        Ok(ShardList { shards, next: None })
    }

    async fn shard_iterator(
        &self,
        _: &StreamName,
        shard: &ShardId,
        position: &Position,
    ) -> Result<ShardIterator, KinesisError> {
        self.get_there().await;
        let state = self.state.lock().unwrap();
        let at = state.index(shard, position, self.date(&state))?;
        Ok(ShardIterator(format!("{shard} {at}")))
    }

    async fn records(&self, at: &ShardIterator, limit: u32) -> Result<Answer, KinesisError> {
        let (id, index) = at.0.split_once(' ').unwrap();
        let (id, index) = (ShardId::new(id).unwrap(), index.parse::<usize>().unwrap());
        let now = Instant::now();
        self.state.lock().unwrap().asked.entry(id.clone()).or_default().push((now, limit));
        if std::mem::take(&mut self.state.lock().unwrap().hangs) {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
        let panics = std::mem::take(&mut self.state.lock().unwrap().panics);
        assert!(!panics, "on purpose");
        let mut state = self.state.lock().unwrap();
        *state.reads.entry(id.clone()).or_default() += 1;
        if let Some(error) = state.failures.pop() {
            return Err(error);
        }
        if state.hidden.contains(&id) {
            return Err(KinesisError::NotFound(id.to_string()));
        }
        let page = state.page(&id, index, usize::try_from(limit).unwrap());
        Ok(Answer {
            records: page.records,
            millis_behind_latest: Some(page.is_behind.into()),
            next: (!page.is_end).then(|| ShardIterator(format!("{id} {}", page.read))),
            children: page.children,
        })
    }

    async fn stream_consumer(
        &self,
        _: &StreamName,
        name: &str,
    ) -> Result<Option<RegisteredConsumer>, KinesisError> {
        let state = self.state.lock().unwrap();
        Ok(state.is_consumer_registered.then(|| consumer(name)))
    }

    async fn register_consumer(
        &self,
        _: &StreamName,
        name: &str,
    ) -> Result<RegisteredConsumer, KinesisError> {
        let is_registered = &mut self.state.lock().unwrap().is_consumer_registered;
        assert!(!std::mem::replace(is_registered, true), "registered twice");
        Ok(consumer(name))
    }

    async fn subscribe(
        &self,
        _: &ConsumerArn,
        shard: &ShardId,
        position: &Position,
    ) -> Result<Events, KinesisError> {
        self.get_there().await;
        let mut state = self.state.lock().unwrap();
        if state.refuses_subscriptions {
            return Err(KinesisError::Invalid("for a reason of its own".to_owned()));
        }
        let last = state.subscribed.get(shard);
        if last.is_some_and(|last| last.elapsed() < Duration::from_secs(5)) {
            state.in_use += 1;
            return Err(KinesisError::InUse(shard.to_string()));
        }
        let from = state.index(shard, position, self.date(&state))?;
        state.subscribed.insert(shard.clone(), Instant::now());
        *state.subscriptions.entry(shard.clone()).or_default() += 1;
        let (state, shard) = (Arc::clone(&self.state), shard.clone());
        Ok(Box::pin(stream::unfold(Some(from), move |from| {
            let (state, shard) = (Arc::clone(&state), shard.clone());
            async move {
                let from = from?;
                tokio::time::sleep(Duration::from_millis(100)).await;
                let (page, continues_too_early) = {
                    let mut state = state.lock().unwrap();
                    if let Some(error) = state.failures.pop() {
                        return Some((Err(error), None));
                    }
                    (state.page(&shard, from, 2), state.continues_too_early)
                };
                let behind = if continues_too_early { sequence(1) } else { page.behind };
                let event = Event {
                    continuation: (!page.is_end).then_some(behind),
                    records: page.records,
                    millis_behind_latest: Some(page.is_behind.into()),
                    children: page.children,
                };
                Some((Ok(event), (!page.is_end).then_some(page.read)))
            }
        })))
    }
}

fn consumer(name: &str) -> RegisteredConsumer {
    RegisteredConsumer { arn: ConsumerArn(name.into()), is_active: true }
}
