//! Protocols in BER: Kerberos, LDAP, SNMP.

use super::Look::{self, More, No, Yes};
use crate::app::Heading;

/// A tag, how long what it holds is said to be, and what of that is there.
struct Element<'a> {
    tag: u8,
    len: usize,
    content: &'a [u8],
    rest: &'a [u8],
}

impl Element<'_> {
    const fn is_whole(&self) -> bool {
        self.len == self.content.len()
    }
}

/// `None` where there is not even the length.
fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut len = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        len = rest.get(..count)?.iter().fold(0, |len, &b| len << 8 | usize::from(b));
        rest = rest.get(count..)?;
    }
    let (content, rest) = rest.split_at(len.min(rest.len()));
    Some(Element { tag, len, content, rest })
}

fn tagged(bytes: &[u8], tag: u8) -> Option<Element<'_>> {
    element(bytes).filter(|found| found.tag == tag)
}

const INTEGER: u8 = 2;
const SEQUENCE: u8 = 0x30;

fn kerberos_message(bytes: &[u8]) -> Option<()> {
    let outer = element(bytes)?;
    if !(0x6a..=0x7e).contains(&outer.tag) {
        return None;
    }
    let fields = tagged(outer.content, SEQUENCE)?;
    let version = element(fields.content).filter(|version| matches!(version.tag, 0xa0 | 0xa1))?;
    let number = tagged(version.content, INTEGER)?;
    (number.content == [5]).then_some(())
}

/// Kerberos in datagrams.
pub(super) fn kerberos_datagram(_: Heading, head: &[u8]) -> Look {
    Look::yes_if(kerberos_message(head).is_some())
}

/// Kerberos in a stream, behind its length.
pub(super) fn kerberos_stream(_: Heading, head: &[u8]) -> Look {
    let Some((&[a, b, c, d], message)) = head.split_first_chunk() else { return More };
    let len = u32::from_be_bytes([a, b, c, d]);
    if !(10..1 << 16).contains(&len) {
        return No;
    }
    if message.len() < 16 && (message.len() as u32) < len {
        return More;
    }
    Look::yes_if(kerberos_message(message).is_some())
}

/// The response operations; bind, search and the like have others.
const fn is_ldap_response(operation: u8) -> bool {
    matches!(operation, 0x61 | 0x64 | 0x65 | 0x67 | 0x69 | 0x6b | 0x6d | 0x6f | 0x73 | 0x78 | 0x79)
}

const fn is_ldap_request(operation: u8) -> bool {
    matches!(operation, 0x60 | 0x42 | 0x63 | 0x66 | 0x68 | 0x4a | 0x6c | 0x6e | 0x50 | 0x77)
}

fn ldap(head: &[u8]) -> Result<u8, Look> {
    if head.first().is_some_and(|&tag| tag != SEQUENCE) {
        return Err(No);
    }
    let outer = element(head).ok_or(More)?;
    if outer.len < 7 || outer.len > 1 << 24 {
        return Err(No);
    }
    let missing = if outer.is_whole() { No } else { More };
    let id = element(outer.content).ok_or(missing)?;
    if id.tag != INTEGER || id.len > 4 {
        return Err(No);
    }
    let operation = element(id.rest).ok_or(missing)?;
    if operation.len > outer.len
        || !(is_ldap_request(operation.tag) || is_ldap_response(operation.tag))
    {
        return Err(No);
    }
    // Operations are made of elements again, but for abandoning, deleting and unbinding.
    let sound = matches!(operation.tag, 0x42 | 0x4a | 0x50)
        || element(operation.content).is_some_and(|first| first.len <= operation.len)
        || !operation.is_whole();
    if sound { Ok(operation.tag) } else { Err(No) }
}

/// LDAP in a stream.
pub(super) fn ldap_stream(_: Heading, head: &[u8]) -> Look {
    match ldap(head) {
        Ok(_) => Yes,
        Err(look) => look,
    }
}

/// LDAP in datagrams: a response to the server means that the ends are the other way round.
pub(super) fn ldap_datagram(heading: Heading, head: &[u8]) -> Look {
    match ldap(head) {
        Ok(operation) if is_ldap_response(operation) && heading == Heading::ToServer => {
            Look::Turned
        }
        Ok(_) => Yes,
        Err(_) => No,
    }
}

fn snmp_message(head: &[u8]) -> Option<()> {
    let outer = tagged(head, SEQUENCE).filter(Element::is_whole)?;
    let version = tagged(outer.content, INTEGER)?;
    let next = element(version.rest)?;
    match version.content {
        // v1 and v2c: the community, then what is to be done.
        [0 | 1] => {
            let pdu = (next.tag == 4).then(|| element(next.rest))??;
            ((0xa0..=0xa9).contains(&pdu.tag) && pdu.is_whole()).then_some(())
        }
        [3] => (next.tag == SEQUENCE && next.is_whole()).then_some(()),
        _ => None,
    }
}

/// SNMP.
pub(super) fn snmp(_: Heading, head: &[u8]) -> Look {
    Look::yes_if(snmp_message(head).is_some())
}
