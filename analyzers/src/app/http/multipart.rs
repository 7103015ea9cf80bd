//! Files in a request's multipart/form-data body.
//!
//! The body comes in pieces and is looked at once: what is held is at most a part's header or the
//! beginning of what may be a boundary.

use super::super::File;
use super::bytes::{chomp, find_ci, parameter};

/// The longest boundary that is believed; RFC 2046 allows 70.
const BOUNDARY_LIMIT: usize = 200;
/// The longest header of a part.
const HEADER_LIMIT: usize = 8 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// Right behind a boundary, on its line.
    Boundary,
    Header,
    /// In a part that is, or is not, a file.
    Part,
    /// Behind the last boundary.
    Epilogue,
}

/// What it made of a body.
#[derive(Debug)]
pub(super) struct Multipart {
    /// With the two hyphens before it.
    boundary: Vec<u8>,
    state: State,
    /// What could not be decided yet. In a part: without the line end before it.
    held: Vec<u8>,
    /// Bytes of `held` that were searched.
    searched: usize,
    /// `held` begins a line: nothing of the body, or of the part, was taken yet.
    fresh: bool,
    /// The part's file among the transaction's.
    file: Option<usize>,
}

impl Multipart {
    /// Of a Content-Type field, if it says so and names a boundary.
    pub(super) fn of(content_type: &[u8]) -> Option<Self> {
        find_ci(content_type, b"multipart/form-data")?;
        let boundary = parameter(content_type, b"boundary")?;
        if boundary.is_empty() || boundary.len() > BOUNDARY_LIMIT {
            return None;
        }
        Some(Self {
            boundary: [b"--", boundary].concat(),
            state: State::Preamble,
            held: Vec::new(),
            searched: 0,
            fresh: true,
            file: None,
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.held.capacity() + self.boundary.capacity()
    }

    /// The next bytes. Files are added to `files` and go on there.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        files: &mut Vec<File>,
        limit: usize,
        events: &mut dyn FnMut(&'static str),
    ) {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(taken) = self.step(at, false, files, limit, events) {
            at += taken;
            self.searched = 0;
        }
        self.held.drain(..at.min(self.held.len()));
        if self.state == State::Epilogue {
            self.held = Vec::new();
        }
    }

    /// Bytes were lost: what the file in hand was goes on nobody knows where.
    pub(super) fn lose(&mut self, len: u64, files: &mut [File]) {
        if let Some(file) = self.file.take().and_then(|index| files.get_mut(index)) {
            file.lose(len);
            file.truncate();
        }
        self.state = State::Preamble;
        self.fresh = false;
        self.held = Vec::new();
        self.searched = 0;
    }

    /// The body is over, whole or not.
    pub(super) fn finish(
        &mut self,
        files: &mut Vec<File>,
        limit: usize,
        events: &mut dyn FnMut(&'static str),
    ) {
        let mut at = 0;
        while let Some(taken) = self.step(at, true, files, limit, events) {
            at += taken;
            self.searched = 0;
        }
        if self.state != State::Epilogue {
            if self.state == State::Preamble {
                events("http.multipart_generic_error");
            }
            if let Some(file) = self.file.take().and_then(|index| files.get_mut(index)) {
                file.truncate();
            }
        }
        self.held = Vec::new();
        self.state = State::Epilogue;
    }

    /// Takes what can be taken of `held` from `at` on; `None` if that is nothing.
    fn step(
        &mut self,
        at: usize,
        last: bool,
        files: &mut Vec<File>,
        limit: usize,
        events: &mut dyn FnMut(&'static str),
    ) -> Option<usize> {
        let rest = self.held.get(at..)?;
        if rest.is_empty() {
            return None;
        }
        match self.state {
            State::Epilogue => Some(rest.len()),
            State::Boundary => {
                if rest.starts_with(b"--") {
                    self.state = State::Epilogue;
                    return Some(2);
                }
                if rest.len() < 2 && !last {
                    return None;
                }
                match rest.iter().position(|&b| b == b'\n') {
                    Some(end) => {
                        self.state = State::Header;
                        Some(end + 1)
                    }
                    // Space may follow a boundary, nothing else; what is longer is skipped.
                    None if rest.len() > BOUNDARY_LIMIT => Some(rest.len() - 1),
                    None => None,
                }
            }
            State::Header => {
                let Some(end) = header_end(rest, &mut self.searched) else {
                    if rest.len() > HEADER_LIMIT {
                        events("http.multipart_invalid_header");
                        self.state = State::Part;
                        self.file = None;
                        return Some(0);
                    }
                    return None;
                };
                let header = rest.get(..end).unwrap_or_default();
                self.file = None;
                match disposition(header) {
                    None if !chomp(header).is_empty() => events("http.multipart_invalid_header"),
                    Some(Some(name)) => {
                        files.push(File::open(name.to_vec(), true));
                        self.file = Some(files.len() - 1);
                    }
                    _ => {}
                }
                self.state = State::Part;
                self.fresh = true;
                Some(end)
            }
            State::Preamble | State::Part => {
                let (data, found) = until_boundary(rest, &self.boundary, last, self.fresh);
                self.fresh &= data == 0 && found.is_none();
                let file = self.file.and_then(|index| files.get_mut(index));
                if let Some(file) = file {
                    file.append(rest.get(..data).unwrap_or_default(), limit);
                    if found.is_some() {
                        if file.size == 0 {
                            events("http.multipart_no_filedata");
                        }
                        file.close();
                        self.file = None;
                    }
                }
                match found {
                    Some(behind) => {
                        self.state = State::Boundary;
                        Some(behind)
                    }
                    None => (data > 0).then_some(data),
                }
            }
        }
    }
}

/// How many bytes are data for certain, and where it goes on behind the boundary if one was found.
fn until_boundary(
    bytes: &[u8],
    boundary: &[u8],
    last: bool,
    first: bool,
) -> (usize, Option<usize>) {
    let mut from = 0;
    // The first one may begin the body, all others begin a line.
    if first && bytes.starts_with(boundary) {
        return (0, Some(boundary.len()));
    }
    if first && !last && boundary.starts_with(bytes) {
        return (0, None);
    }
    while let Some(line) = bytes.get(from..).and_then(|rest| rest.iter().position(|&b| b == b'\n'))
    {
        let begin = from + line + 1;
        let line_end =
            if begin >= 2 && bytes.get(begin - 2) == Some(&b'\r') { begin - 2 } else { begin - 1 };
        let rest = bytes.get(begin..).unwrap_or_default();
        if rest.starts_with(boundary) {
            return (line_end, Some(begin + boundary.len()));
        }
        if !last && boundary.starts_with(rest) {
            return (line_end, None);
        }
        from = begin;
    }
    if !last && bytes.last() == Some(&b'\r') {
        return (bytes.len() - 1, None);
    }
    (bytes.len(), None)
}

/// Where a part's header ends, behind its empty line.
fn header_end(bytes: &[u8], searched: &mut usize) -> Option<usize> {
    if bytes.starts_with(b"\r\n") {
        return Some(2);
    }
    if bytes.starts_with(b"\n") {
        return Some(1);
    }
    let mut from = searched.saturating_sub(3);
    while let Some(at) = bytes.get(from..).and_then(|rest| rest.iter().position(|&b| b == b'\n')) {
        let begin = from + at + 1;
        match bytes.get(begin..) {
            Some([b'\n', ..]) => return Some(begin + 1),
            Some([b'\r', b'\n', ..]) => return Some(begin + 2),
            _ => from = begin,
        }
    }
    *searched = bytes.len();
    None
}

/// The file name of a form-data part: `None` if it is none, `Some(None)` if it has no file.
fn disposition(header: &[u8]) -> Option<Option<&[u8]>> {
    header.split(|&b| b == b'\n').find_map(|line| {
        let line = chomp(line);
        let colon = line.iter().position(|&b| b == b':')?;
        let (name, value) = line.split_at(colon);
        let known = super::bytes::trim(name, super::bytes::is_space)
            .eq_ignore_ascii_case(b"content-disposition");
        (known && find_ci(value, b"form-data").is_some()).then(|| parameter(value, b"filename"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::FileState;
    use super::*;

    const BODY: &[u8] = b"--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--xx\r\n\
        content-disposition: form-data; name=f; filename=\"evil.exe\"\r\nContent-Type: x/y\r\n\r\nMZ\r\n--x\r\r\n\r\n--xx\r\n\
        Content-Disposition: form-data; name=g; filename=empty\r\n\r\n\r\n--xx--\r\nepilogue";

    fn files(body: &[u8], piece: usize) -> (Vec<File>, Vec<&'static str>) {
        let mut multipart = Multipart::of(b"multipart/form-data; boundary=xx").unwrap();
        let (mut files, mut events) = (Vec::new(), Vec::new());
        for part in body.chunks(piece) {
            multipart.feed(part, &mut files, 1000, &mut |event| events.push(event));
        }
        multipart.finish(&mut files, 1000, &mut |event| events.push(event));
        (files, events)
    }

    #[test]
    fn files_are_found_however_cut() {
        let whole = files(BODY, BODY.len());
        assert_eq!(whole.0.len(), 2);
        assert_eq!(
            (whole.0[0].name.as_slice(), whole.0[0].data.as_slice()),
            (&b"evil.exe"[..], &b"MZ\r\n--x\r\r\n"[..])
        );
        assert_eq!(whole.0[0].state, FileState::Closed);
        assert_eq!(whole.1, ["http.multipart_no_filedata"]);
        for piece in 1..BODY.len() {
            assert_eq!(files(BODY, piece), whole, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_cut_off_part_is_truncated() {
        let end = BODY.windows(2).position(|window| window == b"MZ").unwrap() + 5;
        assert_eq!(files(&BODY[..end], 5).0[0].state, FileState::Truncated);
        assert_eq!(files(b"nothing", 3).1, ["http.multipart_generic_error"]);
    }

    #[test]
    fn boundaries_are_bounded() {
        assert!(Multipart::of(b"multipart/form-data").is_none());
        assert!(
            Multipart::of(&[b"multipart/form-data; boundary=".as_slice(), &[b'a'; 300]].concat())
                .is_none()
        );
    }
}
