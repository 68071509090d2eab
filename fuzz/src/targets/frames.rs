//! The frames of a subscription: a stream is followed the same in whatever pieces it comes, never
//! waits for more than a frame may have, and is followed past each frame that is whole, unless it
//! is an event that lacks something.

use shardwise_core::answer::check_records;
use shardwise_core::frames::{BadFrame, FRAME_BYTES_MAX, Frames, HEADERS_BYTES_MAX};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "frames",
    words: &[
        "\0\0\0r\0\0\0`",
        "\0\0\0\u{10}\0\0\0\0",
        "\u{1}\u{7f}\0\0",
        "\0\0\0",
        ":message-type",
        "SubscribeToShardEvent",
        "{\"Records\":[]}",
        "{\"Records\":[{\"Data\":\"\"},",
    ],
    bytes_max: 8_192,
    check,
};

/// The first byte is how long the pieces are, the second how many frames are put before the rest:
/// each is as long as a byte of the rest says. With its highest bit the rest is what an event
/// brings, which gets its headers and checksums here.
fn check(input: &[u8]) {
    let [cut, count, rest @ ..] = input else { return };
    let whole: Vec<u8> =
        rest.iter().take(usize::from(count % 8)).flat_map(|length| frame(*length)).collect();
    let is_payload = count & 0x80 != 0;
    let expected = is_payload.then(|| check_records(rest).map_err(BadFrame::from));
    let rest = &if is_payload { sealed(rest) } else { rest.to_vec() };
    let mut behind = Frames::default();
    assert_eq!(behind.follow(&whole), Ok(()), "a whole frame is refused");
    let stream = [whole, rest.clone()].concat();

    let mut at_once = Frames::default();
    let verdict = at_once.follow(&stream);
    assert_eq!(behind.follow(rest), verdict, "another verdict behind whole frames");
    assert_eq!(expected.unwrap_or(verdict), verdict, "another verdict than on the payload alone");
    let mut in_pieces = Frames::default();
    let pieces = stream.chunks(usize::from(*cut).max(1));
    let found = pieces.map(|piece| in_pieces.follow(piece)).find(Result::is_err);
    assert_eq!(found.unwrap_or(Ok(())), verdict, "the pieces matter");
    assert_eq!(verdict, slowly(&stream), "another verdict than frame by frame");
}

/// An event with this payload.
fn sealed(payload: &[u8]) -> Vec<u8> {
    let headers = [
        &b"\x0d:message-type\x07\0\x05event"[..],
        b"\x0b:event-type\x07\0\x15SubscribeToShardEvent",
        b"\x0d:content-type\x07\0\x1aapplication/x-amz-json-1.1",
    ]
    .concat();
    let length = 16 + headers.len() + payload.len();
    let lengths = [length, headers.len()].map(|it| u32::try_from(it).expect("inputs are short"));
    let mut frame = lengths.map(u32::to_be_bytes).concat();
    frame.extend(checksum(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload);
    frame.extend(checksum(&frame).to_be_bytes());
    frame
}

fn frame(more: u8) -> Vec<u8> {
    let length = 16 + u32::from(more);
    let mut frame = [length.to_be_bytes(), u32::from(more / 2).to_be_bytes()].concat();
    frame.extend(checksum(&frame).to_be_bytes());
    frame.resize(length as usize, more);
    frame
}

/// Frame by frame over the whole stream.
fn slowly(mut stream: &[u8]) -> Result<(), BadFrame> {
    while let Some((prelude, _)) = stream.split_at_checked(12) {
        let word =
            |at: usize| prelude[at..at + 4].iter().fold(0, |sum, b| sum << 8 | u32::from(*b));
        if checksum(&prelude[..8]) != word(8) {
            return Err(BadFrame::Checksum);
        }
        let (length, headers) = (u64::from(word(0)), u64::from(word(4)));
        let headers_max = u64::from(HEADERS_BYTES_MAX).min(length.saturating_sub(16));
        if length < 16 || length > u64::from(FRAME_BYTES_MAX) || headers > headers_max {
            return Err(BadFrame::Length(word(0)));
        }
        let Some((frame, rest)) = stream.split_at_checked(length as usize) else { break };
        let (headers, payload) = frame[12..frame.len() - 4].split_at(headers as usize);
        let is_event = headers.windows(21).any(|part| part == b"SubscribeToShardEvent");
        if is_event {
            check_records(payload)?;
        }
        stream = rest;
    }
    Ok(())
}

/// CRC-32 (IEEE), bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
