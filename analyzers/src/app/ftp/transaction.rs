//! A command with its replies.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::address::Place;
use super::command::Command;
use crate::app::text::text;
use crate::app::{Buffer, BufferView, COMPLETE, Field, Heading, Transaction};

/// There is something of a reply.
pub const REPLY: u8 = 1;

/// Preliminary replies that are kept.
const PRELIMINARY_LIMIT: usize = 16;

/// Bytes that a reply takes beside its own.
const REPLY_BYTES: usize = size_of::<Vec<u8>>();

/// How the data connection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Active,
    Passive,
}

/// A command with its replies, or a reply to nothing: the greeting.
#[derive(Debug, Default)]
pub struct FtpTransaction {
    pub(super) command: Option<&'static str>,
    /// With a NUL behind it, as Suricata's `ftp.command_data` has.
    command_data: Option<Vec<u8>>,
    command_truncated: bool,
    pub(super) is_auth: bool,
    pub(super) mode: Option<Mode>,
    pub(super) place: Option<Place>,
    /// What is answered to it is of no interest.
    pub(super) drops_replies: bool,
    codes: Vec<[u8; 3]>,
    replies: Vec<Vec<u8>>,
    reply_truncated: bool,
    preliminary: usize,
    /// Something was answered.
    touched: bool,
    /// All was.
    answered: bool,
    /// The server will not answer.
    abandoned: bool,
    events: Vec<&'static str>,
}

impl FtpTransaction {
    pub(super) fn new(command: Command<'_>, truncated: bool) -> Self {
        Self {
            command: command.name,
            command_data: command.data.map(|data| [data, b"\0"].concat()),
            command_truncated: truncated,
            is_auth: command.is_auth,
            ..Self::default()
        }
    }

    pub(super) fn event(&mut self, event: &'static str) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    /// A line of a reply, apart from its code if it has one. What it holds more than before, bytes.
    pub(super) fn reply(&mut self, code: Option<[u8; 3]>, text: &[u8], room: usize) -> usize {
        self.touched = true;
        if self.drops_replies || REPLY_BYTES + text.len() > room {
            return 0;
        }
        if code.is_some_and(|code| code.starts_with(b"1")) {
            if self.preliminary == PRELIMINARY_LIMIT {
                self.event("ftp.too_many_preliminary_responses");
                return 0;
            }
            self.preliminary += 1;
        }
        self.codes.extend(code);
        if text.is_empty() {
            return 0;
        }
        self.replies.push(text.to_vec());
        REPLY_BYTES + text.len()
    }

    pub(super) fn truncate_reply(&mut self) {
        self.reply_truncated = true;
        self.event("ftp.response_command_too_long");
    }

    pub(super) fn answer(&mut self) {
        self.answered = true;
    }

    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
    }

    /// There was an answer, which is no reply.
    pub(super) fn is_answered_oddly(&self) -> bool {
        self.touched && self.codes.is_empty()
    }

    pub(super) fn replies_bytes(&self) -> usize {
        self.replies.iter().map(|reply| REPLY_BYTES + reply.len()).sum()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let data = self.command_data.as_ref().map_or(0, Vec::len);
        size_of::<Self>() + self.replies_bytes() + data + self.codes.len() * 3
    }
}

impl Transaction for FtpTransaction {
    fn progress(&self, heading: Heading) -> u8 {
        match heading {
            Heading::ToServer => COMPLETE,
            Heading::ToClient if self.answered || self.abandoned => COMPLETE,
            Heading::ToClient if self.touched => REPLY,
            Heading::ToClient => 0,
        }
    }

    fn stage(&self, buffer: Buffer, _heading: Heading) -> u8 {
        match buffer {
            Buffer::FtpReply | Buffer::FtpCompletionCode => REPLY,
            _ => COMPLETE,
        }
    }

    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        let bytes: &[u8] = match (heading, buffer) {
            (Heading::ToServer, Buffer::FtpCommand) if index == 0 => self.command?.as_bytes(),
            (Heading::ToServer, Buffer::FtpCommandData) if index == 0 => {
                self.command_data.as_ref().filter(|data| data.len() > 1)?
            }
            (Heading::ToClient, Buffer::FtpReply) => self.replies.get(index)?,
            (Heading::ToClient, Buffer::FtpCompletionCode) => self.codes.get(index)?,
            _ => return None,
        };
        Some(BufferView::whole(bytes))
    }

    fn number(&self, field: Field, heading: Heading) -> Option<u64> {
        match (field, heading) {
            (Field::FtpDynamicPort, _) => self.place.map(|(_, port)| port.into()),
            // Before anything was answered there is nothing to say.
            (Field::FtpReplyReceived, Heading::ToClient) => {
                (self.touched || self.abandoned).then_some(self.answered.into())
            }
            _ => None,
        }
    }

    fn announced(&self) -> Option<IpAddr> {
        self.place.filter(|_| self.command == Some("PORT")).and_then(|(address, _)| address)
    }

    fn events(&self) -> &[&'static str] {
        &self.events
    }

    fn record(&self) -> Map<String, Value> {
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
        if let Some(command) = self.command {
            put("command", json!(command));
        }
        if let Some(data) = &self.command_data {
            if let Some((_, data @ [_, ..])) = data.split_last() {
                put("command_data", text(data));
            }
            put("command_truncated", json!(self.command_truncated));
        }
        if !self.codes.is_empty() {
            let codes: Vec<Value> = self.codes.iter().map(|code| text(code)).collect();
            put("completion_code", codes.into());
        }
        if !self.replies.is_empty() {
            let lossy = |reply: &Vec<u8>| Value::from(String::from_utf8_lossy(reply).into_owned());
            put("reply", self.replies.iter().map(lossy).collect());
        }
        if let Some((_, port)) = self.place {
            put("dynamic_port", json!(port));
        }
        if let Some(mode) = self.mode {
            put("mode", json!(if mode == Mode::Active { "active" } else { "passive" }));
        }
        put("reply_received", json!(if self.answered { "yes" } else { "no" }));
        put("reply_truncated", json!(self.reply_truncated));
        object
    }
}
