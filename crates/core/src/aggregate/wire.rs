//! The fields of a protobuf message, one after the other.

/// How deep groups may lie in each other [Java: `CodedInputStream`'s limit].
const GROUPS_MAX: usize = 100;

/// The bytes are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number.
    Varint(u64),
    /// Bytes, a string or a message.
    Bytes(&'a [u8]),
    /// A kind of value that aggregates have no use for.
    Skipped,
}

/// What is left of a message: field numbers and values, as they were written.
///
/// Nothing is copied and no length is believed. After an error nothing more comes.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let tag = self.tag()?;
        let value = self.value(tag)?;
        if tag.kind == START_GROUP {
            self.skip_group(tag.field)?;
        }
        Some((tag.field, value))
    }

    /// The value behind `tag`; of a group, only its start.
    fn value(&mut self, tag: Tag) -> Option<Value<'a>> {
        Some(match tag.kind {
            0 => Value::Varint(self.varint()?),
            1 => self.skip(8)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            START_GROUP => Value::Skipped,
            5 => self.skip(4)?,
            _ => return None,
        })
    }

    /// Passes over the rest of a group, and over those in it.
    fn skip_group(&mut self, field: u32) -> Option<()> {
        let mut open = vec![field];
        while let Some(&innermost) = open.last() {
            let tag = self.tag()?;
            match tag.kind {
                END_GROUP if tag.field == innermost => drop(open.pop()),
                START_GROUP if open.len() < GROUPS_MAX => open.push(tag.field),
                START_GROUP | END_GROUP => return None,
                _ => drop(self.value(tag)?),
            }
        }
        Some(())
    }

    fn tag(&mut self) -> Option<Tag> {
        let tag = u32::try_from(self.varint()?).ok()?;
        let tag = Tag { field: tag >> 3, kind: tag & 7 };
        (tag.field != 0).then_some(tag)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = *self.take(1)?.first()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn skip(&mut self, length: usize) -> Option<Value<'a>> {
        self.take(length).map(|_| Value::Skipped)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Malformed);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[derive(Clone, Copy)]
struct Tag {
    field: u32,
    kind: u32,
}

const START_GROUP: u32 = 3;
const END_GROUP: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::of(message).collect()
    }

    #[test]
    fn each_kind_of_value_is_read_or_passed_over() {
        let message = b"\x08\x96\x01\x12\x02hi\x19........\x25....\x2b\x08\x01\x33\x34\x2c\x30\x00";
        let fields = [
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Skipped),
            (4, Value::Skipped),
            (5, Value::Skipped),
            (6, Value::Varint(0)),
        ];
        assert_eq!(read(message), Ok(fields.to_vec()));
    }

    #[test]
    fn a_message_that_ends_inside_a_field_is_malformed() {
        let message = b"\x0a\x02hi\x08\x96\x01\x19........\x25....\x2b\x08\x01\x2c";
        let ends = [0, 4, 7, 16, 21, 25];
        for length in 0..=message.len() {
            assert_eq!(read(&message[..length]).is_ok(), ends.contains(&length), "{length}");
        }
    }

    #[test]
    fn numbers_are_read_up_to_64_bits_and_no_further() {
        let max = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(read(max), Ok(vec![(1, Value::Varint(u64::MAX))]));
        for number in [
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
        ] {
            assert_eq!(read(number), Err(Malformed));
        }
        let padded = b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00";
        assert_eq!(read(padded), Ok(vec![(1, Value::Varint(0))]));
    }

    #[test]
    fn a_length_beyond_the_end_is_malformed_however_large_it_is() {
        assert!(read(b"\x0a\x01").is_err());
        assert!(read(b"\x0a\xff\xff\xff\xff\x0f").is_err());
        assert!(read(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").is_err());
    }

    #[test]
    fn tags_that_no_field_has_are_malformed() {
        let zero = &b"\x00\x00"[..];
        let kinds = [&b"\x0e\x00"[..], b"\x0f\x00"];
        let wider_than_32_bits = &b"\x88\x80\x80\x80\x10\x00"[..];
        let lone_end_of_a_group = &b"\x0c"[..];
        for message in [zero, wider_than_32_bits, lone_end_of_a_group].into_iter().chain(kinds) {
            assert_eq!(read(message), Err(Malformed), "{}", message.escape_ascii());
        }
    }

    #[test]
    fn a_group_ends_with_its_own_field_number_and_is_no_deeper_than_in_java() {
        assert!(read(b"\x0b\x0c").is_ok());
        assert!(read(b"\x0b\x14").is_err());
        assert!(read(b"\x0b\x13\x0c\x14").is_err());
        let nested = |depth| [vec![0x0b; depth], vec![0x0c; depth]].concat();
        assert!(read(&nested(GROUPS_MAX)).is_ok());
        assert!(read(&nested(GROUPS_MAX + 1)).is_err());
    }

    #[test]
    fn nothing_comes_after_an_error() {
        let mut fields = Fields::of(b"\x00\x08\x01");
        assert_eq!(fields.next(), Some(Err(Malformed)));
        assert_eq!(fields.next(), None);
    }
}
