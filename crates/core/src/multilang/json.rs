//! As much JSON as a line of the protocol needs: strings out, one flat object in.

use std::io::Write;

/// Writes a JSON string as Java's library does, and U+2028 and U+2029 escaped.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => br#"\""#,
            b'\\' => br"\\",
            b'\n' => br"\n",
            b'\r' => br"\r",
            b'\t' => br"\t",
            0x08 => br"\b",
            0x0c => br"\f",
            0..0x20 => &[],
            0xe2 if bytes[at..].starts_with("\u{2028}".as_bytes()) => br"\u2028",
            0xe2 if bytes[at..].starts_with("\u{2029}".as_bytes()) => br"\u2029",
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(escape);
        if escape.is_empty() {
            write!(out, "\\u{byte:04X}").expect("memory takes every write");
        }
        from = at + if byte == 0xe2 { 3 } else { 1 };
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// A value of an object that has no values inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
}

/// Why a line is not one flat object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The line says `null`.
    Null,
    /// It does not begin with an object, or the object is broken.
    NoObject,
    /// The value of this field is an array or an object.
    Nested(String),
    /// There are more fields than any message has.
    TooManyFields,
}

/// The longest message has four; some of them may come twice.
const FIELDS_MAX: usize = 64;

/// Reads the object that a line begins with; what follows it is not looked at. If it cannot be
/// read, the fields before what is wrong have been.
///
/// It neither descends nor recurses, so a line costs no more than its own length.
pub(super) fn read_flat_object(
    line: &str,
    fields: &mut Vec<(String, Scalar)>,
) -> Result<(), Unreadable> {
    let mut reader = Reader { rest: line };
    reader.blank();
    if reader.rest.trim_end() == "null" {
        return Err(Unreadable::Null);
    }
    reader.expect('{')?;
    reader.blank();
    if reader.take('}') {
        return Ok(());
    }
    loop {
        reader.blank();
        let name = reader.string()?;
        reader.blank();
        reader.expect(':')?;
        reader.blank();
        let Some(value) = reader.scalar()? else { return Err(Unreadable::Nested(name)) };
        fields.push((name, value));
        if fields.len() > FIELDS_MAX {
            return Err(Unreadable::TooManyFields);
        }
        reader.blank();
        if reader.take('}') {
            return Ok(());
        }
        reader.expect(',')?;
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, c: char) -> Result<(), Unreadable> {
        if self.take(c) { Ok(()) } else { Err(Unreadable::NoObject) }
    }

    /// A value; nothing if there are values inside.
    fn scalar(&mut self) -> Result<Option<Scalar>, Unreadable> {
        match self.rest.as_bytes().first() {
            Some(b'"') => self.string().map(|text| Some(Scalar::Text(text))),
            Some(b'{' | b'[') => Ok(None),
            Some(b'-' | b'0'..=b'9') => self.number().map(Some),
            _ => {
                let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric());
                let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                match word {
                    "null" => Ok(Some(Scalar::Null)),
                    "true" => Ok(Some(Scalar::Bool(true))),
                    "false" => Ok(Some(Scalar::Bool(false))),
                    _ => Err(Unreadable::NoObject),
                }
            }
        }
    }

    fn number(&mut self) -> Result<Scalar, Unreadable> {
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if is_number(text) {
            Ok(Scalar::Number(text.to_owned()))
        } else {
            Err(Unreadable::NoObject)
        }
    }

    fn string(&mut self) -> Result<String, Unreadable> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            let end = self.rest.find(|c: char| c == '"' || c == '\\' || c < ' ');
            let (plain, rest) = self.rest.split_at(end.ok_or(Unreadable::NoObject)?);
            text.push_str(plain);
            self.rest = rest;
            if self.take('"') {
                return Ok(text);
            }
            self.expect('\\')?;
            text.push(self.escape().ok_or(Unreadable::NoObject)?);
        }
    }

    fn escape(&mut self) -> Option<char> {
        let mut rest = self.rest.chars();
        let c = match rest.next()? {
            'u' => {
                self.rest = rest.as_str();
                return self.unicode();
            }
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            c @ ('"' | '\\' | '/') => c,
            _ => return None,
        };
        self.rest = rest.as_str();
        Some(c)
    }

    /// One character from its UTF-16 code units. Half of a pair is U+FFFD: Java keeps it, but it
    /// cannot be sent back.
    fn unicode(&mut self) -> Option<char> {
        let first = self.code_unit()?;
        if let Some(c) = char::from_u32(first) {
            return Some(c);
        }
        let before = self.rest;
        if let Some(rest) = self.rest.strip_prefix("\\u") {
            self.rest = rest;
            let second = self.code_unit()?;
            if (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.rest = before;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn code_unit(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        u32::from_str_radix(digits, 16).ok()
    }
}

/// Whether the text is a number by JSON's grammar.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_java_escapes_them() {
        assert_eq!(written("a\"\\/<\u{8}\t\n\u{c}\r"), r#""a\"\\/<\b\t\n\f\r""#);
        assert_eq!(written("\u{1}\u{1f}\u{7f}é😀"), "\"\\u0001\\u001F\u{7f}é😀\"");
        assert_eq!(written("a\u{2028}b\u{2029}\u{2027}"), "\"a\\u2028b\\u2029\u{2027}\"");
    }

    #[test]
    fn numbers_follow_the_grammar() {
        for text in ["0", "-0", "10", "1.5", "1e5", "1E-5", "-1.0e+10"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "+1", "1e1.5", "0x1", "1a", "--1"] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn broken_pairs_are_replaced_and_broken_escapes_refused() {
        let read = |text: &str| read_flat_object(&format!("{{\"a\":\"{text}\"}}"));
        let value = |text| read(text).map(|fields| fields[0].1.clone());
        let text = |text: &str| Ok(Scalar::Text(text.to_owned()));
        assert_eq!(value(r"\ud83d\ude00"), text("😀"));
        assert_eq!(value(r"\ud83dx"), text("\u{fffd}x"));
        assert_eq!(value(r"\ud83dA"), text("\u{fffd}A"));
        assert_eq!(value(r"\ude00"), text("\u{fffd}"));
        for broken in [r"\x", r"\u12", r"\u12é4", "\u{1}"] {
            assert_eq!(value(broken), Err(Unreadable::NoObject), "{broken}");
        }
    }

    fn read_flat_object(line: &str) -> Result<Vec<(String, Scalar)>, Unreadable> {
        let mut fields = Vec::new();
        super::read_flat_object(line, &mut fields).map(|()| fields)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_by_others_and_by_us(text: String, name: String) {
            let written_text = written(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&written_text).unwrap(), text.clone());
            let object = format!(" {{ {} : {written_text} }} x", written(&name));
            prop_assert_eq!(read_flat_object(&object), Ok(vec![(name, Scalar::Text(text))]));
        }

        #[test]
        fn it_accepts_only_what_another_reader_accepts(
            line in "[{}\\[\\],:\"a\\\\u0-9ntrue. \\-]{0,24}",
        ) {
            if read_flat_object(&line).is_ok() {
                let mut others = serde_json::Deserializer::from_str(&line)
                    .into_iter::<serde_json::Value>();
                // A surrogate alone is an error there and a replacement here.
                let first = others.next().unwrap();
                prop_assert!(first.is_ok_and(|value| value.is_object()) || line.contains("\\u"));
            }
        }

        #[test]
        fn no_line_makes_it_panic(line: String) {
            drop(read_flat_object(&line));
        }
    }
}
