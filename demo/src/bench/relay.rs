//! A relay between a daemon and Kinesis, which notes when records leave Kinesis.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::clock::now_micros;
use crate::error::Error;

/// What stands before a record's partition key in an answer in JSON.
const BEFORE_KEY: &[u8] = br#""PartitionKey":""#;
const BUFFER: usize = 64 * 1024;

/// When the last record of each partition key, which must be a number, was passed on.
type Passed = Arc<Mutex<BTreeMap<u64, u64>>>;

/// Relays until it is dropped.
pub(super) struct Relay {
    /// What the daemon takes for Kinesis.
    pub(super) url: String,
    passed: Passed,
    listening: JoinHandle<()>,
}

impl Relay {
    /// Listens on a free port, for what is behind this URL.
    pub(super) async fn start(kinesis: &str) -> Result<Self, Error> {
        let here = |error| Error::file("a relay's socket")(error);
        let to = kinesis.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(here)?;
        let url = format!("http://{}", listener.local_addr().map_err(here)?);
        let passed = Passed::default();
        let listening = tokio::spawn(listen(listener, to, Arc::clone(&passed)));
        Ok(Self { url, passed, listening })
    }

    /// When the last record of this partition key was passed on, in microseconds of the clock of
    /// all journals.
    pub(super) fn passed(&self, key: u64) -> Option<u64> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, to: String, passed: Passed) {
    while let Ok((daemon, _)) = listener.accept().await {
        let Ok(kinesis) = TcpStream::connect(&to).await else { return };
        for stream in [&daemon, &kinesis] {
            stream.set_nodelay(true).ok();
        }
        let ((mut asks, answered), (answers, mut asked)) =
            (daemon.into_split(), kinesis.into_split());
        tokio::spawn(async move { tokio::io::copy(&mut asks, &mut asked).await });
        tokio::spawn(pass_on(answers, answered, Arc::clone(&passed)));
    }
}

async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    passed: Passed,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if let Some(key) = last_key(&buffer[..read]) {
            passed.lock().unwrap_or_else(PoisonError::into_inner).insert(key, now_micros());
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// The last partition key in a piece of an answer, unless the piece cuts it.
fn last_key(piece: &[u8]) -> Option<u64> {
    let at = piece.windows(BEFORE_KEY.len()).rposition(|window| window == BEFORE_KEY)?;
    let key = &piece[at + BEFORE_KEY.len()..];
    let end = key.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&key[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_key_of_a_piece_counts() {
        let of = |text: &str| last_key(text.as_bytes());
        assert_eq!(
            of(r#"..","PartitionKey":"7","SequenceNumber":"1"},{"PartitionKey":"8"}"#),
            Some(8)
        );
        assert_eq!(of(r#"..","PartitionKey":"7","#), Some(7));
        assert_eq!(of(r#"..","PartitionKey":"7"#), None);
        assert_eq!(of("no records"), None);
    }
}
