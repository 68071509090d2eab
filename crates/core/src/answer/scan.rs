//! Looking for what is absent from JSON that comes in pieces.

use super::Incomplete;

/// A longer name is none of those that are looked for, however it is written.
const NAME_BYTES_MAX: usize = 64;

/// Follows one answer or event, and keeps nothing of it but the name that it is at. That it is JSON
/// at all is for whoever reads it to see; a number or a word alone may count as several values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The text that has not ended.
    text: Option<Text>,
    /// How many lists and objects are open.
    depth: usize,
    /// Where the value is that comes next, or that is open.
    at: At,
    /// Whether a name comes next, in an object whose names count.
    expects_name: bool,
    name: Vec<u8>,
    member: Member,
    has_begun: bool,
    /// Whether something comes behind the end.
    goes_on: bool,
    has_records: bool,
    /// Of the record that is open.
    has_data: bool,
    lacks_data: bool,
}

/// What is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct At {
    object: bool,
    records: bool,
    record: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Text {
    is_name: bool,
    is_escaped: bool,
}

/// Whose value is to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Member {
    #[default]
    Other,
    Records,
    Data,
}

impl Scan {
    /// Follows the next bytes.
    pub fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            bytes = match self.text {
                Some(text) => self.follow_text(text, bytes),
                None => {
                    self.step(*byte);
                    rest
                }
            };
        }
    }

    /// What it comes to, now that all has come.
    ///
    /// # Errors
    ///
    /// Something is absent.
    pub fn end(&self) -> Result<(), Incomplete> {
        let is_whole = self.has_begun && self.depth == 0 && self.text.is_none();
        if !is_whole || self.goes_on {
            Err(Incomplete::Json)
        } else if !self.has_records {
            Err(Incomplete::Records)
        } else if self.lacks_data {
            Err(Incomplete::Data)
        } else {
            Ok(())
        }
    }

    /// Passes over what has come of a text, most of it at once; gives what is behind that.
    fn follow_text<'a>(&mut self, text: Text, bytes: &'a [u8]) -> &'a [u8] {
        if text.is_escaped {
            let (escaped, rest) = bytes.split_at(1);
            self.note_name(text, escaped);
            self.text = Some(Text { is_escaped: false, ..text });
            return rest;
        }
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\');
        let plain = bytes.iter().position(is_special).unwrap_or(bytes.len());
        let (plain, rest) = bytes.split_at(plain);
        self.note_name(text, plain);
        let Some((special, rest)) = rest.split_first() else { return rest };
        if *special == b'"' {
            self.end_text(text);
        } else {
            self.note_name(text, b"\\");
            self.text = Some(Text { is_escaped: true, ..text });
        }
        rest
    }

    fn note_name(&mut self, text: Text, piece: &[u8]) {
        if text.is_name {
            let room = NAME_BYTES_MAX.saturating_sub(self.name.len());
            self.name.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }

    fn end_text(&mut self, text: Text) {
        self.text = None;
        if !text.is_name {
            return;
        }
        self.expects_name = false;
        let quoted = [b"\"", &*self.name, b"\""].concat();
        self.name.clear();
        self.member = match serde_json::from_slice::<String>(&quoted).as_deref() {
            Ok("Records") => Member::Records,
            Ok("Data") => Member::Data,
            Ok(_) | Err(_) => Member::Other,
        };
    }

    /// Takes a byte that is in no text.
    fn step(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b':' => {}
            b',' => self.expects_name = self.names_count(),
            b'}' | b']' => self.close(),
            b'"' if self.expects_name => {
                self.text = Some(Text { is_name: true, is_escaped: false });
            }
            // Of a number or a word each byte comes here, and means the same.
            first => self.value(first),
        }
    }

    /// A value that begins like this.
    fn value(&mut self, first: u8) {
        match self.depth {
            0 => {
                self.goes_on |= std::mem::replace(&mut self.has_begun, true);
                self.at.object = first == b'{';
            }
            1 => {
                self.at.records = self.at.object && self.member == Member::Records;
                self.at.records &= first == b'[';
                if self.at.object && self.member == Member::Records {
                    self.has_records = self.at.records;
                    // Of equal names the last counts, as to the SDK.
                    self.lacks_data = false;
                }
            }
            2 => {
                self.at.record = self.at.records && first == b'{';
                self.has_data = false;
                self.lacks_data |= self.at.records && first != b'{';
            }
            3 if self.at.record && self.member == Member::Data => self.has_data = first == b'"',
            _ => {}
        }
        match first {
            b'"' => self.text = Some(Text { is_name: false, is_escaped: false }),
            b'{' | b'[' => {
                self.depth += 1;
                self.expects_name = self.names_count();
            }
            _ => {}
        }
    }

    /// Whether what is open is an object whose names are looked at.
    fn names_count(&self) -> bool {
        (self.depth == 1 && self.at.object) || (self.depth == 3 && self.at.record)
    }

    fn close(&mut self) {
        self.expects_name = false;
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 2 && std::mem::take(&mut self.at.record) {
            self.lacks_data |= !self.has_data;
        }
    }
}
