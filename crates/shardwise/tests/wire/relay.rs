//! Between a client and the local Kinesis: passes bytes on, and spoils the events that it is told
//! to, on their way to the client.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What happens to an event that brings records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection closes in the middle of its frame.
    Cut,
    /// The answer ends in the middle of its frame, as if that were its end. Over HTTP/1.1.
    Short,
    /// A byte of its frame is another one.
    Spoilt,
    /// Its stream is reset. Over HTTP/2.
    Reset,
    /// The connection goes away, with all that is on it. Over HTTP/2.
    GoAway,
}

/// What is to happen, and what was asked for meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) troubles: VecDeque<Option<Trouble>>,
    /// How often subscriptions were asked for behind a sequence number.
    pub(crate) resumed: usize,
}

pub(crate) type Shared = Arc<Mutex<Script>>;

/// What an event has that brings records.
const EVENT: &[u8] = b"\"Records\":[{";
const BEHIND: &[u8] = b"AFTER_SEQUENCE_NUMBER";
const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const INTERNAL_ERROR: [u8; 4] = [0, 0, 0, 2];

/// Listens; gives its own URL.
pub(crate) async fn start(url: &str, script: Shared, is_h2: bool) -> String {
    let to = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = TcpStream::connect(&to).await.unwrap().into_split();
            let asked = Arc::clone(&script);
            let script = Arc::clone(&script);
            tokio::spawn(ask(from_client, to_server, asked));
            tokio::spawn(async move {
                // Whoever reads may have gone; so does this connection then.
                let _ = match is_h2 {
                    true => answer_h2(from_server, to_client, &script).await,
                    false => answer_h1(from_server, to_client, &script).await,
                };
            });
        }
    });
    format!("http://{address}")
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, script: Shared) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if find(&bytes[..count], BEHIND).is_some() {
            script.lock().unwrap().resumed += 1;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// What is to happen to these bytes, if they are an event with records.
fn next(script: &Shared, bytes: &[u8]) -> Option<(usize, Trouble)> {
    let at = find(bytes, EVENT)?;
    let trouble = script.lock().unwrap().troubles.pop_front().flatten()?;
    Some((at + EVENT.len(), trouble))
}

async fn answer_h1(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    script: &Shared,
) -> io::Result<()> {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        let Some((middle, trouble)) = next(script, &bytes[..count]) else {
            to.write_all(&bytes[..count]).await?;
            continue;
        };
        match trouble {
            Trouble::Cut => return to.write_all(&bytes[..middle]).await,
            Trouble::Short => {
                // An event is a chunk of its own: its length, a line's end, and the frame.
                let begin = find(&bytes[..count], b"\r\n").unwrap() + 2;
                let half = &bytes[begin..middle];
                to.write_all(format!("{:x}\r\n", half.len()).as_bytes()).await?;
                to.write_all(half).await?;
                return to.write_all(b"\r\n0\r\n\r\n").await;
            }
            Trouble::Spoilt => {
                bytes[middle] ^= 1;
                to.write_all(&bytes[..count]).await?;
            }
            Trouble::Reset | Trouble::GoAway => panic!("{trouble:?} is of HTTP/2"),
        }
    }
}

async fn answer_h2(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    script: &Shared,
) -> io::Result<()> {
    let mut was_reset = BTreeSet::new();
    loop {
        let mut head = [0; 9];
        from.read_exact(&mut head).await?;
        let [a, b, c, kind, _, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        from.read_exact(&mut payload).await?;
        if was_reset.contains(&stream) {
            continue;
        }
        let found = if kind == DATA { next(script, &payload) } else { None };
        let Some((middle, trouble)) = found else {
            to.write_all(&[&head[..], &payload].concat()).await?;
            continue;
        };
        match trouble {
            Trouble::Cut => {
                return to.write_all(&[&head[..], &payload[..middle]].concat()).await;
            }
            Trouble::Spoilt => {
                payload[middle] ^= 1;
                to.write_all(&[&head[..], &payload].concat()).await?;
            }
            Trouble::Reset => {
                // Half of the event has come.
                let length = u32::try_from(middle).unwrap().to_be_bytes();
                let half = [&length[1..], &[DATA, 0], &stream, &payload[..middle]].concat();
                to.write_all(&half).await?;
                let reset = [&[0, 0, 4, RST_STREAM, 0], &stream[..], &INTERNAL_ERROR].concat();
                to.write_all(&reset).await?;
                was_reset.insert(stream);
            }
            Trouble::GoAway => {
                let no_stream = [0; 4];
                let goes =
                    [&[0, 0, 8, GOAWAY, 0], &no_stream[..], &no_stream, &INTERNAL_ERROR].concat();
                return to.write_all(&goes).await;
            }
            Trouble::Short => panic!("{trouble:?} is of HTTP/1.1"),
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
