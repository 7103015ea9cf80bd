//! Reads what clients send, as servers do.

use super::super::{Heading, ParseError};
use super::bytes::{chomp, contains_without_nul, content_length, is_space};
use super::line::{Version, is_known_method, request_line};
use super::lines::{Chunk, Next, chunk_size, request_line_end};
use super::transaction::{BODY, HEADERS, HttpTransaction, LINE, TRAILERS};
use super::uri::{HostPort, Uri};
use super::{HttpParser, State, Step, part};

/// No method is longer.
const METHOD_LIMIT: usize = 20;
/// No header field's name is longer, where one decides whether there is a header.
const NAME_LIMIT: usize = 256;

const HERE: Heading = Heading::ToServer;

impl HttpParser {
    pub(super) fn request_step(&mut self, bytes: &[u8], last: bool) -> Result<Step, ParseError> {
        if bytes.is_empty() && !last {
            return Ok(Step::More);
        }
        match self.request.state {
            State::Start | State::Line => self.request_start(bytes, last),
            State::Probe => Ok(self.request_probe(bytes, last)),
            State::Headers | State::Trailers => self.request_headers(bytes, last),
            State::Identity => {
                if bytes.is_empty() {
                    self.finish_request(false);
                    return Ok(Step::Took(0));
                }
                let body = part(bytes, self.request.left);
                self.request.left -= body.len() as u64;
                self.request_data(body);
                if self.request.left == 0 {
                    self.finish_request(true);
                }
                Ok(Step::Took(body.len()))
            }
            State::ChunkSize => self.request_chunk_size(bytes, last),
            State::ChunkData => {
                if bytes.is_empty() {
                    self.finish_request(false);
                    return Ok(Step::Took(0));
                }
                let body = part(bytes, self.request.left);
                self.request.left -= body.len() as u64;
                self.request_data(body);
                if self.request.left == 0 {
                    self.request.enter(State::ChunkEnd);
                }
                Ok(Step::Took(body.len()))
            }
            State::ChunkEnd => {
                if bytes.is_empty() {
                    self.finish_request(false);
                    return Ok(Step::Took(0));
                }
                let end = bytes.iter().position(|&b| b == b'\n').map(|at| at + 1);
                if end.is_some() {
                    self.request.enter(State::ChunkSize);
                }
                Ok(Step::Took(end.unwrap_or(bytes.len())))
            }
            State::Surplus => Ok(self.request_surplus(bytes, last)),
            State::ConnectWait if last => {
                self.request.enter(State::Dead);
                Ok(Step::More)
            }
            // Held until the answer is known, as far as there is room.
            State::ConnectWait if bytes.len() > self.config.line_limit => {
                Ok(Step::Took(bytes.len()))
            }
            State::ConnectWait => Ok(Step::More),
            State::UntilClose | State::Dead if bytes.is_empty() => Ok(Step::More),
            State::UntilClose | State::Dead => Ok(Step::Took(bytes.len())),
        }
    }

    fn request_data(&mut self, body: &[u8]) {
        let config = self.config;
        if let Some(transaction) = self.current(HERE) {
            transaction.request.wire_len += body.len() as u64;
            transaction.request_body(body, &config);
        }
    }

    /// A transaction whose request line did not come yet.
    pub(super) fn begin_request(&mut self) -> Result<u64, ParseError> {
        if let Some(number) = self.request.current {
            return Ok(number);
        }
        let number = self.begin(HttpTransaction::default())?;
        self.request.current = Some(number);
        Ok(number)
    }

    fn request_start(&mut self, bytes: &[u8], last: bool) -> Result<Step, ParseError> {
        if bytes.is_empty() {
            return Ok(Step::More);
        }
        let end = match request_line_end(bytes, &mut self.request.lines.searched) {
            Some(end) => end,
            None if last => bytes.len(),
            None if bytes.len() > self.config.line_limit => {
                self.begin_request()?;
                return Err(self.too_long(HERE));
            }
            None => return Ok(Step::More),
        };
        let line = chomp(bytes.get(..end).unwrap_or_default());
        if line.is_empty() {
            return Ok(Step::Took(end));
        }
        self.begin_request()?;
        let parts = request_line(line);
        let Some(transaction) = self.current(HERE) else { return Ok(Step::Took(end)) };
        transaction.request.line = line.to_vec();
        transaction.method = parts.method.to_vec();
        transaction.raw_uri = parts.uri.map(<[u8]>::to_vec);
        transaction.uri = Uri::of(parts.uri.unwrap_or_default(), parts.method == b"CONNECT");
        transaction.request.protocol = parts.protocol.map(<[u8]>::to_vec);
        transaction.request.version = parts.protocol.map_or(Version::V09, Version::of);
        transaction.is_09 = parts.protocol.is_none();
        for (odd, event) in [
            (parts.leading_space, "http.request_line_leading_whitespace"),
            (parts.method_delimiter, "http.method_delim_non_compliant"),
            (parts.uri_delimiter, "http.uri_delim_non_compliant"),
            (transaction.uri.double_encoded, "http.double_encoded_uri"),
        ] {
            if odd {
                transaction.event(event);
            }
        }
        if transaction.uri.host.as_ref().is_some_and(|host| !host.valid)
            || transaction.uri.host_empty
        {
            transaction.event("http.request_uri_host_invalid");
        }
        if parts.method == b"CONNECT"
            && transaction.uri.host.as_ref().is_none_or(|host| host.port.is_none())
        {
            transaction.event("http.invalid_authority_port");
        }
        if transaction.request.version != Version::V11
            && transaction.request.version != Version::V10
            && !is_known_method(parts.method)
        {
            transaction.event("http.request_line_invalid");
        }
        transaction.request.reach(LINE);
        let probe = transaction.is_09;
        self.request.enter(if probe { State::Probe } else { State::Headers });
        Ok(Step::Took(end))
    }

