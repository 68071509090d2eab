//! Lines of a child's pipe: the same in whatever pieces they come, and never more than is kept.

use shardwise_core::multilang::LineBuffer;
use shardwise_core::rng::Rng;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "line_reader",
    words: &["\n", "\r\n", "\r", "\n\n", "{\"action\":\"status\"}"],
    bytes_max: 2_048,
    check,
};

/// The first byte is how much of a line is kept, the second how the pieces fall.
fn check(input: &[u8]) {
    let [bytes_max, seed, stream @ ..] = input else { return };
    let bytes_max = usize::from(*bytes_max);
    assert_eq!(
        in_pieces(stream, bytes_max, &mut Rng::new((*seed).into())),
        at_once(stream, bytes_max)
    );
}

/// What is kept of each line, and its length.
type Lines = Vec<(Vec<u8>, usize)>;

fn in_pieces(mut stream: &[u8], bytes_max: usize, rng: &mut Rng) -> Lines {
    let mut buffer = LineBuffer::new(bytes_max);
    let mut lines = Vec::new();
    while !stream.is_empty() {
        let (mut piece, rest) = stream.split_at(rng.below(18).min(stream.len()));
        stream = rest;
        while buffer.take(&mut piece) {
            lines.push((buffer.kept().to_vec(), buffer.length()));
            buffer.clear();
        }
        assert!(piece.is_empty(), "what is no line's end is taken whole");
        assert!(buffer.kept().len() <= bytes_max);
    }
    if buffer.length() > 0 {
        lines.push((buffer.kept().to_vec(), buffer.length()));
    }
    lines
}

fn at_once(stream: &[u8], bytes_max: usize) -> Lines {
    let mut lines: Vec<&[u8]> = stream.split(|byte| matches!(byte, b'\n' | b'\r')).collect();
    // Behind the last end there is no line.
    lines.pop_if(|last| last.is_empty());
    lines.iter().map(|line| (line[..line.len().min(bytes_max)].to_vec(), line.len())).collect()
}
