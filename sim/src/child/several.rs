//! A child that serves several shards, as the npm package's does: a script for each, behind one
//! stdin and one stdout, whose lines say which shard they are about.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use shardwise::ShardId;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::hearing::Turn;
use super::script::Stdout;
use super::{PIPE_BYTES, live, words};
use crate::tenure::Tenure;

/// One process, and its shards.
pub(super) struct Several {
    /// Of the shard that it was started for, until that one is told of.
    first: Option<Tenure>,
    /// Whose process it is, and of which worker.
    origin: Tenure,
    members: BTreeMap<ShardId, Member>,
    lives: JoinSet<Left>,
    pipes: Pipes,
}

/// What one shard has of the process.
struct Member {
    stdin: DuplexStream,
    turn: Arc<Mutex<Turn>>,
    life: AbortHandle,
}

/// How a script has left.
enum Left {
    /// Its shard is done with, and it said so.
    InOrder(ShardId),
    /// It takes the process with it.
    Exits,
}

/// Where lines go that wait to be written.
#[derive(Clone)]
struct Pipes {
    stdout: mpsc::UnboundedSender<Vec<u8>>,
    stderr: mpsc::UnboundedSender<Vec<u8>>,
}

/// Lives until stdin ends, or one of its scripts does.
pub(super) async fn serve(first: Tenure, stdin: DuplexStream, [stdout, stderr]: [DuplexStream; 2]) {
    let (to_stdout, lines) = mpsc::unbounded_channel();
    let (to_stderr, prints) = mpsc::unbounded_channel();
    let several = Several {
        origin: first.clone(),
        first: Some(first),
        members: BTreeMap::new(),
        lives: JoinSet::new(),
        pipes: Pipes { stdout: to_stdout, stderr: to_stderr },
    };
    // What was said before an exit is heard.
    tokio::join!(biased; several.live(stdin), write(stdout, lines), write(stderr, prints));
}

async fn write(mut pipe: DuplexStream, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if pipe.write_all(&line).await.is_err() {
            return;
        }
    }
}

impl Several {
    async fn live(mut self, stdin: DuplexStream) {
        let mut stdin = BufReader::new(stdin);
        let mut line = Vec::new();
        loop {
            let read = tokio::select! {
                biased;
                Some(left) = self.lives.join_next() => match left {
                    Ok(Left::InOrder(shard)) => {
                        self.members.remove(&shard);
                        continue;
                    }
                    Ok(Left::Exits) => return,
                    // Another one has its place.
                    Err(_) => continue,
                },
                read = stdin.read_until(b'\n', &mut line) => read,
            };
            // Of the last line a daemon that is killed may leave a part.
            if read.is_err() || line.last() != Some(&b'\n') || self.origin.node.is_dead() {
                break;
            }
            if let Err(why) = self.hear(&line).await {
                let line = String::from_utf8_lossy(&line);
                self.origin.mistold(&format!("{why}: {}", line.escape_debug()));
            }
            line.clear();
        }
        // Without their stdin they end, each when it is done with what it does.
        self.members.clear();
        while self.lives.join_next().await.is_some() {}
    }

    /// Passes a line on to the shard that it is about.
    async fn hear(&mut self, line: &[u8]) -> Result<(), String> {
        let message: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let shard = match message["shardId"].as_str() {
            Some(shard) => ShardId::new(shard).map_err(|error| error.to_string())?,
            // It has not said yet that it serves several.
            None if self.members.keys().eq([&self.origin.shard]) => self.origin.shard.clone(),
            None => return Err("a message of no shard".to_owned()),
        };
        if message["action"] == "initialize" {
            self.begin(shard.clone())?;
        }
        let member = self.members.get_mut(&shard).ok_or("a shard that was not told of")?;
        // One that is over hears nothing any more.
        let _ = member.stdin.write_all(line).await;
        Ok(())
    }

    /// Begins with a shard, anew if it was here before.
    fn begin(&mut self, shard: ShardId) -> Result<(), String> {
        if let Some(before) = self.members.remove(&shard) {
            before.life.abort();
            if Turn::is_out(&before.turn) {
                return Err("a shard begins anew before its last action was answered".to_owned());
            }
        }
        let tenure = match self.first.take() {
            Some(first) if first.shard == shard => first,
            other => {
                self.first = other;
                if shard != self.origin.shard {
                    self.origin.mark("child: serves another shard as well");
                }
                Tenure::new(&self.origin.world, &self.origin.node, &shard)
            }
        };
        let (stdin, childs_stdin) = duplex(PIPE_BYTES);
        let turn = Arc::default();
        let script = script(tenure, Arc::clone(&turn), childs_stdin, self.pipes.clone());
        let life = self.lives.spawn(script);
        self.members.insert(shard, Member { stdin, turn, life });
        Ok(())
    }
}

/// Runs the script of one shard, and passes on what it writes, line by line.
async fn script(tenure: Tenure, turn: Arc<Mutex<Turn>>, stdin: DuplexStream, pipes: Pipes) -> Left {
    let shard = tenure.shard.clone();
    let [(stdout, childs_stdout), (mut stderr, childs_stderr)] =
        [(); 2].map(|()| duplex(PIPE_BYTES));
    let outputs = [childs_stdout, childs_stderr];
    let life = live(tenure, turn, stdin, outputs, Stdout::OfSeveral);
    let said = async {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line).await.is_ok_and(|bytes| bytes > 0) {
            let is_last = words::ends_a_shard(&line);
            // A process that is over writes nothing any more.
            let _ = pipes.stdout.send(words::of_shard(&line, &shard));
            if is_last {
                return Left::InOrder(shard.clone());
            }
            line.clear();
        }
        Left::Exits
    };
    let printed = async {
        let mut print = [0; 1 << 10];
        while let Ok(bytes @ 1..) = stderr.read(&mut print).await {
            let _ = pipes.stderr.send(print[..bytes].to_vec());
        }
        pending().await
    };
    tokio::pin!(life, said);
    tokio::select! {
        biased;
        left = &mut said => left,
        left = printed => left,
        () = &mut life => said.await,
    }
}
