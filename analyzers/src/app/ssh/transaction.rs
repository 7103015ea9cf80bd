//! A connection's beginning as a transaction.

use serde_json::{Map, Value, json};

use super::proposal::Hassh;
use crate::app::text::text;
use crate::app::{Buffer, BufferView, Heading, Transaction};

/// The end said which SSH it speaks.
pub const BANNER: u8 = 1;
/// The end said what it would like to use.
pub const PROPOSAL: u8 = 2;

/// Bytes of what an end says of itself that a record has.
const RECORD_LIMIT: usize = 256;

/// What one end said.
#[derive(Debug, Default)]
pub struct End {
    progress: u8,
    /// `2.0`, as sent.
    proto: Vec<u8>,
    /// What it calls itself, without comments.
    software: Vec<u8>,
    hassh: Option<Hassh>,
}

impl End {
    /// Which SSH it speaks: `2.0`; empty where that was not seen.
    #[must_use]
    pub fn proto(&self) -> &[u8] {
        &self.proto
    }

    /// What it calls itself.
    #[must_use]
    pub fn software(&self) -> &[u8] {
        &self.software
    }
}

/// A connection's beginning.
#[derive(Debug, Default)]
pub struct SshTransaction {
    ends: [End; 2],
    events: Vec<&'static str>,
}

impl SshTransaction {
    /// What was sent in a heading.
    #[must_use]
    pub fn end(&self, heading: Heading) -> &End {
        &self.ends[heading.index()]
    }

    pub(super) fn event(&mut self, event: &'static str) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    pub(super) fn advance(&mut self, heading: Heading, stage: u8) {
        let end = &mut self.ends[heading.index()];
        end.progress = end.progress.max(stage);
    }

    /// Takes `SSH-2.0-software comment`; false if it is something else.
    pub(super) fn banner(&mut self, heading: Heading, line: &[u8]) -> bool {
        let Some(rest) = line.strip_prefix(b"SSH-") else { return false };
        let mut parts = rest.splitn(2, |&byte| byte == b'-');
        let (Some(proto @ [_, ..]), Some(behind)) = (parts.next(), parts.next()) else {
            return false;
        };
        // A space before anything else ends nothing.
        let space = behind.iter().position(|&byte| byte == b' ').filter(|&at| at > 0);
        let len = space.unwrap_or(behind.len());
        let end = &mut self.ends[heading.index()];
        end.proto = proto.to_vec();
        end.software = behind.get(..len).unwrap_or(behind).to_vec();
        true
    }

    /// The first one counts.
    pub(super) fn proposal(&mut self, heading: Heading, hassh: Hassh) {
        self.ends[heading.index()].hassh.get_or_insert(hassh);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let of = |end: &End| {
            let hassh = end.hassh.as_ref().map_or(0, |hassh| hassh.string.len() + hassh.hash.len());
            end.proto.len() + end.software.len() + hassh
        };
        self.ends.iter().map(of).sum()
    }
}

impl Transaction for SshTransaction {
    fn progress(&self, heading: Heading) -> u8 {
        self.end(heading).progress
    }

    fn stage(&self, buffer: Buffer, _heading: Heading) -> u8 {
        match buffer {
            Buffer::SshProto | Buffer::SshSoftware => BANNER,
            _ => PROPOSAL,
        }
    }

    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        let end = self.end(heading);
        let to_server = heading == Heading::ToServer;
        let hassh = end.hassh.as_ref();
        let bytes: &[u8] = match buffer {
            _ if index > 0 || end.progress < BANNER => return None,
            Buffer::SshProto => &end.proto,
            Buffer::SshSoftware => &end.software,
            Buffer::SshHassh if to_server => hassh?.hash.as_bytes(),
            Buffer::SshHasshString if to_server => &hassh?.string,
            Buffer::SshHasshServer if !to_server => hassh?.hash.as_bytes(),
            Buffer::SshHasshServerString if !to_server => &hassh?.string,
            _ => return None,
        };
        (!bytes.is_empty()).then_some(BufferView::whole(bytes))
    }

    fn events(&self) -> &[&'static str] {
        &self.events
    }

    fn record(&self) -> Map<String, Value> {
        let mut object = Map::new();
        for (key, end) in ["client", "server"].into_iter().zip(&self.ends) {
            if end.proto.is_empty() {
                continue;
            }
            let mut said = Map::new();
            said.insert("proto_version".to_owned(), limited(&end.proto));
            if !end.software.is_empty() {
                said.insert("software_version".to_owned(), limited(&end.software));
            }
            if let Some(Hassh { string, hash }) = &end.hassh {
                let hassh = json!({ "hash": hash, "string": text(string) });
                said.insert("hassh".to_owned(), hassh);
            }
            object.insert(key.to_owned(), Value::Object(said));
        }
        object
    }

    fn is_logged(&self) -> bool {
        self.ends.iter().any(|end| !end.proto.is_empty())
    }
}

/// As much as a record has of it.
fn limited(bytes: &[u8]) -> Value {
    match bytes.split_at_checked(RECORD_LIMIT) {
        Some((head, rest @ [_, ..])) => {
            let head = String::from_utf8_lossy(head);
            format!("{head}[truncated {} additional bytes]", rest.len()).into()
        }
        _ => text(bytes),
    }
}
