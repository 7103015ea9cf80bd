//! One mail with what was said around it.

use serde_json::{Map, Value, json};

use super::mime::Mime;
use crate::app::{Buffer, BufferView, COMPLETE, File, FileState, Heading, Transaction};

/// There is a command.
pub const COMMANDS: u8 = 1;
/// The mail's header is there.
pub const HEADER: u8 = 2;
/// There may be something of its body.
pub const BODY: u8 = 3;

/// Recipients that are kept, and bytes of all.
const RECIPIENTS_LIMIT: usize = 16 << 10;
const RECIPIENTS_BYTES_LIMIT: usize = 512 << 10;

/// A mail, or what was said without one.
#[derive(Debug, Default)]
pub struct SmtpTransaction {
    /// Said in this one or in one before.
    pub(super) helo: Option<Vec<u8>>,
    pub(super) mail_from: Option<Vec<u8>>,
    rcpt_to: Vec<Vec<u8>>,
    rcpt_to_bytes: usize,
    /// Once the client said DATA.
    pub(super) mime: Option<Box<Mime>>,
    /// The header of a mail that the server did not want was there.
    pub(super) had_header: bool,
    /// The server does not want the mail.
    pub(super) rejected: bool,
    pub(super) files: Vec<File>,
    pub(super) events: Vec<&'static str>,
    /// Nothing will be added by the client, by the server.
    done: [bool; 2],
}

impl SmtpTransaction {
    pub(super) fn new(helo: Option<Vec<u8>>) -> Self {
        Self { helo, ..Self::default() }
    }

    pub(super) fn event(&mut self, event: &'static str) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    pub(super) fn recipient(&mut self, address: &[u8]) {
        let bytes = self.rcpt_to_bytes + address.len();
        if self.rcpt_to.len() < RECIPIENTS_LIMIT && bytes <= RECIPIENTS_BYTES_LIMIT {
            self.rcpt_to_bytes = bytes;
            self.rcpt_to.push(address.to_vec());
        }
    }

    pub(super) fn is_done(&self, heading: Heading) -> bool {
        self.done[heading.index()]
    }

    pub(super) fn complete(&mut self, heading: Heading) {
        self.done[heading.index()] = true;
    }

    /// What is to come of the mail will not.
    pub(super) fn abort(&mut self) {
        if let Some(mime) = &mut self.mime {
            mime.abort(&mut self.files);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let named = [&self.helo, &self.mail_from].into_iter().flatten().map(Vec::len);
        let kept = |file: &File| file.data.capacity() + file.name.len() + size_of::<File>();
        size_of::<Self>()
            + named.sum::<usize>()
            + self.rcpt_to_bytes
            + self.rcpt_to.len() * size_of::<Vec<u8>>()
            + self.mime.as_ref().map_or(0, |mime| mime.memory_bytes())
            + self.files.iter().map(kept).sum::<usize>()
    }

    fn email(&self) -> Option<Map<String, Value>> {
        let mime = self.mime.as_ref()?;
        let mut object = Map::new();
        if let Some(header) = mime.header() {
            if let Some(from) = header.get(b"from") {
                object.insert("from".to_owned(), lossy(from));
            }
            for key in ["to", "cc"] {
                let all: Vec<Value> =
                    header.get(key.as_bytes()).into_iter().flat_map(addresses).map(lossy).collect();
                if !all.is_empty() {
                    object.insert(key.to_owned(), all.into());
                }
            }
        }
        object.insert("status".to_owned(), json!("PARSE_DONE"));
        if !mime.attachments().is_empty() {
            let names: Vec<Value> = mime.attachments().iter().map(|name| lossy(name)).collect();
            object.insert("attachment".to_owned(), names.into());
        }
        let urls: Vec<Value> = mime.urls().last_first().map(lossy).collect();
        if !urls.is_empty() {
            object.insert("url".to_owned(), urls.into());
        }
        Some(object)
    }

    pub(super) fn has_header(&self) -> bool {
        self.mime.as_ref().is_some_and(|mime| mime.header().is_some())
    }

    fn header(&self, name: &[u8], index: usize) -> Option<&[u8]> {
        self.mime.as_ref()?.header()?.all(name).nth(index)
    }
}

impl Transaction for SmtpTransaction {
    fn progress(&self, heading: Heading) -> u8 {
        let has_header = self.had_header || self.has_header();
        match heading {
            _ if self.is_done(heading) => COMPLETE,
            Heading::ToServer if has_header => BODY,
            Heading::ToServer => COMMANDS,
            Heading::ToClient => 0,
        }
    }

