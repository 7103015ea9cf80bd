//! Mails as they come, line by line (RFC 5322, RFC 2045 to 2047).
//!
//! What is held is the field in hand, the mail's header, and what the limits allow of its files. Parts that
//! have a name are files; texts are looked through for web addresses. Boundaries of any depth count, also
//! those of an outer part within an inner one that was not ended.

mod coding;
mod field;
mod header;
mod url;

use self::coding::{Base64, Coding};
pub(super) use self::header::Header;
use super::SmtpConfig;
use crate::app::File;
use crate::app::backlog::Line;

/// Parts within parts.
const DEPTH_LIMIT: usize = 32;
/// Files of a mail that are told apart, and bytes of all that are kept.
const FILES_LIMIT: usize = 1024;
const FILES_BYTES_LIMIT: usize = 4 << 20;
/// The longest boundary (RFC 2046, 5.1.1), and what is believed beyond.
const BOUNDARY_LIMIT: usize = 254;
/// The longest file name that is kept.
const NAME_LIMIT: usize = 255;
/// The longest line (RFC 5322, 2.1.1), and of those that encode (RFC 2045, 6.7).
const LINE_LIMIT: usize = 998;
const ENCODED_LINE_LIMIT: usize = 76;

/// Where a mail stands. The words are Suricata's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Start,
    Header,
    Body,
    Done,
}

/// What a part is, by its header.
#[derive(Debug, Default)]
struct Part {
    coding: Coding,
    is_text: bool,
    is_message: bool,
    /// Its name; it is a file then.
    name: Option<Vec<u8>>,
    /// Among the transaction's files.
    file: Option<usize>,
    /// What of an encoded group is there.
    base64: Base64,
    /// The end of the line before, which may belong to a boundary.
    held_end: &'static [u8],
}

/// A mail being read.
#[derive(Debug, Default)]
pub(super) struct Mime {
    state: State,
    /// The fields of the mail itself.
    pub(super) header: Header,
    /// The field in hand.
    field: Vec<u8>,
    field_is_long: bool,
    /// In a part's header, not the mail's.
    inner: bool,
    boundaries: Vec<Vec<u8>>,
    part: Part,
    /// Decoded bytes, for the moment.
    scratch: Vec<u8>,
    pub(super) urls: Vec<Vec<u8>>,
    pub(super) attachments: Vec<Vec<u8>>,
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
    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let lists = self.urls.iter().chain(&self.attachments).chain(&self.boundaries);
        let listed: usize = lists.map(|bytes| bytes.len() + size_of::<Vec<u8>>()).sum();
        self.header.memory_bytes() + self.field.capacity() + self.scratch.capacity() + listed
    }

    /// The next line, or a part of one that is too long.
    pub(super) fn line(&mut self, line: Line<'_>, sink: &mut Sink<'_>) {
        let continued = std::mem::replace(&mut self.midline, !line.is_whole());
        if !continued && line.text.len() > LINE_LIMIT {
            sink.event("smtp.mime_long_line");
        }
        match self.state {
            State::Start | State::Header => self.header_line(line, continued, sink),
            State::Body => self.body_line(line, continued, sink),
            State::Done => {}
        }
    }

    fn header_line(&mut self, line: Line<'_>, continued: bool, sink: &mut Sink<'_>) {
        self.state = State::Header;
        match line.text {
            [] if !continued => self.end_of_header(sink),
            [b' ' | b'\t', ..] if !continued && !self.field.is_empty() => {
                self.extend_field(line.text, sink);
            }
            text if continued => self.extend_field(text, sink),
            text => {
                self.end_of_field(sink);
                self.extend_field(text, sink);
            }
        }
    }

    fn extend_field(&mut self, text: &[u8], sink: &Sink<'_>) {
        // Enough for a name before the value.
        let limit = sink.config.header_value_depth + LINE_LIMIT;
        let room = limit.saturating_sub(self.field.len());
        self.field_is_long |= text.len() > room;
        self.field.extend_from_slice(text.get(..room).unwrap_or(text));
    }
}
