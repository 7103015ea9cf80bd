//! Where the network layer begins behind the link headers that captures have, and frames of other links
//! dressed as Ethernet for the sampler, which keys on Ethernet frames alone.

use crate::pcap::DataLink;

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;

/// Bytes of a frame that the sampler's key may need: link header, tags and labels, a chain of extension
/// headers, a tunnel, the inner headers.
const KEY_BYTES: usize = 512;
const ETHERNET_HEADER: usize = 14;

/// The ethertype and what follows it, VLAN tags included in Ethernet's case; `None` where the link is not
/// known or the frame is shorter than its header.
pub(super) fn network_layer(link: DataLink, frame: &[u8]) -> Option<(u16, &[u8])> {
    match link {
        DataLink::ETHERNET => at_ethertype(frame, 12),
        DataLink::RAW | DataLink::RAW_BSD | DataLink::RAW_OPENBSD => by_version(frame),
        DataLink::IPV4 => Some((IPV4, frame)),
        DataLink::IPV6 => Some((IPV6, frame)),
        // Address family of the host that captured, in its byte order: the IP version is safer.
        DataLink::NULL | DataLink::LOOP => by_version(frame.get(4..)?),
        DataLink::LINUX_SLL => at_ethertype(frame, 14),
        DataLink::LINUX_SLL2 => {
            Some((u16::from_be_bytes([*frame.first()?, *frame.get(1)?]), frame.get(20..)?))
        }
        DataLink::C_HDLC => at_ethertype(frame, 2),
        DataLink::PPP | DataLink::PPP_HDLC => {
            let body = if frame.starts_with(&[0xff, 0x03]) { &frame[2..] } else { frame };
            match body {
                [0x00, 0x21, rest @ ..] => Some((IPV4, rest)),
                [0x00, 0x57, rest @ ..] => Some((IPV6, rest)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The frame as an Ethernet frame of the same network layer, in `scratch` unless it is one already. A
/// frame whose link is not known keeps its bytes, so that equal frames still hash alike.
pub(super) fn as_ethernet<'a>(
    link: DataLink,
    frame: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    if link == DataLink::ETHERNET {
        return frame;
    }
    let Some((ethertype, network)) = network_layer(link, frame) else { return frame };
    scratch.clear();
    scratch.extend_from_slice(&[0; ETHERNET_HEADER - 2]);
    scratch.extend_from_slice(&ethertype.to_be_bytes());
    scratch.extend_from_slice(&network[..network.len().min(KEY_BYTES)]);
    scratch
}

fn at_ethertype(frame: &[u8], at: usize) -> Option<(u16, &[u8])> {
    let rest = frame.get(at..)?;
    match rest {
        [high, low, rest @ ..] => Some((u16::from_be_bytes([*high, *low]), rest)),
        _ => None,
    }
}

fn by_version(packet: &[u8]) -> Option<(u16, &[u8])> {
    match packet.first()? >> 4 {
        4 => Some((IPV4, packet)),
        6 => Some((IPV6, packet)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_leads_to_the_same_packet() {
        let packet = [0x45, 0, 0, 20, 1, 2, 3, 4];
        let dressed: &[(DataLink, &[u8])] = &[
            (DataLink::ETHERNET, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0]),
            (DataLink::RAW, &[]),
            (DataLink::IPV4, &[]),
            (DataLink::NULL, &[2, 0, 0, 0]),
            (DataLink::LOOP, &[0, 0, 0, 2]),
            (DataLink::LINUX_SLL, &[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0]),
            (DataLink::LINUX_SLL2, &[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0]),
            (DataLink::PPP, &[0xff, 0x03, 0x00, 0x21]),
            (DataLink::PPP_HDLC, &[0x00, 0x21]),
            (DataLink::C_HDLC, &[0x0f, 0x00, 8, 0]),
        ];
        let mut scratch = Vec::new();
        for (link, header) in dressed {
            let frame = [header, packet.as_slice()].concat();
            assert_eq!(network_layer(*link, &frame), Some((IPV4, packet.as_slice())), "{link}");
            let ethernet = as_ethernet(*link, &frame, &mut scratch);
            assert_eq!(&ethernet[12..], [&[8, 0], packet.as_slice()].concat(), "{link}");
        }
    }

    #[test]
    fn frames_too_short_or_of_unknown_links_are_left_alone() {
        let mut scratch = Vec::new();
        for link in (0..300).map(DataLink) {
            for len in 0..24 {
                let frame = vec![0x11; len];
                let _ = network_layer(link, &frame);
                let _ = as_ethernet(link, &frame, &mut scratch);
            }
        }
        assert_eq!(as_ethernet(DataLink(127), &[1, 2, 3], &mut scratch), [1, 2, 3]);
    }
}
