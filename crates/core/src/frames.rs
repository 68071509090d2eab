//! The frames of an event stream, followed by their lengths.
//!
//! A frame begins with its length and the length of its headers, and a checksum of both. Whoever
//! believes the length before the checksum may wait for gigabytes that never come.
//!
//! Events are looked into as well: the SDK takes an event without its list of records for one with
//! none, and a record without its data for an empty one. Of a frame only its headers are kept.

use crate::answer::{Incomplete, Scan};

/// No frame may be longer. An event of the largest record, 10 MiB, takes 14 MiB in base64.
pub const FRAME_BYTES_MAX: u32 = 24 << 20;
/// No frame may have longer headers: the limit of event streams.
pub const HEADERS_BYTES_MAX: u32 = 128 << 10;

/// Length, length of the headers, checksum.
const PRELUDE: usize = 12;
/// At the frame's end, of all before it.
const CHECKSUM: usize = 4;
/// The prelude, and the checksum at the frame's end.
const FRAME_BYTES_MIN: u32 = 16;
/// What the headers of an event say it is.
const EVENT: &[u8] = b"SubscribeToShardEvent";

/// Follows a stream of frames from its beginning, in whatever pieces it comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    prelude: [u8; PRELUDE],
    /// How much of the prelude has come.
    known: usize,
    /// How much of the frame behind its prelude is to come.
    left: u32,
    /// How much of its headers is to come.
    headers_left: usize,
    headers: Vec<u8>,
    /// What is behind the headers, if it is an event.
    event: Option<Scan>,
}

/// Why the stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// The lengths are not those that were sent.
    #[error("a frame's lengths do not match their checksum")]
    Checksum,
    /// The lengths cannot be.
    #[error(
        "a frame of {0} bytes; 16 to {FRAME_BYTES_MAX}, with at most {HEADERS_BYTES_MAX} of \
         headers, are allowed"
    )]
    Length(u32),
    /// An event lacks what it must have.
    #[error(transparent)]
    Event(#[from] Incomplete),
}

impl Frames {
    /// Follows the next bytes.
    ///
    /// # Errors
    ///
    /// A frame begins in them that cannot be one, or ends that cannot be an event. What comes
    /// behind it means nothing.
    pub fn follow(&mut self, mut bytes: &[u8]) -> Result<(), BadFrame> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                let (piece, rest) = bytes.split_at(passed as usize);
                bytes = rest;
                self.look_into(piece);
                self.left -= passed;
                self.end_frame()?;
                continue;
            }
            let more = bytes.len().min(PRELUDE - self.known);
            let (piece, rest) = bytes.split_at(more);
            self.prelude[self.known..self.known + more].copy_from_slice(piece);
            self.known += more;
            bytes = rest;
            if self.known == PRELUDE {
                (self.left, self.headers_left) = behind_prelude(self.prelude)?;
                self.known = 0;
                self.begin_payload();
            }
        }
        Ok(())
    }

    /// Takes in a piece of what is behind a prelude.
    fn look_into(&mut self, piece: &[u8]) {
        let (headers, rest) = piece.split_at(piece.len().min(self.headers_left));
        if !headers.is_empty() {
            self.headers.extend_from_slice(headers);
            self.headers_left -= headers.len();
            self.begin_payload();
        }
        let left = self.left as usize - headers.len();
        let payload = rest.len().min(left.saturating_sub(CHECKSUM));
        if let Some(event) = &mut self.event {
            event.follow(&rest[..payload]);
        }
    }

    /// Sees whether a frame is an event, once its headers are there.
    fn begin_payload(&mut self) {
        if self.headers_left == 0 {
            let headers = std::mem::take(&mut self.headers);
            let is_event = headers.windows(EVENT.len()).any(|part| part == EVENT);
            self.event = is_event.then(Scan::default);
        }
    }

    fn end_frame(&mut self) -> Result<(), BadFrame> {
        if self.left == 0
            && let Some(event) = self.event.take()
        {
            event.end()?;
        }
        Ok(())
    }
}

