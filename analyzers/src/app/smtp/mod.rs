//! SMTP (RFC 5321) with the mails that it carries.
//!
//! A transaction is a mail with the commands before it: it ends for the client with the mail's end and for
//! the server with the reply to that, and also with RSET and QUIT. Replies find their commands in order,
//! however pipelined. Mails sent as DATA are read (`mime`), those in chunks are passed over as
//! Suricata does. Dots that were doubled for the way stay so, again as there.
//!
//! Stages of a transaction, to the server: [`COMMANDS`], [`HEADER`], [`BODY`], complete.

mod command;
mod config;
mod mime;
mod reply;
mod request;
mod transaction;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use config::SmtpConfig;
pub use transaction::{BODY, COMMANDS, HEADER, SmtpTransaction};

use super::backlog::Backlog;
use super::{AppProto, Heading, ParseError, Parser, Switch, Transaction};
use crate::events::Timestamp;

/// The longest line with its end.
const LINE_LIMIT: usize = 4095;
/// Commands that wait for a reply.
const PENDING_LIMIT: usize = 16 << 10;

/// What comes from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Commands,
    /// A mail, line by line.
    Mail,
    /// So many bytes of one; and whether they are the last.
    Chunk(u32, bool),
    /// Nothing of SMTP.
    Dead,
}

/// A command that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    StartTls,
    /// And whether the mail is sent ahead of the reply.
    Data(bool),
    Reset,
    Quit,
    /// A mail's end.
    End,
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    kind: Kind,
    transaction: Option<u64>,
}

/// One heading's lines.
#[derive(Debug, Default)]
struct Side {
    backlog: Backlog,
    /// In the midst of a line that is too long.
    midline: bool,
    ended: bool,
}

/// Reads a connection's two streams.
#[derive(Debug)]
pub struct Smtp {
    config: SmtpConfig,
    sides: [Side; 2],
    mode: Mode,
    first: u64,
    held: VecDeque<Box<SmtpTransaction>>,
    /// The newest transaction is over: the next command begins another.
    over: bool,
    /// The client's first name for itself.
    helo: Option<Vec<u8>>,
    /// The server said 220.
    greeted: bool,
    /// The server said that it takes commands ahead of their turn.
    pipelining: bool,
    pending: VecDeque<Pending>,
    switch: Option<Switch>,
    /// A command, or a reply to one, came to its end since this was asked last. The end of a mail is none.
    ended_messages: [bool; 2],
}

impl Smtp {
    /// For a new connection.
    #[must_use]
    pub fn new(config: SmtpConfig) -> Self {
        Self {
            config,
            sides: Default::default(),
            mode: Mode::default(),
            first: 0,
            held: VecDeque::new(),
            over: false,
            helo: None,
            greeted: false,
            pipelining: false,
            pending: VecDeque::new(),
            switch: None,
            ended_messages: [false; 2],
        }
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut SmtpTransaction> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.held.get_mut(index).map(Box::as_mut)
    }

    /// On the newest transaction, if it is still there.
    fn event(&mut self, event: &'static str) {
        if let Some(transaction) = self.held.back_mut() {
            transaction.event(event);
        }
    }

    fn expect(&mut self, kind: Kind) {
        let last = self.pending.back().map(|pending| pending.kind);
        if matches!(last, Some(Kind::StartTls | Kind::Data(_))) {
            // Nothing may be said before these are answered.
            self.event("smtp.invalid_pipelined_sequence");
        }
        if self.pending.len() < PENDING_LIMIT {
            let transaction = self.next().checked_sub(1);
            self.pending.push_back(Pending { kind, transaction });
        }
    }
}

impl Parser for Smtp {
    fn protocol(&self) -> AppProto {
        AppProto::Smtp
    }

    fn data(&mut self, heading: Heading, data: &[u8], _now: Timestamp) -> Result<(), ParseError> {
        let mut backlog = std::mem::take(&mut self.sides[heading.index()].backlog);
        let result = backlog.feed(data, |rest| match heading {
            Heading::ToServer => self.request(rest),
            Heading::ToClient => self.reply(rest),
        });
        self.sides[heading.index()].backlog = backlog;
        if result.is_err() {
            self.give_up();
        }
        result
    }

    fn gap(&mut self, _heading: Heading, _len: u64, _now: Timestamp) -> Result<(), ParseError> {
        if self.mode == Mode::Dead {
            return Ok(());
        }
        self.give_up();
        Err(ParseError { reason: "a gap in an SMTP stream" })
    }

    fn end(&mut self, heading: Heading, _now: Timestamp) {
        let side = &mut self.sides[heading.index()];
        side.backlog.clear();
        side.ended = true;
        for transaction in &mut self.held {
            if heading == Heading::ToServer {
                transaction.abort();
            }
            transaction.complete(heading);
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
        while self.first < number && self.held.pop_front().is_some() {
            self.first += 1;
        }
    }

    fn switch(&mut self) -> Option<Switch> {
        self.switch.take()
    }

    fn tells_messages(&self) -> bool {
        true
    }

    fn ended_messages(&mut self) -> [bool; 2] {
        std::mem::take(&mut self.ended_messages)
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.sides.iter().map(|side| side.backlog.memory_bytes()).sum::<usize>()
            + self.held.iter().map(|transaction| transaction.memory_bytes()).sum::<usize>()
            + self.pending.capacity() * size_of::<Pending>()
    }
}

impl Smtp {
    /// Nothing can be made of what follows.
    fn give_up(&mut self) {
        self.mode = Mode::Dead;
        self.pending = VecDeque::new();
        for transaction in &mut self.held {
            transaction.abort();
            for heading in Heading::ALL {
                transaction.complete(heading);
            }
        }
    }
}
