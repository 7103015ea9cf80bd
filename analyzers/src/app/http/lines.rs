//! Where lines end. Servers end them at LF; browsers also at a CR alone and at LF CR, and responses are
//! read as browsers do.

use super::bytes::is_lws;

/// Behind a request's line, in bytes that were searched up to `searched`.
pub(super) fn request_line_end(bytes: &[u8], searched: &mut usize) -> Option<usize> {
    let found = bytes.get(*searched..)?.iter().position(|&b| b == b'\n');
    match found {
        Some(at) => Some(*searched + at + 1),
        None => {
            *searched = bytes.len();
            None
        }
    }
}

/// Behind a response's line, and whether it ended with LF CR. With `last` nothing will follow.
pub(super) fn response_line_end(
    bytes: &[u8],
    searched: &mut usize,
    last: bool,
) -> Option<(usize, bool)> {
    let Some(at) = bytes.get(*searched..)?.iter().position(|b| matches!(b, b'\r' | b'\n')) else {
        *searched = bytes.len();
        return None;
    };
    let at = *searched + at;
    *searched = at;
    let rest = bytes.get(at..).unwrap_or_default();
    // Several CRs are one.
    let returns = rest.iter().take_while(|&&b| b == b'\r').count();
    match rest {
        [b'\r', ..] => match rest.get(returns) {
            Some(b'\n') => Some((at + returns + 1, false)),
            None if !last => None,
            _ => Some((at + returns, false)),
        },
        [b'\n', ..] if at == 0 => Some((1, false)),
        [b'\n', b'\r', b'\n', ..] => Some((at + 1, false)),
        [b'\n', b'\r', _, ..] => Some((at + 2, true)),
        [b'\n', next, ..] if *next != b'\r' => Some((at + 1, false)),
        _ if last => Some((bytes.len(), false)),
        _ => None,
    }
}

/// What a message's header goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Not known yet.
    More,
    /// Bytes that mean nothing.
    Skip(usize),
    /// A line, with its end.
    Line(usize),
    /// The end of the header.
    End(usize),
}

/// Reads a header's lines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeaderLines {
    pub(super) searched: usize,
    /// CRs alone were right before.
    stray: bool,
    /// The line before ended with LF CR.
    lfcr: bool,
}

impl HeaderLines {
    pub(super) fn request(&mut self, bytes: &[u8]) -> Next {
        match request_line_end(bytes, &mut self.searched) {
            None => Next::More,
            Some(end) if bytes.starts_with(b"\n") || bytes.starts_with(b"\r\n") => Next::End(end),
            Some(end) => Next::Line(end),
        }
    }

    pub(super) fn response(&mut self, bytes: &[u8], last: bool) -> Next {
        match bytes {
            [] => Next::More,
            [b'\r'] if !last => Next::More,
            [b'\r', b'\n', ..] if std::mem::take(&mut self.stray) => Next::Skip(2),
            // LF CR CR LF CR LF are two ends of lines.
            [b'\r', b'\n', b'\r', b'\n', ..] if self.lfcr => Next::End(4),
            [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] if self.lfcr && !last => Next::More,
            [b'\r', b'\n', ..] => Next::End(2),
            [b'\r', ..] => {
                self.stray = true;
                Next::Skip(1)
            }
            [b'\n', ..] => Next::End(1),
            [space, b'\n', after @ ..] if is_lws(*space) && after.first() != Some(&b'\n') => {
                if after.is_empty() && !last {
                    Next::More
                } else {
                    Next::End(2)
                }
            }
            _ => match response_line_end(bytes, &mut self.searched, last) {
                None => Next::More,
                Some((end, lfcr)) => {
                    self.lfcr = lfcr;
                    self.stray = false;
                    Next::Line(end)
                }
            },
        }
    }
}

/// A chunk's size line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    More,
    /// Nothing on this line.
    Skip(usize),
    /// Length of the line, size of the chunk, and whether more than the size is on the line.
    Size(usize, u64, bool),
    /// This is none.
    Invalid,
}

/// What may stand before a size.
const fn is_chunk_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

