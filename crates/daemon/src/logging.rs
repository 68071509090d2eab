//! The daemon's log: structured fields, to stderr unless the settings say otherwise.

mod logback;
mod queue;

use std::fmt::{self, Write as _};
use std::io::IsTerminal;
use std::path::Path;

use shardwise_core::properties::settings::{LogFormat, LogSettings, LogTo};
use tracing::field::Field;
use tracing::{Level, Metadata, warn};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{FormatFields, layer};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use self::logback::Logback;
pub(crate) use self::queue::Queue;
use crate::exit::Error;

/// What the names of our own crates begin with.
const OURS: &str = "shardwise";
/// How much is logged of the crates below, whatever is asked for: what an HTTP client or the SDK
/// logs beyond that has signed requests in it.
const BELOW: Level = Level::WARN;

/// Starts the log. The environment's filter wins over the file's, which is at `level_place`, and
/// that over Logback's level.
pub(crate) fn start(
    log: &LogSettings,
    level_place: &str,
    logback: Option<&Path>,
) -> Result<Log, Error> {
    let read = logback.map(read_logback).transpose()?;
    let logback_level = read.as_ref().and_then(|read| read.level.clone());
    let from_environment = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let (name, text) = match (&from_environment, &log.level) {
        (Some(text), _) => ("environment variable `RUST_LOG`", text.as_str()),
        (None, Some(text)) => (level_place, text.as_str()),
        (None, None) => ("level", logback_level.as_deref().unwrap_or("info")),
    };
    let filter = EnvFilter::try_new(directives(text))
        .map_err(|error| Error::configuration(format!("{name} is `{text}`: {error}")))?;
    let filter = filter.and(filter_fn(may_be_logged));
    let (queue, ansi) = match log.to {
        LogTo::Stderr => (Queue::to(std::io::stderr()), std::io::stderr().is_terminal()),
        LogTo::Stdout => (Queue::to(std::io::stdout()), std::io::stdout().is_terminal()),
    };
    let queue = queue.map_err(|error| Error::internal(format!("no log: {error}")))?;
    let writer = queue.clone();
    let layer = layer::<Registry>().with_writer(move || writer.clone()).with_target(false);
    // A line that cannot be written is lost. To say so on stderr, as is the default, panics where
    // it is stderr that cannot be written: a full disk would stop the processing of records.
    let layer = layer.log_internal_errors(false);
    let layer = match log.format {
        LogFormat::Text => layer.with_ansi(ansi).fmt_fields(fields_of_text()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    started.map_err(|error| Error::internal(format!("no log: {error}")))?;
    if let (Some(file), Some(in_vain)) = (logback, read.and_then(|read| read.in_vain)) {
        let file = file.display();
        warn!(%file, in_vain, "of a file for Logback only the root level has an effect");
    }
    if asks_for_more_below(text) {
        warn!(
            filter = text,
            "of crates that are not our own no more than warnings is logged: their debug output \
             has signed requests in it"
        );
    }
    Ok(Log(queue))
}

/// The log: it is written to its end before this is gone.
#[must_use]
pub(crate) struct Log(Queue);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.finish();
    }
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with(OURS) || *metadata.level() <= BELOW
}

/// Whether a filter names more of crates below than is logged of them.
fn asks_for_more_below(text: &str) -> bool {
    directives(text).split(',').map(str::trim).any(|directive| {
        let level = |text: &str| text.trim().parse::<LevelFilter>().ok();
        let (target, level) = match (directive.rsplit_once('='), level(directive)) {
            (Some((target, text)), _) => (target, level(text)),
            (None, Some(known)) => ("", Some(known)),
            (None, None) => (directive, Some(LevelFilter::TRACE)),
        };
        !target.starts_with(OURS) && level.is_some_and(|level| level > BELOW)
    })
}

/// A bare level is for our own code: what is below stays at warnings; and where the SDK finds no
/// region or credentials, that is our error to tell.
fn directives(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "off" => "off".to_owned(),
        level @ ("error" | "warn" | "info" | "debug" | "trace") => {
            let below = if level == "error" { "error" } else { "warn" };
            // What begins so is ours: the filter compares prefixes.
            format!("{below},aws_config=error,{OURS}={level}")
        }
        _ => text.to_owned(),
    }
}

fn read_logback(path: &Path) -> Result<Logback, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Logback::read(&text)),
        Err(error) => {
            let path = path.display();
            Err(Error::configuration(format!("--log-configuration: {path}: {error}")))
        }
    }
}

fn fields_of_text() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(write_field).delimited(" ")
}

/// Writes a field of a line of text. What comes from children, from the lease table and from the
/// services may hold a line of its own, or tell a terminal what to do: that is written escaped.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let mut escaped = Escaped(writer);
    match field.name() {
        "message" => write!(escaped, "{value:?}"),
        name => write!(escaped, "{name}={value:?}"),
    }
}

struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            // The others change what stands before or behind them.
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(self.0, "{}", c.escape_unicode())
            }
            c if c.is_control() => write!(self.0, "{}", c.escape_default()),
            c => self.0.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_others_wrote_begins_no_line_and_tells_a_terminal_nothing() {
        let (mut written, out) = std::io::pipe().unwrap();
        let layer = layer().with_ansi(false).fmt_fields(fields_of_text());
        let layer = layer.with_writer(move || out.try_clone().unwrap());
        let subscriber = tracing_subscriber::registry().with(layer);
        let said = "7\n2026-01-01T00:00:00Z ERROR forged\u{1b}[31m\u{202e}";
        tracing::subscriber::with_default(subscriber, || warn!(%said, text = said, "of {said}"));
        let mut text = String::new();
        written.read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_eq!(
            text.matches(r"7\n2026-01-01T00:00:00Z ERROR forged\u{1b}[31m\u{202e}").count(),
            3
        );
        assert!(
            !text.trim_end().contains(char::is_control) && !text.contains('\u{202e}'),
            "{text}"
        );
    }

    #[test]
    fn a_bare_level_keeps_what_is_below_at_warnings() {
        assert!(directives("TRACE").starts_with("warn,aws_config=error,shardwise=trace"));
        assert!(directives("error").starts_with("error,"));
        assert_eq!(directives("info,hyper=debug"), "info,hyper=debug");
        assert!(EnvFilter::try_new(directives("debug")).is_ok());
        assert!(EnvFilter::try_new(directives("loud=very")).is_err());
    }

    #[test]
    fn a_filter_that_asks_for_what_is_not_logged_is_told_from_others() {
        for filter in ["warn,shardwise=trace", "debug", "trace", "hyper=warn,shardwise_core=debug"]
        {
            assert!(!asks_for_more_below(filter), "{filter}");
        }
        for filter in ["info,shardwise=trace", "warn,hyper", "shardwise=info, aws_config = info"] {
            assert!(asks_for_more_below(filter), "{filter}");
        }
    }
}
