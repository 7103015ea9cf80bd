//! Reads what servers send, as browsers do.

use super::super::{Heading, ParseError, Switch};
use super::bytes::{chomp, contains_without_nul, content_length, find_ci, is_space};
use super::coding::{Decoder, Limits, OUTPUT_LIMIT, codings};
use super::line::{Version, looks_like_response, status_line, status_number};
use super::lines::{Chunk, Next, chunk_size, request_line_end, response_line_end};
use super::transaction::{HEADERS, HttpTransaction, LINE, TRAILERS};
use super::{HttpParser, State, Step, part};

const HERE: Heading = Heading::ToClient;
/// More than this many times what was sent is a bomb; deflate alone reaches 1032.
const BOMB_RATIO: u64 = 2048;

impl HttpParser {
    pub(super) fn response_step(&mut self, bytes: &[u8], last: bool) -> Result<Step, ParseError> {
        if bytes.is_empty() && !last {
            return Ok(Step::More);
        }
        match self.response.state {
            State::Start | State::Probe => self.response_start(bytes, last),
            State::Line => self.response_line(bytes, last),
            State::Headers | State::Trailers => self.response_headers(bytes, last),
            State::Identity | State::ChunkData => {
                if bytes.is_empty() {
                    self.end_response(false);
                    return Ok(Step::Took(0));
                }
                let body = part(bytes, self.response.left);
                self.response.left -= body.len() as u64;
                self.response_data(body);
                if self.response.left == 0 {
                    if self.response.state == State::Identity {
                        self.finish_response();
                    } else {
                        self.response.enter(State::ChunkEnd);
                    }
                }
                Ok(Step::Took(body.len()))
            }
            State::UntilClose => {
                if bytes.is_empty() {
                    self.end_response(true);
                    return Ok(Step::Took(0));
                }
                self.response_data(bytes);
                Ok(Step::Took(bytes.len()))
            }
            State::ChunkSize => Ok(self.response_chunk_size(bytes, last)),
            State::ChunkEnd => {
                if bytes.is_empty() {
                    self.end_response(false);
                    return Ok(Step::Took(0));
                }
                let end = bytes.iter().position(|&b| b == b'\n').map(|at| at + 1);
                if end.is_some() {
                    self.response.enter(State::ChunkSize);
                }
                let len = end.unwrap_or(bytes.len());
                self.count_wire(len);
                Ok(Step::Took(len))
            }
            State::Surplus => Ok(self.response_surplus(bytes, last)),
            State::ConnectWait | State::Dead if bytes.is_empty() => Ok(Step::More),
            State::ConnectWait | State::Dead => Ok(Step::Took(bytes.len())),
        }
    }

    fn count_wire(&mut self, len: usize) {
        if let Some(transaction) = self.current(HERE) {
            transaction.response.wire_len += len as u64;
        }
    }

    fn response_data(&mut self, body: &[u8]) {
        let config = self.config;
        self.count_wire(body.len());
        if let Some(transaction) = self.current(HERE) {
            transaction.response_body(body, &config);
        }
    }

    /// Finds the transaction that is answered.
    fn response_start(&mut self, bytes: &[u8], last: bool) -> Result<Step, ParseError> {
        if bytes.is_empty() {
            return Ok(Step::More);
        }
        let number = match self.response.current {
            Some(number) => number,
            None if self.answer < self.held.next() => self.answer,
            None => {
                let blank =
                    bytes.iter().position(|&b| !is_space(b) && b != 0).unwrap_or(bytes.len());
                if blank > 0 {
                    return Ok(Step::Took(blank));
                }
                let request_began = self.request.current.is_none()
                    && matches!(self.request.state, State::Start)
                    && self.request.backlog.iter().any(|&b| !is_space(b));
                if request_began {
                    self.begin_request()?
                } else {
                    self.begin(HttpTransaction::unseen())?
                }
            }
        };
        self.response.current = Some(number);
        self.answer = number + 1;
        self.settle_request(number);
        let Some(transaction) = self.held.get_mut(number) else {
            self.response.enter(State::Line);
            return Ok(Step::Took(0));
        };
        if transaction.request.line.is_empty() && transaction.request.progress < LINE {
            transaction.event("http.request_line_incomplete");
        }
        if transaction.is_09 {
            // A server that speaks a newer version may answer with it.
            match looks_like_response(bytes) {
                None if !last && bytes.len() <= self.config.line_limit => return Ok(Step::More),
                Some(true) => {}
                _ => {
                    transaction.response.reach(HEADERS);
                    self.response.enter(State::UntilClose);
                    return Ok(Step::Took(0));
                }
            }
        }
        self.response.enter(State::Line);
        Ok(Step::Took(0))
    }

