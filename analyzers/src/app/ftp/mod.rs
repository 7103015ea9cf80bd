//! FTP: the control connection (RFC 959), and those for data that it announces.
//!
//! A transaction is a command with its replies; the greeting is one without a command. Replies belong to
//! commands in order; those that span lines end with a line that has their code and a space. What looks like
//! no reply at all answers what it follows as soon as the client goes on.
//!
//! Where a command has its contents on another connection, [`Parser::expected`] tells of it; that one is read
//! by [`FtpData`].
//!
//! Stages of a transaction: to the server it is complete when it is there, to the client [`REPLY`], complete.

mod address;
mod command;
mod data;
mod transaction;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use data::{FtpData, FtpDataTransaction};
pub use transaction::{FtpTransaction, REPLY};

use self::address::Place;
use self::command::{Command, Naming, transfer};
use self::transaction::Mode;
use super::backlog::{Backlog, Line};
use super::{AppProto, Expected, Heading, ParseError, Parser, Switch, Transaction};
use crate::events::Timestamp;

/// What is kept of a line, without its end, and from which length on, with its end, it is too long.
const LINE_LIMIT: usize = 4096;
const END_LEN: usize = 2;
/// Bytes of replies that are held.
const REPLIES_LIMIT: usize = 2 << 20;
/// Connections that are announced and nobody asked for.
const EXPECTED_LIMIT: usize = 16;

/// Limits of a parser, with the defaults of Suricata's stock configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FtpConfig {
    /// The most transactions that may be held (`max-tx`).
    pub transactions_limit: usize,
}

impl Default for FtpConfig {
    fn default() -> Self {
        Self { transactions_limit: 1024 }
    }
}

/// One heading's lines.
#[derive(Debug, Default)]
struct Side {
    backlog: Backlog,
    /// In the midst of a line that is too long.
    midline: bool,
    ended: bool,
}

/// Reads a control connection's two streams.
#[derive(Debug)]
pub struct Ftp {
    config: FtpConfig,
    sides: [Side; 2],
    first: u64,
    held: VecDeque<Box<FtpTransaction>>,
    /// The transaction that the next reply answers.
    open: u64,
    /// The code of the reply that spans lines.
    multiline: Option<[u8; 3]>,
    replies_bytes: usize,
    /// Where the next data connection goes to.
    place: Option<(Place, Mode)>,
    expected: VecDeque<Expected>,
    switch: Option<Switch>,
    /// Nothing of FTP follows.
    dead: bool,
}

impl Ftp {
    /// For a new connection.
    #[must_use]
    pub fn new(config: FtpConfig) -> Self {
        Self {
            config,
            sides: Default::default(),
            first: 0,
            held: VecDeque::new(),
            open: 0,
            multiline: None,
            replies_bytes: 0,
            place: None,
            expected: VecDeque::new(),
            switch: None,
            dead: false,
        }
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut FtpTransaction> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.held.get_mut(index).map(Box::as_mut)
    }

    fn begin(&mut self, mut transaction: FtpTransaction) -> Result<(), ParseError> {
        if self.held.len() >= self.config.transactions_limit {
            if let Some(oldest) = self.held.front_mut() {
                oldest.event("ftp.too_many_transactions");
                oldest.answer();
            }
            return Err(ParseError { reason: "too many transactions at a time" });
        }
        if self.sides[Heading::ToClient.index()].ended {
            transaction.abandon();
        }
        self.held.push_back(Box::new(transaction));
        Ok(())
    }

    /// Reads the next line; how many bytes that are.
    fn line(&mut self, heading: Heading, rest: &[u8]) -> Result<Option<usize>, ParseError> {
        if self.dead {
            return Ok(Some(rest.len()));
        }
        let Some(line) = Line::next(rest, LINE_LIMIT + END_LEN) else { return Ok(None) };
        let side = &mut self.sides[heading.index()];
        let continued = std::mem::replace(&mut side.midline, !line.is_whole());
        if !continued {
            let too_long = line.raw.len() >= LINE_LIMIT || !line.is_whole();
            let text = line.text.get(..LINE_LIMIT).unwrap_or(line.text);
            match heading {
                Heading::ToServer => self.command(text, too_long)?,
                Heading::ToClient => self.reply(text, too_long)?,
            }
        }
        Ok(Some(line.raw.len()))
    }

    fn command(&mut self, line: &[u8], too_long: bool) -> Result<(), ParseError> {
        let open = self.open;
        if self.multiline.is_none()
            && self.get_mut(open).is_some_and(|waits| waits.is_answered_oddly())
        {
            self.answered();
        }
        let command = Command::read(line);
        let mut transaction = FtpTransaction::new(command, too_long);
        if too_long {
            transaction.event("ftp.request_command_too_long");
        }
        let data = command.data.unwrap_or_default();
        match command.name {
            Some(name @ ("PORT" | "EPRT")) => {
                let place = if name == "PORT" { address::port(data) } else { address::eprt(data) };
                transaction.place = place;
                transaction.mode = Some(if place.is_some() { Mode::Active } else { Mode::Passive });
                transaction.drops_replies = place.is_none();
                if let Some(place) = place {
                    self.place = Some((place, Mode::Active));
                }
            }
            Some("PASV" | "EPSV") => transaction.mode = Some(Mode::Passive),
            Some(name) => self.transfer(name, command.data, &mut transaction),
            None => {}
        }
        self.begin(transaction)
    }

