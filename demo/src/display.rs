//! What happens, while it happens: bars on a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use crate::stream::Shard;
use crate::table::Lease;

const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Numbers to show.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Records acknowledged.
    pub put: usize,
    /// Different records handed.
    pub distinct: usize,
    /// Hand-overs, repeated ones included.
    pub handed: usize,
    /// Shards, and who has them.
    pub leases: String,
}

/// Shows progress on stderr.
#[derive(Debug)]
pub enum Display {
    /// A terminal.
    Bars {
        /// All of it.
        all: MultiProgress,
        /// Records put.
        put: ProgressBar,
        /// Records handed.
        handed: ProgressBar,
        /// Shards, owners, lag.
        status: ProgressBar,
    },
    /// A file or a pipe.
    Lines {
        /// When the demo began.
        start: Instant,
        /// When the last line was written.
        last: Option<Instant>,
    },
}

impl Display {
    /// A display of lines, for progress that has no bars.
    #[must_use]
    pub fn lines() -> Self {
        Self::Lines { start: Instant::now(), last: None }
    }

    /// A display for this many records.
    #[must_use]
    pub fn new(records: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::lines();
        }
        let all = MultiProgress::new();
        let length = u64::try_from(records).expect("a length fits into 64 bits");
        let bar = |name: &'static str| {
            let style = "{prefix:>7} {wide_bar:.cyan/blue} {human_pos:>9} of {human_len} {rate:>9}";
            let style = ProgressStyle::with_template(style).expect("the template is valid");
            let style =
                style.with_key("rate", |state: &ProgressState, text: &mut dyn fmt::Write| {
                    // A bar that cannot be drawn stops nothing.
                    write!(text, "{:.0}/s", state.per_sec()).ok();
                });
            all.add(ProgressBar::new(length).with_style(style).with_prefix(name))
        };
        let (put, handed) = (bar("put"), bar("handed"));
        let style = ProgressStyle::with_template("{elapsed:>7} {msg}").expect("it is valid");
        let status = all.add(ProgressBar::new_spinner().with_style(style));
        Self::Bars { all, put, handed, status }
    }

    /// Something that happened once.
    pub fn event(&self, text: &str) {
        match self {
            // A terminal that is gone needs no message.
            Self::Bars { all, .. } => drop(all.println(format!("      * {text}"))),
            Self::Lines { start, .. } => line(*start, &format!("* {text}")),
        }
    }

    /// How far it is.
    pub fn show(&mut self, shown: &Shown) {
        let lag = shown.put.saturating_sub(shown.distinct);
        match self {
            Self::Bars { put, handed, status, .. } => {
                put.set_position(u64::try_from(shown.put).unwrap_or(u64::MAX));
                handed.set_position(u64::try_from(shown.distinct).unwrap_or(u64::MAX));
                let again = shown.handed - shown.distinct;
                status.set_message(format!("lag {lag}, again {again}; {}", shown.leases));
            }
            Self::Lines { .. } => {
                let Shown { put, distinct, leases, .. } = shown;
                self.tell(&format!("put {put}, handed {distinct}, lag {lag}; {leases}"));
            }
        }
    }

    /// How far it is, in words; on a terminal's bars, or as a line every few seconds.
    pub fn tell(&mut self, text: &str) {
        match self {
            Self::Bars { status, .. } => status.set_message(text.to_owned()),
            Self::Lines { start, last } => {
                if last.is_none_or(|last| last.elapsed() >= BETWEEN_LINES) {
                    *last = Some(Instant::now());
                    line(*start, text);
                }
            }
        }
    }

    /// Takes the bars away, so that a table can follow.
    pub fn finish(&self) {
        match self {
            Self::Bars { all, .. } => drop(all.clear()),
            Self::Lines { .. } => {}
        }
    }
}

/// Shards and owners in a few words.
#[must_use]
pub fn leases_in_words(shards: &[Shard], leases: &[Lease]) -> String {
    let open = shards.iter().filter(|shard| shard.is_open).count();
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for lease in leases.iter().filter(|lease| lease.checkpoint != "SHARD_END") {
        let number = lease.shard.trim_start_matches("shardId-").trim_start_matches('0');
        let number = if number.is_empty() { "0" } else { number };
        owners.entry(lease.owner.as_deref().unwrap_or("nobody")).or_default().push(number);
    }
    let owners: Vec<String> =
        owners.iter().map(|(owner, shards)| format!("{owner}: {}", shards.join(" "))).collect();
    format!("shards {open} open, {} closed; {}", shards.len() - open, owners.join(", "))
}

fn line(start: Instant, text: &str) {
    let seconds = start.elapsed().as_secs_f32();
    // With stderr closed there is nobody left to tell.
    drop(writeln!(std::io::stderr(), "{seconds:>7.1} s  {text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_and_closed_shards_are_counted_and_finished_leases_left_out() {
        let shard = |id: &str, is_open| Shard {
            id: id.to_owned(),
            parents: Vec::new(),
            is_open,
            hash_keys: (0, 0),
        };
        let lease = |shard: &str, owner: Option<&str>, checkpoint: &str| Lease {
            shard: shard.to_owned(),
            owner: owner.map(str::to_owned),
            checkpoint: checkpoint.to_owned(),
        };
        let shards = [shard("shardId-000000000000", false), shard("shardId-000000000004", true)];
        let leases = [
            lease("shardId-000000000000", Some("a"), "SHARD_END"),
            lease("shardId-000000000004", Some("a"), "1"),
            lease("shardId-000000000010", None, "2"),
        ];
        let words = leases_in_words(&shards, &leases);
        assert_eq!(words, "shards 1 open, 1 closed; a: 4, nobody: 10");
    }
}
