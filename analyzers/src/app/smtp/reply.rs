//! The server's lines.

use super::command::is_code;
use super::{Kind, LINE_LIMIT, Mode, Pending, Smtp};
use crate::app::backlog::Line;
use crate::app::{AppProto, Heading, ParseError, Parser, Switch};

/// A code, and what separates it from the text.
const PREFIX_LEN: usize = 4;

impl Smtp {
    /// Reads the next line; how many bytes that are.
    pub(super) fn reply(&mut self, rest: &[u8]) -> Result<Option<usize>, ParseError> {
        if self.mode == Mode::Dead {
            return Ok(Some(rest.len()));
        }
        let Some(line) = Line::next(rest, LINE_LIMIT) else { return Ok(None) };
        let side = &mut self.sides[Heading::ToClient.index()];
        let continued = std::mem::replace(&mut side.midline, !line.is_whole());
        if !continued {
            if !line.is_whole() {
                self.event("smtp.truncated_line");
            }
            self.reply_line(line.text)?;
        }
        Ok(Some(line.raw.len()))
    }

    fn reply_line(&mut self, text: &[u8]) -> Result<(), ParseError> {
        let Some(code) = text.first_chunk().filter(|code| is_code(**code)) else {
            self.event("smtp.invalid_reply");
            return Err(ParseError { reason: "an invalid SMTP reply" });
        };
        let goes_on = text.get(PREFIX_LEN - 1) == Some(&b'-');
        let behind = text.get(PREFIX_LEN..).unwrap_or_default();
        if code == b"250" && behind.eq_ignore_ascii_case(b"pipelining") {
            self.pipelining = true;
        }
        let Some(&Pending { kind, transaction }) = self.pending.front() else {
            if !self.greeted {
                match code {
                    b"220" => self.greeted = true,
                    _ => self.event("smtp.invalid_reply"),
                }
            }
            return Ok(());
        };
        match kind {
            Kind::Data(ahead) if code != b"354" => self.rejected(transaction, ahead),
            Kind::StartTls if code != b"220" => self.event("smtp.tls_rejected"),
            _ => {}
        }
        if goes_on {
            return Ok(());
        }
        self.pending.pop_front();
        self.ended_messages[Heading::ToClient.index()] = true;
        match kind {
            Kind::Data(false) if code == b"354" && self.mode == Mode::Commands => {
                self.mode = Mode::Mail;
            }
            Kind::StartTls if code == b"220" => {
                self.switch = Some(Switch::To(AppProto::Tls));
                self.give_up();
            }
            Kind::Reset if code == b"250" => self.answered(transaction),
            Kind::Quit | Kind::End => self.answered(transaction),
            _ => {}
        }
        Ok(())
    }

    /// The server does not want a mail, which may be on its way.
    fn rejected(&mut self, number: Option<u64>, ahead: bool) {
        let newest = self.next().checked_sub(1);
        if ahead && self.mode == Mode::Mail && number == newest {
            self.mode = Mode::Commands;
        }
        if let Some(transaction) = number.and_then(|number| self.get_mut(number)) {
            transaction.rejected = true;
            transaction.event("smtp.data_command_rejected");
        }
    }

    /// The server has said what it thinks of all of a transaction.
    fn answered(&mut self, number: Option<u64>) {
        let Some(number) = number else { return };
        self.over |= number + 1 == self.next();
        if let Some(transaction) = self.get_mut(number) {
            for heading in Heading::ALL {
                transaction.complete(heading);
            }
        }
    }
}
