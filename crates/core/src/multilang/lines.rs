//! Lines out of the pieces that a pipe gives, in bounded memory.

/// Puts one line together, and keeps of it no more than a limit.
///
/// Lines end with LF or CR, so that between CR and LF there is an empty one.
#[derive(Clone, Debug)]
pub struct LineBuffer {
    kept: Vec<u8>,
    length: usize,
    bytes_max: usize,
}

/// What is kept of the memory of a long line.
const CAPACITY_BYTES: usize = 64 << 10;

impl LineBuffer {
    /// Keeps `bytes_max` of each line.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { kept: Vec::new(), length: 0, bytes_max }
    }

    /// Takes from the front of `piece` what belongs to the line; whether its end was there.
    pub fn take(&mut self, piece: &mut &[u8]) -> bool {
        let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let part = &piece[..end.unwrap_or(piece.len())];
        let room = self.bytes_max - self.kept.len();
        self.kept.extend_from_slice(&part[..part.len().min(room)]);
        self.length += part.len();
        *piece = &piece[part.len() + usize::from(end.is_some())..];
        end.is_some()
    }

    /// As much of the line as is kept.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// How long the line is.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Begins another line. A long one's memory is given back.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.kept.shrink_to(CAPACITY_BYTES);
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_up_to_its_end_and_the_rest_is_left() {
        let mut buffer = LineBuffer::new(100);
        let mut piece = &b"one"[..];
        assert!(!buffer.take(&mut piece) && piece.is_empty());
        piece = b" two\r\nthree";
        assert!(buffer.take(&mut piece));
        assert_eq!((buffer.kept(), piece), (&b"one two"[..], &b"\nthree"[..]));
        buffer.clear();
        assert!(buffer.take(&mut piece));
        assert_eq!((buffer.kept(), buffer.length(), piece), (&b""[..], 0, &b"three"[..]));
    }

    #[test]
    fn a_long_line_is_counted_and_not_kept() {
        let mut buffer = LineBuffer::new(1_000);
        for _ in 0..160 {
            assert!(!buffer.take(&mut &[b'x'; CAPACITY_BYTES][..]));
        }
        assert_eq!((buffer.kept().len(), buffer.length()), (1_000, 160 * CAPACITY_BYTES));
        assert!(buffer.kept.capacity() <= 2_000);
    }

    #[test]
    fn the_memory_of_a_long_line_is_given_back() {
        let mut buffer = LineBuffer::new(usize::MAX);
        buffer.take(&mut &vec![b'x'; 10 << 20][..]);
        buffer.clear();
        assert!(buffer.kept.capacity() <= CAPACITY_BYTES);
    }
}
