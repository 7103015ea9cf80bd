//! DNS over UDP and TCP: every message is a transaction of its own, requests as well as responses.
//!
//! What a message announces and does not hold makes it malformed, up to its answers; with authorities and
//! additionals that are broken it is still a message, without them. Names are followed through their
//! pointers with bounds on labels, length and what they may expand to. A malformed message costs a datagram,
//! and a TCP stream everything behind it, since nobody knows where the next one begins.
//!
//! A transaction has one stage: it is complete when it is there.

mod kind;
mod message;
mod name;
mod record;
mod stream;
mod transaction;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use message::{Message, Rdata, Record, Soa, Srv, Sshfp};
pub use name::Name;
pub use transaction::DnsTransaction;

use self::message::{RESPONSE, Z};
use self::stream::Framer;
use super::{AppProto, Heading, ParseError, Parser, Transaction};
use crate::events::Timestamp;

/// Transactions that are held at a time; beyond that the oldest go.
const TRANSACTIONS_LIMIT: usize = 500;
/// From this on operation codes are not assigned.
const INVALID_OPCODE: u8 = 7;

/// Whether this may be the beginning of DNS: `data` is a whole datagram, or what a stream begins with.
#[must_use]
pub fn probe(data: &[u8], _heading: Heading, tcp: bool) -> bool {
    if !tcp {
        return message::is_plausible(data, data.len());
    }
    let Some((&len, message)) = data.split_first_chunk() else { return false };
    let len = usize::from(u16::from_be_bytes(len));
    let message = message.get(..len).unwrap_or(message);
    message::is_plausible(message, len)
}

/// Whether a message, without length before it, says that it is a response. A response that goes to what
/// was taken for the server means that the ends are the other way round.
#[must_use]
pub fn is_response(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 0x80 != 0)
}

/// Reads a flow's datagrams, or a connection's two streams.
#[derive(Debug)]
pub struct DnsParser {
    /// None over UDP.
    streams: Option<[Framer; 2]>,
    first: u64,
    held: VecDeque<Box<DnsTransaction>>,
    held_bytes: usize,
}

impl DnsParser {
    /// For datagrams, each a message.
    #[must_use]
    pub fn udp() -> Self {
        Self { streams: None, first: 0, held: VecDeque::new(), held_bytes: 0 }
    }

    /// For streams, in which messages have their length before them.
    #[must_use]
    pub fn tcp() -> Self {
        Self { streams: Some(Default::default()), ..Self::udp() }
    }

    /// On the newest transaction that is still held: a message that cannot be read has none.
    fn event(&mut self, event: &'static str) {
        if let Some(transaction) = self.held.back_mut() {
            transaction.event(event);
        }
    }

    /// One message.
    fn message(&mut self, heading: Heading, data: &[u8]) -> Result<(), ParseError> {
        let to_server = heading == Heading::ToServer;
        let Some(message) = Message::parse(data) else {
            self.event("dns.malformed_data");
            return Err(ParseError { reason: "a malformed DNS message" });
        };
        if to_server && message.questions.is_empty() {
            self.event("dns.malformed_data");
            return Err(ParseError { reason: "a DNS request that asks nothing" });
        }
        let response = message.flags & RESPONSE != 0;
        if to_server && response {
            self.event("dns.not_request");
            return Err(ParseError { reason: "a DNS response where requests belong" });
        }
        let (reserved, opcode) = (message.flags & Z != 0, message.opcode());
        let (oddities, number) = (message.oddities, self.next());
        let mut transaction = DnsTransaction::new(number, heading, message);
        for (odd, event) in [
            (!to_server && !response, "dns.not_response"),
            (reserved, "dns.z_flag_set"),
            (opcode >= INVALID_OPCODE, "dns.invalid_opcode"),
            (oddities.invalid_additionals, "dns.invalid_additionals"),
            (oddities.invalid_authorities, "dns.invalid_authorities"),
            (oddities.names.truncated, "dns.name_too_long"),
            (oddities.names.infinite_loop, "dns.infinite_loop"),
            (oddities.names.too_many_labels, "dns.too_many_labels"),
        ] {
            if odd {
                transaction.event(event);
            }
        }
        self.held_bytes += transaction.memory_bytes();
        self.held.push_back(Box::new(transaction));
        if self.held.len() > TRANSACTIONS_LIMIT {
            self.release(self.first + 1);
        }
        Ok(())
    }
}

impl Parser for DnsParser {
    fn protocol(&self) -> AppProto {
        AppProto::Dns
    }

    fn data(&mut self, heading: Heading, data: &[u8], _now: Timestamp) -> Result<(), ParseError> {
        let Some(streams) = &mut self.streams else {
            // A datagram that is not DNS says nothing about the next one.
            let _: Result<(), ParseError> = self.message(heading, data);
            return Ok(());
        };
        let mut framer = std::mem::take(&mut streams[heading.index()]);
        let result = framer.feed(data, |message| self.message(heading, message));
        if let Some(streams) = &mut self.streams {
            streams[heading.index()] = framer;
        }
        result
    }

    fn gap(&mut self, heading: Heading, _len: u64, _now: Timestamp) -> Result<(), ParseError> {
        if let Some(streams) = &mut self.streams {
            streams[heading.index()].gap();
        }
        Ok(())
    }

    fn end(&mut self, heading: Heading, _now: Timestamp) {
        if let Some(streams) = &mut self.streams {
            streams[heading.index()].clear();
        }
    }

    fn first(&self) -> u64 {
        self.first
    }

    fn next(&self) -> u64 {
        self.first + self.held.len() as u64
    }

    fn transaction(&self, number: u64) -> Option<&dyn Transaction> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.held.get(index).map(|transaction| transaction.as_ref() as &dyn Transaction)
    }

    fn release(&mut self, number: u64) {
        while self.first < number
            && let Some(transaction) = self.held.pop_front()
        {
            self.first += 1;
            self.held_bytes = self.held_bytes.saturating_sub(transaction.memory_bytes());
        }
    }

    fn memory_bytes(&self) -> usize {
        let streams = self.streams.iter().flatten().map(Framer::memory_bytes).sum::<usize>();
        size_of::<Self>() + streams + self.held_bytes
    }
}
