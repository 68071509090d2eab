//! The clients that shards are subscribed with.
//!
//! A client has one HTTP/2 connection to a host, which holds what is on its way to a shard that is
//! slow to take it: that stops the others on it. So subscriptions are spread over several clients.
//! A connection that died without a word would be used for ever: its client is replaced.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_kinesis::{Client, Config};
use shardwise_core::id::ShardId;

/// How many there are.
const CLIENTS: usize = 8;

pub(super) struct Subscribers {
    config: Config,
    state: Mutex<State>,
}

struct State {
    clients: Vec<Numbered>,
    /// The number of the client that each shard was subscribed with last.
    used: BTreeMap<ShardId, u64>,
    next: u64,
}

struct Numbered {
    number: u64,
    client: Client,
}

impl Subscribers {
    pub(super) fn new(config: &Config) -> Self {
        let state = State { clients: Vec::new(), used: BTreeMap::new(), next: 0 };
        let subscribers = Self { config: config.clone(), state: Mutex::new(state) };
        let mut state = subscribers.state();
        for _ in 0..CLIENTS {
            let client = state.made(config);
            state.clients.push(client);
        }
        drop(state);
        subscribers
    }

    /// The client to subscribe a shard with.
    pub(super) fn of(&self, shard: &ShardId) -> Client {
        let mut state = self.state();
        let Numbered { number, client } = &state.clients[place(shard)];
        let (number, client) = (*number, client.clone());
        state.used.insert(shard.clone(), number);
        client
    }

    /// The shard's last subscription died with its connection. Of several shards that were on it
    /// the first one to say so has it replaced.
    pub(super) fn replace(&self, shard: &ShardId) {
        let mut state = self.state();
        let place = place(shard);
        if state.used.get(shard) == Some(&state.clients[place].number) {
            state.clients[place] = state.made(&self.config);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A client with a connection of its own, unless the configuration names an HTTP client.
    fn made(&mut self, config: &Config) -> Numbered {
        self.next += 1;
        Numbered { number: self.next, client: Client::from_conf(config.clone()) }
    }
}

/// Neighbours have different ones: the ids of shards end in their number.
fn place(shard: &ShardId) -> usize {
    shard.as_str().bytes().map(usize::from).sum::<usize>() % CLIENTS
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;

    use super::*;

    fn shard(number: usize) -> ShardId {
        ShardId::new(format!("shardId-{number:012}")).unwrap()
    }

    #[test]
    fn shards_of_a_dead_connection_have_it_replaced_once() {
        let config = Config::builder().behavior_version(BehaviorVersion::latest()).build();
        let subscribers = Subscribers::new(&config);
        let number = |shard: &ShardId| subscribers.state().clients[place(shard)].number;
        let others = (1..100).map(shard).filter(|other| place(other) == place(&shard(0)));
        let all: Vec<ShardId> = std::iter::once(shard(0)).chain(others).collect();
        assert!(all.len() > 5);
        for shard in &all {
            drop(subscribers.of(shard));
        }
        let before = number(&all[0]);
        subscribers.replace(&all[0]);
        let replaced = number(&all[0]);
        assert_ne!(replaced, before);
        for shard in &all[1..] {
            subscribers.replace(shard);
        }
        assert_eq!(number(&all[0]), replaced, "they were on the one before");
        drop(subscribers.of(&all[1]));
        subscribers.replace(&all[1]);
        assert_ne!(number(&all[0]), replaced, "dead again");
    }
}