    fn response_line(&mut self, bytes: &[u8], last: bool) -> Result<Step, ParseError> {
        if bytes.is_empty() {
            self.end_response(true);
            return Ok(Step::Took(0));
        }
        let end = match response_line_end(bytes, &mut self.response.lines.searched, last) {
            Some((end, _)) => end,
            None if last => bytes.len(),
            None if bytes.len() > self.config.line_limit => {
                if looks_like_response(bytes) == Some(true) {
                    return Err(self.too_long(HERE));
                }
                bytes.len()
            }
            None => return Ok(Step::More),
        };
        let line = chomp(bytes.get(..end).unwrap_or_default());
        if line.is_empty() {
            return Ok(Step::Took(end));
        }
        if looks_like_response(line) != Some(true) {
            return Ok(self.no_response_line(bytes, end, line.len(), last));
        }
        let Some(transaction) = self.current(HERE) else {
            self.response.enter(State::Headers);
            return Ok(Step::Took(end));
        };
        let parts = status_line(line);
        // Suricata's `http.response_line` has the line's end, and so has `http.start`.
        transaction.response.line = bytes.get(..end).unwrap_or_default().to_vec();
        transaction.response.protocol = Some(parts.protocol.to_vec());
        transaction.response.version = Version::of(parts.protocol);
        transaction.status = parts.status.map(<[u8]>::to_vec);
        transaction.status_number = parts.status.and_then(status_number);
        transaction.status_message = parts.message.map(<[u8]>::to_vec);
        if transaction.response.version == Version::Unknown {
            transaction.event("http.response_invalid_protocol");
        }
        if transaction.status_number.is_none() {
            transaction.event("http.response_invalid_status");
        }
        transaction.response.reach(LINE);
        self.response.enter(State::Headers);
        Ok(Step::Took(end))
    }

    /// A line that is no status line: browsers skip it where a response may follow, else show it.
    fn no_response_line(&mut self, bytes: &[u8], end: usize, len: usize, last: bool) -> Step {
        match bytes.get(end) {
            None if !last && bytes.len() <= self.config.line_limit => return Step::More,
            Some(&next) if len <= 2 || next.eq_ignore_ascii_case(&b'h') => return Step::Took(end),
            _ => {}
        }
        if let Some(transaction) = self.current(HERE) {
            transaction.response.reach(HEADERS);
        }
        self.response.enter(State::UntilClose);
        Step::Took(0)
    }

    fn response_headers(&mut self, bytes: &[u8], last: bool) -> Result<Step, ParseError> {
        let (end, line, over) = match self.response.lines.response(bytes, last) {
            Next::More if last => (bytes.len(), !bytes.is_empty(), true),
            Next::More if bytes.len() > self.config.line_limit => return Err(self.too_long(HERE)),
            Next::More => return Ok(Step::More),
            Next::Skip(end) => (end, false, false),
            Next::Line(end) => (end, true, false),
            Next::End(end) => (end, false, true),
        };
        let raw = bytes.get(..end).unwrap_or_default();
        self.raw_header(HERE, raw);
        if line {
            self.header_line(HERE, chomp(raw));
        }
        if over {
            if let Some(field) = self.response.unfolder.finish() {
                self.header_field(HERE, &field);
            }
            if self.response.state == State::Trailers {
                self.finish_response();
            } else {
                self.response_body_begins();
            }
        }
        Ok(Step::Took(end))
    }

