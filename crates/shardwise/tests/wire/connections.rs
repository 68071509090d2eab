//! HTTP/2 connections as to AWS: TLS, the protocol agreed on in its handshake, and the SDK's own
//! HTTP client. A connection that dies without a word is replaced, whatever it is used for.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shardwise::aws;
use shardwise::config::Retrieval;
use shardwise_local::stream::Capacity;
use shardwise_local::{Endpoints, Options};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};

use crate::tls::{acceptor, passes_alone};
use crate::{Running, STREAM, config, endpoints, fan_out, now, put, sdk_config, until};

/// What was seen of the connections.
#[derive(Debug, Default)]
struct Seen {
    opened: AtomicUsize,
    /// By their number: those on which a shard was subscribed to.
    subscribed: Mutex<BTreeSet<usize>>,
    /// Those that pass nothing on to the client any more.
    silent: Mutex<BTreeSet<usize>>,
    /// Whether the connection on which a subscription is next begun behind a number falls silent
    /// before that is answered.
    silences_next: AtomicBool,
}

impl Seen {
    fn subscribed(&self) -> BTreeSet<usize> {
        self.subscribed.lock().unwrap().clone()
    }

    /// Lets all connections that there are fall silent; gives their number.
    fn silence(&self) -> usize {
        let opened = self.opened.load(Relaxed);
        self.silent.lock().unwrap().extend(0..opened);
        opened
    }
}

/// What each event says of itself.
const EVENT: &[u8] = b"SubscribeToShardEvent";
/// What is asked for behind a number.
const BEHIND: &[u8] = b"AFTER_SEQUENCE_NUMBER";

fn has(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|part| part == what)
}

/// Takes the encryption off, and passes bytes on; gives its own URL.
async fn start(url: &str, seen: Arc<Seen>) -> String {
    let to = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = acceptor("server");
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (to, seen, acceptor) = (to.clone(), Arc::clone(&seen), acceptor.clone());
            tokio::spawn(async move {
                let client = acceptor.accept(client).await.unwrap();
                let number = seen.opened.fetch_add(1, Relaxed);
                let (from_client, to_client) = split(client);
                let (from_server, to_server) = TcpStream::connect(&to).await.unwrap().into_split();
                let asked = Arc::clone(&seen);
                let is_asked = move |bytes: &[u8]| {
                    if has(bytes, BEHIND) && asked.silences_next.swap(false, Relaxed) {
                        asked.silent.lock().unwrap().insert(number);
                    }
                    true
                };
                tokio::spawn(pass(from_client, to_server, is_asked));
                let is_heard = move |bytes: &[u8]| {
                    if has(bytes, EVENT) {
                        seen.subscribed.lock().unwrap().insert(number);
                    }
                    !seen.silent.lock().unwrap().contains(&number)
                };
                pass(from_server, to_client, is_heard).await;
            });
        }
    });
    format!("https://{address}")
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    passes: impl Fn(&[u8]) -> bool,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let piece = &bytes[..count];
        if passes(piece) && (to.write_all(piece).await.is_err() || to.flush().await.is_err()) {
            return;
        }
    }
}