/// What comes behind the prelude, and how much of that is headers.
fn behind_prelude(prelude: [u8; PRELUDE]) -> Result<(u32, usize), BadFrame> {
    let [a, b, c, d, e, f, g, h, checksum @ ..] = prelude;
    if crc32fast::hash(&prelude[..8]) != u32::from_be_bytes(checksum) {
        return Err(BadFrame::Checksum);
    }
    let (length, headers) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    let is_allowed = (FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&length);
    if !is_allowed || headers > HEADERS_BYTES_MAX.min(length - FRAME_BYTES_MIN) {
        return Err(BadFrame::Length(length));
    }
    Ok((length - PRELUDE as u32, headers as usize))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame with these lengths in its prelude, and `length` bytes long where that can be.
    fn frame(length: u32, headers: u32) -> Vec<u8> {
        let mut frame = [length.to_be_bytes(), headers.to_be_bytes()].concat();
        frame.extend(crc32fast::hash(&frame).to_be_bytes());
        frame.resize(frame.len().max(length.min(1_000) as usize), 0xff);
        frame
    }

    fn followed(bytes: &[u8]) -> Result<(), BadFrame> {
        Frames::default().follow(bytes)
    }

    /// As in our reference: what the service's own clients accept.
    #[test]
    fn the_checksum_is_the_one_of_event_streams() {
        let prelude = [0, 0, 0, 0x72, 0, 0, 0, 0x60, 0xab, 0x82, 0x0d, 0x9e];
        assert_eq!(followed(&prelude), Ok(()));
    }

    #[test]
    fn a_length_counts_only_with_its_checksum_and_within_bounds() {
        assert_eq!(followed(&frame(16, 0)), Ok(()));
        assert_eq!(followed(&frame(FRAME_BYTES_MAX, 100)), Ok(()));
        let too_long = FRAME_BYTES_MAX + 1;
        assert_eq!(followed(&frame(too_long, 0)), Err(BadFrame::Length(too_long)));
        assert_eq!(followed(&frame(15, 0)), Err(BadFrame::Length(15)));
        assert_eq!(followed(&frame(20, 5)), Err(BadFrame::Length(20)));
        let headers = HEADERS_BYTES_MAX;
        assert_eq!(followed(&frame(1 << 20, headers)), Ok(()));
        assert_eq!(followed(&frame(1 << 20, headers + 1)), Err(BadFrame::Length(1 << 20)));
        let mut changed = frame(100, 0);
        changed[0] = 0x7f;
        assert_eq!(followed(&changed), Err(BadFrame::Checksum));
    }

    #[test]
    fn the_frame_behind_a_frame_is_looked_at() {
        let good = [frame(300, 20), frame(16, 0), frame(900, 0)].concat();
        assert_eq!(followed(&good), Ok(()));
        assert_eq!(followed(&[frame(300, 20), frame(3, 0)].concat()), Err(BadFrame::Length(3)));
    }

    /// With a checksum at its end that nobody here looks at.
    fn event(headers: &str, payload: &str) -> Vec<u8> {
        let length = u32::try_from(16 + headers.len() + payload.len()).unwrap();
        let mut frame = frame(length, u32::try_from(headers.len()).unwrap());
        frame.truncate(PRELUDE);
        [&frame, headers.as_bytes(), payload.as_bytes(), &[0; CHECKSUM]].concat()
    }

    #[test]
    fn an_event_without_its_records_is_none() {
        let type_of = ":event-type SubscribeToShardEvent";
        assert_eq!(followed(&event(type_of, r#"{"Records":[]}"#)), Ok(()));
        assert_eq!(followed(&event(":event-type initial-response", "{}")), Ok(()));
        let nothing = event(type_of, r#"{"ContinuationSequenceNumber":"1"}"#);
        let absent = Err(BadFrame::Event(Incomplete::Records));
        assert_eq!(followed(&nothing), absent);
        assert_eq!(followed(&nothing[..nothing.len() - 1]), Ok(()), "it has not come whole");
        let mut frames = Frames::default();
        let bytes = [event(type_of, r#"{"Records":[]}"#), nothing].concat();
        assert_eq!(bytes.chunks(1).find_map(|byte| frames.follow(byte).err()), absent.err());
    }

    /// As large as an event of records is.
    #[test]
    fn a_record_without_its_data_is_seen_however_large_its_event_is() {
        let type_of = ":event-type SubscribeToShardEvent";
        for size in [10, 100_000, 8 << 20] {
            let whole = format!(r#"{{"Data":"{}","SequenceNumber":"1"}}"#, "a".repeat(size));
            let event = |last: &str| {
                event(type_of, &format!(r#"{{"Records":[{whole},{last}],"ChildShards":[]}}"#))
            };
            assert_eq!(followed(&event(r#"{"Data":""}"#)), Ok(()), "{size}");
            let lacking = [event(&whole), event(r#"{"SequenceNumber":"2"}"#)].concat();
            let absent = Err(BadFrame::Event(Incomplete::Data));
            assert_eq!(followed(&lacking), absent, "{size}");
            let mut frames = Frames::default();
            let in_pieces = lacking.chunks(1_000).try_for_each(|piece| frames.follow(piece));
            assert_eq!(in_pieces, absent, "{size}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(
            lengths in prop::collection::vec(0_u32..60, 1..8),
            garbage: Vec<u8>,
            cut in 1_usize..40,
        ) {
            let mut bytes: Vec<u8> = lengths.iter().flat_map(|length| frame(*length, 0)).collect();
            bytes.extend(garbage);
            let mut frames = Frames::default();
            let in_pieces = bytes.chunks(cut).try_for_each(|piece| frames.follow(piece));
            prop_assert_eq!(in_pieces, followed(&bytes));
        }
    }
}
