//! A Java `.properties` file: its entries, the keys that mean something, and the settings.
//!
//! [`parse`] reads the syntax of `java.util.Properties`; [`keys`] is the one table of all keys;
//! [`settings`] turns entries into [`DaemonSettings`](settings::DaemonSettings).
//!
//! One thing is read differently: Java takes the bytes as ISO-8859-1, so that a UTF-8 `é` becomes
//! two characters. A file that is valid UTF-8 is read as UTF-8 here, a byte order mark is passed
//! over, and only other files are read as ISO-8859-1.

pub mod keys;
pub mod settings;
mod values;

pub(crate) use self::values::is_region;
pub use self::values::{is_in_clear, without_user};

use std::str::Chars;

/// One key with its value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, with its escapes resolved.
    pub key: String,
    /// The value, with its escapes resolved; white space at its end is kept.
    pub value: String,
    /// The number of the line on which it begins, from 1.
    pub line: usize,
}

/// A `\u` that is not followed by four hexadecimal digits of a character.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `\\u` must be followed by the four hexadecimal digits of a character")]
pub struct SyntaxError {
    /// The line on which the entry begins.
    pub line: usize,
}

/// Reads every entry, in the order of the file; a key may come more than once.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, SyntaxError> {
    let text = decode(bytes);
    let mut lines = LogicalLines { rest: text.chars(), line: 1 };
    let mut entries = Vec::new();
    while let Some((text, line)) = lines.next() {
        let (key, value) = split(&text);
        let unescape = |escaped| unescape(escaped).ok_or(SyntaxError { line });
        entries.push(Entry { key: unescape(key)?, value: unescape(value)?, line });
    }
    Ok(entries)
}

fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Joins continued lines and leaves out comments and blank lines.
struct LogicalLines<'a> {
    rest: Chars<'a>,
    line: usize,
}

impl LogicalLines<'_> {
    /// The next logical line with its first line's number; escapes are still in it.
    fn next(&mut self) -> Option<(String, usize)> {
        let mut logical = String::new();
        let mut first = self.line;
        loop {
            // A backslash alone has joined nothing yet: what follows may still be a comment.
            if logical.is_empty() {
                first = self.line;
            }
            let (text, end) = self.natural_line()?;
            let text = text.trim_start_matches(is_blank);
            if logical.is_empty() && (text.is_empty() || text.starts_with(['#', '!'])) {
                continue;
            }
            logical.push_str(text);
            if !is_continued(&logical) {
                return Some((logical, first));
            }
            logical.pop();
            // Nothing is left to join. Java looks behind the first character of the end, and sees
            // more there if it has two.
            let is_last = self.rest.as_str().is_empty();
            if is_last && (end != End::Two || !logical.is_empty()) {
                return Some((logical, first));
            }
        }
    }

    /// The text up to the next line end, and that end; nothing at the file's end.
    fn natural_line(&mut self) -> Option<(String, End)> {
        let mut text = String::new();
        for c in self.rest.by_ref() {
            match c {
                '\n' => {
                    self.line += 1;
                    return Some((text, End::One));
                }
                '\r' => {
                    self.line += 1;
                    let Some(rest) = self.rest.as_str().strip_prefix('\n') else {
                        return Some((text, End::One));
                    };
                    self.rest = rest.chars();
                    return Some((text, End::Two));
                }
                c => text.push(c),
            }
        }
        (!text.is_empty()).then_some((text, End::OfFile))
    }
}

/// What a line ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// CR or LF.
    One,
    /// CR and LF.
    Two,
    /// Nothing: the file ends.
    OfFile,
}

