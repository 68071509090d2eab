//! The daemon's log: structured fields, to stderr unless the settings say otherwise.

use std::io::IsTerminal;
use std::path::Path;

use shardwise_core::properties::settings::{LogFormat, LogSettings, LogTo};
use tracing::{Level, Metadata, warn};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

/// What the names of our own crates begin with.
const OURS: &str = "shardwise";
/// How much is logged of the crates below, whatever is asked for: what an HTTP client or the SDK
/// logs beyond that has signed requests in it.
const BELOW: Level = Level::WARN;

use crate::exit::Error;

/// Starts the log. The environment's filter wins over the file's, which is at `level_place`, and
/// that over Logback's level.
pub(crate) fn start(
    log: &LogSettings,
    level_place: &str,
    logback: Option<&Path>,
) -> Result<(), Error> {
    let logback = logback.map(read_logback).transpose()?.flatten();
    let from_environment = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let (name, text) = match (&from_environment, &log.level) {
        (Some(text), _) => ("environment variable `RUST_LOG`", text.as_str()),
        (None, Some(text)) => (level_place, text.as_str()),
        (None, None) => ("level", logback.as_deref().unwrap_or("info")),
    };
    let filter = EnvFilter::try_new(directives(text))
        .map_err(|error| Error::configuration(format!("{name} is `{text}`: {error}")))?;
    let filter = filter.and(filter_fn(may_be_logged));
    let (writer, ansi) = match log.to {
        LogTo::Stderr => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
        LogTo::Stdout => (BoxMakeWriter::new(std::io::stdout), std::io::stdout().is_terminal()),
    };
    let layer = fmt::layer::<Registry>().with_writer(writer).with_target(false);
    // A line that cannot be written is lost. To say so on stderr, as is the default, panics where
    // it is stderr that cannot be written: a full disk would stop the processing of records.
    let layer = layer.log_internal_errors(false);
    let layer = match log.format {
        LogFormat::Text => layer.with_ansi(ansi).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    started.map_err(|error| Error::internal(format!("no log: {error}")))?;
    if asks_for_more_below(text) {
        warn!(
            filter = text,
            "of crates that are not our own no more than warnings is logged: their debug output \
             has signed requests in it"
        );
    }
    Ok(())
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

fn read_logback(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(root_level(&text)),
        Err(error) => {
            let path = path.display();
            Err(Error::configuration(format!("--log-configuration: {path}: {error}")))
        }
    }
}

/// The level of the root logger, in our words.
fn root_level(logback: &str) -> Option<String> {
    let logback = without_comments(logback);
    let (_, root) = logback.split_once("<root")?;
    let (root, _) = root.split_once('>')?;
    let (_, value) = root.split_once("level")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (level, _) = value[1..].split_once(quote)?;
    let level = level.trim().to_ascii_lowercase();
    match level.as_str() {
        "all" => Some("trace".to_owned()),
        "trace" | "debug" | "info" | "warn" | "error" | "off" => Some(level),
        _ => None,
    }
}

fn without_comments(mut xml: &str) -> String {
    let mut left = String::new();
    while let Some((before, comment)) = xml.split_once("<!--") {
        left.push_str(before);
        xml = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    left + xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_level_of_a_logback_file_is_found() {
        let file = r#"<configuration><logger name="a" level="ERROR"/>
            <root level = "DEBUG"><appender-ref ref="x"/></root></configuration>"#;
        assert_eq!(root_level(file).as_deref(), Some("debug"));
        assert_eq!(root_level("<root level='ALL'/>").as_deref(), Some("trace"));
        assert_eq!(root_level("<root level='${LEVEL}'/>"), None);
        assert_eq!(root_level("<root/>"), None);
        assert_eq!(root_level("nothing"), None);
    }

    #[test]
    fn a_root_level_in_a_comment_does_not_count() {
        let root = "<root level='WARN'/>";
        let file = format!("<!-- <root level='TRACE'/> -->{root}<!--<root level='DEBUG'/>-->");
        assert_eq!(root_level(&file).as_deref(), Some("warn"));
        assert_eq!(root_level(&format!("<!-- {root}")), None);
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
