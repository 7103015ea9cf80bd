//! The client's lines.

use super::command::Command;
use super::mime::{Mime, Sink};
use super::{Kind, LINE_LIMIT, Mode, Smtp, SmtpTransaction};
use crate::app::backlog::Line;
use crate::app::{Heading, ParseError, Parser};

impl Smtp {
    /// Reads what comes next; how many bytes that are.
    pub(super) fn request(&mut self, rest: &[u8]) -> Result<Option<usize>, ParseError> {
        if let Mode::Chunk(left, last) = self.mode {
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let left = left.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
            self.mode = Mode::Chunk(left, last);
            if left == 0 {
                self.end_of_chunk(last);
            }
            return Ok(Some(taken));
        }
        if self.mode == Mode::Dead {
            return Ok(Some(rest.len()));
        }
        let Some(line) = Line::next(rest, LINE_LIMIT) else { return Ok(None) };
        let side = &mut self.sides[Heading::ToServer.index()];
        let continued = std::mem::replace(&mut side.midline, !line.is_whole());
        if !self.greeted {
            self.begin(&line)?;
            self.event("smtp.no_server_welcome_message");
        }
        if self.mode == Mode::Mail {
            self.mail_line(line, continued);
        } else if !continued {
            self.command(line)?;
        }
        Ok(Some(line.raw.len()))
    }

    /// Begins a transaction where the line is not in one.
    fn begin(&mut self, line: &Line<'_>) -> Result<(), ParseError> {
        let begun = self.next() > 0;
        let open = !self.over && !self.held.is_empty();
        // There is nothing to say of what only ends the session.
        let ends = matches!(Command::read(line.text), Command::Reset | Command::Quit);
        if self.mode == Mode::Mail || open || (begun && ends) {
            return Ok(());
        }
        if self.held.len() >= self.config.transactions_limit {
            return Err(ParseError { reason: "too many transactions at a time" });
        }
        let mut transaction = SmtpTransaction::new(self.helo.clone());
        if self.sides[Heading::ToClient.index()].ended {
            transaction.complete(Heading::ToClient);
        }
        self.held.push_back(Box::new(transaction));
        self.over = false;
        Ok(())
    }

    fn command(&mut self, line: Line<'_>) -> Result<(), ParseError> {
        self.begin(&line)?;
        self.ended_messages[Heading::ToServer.index()] = true;
        if !line.is_whole() {
            self.event("smtp.truncated_line");
        }
        let kind = match Command::read(line.text) {
            Command::Hello(name) => {
                self.hello(name);
                Kind::Other
            }
            Command::MailFrom(address) => {
                if let Some(transaction) = self.held.back_mut() {
                    match transaction.mail_from {
                        Some(_) => transaction.event("smtp.duplicate_fields"),
                        None => transaction.mail_from = Some(address.to_vec()),
                    }
                }
                Kind::Other
            }
            Command::RcptTo(address) => {
                if let Some(transaction) = self.held.back_mut() {
                    transaction.recipient(address);
                }
                Kind::Other
            }
            Command::Data => {
                if !self.data_command() {
                    return Ok(());
                }
                Kind::Data(self.pipelining)
            }
            Command::Bdat(chunk) => {
                self.bdat(chunk);
                return Ok(());
            }
            Command::StartTls => Kind::StartTls,
            Command::Reset => Kind::Reset,
            Command::Quit => Kind::Quit,
            Command::Other => Kind::Other,
        };
        self.expect(kind);
        if kind == Kind::Data(true) {
            self.mode = Mode::Mail;
        }
        Ok(())
    }

    /// The first name counts for the whole connection.
    fn hello(&mut self, name: &[u8]) {
        if self.helo.is_some() {
            self.event("smtp.duplicate_fields");
            return;
        }
        self.helo = Some(name.to_vec());
        if let Some(transaction) = self.held.back_mut() {
            transaction.helo = Some(name.to_vec());
        }
    }

    /// False if a mail is on its way already.
    fn data_command(&mut self) -> bool {
        let mime = self.config.mime;
        let Some(transaction) = self.held.back_mut() else { return false };
        if transaction.mime.is_some() {
            transaction.event("smtp.unparsable_content");
            if !std::mem::take(&mut transaction.rejected) {
                return false;
            }
            transaction.had_header |= transaction.has_header();
        }
        transaction.mime = mime.then(|| Box::new(Mime::default()));
        true
    }

    fn bdat(&mut self, chunk: Option<(u32, bool)>) {
        match chunk {
            None => {
                self.event("smtp.invalid_bdat");
                self.expect(Kind::Other);
            }
            Some((len, last)) => {
                self.expect(if last { Kind::End } else { Kind::Other });
                self.mode = Mode::Chunk(len, last);
                if len == 0 {
                    self.end_of_chunk(last);
                }
            }
        }
    }

    fn end_of_chunk(&mut self, last: bool) {
        self.mode = Mode::Commands;
        if last {
            self.end_of_mail();
        }
    }

    fn end_of_mail(&mut self) {
        self.over = true;
        if let Some(transaction) = self.held.back_mut() {
            transaction.complete(Heading::ToServer);
        }
    }

    fn mail_line(&mut self, line: Line<'_>, continued: bool) {
        let ends = line.text == b"." && line.is_whole() && !continued;
        if let Some(transaction) = self.held.back_mut()
            && let Some(mut mime) = transaction.mime.take()
        {
            let SmtpTransaction { files, events, .. } = &mut **transaction;
            let mut sink = Sink { files, events, config: &self.config };
            if ends {
                mime.finish(&mut sink);
            } else {
                mime.line(line, &mut sink);
            }
            transaction.mime = Some(mime);
        }
        if ends {
            self.mode = Mode::Commands;
            self.expect(Kind::End);
            self.end_of_mail();
        }
    }
}
