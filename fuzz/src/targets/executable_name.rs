//! `executableName`: the program and its arguments, split at blanks and at nothing else, without
//! white space at the end.

use shardwise_core::id::WorkerId;
use shardwise_core::properties::settings::DaemonSettings;

use super::Target;
use super::properties::{NOW, escaped};

pub(super) const TARGET: Target = Target {
    name: "executable_name",
    words: &["node app.js", "  ", "\t", "\"a b\"", "$(x)", "\u{a0}", "\\", "-e", "'"],
    bytes_max: 512,
    check,
};

fn check(input: &[u8]) {
    let command = String::from_utf8_lossy(input);
    let file = format!(
        "executableName={}\napplicationName=app\nstreamName=s\nAwsCredentialsProvider=\
         DefaultCredentialsProvider\n",
        escaped(&command)
    );
    let generated = WorkerId::new("w").expect("it is not empty");
    let parts = match DaemonSettings::from_bytes(file.as_bytes(), &generated, NOW) {
        Ok(settings) => settings.executable,
        Err(error) => {
            assert!(error.to_string().contains("executableName"), "{error}");
            Vec::new()
        }
    };
    assert_eq!(parts, split(command.trim_end()));
}

/// Letter by letter.
fn split(command: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    for c in command.chars().chain([' ']) {
        if c != ' ' {
            part.push(c);
        } else if !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
    }
    parts
}
