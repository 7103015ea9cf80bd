//! HTTP/2 (RFC 9113) in the clear: with prior knowledge, or behind an upgrade of HTTP/1 (`h2c`).
//!
//! A stream is a transaction, and so is each frame of stream 0. Both headings are complete when both ends
//! have ended the stream; RST_STREAM does not end it, since what was on its way still comes. Stages:
//! [`HEADERS`], [`BODY`], complete.
//!
//! DATA is passed on as it comes. All other frames are held until they are whole, and skipped where
//! they are too long for that.

mod body;
mod config;
mod facts;
mod fields;
mod frame;
mod held;
mod hpack;
mod reader;
mod record;
mod transaction;
mod upgrade;

#[cfg(test)]
mod tests;

pub use config::Http2Config;
pub use transaction::{BODY, HEADERS, Http2Transaction};

use self::held::Held;
use self::reader::{Reader, State};
use super::{AppProto, Heading, ParseError, Parser, Transaction, Upgraded};
use crate::events::Timestamp;

const GAP: ParseError = ParseError { reason: "a gap outside of a body" };

/// Reads a connection's two streams.
#[derive(Debug)]
pub struct Http2Parser {
    config: Http2Config,
    held: Held,
    readers: [Reader; 2],
}

impl Http2Parser {
    /// For a new connection, or for one that was upgraded, whose first request HTTP/1 made.
    #[must_use]
    pub fn new(config: Http2Config, upgraded: Option<Upgraded>) -> Self {
        let readers = [Reader::new(State::Preface), Reader::new(State::Frames)];
        let mut parser = Self { config, held: Held::default(), readers };
        if let Some(upgraded) = upgraded {
            parser.upgrade(&upgraded);
        }
        parser
    }

    fn reader(&mut self, heading: Heading) -> &mut Reader {
        &mut self.readers[heading.index()]
    }

    /// Nothing can be made of what follows: all is as complete as it will be.
    fn give_up(&mut self) {
        for heading in Heading::ALL {
            self.reader(heading).close();
            self.held.end(heading, &self.config);
        }
    }

    fn lose(&mut self, heading: Heading, len: u64) -> Result<(), ParseError> {
        let Self { config, held, readers } = self;
        let reader = &mut readers[heading.index()];
        if reader.state == State::Dead {
            return Ok(());
        }
        if !reader.backlog.is_empty() {
            return Err(GAP);
        }
        let lost = match &mut reader.state {
            State::Skip(left) => {
                let lost = len.min(*left as u64);
                *left -= usize::try_from(lost).unwrap_or(*left);
                lost
            }
            State::Data(data) if !data.padding_unknown => {
                let content = len.min(data.left as u64);
                data.left -= usize::try_from(content).unwrap_or(data.left);
                let padding = (len - content).min(data.padding as u64);
                data.padding -= usize::try_from(padding).unwrap_or(data.padding);
                if let Some(transaction) = held.get_mut(data.transaction)
                    && content > 0
                {
                    transaction.lose(heading, content, config);
                }
                content + padding
            }
            _ => return Err(GAP),
        };
        self.data_or_skip_over(heading);
        if lost < len { Err(GAP) } else { Ok(()) }
    }
}

impl Parser for Http2Parser {
    fn protocol(&self) -> AppProto {
        AppProto::Http2
    }

    fn data(&mut self, heading: Heading, data: &[u8], _now: Timestamp) -> Result<(), ParseError> {
        let mut backlog = std::mem::take(&mut self.reader(heading).backlog);
        let result = backlog.feed(data, |bytes| self.step(heading, bytes));
        self.reader(heading).backlog = backlog;
        if result.is_err() {
            self.give_up();
        }
        result
    }

    fn gap(&mut self, heading: Heading, len: u64, _now: Timestamp) -> Result<(), ParseError> {
        let result = self.lose(heading, len);
        if result.is_err() {
            self.give_up();
        }
        result
    }

    fn end(&mut self, heading: Heading, _now: Timestamp) {
        self.reader(heading).close();
        self.held.end(heading, &self.config);
    }

    fn first(&self) -> u64 {
        self.held.first()
    }

    fn next(&self) -> u64 {
        self.held.next()
    }

    fn transaction(&self, number: u64) -> Option<&dyn Transaction> {
        self.held.get(number).map(|transaction| transaction as &dyn Transaction)
    }

    fn release(&mut self, number: u64) {
        self.held.release(number);
    }

    fn forget(&mut self, number: u64) {
        self.held.forget(number);
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.held.memory_bytes()
            + self.readers.iter().map(Reader::memory_bytes).sum::<usize>()
    }
}
