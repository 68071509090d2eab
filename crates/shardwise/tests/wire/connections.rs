//! Subscriptions over several HTTP/2 connections, as to AWS: TLS, the protocol agreed on in its
//! handshake, and the SDK's own HTTP client. A connection that dies without a word is replaced.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{Running, config, endpoints, fan_out, put, sdk_config, until};

/// What was seen of the connections.
#[derive(Debug, Default)]
struct Seen {
    opened: AtomicUsize,
    /// By their number: those on which a shard was subscribed to.
    subscribed: Mutex<BTreeSet<usize>>,
    /// Those that pass nothing on to the client any more.
    silent: Mutex<BTreeSet<usize>>,
}

impl Seen {
    fn subscribed(&self) -> BTreeSet<usize> {
        self.subscribed.lock().unwrap().clone()
    }
}

/// What each event says of itself.
const EVENT: &[u8] = b"SubscribeToShardEvent";

fn folder() -> String {
    format!("{}/tests/wire/tls", env!("CARGO_MANIFEST_DIR"))
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(format!("{}/server.pem", folder())).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{}/server.key", folder())).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ServerConfig::builder_with_provider(provider.into());
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Takes the encryption off, and passes bytes on; gives its own URL.
async fn start(url: &str, seen: Arc<Seen>) -> String {
    let to = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = acceptor();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (to, seen, acceptor) = (to.clone(), Arc::clone(&seen), acceptor.clone());
            tokio::spawn(async move {
                let client = acceptor.accept(client).await.unwrap();
                let number = seen.opened.fetch_add(1, Relaxed);
                let (from_client, to_client) = split(client);
                let (from_server, to_server) = TcpStream::connect(&to).await.unwrap().into_split();
                tokio::spawn(pass(from_client, to_server, |_| true));
                let is_heard = move |bytes: &[u8]| {
                    if bytes.windows(EVENT.len()).any(|part| part == EVENT) {
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

/// The certificates that the SDK trusts are read from the environment, and once a process: what is
/// tested runs in one of its own.
#[tokio::test]
async fn shards_are_spread_over_connections_and_one_that_falls_silent_is_replaced() {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--ignored", "--exact", "connections::in_a_process_of_its_own", "--nocapture"]);
    test.env("SSL_CERT_FILE", format!("{}/authority.pem", folder()));
    let status = tokio::task::spawn_blocking(move || test.status().unwrap()).await.unwrap();
    assert!(status.success());
}

#[tokio::test]
#[ignore = "it is run by the test above, which says whom to trust"]
async fn in_a_process_of_its_own() {
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
