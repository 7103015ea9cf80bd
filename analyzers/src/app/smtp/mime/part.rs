//! A mail's or a part's body: what its header says of it, and its contents.

use super::coding::{Base64, Coding, quoted_printable};
use super::{ENCODED_LINE_LIMIT, FILES_BYTES_LIMIT, FILES_LIMIT, Mime, Sink, field, url};
use crate::app::File;
use crate::app::backlog::Line;

/// The longest boundary; RFC 2046 (5.1.1) allows 70.
const BOUNDARY_LIMIT: usize = 254;
/// The longest file name that is kept.
const NAME_LIMIT: usize = 255;
/// A line of an encoded text is cut here.
const TEXT_LIMIT: usize = 4096;

/// What a part is, by its header.
#[derive(Debug, Default)]
pub(super) struct Part {
    coding: Coding,
    /// In lower case.
    kind: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    /// Among the transaction's files.
    file: Option<usize>,
    base64: Base64,
    /// The line of an encoded text that is not over.
    text: Vec<u8>,
    /// The end of the line before, which may belong to a boundary.
    held_end: &'static [u8],
    /// Between parts or behind them.
    is_none: bool,
}

impl Part {
    /// What stands behind the last part.
    pub(super) fn none() -> Self {
        Self { is_none: true, ..Self::default() }
    }

    /// Its body begins with a header of its own.
    pub(super) fn is_message(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| kind.starts_with(b"message/"))
    }

    fn is_text(&self) -> bool {
        let is_text = |kind: &Vec<u8>| matches!(kind.as_slice(), b"text/plain" | b"text/html");
        !self.is_none && self.kind.as_ref().is_none_or(is_text)
    }

    pub(super) fn file(&self) -> Option<usize> {
        self.file
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.text.capacity() + self.name.as_ref().map_or(0, Vec::len)
    }
}

impl Mime {
    /// A field that says something of the part. Where two name it, the first counts.
    pub(super) fn part_field(&mut self, name: &[u8], value: &[u8], sink: &mut Sink<'_>) {
        match name {
            b"content-type" => {
                self.part.kind.get_or_insert(field::main_value(value).to_ascii_lowercase());
                if let Some(boundary) = field::parameter(value, b"boundary") {
                    if boundary.len() > BOUNDARY_LIMIT {
                        sink.event("smtp.mime_long_boundary");
                    }
                    self.enter(boundary);
                }
                self.part_name(field::parameter(value, b"name"), sink);
            }
            b"content-disposition" => {
                self.part_name(field::parameter(value, b"filename"), sink);
            }
            b"content-transfer-encoding" => self.part.coding = Coding::of(value),
            _ => {}
        }
    }

    fn part_name(&mut self, name: Option<Vec<u8>>, sink: &mut Sink<'_>) {
        let Some(mut name) = name.filter(|_| self.part.name.is_none()) else { return };
        if name.len() > NAME_LIMIT {
            sink.event("smtp.mime_long_filename");
            name.truncate(NAME_LIMIT);
        }
        if self.attachments.len() < FILES_LIMIT {
            self.attachments.push(name.clone());
        }
        self.part.name = Some(name);
    }

    /// Its header is over. A part with a name is a file.
    pub(super) fn open_part(&mut self, sink: &mut Sink<'_>) {
        let name = self.part.name.as_ref().filter(|name| !name.is_empty());
        if let Some(name) = name.filter(|_| sink.files.len() < FILES_LIMIT) {
            self.part.file = Some(sink.files.len());
            sink.files.push(File::open(name.clone(), true));
        }
    }

    /// A line of the body. With `continued` it goes on the line before.
    pub(super) fn contents(&mut self, line: Line<'_>, continued: bool, sink: &mut Sink<'_>) {
        if self.part.file.is_none() && !self.part.is_text() {
            return;
        }
        let coded = self.part.coding != Coding::Plain;
        if coded && !continued && line.text.len() > ENCODED_LINE_LIMIT {
            sink.event("smtp.mime_long_enc_line");
        }
        let mut out = std::mem::take(&mut self.scratch);
        out.clear();
        match self.part.coding {
            Coding::Plain => {
                out.extend_from_slice(std::mem::replace(&mut self.part.held_end, line.end()));
                out.extend_from_slice(line.text);
            }
            Coding::Base64 => {
                if !self.part.base64.feed(line.text, &mut out) {
                    sink.event("smtp.mime_invalid_base64");
                }
            }
            Coding::QuotedPrintable => {
                let (soft, valid) = quoted_printable(line.text, &mut out);
                if !valid {
                    sink.event("smtp.mime_invalid_qp");
                }
                if !soft {
                    out.extend_from_slice(line.end());
                }
            }
        }
        if self.part.is_text() {
            match self.part.coding {
                Coding::Base64 => self.decoded_text(&out),
                _ => self.text_as_sent(line),
            }
        }
        self.keep(&out, sink);
        self.scratch = out;
    }

    /// Of a line that is too long what may go on is kept.
    fn text_as_sent(&mut self, line: Line<'_>) {
        if self.part.text.is_empty() && line.is_whole() {
            return self.urls.collect(line.raw);
        }
        self.part.text.extend_from_slice(line.raw);
        let mut text = std::mem::take(&mut self.part.text);
        let done = if line.is_whole() { text.len() } else { url::settled(&text, TEXT_LIMIT) };
        let rest = text.split_off(done);
        self.urls.collect(&text);
        self.part.text = rest;
    }

    fn decoded_text(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.part.text.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.part.text.len() > TEXT_LIMIT {
                let text = std::mem::take(&mut self.part.text);
                self.urls.collect(text.trim_ascii_end());
            }
        }
    }

    fn keep(&mut self, bytes: &[u8], sink: &mut Sink<'_>) {
        let Some(file) = self.part.file.and_then(|index| sink.files.get_mut(index)) else { return };
        let before = file.data.len();
        let room = FILES_BYTES_LIMIT.saturating_sub(self.kept_bytes);
        file.append(bytes, sink.config.content_limit.min(before + room));
        self.kept_bytes += file.data.len() - before;
    }

    /// The body is over; the end of its last line belongs to what follows.
    pub(super) fn close_part(&mut self, next: Part, sink: &mut Sink<'_>) {
        let mut out = Vec::new();
        self.part.base64.flush(&mut out);
        if self.part.is_text() {
            self.decoded_text(&out);
            let text = std::mem::take(&mut self.part.text);
            self.urls.collect(text.trim_ascii_end());
        }
        self.keep(&out, sink);
        if let Some(file) = self.part.file.and_then(|index| sink.files.get_mut(index)) {
            file.close();
        }
        self.part = next;
    }
}
