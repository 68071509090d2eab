//! The shell: ports, protocols and who is answered.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use shardwise_local::{Endpoints, Options, StartError};

use super::{endpoints, kinesis};

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// Sends a request as it stands and returns the answer up to the end of the connection.
fn send(url: &str, head: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(address(url)).unwrap();
    let length = body.len();
    write!(connection, "{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

const LIST: &str = "POST / HTTP/1.1\r\nx-amz-target: Kinesis_20131202.ListStreams\r\n";

#[tokio::test]
async fn a_taken_port_is_named() {
    let first = endpoints().await;
    let port = address(&first.dynamodb_url()).port();

    let options = Options { dynamodb_port: port, ..Options::default() };
    let error = Endpoints::start(options).await.unwrap_err();

    assert_eq!(error.to_string(), format!("port {port} is taken"));
    first.stop().await;
}

#[tokio::test]
async fn only_loopback_addresses_are_listened_on() {
    let options = Options { host: [0, 0, 0, 0].into(), ..Options::default() };

    let error = Endpoints::start(options).await.unwrap_err();

    assert!(matches!(error, StartError::NotLoopback { .. }), "{error}");
}

#[tokio::test]
async fn a_stopped_endpoint_gives_its_ports_back() {
    let endpoints = endpoints().await;
    kinesis(&endpoints).list_streams().send().await.unwrap();
    let (kinesis_port, dynamodb_port) =
        (address(&endpoints.kinesis_url()).port(), address(&endpoints.dynamodb_url()).port());
    endpoints.stop().await;

    let options = Options { kinesis_port, dynamodb_port, ..Options::default() };
    let again = Endpoints::start(options).await.unwrap();
    kinesis(&again).list_streams().send().await.unwrap();
    again.stop().await;
}

#[tokio::test]
async fn a_request_under_a_foreign_host_name_is_turned_away() {
    let endpoints = endpoints().await;
    let authorization = "authorization: any\r\n";
    for url in [endpoints.kinesis_url(), endpoints.dynamodb_url()] {
        let foreign = format!("{LIST}host: evil.example\r\n{authorization}");
        assert!(send(&url, &foreign, "{}").starts_with("HTTP/1.1 403"), "{url}");
    }
    let local = format!("{LIST}host: localhost\r\n{authorization}");
    let answer = send(&endpoints.kinesis_url(), &local, "{}");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-amzn-requestid: "), "{answer}");
    endpoints.stop().await;
}

#[tokio::test]
async fn an_error_has_its_name_in_the_body_and_a_header() {
    let endpoints = endpoints().await;
    let unsigned = format!("{LIST}host: localhost\r\n");

    let answer = send(&endpoints.kinesis_url(), &unsigned, "{}");

    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("x-amzn-errortype: MissingAuthenticationTokenException"), "{answer}");
    assert!(answer.contains(r#""__type":"MissingAuthenticationTokenException""#), "{answer}");
    endpoints.stop().await;
}

#[tokio::test]
async fn http2_is_spoken_without_being_negotiated() {
    let endpoints = endpoints().await;
    let mut connection = TcpStream::connect(address(&endpoints.kinesis_url())).unwrap();
    // The client's preface and an empty SETTINGS frame; the server begins with its own SETTINGS.
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut frame = [0; 9];
    connection.read_exact(&mut frame).unwrap();

    assert_eq!((frame[3], &frame[5..]), (4, [0; 4].as_slice()));
    drop(connection);
    endpoints.stop().await;
}
