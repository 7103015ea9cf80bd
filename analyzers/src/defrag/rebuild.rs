//! Headers of a reassembled datagram.

use umbra_wire::checksum::Sum;
use umbra_wire::ipv6::Ipv6;
use umbra_wire::number::protocol;

use crate::decode::{Decoded, IpInfo};

/// The header a datagram keeps of the fragment at offset 0: IPv4 with its options, IPv6 with the
/// extension headers before the fragment header and the protocol that stood in it. `None` when
/// the fragment is not what its decoding says.
pub(super) fn header(fragment: &Decoded<'_>, ip: &IpInfo) -> Option<Box<[u8]>> {
    if ip.version == 4 {
        let mut header: Box<[u8]> = fragment.datagram.get(..ip.header_len.into())?.into();
        // Keeps the reserved bit and "don't fragment".
        *header.get_mut(6)? &= 0xc0;
        *header.get_mut(7)? = 0;
        return Some(header);
    }
    let mut walk = Ipv6::new_checked(fragment.datagram).ok()?.extensions();
    let mut next_header_at = 6;
    while let Ok(Some(extension)) = walk.step() {
        if extension.kind == protocol::FRAGMENT {
            let mut header: Box<[u8]> = fragment.datagram.get(..extension.offset)?.into();
            *header.get_mut(next_header_at)? = extension.next_header;
            return Some(header);
        }
        next_header_at = extension.offset;
    }
    None
}

/// Puts the length (and for IPv4 the checksum) into the header at the start of a datagram.
pub(super) fn finish(datagram: &mut [u8]) {
    let len = datagram.len();
    match datagram.first().map(|b| b >> 4) {
        Some(4) => {
            let header_len = datagram.first().map_or(0, |b| usize::from(b & 15) * 4);
            let Some(header) = datagram.get_mut(..header_len) else { return };
            put(header, 2, len);
            put(header, 10, 0);
            let mut sum = Sum::default();
            sum.add(header);
            put(header, 10, sum.checksum().into());
        }
        _ => put(datagram, 4, len.saturating_sub(umbra_wire::ipv6::HEADER_LEN)),
    }
}

fn put(bytes: &mut [u8], at: usize, value: usize) {
    let value = u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&value);
    }
}
