//! HTTP/0.9 to 1.1, with what clients and servers make of messages that no standard allows.
//!
//! Two readers, one per heading, that make [`HttpTransaction`]s of what they read: `request` as servers
//! read (lines end at LF), `response` as browsers do (a CR is enough; what does not look like a response is
//! a body; a body that was to be chunked and is not is taken as it is). What a rule has to say about a page
//! is what a browser would have shown of it.
//!
//! Stages of a message: [`LINE`], [`HEADERS`], [`BODY`], [`TRAILERS`], complete. The body is kept from its
//! beginning up to a limit, and it grows. A request without response, and the other way round, is complete
//! when its stream ends.
//!
//! A response whose server announced to close stays open until then, since browsers take what follows its
//! end for a part of it.

mod bestfit;
mod brotli;
mod bytes;
pub(super) mod coding;
mod config;
mod headers;
mod inflate;
mod line;
mod lines;
mod multipart;
pub(super) mod range;
mod record;
mod request;
mod response;
mod transaction;
mod uri;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use config::HttpConfig;
pub use transaction::{BODY, HEADERS, HttpTransaction, LINE, TRAILERS};

use self::headers::Unfolder;
use self::lines::HeaderLines;
use super::{AppProto, Heading, ParseError, Parser, Switch, Transaction, Upgraded};
use crate::events::Timestamp;

/// Bytes of a header that are kept as sent.
const RAW_HEADER_LIMIT: usize = 256 << 10;

/// Bytes that are kept for what the connection switches to; they came in one piece with the answer.
const LEFT_OVER_LIMIT: usize = 64 << 10;

/// Where a reader stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between messages.
    #[default]
    Start,
    /// Before a status line, the transaction is known.
    Line,
    /// Behind a request line without protocol: do header fields follow?
    Probe,
    Headers,
    /// A body of known length.
    Identity,
    /// A body that ends with the stream.
    UntilClose,
    ChunkSize,
    ChunkData,
    /// Behind a chunk's data, up to the end of the line.
    ChunkEnd,
    Trailers,
    /// Behind a message that may not be over although it should be.
    Surplus,
    /// Behind CONNECT: what follows depends on the answer.
    ConnectWait,
    /// Whatever comes is not HTTP.
    Dead,
}

/// What a reader did with bytes.
enum Step {
    /// Took so many, or changed its state.
    Took(usize),
    /// Needs more to go on.
    More,
}

/// One heading's reader.
#[derive(Debug, Default)]
struct Reader {
    state: State,
    /// What could not be read yet.
    backlog: Vec<u8>,
    /// The transaction in hand.
    current: Option<u64>,
    lines: HeaderLines,
    unfolder: Unfolder,
    /// Bytes of the body or chunk that are to come.
    left: u64,
    /// In the midst of a surplus line.
    midline: bool,
    /// The message in hand ended with the bytes that were just taken.
    over: bool,
    /// Bytes that came behind the last message that is over.
    unfinished: u64,
}

impl Reader {
    fn enter(&mut self, state: State) {
        self.state = state;
        self.lines = HeaderLines::default();
    }

    fn memory_bytes(&self) -> usize {
        self.backlog.capacity() + self.unfolder.memory_bytes()
    }
}

/// The transactions that are held.
#[derive(Debug, Default)]
struct Held {
    first: u64,
    all: VecDeque<Box<HttpTransaction>>,
}

impl Held {
    fn next(&self) -> u64 {
        self.first + self.all.len() as u64
    }

    fn get(&self, number: u64) -> Option<&HttpTransaction> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.all.get(index).map(Box::as_ref)
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut HttpTransaction> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.all.get_mut(index).map(Box::as_mut)
    }
}

/// Reads a connection's two streams.
#[derive(Debug)]
pub struct HttpParser {
    config: HttpConfig,
    held: Held,
    request: Reader,
    response: Reader,
    /// The transaction that the next response answers.
    answer: u64,
    ended: [bool; 2],
    switch: Option<Switch>,
    /// What belongs to what it switched to, once it did.
    left_over: Option<[Vec<u8>; 2]>,
    upgraded: Option<Upgraded>,
    /// The request's reader can go on with its backlog.
    kicked: bool,
}

impl HttpParser {
    /// For a new connection.
    #[must_use]
    pub fn new(config: HttpConfig) -> Self {
        Self {
            config,
            held: Held::default(),
            request: Reader::default(),
            response: Reader::default(),
            answer: 0,
            ended: [false; 2],
            switch: None,
            left_over: None,
            upgraded: None,
            kicked: false,
        }
    }

    fn reader(&mut self, heading: Heading) -> &mut Reader {
        match heading {
            Heading::ToServer => &mut self.request,
            Heading::ToClient => &mut self.response,
        }
    }

