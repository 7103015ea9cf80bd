//! Protocols of bits and fields.

use super::Look::{self, More, No, Yes};
use crate::app::Heading;

/// A hello of SSLv2, that offers SSLv2.
pub(super) fn sslv2(head: &[u8]) -> Look {
    if head.first().is_some_and(|first| first & 0x80 == 0) {
        return No;
    }
    if head.len() < 6 { More } else { Yes }
}

/// On TLS's port: a hello of SSLv2 that offers SSLv3 or TLS.
pub(super) fn sslv2_compatible(heading: Heading, head: &[u8]) -> Look {
    match (heading, head) {
        (Heading::ToClient, _) => No,
        (_, [first, ..]) if first & 0x80 == 0 => No,
        (_, [_, _, 1, 3, 0..=3, ..]) => Yes,
        (_, [_] | [_, _] | [_, _, 1] | [_, _, 1, 3]) => More,
        _ => No,
    }
}

/// TPKT, in which RDP begins.
pub(super) fn rdp(_: Heading, head: &[u8]) -> Look {
    Look::yes_if(head.first() == Some(&3))
}

/// A control packet that can be.
pub(super) fn mqtt(_: Heading, head: &[u8]) -> Look {
    let Some((&first, rest)) = head.split_first() else { return More };
    // There is no quality of service 3.
    if first >> 4 == 0 || first & 6 == 6 {
        return No;
    }
    // The remaining length has at most four bytes, all but the last with the highest bit.
    match rest.iter().take(4).position(|b| b & 0x80 == 0) {
        Some(_) => Yes,
        None if rest.len() < 4 => More,
        None => No,
    }
}

/// Anything on Telnet's port.
pub(super) fn telnet(_: Heading, head: &[u8]) -> Look {
    if head.len() < 2 { More } else { Yes }
}

/// A server's settings, with which HTTP/2 begins.
pub(super) fn http2_settings(heading: Heading, head: &[u8]) -> Look {
    match (heading, head) {
        (Heading::ToServer, _) => No,
        (_, [0, _, _, 4, _, _, _, _, _, ..]) => Yes,
        (_, [0, _, _, 4, ..] | [0] | [0, _] | [0, _, _]) => More,
        _ => No,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let &bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(bytes))
}

const NFS: u32 = 100_003;
/// `COMMIT` is the last of version 3.
const LAST_PROCEDURE: u32 = 21;

/// Calls to the server and replies to the client, of NFS 3 and 4, behind the fragment's length.
pub(super) fn nfs_stream(heading: Heading, head: &[u8]) -> Look {
    let word = |at: usize| u32_at(head, at * 4);
    let kind = match word(2) {
        Some(kind) => kind,
        None => return More,
    };
    match heading {
        Heading::ToServer if kind == 0 => {
            let call = (word(3), word(4), word(5), word(6));
            match call {
                (Some(2), Some(NFS), Some(3 | 4), Some(procedure))
                    if procedure <= LAST_PROCEDURE => {}
                (Some(_), Some(_), Some(_), Some(_)) => return No,
                _ => return More,
            }
            // Credentials and verifier have to have come.
            let credentials = word(8).map_or(u64::MAX, |len| 36 + u64::from(len) + 8);
            match credentials {
                u64::MAX => More,
                end if end > 1024 => No,
                end => {
                    if head.len() as u64 >= end {
                        Yes
                    } else {
                        More
                    }
                }
            }
        }
        Heading::ToClient if kind == 1 => {
            if head.len() >= 28 {
                Yes
            } else {
                More
            }
        }
        _ => No,
    }
}

/// Calls of NFS 2 and 3 in datagrams.
pub(super) fn nfs_datagram(heading: Heading, head: &[u8]) -> Look {
    let word = |at: usize| u32_at(head, at * 4);
    let call = word(1) == Some(0) && word(3) == Some(NFS) && matches!(word(4), Some(2 | 3));
    let reply = word(1) == Some(1) && head.len() >= 24;
    Look::yes_if(match heading {
        Heading::ToServer => call && head.len() >= 48,
        Heading::ToClient => reply,
    })
}

/// Version 3 or 4, with or without something behind that could be an authenticator.
pub(super) fn ntp(_: Heading, head: &[u8]) -> Look {
    let version = head.first().map_or(0, |first| first >> 3 & 7);
    Look::yes_if(matches!(version, 3 | 4) && (head.len() == 48 || head.len() >= 68))
}

/// As long as BOOTP with the cookie.
pub(super) fn dhcp(_: Heading, head: &[u8]) -> Look {
    Look::yes_if(head.len() >= 240)
}

/// An operation below 256.
pub(super) fn tftp(_: Heading, head: &[u8]) -> Look {
    Look::yes_if(head.len() >= 4 && head[0] == 0)
}

/// A header that tells the datagram's length.
pub(super) fn ike(_: Heading, head: &[u8]) -> Look {
    let Some(header) = head.get(..28) else { return No };
    let exchange_fits = match header[17] {
        0x10 | 0x11 => true,
        0x20 => (34..=37).contains(&header[18]),
        _ => false,
    };
    let all = u32_at(head, 24).is_some_and(|len| len as usize == head.len());
    Look::yes_if(exchange_fits && all)
}

/// A variable-length integer of QUIC, and what follows.
fn variable(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let len = 1usize << (bytes.first()? >> 6);
    let (number, rest) = bytes.split_at_checked(len)?;
    let value = number.iter().fold(0u64, |value, &b| value << 8 | u64::from(b));
    Some((value & (u64::MAX >> (66 - 8 * len)), rest))
}

fn quic_long(head: &[u8]) -> Option<()> {
    let version = u32_at(head, 1)?;
    // Google's have a layout of their own, and a negotiation has nothing but numbers of versions.
    if version == 0 || version >> 24 == u32::from(b'Q') {
        return Some(());
    }
    let mut rest = head.get(5..)?;
    for _ in 0..2 {
        let (&len, behind) = rest.split_first()?;
        rest = behind.get(usize::from(len)..)?;
    }
    let kind = head.first()? >> 4 & 3;
    if kind == 3 {
        return Some(());
    }
    if kind == 0 {
        let (len, behind) = variable(rest)?;
        rest = behind.get(usize::try_from(len).ok()?..)?;
    }
    let (len, rest) = variable(rest)?;
    (len <= rest.len() as u64).then_some(())
}

/// A short header is anything; a long one has to hold together.
pub(super) fn quic(_: Heading, head: &[u8]) -> Look {
    Look::yes_if(head.first().is_some_and(|first| first & 0x80 == 0) || quic_long(head).is_some())
}