    fn stage(&self, buffer: Buffer, _heading: Heading) -> u8 {
        match buffer {
            Buffer::SmtpHelo | Buffer::SmtpMailFrom | Buffer::SmtpRcptTo => COMMANDS,
            Buffer::EmailUrl | Buffer::FileData | Buffer::FileName => BODY,
            _ => HEADER,
        }
    }

    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        if heading != Heading::ToServer || (index > 0 && !buffer.is_multiple()) {
            return None;
        }
        let bytes = match buffer {
            Buffer::SmtpHelo => self.helo.as_deref()?,
            Buffer::SmtpMailFrom => self.mail_from.as_deref()?,
            Buffer::SmtpRcptTo => self.rcpt_to.get(index)?,
            Buffer::EmailFrom => self.header(b"from", 0)?,
            Buffer::EmailSubject => self.header(b"subject", 0)?,
            Buffer::EmailTo => self.header(b"to", 0)?,
            Buffer::EmailCc => self.header(b"cc", 0)?,
            Buffer::EmailDate => self.header(b"date", 0)?,
            Buffer::EmailMessageId => self.header(b"message-id", 0)?,
            Buffer::EmailXMailer => self.header(b"x-mailer", 0)?,
            Buffer::EmailReceived => self.header(b"received", index)?,
            Buffer::EmailUrl => self.mime.as_ref()?.urls().get(index)?,
            Buffer::FileName => &self.files.get(index)?.name,
            Buffer::FileData => {
                let file = self.files.get(index)?;
                let complete = file.state != FileState::Open || file.size > file.data.len() as u64;
                return Some(BufferView { bytes: &file.data, offset: 0, complete });
            }
            _ => return None,
        };
        Some(BufferView::whole(bytes))
    }

    fn events(&self) -> &[&'static str] {
        &self.events
    }

    fn record(&self) -> Map<String, Value> {
        let mut object = Map::new();
        // What is no text has no place there.
        for (key, value) in [("helo", &self.helo), ("mail_from", &self.mail_from)] {
            if let Some(text) = value.as_deref().and_then(|value| std::str::from_utf8(value).ok()) {
                object.insert(key.to_owned(), json!(text));
            }
        }
        let recipients = self.rcpt_to.iter().filter_map(|name| std::str::from_utf8(name).ok());
        let recipients: Vec<&str> = recipients.collect();
        if !recipients.is_empty() {
            object.insert("rcpt_to".to_owned(), json!(recipients));
        }
        object
    }

    fn companions(&self) -> Vec<(&'static str, Map<String, Value>)> {
        self.email().map(|email| ("email", email)).into_iter().collect()
    }

    fn files(&self) -> &[File] {
        &self.files
    }
}

fn lossy(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into()
}

/// What commas outside of quotes separate. The first byte of each is never one.
fn addresses(list: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    let mut rest = list;
    loop {
        let start = rest.iter().position(|&byte| !matches!(byte, b' ' | b'\t'));
        let Some(list) = start.and_then(|start| rest.get(start..)) else { return all };
        let mut quoted = false;
        let end = list.iter().enumerate().position(|(at, &byte)| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted && at > 0
        });
        let (address, behind) =
            list.split_at_checked(end.unwrap_or(list.len())).unwrap_or_default();
        all.push(address);
        rest = behind.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_addresses() {
        let list = |list: &str| -> Vec<String> {
            let all = addresses(list.as_bytes()).into_iter();
            all.map(|address| String::from_utf8_lossy(address).into_owned()).collect()
        };
        let all = list("\"A, B\" <a@x>, c@y ,  d@z,, <e@w>");
        assert_eq!(all, ["\"A, B\" <a@x>", "c@y ", "d@z", ", <e@w>"]);
        assert_eq!(list("x@x,y@y"), ["x@x", "y@y"]);
        assert_eq!(list(" a, "), ["a"]);
        assert!(list("").is_empty());
    }
}