    /// The transaction in hand of a heading.
    fn current(&mut self, heading: Heading) -> Option<&mut HttpTransaction> {
        let number = self.reader(heading).current?;
        self.held.get_mut(number)
    }

    fn begin(&mut self, mut transaction: HttpTransaction) -> Result<u64, ParseError> {
        if self.held.all.len() >= self.config.transactions_limit {
            return Err(ParseError { reason: "too many transactions at a time" });
        }
        if self.ended[Heading::ToClient.index()] {
            transaction.complete(Heading::ToClient, true, &self.config);
        }
        self.held.all.push_back(Box::new(transaction));
        Ok(self.held.next() - 1)
    }

    /// Reads what it can, keeps the rest.
    fn run(&mut self, heading: Heading, data: &[u8], last: bool) -> Result<(), ParseError> {
        let mut backlog = std::mem::take(&mut self.reader(heading).backlog);
        let joined = !backlog.is_empty();
        if joined {
            backlog.extend_from_slice(data);
        }
        let bytes = if joined { backlog.as_slice() } else { data };
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if self.leave(heading, rest) {
                at = bytes.len();
                break;
            }
            let step = match heading {
                Heading::ToServer => self.request_step(rest, last)?,
                Heading::ToClient => self.response_step(rest, last)?,
            };
            // What the answer decided about requests comes before the next answer.
            if heading == Heading::ToClient && std::mem::take(&mut self.kicked) {
                self.run(Heading::ToServer, &[], false)?;
            }
            match step {
                Step::Took(len) => {
                    if len > 0 {
                        self.reader(heading).lines.searched = 0;
                    }
                    at += len;
                    let reader = self.reader(heading);
                    if std::mem::take(&mut reader.over) {
                        reader.unfinished = (bytes.len() - at) as u64;
                    }
                }
                Step::More => break,
            }
        }
        let rest = bytes.get(at..).unwrap_or_default();
        self.reader(heading).backlog = if joined && at == 0 { backlog } else { rest.to_vec() };
        Ok(())
    }

    /// Keeps what belongs to what it switched to; whether it switched.
    fn leave(&mut self, heading: Heading, bytes: &[u8]) -> bool {
        let Some(left_over) = &mut self.left_over else { return false };
        let kept = &mut left_over[heading.index()];
        let room = LEFT_OVER_LIMIT.saturating_sub(kept.len());
        kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        true
    }

    /// Takes a header's line, without its end.
    fn header_line(&mut self, heading: Heading, line: &[u8]) {
        let limit = self.config.line_limit;
        let reader = self.reader(heading);
        let current = reader.current;
        let folded = line.first().is_some_and(|&first| bytes::is_folding(first));
        let (ready, odd_folding) = if folded {
            let version = current
                .and_then(|number| self.held.get(number))
                .map(|t| t.message(heading).version);
            // Browsers take a folded field for a field of its own; in HTTP/1.0 and before they did not.
            let strict = heading == Heading::ToClient && version == Some(line::Version::V11);
            let (ready, valid) = self.reader(heading).unfolder.fold(line, strict, limit);
            (ready, !valid)
        } else {
            (reader.unfolder.begin(line), false)
        };
        if odd_folding && let Some(transaction) = self.current(heading) {
            transaction.event(match heading {
                Heading::ToServer => "http.invalid_request_field_folding",
                Heading::ToClient => "http.invalid_response_field_folding",
            });
        }
        if let Some(ready) = ready {
            self.header_field(heading, &ready);
        }
    }

    /// Takes a whole header field.
    fn header_field(&mut self, heading: Heading, field: &[u8]) {
        let limit = self.config.headers_limit;
        let Some(transaction) = self.current(heading) else { return };
        let response = heading == Heading::ToClient;
        let message = transaction.message_mut(heading);
        let odd = message.headers.add(field, limit, response);
        message.forget_views();
        for (is, in_request, in_response) in [
            (
                odd.missing_colon,
                "http.request_field_missing_colon",
                "http.response_field_missing_colon",
            ),
            (odd.invalid, "http.request_header_invalid", "http.response_header_invalid"),
            (odd.repeated, "http.request_header_repetition", "http.response_header_repetition"),
            (
                odd.ambiguous_length,
                "http.duplicate_content_length_field_in_request",
                "http.duplicate_content_length_field_in_response",
            ),
            (odd.too_many, "http.request_too_many_headers", "http.response_too_many_headers"),
        ] {
            if is {
                transaction.event(if response { in_response } else { in_request });
            }
        }
    }

    /// Keeps a header as sent.
    fn raw_header(&mut self, heading: Heading, bytes: &[u8]) {
        if let Some(transaction) = self.current(heading) {
            let raw = &mut transaction.message_mut(heading).raw_headers;
            let room = RAW_HEADER_LIMIT.saturating_sub(raw.len());
            raw.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
    }

    /// A line is longer than any may be.
    fn too_long(&mut self, heading: Heading) -> ParseError {
        let event = match heading {
            Heading::ToServer => "http.request_field_too_long",
            Heading::ToClient => "http.response_field_too_long",
        };
        if let Some(transaction) = self.current(heading) {
            transaction.event(event);
        }
        ParseError { reason: "a line is too long" }
    }

    /// Nothing can be made of what follows: all is as complete as it will be.
    fn give_up(&mut self) {
        for heading in Heading::ALL {
            self.reader(heading).enter(State::Dead);
            self.reader(heading).backlog = Vec::new();
        }
        for transaction in &mut self.held.all {
            for heading in Heading::ALL {
                transaction.complete(heading, false, &self.config);
            }
        }
    }

    fn or_give_up(&mut self, result: Result<(), ParseError>) -> Result<(), ParseError> {
        if result.is_err() {
            self.give_up();
        }
        result
    }

    fn lose(&mut self, heading: Heading, len: u64) -> Result<(), ParseError> {
        const GAP: ParseError = ParseError { reason: "a gap outside of a body" };
        let reader = self.reader(heading);
        if reader.state == State::Dead {
            return Ok(());
        }
        if !reader.backlog.is_empty() {
            return Err(GAP);
        }
        let lost = match reader.state {
            State::UntilClose => len,
            State::Identity | State::ChunkData => len.min(reader.left),
            _ => return Err(GAP),
        };
        let state = reader.state;
        reader.left = reader.left.saturating_sub(lost);
        let over = reader.left == 0 && state != State::UntilClose;
        if let Some(transaction) = self.current(heading) {
            transaction.lose_body(heading, lost);
            let message = transaction.message_mut(heading);
            message.wire_len = message.wire_len.saturating_add(lost);
        }
        if over {
            match (state, heading) {
                (State::ChunkData, _) => self.reader(heading).enter(State::ChunkEnd),
                (_, Heading::ToServer) => self.finish_request(true),
                (_, Heading::ToClient) => self.finish_response(),
            }
        }
        if lost < len { Err(GAP) } else { Ok(()) }
    }
}

