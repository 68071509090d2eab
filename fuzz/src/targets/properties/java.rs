//! `java.util.Properties.load`, one character after the other, as Java goes about it; and the line
//! on which each entry begins, which Java does not tell.
//!
//! It is held against what the real one read, OpenJDK 17's, of inputs that the fuzzer kept:
//! `fuzz/recorded`.

use shardwise_core::properties::Entry;

/// The entries, or the line of the first that Java refuses or that is no text.
pub(super) fn load(text: &str) -> Result<Vec<Entry>, usize> {
    let mut reader = LineReader { text: text.chars().collect(), at: 0, line: 1 };
    let mut entries = Vec::new();
    while let Some((characters, line)) = reader.read_line() {
        let (key, value) = split(&characters);
        let key = convert(key).ok_or(line)?;
        let value = convert(value).ok_or(line)?;
        entries.push(Entry { key, value, line });
    }
    Ok(entries)
}

fn is_space(c: char) -> bool {
    c == ' ' || c == '\t' || c == '\u{c}'
}

struct LineReader {
    text: Vec<char>,
    at: usize,
    /// The number of the line that `at` is in.
    line: usize,
}

impl LineReader {
    fn read(&mut self) -> Option<char> {
        let c = *self.text.get(self.at)?;
        self.at += 1;
        let is_first_of_two = c == '\r' && self.text.get(self.at) == Some(&'\n');
        if c == '\n' || c == '\r' && !is_first_of_two {
            self.line += 1;
        }
        Some(c)
    }

    /// A logical line with its escapes, without what joins it.
    fn read_line(&mut self) -> Option<(Vec<char>, usize)> {
        let mut line = Vec::new();
        let mut first = self.line;
        let mut skips_space = true;
        let mut is_joined = false;
        let mut is_escaped = false;
        loop {
            let here = self.line;
            let Some(c) = self.read() else {
                if line.is_empty() {
                    return None;
                }
                if is_escaped {
                    line.pop();
                }
                return Some((line, first));
            };
            if skips_space {
                if is_space(c) || !is_joined && (c == '\n' || c == '\r') {
                    continue;
                }
                skips_space = false;
                is_joined = false;
            }
            if line.is_empty() && (c == '#' || c == '!') {
                while self.read().is_some_and(|c| c != '\n' && c != '\r') {}
                skips_space = true;
                continue;
            }
            if c != '\n' && c != '\r' {
                if line.is_empty() {
                    first = here;
                }
                line.push(c);
                is_escaped = c == '\\' && !is_escaped;
                continue;
            }
            if line.is_empty() {
                skips_space = true;
                continue;
            }
            if !is_escaped {
                return Some((line, first));
            }
            line.pop();
            if self.at == self.text.len() {
                return Some((line, first));
            }
            (skips_space, is_joined, is_escaped) = (true, true, false);
            if c == '\r' && self.text[self.at] == '\n' {
                self.read();
            }
        }
    }
}

/// The key and the value, with their escapes.
fn split(line: &[char]) -> (&[char], &[char]) {
    let mut key_end = 0;
    let mut value_start = line.len();
    let mut has_separator = false;
    let mut is_escaped = false;
    while key_end < line.len() {
        let c = line[key_end];
        if !is_escaped && (c == '=' || c == ':' || is_space(c)) {
            has_separator = !is_space(c);
            value_start = key_end + 1;
            break;
        }
        is_escaped = c == '\\' && !is_escaped;
        key_end += 1;
    }
    while value_start < line.len() {
        let c = line[value_start];
        if !is_space(c) {
            if has_separator || c != '=' && c != ':' {
                break;
            }
            has_separator = true;
        }
        value_start += 1;
    }
    (&line[..key_end], &line[value_start..])
}

/// Resolves escapes. In Java text is UTF-16, and halves of a pair may stand alone; here they may
/// not.
fn convert(escaped: &[char]) -> Option<String> {
    let mut units: Vec<u16> = Vec::new();
    let push = |units: &mut Vec<u16>, c: char| units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    let mut at = 0;
    while at < escaped.len() {
        let c = escaped[at];
        at += 1;
        if c != '\\' {
            push(&mut units, c);
            continue;
        }
        let Some(&c) = escaped.get(at) else { break };
        at += 1;
        match c {
            'u' => {
                let digits: String = escaped.get(at..at + 4)?.iter().collect();
                at += 4;
                let is_number = digits.chars().all(|digit| digit.is_ascii_hexdigit());
                units.push(is_number.then(|| u16::from_str_radix(&digits, 16).ok())??);
            }
            't' => push(&mut units, '\t'),
            'r' => push(&mut units, '\r'),
            'n' => push(&mut units, '\n'),
            'f' => push(&mut units, '\u{c}'),
            c => push(&mut units, c),
        }
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use shardwise_core::properties::parse;

    use super::super::decoded;
    use super::*;

    #[derive(Deserialize)]
    struct Recorded {
        hex: String,
        java: Read,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Read {
        Entries(Vec<(String, String)>),
        /// Java refused it, or made half a character of it.
        Nothing(String),
    }

    impl Recorded {
        fn input(&self) -> Vec<u8> {
            let digits = self.hex.as_bytes().chunks(2);
            let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            digits.map(byte).collect()
        }
    }

    #[test]
    fn what_java_read_is_what_we_read_and_what_is_told_here_once_more() {
        let recorded = include_str!("../../../recorded/properties.jsonl");
        let recorded: Vec<Recorded> =
            recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let refused = recorded.iter().filter(|one| matches!(one.java, Read::Nothing(_))).count();
        assert!(recorded.len() >= 200 && refused >= 20, "{} and {refused}", recorded.len());
        for one in recorded {
            let input = one.input();
            let as_java = |read: Option<Vec<Entry>>| match (read, &one.java) {
                (Some(read), _) => {
                    Read::Entries(read.into_iter().map(|entry| (entry.key, entry.value)).collect())
                }
                (None, Read::Nothing(why)) => Read::Nothing(why.clone()),
                (None, Read::Entries(_)) => Read::Nothing("ours".to_owned()),
            };
            assert_eq!(as_java(parse(&input).ok()), one.java, "{}", input.escape_ascii());
            assert_eq!(as_java(load(&decoded(&input)).ok()), one.java, "{}", input.escape_ascii());
        }
    }
}
