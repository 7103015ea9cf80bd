//! Frames out of one heading's stream, and what each does.

use super::super::backlog::Backlog;
use super::super::{Heading, ParseError};
use super::Http2Parser;
use super::frame::{
    END_HEADERS, END_STREAM, FrameHeader, HEADER_BYTES, Kind, LONG_FRAME, PADDED, PRIORITY, number,
    settings, unpadded,
};
use super::hpack::Decoder;

/// What a client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What nothing but a preface begins with.
const PREFACE_WORD: usize = 4;

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Preface,
    /// At a frame's header.
    Frames,
    Data(Data),
    /// So many bytes are of no interest.
    Skip(usize),
    /// Whatever comes is of no interest.
    Dead,
}

/// Within DATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) transaction: u64,
    /// Bytes of the body that are to come in this frame.
    pub(super) left: usize,
    /// The first byte says how many bytes at the end are padding.
    pub(super) padding_unknown: bool,
    pub(super) padding: usize,
    ends_stream: bool,
}

/// A header block that goes on in CONTINUATION.
#[derive(Debug)]
struct Block {
    /// Where the continuation has to be.
    stream: u32,
    transaction: u64,
    bytes: Vec<u8>,
    /// There was no room for all of it.
    cut: bool,
    ends_stream: bool,
}

/// One heading's reader.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) state: State,
    pub(super) backlog: Backlog,
    decoder: Decoder,
    block: Option<Block>,
}

impl Reader {
    pub(super) fn new(state: State) -> Self {
        Self { state, backlog: Backlog::default(), decoder: Decoder::new(), block: None }
    }

    /// Nothing more will be read.
    pub(super) fn close(&mut self) {
        *self = Self::new(State::Dead);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.backlog.memory_bytes()
            + self.decoder.memory_bytes()
            + self.block.as_ref().map_or(0, |block| block.bytes.capacity())
    }
}

impl Http2Parser {
    /// Takes something of what is there; `None` if more is needed.
    pub(super) fn step(
        &mut self,
        heading: Heading,
        bytes: &[u8],
    ) -> Result<Option<usize>, ParseError> {
        match self.reader(heading).state {
            State::Dead => Ok(Some(bytes.len())),
            State::Preface => self.preface(heading, bytes),
            State::Frames => self.frame(heading, bytes),
            State::Skip(left) => {
                let taken = left.min(bytes.len());
                self.reader(heading).state = State::Skip(left - taken);
                self.data_or_skip_over(heading);
                Ok(Some(taken))
            }
            State::Data(data) => Ok(Some(self.some_data(heading, data, bytes))),
        }
    }

    fn preface(&mut self, heading: Heading, bytes: &[u8]) -> Result<Option<usize>, ParseError> {
        let len = bytes.len().min(PREFACE.len());
        let begin = bytes.get(..len).unwrap_or_default();
        if PREFACE.starts_with(begin) {
            if len < PREFACE.len() {
                return Ok(None);
            }
            self.reader(heading).state = State::Frames;
            return Ok(Some(len));
        }
        if begin.get(..PREFACE_WORD) == PREFACE.get(..PREFACE_WORD) {
            // What the other end says can be read all the same.
            self.connection_event("http2.invalid_client_magic")?;
            self.reader(heading).close();
            return Ok(Some(bytes.len()));
        }
        // The beginning was not seen.
        self.reader(heading).state = State::Frames;
        Ok(Some(0))
    }

    /// What is odd about the connection is said of what is there of it.
    fn connection_event(&mut self, event: &'static str) -> Result<(), ParseError> {
        if self.held.last_mut().is_none() {
            self.held.of_stream(0, false, &self.config)?;
        }
        if let Some(transaction) = self.held.last_mut() {
            transaction.event(event);
        }
        Ok(())
    }

    fn frame(&mut self, heading: Heading, bytes: &[u8]) -> Result<Option<usize>, ParseError> {
        let Some(header) = FrameHeader::of(bytes) else { return Ok(None) };
        if header.kind() == Kind::Data && header.stream != 0 {
            self.begin_data(heading, &header)?;
            return Ok(Some(HEADER_BYTES));
        }
        if header.len >= LONG_FRAME {
            let transaction = self.note(heading, &header)?;
            self.event(transaction, "http2.long_frame_data");
            self.reader(heading).state = State::Skip(header.len);
            return Ok(Some(HEADER_BYTES));
        }
        let end = HEADER_BYTES + header.len;
        let Some(payload) = bytes.get(HEADER_BYTES..end) else { return Ok(None) };
        self.whole_frame(heading, &header, payload)?;
        Ok(Some(end))
    }

