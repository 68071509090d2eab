//! The log channel: lines of a child's stderr that say how they want to be logged.
//!
//! It is offered by a variable of the environment, and taken by writing such lines; a child that
//! does not know the variable writes none.

use super::json::{self, Scalar};

/// The variable by which children are offered the channel.
pub const LOG_VARIABLE: &str = "SHARDWISE_LOG";
/// What the variable says.
pub const LOG_OFFER: &str = "stderr";
/// What a line of the channel begins with; the rest is one flat JSON object.
const PREFIX: &[u8] = b"@shardwise {";

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something may need somebody.
    Warn,
    /// Worth knowing.
    Info,
    /// For whoever looks closely.
    Debug,
    /// For whoever looks at everything.
    Trace,
}

/// A line of the log channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
    /// What else it has, as `name=value`.
    pub fields: String,
}

impl LogLine {
    /// Reads a line of a child's stderr; nothing if it is none of the channel.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        if !line.starts_with(PREFIX) {
            return None;
        }
        let object = String::from_utf8_lossy(&line[PREFIX.len() - 1..]);
        let (mut level, mut message, mut fields) = (LogLevel::Info, None, Vec::new());
        let mut read = Vec::new();
        json::read_flat_object(&object, &mut read).ok()?;
        for (name, value) in read {
            match (&*name, value) {
                ("level", Scalar::Text(text)) => level = level_of(&text)?,
                ("message", Scalar::Text(text)) => message = Some(text),
                (_, Scalar::Text(text)) => fields.push(format!("{name}={text:?}")),
                (_, Scalar::Number(text)) => fields.push(format!("{name}={text}")),
                (_, Scalar::Bool(yes)) => fields.push(format!("{name}={yes}")),
                (_, Scalar::Null) => fields.push(format!("{name}=null")),
            }
        }
        Some(Self { level, message: message?, fields: fields.join(" ") })
    }
}

fn level_of(text: &str) -> Option<LogLevel> {
    match text {
        "error" => Some(LogLevel::Error),
        "warn" => Some(LogLevel::Warn),
        "info" => Some(LogLevel::Info),
        "debug" => Some(LogLevel::Debug),
        "trace" => Some(LogLevel::Trace),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_channel_has_a_level_a_message_and_fields() {
        let line =
            br#"@shardwise {"level":"warn","message":"late","order":"4 2","after":1.5,"ok":true}"#;
        let expected = LogLine {
            level: LogLevel::Warn,
            message: "late".to_owned(),
            fields: "order=\"4 2\" after=1.5 ok=true".to_owned(),
        };
        assert_eq!(LogLine::read(line), Some(expected));
        let plain = LogLine::read(br#"@shardwise {"message":"m"}"#).unwrap();
        assert_eq!((plain.level, &*plain.fields), (LogLevel::Info, ""));
    }

    #[test]
    fn what_is_not_of_the_channel_is_an_ordinary_line() {
        for line in [
            "plain words",
            r#"{"level":"warn","message":"m"}"#,
            r#" @shardwise {"level":"warn","message":"m"}"#,
            r#"@shardwise {"level":"loud","message":"m"}"#,
            r#"@shardwise {"level":"warn"}"#,
            r#"@shardwise {"level":"warn","message":{"nested":1}}"#,
            r#"@shardwise {"level":"warn","message":"cut o"#,
            "@shardwise ",
            "",
        ] {
            assert_eq!(LogLine::read(line.as_bytes()), None, "{line}");
        }
    }
}
