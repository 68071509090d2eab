//! What a child writes that is not the protocol: logged with its shard, at a bounded rate.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shardwise::ShardId;
use shardwise_core::multilang::{self, Line, LogLevel, LogLine};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::field::{DisplayValue, display};
use tracing::{debug, error, info, trace, warn};

use crate::agreement::{Agreed, Agreement};
use crate::lines::{self, Lines};

/// The longest line that a child may write to stdout; a message has less than a thousandth of it.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 20;
/// How much of a line is logged.
const LOGGED_BYTES_MAX: usize = 8 << 10;
/// How many lines of one pipe are logged in a second, unless the settings say otherwise.
pub(crate) const LOGGED_PER_SECOND: u32 = 100;
/// How much of stderr is kept for a report.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: usize = 8 << 10;

/// The last lines of a child's stderr.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Tail {
    fn push(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line.to_owned());
        let mut bytes: usize = lines.iter().map(String::len).sum();
        while lines.len() > TAIL_LINES || bytes > TAIL_BYTES {
            let Some(first) = lines.pop_front() else { return };
            bytes -= first.len();
        }
    }

    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Whose output it is, as the log names it: a shard's, or a process's that serves several.
pub(crate) struct Whose {
    shard: ShardId,
    offered: Option<(u32, Agreement)>,
    logged_per_second: u32,
}

impl Whose {
    /// That of a child of one shard.
    pub(crate) fn alone(shard: &ShardId) -> Self {
        Self { shard: shard.clone(), offered: None, logged_per_second: LOGGED_PER_SECOND }
    }

    /// That of a child which was started for this shard, and may serve others too. One that is no
    /// process bears the shard's name all its life.
    pub(crate) fn several(first: &ShardId, pid: Option<u32>, agreed: Agreement) -> Self {
        Self { offered: pid.map(|pid| (pid, agreed)), ..Self::alone(first) }
    }

    /// The same with so many lines of a pipe logged in a second.
    pub(crate) fn logging(self, lines_per_second: u32) -> Self {
        Self { logged_per_second: lines_per_second, ..self }
    }

    pub(crate) fn names(&self) -> (Option<DisplayValue<&ShardId>>, Option<u32>) {
        let shard = Some(display(&self.shard));
        match &self.offered {
            None => (shard, None),
            Some((pid, agreed)) => match agreed.now() {
                Agreed::Pending | Agreed::No => (shard, Some(*pid)),
                Agreed::Yes | Agreed::Gone => (None, Some(*pid)),
            },
        }
    }
}

/// Reads stderr until it ends.
pub(crate) async fn read_stderr(pipe: impl AsyncRead + Unpin, whose: Whose, tail: Tail) {
    let mut lines = Lines::new(pipe, LOGGED_BYTES_MAX, || 0);
    let mut rate = Rate::new();
    let mut endless = Endless::new(&whose, "stderr");
    while let Some(line) = lines.next(|length| endless.grows(length)).await {
        if line.length == 0 {
            continue;
        }
        if let Some(said) = LogLine::read(line.kept) {
            tail.push(&said.message);
            if rate.allows(&whose, "stderr") {
                log(&whose, &said);
            }
            continue;
        }
        let text = String::from_utf8_lossy(line.kept);
        tail.push(&text);
        if rate.allows(&whose, "stderr") {
            let cut = (!line.is_whole()).then_some(line.length);
            // A field, not the message: control characters are escaped there.
            let (shard, pid) = whose.names();
            info!(shard, pid, stderr = &*text, bytes = cut, "child");
        }
    }
    rate.report(&whose, "stderr");
}

/// Logs what a child wants to be logged, at the level that it names.
fn log(whose: &Whose, said: &LogLine) {
    let (shard, pid) = whose.names();
    // Fields, not the message: control characters are escaped there.
    let text = &*said.message;
    let fields = Some(&*said.fields).filter(|fields| !fields.is_empty());
    match said.level {
        LogLevel::Error => error!(shard, pid, log = text, fields, "child"),
        LogLevel::Warn => warn!(shard, pid, log = text, fields, "child"),
        LogLevel::Info => info!(shard, pid, log = text, fields, "child"),
        LogLevel::Debug => debug!(shard, pid, log = text, fields, "child"),
        LogLevel::Trace => trace!(shard, pid, log = text, fields, "child"),
    }
}

/// A message from a child.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) line: Line,
    /// How many actions had begun when it came out of the pipe: all of it if it is a status, its
    /// beginning if it is a checkpoint.
    pub(crate) begun: u64,
}

