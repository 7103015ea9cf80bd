//! Protocol data units of connection-oriented DCE/RPC (C706, chapter 12).

use std::sync::Arc;

/// Bytes of the header that all units have.
pub(crate) const HEADER_LEN: usize = 16;

/// Contexts that are kept of one bind.
const MAX_INTERFACES: usize = 64;

/// Kinds of units.
pub(crate) mod kind {
    pub(crate) const REQUEST: u8 = 0;
    pub(crate) const RESPONSE: u8 = 2;
    pub(crate) const FAULT: u8 = 3;
    pub(crate) const BIND: u8 = 11;
    pub(crate) const BINDACK: u8 = 12;
    pub(crate) const BINDNAK: u8 = 13;
    pub(crate) const ALTER_CONTEXT: u8 = 14;
    pub(crate) const ALTER_CONTEXT_RESP: u8 = 15;
}

const NAMES: [&str; 20] = [
    "REQUEST",
    "PING",
    "RESPONSE",
    "FAULT",
    "WORKING",
    "NOCALL",
    "REJECT",
    "ACK",
    "CL_CANCEL",
    "FACK",
    "CANCEL_ACK",
    "BIND",
    "BINDACK",
    "BINDNAK",
    "ALTER_CONTEXT",
    "ALTER_CONTEXT_RESP",
    "AUTH3",
    "SHUTDOWN",
    "CO_CANCEL",
    "ORPHANED",
];

/// The name that EVE uses; the number where there is none.
pub(crate) fn kind_name(kind: u8) -> String {
    NAMES.get(usize::from(kind)).map_or_else(|| kind.to_string(), |name| (*name).to_owned())
}

/// The header that all units have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: (u8, u8),
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) little: bool,
    pub(crate) frag_len: u16,
    pub(crate) call_id: u32,
}

const FIRST: u8 = 1;
const LAST: u8 = 2;
const OBJECT: u8 = 0x80;

impl Header {
    /// `None` where there are not even that many bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let little = header[4] & 0x10 != 0;
        let integers = Integers { little };
        Some(Self {
            version: (header[0], header[1]),
            kind: header[2],
            flags: header[3],
            little,
            frag_len: integers.u16(header, 8)?,
            call_id: integers.u32(header, 12)?,
        })
    }

    pub(crate) const fn is_first(&self) -> bool {
        self.flags & FIRST != 0
    }

    pub(crate) const fn is_last(&self) -> bool {
        self.flags & LAST != 0
    }

    /// It is of this protocol, and as long as a header at least.
    pub(crate) const fn is_sound(&self) -> bool {
        self.version.0 == 5 && self.version.1 <= 1 && self.frag_len as usize >= HEADER_LEN
    }
}

/// Integers in the order of bytes that a header states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Integers {
    pub(crate) little: bool,
}

impl Integers {
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let &bytes = bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let &bytes = bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// In the order in which it is written down.
    pub(crate) fn uuid(self, bytes: &[u8], at: usize) -> Option<[u8; 16]> {
        let &raw = bytes.get(at..)?.first_chunk()?;
        let mut uuid: [u8; 16] = raw;
        if self.little {
            uuid[0..4].reverse();
            uuid[4..6].reverse();
            uuid[6..8].reverse();
        }
        Some(uuid)
    }
}

/// An interface that a client bound to, and what the server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// In the order in which it is written down.
    pub uuid: [u8; 16],
    /// Major version; the one that `dcerpc.iface` compares.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
    /// What requests call it.
    pub context: u16,
    /// What the server said, and why; `None` while it said nothing. 0 is acceptance.
    pub answer: Option<(u16, u16)>,
}

impl Interface {
    /// The server accepted it.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.answer.is_some_and(|(result, _)| result == 0)
    }

    /// As it is written down.
    #[must_use]
    pub fn uuid_text(&self) -> String {
        uuid_text(&self.uuid)
    }
}

/// In groups, as UUIDs are written down.
pub(crate) fn uuid_text(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in uuid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Interfaces of a bind, shared by the calls that go to them.
pub(crate) type Interfaces = Arc<[Interface]>;

/// What BIND and ALTER_CONTEXT ask for.
pub(crate) fn bind(header: &Header, body: &[u8]) -> Vec<Interface> {
    let integers = Integers { little: header.little };
    let count = body.get(8).copied().unwrap_or(0);
    let mut at = 12;
    let mut found = Vec::new();
    for _ in 0..usize::from(count).min(MAX_INTERFACES) {
        let one = || {
            let interface = Interface {
                context: integers.u16(body, at)?,
                uuid: integers.uuid(body, at + 4)?,
                major: integers.u16(body, at + 20)?,
                minor: integers.u16(body, at + 22)?,
                answer: None,
            };
            Some((interface, *body.get(at + 2)?))
        };
        let Some((interface, transfer_syntaxes)) = one() else { break };
        found.push(interface);
        at += 24 + 20 * usize::from(transfer_syntaxes);
    }
    found
}

/// What BINDACK and ALTER_CONTEXT_RESP answer, in the order of what was asked for.
pub(crate) fn bind_ack(header: &Header, body: &[u8]) -> Vec<(u16, u16)> {
    let integers = Integers { little: header.little };
    let Some(address_len) = integers.u16(body, 8) else { return Vec::new() };
    // Aligned to four bytes, counted from the beginning of the unit, which is aligned itself.
    let mut at = (10 + usize::from(address_len)).next_multiple_of(4);
    let count = body.get(at).copied().unwrap_or(0);
    at += 4;
    let mut answers = Vec::new();
    for _ in 0..usize::from(count).min(MAX_INTERFACES) {
        let (Some(result), Some(reason)) = (integers.u16(body, at), integers.u16(body, at + 2))
        else {
            break;
        };
        answers.push((result, reason));
        at += 24;
    }
    answers
}

/// What a request's or a response's unit carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stub<'a> {
    pub(crate) context: u16,
    /// Of requests.
    pub(crate) opnum: u16,
    pub(crate) data: &'a [u8],
}

/// Of REQUEST and RESPONSE. What authenticates it is left in, as Suricata does.
pub(crate) fn stub<'a>(header: &Header, body: &'a [u8]) -> Option<Stub<'a>> {
    let integers = Integers { little: header.little };
    let is_request = header.kind == kind::REQUEST;
    let object = if is_request && header.flags & OBJECT != 0 { 16 } else { 0 };
    Some(Stub {
        context: integers.u16(body, 4)?,
        opnum: integers.u16(body, 6)?,
        data: body.get(8 + object..).unwrap_or_default(),
    })
}
