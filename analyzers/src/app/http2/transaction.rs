//! A stream, or a frame of the connection as a whole.

use super::super::http::range::ContentRange;
use super::super::{Buffer, BufferView, COMPLETE, Field, File, FileState, Heading, Transaction};
use super::body::{Body, Room};
use super::config::Http2Config;
use super::facts::Facts;
use super::fields::{Fields, Taken};
use super::hpack::{BlockEnd, Decoder, Item};

/// The header fields are there; those behind the body may follow.
pub const HEADERS: u8 = 1;
/// There is something of a body.
pub const BODY: u8 = 2;

/// What goes one way.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) progress: u8,
    pub(super) fields: Fields,
    pub(super) facts: Facts,
    pub(super) body: Body,
}

/// A stream, or a frame of the connection as a whole.
#[derive(Debug, Default)]
pub struct Http2Transaction {
    /// 0 for the connection as a whole.
    pub(super) stream: u32,
    pub(super) sides: [Side; 2],
    /// It counts among the open streams.
    pub(super) open: bool,
    events: Vec<&'static str>,
    files: Vec<File>,
}

impl Http2Transaction {
    /// Of a stream that begins, or of the connection.
    pub(super) fn of_stream(stream: u32) -> Self {
        let mut transaction = Self { stream, open: stream != 0, ..Self::default() };
        if stream == 0 {
            for side in &mut transaction.sides {
                side.progress = COMPLETE;
            }
        }
        transaction
    }

    pub(super) fn event(&mut self, event: &'static str) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    pub(super) fn side(&self, heading: Heading) -> &Side {
        &self.sides[heading.index()]
    }

    pub(super) fn side_mut(&mut self, heading: Heading) -> &mut Side {
        &mut self.sides[heading.index()]
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sides.iter().all(|side| side.progress == COMPLETE)
    }

    fn reach(&mut self, heading: Heading, stage: u8) {
        let side = self.side_mut(heading);
        side.progress = side.progress.max(stage);
    }

    /// A header block, whole.
    pub(super) fn block(&mut self, heading: Heading, block: &[u8], decoder: &mut Decoder) {
        let Self { sides, events, .. } = self;
        let mut event = |event: &'static str| {
            if !events.contains(&event) {
                events.push(event);
            }
        };
        let fields = &mut sides[heading.index()].fields;
        let end = decoder.block(block, |item| {
            if matches!(item, Item::Error(_)) {
                event("http2.invalid_header");
            }
            match fields.add(item) {
                Taken::Yes | Taken::Repeated => {}
                Taken::TooManyRepeated => event("http2.too_long_repeated_headers"),
                Taken::Full => event("http2.reassembly_limit_reached"),
            }
        });
        match end {
            BlockEnd::Whole => {}
            BlockEnd::Cut => event("http2.invalid_frame_data"),
            BlockEnd::Surplus => event("http2.extra_header_data"),
        }
        if std::mem::take(&mut decoder.overflow) {
            event("http2.header_table_overflow");
        }
        match heading {
            Heading::ToServer => fields.host_events().for_each(event),
            Heading::ToClient => {
                let range = fields.first("content-range");
                let possible = |range| ContentRange::of(range).is_some_and(|r| r.is_possible());
                if range.is_some_and(|range| !possible(range)) {
                    event("http2.invalid_range");
                }
            }
        }
        self.reach(heading, HEADERS);
    }

    /// A body begins, if it did not before. `decoders`: bodies of the connection that are being decoded.
    pub(super) fn begin_body(
        &mut self,
        heading: Heading,
        decoders: impl FnOnce() -> usize,
        config: &Http2Config,
    ) {
        let Side { fields, body, .. } = &mut self.sides[heading.index()];
        if !body.has_begun() {
            let coding = fields.last("content-encoding");
            body.begin(coding, if coding.is_some() { decoders() } else { 0 }, config);
        }
        self.reach(heading, BODY);
    }

    fn with_body(
        &mut self,
        heading: Heading,
        config: &Http2Config,
        act: impl FnOnce(&mut Body, &mut Room<'_>, &mut dyn FnMut(&'static str)),
    ) {
        let Self { sides, files, events, .. } = self;
        let mut room = Room { files, to_server: heading == Heading::ToServer, config };
        let mut event = |event: &'static str| {
            if !events.contains(&event) {
                events.push(event);
            }
        };
        act(&mut sides[heading.index()].body, &mut room, &mut event);
    }

    /// The next bytes of a body.
    pub(super) fn data(&mut self, heading: Heading, bytes: &[u8], config: &Http2Config) {
        self.with_body(heading, config, |body, room, event| body.data(bytes, room, event));
    }

    /// Bytes of a body that will never come.
    pub(super) fn lose(&mut self, heading: Heading, len: u64, config: &Http2Config) {
        self.with_body(heading, config, |body, room, _| body.lose(len, room));
    }

    /// Nothing more will come in a heading; `whole` if its sender said so.
    pub(super) fn end(&mut self, heading: Heading, whole: bool, config: &Http2Config) {
        if self.side(heading).progress != COMPLETE || !self.side(heading).body.is_over() {
            self.with_body(heading, config, |body, room, event| body.end(whole, room, event));
            self.side_mut(heading).progress = COMPLETE;
        }
    }

    pub(super) fn decoders(&self) -> usize {
        self.sides.iter().filter(|side| side.body.is_decoding()).count()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let sides = self.sides.iter().map(|side| {
            side.fields.memory_bytes() + side.facts.memory_bytes() + side.body.memory_bytes()
        });
        let files = self.files.iter().map(|file| size_of::<File>() + file.data.capacity());
        size_of::<Self>() + sides.sum::<usize>() + files.sum::<usize>()
    }

    fn body(&self, heading: Heading) -> Option<BufferView<'_>> {
        let side = self.side(heading);
        let file = self.files.get(side.body.file?)?;
        let complete = side.progress == COMPLETE
            || file.state != FileState::Open
            || file.gaps
            || (file.data.len() as u64) < file.size;
        let view = BufferView { bytes: &file.data, offset: 0, complete };
        (!file.data.is_empty()).then_some(view)
    }
}

