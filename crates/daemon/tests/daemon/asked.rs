//! The daemon asked over HTTP how it is, and what it tells a service manager unasked.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixDatagram};

use crate::world::{World, binary, until};

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What comes back for these bytes: all that there is until the daemon closes the connection.
async fn told(port: u16, request: &str) -> Option<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    connection.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let read = connection.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), read).await.ok()?.ok()?;
    Some(String::from_utf8(answer).unwrap())
}

/// The status and the body of a page.
pub(crate) async fn page(port: u16, path: &str, headers: &str) -> Option<(u16, String)> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n{headers}\r\n"
    );
    let answer = told(port, &request).await?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The ports that a process listens on, and where.
fn listens_on(process: Pid) -> BTreeSet<String> {
    let id = process.as_raw_nonzero();
    let descriptors = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let targets = descriptors.filter_map(|it| fs::read_link(it.unwrap().path()).ok());
    let sockets: BTreeSet<String> = targets
        .filter_map(|target| {
            let target = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(target.to_owned())
        })
        .collect();
    let tables = ["tcp", "tcp6"].map(|name| fs::read_to_string(format!("/proc/{id}/net/{name}")));
    let tables = tables.map(Result::unwrap_or_default).concat();
    let rows = tables.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    // Local address, state, inode; 0A is LISTEN.
    rows.filter(|row| row.len() > 9 && row[3] == "0A" && sockets.contains(row[9]))
        .map(|row| row[1].to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_port_is_open_unless_one_is_asked_for_and_then_one_of_this_machine() {
    let world = World::new(1).await;
    let records = world.put("a", 1).await;
    let daemon = world.daemon("", "");
    world.until_processed(&daemon, &records).await;
    assert_eq!(listens_on(daemon.id()), BTreeSet::new());
    assert_eq!(daemon.stop().await, 0);

    let port = free_port();
    let daemon = world.daemon("", &format!("shardwise.httpPort = {port}"));
    until("ready", async || match page(port, "/readyz", "").await {
        Some((200, word)) if word == "ready\n" => Ok(()),
        other => Err(format!("{other:?}\n{}", daemon.log())),
    })
    .await;
    // 127.0.0.1, as the kernel writes it.
    assert_eq!(listens_on(daemon.id()), [format!("0100007F:{port:04X}")].into());
    assert_eq!(daemon.stop().await, 0);
}

/// Credentials come from a program that takes its time: there is no worker to tell of until then.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_open_is_answered_before_there_is_a_worker() {
    let world = World::new(1).await;
    let (profile, gate) = (world.path().join("config"), world.path().join("gate"));
    let program = world.path().join("credentials.sh");
    let text = format!(
        "#!/bin/sh\nuntil [ -e {} ]; do sleep 0.05; done\n\
         echo '{{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"SECRET\"}}'\n",
        gate.display()
    );
    fs::write(&program, text).unwrap();
    fs::write(&profile, format!("[default]\ncredential_process = sh {}\n", program.display()))
        .unwrap();
    let port = free_port();
    let more =
        format!("AwsCredentialsProvider = ProfileCredentialsProvider\nshardwise.httpPort = {port}");
    let daemon = world.daemon_in("", &more, &[("AWS_CONFIG_FILE", profile.to_str().unwrap())]);
    until("open", async || match TcpStream::connect(("127.0.0.1", port)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{error}\n{}", daemon.log())),
    })
    .await;
    assert_eq!(page(port, "/healthz", "").await, Some((200, "ok\n".to_owned())));
    for path in ["/readyz", "/status.json", "/metrics"] {
        assert_eq!(page(port, path, "").await, Some((503, "starting\n".to_owned())), "{path}");
    }
    let foreign = "origin: http://evil.example\r\n";
    assert_eq!(page(port, "/status.json", foreign).await.map(|(status, _)| status), Some(403));
    fs::write(gate, "").unwrap();
    until("ready", async || match page(port, "/readyz", "").await {
        Some((200, _)) => Ok(()),
        other => Err(format!("{other:?}\n{}", daemon.log())),
    })
    .await;
    assert_eq!(page(port, "/status.json", "").await.map(|(status, _)| status), Some(200));
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_shows_who_has_a_turn_and_how_many_wait_for_one() {
    let world = World::new(3).await;
    let port = free_port();
    let more =
        format!("maxActiveThreads = 1\nshutdownGraceMillis = 2000\nshardwise.httpPort = {port}");
    let daemon = world.daemon("always hang:initialize", &more);
    let standing = until("two wait", async || {
        let (_, body) = page(port, "/status.json", "").await.ok_or("no page")?;
        let standing: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        if standing["turns"]["waiting"] == 2 { Ok(standing) } else { Err(body) }
    })
    .await;
    let turns = &standing["turns"];
    assert_eq!((&turns["most"], &turns["stuck"]), (&1.into(), &false.into()));
    let held = turns["held"].as_array().unwrap();
    let shard = held[0]["shardId"].as_str().unwrap();
    assert!(held.len() == 1 && shard.starts_with("shardId-"), "{turns}");
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_tell_how_each_shard_stands() {
    let world = World::new(2).await;
    let records = world.put("order", 20).await;
    let port = free_port();
    let daemon = world.daemon("", &format!("shardwise.httpPort = {port}"));
    world.until_processed(&daemon, &records).await;
    let standing = until("both shards at the tip", async || {
        let (status, body) = page(port, "/status.json", "").await.ok_or("no page")?;
        let standing: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        let shards = standing["shards"].as_array().ok_or("no shards")?;
        let handed: u64 = shards.iter().filter_map(|it| it["records"].as_u64()).sum();
        let are_at_tip = shards.iter().all(|it| it["millisBehindLatest"] == 0);
        let is_made = |it: &Value| it["checkpoint"].as_str().is_some_and(|it| it.starts_with("49"));
        let are_all_made = shards.iter().all(is_made) && shards.len() == 2;
        let is_all = status == 200 && handed >= 20 && are_at_tip && are_all_made;
        if is_all { Ok(standing) } else { Err(body) }
    })
    .await;
    assert_eq!(standing["phase"], "running");
    assert_eq!(
        (&standing["application"], &standing["stream"]),
        (&"billing".into(), &"orders".into())
    );
    let shard = &standing["shards"][0];
    assert_eq!(shard["shardId"], "shardId-000000000000");
    assert_eq!(shard["state"], "PROCESSING");
    assert_eq!(page(port, "/healthz", "").await, Some((200, "ok\n".to_owned())));
    let (status, metrics) = page(port, "/metrics", "").await.unwrap();
    assert_eq!(status, 200);
    assert!(metrics.lines().any(|line| line.contains("shardId-000000000001")), "{metrics}");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_come_from_a_web_page_is_refused() {
    let world = World::new(1).await;
    let port = free_port();
    let daemon = world.daemon("", &format!("shardwise.httpPort = {port}"));
    until("there", async || page(port, "/healthz", "").await.ok_or(daemon.log())).await;
    let own = format!("host: localhost:{port}");
    let long = format!("{own}|x: {}", "y".repeat(20_000));
    for (line, headers, expected) in crafted() {
        let headers = headers.replace("OWN", &own).replace("LONG", &long);
        let headers: String = headers.split_terminator('|').map(|it| format!("{it}\r\n")).collect();
        let request = format!("{line}\r\n{headers}connection: close\r\n\r\n");
        let answer = told(port, &request).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert_eq!(status, expected, "{}:\n{answer}", &request[..request.len().min(200)]);
        assert!(!answer.contains("access-control"), "{answer}");
        assert!(!answer.contains("orders"), "{answer}");
    }
    assert_eq!(page(port, "/status.json", "").await.map(|(status, _)| status), Some(200));
    assert_eq!(daemon.stop().await, 0);
}

/// What a web page can have a browser send, and what others could: the first line, the headers with
/// `|` between, the status of the refusal. `OWN` is the header of our own name.
fn crafted() -> Vec<(&'static str, &'static str, &'static str)> {
    const STATUS: &str = "GET /status.json HTTP/1.1";
    const METRICS: &str = "GET /metrics HTTP/1.1";
    vec![
        // Not by a name of this machine, as after DNS rebinding.
        (STATUS, "host: evil.example", "421"),
        (METRICS, "host: evil.example:80", "421"),
        (STATUS, "host: localhost.evil.example", "421"),
        (STATUS, "host: 127.0.0.1.evil.example", "421"),
        (STATUS, "host: evil.example:9464|sec-fetch-site: same-origin", "421"),
        (STATUS, "host: localhost@evil.example", "421"),
        (STATUS, "host: 127.1", "421"),
        (STATUS, "host: 0.0.0.0", "421"),
        (STATUS, "host: 2130706433", "421"),
        (STATUS, "host: [::]", "421"),
        (STATUS, "host: localhost:port", "421"),
        (STATUS, "host:", "421"),
        (STATUS, "", "421"),
        (STATUS, "x-forwarded-host: localhost|host: evil.example", "421"),
        // By two names, whichever is first.
        (STATUS, "OWN|host: evil.example", "421"),
        (METRICS, "host: evil.example|OWN", "421"),
        (METRICS, "OWN|OWN", "421"),
        // As to a proxy.
        ("GET http://evil.example/status.json HTTP/1.1", "OWN", "421"),
        ("GET http://localhost/metrics HTTP/1.1", "OWN", "421"),
        ("CONNECT localhost:443 HTTP/1.1", "OWN", "421"),
        // In a version that knows no hosts.
        ("GET /status.json HTTP/1.0", "OWN", "505"),
        ("GET /metrics HTTP/1.0", "", "505"),
        // From another origin, or from another site.
        (STATUS, "OWN|origin: http://evil.example", "403"),
        (STATUS, "OWN|origin: null", "403"),
        (STATUS, "OWN|origin: http://localhost", "403"),
        (STATUS, "OWN|origin: https://localhost:9464", "403"),
        (METRICS, "OWN|origin: http://127.0.0.1:1|sec-fetch-site: same-origin", "403"),
        (STATUS, "OWN|sec-fetch-site: cross-site", "403"),
        (METRICS, "OWN|sec-fetch-site: same-site", "403"),
        (METRICS, "OWN|sec-fetch-site: same-origin|sec-fetch-site: cross-site", "403"),
        (STATUS, "OWN|sec-fetch-site:", "403"),
        ("OPTIONS /status.json HTTP/1.1", "OWN|origin: http://evil.example", "403"),
        (
            STATUS,
            "OWN|origin: http://evil.example|upgrade: websocket|sec-websocket-version: 13",
            "403",
        ),
        // What would change something.
        ("POST /status.json HTTP/1.1", "OWN|content-length: 0", "405"),
        ("PUT /metrics HTTP/1.1", "OWN|content-length: 0", "405"),
        ("DELETE /status.json HTTP/1.1", "OWN", "405"),
        ("TRACE /status.json HTTP/1.1", "OWN", "405"),
        ("POST /healthz HTTP/1.1", "OWN|content-length: 0", "405"),
        // What is not there, or is no request.
        ("GET / HTTP/1.1", "OWN", "404"),
        ("GET //status.json HTTP/1.1", "OWN", "404"),
        ("GET /%73tatus.json HTTP/1.1", "OWN", "404"),
        ("GET /metrics/../status.json HTTP/1.1", "OWN", "404"),
        (METRICS, "LONG", "431"),
        ("nonsense", "", "400"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_where_there_is_one() {
    let world = World::new(1).await;
    let token = "0123456789abcdef0123456789abcdef";
    let file = world.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let port = free_port();
    let more = format!(
        "shardwise.httpPort = {port}\nshardwise.httpAddress = 0.0.0.0\n\
         shardwise.httpTokenFile = {}",
        file.display()
    );
    let daemon = world.daemon("", &more);
    until("there", async || page(port, "/healthz", "").await.ok_or(daemon.log())).await;
    let bearer = format!("authorization: Bearer {token}\r\n");
    assert_eq!(page(port, "/status.json", "").await.map(|(status, _)| status), Some(401));
    assert_eq!(page(port, "/status.json", &bearer).await.map(|(status, _)| status), Some(200));
    assert!(!daemon.log().contains(token));
    assert_eq!(daemon.stop().await, 0);
}

/// What a child writes to stderr may be what it was handed: the log has it, the page has not.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_quotes_no_child() {
    let world = World::new(1).await;
    world.put("canary", 1).await;
    let port = free_port();
    let daemon = world.daemon("always quotes", &format!("shardwise.httpPort = {port}"));
    let body = until("a failure", async || {
        let (_, body) = page(port, "/status.json", "").await.ok_or(daemon.log())?;
        let standing: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        let failing = &standing["shards"][0]["failing"];
        if failing["times"].as_u64() >= Some(2) { Ok(body) } else { Err(body) }
    })
    .await;
    assert!(daemon.log().contains("canary-0"), "{}", daemon.log());
    assert!(!body.contains("canary") && body.contains("closed its stdout"), "{body}");
    assert_eq!(daemon.stop().await, 0);
}

#[test]
fn a_port_that_is_taken_and_a_token_that_is_none_are_named_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let properties = directory.path().join("app.properties");
    let start = |more: &str| {
        let text = format!(
            "executableName = cat\napplicationName = billing\nstreamName = orders\n\
             AwsCredentialsProvider = EnvironmentVariableCredentialsProvider\n\
             regionName = us-east-1\nkinesisEndpoint = http://127.0.0.1:1\n\
             dynamoDBEndpoint = http://127.0.0.1:1\n{more}"
        );
        fs::write(&properties, text).unwrap();
        let output = binary().args(["daemon", "-p"]).arg(&properties).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, told) = start(&format!("shardwise.httpPort = {port}"));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("line 8: `shardwise.httpPort`: cannot listen on 127.0.0.1"), "{told}");
    let token = directory.path().join("token");
    fs::write(&token, "secret").unwrap();
    let (code, told) = start(&format!(
        "shardwise.httpPort = {}\nshardwise.httpTokenFile = {}",
        free_port(),
        token.display()
    ));
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("line 9: `shardwise.httpTokenFile`") && !told.contains("secret"),
        "{told}"
    );
}

/// What a service manager hears that listens here.
async fn heard(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let received = tokio::time::timeout(Duration::from_secs(60), socket.recv(&mut bytes)).await;
    String::from_utf8(bytes[..received.unwrap().unwrap()].to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_hears_of_the_start_the_stop_and_that_the_worker_is_not_stuck() {
    let world = World::new(1).await;
    let records = world.put("a", 1).await;
    let path = world.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let path = path.to_str().unwrap();
    let variables = [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "300000")];
    let mut daemon = world.daemon_in("", "", &variables);
    assert_eq!(heard(&socket).await, "READY=1\n");
    for _ in 0..3 {
        assert_eq!(heard(&socket).await, "WATCHDOG=1\n");
    }
    let journal = world.until_processed(&daemon, &records).await;
    let begun = journal.iter().find(|event| event.is("initialize")).unwrap();
    let environment = begun.value("environment").to_string();
    assert!(environment.contains("PATH") && !environment.contains("NOTIFY_SOCKET"));
    daemon.signal(Signal::TERM);
    let mut last = heard(&socket).await;
    while last == "WATCHDOG=1\n" {
        last = heard(&socket).await;
    }
    assert_eq!(last, "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\n");
    assert_eq!(daemon.ended().await.code(), Some(0));
}