    /// The transaction of a frame, which takes note of it.
    fn note(&mut self, heading: Heading, header: &FrameHeader) -> Result<u64, ParseError> {
        let begins = header.kind() == Kind::Headers;
        let transaction = self.held.of_stream(header.stream, begins, &self.config)?;
        if let Some(transaction) = self.held.get_mut(transaction) {
            transaction.side_mut(heading).facts.frame(header.kind_byte);
        }
        Ok(transaction)
    }

    fn event(&mut self, transaction: u64, event: &'static str) {
        if let Some(transaction) = self.held.get_mut(transaction) {
            transaction.event(event);
        }
    }

    fn begin_data(&mut self, heading: Heading, header: &FrameHeader) -> Result<(), ParseError> {
        let number = self.note(heading, header)?;
        if header.len >= LONG_FRAME {
            self.event(number, "http2.long_frame_data");
        }
        // Counted only where it is coded.
        let decoders = self.held.get(number).map(|held| held.side(heading).body.has_begun());
        let decoders = if decoders == Some(false) { self.held.decoders() } else { 0 };
        if let Some(transaction) = self.held.get_mut(number) {
            transaction.begin_body(heading, || decoders, &self.config);
        }
        self.reader(heading).state = State::Data(Data {
            transaction: number,
            left: header.len,
            padding_unknown: header.has(PADDED) && header.len > 0,
            padding: 0,
            ends_stream: header.has(END_STREAM),
        });
        self.data_or_skip_over(heading);
        Ok(())
    }

    fn some_data(&mut self, heading: Heading, mut data: Data, bytes: &[u8]) -> usize {
        let mut taken = 0;
        if data.padding_unknown
            && let Some(&padding) = bytes.first()
        {
            data.padding_unknown = false;
            // More padding than there is room for is none, for Suricata.
            if let Some(left) = data.left.checked_sub(1 + usize::from(padding)) {
                (data.left, data.padding) = (left, usize::from(padding));
                taken = 1;
            }
        }
        let rest = bytes.get(taken..).unwrap_or_default();
        let content = rest.get(..data.left.min(rest.len())).unwrap_or_default();
        if let Some(transaction) = self.held.get_mut(data.transaction) {
            transaction.data(heading, content, &self.config);
        }
        data.left -= content.len();
        let padding = data.padding.min(rest.len() - content.len());
        data.padding -= padding;
        self.reader(heading).state = State::Data(data);
        self.data_or_skip_over(heading);
        taken + content.len() + padding
    }

    /// Whether DATA, or what is skipped, ends here.
    pub(super) fn data_or_skip_over(&mut self, heading: Heading) {
        match self.reader(heading).state {
            State::Skip(0) => self.reader(heading).state = State::Frames,
            State::Data(Data { left: 0, padding: 0, transaction, ends_stream, .. }) => {
                self.reader(heading).state = State::Frames;
                if ends_stream {
                    self.end_stream(heading, transaction);
                }
            }
            _ => {}
        }
    }

    fn end_stream(&mut self, heading: Heading, number: u64) {
        if let Some(transaction) = self.held.get_mut(number) {
            transaction.end(heading, true, &self.config);
            self.held.settle(number);
        }
    }

    fn whole_frame(
        &mut self,
        heading: Heading,
        header: &FrameHeader,
        payload: &[u8],
    ) -> Result<(), ParseError> {
        match header.kind() {
            Kind::PushPromise => return self.push_promise(heading, header, payload),
            Kind::Continuation => return self.continuation(heading, header, payload),
            // An acknowledgement, most often: it says nothing.
            Kind::Settings if payload.is_empty() => return Ok(()),
            _ => {}
        }
        let transaction = self.note(heading, header)?;
        if header.kind() == Kind::Headers {
            return self.headers(heading, header, payload, transaction);
        }
        if !header.has_legal_len() {
            self.event(transaction, "http2.invalid_frame_length");
            return Ok(());
        }
        if header.kind() == Kind::Data {
            self.event(transaction, "http2.data_stream_zero");
        }
        let Some(held) = self.held.get_mut(transaction) else { return Ok(()) };
        let facts = &mut held.side_mut(heading).facts;
        match header.kind() {
            Kind::Settings => facts.settings(settings(payload)),
            Kind::Priority => facts.priority(payload.last().copied().unwrap_or_default()),
            Kind::WindowUpdate => facts.window(number(payload, 0).unwrap_or_default()),
            Kind::RstStream => facts.error(number(payload, 0).unwrap_or_default(), false),
            Kind::GoAway => facts.error(number(payload, 4).unwrap_or_default(), true),
            _ => {}
        }
        Ok(())
    }