impl Parser for HttpParser {
    fn protocol(&self) -> AppProto {
        AppProto::Http1
    }

    fn data(&mut self, heading: Heading, data: &[u8], _now: Timestamp) -> Result<(), ParseError> {
        self.reader(heading).unfinished += data.len() as u64;
        let result = self.run(heading, data, false);
        self.or_give_up(result)
    }

    fn gap(&mut self, heading: Heading, len: u64, _now: Timestamp) -> Result<(), ParseError> {
        let reader = self.reader(heading);
        reader.unfinished = reader.unfinished.saturating_add(len);
        let result = self.lose(heading, len);
        self.or_give_up(result)
    }

    fn end(&mut self, heading: Heading, _now: Timestamp) {
        let result = self.run(heading, &[], true);
        let _ = self.or_give_up(result);
        self.ended[heading.index()] = true;
        self.reader(heading).backlog = Vec::new();
        self.reader(heading).enter(State::Dead);
        for transaction in &mut self.held.all {
            transaction.complete(heading, false, &self.config);
        }
    }

    fn first(&self) -> u64 {
        self.held.first
    }

    fn next(&self) -> u64 {
        self.held.next()
    }

    fn transaction(&self, number: u64) -> Option<&dyn Transaction> {
        self.held.get(number).map(|transaction| transaction as &dyn Transaction)
    }

    fn release(&mut self, number: u64) {
        while self.held.first < number && self.held.all.pop_front().is_some() {
            self.held.first += 1;
        }
    }

    fn switch(&mut self) -> Option<Switch> {
        self.switch.take()
    }

    fn unfinished(&self, heading: Heading) -> Option<u64> {
        Some(match heading {
            Heading::ToServer => self.request.unfinished,
            Heading::ToClient => self.response.unfinished,
        })
    }

    fn left_over(&mut self) -> [Vec<u8>; 2] {
        self.left_over.take().unwrap_or_default()
    }

    fn upgraded(&mut self) -> Option<Upgraded> {
        self.upgraded.take()
    }

    fn switch_failed(&mut self) {
        let last = self.held.next().checked_sub(1);
        if let Some(transaction) = last.and_then(|number| self.held.get_mut(number)) {
            transaction.event("http.failed_protocol_change");
        }
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.request.memory_bytes()
            + self.response.memory_bytes()
            + self.held.all.iter().map(|transaction| transaction.memory_bytes()).sum::<usize>()
    }
}

/// How much of a body of `left` bytes is in hand.
fn part(bytes: &[u8], left: u64) -> &[u8] {
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(..len).unwrap_or_default()
}