    /// The header is there: says what is odd about it and what follows.
    fn response_body_begins(&mut self) {
        let config = self.config;
        let Some(transaction) = self.current(HERE) else {
            self.response.enter(State::Dead);
            return;
        };
        let headers = &transaction.response.headers;
        let coding = headers.get(b"transfer-encoding");
        let length = headers.get(b"content-length");
        let framed = coding.is_some() || length.is_some();
        let status = transaction.status_number.unwrap_or_default();
        let connect = transaction.is_method(b"CONNECT");
        if status == 100 && !framed {
            // The response proper follows.
            if transaction.continued {
                transaction.event("http.100_continue_already_seen");
            }
            transaction.continued = true;
            transaction.response.headers = super::headers::Headers::default();
            transaction.response.raw_headers = Vec::new();
            transaction.response.forget_views();
            self.response.enter(State::Line);
            return;
        }
        if connect && (200..300).contains(&status) {
            transaction.response.reach(HEADERS);
            self.tunnel(true);
            return;
        }
        // An upgrade that announces a body is none.
        if status == 101 && !framed {
            let upgrade = headers.get(b"upgrade").unwrap_or_default();
            let known =
                [&b"h2c"[..], b"websocket"].iter().any(|name| find_ci(upgrade, name).is_some());
            let to_http2 = find_ci(upgrade, b"h2c").is_some();
            transaction.response.reach(HEADERS);
            self.upgraded = to_http2.then(|| transaction.upgraded());
            self.tunnel(known);
            return;
        }
        let (state, left) = response_framing(transaction);
        decoding(transaction, &config);
        transaction.response.reach(HEADERS);
        self.response.left = left;
        if connect && self.request.state == State::ConnectWait {
            self.request.enter(State::Start);
            self.kicked = true;
        }
        match state {
            State::Start => self.finish_response(),
            state => self.response.enter(state),
        }
    }

    /// What follows in both headings is not HTTP; `known` if it can be recognised.
    fn tunnel(&mut self, known: bool) {
        let config = self.config;
        if known {
            self.switch = Some(Switch::Detect);
            let early = std::mem::take(&mut self.request.backlog);
            self.left_over = Some([early, Vec::new()]);
        }
        if let Some(transaction) = self.current(HERE) {
            transaction.complete(Heading::ToServer, true, &config);
            transaction.complete(HERE, true, &config);
        }
        for heading in Heading::ALL {
            let reader = self.reader(heading);
            reader.current = None;
            reader.backlog = Vec::new();
            reader.enter(State::Dead);
        }
    }

    fn response_chunk_size(&mut self, bytes: &[u8], last: bool) -> Step {
        let limit = self.config.line_limit;
        let (taken, size) = match chunk_size(bytes, &mut self.response.lines.searched, limit) {
            Chunk::More if last => {
                self.end_response(
                    bytes.iter().all(|&b| b == b'0' || is_space(b)) && !bytes.is_empty(),
                );
                return Step::Took(0);
            }
            Chunk::More => return Step::More,
            Chunk::Skip(len) => (len, None),
            Chunk::Size(len, size, extension) => {
                if extension && let Some(transaction) = self.current(HERE) {
                    transaction.event("http.response_chunk_extension");
                }
                (len, Some(size))
            }
            Chunk::Invalid => {
                // It is not chunked after all, or not any more.
                if let Some(transaction) = self.current(HERE) {
                    transaction.event("http.invalid_response_chunk_len");
                }
                self.response.enter(State::UntilClose);
                return Step::Took(0);
            }
        };
        self.count_wire(taken);
        match size {
            None => {}
            Some(0) => {
                if let Some(transaction) = self.current(HERE) {
                    transaction.response.reach(TRAILERS);
                }
                self.response.enter(State::Trailers);
            }
            Some(size) => {
                self.response.left = size;
                self.response.enter(State::ChunkData);
            }
        }
        Step::Took(taken)
    }

