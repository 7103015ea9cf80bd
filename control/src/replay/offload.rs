//! `-k auto`: does the capture show checksum offloading?
//!
//! A host that leaves checksums to its NIC is captured in front of the NIC: what it sends has the
//! pseudo-header's sum alone, or nothing, in the checksum field, while what it receives is right.
//! Verifying such packets would hide that host's whole traffic from streams and application layers.
//!
//! The rule: of the capture's first frames (at most [`PROBE_FRAMES`], at most [`PROBE_BYTES`]) those are
//! verified that hold a whole, unfragmented TCP or UDP packet. A source *offloads* when none of its
//! packets verifies and either one of them bears a checksum that offloading leaves (the pseudo-header's
//! sum, zero) or at least [`PLAIN_BAD`] are bad. One such source is enough. A source with good and bad
//! packets is no evidence: that is damage, or someone evading a detector.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::pcap::DataLink;

use super::link::{IPV4, IPV6, network_layer};

/// Frames looked at before the replay begins.
pub const PROBE_FRAMES: usize = 1_000;
/// Bytes of frames held back while looking at them.
pub const PROBE_BYTES: usize = 8 * 1024 * 1024;
/// Bad packets of a source that are evidence without a telling value in the checksum field.
const PLAIN_BAD: u32 = 3;

const TCP: u8 = 6;
const UDP: u8 = 17;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sum {
    Good,
    Bad,
    /// Bad in the way that offloading leaves behind.
    LeftToNic,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    good: u32,
    bad: u32,
    left_to_nic: u32,
}

/// Looks at the first frames of a capture.
#[derive(Debug, Default)]
pub(super) struct OffloadProbe {
    sources: HashMap<IpAddr, Tally>,
}

/// What the probe saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offloading {
    /// Packets whose checksum was verified.
    pub verified: u64,
    /// Those that were bad.
    pub bad: u64,
    /// A source that offloads, the lowest address of them.
    pub source: Option<IpAddr>,
}

impl OffloadProbe {
    pub(super) fn observe(&mut self, link: DataLink, frame: &[u8]) {
        let Some((source, sum)) = verify(link, frame) else { return };
        let tally = self.sources.entry(source).or_default();
        match sum {
            Sum::Good => tally.good += 1,
            Sum::Bad => tally.bad += 1,
            Sum::LeftToNic => tally.left_to_nic += 1,
        }
    }

    pub(super) fn verdict(&self) -> Offloading {
        let mut seen = Offloading::default();
        for (&source, tally) in &self.sources {
            let bad = tally.bad + tally.left_to_nic;
            seen.verified += u64::from(tally.good + bad);
            seen.bad += u64::from(bad);
            let offloads = tally.good == 0 && (tally.left_to_nic > 0 || tally.bad >= PLAIN_BAD);
            if offloads && seen.source.is_none_or(|lowest| source < lowest) {
                seen.source = Some(source);
            }
        }
        seen
    }
}

/// Source and checksum of a whole, unfragmented TCP or UDP packet.
fn verify(link: DataLink, frame: &[u8]) -> Option<(IpAddr, Sum)> {
    let (mut ethertype, mut rest) = network_layer(link, frame)?;
    let mut tags = 0;
    while matches!(ethertype, 0x8100 | 0x88a8 | 0x9100) && tags < 3 {
        ethertype = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
        rest = &rest[4..];
        tags += 1;
    }
    match ethertype {
        IPV4 => verify_v4(rest),
        IPV6 => verify_v6(rest),
        _ => None,
    }
}

fn verify_v4(packet: &[u8]) -> Option<(IpAddr, Sum)> {
    let header_len = usize::from(packet.first()? & 0xf) * 4;
    let header = packet.get(..header_len.max(20))?;
    if packet[0] >> 4 != 4 || header_len < 20 {
        return None;
    }
    let source = IpAddr::V4(Ipv4Addr::new(header[12], header[13], header[14], header[15]));
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let segment = packet.get(header_len..total)?;
    if fragment != 0 {
        return None;
    }
    if fold(sum(header, 0)) != 0xffff {
        let stored = u16::from_be_bytes([header[10], header[11]]);
        return Some((source, if stored == 0 { Sum::LeftToNic } else { Sum::Bad }));
    }
    transport(header[9], &header[12..20], segment).map(|sum| (source, sum))
}

fn verify_v6(packet: &[u8]) -> Option<(IpAddr, Sum)> {
    let header = packet.first_chunk::<40>()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let segment = packet.get(40..40 + payload)?;
    let source: [u8; 16] = header[8..24].try_into().ok()?;
    transport(header[6], &header[8..40], segment)
        .map(|sum| (IpAddr::V6(Ipv6Addr::from(source)), sum))
}

