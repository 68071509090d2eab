//! What is fuzzed: pure functions that read bytes from outside.

mod aggregate;
mod answer;
mod checkpoint;
mod child_message;
mod executable_name;
mod frames;
mod kinesis_cbor;
mod kinesis_request;
mod lease_row;
mod line_reader;
mod properties;

/// Something that takes any bytes, and panics if what came of them is wrong.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Pieces that valid inputs are made of.
    pub(crate) words: &'static [&'static str],
    /// How long inputs get.
    pub(crate) bytes_max: usize,
    pub(crate) check: fn(&[u8]),
}

pub(crate) static TARGETS: [Target; 11] = [
    aggregate::TARGET,
    answer::TARGET,
    checkpoint::TARGET,
    child_message::TARGET,
    executable_name::TARGET,
    frames::TARGET,
    kinesis_cbor::TARGET,
    kinesis_request::TARGET,
    lease_row::TARGET,
    line_reader::TARGET,
    properties::TARGET,
];

impl Target {
    pub(crate) fn named(name: &str) -> Result<&'static Self, String> {
        TARGETS.iter().find(|target| target.name == name).ok_or_else(|| {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            format!("no target is called `{name}`: {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::try_one;
    use crate::one::{corpus, read_all};

    #[test]
    fn every_committed_input_passes() {
        for target in &TARGETS {
            let inputs = read_all(&corpus(target)).unwrap();
            assert!(!inputs.is_empty(), "{} has no input to begin with", target.name);
            for input in inputs {
                let outcome = try_one(target, &input);
                assert_eq!(outcome, Ok(()), "{}: {}", target.name, input.escape_ascii());
            }
        }
    }
}
