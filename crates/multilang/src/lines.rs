//! Lines from a pipe, in bounded memory.

use shardwise_core::multilang::LineBuffer;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Splits what a pipe gives into lines, and keeps of each no more than a limit.
#[derive(Debug)]
pub(crate) struct Lines<R, N> {
    pipe: R,
    /// What is noted of each read.
    note: N,
    noted: u64,
    /// What was noted of the read that brought the beginning of the line.
    began: Option<u64>,
    chunk: Vec<u8>,
    /// What of the chunk has been read already.
    at: usize,
    line: LineBuffer,
}

/// One line, or its beginning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// As much of it as is kept.
    pub(crate) kept: &'a [u8],
    /// How long it is.
    pub(crate) length: usize,
    /// What was noted of the read that brought its first byte.
    pub(crate) began: u64,
    /// What was noted of the read that brought its end.
    pub(crate) ended: u64,
}

impl Line<'_> {
    pub(crate) fn is_whole(&self) -> bool {
        self.kept.len() == self.length
    }
}

const CHUNK_BYTES: usize = 64 << 10;

impl<R: AsyncRead + Unpin, N: Fn() -> u64> Lines<R, N> {
    /// Notes a number whenever something has come.
    pub(crate) fn new(pipe: R, bytes_max: usize, note: N) -> Self {
        let line = LineBuffer::new(bytes_max);
        Self { pipe, note, noted: 0, began: None, chunk: Vec::new(), at: 0, line }
    }

    /// The next line; nothing once the pipe has ended or failed. `grows` is told how long the line
    /// is by now, since it may never end.
    pub(crate) async fn next(&mut self, mut grows: impl FnMut(usize)) -> Option<Line<'_>> {
        self.line.clear();
        self.began = None;
        loop {
            let mut rest = &self.chunk[self.at..];
            if !rest.is_empty() {
                self.began.get_or_insert(self.noted);
            }
            let is_whole = self.line.take(&mut rest);
            self.at = self.chunk.len() - rest.len();
            if is_whole {
                return Some(self.line());
            }
            grows(self.line.length());
            self.at = 0;
            self.chunk.clear();
            self.chunk.reserve(CHUNK_BYTES);
            let read = self.pipe.read_buf(&mut self.chunk).await;
            self.noted = (self.note)();
            if !read.is_ok_and(|bytes| bytes > 0) {
                // The last line may lack its end.
                return (self.line.length() > 0).then(|| self.line());
            }
        }
    }

    fn line(&self) -> Line<'_> {
        let (kept, length) = (self.line.kept(), self.line.length());
        Line { kept, length, began: self.began.unwrap_or(self.noted), ended: self.noted }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;

    use super::*;

    /// Gives its bytes in pieces of a chosen size.
    struct Pieces {
        bytes: Vec<u8>,
        at: usize,
        size: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            let size = self.size.min(self.bytes.len() - self.at).min(buffer.remaining());
            buffer.put_slice(&self.bytes[self.at..self.at + size]);
            self.at += size;
            Poll::Ready(Ok(()))
        }
    }

    async fn lines(text: &str, size: usize, bytes_max: usize) -> Vec<(String, usize)> {
        let pieces = Pieces { bytes: text.into(), at: 0, size };
        let mut lines = Lines::new(pieces, bytes_max, || 0);
        let mut all = Vec::new();
        while let Some(line) = lines.next(|_| {}).await {
            all.push((String::from_utf8(line.kept.to_vec()).unwrap(), line.length));
        }
        all
    }

    #[tokio::test]
    async fn lines_are_the_same_in_whatever_pieces_they_come() {
        for size in 1..12 {
            let lines = lines("one\ntwo\r\n\nthree", size, 100).await;
            let text: Vec<_> = lines.iter().map(|(text, _)| text.as_str()).collect();
            assert_eq!(text, ["one", "two", "", "", "three"], "{size}");
        }
    }

    /// Gives some bytes, and then fails whenever it is read.
    struct Fails(Option<&'static [u8]>);

    impl AsyncRead for Fails {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            let bytes = self.0.take().ok_or_else(|| std::io::Error::other("no such pipe"))?;
            buffer.put_slice(bytes);
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_pipe_that_cannot_be_read_has_ended() {
        let mut lines = Lines::new(Fails(Some(b"one\ntw")), 100, || 0);
        assert_eq!(lines.next(|_| {}).await.map(|line| line.kept.to_vec()), Some(b"one".into()));
        assert_eq!(lines.next(|_| {}).await.map(|line| line.kept.to_vec()), Some(b"tw".into()));
        assert_eq!(lines.next(|_| {}).await, None);
        assert_eq!(Lines::new(Fails(None), 100, || 0).next(|_| {}).await, None);
    }

    #[tokio::test]
    async fn of_a_long_line_only_the_beginning_is_kept() {
        for size in [1, 3, 1_000] {
            let expected = [("abcd".to_owned(), 6), ("ok".to_owned(), 2)];
            assert_eq!(lines("abcdef\nok\n", size, 4).await, expected);
        }
    }

    #[tokio::test]
    async fn a_line_that_does_not_end_is_told_of_while_it_grows() {
        let pieces = Pieces { bytes: "ab\ncdefgh".into(), at: 0, size: 3 };
        let mut lines = Lines::new(pieces, 4, || 0);
        let mut grown = Vec::new();
        while lines.next(|length| grown.push(length)).await.is_some() {}
        assert_eq!(grown, [0, 0, 3, 6, 0]);
    }

    #[tokio::test]
    async fn lines_that_came_together_can_be_told_from_others() {
        let pieces = Pieces { bytes: "ab\nc\nd\ne".into(), at: 0, size: 5 };
        let reads = Cell::new(0);
        let count = || {
            reads.set(reads.get() + 1);
            reads.get()
        };
        let mut lines = Lines::new(pieces, 100, count);
        let mut all = Vec::new();
        while let Some(line) = lines.next(|_| {}).await {
            all.push((line.began, line.ended));
        }
        assert_eq!(all, [(1, 1), (1, 1), (2, 2), (2, 3)], "the end of the pipe is a read too");
    }

    #[tokio::test]
    async fn memory_is_bounded_whatever_comes() {
        let text = "x".repeat(10 << 20);
        let pieces = Pieces { bytes: text.into(), at: 0, size: 1 << 20 };
        let mut reader = Lines::new(pieces, 1_000, || 0);
        assert_eq!(reader.next(|_| {}).await.map(|line| line.length), Some(10 << 20));
        assert!(reader.chunk.capacity() <= 2 * CHUNK_BYTES);
        assert_eq!(reader.next(|_| {}).await, None);
    }
}