    /// Behind a line without protocol either header fields follow, and it was forgotten, or nothing of
    /// this request.
    fn request_probe(&mut self, bytes: &[u8], last: bool) -> Step {
        let end = bytes
            .iter()
            .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')));
        match end.and_then(|at| bytes.get(at)) {
            Some(b':') if end > Some(0) => {
                if let Some(transaction) = self.current(HERE) {
                    transaction.is_09 = false;
                    transaction.event("http.request_line_missing_protocol");
                }
                self.request.enter(State::Headers);
                Step::Took(0)
            }
            None if !last && bytes.len() < NAME_LIMIT => Step::More,
            _ => {
                if let Some(transaction) = self.current(HERE) {
                    transaction.request.reach(HEADERS);
                }
                self.finish_request(true);
                Step::Took(0)
            }
        }
    }

    fn request_headers(&mut self, bytes: &[u8], last: bool) -> Result<Step, ParseError> {
        let (end, over) = match self.request.lines.request(bytes) {
            Next::More if last => (bytes.len(), true),
            Next::More if bytes.len() > self.config.line_limit => return Err(self.too_long(HERE)),
            Next::More => return Ok(Step::More),
            Next::Skip(end) | Next::Line(end) => (end, false),
            Next::End(end) => (end, true),
        };
        let raw = bytes.get(..end).unwrap_or_default();
        self.raw_header(HERE, raw);
        let line = chomp(raw);
        if !over || !line.is_empty() {
            self.header_line(HERE, line);
        }
        if over {
            if let Some(field) = self.request.unfolder.finish() {
                self.header_field(HERE, &field);
            }
            if self.request.state == State::Trailers {
                self.finish_request(true);
            } else {
                self.request_body_begins(last && bytes.is_empty());
            }
        }
        Ok(Step::Took(end))
    }

    /// The header is there: says what is odd about it and what follows.
    fn request_body_begins(&mut self, cut: bool) {
        let server_port = self.config.server_port;
        let Some(transaction) = self.current(HERE) else {
            self.request.current = None;
            self.request.enter(State::Start);
            return;
        };
        find_host(transaction, server_port);
        authorization(transaction);
        transaction.request.reach(HEADERS);
        let headers = &transaction.request.headers;
        let (mut state, mut left) = (State::Start, 0);
        let declared = match (headers.get(b"transfer-encoding"), headers.get(b"content-length")) {
            (Some(coding), _) if contains_without_nul(coding, b"chunked") => {
                state = State::ChunkSize;
                if transaction.request.version < Version::V11 {
                    transaction.event("http.invalid_transfer_encoding_value_in_request");
                }
                true
            }
            (Some(_), _) => {
                transaction.event("http.invalid_transfer_encoding_value_in_request");
                false
            }
            (None, Some(length)) => {
                match content_length(length) {
                    Some(0) => {}
                    Some(length) => (state, left) = (State::Identity, length),
                    None => transaction.event("http.invalid_content_length_field_in_request"),
                }
                true
            }
            (None, None) => false,
        };
        let connect = transaction.is_method(b"CONNECT");
        // Methods that have a body: where none was announced it may come anyway.
        let expected = [&b"POST"[..], b"PUT", b"PATCH"].contains(&transaction.method.as_slice());
        self.request.left = left;
        if connect {
            self.finish_request(true);
            self.request.enter(State::ConnectWait);
        } else if state != State::Start {
            self.request.enter(state);
        } else if expected && !declared && !cut {
            self.request.midline = false;
            self.request.enter(State::Surplus);
        } else {
            self.finish_request(true);
        }
    }