    /// Behind a response whose server said that it would close: lines that begin no response are more of
    /// the body, were it only an empty one.
    fn response_surplus(&mut self, bytes: &[u8], last: bool) -> Step {
        if bytes.is_empty() {
            self.end_response(true);
            return Step::Took(0);
        }
        let mut searched = self.response.lines.searched;
        let end = request_line_end(bytes, &mut searched);
        let len = end.unwrap_or(bytes.len());
        if !self.response.midline {
            match looks_like_response(bytes.get(..len).unwrap_or_default()) {
                Some(true) => {
                    self.end_response(true);
                    return Step::Took(0);
                }
                None if end.is_none() && !last && bytes.len() <= self.config.line_limit => {
                    self.response.lines.searched = searched;
                    return Step::More;
                }
                _ => {}
            }
            if let Some(transaction) = self.current(HERE) {
                transaction.event("http.response_body_unexpected");
            }
        }
        self.response.midline = end.is_none();
        self.response_data(bytes.get(..len).unwrap_or_default());
        Step::Took(len)
    }

    /// The response in hand is over by its framing.
    pub(super) fn finish_response(&mut self) {
        let closing = self.current(HERE).is_some_and(|transaction| {
            transaction
                .response
                .headers
                .get(b"connection")
                .is_some_and(|value| find_ci(value, b"close").is_some())
        });
        self.response.over = true;
        if closing {
            if let Some(transaction) = self.current(HERE) {
                transaction.all_announced();
            }
            self.response.midline = false;
            self.response.enter(State::Surplus);
        } else {
            self.end_response(true);
        }
    }

    fn end_response(&mut self, whole: bool) {
        let config = self.config;
        if let Some(transaction) = self.current(HERE) {
            transaction.complete(HERE, whole, &config);
        }
        self.response.current = None;
        self.response.enter(State::Start);
    }
}

/// How a response's body ends; `Start` if there is none.
fn response_framing(transaction: &mut HttpTransaction) -> (State, u64) {
    let headers = &transaction.response.headers;
    let coding = headers.get(b"transfer-encoding");
    let length = headers.get(b"content-length");
    let status = transaction.status_number.unwrap_or_default();
    let bodiless = matches!(status, 100..=199 | 204 | 304) && coding.is_none() && length.is_none();
    if transaction.is_method(b"HEAD") || bodiless {
        return (State::Start, 0);
    }
    if let Some(coding) = coding
        && contains_without_nul(coding, b"chunked")
    {
        let abnormal = !coding.eq_ignore_ascii_case(b"chunked");
        if abnormal {
            transaction.event("http.response_abnormal_transfer_encoding");
        }
        if transaction.response.version < Version::V11 {
            transaction.event("http.response_chunked_old_proto");
        }
        return (State::ChunkSize, 0);
    }
    if let Some(length) = length {
        return match content_length(length) {
            Some(0) => (State::Start, 0),
            Some(length) => (State::Identity, length),
            None => {
                transaction.event("http.invalid_content_length_field_in_response");
                (State::UntilClose, 0)
            }
        };
    }
    if headers
        .get(b"content-type")
        .is_some_and(|value| find_ci(value, b"multipart/byteranges").is_some())
    {
        transaction.event("http.response_multipart_byteranges");
    }
    (State::UntilClose, 0)
}

/// Prepares for the body's codings.
fn decoding(transaction: &mut HttpTransaction, config: &super::HttpConfig) {
    let Some(value) = transaction.response.headers.get(b"content-encoding") else { return };
    let (found, odd, more) = codings(value, config.decompress_layers, config.lzma);
    if odd {
        transaction.event("http.abnormal_ce_header");
    }
    if more {
        transaction.event("http.too_many_encoding_layers");
    }
    if !found.is_empty() {
        let limits = Limits {
            bomb_limit: config.bomb_limit,
            bomb_ratio: BOMB_RATIO,
            output_limit: OUTPUT_LIMIT,
            lzma_memory_bytes: config.lzma_memory_bytes,
        };
        transaction.decoder = Some(Box::new(Decoder::new(&found, limits)));
    }
}
