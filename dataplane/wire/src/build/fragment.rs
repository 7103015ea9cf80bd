//! IP datagrams cut into fragments.

use crate::checksum::Sum;
use crate::ipv4::Ipv4;
use crate::ipv6::Ipv6;
use crate::number::protocol;

/// Cuts an IPv4 datagram into fragments with `piece` bytes of payload each (rounded down to a
/// multiple of 8, at least 8); the header goes with its options onto each. Empty when `datagram`
/// is no IPv4.
#[must_use]
pub fn fragment_ipv4(datagram: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let Ok(ip) = Ipv4::new_checked(datagram) else { return Vec::new() };
    let piece = (piece & !7).max(8);
    let count = ip.payload().len().div_ceil(piece);
    let pieces = ip.payload().chunks(piece).enumerate();
    pieces
        .map(|(at, data)| {
            let mut out = ip.header_bytes().to_vec();
            let len = (out.len() + data.len()) as u16;
            let more = u16::from(at + 1 < count || ip.more_fragments()) << 13;
            let offset = (usize::from(ip.fragment_offset()) + at * piece) / 8;
            out[2..4].copy_from_slice(&len.to_be_bytes());
            out[6..8].copy_from_slice(&(more | offset as u16).to_be_bytes());
            out[10..12].fill(0);
            let mut sum = Sum::default();
            sum.add(&out);
            out[10..12].copy_from_slice(&sum.checksum().to_be_bytes());
            out.extend(data);
            out
        })
        .collect()
}

/// Cuts an IPv6 datagram into fragments with `piece` bytes of payload each (rounded down to a
/// multiple of 8, at least 8). What stands before the fragment header is the IPv6 header and the
/// hop-by-hop and routing headers that follow it. Empty when `datagram` is no IPv6.
#[must_use]
pub fn fragment_ipv6(datagram: &[u8], piece: usize, id: u32) -> Vec<Vec<u8>> {
    let Ok(ip) = Ipv6::new_checked(datagram) else { return Vec::new() };
    let mut walk = ip.extensions();
    let mut next_at = 6;
    while matches!(walk.protocol(), protocol::HOP_BY_HOP | protocol::ROUTING) {
        let at = walk.offset();
        if !matches!(walk.step(), Ok(Some(_))) {
            break;
        }
        next_at = at;
    }
    let piece = (piece & !7).max(8);
    let count = walk.payload().len().div_ceil(piece);
    let pieces = walk.payload().chunks(piece).enumerate();
    pieces
        .map(|(at, data)| {
            let mut out = datagram[..walk.offset()].to_vec();
            out[next_at] = protocol::FRAGMENT;
            out.extend([walk.protocol(), 0]);
            let field = (at * piece) as u16 | u16::from(at + 1 < count);
            out.extend(field.to_be_bytes());
            out.extend(id.to_be_bytes());
            out.extend(data);
            let len = (out.len() - crate::ipv6::HEADER_LEN) as u16;
            out[4..6].copy_from_slice(&len.to_be_bytes());
            out
        })
        .collect()
}