#[tokio::test]
async fn shards_are_spread_over_connections_and_one_that_falls_silent_is_replaced() {
    passes_alone("connections::fan_out_alone").await;
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_replaced_for_polling_and_for_the_lease_table() {
    passes_alone("connections::calls_alone").await;
}

#[tokio::test]
#[ignore = "it is run by a test above, which says whom to trust"]
async fn fan_out_alone() {
    // Each takes half a minute.
    tokio::join!(in_the_midst_of_subscriptions(), before_a_subscription());
}

#[tokio::test]
#[ignore = "it is run by a test above, which says whom to trust"]
async fn calls_alone() {
    reads_on_behind_a_silent_connection().await;
    finds_the_table_behind_a_silent_connection().await;
}

async fn reads_on_behind_a_silent_connection() {
    let endpoints = endpoints(1).await;
    let seen = Arc::new(Seen::default());
    let url = start(&endpoints.kinesis_url(), Arc::clone(&seen)).await;
    let mut config = config(Retrieval::Polling);
    config.polling.request_timeout = Duration::from_secs(1);
    let worker = Running::start(config, &sdk_config(url).build(), &endpoints);
    put(&endpoints, 0, "first");
    until(|| worker.told() == ["first"], "the first record").await;
    let opened = seen.silence();
    put(&endpoints, 0, "second");
    until(|| worker.told() == ["first", "second"], "the second record").await;
    assert!(seen.opened.load(Relaxed) > opened);
    worker.stop().await;
    endpoints.stop().await;
}

async fn finds_the_table_behind_a_silent_connection() {
    let endpoints = endpoints(1).await;
    let seen = Arc::new(Seen::default());
    let url = start(&endpoints.dynamodb_url(), Arc::clone(&seen)).await;
    let kinesis = sdk_config(endpoints.kinesis_url()).build();
    let config = config(Retrieval::Polling);
    let (_, table) = aws::over(&kinesis, &sdk_config(url).build(), &config);
    table.state().await.unwrap();
    seen.silence();
    let given_up = tokio::time::timeout(Duration::from_secs(1), table.state()).await;
    assert!(given_up.is_err(), "{given_up:?}");
    let answered = tokio::time::timeout(Duration::from_secs(20), table.state()).await;
    answered.unwrap().unwrap();
    endpoints.stop().await;
}

/// The call has the SDK's limit, and by default the worker's, which ends in the same moment.
async fn before_a_subscription() {
    let mut options = Options::default();
    options.streams.subscription_lifetime = Duration::from_secs(3);
    let endpoints = Endpoints::start(options).await.unwrap();
    let one = Capacity::Provisioned(1);
    endpoints.kinesis().streams().create_stream(STREAM, one, now()).unwrap();
    let seen = Arc::new(Seen::default());
    let url = start(&endpoints.kinesis_url(), Arc::clone(&seen)).await;
    let worker = Running::start(config(fan_out()), &sdk_config(url).build(), &endpoints);
    put(&endpoints, 0, "first");
    until(|| worker.told() == ["first"], "the first record").await;
    seen.silences_next.store(true, Relaxed);
    until(|| !seen.silences_next.load(Relaxed), "the next subscription").await;
    put(&endpoints, 0, "second");
    until(|| worker.told() == ["first", "second"], "the second record").await;
    worker.stop().await;
    endpoints.stop().await;
}

async fn in_the_midst_of_subscriptions() {
    const SHARDS: u32 = 16;
    let endpoints = endpoints(SHARDS).await;
    let seen = Arc::new(Seen::default());
    let url = start(&endpoints.kinesis_url(), Arc::clone(&seen)).await;
    let worker = Running::start(config(fan_out()), &sdk_config(url).build(), &endpoints);
    let width = u128::MAX / u128::from(SHARDS);
    let mut expected = BTreeSet::new();
    let mut put_to_all = |name: &str| {
        for shard in 0..u128::from(SHARDS) {
            let text = format!("{name} of {shard}");
            put(&endpoints, width * shard + width / 2, &text);
            expected.insert(text);
        }
        expected.clone()
    };
    let told = || worker.told().into_iter().collect::<BTreeSet<_>>();

    let first = put_to_all("first");
    until(|| told() == first, "the first records").await;
    let before = seen.subscribed();
    // There are eight clients. Two shards that ask at once may each open one.
    assert!((8..=16).contains(&before.len()), "{before:?}");
    let opened = seen.opened.load(Relaxed);

    let silent = *before.first().unwrap();
    seen.silent.lock().unwrap().insert(silent);
    let second = put_to_all("second");
    until(|| told() == second, "the records of a connection that fell silent").await;
    let after = seen.subscribed();
    assert!(after.len() > before.len(), "{after:?}");
    let more = seen.opened.load(Relaxed) - opened;
    assert!((1..8).contains(&more), "{more} new ones: the other seven clients keep theirs");
    assert_eq!(worker.told().len(), second.len(), "each once");
    worker.stop().await;
    endpoints.stop().await;
}
