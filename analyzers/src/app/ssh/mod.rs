//! SSH as far as it is not encrypted (RFC 4253): banners, and what is proposed for the key exchange.
//!
//! One transaction per connection. Records are taken apart up to each end's NEWKEYS; what follows is
//! encrypted and of no interest: [`Parser::is_encrypted`] says so once both ends are there. Of records only
//! the proposal for the key exchange is put together, and only where a fingerprint of it is wanted.
//!
//! Stages of the transaction: [`BANNER`], [`PROPOSAL`] (where one is wanted), complete (NEWKEYS, or the end
//! of the stream).

mod proposal;
mod side;
mod transaction;

#[cfg(test)]
mod tests;

pub use transaction::{BANNER, End, PROPOSAL, SshTransaction};

use self::side::Side;
use super::{AppProto, COMPLETE, Heading, ParseError, Parser, Transaction};
use crate::events::Timestamp;

/// What costs and is not always wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SshConfig {
    /// HASSH, in records and buffers.
    pub hassh: bool,
}

/// Reads a connection's two streams.
#[derive(Debug)]
pub struct Ssh {
    config: SshConfig,
    sides: [Side; 2],
    transaction: SshTransaction,
    begun: bool,
    released: bool,
    /// In which headings a banner ended.
    ended_messages: [bool; 2],
}

impl Ssh {
    /// For a new connection.
    #[must_use]
    pub fn new(config: SshConfig) -> Self {
        Self {
            config,
            sides: Default::default(),
            transaction: SshTransaction::default(),
            begun: false,
            released: false,
            ended_messages: [false; 2],
        }
    }
}

impl Parser for Ssh {
    fn protocol(&self) -> AppProto {
        AppProto::Ssh
    }

    fn data(&mut self, heading: Heading, data: &[u8], _now: Timestamp) -> Result<(), ParseError> {
        self.begun = true;
        let side = &mut self.sides[heading.index()];
        let was_in_banner = side.is_in_banner();
        let result = side.data(heading, data, self.config, &mut self.transaction);
        self.ended_messages[heading.index()] |= was_in_banner && !side.is_in_banner();
        result
    }

    fn gap(&mut self, heading: Heading, len: u64, _now: Timestamp) -> Result<(), ParseError> {
        self.sides[heading.index()].gap(len)
    }

    fn end(&mut self, heading: Heading, _now: Timestamp) {
        self.sides[heading.index()].end(heading, &mut self.transaction);
        self.transaction.advance(heading, COMPLETE);
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
            self.transaction = SshTransaction::default();
        }
    }

    /// Banners; of what follows rules look at the streams by their length.
    fn tells_messages(&self) -> bool {
        true
    }

    fn ended_messages(&mut self) -> [bool; 2] {
        std::mem::take(&mut self.ended_messages)
    }

    fn is_encrypted(&self) -> bool {
        self.sides.iter().all(Side::is_encrypted)
    }

    fn memory_bytes(&self) -> usize {
        let sides: usize = self.sides.iter().map(Side::memory_bytes).sum();
        size_of::<Self>() + sides + self.transaction.memory_bytes()
    }
}