    fn headers(
        &mut self,
        heading: Heading,
        header: &FrameHeader,
        payload: &[u8],
        transaction: u64,
    ) -> Result<(), ParseError> {
        let weight = |rest: &[u8]| if header.has(PRIORITY) { rest.get(4).copied() } else { None };
        let block = unpadded(header, payload).and_then(|rest| {
            let skip = if header.has(PRIORITY) { 5 } else { 0 };
            rest.get(skip..).map(|block| (weight(rest), block))
        });
        let Some((weight, block)) = block else {
            self.event(transaction, "http2.invalid_frame_data");
            return Ok(());
        };
        if let Some(held) = self.held.get_mut(transaction) {
            let side = held.side_mut(heading);
            side.fields.begun = true;
            weight.into_iter().for_each(|weight| side.facts.priority(weight));
        }
        self.block(heading, header, block, transaction);
        Ok(())
    }

    fn push_promise(
        &mut self,
        heading: Heading,
        header: &FrameHeader,
        payload: &[u8],
    ) -> Result<(), ParseError> {
        let rest = unpadded(header, payload);
        let promise = rest.and_then(|rest| Some((number(rest, 0)?, rest.get(4..)?)));
        let Some((promised, block)) = promise else {
            let transaction = self.note(heading, header)?;
            self.event(transaction, "http2.invalid_frame_data");
            return Ok(());
        };
        let of_promised = FrameHeader { stream: promised & 0x7fff_ffff, ..*header };
        let transaction = self.note(heading, &of_promised)?;
        if let Some(held) = self.held.get_mut(transaction) {
            held.side_mut(heading).fields.begun = true;
            // The other end has nothing to say in it.
            held.end(heading.opposite(), true, &self.config);
        }
        self.block(heading, header, block, transaction);
        Ok(())
    }

    /// A header block, or its beginning.
    fn block(&mut self, heading: Heading, header: &FrameHeader, bytes: &[u8], transaction: u64) {
        let ends_stream = header.kind() != Kind::PushPromise && header.has(END_STREAM);
        let block = Block {
            stream: header.stream,
            transaction,
            bytes: Vec::new(),
            cut: false,
            ends_stream,
        };
        if header.has(END_HEADERS) {
            self.end_block(heading, &block, bytes);
        } else {
            self.reader(heading).block = Some(Block { bytes: bytes.to_vec(), ..block });
        }
    }

    fn end_block(&mut self, heading: Heading, block: &Block, bytes: &[u8]) {
        let Self { held, readers, .. } = self;
        if let Some(transaction) = held.get_mut(block.transaction) {
            transaction.side_mut(heading).fields.begun = true;
            transaction.block(heading, bytes, &mut readers[heading.index()].decoder);
            if block.cut {
                transaction.event("http2.invalid_frame_data");
            }
        }
        if block.ends_stream {
            self.end_stream(heading, block.transaction);
        }
    }

    fn continuation(
        &mut self,
        heading: Heading,
        header: &FrameHeader,
        payload: &[u8],
    ) -> Result<(), ParseError> {
        let limit = self.config.block_limit;
        let begun = self.reader(heading).block.take_if(|block| block.stream == header.stream);
        let Some(mut block) = begun else {
            let transaction = self.note(heading, header)?;
            self.event(transaction, "http2.continuation_without_headers");
            self.block(heading, header, payload, transaction);
            return Ok(());
        };
        if let Some(held) = self.held.get_mut(block.transaction) {
            held.side_mut(heading).facts.frame(header.kind_byte);
        }
        if block.cut || block.bytes.len() + payload.len() > limit {
            block.cut = true;
            self.event(block.transaction, "http2.reassembly_limit_reached");
        } else {
            block.bytes.extend_from_slice(payload);
        }
        if header.has(END_HEADERS) {
            let bytes = std::mem::take(&mut block.bytes);
            self.end_block(heading, &block, &bytes);
        } else {
            self.reader(heading).block = Some(block);
        }
        Ok(())
    }
}
