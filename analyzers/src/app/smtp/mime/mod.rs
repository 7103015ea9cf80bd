//! Mails as they come, line by line (RFC 5322, RFC 2045 to 2047).
//!
//! What is held is the field in hand, the mail's header, and what the limits allow of its files. Parts that
//! have a name are files; texts are looked through for web addresses. Parts within parts end with their
//! own boundary or with one of those around them.

mod coding;
mod field;
mod header;
mod part;
mod url;

pub(super) use self::header::Header;
use self::part::Part;
pub(super) use self::url::Urls;
use super::SmtpConfig;
use crate::app::File;
use crate::app::backlog::Line;

/// Parts within parts.
const DEPTH_LIMIT: usize = 64;
/// Files of a mail that are told apart, and bytes of all that are kept.
const FILES_LIMIT: usize = 1024;
const FILES_BYTES_LIMIT: usize = 4 << 20;
/// The longest line (RFC 5322, 2.1.1), and of those that encode (RFC 2045, 6.7).
const LINE_LIMIT: usize = 998;
const ENCODED_LINE_LIMIT: usize = 76;
/// The longest name of a field, and what is kept of a value with its folds.
const NAME_LIMIT: usize = 75;
const VALUE_LIMIT: usize = 16 << 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Header,
    Body,
    Done,
}

/// A mail being read.
#[derive(Debug, Default)]
pub(super) struct Mime {
    state: State,
    /// The mail's own fields, of use once all are there.
    header: Header,
    header_done: bool,
    /// The field in hand: its name in lower case, and its value as far as it is unfolded.
    field: Option<(Vec<u8>, Vec<u8>)>,
    boundaries: Vec<Vec<u8>>,
    part: Part,
    /// Decoded bytes, for the moment.
    scratch: Vec<u8>,
    urls: Urls,
    attachments: Vec<Vec<u8>>,
    kept_bytes: usize,
    /// The line in hand began before.
    midline: bool,
}

/// What a mail is read into.
pub(super) struct Sink<'a> {
    pub(super) files: &'a mut Vec<File>,
    pub(super) events: &'a mut Vec<&'static str>,
    pub(super) config: &'a SmtpConfig,
}

impl Sink<'_> {
    fn event(&mut self, event: &'static str) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }
}

impl Mime {
    /// The mail's fields, once all are there.
    pub(super) fn header(&self) -> Option<&Header> {
        self.header_done.then_some(&self.header)
    }

    pub(super) fn urls(&self) -> &Urls {
        &self.urls
    }

    /// Names of parts, those of empty ones too.
    pub(super) fn attachments(&self) -> &[Vec<u8>] {
        &self.attachments
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let lists = self.attachments.iter().chain(&self.boundaries);
        let listed: usize = lists.map(|bytes| bytes.len() + size_of::<Vec<u8>>()).sum();
        let field = self.field.as_ref().map_or(0, |(name, value)| name.len() + value.len());
        size_of::<Self>()
            + self.header.memory_bytes()
            + self.urls.memory_bytes()
            + self.part.memory_bytes()
            + self.scratch.capacity()
            + field
            + listed
    }

    /// The next line, or a part of one that is too long.
    pub(super) fn line(&mut self, line: Line<'_>, sink: &mut Sink<'_>) {
        let continued = std::mem::replace(&mut self.midline, !line.is_whole());
        if !continued && line.text.len() > LINE_LIMIT {
            sink.event("smtp.mime_long_line");
        }
        match self.state {
            State::Header if continued => {}
            State::Header => self.header_line(line, sink),
            State::Body => {
                if continued || !self.boundary(line.text, sink) {
                    self.contents(line, continued, sink);
                }
            }
            State::Done => {}
        }
    }

    fn header_line(&mut self, line: Line<'_>, sink: &mut Sink<'_>) {
        if !line.is_whole() {
            sink.event("smtp.truncated_line");
        }
        match line.text {
            [] => self.end_of_header(sink),
            [b' ' | b'\t', text @ ..] => {
                if let Some((_, value)) = &mut self.field {
                    let room = VALUE_LIMIT.saturating_sub(value.len());
                    value.extend_from_slice(text.get(..room).unwrap_or(text));
                }
            }
            text => {
                let mut sides = text.splitn(2, |&byte| byte == b':');
                // What is no field is nothing at all: folds behind it go on the field before.
                let (Some(name), Some(value)) = (sides.next(), sides.next()) else { return };
                self.end_of_field(sink);
                let start = value.iter().position(|&byte| !matches!(byte, b' ' | b'\t'));
                let value = start.and_then(|start| value.get(start..)).unwrap_or_default();
                if name.len() > NAME_LIMIT {
                    sink.event("smtp.mime_long_header_name");
                }
                if value.len() > sink.config.header_value_depth {
                    sink.event("smtp.mime_long_header_value");
                }
                self.field = Some((name.to_ascii_lowercase(), value.to_vec()));
            }
        }
    }

    fn end_of_field(&mut self, sink: &mut Sink<'_>) {
        let Some((name, value)) = self.field.take() else { return };
        self.part_field(&name, &value, sink);
        if !self.header_done {
            self.header.add(name, value);
        }
    }

    fn end_of_header(&mut self, sink: &mut Sink<'_>) {
        self.end_of_field(sink);
        self.header_done = true;
        if self.part.is_message() {
            self.part = Part::default();
            return;
        }
        self.state = State::Body;
        self.open_part(sink);
    }

    /// What follows has parts.
    fn enter(&mut self, boundary: Vec<u8>) {
        if !boundary.is_empty() && self.boundaries.len() < DEPTH_LIMIT {
            self.boundaries.push(boundary);
        }
    }

    /// Takes a line that is a boundary. The innermost counts; one that is the beginning of another is the
    /// other.
    fn boundary(&mut self, text: &[u8], sink: &mut Sink<'_>) -> bool {
        let Some(text) = text.strip_prefix(b"--") else { return false };
        let fitting = self.boundaries.iter().enumerate().filter(|(_, b)| text.starts_with(b));
        let Some((depth, len)) = fitting.map(|(depth, b)| (depth, b.len())).max_by_key(|f| f.1)
        else {
            return false;
        };
        self.boundaries.truncate(depth + 1);
        if text.get(len..).is_some_and(|behind| behind.starts_with(b"--")) {
            // The outermost begins parts again even where it ended them.
            if depth > 0 {
                self.boundaries.pop();
            }
            self.close_part(Part::none(), sink);
        } else {
            self.close_part(Part::default(), sink);
            self.state = State::Header;
        }
        true
    }

    /// The mail is over.
    pub(super) fn finish(&mut self, sink: &mut Sink<'_>) {
        if self.state == State::Body {
            self.close_part(Part::none(), sink);
        }
        self.state = State::Done;
        self.scratch = Vec::new();
    }

    /// What is to come of the mail will not.
    pub(super) fn abort(&mut self, files: &mut [File]) {
        if let Some(file) = self.part.file().and_then(|index| files.get_mut(index)) {
            file.truncate();
        }
        self.state = State::Done;
        self.scratch = Vec::new();
    }
}