    fn request_chunk_size(&mut self, bytes: &[u8], last: bool) -> Result<Step, ParseError> {
        let limit = self.config.line_limit;
        let chunk = chunk_size(bytes, &mut self.request.lines.searched, limit);
        let (taken, size) = match chunk {
            Chunk::More if last => {
                self.finish_request(false);
                return Ok(Step::Took(0));
            }
            Chunk::More => return Ok(Step::More),
            Chunk::Skip(len) => (len, None),
            Chunk::Size(len, size, extension) => {
                if extension && let Some(transaction) = self.current(HERE) {
                    transaction.event("http.request_chunk_extension");
                }
                (len, Some(size))
            }
            Chunk::Invalid => {
                if let Some(transaction) = self.current(HERE) {
                    transaction.event("http.invalid_request_chunk_len");
                }
                return Err(ParseError { reason: "a request's chunk without a size" });
            }
        };
        if let Some(transaction) = self.current(HERE) {
            transaction.request.wire_len += taken as u64;
            if size == Some(0) {
                transaction.request.reach(TRAILERS);
            }
        }
        match size {
            None => {}
            Some(0) => self.request.enter(State::Trailers),
            Some(size) => {
                self.request.left = size;
                self.request.enter(State::ChunkData);
            }
        }
        Ok(Step::Took(taken))
    }

    /// Behind a request that should have a body and announced none: lines that do not begin with a known
    /// method are it.
    fn request_surplus(&mut self, bytes: &[u8], last: bool) -> Step {
        if bytes.is_empty() {
            self.finish_request(true);
            return Step::Took(0);
        }
        if !self.request.midline {
            let start = bytes.iter().position(|&b| !is_space(b)).unwrap_or(bytes.len());
            let word = bytes.get(start..).unwrap_or_default();
            match word.iter().position(|&b| is_space(b)) {
                Some(end) if is_known_method(word.get(..end).unwrap_or_default()) => {
                    self.finish_request(true);
                    return Step::Took(0);
                }
                None if !last && word.is_empty() && bytes.len() > METHOD_LIMIT => {
                    return Step::Took(start);
                }
                None if !last && word.len() <= METHOD_LIMIT => return Step::More,
                None if word.is_empty() => return Step::Took(start),
                _ => {}
            }
            if let Some(transaction) = self.current(HERE) {
                transaction.event("http.request_body_unexpected");
                transaction.request.reach(BODY);
            }
        }
        let end = bytes.iter().position(|&b| b == b'\n');
        self.request.midline = end.is_none();
        let len = end.map_or(bytes.len(), |at| at + 1);
        self.request_data(bytes.get(..len).unwrap_or_default());
        Step::Took(len)
    }

    /// The request in hand is over.
    pub(super) fn finish_request(&mut self, whole: bool) {
        let config = self.config;
        if let Some(transaction) = self.current(HERE) {
            transaction.complete(HERE, whole, &config);
        }
        self.request.current = None;
        self.request.over = true;
        self.request.enter(State::Start);
    }

    /// The response begins: what was open about its request is decided.
    pub(super) fn settle_request(&mut self, number: u64) {
        if self.request.current != Some(number) {
            return;
        }
        let backlog = std::mem::take(&mut self.request.backlog);
        match self.request.state {
            State::Surplus => {
                let mut at = 0;
                while self.request.state == State::Surplus {
                    let rest = backlog.get(at..).unwrap_or_default();
                    let Step::Took(len) = self.request_surplus(rest, true) else { break };
                    at += len;
                }
                self.request.backlog = backlog.get(at..).unwrap_or_default().to_vec();
                self.kicked = true;
            }
            State::Probe => {
                self.request_probe(&[], true);
                self.request.backlog = backlog;
                self.kicked = true;
            }
            _ => self.request.backlog = backlog,
        }
    }
}

/// The host of the URI, else of the Host field; what is odd about them.
fn find_host(transaction: &mut HttpTransaction, server_port: Option<u16>) {
    let named = transaction.request.headers.get(b"host");
    let missing = named.is_none();
    let header = named.and_then(HostPort::of);
    let header_invalid =
        header.as_ref().is_some_and(|host| !host.valid) || (!missing && header.is_none());
    let in_uri = transaction.uri.host.clone();
    let ambiguous = in_uri.as_ref().is_some_and(|uri| match &header {
        Some(header) => {
            !header.name().eq_ignore_ascii_case(&uri.name())
                || (header.port.is_some() && uri.port.is_some() && header.port != uri.port)
        }
        None => !missing,
    });
    if let Some(host) = in_uri.or(header) {
        transaction.host = Some(host.name()).filter(|name| !name.is_empty());
        transaction.port = host.port;
    }
    if missing && transaction.request.version >= Version::V11 {
        transaction.event("http.missing_host_header");
    }
    if header_invalid {
        transaction.event("http.request_header_host_invalid");
    }
    if ambiguous {
        transaction.event("http.host_header_ambiguous");
    }
    if let (Some(port), Some(server_port)) = (transaction.port, server_port)
        && port != server_port
    {
        transaction.event("http.request_server_port_tcp_port_mismatch");
    }
}

/// Schemes that are known need something behind their name.
fn authorization(transaction: &mut HttpTransaction) {
    let Some(value) = transaction.request.headers.get(b"authorization") else { return };
    let known = [&b"basic"[..], b"digest", b"bearer"].into_iter().find(|scheme| {
        value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    if let Some(scheme) = known
        && value.get(scheme.len()..).is_none_or(|rest| rest.iter().all(|&b| is_space(b)))
    {
        transaction.event("http.request_auth_unrecognized");
    }
}