impl Transaction for Http2Transaction {
    fn progress(&self, heading: Heading) -> u8 {
        self.side(heading).progress
    }

    fn revision(&self) -> u64 {
        self.sides.iter().map(|side| side.facts.frames).sum()
    }

    fn stage(&self, buffer: Buffer, _heading: Heading) -> u8 {
        match buffer {
            Buffer::HttpRequestBody | Buffer::HttpResponseBody | Buffer::FileData => BODY,
            _ => HEADERS,
        }
    }

    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        let side = self.side(heading);
        let (to_server, to_client) = buffer.headings();
        let there = if heading == Heading::ToServer { to_server } else { to_client };
        if !there
            || side.progress < self.stage(buffer, heading)
            || (index > 0 && !buffer.is_multiple())
        {
            return None;
        }
        let fields = &side.fields;
        let cookie = if heading == Heading::ToServer { "cookie" } else { "set-cookie" };
        // What has no field of its own is there with the others, and of the connection always.
        let has_start = fields.begun || self.stream == 0;
        let bytes = match buffer {
            Buffer::HttpUri | Buffer::HttpUriRaw => fields.first(":path"),
            Buffer::HttpMethod => fields.first(":method"),
            Buffer::HttpProtocol if has_start => Some(&b"HTTP/2"[..]),
            Buffer::HttpRequestLine | Buffer::HttpResponseLine if has_start => {
                Some(fields.start(heading == Heading::ToServer))
            }
            Buffer::HttpStatCode => fields.first(":status"),
            // HTTP/2 has none, which is not the same as that it is absent.
            Buffer::HttpStatMsg if has_start => return Some(BufferView::whole(b"")),
            Buffer::HttpHeader => fields.lines(Some(cookie)),
            Buffer::HttpHeaderRaw => fields.lines(None),
            Buffer::HttpHeaderNames => fields.names(),
            Buffer::HttpRequestHeader | Buffer::HttpResponseHeader => fields.line_at(index),
            Buffer::Http2HeaderName => fields.name_at(index),
            Buffer::HttpHost => fields.host(),
            Buffer::HttpHostRaw => fields.raw_host(),
            Buffer::HttpUserAgent => fields.get("user-agent"),
            Buffer::HttpCookie => fields.get(cookie),
            Buffer::HttpAccept => fields.get("accept"),
            Buffer::HttpAcceptEnc => fields.get("accept-encoding"),
            Buffer::HttpAcceptLang => fields.get("accept-language"),
            Buffer::HttpConnection => fields.get("connection"),
            Buffer::HttpContentLen => fields.get("content-length"),
            Buffer::HttpContentType => fields.get("content-type"),
            Buffer::HttpReferer => fields.get("referer"),
            Buffer::HttpLocation => fields.get("location"),
            Buffer::HttpServer => fields.get("server"),
            Buffer::HttpRequestBody | Buffer::HttpResponseBody => return self.body(heading),
            Buffer::FileData if index == 0 => return self.body(heading),
            _ => None,
        };
        let bytes = bytes.filter(|bytes| !bytes.is_empty() || buffer.is_multiple())?;
        Some(BufferView::whole(bytes))
    }

    fn number(&self, field: Field, heading: Heading) -> Option<u64> {
        self.number_at(field, heading, 0)
    }

    fn number_at(&self, field: Field, heading: Heading, index: usize) -> Option<u64> {
        let Side { facts, fields, .. } = self.side(heading);
        match field {
            Field::Http2SizeUpdate => {
                let mut sizes = fields.items().iter().filter_map(|item| match item {
                    Item::SizeUpdate(size) => Some(*size),
                    Item::Field(_) | Item::Error(_) => None,
                });
                sizes.nth(index)
            }
            field => facts.number_at(field, index),
        }
    }

    fn events(&self) -> &[&'static str] {
        &self.events
    }

    fn record(&self) -> serde_json::Map<String, serde_json::Value> {
        super::record::record(self)
    }

    fn is_logged(&self) -> bool {
        self.sides.iter().any(|side| side.fields.begun || side.facts.are_told())
    }

    fn files(&self) -> &[File] {
        &self.files
    }
}