/// Reads stdout until it ends, and hands on what counts, with the number of actions `begun`.
///
/// It never waits for anybody while the child writes what does not count, so that a child that
/// prints a lot cannot block. Nor does it end before the child does: a child that writes to a pipe
/// which nobody reads any more is killed by that.
pub(crate) async fn read_stdout(
    pipe: impl AsyncRead + Unpin,
    whose: Whose,
    begun: Arc<AtomicU64>,
    messages: mpsc::Sender<Heard>,
) {
    let mut lines = Lines::new(pipe, LINE_BYTES_MAX, || begun.load(Ordering::Acquire));
    let mut passed_over = PassedOver::new();
    let mut endless = Endless::new(&whose, "stdout");
    while let Some(line) = lines.next(|length| endless.grows(length)).await {
        if !line.is_whole() {
            endless.ended();
            continue;
        }
        match multilang::decode(line.kept) {
            Line::Blank => {}
            said @ (Line::Stray(_) | Line::NoMessage(_)) => {
                passed_over.log(&whose, &line, &said);
            }
            message @ (Line::Status { .. } | Line::Checkpoint(_)) => {
                // A checkpoint is about what the child knew when it began to ask for it.
                let is_status = matches!(message, Line::Status { .. });
                let begun = if is_status { line.ended } else { line.began };
                let heard = messages.send(Heard { line: message, begun }).await;
                if heard.is_err() && passed_over.messages.allows(&whose, "stdout") {
                    let ((shard, _), text) = (whose.names(), logged(&line));
                    let bytes = line.length;
                    info!(shard, stdout = &*text, bytes, "child writes after its last message");
                }
            }
        }
    }
    passed_over.report(&whose);
    endless.report();
}

/// Lines of stdout that do not count.
pub(crate) struct PassedOver {
    prints: Rate,
    /// What was meant to count: it may be the answer that is waited for, however much is printed.
    pub(crate) messages: Rate,
}

impl PassedOver {
    pub(crate) fn new() -> Self {
        Self { prints: Rate::new(), messages: Rate::new() }
    }

    /// Logs one, and why it does not count.
    pub(crate) fn log(&mut self, whose: &Whose, line: &lines::Line<'_>, said: &Line) {
        let (shard, pid) = whose.names();
        let (text, bytes) = (logged(line), line.length);
        match said {
            Line::Stray(why) if self.prints.allows(whose, "stdout") => {
                info!(shard, pid, stdout = &*text, bytes, %why, "child");
            }
            Line::NoMessage(why) if self.messages.allows(whose, "stdout") => {
                warn!(shard, pid, stdout = &*text, bytes, %why, "child's message passed over");
            }
            Line::Stray(_) | Line::NoMessage(_) => {}
            Line::Blank | Line::Status { .. } | Line::Checkpoint(_) => {}
        }
    }

    pub(crate) fn report(&self, whose: &Whose) {
        self.prints.report(whose, "stdout");
        self.messages.report(whose, "stdout");
    }
}

/// Tells once of a line that goes on and on: it may never end, and its child never be heard again.
/// Counts those that did end.
pub(crate) struct Endless<'a> {
    whose: &'a Whose,
    pipe: &'static str,
    is_told: bool,
    ended: u64,
}

impl<'a> Endless<'a> {
    pub(crate) fn new(whose: &'a Whose, pipe: &'static str) -> Self {
        Self { whose, pipe, is_told: false, ended: 0 }
    }

    pub(crate) fn grows(&mut self, bytes: usize) {
        if bytes > LINE_BYTES_MAX && !self.is_told {
            self.is_told = true;
            let ((shard, pid), pipe) = (self.whose.names(), self.pipe);
            warn!(
                shard,
                pid,
                pipe,
                bytes,
                "child writes a line that is too long: its rest is passed \
                  over"
            );
        }
    }

    /// One of them has ended.
    pub(crate) fn ended(&mut self) {
        self.ended += 1;
    }

    /// Tells how many there were, unless there was only the one that was told of.
    pub(crate) fn report(&self) {
        if self.ended > 1 {
            let ((shard, pid), lines) = (self.whose.names(), self.ended);
            warn!(shard, pid, lines, "lines of the child's stdout passed over: too long");
        }
    }
}

fn logged<'a>(line: &lines::Line<'a>) -> Cow<'a, str> {
    String::from_utf8_lossy(&line.kept[..line.kept.len().min(LOGGED_BYTES_MAX)])
}

