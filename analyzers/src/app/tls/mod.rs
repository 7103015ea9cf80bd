//! TLS from SSLv2's hello to TLS 1.3, as far as it can be read without keys.
//!
//! Records of both headings are taken apart (`record`), handshake messages put together across them, and
//! one transaction per connection collects what hellos and certificates say. From the moment that both ends
//! encrypt, bytes are only counted off record by record: [`Parser::is_encrypted`] says so.
//!
//! Stages of the transaction: [`HELLO`], [`CERTIFICATE`], [`HELLO_DONE`] (of servers),
//! [`HANDSHAKE`] (an end goes over to encryption), complete (encrypted data, or the end of the stream).

mod certificate;
mod fingerprint;
mod handshake;
mod heartbeat;
mod hello;
mod record;
mod sslv2;
mod transaction;
mod version;

#[cfg(test)]
mod tests;

pub use certificate::{Chain, Summary};
pub use hello::Hello;
pub use transaction::{CERTIFICATE, End, HANDSHAKE, HELLO, HELLO_DONE, TlsTransaction, state};

use self::heartbeat::Heartbeats;
use super::{AppProto, Heading, ParseError, Parser, Transaction};
use crate::events::Timestamp;

/// What costs and is not always wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// JA3 and JA3S, in records and buffers.
    pub ja3: bool,
    /// JA4, likewise.
    pub ja4: bool,
    /// The protocol that was spoken before, if the stream was switched.
    pub from_proto: Option<AppProto>,
}

impl Default for TlsConfig {
    /// As Suricata's stock configuration: JA4 always, JA3 once a rule asks for it.
    fn default() -> Self {
        Self { ja3: false, ja4: true, from_proto: None }
    }
}

/// One heading's stream.
#[derive(Debug, Default)]
struct Side {
    /// The beginning of a record that has not come whole.
    backlog: Vec<u8>,
    /// Bytes of a record's body that are to come and are of no interest.
    skip: usize,
    /// Handshake messages that span records.
    handshake: Vec<u8>,
    /// What follows cannot be read.
    dead: bool,
    ended: bool,
}

/// What of a connection decides how records are read.
#[derive(Clone, Copy, Debug, Default)]
struct Crypto {
    /// Which ends announced that they go over to encryption.
    changed: [bool; 2],
    /// Encrypted data was seen: all that follows is.
    data: bool,
    /// The client sends data before the server has said anything.
    early_data: bool,
    server_hello: bool,
}

/// Reads a connection's two streams.
#[derive(Debug)]
pub struct TlsParser {
    config: TlsConfig,
    sides: [Side; 2],
    crypto: Crypto,
    heartbeats: Heartbeats,
    transaction: TlsTransaction,
    begun: bool,
    released: bool,
}

impl TlsParser {
    /// For a new connection.
    #[must_use]
    pub fn new(config: TlsConfig) -> Self {
        Self {
            config,
            sides: Default::default(),
            crypto: Crypto::default(),
            heartbeats: Heartbeats::default(),
            transaction: TlsTransaction::new(config.from_proto),
            begun: false,
            released: false,
        }
    }

    fn event(&mut self, event: &'static str) {
        self.transaction.event(event);
    }

    fn fail(&mut self, heading: Heading, event: &'static str) -> ParseError {
        self.event(event);
        self.sides[heading.index()].dead = true;
        ParseError { reason: event }
    }

    /// Reads what it can, keeps the rest.
    fn run(&mut self, heading: Heading, data: &[u8]) -> Result<(), ParseError> {
        let mut backlog = std::mem::take(&mut self.sides[heading.index()].backlog);
        let joined = !backlog.is_empty();
        if joined {
            backlog.extend_from_slice(data);
        }
        let all = if joined { backlog.as_slice() } else { data };
        let mut at = 0;
        while let Some(rest) = all.get(at..).filter(|rest| !rest.is_empty()) {
            let side = &mut self.sides[heading.index()];
            if side.skip > 0 {
                let skipped = side.skip.min(rest.len());
                side.skip -= skipped;
                at += skipped;
                continue;
            }
            match self.record(heading, rest)? {
                Some(taken) => at += taken,
                None => break,
            }
        }
        // Moved only when something was taken: many small segments must not cost a copy each.
        self.sides[heading.index()].backlog = if joined {
            backlog.drain(..at);
            backlog
        } else {
            all.get(at..).unwrap_or(&[]).to_vec()
        };
        Ok(())
    }
}

impl Parser for TlsParser {
    fn protocol(&self) -> AppProto {
        AppProto::Tls
    }

    fn data(&mut self, heading: Heading, data: &[u8], _now: Timestamp) -> Result<(), ParseError> {
        self.begun = true;
        if self.sides[heading.index()].dead {
            return Ok(());
        }
        self.run(heading, data)
    }

    fn gap(&mut self, heading: Heading, len: u64, _now: Timestamp) -> Result<(), ParseError> {
        let side = &mut self.sides[heading.index()];
        // A hole in what is not read anyway does no harm.
        match usize::try_from(len).ok().and_then(|len| side.skip.checked_sub(len)) {
            Some(left) => {
                side.skip = left;
                Ok(())
            }
            None => {
                side.dead = true;
                Err(ParseError { reason: "a gap in a TLS stream" })
            }
        }
    }

    fn end(&mut self, heading: Heading, _now: Timestamp) {
        let side = &mut self.sides[heading.index()];
        side.ended = true;
        side.backlog = Vec::new();
        side.handshake = Vec::new();
        self.transaction.finish(heading);
    }

    fn first(&self) -> u64 {
        self.released.into()
    }

    fn next(&self) -> u64 {
        self.begun.into()
    }

    fn transaction(&self, number: u64) -> Option<&dyn Transaction> {
        (number == 0 && self.begun && !self.released).then_some(&self.transaction as _)
    }

    fn release(&mut self, number: u64) {
        if number > 0 && self.begun && !self.released {
            self.released = true;
            self.transaction.forget();
        }
    }

    fn is_encrypted(&self) -> bool {
        self.crypto.data || self.crypto.changed == [true; 2]
    }

    fn memory_bytes(&self) -> usize {
        let sides = self.sides.iter();
        let streams: usize =
            sides.map(|side| side.backlog.capacity() + side.handshake.capacity()).sum();
        size_of::<Self>() + streams + self.transaction.memory_bytes()
    }
}