fn transport(protocol: u8, addresses: &[u8], segment: &[u8]) -> Option<Sum> {
    let (at, least) = match protocol {
        TCP => (16, 20),
        UDP => (6, 8),
        _ => return None,
    };
    if segment.len() < least {
        return None;
    }
    let stored = u16::from_be_bytes([segment[at], segment[at + 1]]);
    if protocol == UDP && stored == 0 {
        // IPv4 allows it, and for IPv6 it says nothing about offloading (RFC 6935).
        return None;
    }
    let pseudo = sum(addresses, u32::from(protocol) + u32::try_from(segment.len()).ok()?);
    Some(if fold(sum(segment, pseudo)) == 0xffff {
        Sum::Good
    } else if stored == 0 || stored == fold(pseudo) {
        Sum::LeftToNic
    } else {
        Sum::Bad
    })
}

/// One's-complement sum (RFC 1071), not folded: 2^16 words of 16 bits fit.
fn sum(bytes: &[u8], start: u32) -> u32 {
    let (words, odd) = bytes.as_chunks::<2>();
    let mut total = start;
    for word in words {
        total += u32::from(u16::from_be_bytes(*word));
    }
    total + odd.first().map_or(0, |&last| u32::from(last) << 8)
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Checksum {
        Right,
        PseudoHeaderOnly,
        Zero,
        Wrong,
    }

    fn tcp(source: u8, payload: &[u8], checksum: &Checksum) -> Vec<u8> {
        let total = 40 + payload.len() as u16;
        let mut packet = vec![0x45, 0];
        packet.extend(total.to_be_bytes());
        packet.extend([0, 1, 0, 0, 64, TCP, 0, 0, 10, 0, 0, source, 10, 0, 0, 99]);
        let header = fold(sum(&packet, 0));
        packet[10..12].copy_from_slice(&(!header).to_be_bytes());
        packet.extend([0, 80, 0x30, 0x39, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
        packet.extend(payload);
        let pseudo = sum(&packet[12..20], u32::from(TCP) + u32::from(total - 20));
        let right = !fold(sum(&packet[20..], pseudo));
        let stored = match checksum {
            Checksum::Right => right,
            Checksum::PseudoHeaderOnly => fold(pseudo),
            Checksum::Zero => 0,
            Checksum::Wrong => right ^ 0x5a5a,
        };
        packet[36..38].copy_from_slice(&stored.to_be_bytes());
        packet
    }

    fn probe(frames: &[Vec<u8>]) -> Offloading {
        let mut probe = OffloadProbe::default();
        for frame in frames {
            probe.observe(DataLink::RAW, frame);
        }
        probe.verdict()
    }

    #[test]
    fn one_direction_with_partial_checksums_is_offloading() {
        for left in [Checksum::PseudoHeaderOnly, Checksum::Zero] {
            let seen = probe(&[
                tcp(1, b"query", &left),
                tcp(2, b"answer", &Checksum::Right),
                tcp(1, b"again", &Checksum::Wrong),
            ]);
            assert_eq!(seen.source, Some("10.0.0.1".parse().expect("address")));
            assert_eq!((seen.verified, seen.bad), (3, 2));
        }
    }

    #[test]
    fn good_packets_of_a_source_are_proof_against_it() {
        let seen = probe(&[
            tcp(1, b"a", &Checksum::Right),
            tcp(1, b"b", &Checksum::PseudoHeaderOnly),
            tcp(1, b"c", &Checksum::Wrong),
            tcp(1, b"d", &Checksum::Wrong),
            tcp(1, b"e", &Checksum::Wrong),
        ]);
        assert_eq!((seen.source, seen.bad), (None, 4));
    }

    #[test]
    fn few_bad_packets_without_a_telling_value_are_no_offloading() {
        let frames: Vec<_> = (0..2).map(|_| tcp(1, b"x", &Checksum::Wrong)).collect();
        assert_eq!(probe(&frames).source, None);
        let frames: Vec<_> = (0..3).map(|_| tcp(1, b"x", &Checksum::Wrong)).collect();
        assert!(probe(&frames).source.is_some());
    }

    #[test]
    fn right_checksums_are_right_whatever_the_payload() {
        for len in 0..64 {
            let payload: Vec<u8> = (0..len).map(|i: u8| i.wrapping_mul(37)).collect();
            let seen = probe(&[tcp(1, &payload, &Checksum::Right)]);
            assert_eq!((seen.verified, seen.bad), (1, 0), "{len}");
        }
    }

    #[test]
    fn cut_frames_fragments_and_other_protocols_say_nothing() {
        let whole = tcp(1, b"payload", &Checksum::Zero);
        for len in 0..whole.len() {
            assert_eq!(probe(&[whole[..len].to_vec()]).verified, 0, "{len}");
        }
        let mut fragment = whole.clone();
        fragment[6] = 0x20;
        let mut icmp = whole;
        icmp[9] = 1;
        assert_eq!(probe(&[fragment, icmp]).bad, 1, "the changed header itself is bad");
    }
}