/// Lets so many lines through in a second, and counts the others.
pub(crate) struct Rate {
    second_began: Instant,
    logged: u32,
    left_out: u64,
}

impl Rate {
    pub(crate) fn new() -> Self {
        Self { second_began: Instant::now(), logged: 0, left_out: 0 }
    }

    pub(crate) fn allows(&mut self, whose: &Whose, pipe: &'static str) -> bool {
        if self.second_began.elapsed() >= Duration::from_secs(1) {
            self.report(whose, pipe);
            *self = Self::new();
        }
        let allowed = self.logged < whose.logged_per_second;
        if allowed {
            self.logged += 1;
        } else {
            self.left_out += 1;
        }
        allowed
    }

    pub(crate) fn report(&self, whose: &Whose, pipe: &'static str) {
        if self.left_out > 0 {
            let (shard, pid) = whose.names();
            warn!(shard, pid, pipe, lines = self.left_out, "child writes too much: lines left out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard() -> ShardId {
        ShardId::new("shardId-0").unwrap()
    }

    #[test]
    fn the_tail_is_the_last_lines_within_its_size() {
        let tail = Tail::default();
        for number in 0..100 {
            tail.push(&format!("line {number}"));
        }
        let text = tail.text();
        assert!(text.starts_with("line 80\n") && text.ends_with("line 99"), "{text}");
        tail.push(&"x".repeat(TAIL_BYTES));
        assert_eq!(tail.text().len(), TAIL_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_lines_a_second_are_logged() {
        let (mut rate, whose) = (Rate::new(), Whose::alone(&shard()));
        for second in 0..3 {
            let allowed = (0..1_000).filter(|_| rate.allows(&whose, "stderr")).count();
            assert_eq!(allowed, 100, "second {second}");
            assert_eq!(rate.left_out, 900);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_printed_leaves_no_room_for_no_message() {
        let (mut passed_over, whose) = (PassedOver::new(), Whose::alone(&shard()));
        let line = lines::Line { kept: b"x", length: 1, began: 0, ended: 0 };
        for _ in 0..1_000 {
            passed_over.log(&whose, &line, &multilang::decode(b"printed"));
        }
        let glued = br#"printed{"action":"status","responseFor":"processRecords"}"#;
        passed_over.log(&whose, &line, &multilang::decode(glued));
        assert_eq!((passed_over.prints.logged, passed_over.prints.left_out), (100, 900));
        assert_eq!((passed_over.messages.logged, passed_over.messages.left_out), (1, 0));
    }

    #[test]
    fn as_many_lines_are_logged_as_the_settings_say() {
        for most in [0, 7, u32::MAX] {
            let whose = Whose::alone(&shard()).logging(most);
            let mut rate = Rate { second_began: Instant::now(), logged: 0, left_out: 0 };
            let allowed = (0..1_000).filter(|_| rate.allows(&whose, "stderr")).count();
            assert_eq!(allowed, 1_000.min(most as usize));
        }
    }

    #[tokio::test]
    async fn junk_never_waits_for_whoever_takes_the_messages() {
        let mut text = "junk\n".repeat(100_000);
        text.push_str(&"x".repeat(2 * LINE_BYTES_MAX));
        text.push_str("\n{\"action\":\"status\",\"responseFor\":\"initialize\"}\nnull\n");
        let (messages, mut received) = mpsc::channel(1);
        let reading = tokio::spawn(async move {
            let whose = Whose::alone(&shard());
            read_stdout(text.as_bytes(), whose, Arc::default(), messages).await;
        });
        // Nothing is taken before everything is read.
        reading.await.unwrap();
        let line = Line::Status { response_for: Some("initialize".to_owned()) };
        assert_eq!(received.recv().await, Some(Heard { line, begun: 0 }));
        assert_eq!(received.recv().await, None);
    }

    #[tokio::test]
    async fn a_pipe_is_read_to_its_end_though_nobody_takes_the_messages_any_more() {
        let (messages, received) = mpsc::channel(1);
        drop(received);
        let text = "{\"action\":\"status\",\"responseFor\":\"leaseLost\"}\n".repeat(1_000);
        let (stdout, mut child) = tokio::io::duplex(64);
        let reading =
            tokio::spawn(read_stdout(stdout, Whose::alone(&shard()), Arc::default(), messages));
        tokio::io::AsyncWriteExt::write_all(&mut child, text.as_bytes()).await.unwrap();
        drop(child);
        reading.await.unwrap();
    }
}
