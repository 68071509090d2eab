//! Proxies that variables of the environment name.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::world::{World, binary};

/// Hosts and ports that were asked for.
type Asked = Arc<Mutex<BTreeSet<String>>>;

#[derive(Clone)]
struct Proxy {
    asked: Asked,
    client: Client<HttpConnector, Body>,
}

/// A proxy of calls without TLS: its URL, and what it is asked for.
async fn forwarding() -> (String, Asked) {
    let asked = Asked::default();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let proxy = Proxy { asked: Arc::clone(&asked), client };
    let router = Router::new().fallback(pass).with_state(proxy);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

async fn pass(State(proxy): State<Proxy>, request: Request) -> Response {
    let authority = request.uri().authority().unwrap().to_string();
    proxy.asked.lock().unwrap().insert(authority);
    proxy.client.request(request).await.unwrap().into_response()
}

/// The host and the port of a URL.
fn authority(url: &str) -> String {
    url.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_tls_go_through_the_proxy_that_the_environment_names() {
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let world = World::new(1).await;
        let (url, asked) = forwarding().await;
        let records = world.put("a", 3).await;
        let daemon = world.daemon_in("", "", &[(variable, &url)]);
        world.until_processed(&daemon, &records).await;
        assert_eq!(daemon.stop().await, 0);
        let both = world.urls().map(|url| authority(&url)).into();
        assert_eq!(*asked.lock().unwrap(), both, "{variable}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_no_proxy_names_are_called_directly() {
    for (variable, proxy) in [("NO_PROXY", "HTTP_PROXY"), ("no_proxy", "http_proxy")] {
        let world = World::new(1).await;
        let (url, asked) = forwarding().await;
        let [kinesis, dynamodb] = world.urls().map(|url| authority(&url));
        let by_name = dynamodb.replace("127.0.0.1", "localhost");
        let records = world.put("a", 3).await;
        let more = format!("dynamoDBEndpoint = http://{by_name}");
        let daemon = world.daemon_in("", &more, &[(variable, "localhost"), (proxy, &url)]);
        world.until_processed(&daemon, &records).await;
        assert_eq!(daemon.stop().await, 0);
        assert_eq!(*asked.lock().unwrap(), [kinesis].into(), "{variable}");
    }
}

/// Takes one question for a tunnel, answers it with this status, and gives the question's first
/// line and what else comes.
fn tunnelling(listener: TcpListener, status: &'static str) -> JoinHandle<(String, Vec<u8>)> {
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let head = head(&mut client).await;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        client.write_all(&answer.into_bytes()).await.unwrap();
        let mut first = vec![0; 4096];
        let read = client.read(&mut first).await.unwrap_or_default();
        first.truncate(read);
        (head.lines().next().unwrap_or_default().to_owned(), first)
    })
}

async fn head(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// What a daemon without endpoints of its own says, and how it ends, with such a proxy.
async fn with_tunnels(variable: &str, status: &'static str) -> (String, Vec<u8>, i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let properties = directory.path().join("app.properties");
    let text = "executableName = cat\nstreamName = orders\napplicationName = billing\n\
                AWSCredentialsProvider = EnvironmentVariableCredentialsProvider\n\
                regionName = us-east-1\nretrievalMode = POLLING\nmetricsLevel = NONE\n\
                maxInitializationAttempts = 1\n";
    fs::write(&properties, text).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tunnel = tunnelling(listener, status);
    let mut command = binary();
    command.arg("daemon").arg("-p").arg(&properties).env(variable, url).stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (line, first) = tunnel.await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (line, first, output.status.code().unwrap(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_with_tls_go_through_a_tunnel_of_the_proxy_and_are_encrypted_in_it() {
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        let (line, first, _, said) = with_tunnels(variable, "200 OK").await;
        assert_eq!(line, "CONNECT kinesis.us-east-1.amazonaws.com:443 HTTP/1.1", "{said}");
        // A ClientHello for that host.
        let name = b"kinesis.us-east-1.amazonaws.com";
        assert_eq!(first.first(), Some(&0x16), "{said}");
        assert!(first.windows(name.len()).any(|part| part == name), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_one_error_that_says_so() {
    for (status, expected) in [
        ("407 Proxy Authentication Required", "proxy authorization required"),
        ("403 Forbidden", "tunnel error: unsuccessful"),
    ] {
        let (_, _, code, said) = with_tunnels("HTTPS_PROXY", status).await;
        assert_eq!(code, 3, "{said}");
        let named = said.lines().filter(|line| line.contains(expected)).count();
        assert!(named > 0 && said.contains("stream `orders`"), "{said}");
    }
}
