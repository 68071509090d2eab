//! Servers that are not the one that is meant, or that others could listen to: they are refused in
//! the handshake, before they are asked for anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use shardwise::config::Retrieval;
use shardwise::kinesis::KinesisError;
use shardwise::{StreamName, aws};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::tls::{acceptor, passes_alone};
use crate::{STREAM, config, sdk_config};

/// How a server begins.
#[derive(Clone, Copy)]
enum Server {
    /// With the certificate of this name.
    Shows(&'static str),
    /// With TLS 1.1, whatever it is offered.
    IsOld,
}

#[tokio::test]
async fn a_server_is_refused_whose_certificate_or_tls_cannot_be_relied_on() {
    passes_alone("strangers::refused_alone").await;
}

#[tokio::test]
#[ignore = "it is run by a test above, which says whom to trust"]
async fn refused_alone() {
    for (server, why) in [
        (Server::Shows("elsewhere"), "certificate not valid for name \"127.0.0.1\""),
        (Server::Shows("expired"), "certificate expired"),
        (Server::Shows("stranger"), "UnknownIssuer"),
        (Server::IsOld, "peer is incompatible"),
    ] {
        let (told, asked) = ask(server).await;
        assert!(told.contains(why), "{told}, and not: {why}");
        assert_eq!(asked, 0, "{why}");
    }
    let (told, asked) = ask(Server::Shows("server")).await;
    assert!(asked > 0, "the one that is meant: {told}");
}

/// Asks a server; what a worker is told of it, and how often it got as far as to be asked.
async fn ask(server: Server) -> (String, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let serving = tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let is_asked = match server {
                Server::Shows(name) => acceptor(name).accept(client).await.is_ok(),
                Server::IsOld => takes_tls_1_1(client).await,
            };
            counted.fetch_add(usize::from(is_asked), Relaxed);
        }
    });
    let sdk_config = sdk_config(url).build();
    let (kinesis, _) = aws::over(&sdk_config, &sdk_config, &config(Retrieval::Polling));
    let answer = kinesis.stream_state(&StreamName::new(STREAM).unwrap()).await;
    serving.abort();
    let Err(KinesisError::Unanswered(why)) = answer else { panic!("{answer:?}") };
    (why.to_string(), asked.load(Relaxed))
}

/// Whether a client goes on after a ServerHello (RFC 4346) of TLS 1.1; an alert says that it does
/// not.
async fn takes_tls_1_1(mut client: TcpStream) -> bool {
    const ALERT: u8 = 21;
    let mut hello = [0; 1 << 12];
    assert!(client.read(&mut hello).await.unwrap() > 0);
    // Version, random, no session, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, no compression.
    let body = [&[3, 2][..], &[7; 32], &[0, 0xc0, 0x09, 0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    let head = [22, 3, 2, 0, length + 4, 2, 0, 0, length];
    client.write_all(&[&head[..], &body].concat()).await.unwrap();
    let mut record = [0; 1];
    client.read_exact(&mut record).await.is_ok() && record != [ALERT]
}