/// Whether an odd number of backslashes stands at the end.
fn is_continued(text: &str) -> bool {
    text.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

/// Splits at the first separator that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let mut key_end = line.len();
    for (at, c) in line.char_indices() {
        if !escaped && (is_blank(c) || matches!(c, '=' | ':')) {
            key_end = at;
            break;
        }
        escaped = c == '\\' && !escaped;
    }
    let (key, rest) = line.split_at(key_end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

/// Resolves the escapes; nothing if a `\u` names no character.
fn unescape(escaped: &str) -> Option<String> {
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('t') => text.push('\t'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('f') => text.push('\u{c}'),
            Some('u') => text.push(unicode(&mut rest)?),
            Some(other) => text.push(other),
            None => {}
        }
    }
    Some(text)
}

/// One character from its UTF-16 code units: two of them when the first is half of a pair.
fn unicode(rest: &mut Chars<'_>) -> Option<char> {
    let first = code_unit(rest)?;
    let mut units = vec![first];
    if (0xd800..0xdc00).contains(&first) {
        if rest.next() != Some('\\') || rest.next() != Some('u') {
            return None;
        }
        units.push(code_unit(rest)?);
    }
    let mut decoded = char::decode_utf16(units);
    decoded.next()?.ok()
}

fn code_unit(rest: &mut Chars<'_>) -> Option<u16> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit * 16 + u16::try_from(rest.next()?.to_digit(16)?).ok()?;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let entries = parse(text.as_bytes()).unwrap();
        entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
    }

    fn pair(text: &str) -> (String, String) {
        let mut pairs = pairs(text);
        assert_eq!(pairs.len(), 1, "{text:?}");
        pairs.remove(0)
    }

    #[test]
    fn a_key_ends_at_the_first_unescaped_separator() {
        for (line, key, value) in [
            ("a=b", "a", "b"),
            ("a:b", "a", "b"),
            ("a b", "a", "b"),
            (" \ta \u{c} = \t b", "a", "b"),
            ("a==b", "a", "=b"),
            ("a = = b", "a", "= b"),
            ("a", "a", ""),
            ("=b", "", "b"),
            (r"a\=b\:c\ d\#e=f", "a=b:c d#e", "f"),
            ("a=b # no comment", "a", "b # no comment"),
            (r#"workerId = "x""#, "workerId", r#""x""#),
            ("a\u{a0}b=c", "a\u{a0}b", "c"),
            ("a=${HOME}", "a", "${HOME}"),
        ] {
            assert_eq!(pair(line), (key.to_owned(), value.to_owned()), "{line:?}");
        }
    }

    #[test]
    fn white_space_at_the_end_of_a_value_is_kept() {
        assert_eq!(pair("a = b \t\n").1, "b \t");
    }

    #[test]
    fn escapes_are_resolved_and_unknown_ones_mean_the_character_itself() {
        assert_eq!(pair(r"a=\t\n\r\f\\\b\q\u00e9\uD83D\uDE00").1, "\t\n\r\u{c}\\bqé😀");
    }

    #[test]
    fn lines_go_on_after_an_odd_number_of_backslashes() {
        assert_eq!(pair("a=b\\\n   c\\\r\n\td").1, "bcd");
        assert_eq!(pair("a=b\\\n# data").1, "b# data");
        assert_eq!(pair("a=b\\\\\n").1, "b\\");
        assert_eq!(pairs("a=b\\\n\nc=d").len(), 2);
        assert_eq!(pair("a=b\\").1, "b");
        assert_eq!(pair("a=b\\ \n").1, "b ");
        assert_eq!(pairs("\\\n\nc=d").len(), 1);
        assert_eq!(pair("\\"), (String::new(), String::new()));
    }

    #[test]
    fn a_line_of_a_backslash_alone_joins_nothing_to_the_next() {
        // As OpenJDK 17 reads them: what follows may be a comment, and a file may end in it.
        assert_eq!(pairs("a\n\\\n# x=1\nb=2"), [pair("a"), pair("b=2")]);
        for file in ["\\", "\\\n", "\\\r", "\\\n\\\n", "\\\n  \\"] {
            assert_eq!(pair(file), (String::new(), String::new()), "{file:?}");
        }
        for file in ["\\\n\n", "\\\n ", "\\\n#", "\\\r\n"] {
            assert_eq!(pairs(file), [], "{file:?}");
        }
        assert_eq!(pair("a=b\\\r\n").1, "b");
        assert_eq!(parse(b"\\\nb=2").unwrap()[0].line, 2);
    }

    #[test]
    fn comments_and_blank_lines_are_left_out_and_comments_are_never_continued() {
        assert_eq!(pairs("# a\\\nb=c\n\n  ! d\n \t\n#").len(), 1);
    }

    #[test]
    fn every_line_end_counts_as_one_line() {
        let entries = parse(b"\n#\r\na=1\rb=2\\\n2\nc=3").unwrap();
        let lines: Vec<_> = entries.iter().map(|entry| entry.line).collect();
        assert_eq!(lines, [3, 4, 6]);
    }

    #[test]
    fn a_key_may_come_twice() {
        assert_eq!(pairs("a=1\na=2").len(), 2);
    }

    #[test]
    fn utf_8_is_understood_and_other_bytes_are_latin_1() {
        assert_eq!(pair("\u{feff}a=é").0, "a");
        assert_eq!(pair("\u{feff}\u{feff}a=é").0, "\u{feff}a", "only the first is a mark");
        assert_eq!(pair("a=é").1, "é");
        assert_eq!(parse(b"a=\xe9").unwrap()[0].value, "é");
    }

    #[test]
    fn a_broken_unicode_escape_is_named_with_its_line() {
        for text in [r"a=\u12", r"a=\u12g4", r"a=\ud83d", r"a=\ud83d\u0041", r"a=\u+123"] {
            let error = parse(format!("b=c\n{text}\n").as_bytes()).unwrap_err();
            assert_eq!(error.line, 2, "{text}");
        }
    }

    fn escape(text: &str) -> String {
        let mut escaped = String::new();
        for unit in text.encode_utf16() {
            match char::from_u32(u32::from(unit)) {
                Some(c) if c.is_ascii_alphanumeric() => escaped.push(c),
                Some(c) if c.is_ascii_punctuation() || c == ' ' => escaped.extend(['\\', c]),
                _ => escaped.push_str(&format!("\\u{unit:04x}")),
            }
        }
        escaped
    }

    proptest! {
        #[test]
        fn any_escaped_key_and_value_read_back(key: String, value: String, wide: bool) {
            let gap = if wide { " = " } else { "=" };
            let line = format!("{}{gap}{}\n", escape(&key), escape(&value));
            let entries = parse(line.as_bytes()).unwrap();
            let only = Entry { key, value, line: 1 };
            // A line of white space alone is blank: without key and value there is still the `=`.
            prop_assert_eq!(entries, vec![only]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            drop(parse(&bytes));
        }

        #[test]
        fn entries_stand_on_rising_lines(text in "[a-c\\\\=: \n\r#u0-9]{0,60}") {
            let lines = text.split_inclusive(['\n', '\r']).count().max(1);
            if let Ok(entries) = parse(text.as_bytes()) {
                prop_assert!(entries.is_sorted_by(|left, right| left.line < right.line));
                prop_assert!(entries.iter().all(|entry| entry.line <= lines));
            }
        }
    }
}
