//! The clients that shards are subscribed with.
//!
//! A client has one HTTP/2 connection to a host, and never opens a second one. Two numbers bound
//! what it carries. The SDK's HTTP client takes in 5 MiB on a connection and 2 MiB of each stream,
//! so that three shards whose readers wait hold up all others on it: up to [`APART`] shards have a
//! connection each. And a server allows so many streams at a time; what is above that waits in
//! silence for another to end, five minutes perhaps. Which number Kinesis has is not known. HTTP/2
//! (RFC 9113, 6.5.2) asks servers for no less than a hundred, and [`STREAMS`] stays well below
//! that: from 256 shards on, connections follow their number.
//!
//! A connection that died without a word would be used for ever: its client is replaced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_kinesis::{Client, Config};
use shardwise_core::id::ShardId;

/// So many shards share no connection.
const APART: usize = 8;
/// No client is given more shards than that.
const STREAMS: usize = 32;

pub(super) struct Subscribers {
    config: Config,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clients: Vec<Numbered>,
    /// The number of the client that each shard was subscribed with last.
    used: BTreeMap<ShardId, u64>,
    next: u64,
}

struct Numbered {
    number: u64,
    client: Client,
    streams: Stream,
}

/// Counts as a stream of its client until it is dropped.
pub(super) struct Stream(Arc<()>);

impl Subscribers {
    pub(super) fn new(config: &Config) -> Self {
        Self { config: config.clone(), state: Mutex::default() }
    }

    /// The client to subscribe a shard with.
    pub(super) fn of(&self, shard: &ShardId) -> (Client, Stream) {
        let mut state = self.state();
        let Numbered { number, client, streams } = state.least_used(&self.config);
        let (number, given) = (*number, (client.clone(), Stream(Arc::clone(&streams.0))));
        state.used.insert(shard.clone(), number);
        given
    }

    /// The shard's last subscription died with its connection. Of several shards that were on it
    /// the first one to say so has it replaced.
    pub(super) fn replace(&self, shard: &ShardId) {
        let mut state = self.state();
        if let Some(dead) = state.used.remove(shard) {
            state.clients.retain(|client| client.number != dead);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The client with the fewest streams, or a new one where those that there are have enough.
    fn least_used(&mut self, config: &Config) -> &Numbered {
        let streams: usize = self.clients.iter().map(Numbered::streams).sum();
        let most = APART.max(streams / STREAMS + 1);
        self.clients.sort_by_key(|client| (client.streams(), client.number));
        let is_enough = self.clients.len() >= most;
        if !is_enough && self.clients.first().is_none_or(|least| least.streams() > 0) {
            let client = self.made(config);
            self.clients.insert(0, client);
        }
        let idle = self.clients.iter().filter(|client| client.streams() == 0).count();
        let too_many = self.clients.len().saturating_sub(most).min(idle.saturating_sub(1));
        self.clients.drain(1..=too_many);
        &self.clients[0]
    }

    /// A client with a connection of its own, unless the configuration names an HTTP client.
    fn made(&mut self, config: &Config) -> Numbered {
        self.next += 1;
        let client = Client::from_conf(config.clone());
        Numbered { number: self.next, client, streams: Stream(Arc::default()) }
    }
}

impl Numbered {
    /// How many there are.
    fn streams(&self) -> usize {
        Arc::strong_count(&self.streams.0) - 1
    }
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;

    use super::*;

    fn subscribers() -> Subscribers {
        let config = Config::builder().behavior_version(BehaviorVersion::latest()).build();
        Subscribers::new(&config)
    }

    fn shard(number: usize) -> ShardId {
        ShardId::new(format!("shardId-{number:012}")).unwrap()
    }

    /// How many streams each client has.
    fn spread(subscribers: &Subscribers) -> Vec<usize> {
        let mut spread: Vec<_> =
            subscribers.state().clients.iter().map(Numbered::streams).collect();
        spread.sort_unstable();
        spread
    }

    #[test]
    fn clients_follow_the_shards_that_are_subscribed() {
        let subscribers = subscribers();
        let subscribed = |count: usize| (0..count).map(|number| subscribers.of(&shard(number)).1);
        let mut streams: Vec<Stream> = subscribed(3).collect();
        assert_eq!(spread(&subscribers), [1; 3]);
        streams.extend(subscribed(61));
        assert_eq!(spread(&subscribers), [8; 8]);
        streams.extend(subscribed(936));
        assert_eq!(spread(&subscribers).len(), 1_000_usize.div_ceil(STREAMS));
        assert!(spread(&subscribers).into_iter().all(|streams| streams <= STREAMS));

        streams.truncate(4);
        streams.extend(subscribed(1));
        let after = spread(&subscribers);
        assert_eq!((after.len(), after.iter().sum::<usize>()), (APART, 5));
    }

    #[test]
    fn a_shard_that_is_subscribed_again_has_the_connection_that_it_left() {
        let subscribers = subscribers();
        let mut streams: Vec<Stream> =
            (0..5).map(|number| subscribers.of(&shard(number)).1).collect();
        for number in 0..5 {
            drop(streams.remove(0));
            streams.push(subscribers.of(&shard(number)).1);
        }
        assert_eq!((spread(&subscribers), subscribers.state().next), (vec![1; 5], 5));
    }

    #[test]
    fn shards_of_a_dead_connection_have_it_replaced_once() {
        let subscribers = subscribers();
        let used = |number| subscribers.state().used.get(&shard(number)).copied();
        let numbers = || {
            let state = subscribers.state();
            let mut numbers: Vec<u64> = state.clients.iter().map(|client| client.number).collect();
            numbers.sort_unstable();
            numbers
        };
        let mut streams: Vec<Stream> =
            (0..16).map(|number| subscribers.of(&shard(number)).1).collect();
        let (first, second) = (0, (1..16).find(|number| used(*number) == used(0)).unwrap());
        let dead = used(first).unwrap();
        subscribers.replace(&shard(first));
        assert!(!numbers().contains(&dead));
        streams.push(subscribers.of(&shard(first)).1);
        let before = numbers();
        assert_eq!((used(first), before.len()), (Some(9), 8), "over a new one");
        subscribers.replace(&shard(second));
        assert_eq!(numbers(), before, "it was on the one before");
        streams.push(subscribers.of(&shard(second)).1);
        subscribers.replace(&shard(second));
        assert_eq!(numbers().len(), 7, "dead again");
    }
}