/// Reads a chunk's size line: space, hexadecimal digits, anything, LF.
pub(super) fn chunk_size(bytes: &[u8], searched: &mut usize, limit: usize) -> Chunk {
    let Some(start) = bytes.iter().position(|&b| !is_chunk_space(b)) else {
        // Lines without anything are skipped; what begins a line may yet be its size.
        return match bytes.iter().rposition(|&b| b == b'\n') {
            Some(end) => Chunk::Skip(end + 1),
            None if bytes.len() > limit => Chunk::Skip(bytes.len()),
            None => Chunk::More,
        };
    };
    // Empty lines are gone for good, whatever follows.
    if let Some(end) = bytes.get(..start).and_then(|space| space.iter().rposition(|&b| b == b'\n'))
    {
        return Chunk::Skip(end + 1);
    }
    if !bytes.get(start).is_some_and(u8::is_ascii_hexdigit) {
        return Chunk::Invalid;
    }
    *searched = (*searched).max(start);
    let Some(end) = request_line_end(bytes, searched) else {
        return if bytes.len() > limit { Chunk::Invalid } else { Chunk::More };
    };
    let text = bytes.get(start..end).unwrap_or_default();
    let digits = text.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(text.len());
    let extension = text.get(digits..).is_some_and(|rest| rest.iter().any(|&b| !is_chunk_space(b)));
    match super::bytes::leading_number(text, 16) {
        Some(size) if size <= i32::MAX as u64 => Chunk::Size(end, size, extension),
        _ => Chunk::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(bytes: &[u8]) -> Option<(usize, bool)> {
        response_line_end(bytes, &mut 0, false)
    }

    #[test]
    fn lines_of_responses_end_in_many_ways() {
        assert_eq!(end(b"a\r\nb"), Some((3, false)));
        assert_eq!(end(b"a\rb"), Some((2, false)));
        assert_eq!(end(b"a\r\r\nb"), Some((4, false)));
        assert_eq!(end(b"a\nb"), Some((2, false)));
        assert_eq!(end(b"a\n\rb"), Some((3, true)));
        assert_eq!(end(b"a\n\r\n"), Some((2, false)));
        for open in [&b"a"[..], b"a\r", b"a\n", b"a\n\r"] {
            assert_eq!(end(open), None);
        }
        assert_eq!(response_line_end(b"a\r", &mut 0, true), Some((2, false)));
    }

    #[test]
    fn ends_of_headers() {
        let next = |bytes: &[u8]| HeaderLines::default().response(bytes, false);
        assert_eq!(next(b"\r\n"), Next::End(2));
        assert_eq!(next(b"\nx"), Next::End(1));
        assert_eq!(next(b" \nx"), Next::End(2));
        assert_eq!(next(b" \n\n"), Next::Line(2));
        assert_eq!(next(b" \n"), Next::More);
        assert_eq!(next(b" \r\n"), Next::Line(3));
        let mut lines = HeaderLines::default();
        assert_eq!(lines.response(b"\r\r\n", false), Next::Skip(1));
        assert_eq!(lines.response(b"\r\n", false), Next::Skip(2));
        assert_eq!(lines.response(b"\r\n", false), Next::End(2));
        let mut lines = HeaderLines::default();
        assert_eq!(lines.response(b"a: b\n\r\r\n\r\n", false), Next::Line(6));
        assert_eq!(lines.response(b"\r\n\r\n", false), Next::End(4));
    }

    #[test]
    fn chunk_sizes() {
        let size = |bytes: &[u8]| chunk_size(bytes, &mut 0, 100);
        assert_eq!(size(b"00f\r\n"), Chunk::Size(5, 15, false));
        assert_eq!(size(b" \x0bF ;x\n"), Chunk::Size(7, 15, true));
        assert_eq!(size(b"\r\n"), Chunk::Skip(2));
        assert_eq!(size(b"\n5\r\n"), Chunk::Skip(1));
        assert_eq!(size(b"0xf\r\n"), Chunk::Size(5, 0, true));
        assert_eq!(size(b"X5O"), Chunk::Invalid);
        assert_eq!(size(b"-1\r\n"), Chunk::Invalid);
        assert_eq!(size(b"ffffffffff\r\n"), Chunk::Invalid);
        assert_eq!(size(b"5"), Chunk::More);
    }
}
