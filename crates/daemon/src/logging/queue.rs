//! The log's way out: by a thread of its own, so that nobody waits for whoever does not read it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

/// How many lines wait to be written; what comes beyond that is lost, and counted.
const LINES_MAX: usize = 4_096;
/// How long the last lines may take.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How long to wait before another look whether there is room for the end.
const LOOK: Duration = Duration::from_millis(10);

/// Takes lines, each in one piece, and never blocks.
#[derive(Clone)]
pub(crate) struct Queue {
    parts: SyncSender<Part>,
    lost: Arc<AtomicU64>,
}

enum Part {
    Line(Vec<u8>),
    /// Whoever waits for what is before it hears by the loss of this.
    End {
        _told: SyncSender<()>,
    },
}

impl Queue {
    pub(crate) fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (parts, taken) = sync_channel(LINES_MAX);
        let lost = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&lost);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(out, &taken, &counted))?;
        Ok(Self { parts, lost })
    }

    /// Waits until what was taken is written, for a moment at most.
    pub(crate) fn finish(&self) {
        let until = Instant::now() + LAST_LINES;
        let (told, written) = sync_channel(0);
        let mut end = Part::End { _told: told };
        while let Err(TrySendError::Full(again)) = self.parts.try_send(end) {
            if Instant::now() >= until {
                return;
            }
            thread::sleep(LOOK);
            end = again;
        }
        // Nothing is ever sent: it ends with the loss of the other side, or with the time.
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.parts.try_send(Part::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut out: impl Write, taken: &Receiver<Part>, lost: &AtomicU64) {
    loop {
        let part = match taken.try_recv() {
            Ok(part) => part,
            Err(TryRecvError::Empty) => {
                // In the log behind the lines that came before those, as there is room again.
                let lines = lost.swap(0, Ordering::Relaxed);
                if lines > 0 {
                    warn!(lines, "lines of the log are lost: nobody took them in time");
                }
                match taken.recv() {
                    Ok(part) => part,
                    Err(_) => return,
                }
            }
            Err(TryRecvError::Disconnected) => return,
        };
        if let Part::Line(line) = part {
            // What cannot be written is lost: a full disk stops no processing of records.
            drop(out.write_all(&line).and_then(|()| out.flush()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// Takes nothing until it is opened.
    #[derive(Clone, Default)]
    struct Gate(Arc<(Mutex<Taken>, Condvar)>);

    #[derive(Default)]
    struct Taken {
        is_open: bool,
        bytes: Vec<u8>,
    }

    impl Gate {
        fn open(&self) {
            self.0.0.lock().unwrap().is_open = true;
            self.0.1.notify_all();
        }

        fn taken(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().bytes.clone()).unwrap()
        }
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (gate, opened) = &*self.0;
            let mut gate = opened.wait_while(gate.lock().unwrap(), |gate| !gate.is_open).unwrap();
            gate.bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_takes_holds_up_nobody_and_is_counted() {
        let gate = Gate::default();
        let mut queue = Queue::to(gate.clone()).unwrap();
        for number in 0..2 * LINES_MAX {
            queue.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        let begun = Instant::now();
        queue.finish();
        assert!(begun.elapsed() >= LAST_LINES, "the end waits for a moment");
        let lost = queue.lost.load(Ordering::Relaxed);
        assert!(lost >= LINES_MAX as u64 - 1, "{lost}");
        gate.open();
        queue.finish();
        let kept = gate.taken().lines().count();
        assert_eq!(kept as u64 + lost, 2 * LINES_MAX as u64);
    }

    #[test]
    fn what_was_taken_is_written_before_the_end() {
        let gate = Gate::default();
        gate.open();
        let mut queue = Queue::to(gate.clone()).unwrap();
        for number in 0..100 {
            queue.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        queue.finish();
        assert_eq!(gate.taken().lines().count(), 100);
    }
}
