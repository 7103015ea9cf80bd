//! What of a stream could not be read yet, and lines of it.

use super::ParseError;

/// The beginning of something that has not come whole.
#[derive(Debug, Default)]
pub(super) struct Backlog(Vec<u8>);

impl Backlog {
    /// Gives `step` what is there, as long as it takes some of it: how many bytes, or `None` if it needs
    /// more. What is left is kept; nothing after an error.
    ///
    /// # Errors
    ///
    /// That of `step`.
    pub(super) fn feed(
        &mut self,
        data: &[u8],
        mut step: impl FnMut(&[u8]) -> Result<Option<usize>, ParseError>,
    ) -> Result<(), ParseError> {
        let mut run = |bytes: &[u8]| {
            let mut at = 0;
            while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
                let Some(taken) = step(rest)? else { break };
                at += taken;
            }
            Ok(at.min(bytes.len()))
        };
        if self.0.is_empty() {
            let taken = run(data)?;
            self.0 = data.get(taken..).unwrap_or_default().to_vec();
            return Ok(());
        }
        self.0.extend_from_slice(data);
        match run(&self.0) {
            Ok(taken) => {
                self.0.drain(..taken);
                Ok(())
            }
            Err(error) => {
                self.0 = Vec::new();
                Err(error)
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.0.capacity()
    }
}

/// A line, or the beginning of one that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Without its end.
    pub(super) text: &'a [u8],
    /// With its end.
    pub(super) raw: &'a [u8],
}

impl<'a> Line<'a> {
    /// The next one of at most `limit` bytes with its end; `None` if more is needed to know.
    pub(super) fn next(bytes: &'a [u8], limit: usize) -> Option<Self> {
        let head = bytes.get(..limit).unwrap_or(bytes);
        let Some(end) = memchr::memchr(b'\n', head) else {
            return (head.len() == limit).then_some(Self { text: head, raw: head });
        };
        let text = head.get(..end)?;
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Some(Self { text, raw: head.get(..=end)? })
    }

    /// What ends it: LF, CR LF, or nothing where it goes on.
    pub(super) fn end(&self) -> &'static [u8] {
        match self.raw.len() - self.text.len() {
            0 => b"",
            1 => b"\n",
            _ => b"\r\n",
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.raw.len() > self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8], limit: usize) -> Vec<(&[u8], &[u8])> {
        let (mut all, mut at) = (Vec::new(), 0);
        while let Some(line) = Line::next(&bytes[at..], limit) {
            all.push((line.text, line.end()));
            at += line.raw.len();
        }
        all
    }

    #[test]
    fn lines_end_with_lf_or_where_the_limit_is() {
        let expected: [(&[u8], &[u8]); 3] = [(b"a", b"\r\n"), (b"", b"\n"), (b"c\rd", b"\n")];
        assert_eq!(lines(b"a\r\n\nc\rd\nrest", 10), expected);
        let expected: [(&[u8], &[u8]); 3] = [(b"abcd", b""), (b"ef", b"\r\n"), (b"ghij", b"")];
        assert_eq!(lines(b"abcdef\r\nghijk", 4), expected);
    }

    #[test]
    fn what_is_not_taken_is_given_again() {
        let (mut backlog, mut seen) = (Backlog::default(), Vec::new());
        for piece in [&b"ab"[..], b"c\nd", b"e\n\nf"] {
            let taken = backlog.feed(piece, |rest| {
                let line = Line::next(rest, 10);
                seen.extend(line.map(|line| line.text.to_vec()));
                Ok(line.map(|line| line.raw.len()))
            });
            taken.unwrap();
        }
        assert_eq!(seen, [&b"abc"[..], b"de", b""]);
        assert!(!backlog.is_empty());
        backlog.feed(b"g", |_| Err(ParseError { reason: "x" })).unwrap_err();
        assert!(backlog.is_empty());
    }
}