    /// A command whose contents come on another connection.
    fn transfer(
        &mut self,
        name: &'static str,
        data: Option<&[u8]>,
        transaction: &mut FtpTransaction,
    ) {
        let Some(transfer) = transfer(name) else { return };
        let data = data.filter(|data| !data.is_empty());
        if transfer.file == Naming::Must && data.is_none() {
            return transaction.event("ftp.file_without_name");
        }
        let Some(((address, port), mode)) = self.place.take() else {
            return transaction.event("ftp.file_before_port");
        };
        let file_name = match transfer.file {
            Naming::None => None,
            _ => Some(data.unwrap_or(b"<stou>").to_vec()),
        };
        // The client opens passive connections, so that its uploads go to the server there, too.
        let (opens, heading) = match mode {
            Mode::Passive => (Heading::ToServer, Heading::to_server_if(transfer.is_upload)),
            Mode::Active => (Heading::ToClient, Heading::to_server_if(!transfer.is_upload)),
        };
        if self.expected.len() == EXPECTED_LIMIT {
            self.expected.pop_front();
        }
        self.expected.push_back(Expected {
            address,
            port,
            opens,
            heading,
            protocol: AppProto::FtpData,
            command: name,
            file_name,
        });
    }

    fn reply(&mut self, line: &[u8], too_long: bool) -> Result<(), ParseError> {
        let line = line.trim_ascii_end();
        let code = line.first_chunk::<3>().copied().filter(|c| c.iter().all(u8::is_ascii_digit));
        let (code, goes_on) = match line.get(3) {
            None | Some(b' ') => (code, None),
            Some(b'-') => (None, code),
            Some(_) => (None, None),
        };
        // Another reply, while the client waits for one: the one before lacks its end.
        if code.is_some() && self.multiline.is_some_and(|open| code != Some(open)) {
            let waits = self.open + 1 < self.next();
            if waits {
                self.answered();
            }
        }
        if self.open == self.next() {
            self.begin(FtpTransaction::default())?;
        }
        let room = REPLIES_LIMIT.saturating_sub(self.replies_bytes);
        let open = self.open;
        let Some(transaction) = self.get_mut(open) else { return Ok(()) };
        if too_long {
            transaction.truncate_reply();
        }
        let text = if code.is_some() { line.get(4..).unwrap_or_default() } else { line };
        let held = transaction.reply(code, text, room);
        self.replies_bytes += held;
        match (self.multiline, code) {
            (None, None) => self.multiline = goes_on,
            (Some(begun), Some(code)) if begun == code => self.whole_reply(code, text),
            (None, Some(code)) => self.whole_reply(code, text),
            _ => {}
        }
        Ok(())
    }

    /// A reply has come to its end.
    fn whole_reply(&mut self, code: [u8; 3], text: &[u8]) {
        let spanned = self.multiline.take().is_some();
        let open = self.open;
        let Some(transaction) = self.get_mut(open) else { return };
        let place = match (transaction.command, &code) {
            (Some("PASV"), b"227") => address::pasv(text),
            (Some("EPSV"), b"229") => address::epsv(text),
            _ => None,
        };
        if place.is_some() {
            transaction.place = place;
        }
        let goes_over = transaction.is_auth && &code == b"234";
        if let Some(place) = place {
            self.place = Some((place, Mode::Passive));
        }
        // What follows a preliminary reply is for the same command; but, as in Suricata, not if that one
        // spanned lines.
        if spanned || !code.starts_with(b"1") {
            self.answered();
        }
        if goes_over {
            self.switch = Some(Switch::To(AppProto::Tls));
            self.give_up();
        }
    }

    /// Nothing more will be said to the transaction in hand.
    fn answered(&mut self) {
        self.multiline = None;
        let open = self.open;
        if let Some(transaction) = self.get_mut(open) {
            transaction.answer();
            self.open += 1;
        }
    }

    /// Nothing can be made of what follows.
    fn give_up(&mut self) {
        self.dead = true;
        self.held.iter_mut().for_each(|transaction| transaction.abandon());
    }
}

impl Parser for Ftp {
    fn protocol(&self) -> AppProto {
        AppProto::Ftp
    }

    fn data(&mut self, heading: Heading, data: &[u8], _now: Timestamp) -> Result<(), ParseError> {
        let mut backlog = std::mem::take(&mut self.sides[heading.index()].backlog);
        let result = backlog.feed(data, |rest| self.line(heading, rest));
        self.sides[heading.index()].backlog = backlog;
        if result.is_err() {
            self.give_up();
        }
        result
    }

    fn gap(&mut self, _heading: Heading, _len: u64, _now: Timestamp) -> Result<(), ParseError> {
        if self.dead {
            return Ok(());
        }
        self.give_up();
        Err(ParseError { reason: "a gap in a control connection of FTP" })
    }

    fn end(&mut self, heading: Heading, _now: Timestamp) {
        let side = &mut self.sides[heading.index()];
        side.backlog.clear();
        side.ended = true;
        if heading == Heading::ToClient {
            let open = self.open;
            if self.get_mut(open).is_some_and(|waits| waits.is_answered_oddly()) {
                self.answered();
            }
            self.held.iter_mut().for_each(|transaction| transaction.abandon());
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
            self.replies_bytes = self.replies_bytes.saturating_sub(transaction.replies_bytes());
        }
        self.open = self.open.max(self.first);
    }

    fn switch(&mut self) -> Option<Switch> {
        self.switch.take()
    }

    fn expected(&mut self) -> Option<Expected> {
        self.expected.pop_front()
    }

    fn memory_bytes(&self) -> usize {
        let name = |expected: &Expected| expected.file_name.as_ref().map_or(0, Vec::len);
        size_of::<Self>()
            + self.sides.iter().map(|side| side.backlog.memory_bytes()).sum::<usize>()
            + self.held.iter().map(|transaction| transaction.memory_bytes()).sum::<usize>()
            + self.expected.iter().map(|e| size_of::<Expected>() + name(e)).sum::<usize>()
    }
}
