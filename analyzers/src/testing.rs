//! Frames and records for tests.

use std::net::Ipv4Addr;

use umbra_tap::{Checksum, Direction, Record, RecordMeta, Verdict};

/// A frame with what the tap says of it.
#[derive(Clone, Debug)]
pub(crate) struct TestRecord {
    pub meta: RecordMeta,
    pub data: Vec<u8>,
}

impl TestRecord {
    pub(crate) fn new(timestamp_ns: u64, data: Vec<u8>) -> Self {
        let meta = RecordMeta {
            timestamp_ns,
            frame_len: data.len() as u32,
            flow_hash: 0,
            fraction_ppb: 1_000_000_000,
            wire: 0,
            direction: Direction::AtoB,
            ip_checksum: Checksum::Unknown,
            l4_checksum: Checksum::Unknown,
            escalated: false,
            epoch: 0,
        };
        Self { meta, data }
    }

    pub(crate) fn record(&self, sequence: u64) -> Record<'_> {
        Record { meta: self.meta, verdict: Verdict::Forwarded, data: &self.data, sequence }
    }
}

/// Numbered records of frames.
pub(crate) fn records(frames: &[TestRecord]) -> impl Iterator<Item = Record<'_>> {
    (0..).zip(frames).map(|(sequence, frame)| frame.record(sequence))
}

fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// One end of a test's conversation.
pub(crate) type End = ([u8; 4], u16);

fn ethernet(ethertype: u16, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(content);
    frame
}

/// An IPv4 datagram; `fragment`: identification, offset in bytes, more follow.
pub(crate) fn ipv4(
    src: [u8; 4],
    dst: [u8; 4],
    protocol: u8,
    fragment: (u16, u16, bool),
    content: &[u8],
) -> Vec<u8> {
    let (id, offset, more) = fragment;
    let mut header = vec![0x45, 0];
    header.extend((20 + content.len() as u16).to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(src);
    header.extend(dst);
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(content);
    header
}

fn with_transport_checksum(
    src: End,
    dst: End,
    protocol: u8,
    mut segment: Vec<u8>,
    at: usize,
) -> Vec<u8> {
    let len = (segment.len() as u16).to_be_bytes();
    let sum = checksum(&[&src.0, &dst.0, &[0, protocol], &len, &segment]);
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// A UDP header with payload.
pub(crate) fn udp_segment(src: End, dst: End, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(src.1.to_be_bytes());
    segment.extend(dst.1.to_be_bytes());
    segment.extend((8 + payload.len() as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(payload);
    with_transport_checksum(src, dst, 17, segment, 6)
}

pub(crate) fn udp(src: End, dst: End, payload: &[u8]) -> Vec<u8> {
    let segment = udp_segment(src, dst, payload);
    ethernet(0x0800, &ipv4(src.0, dst.0, 17, (1, 0, false), &segment))
}

pub(crate) fn tcp(src: End, dst: End, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(src.1.to_be_bytes());
    segment.extend(dst.1.to_be_bytes());
    segment.extend(seq.to_be_bytes());
    segment.extend(ack.to_be_bytes());
    segment.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    let segment = with_transport_checksum(src, dst, 6, segment, 16);
    ethernet(0x0800, &ipv4(src.0, dst.0, 6, (1, 0, false), &segment))
}

pub(crate) fn arp() -> Vec<u8> {
    let mut content = vec![0, 1, 8, 0, 6, 4, 0, 1];
    content.extend([2, 0, 0, 0, 0, 2, 10, 0, 0, 1]);
    content.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    ethernet(0x0806, &content)
}

/// The frames of a UDP datagram in fragments of `piece` bytes, a multiple of 8.
pub(crate) fn udp_in_fragments(src: End, dst: End, payload: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let segment = udp_segment(src, dst, payload);
    let pieces = segment.len().div_ceil(piece);
    (0..pieces)
        .map(|i| {
            let part = &segment[i * piece..segment.len().min((i + 1) * piece)];
            let at = (7, (i * piece) as u16, i + 1 < pieces);
            ethernet(0x0800, &ipv4(src.0, dst.0, 17, at, part))
        })
        .collect()
}

/// A mixed conversation load: `flows` flows of varying length, both directions, over `span_ns` from
/// `start_ns`, in the order of time. Each frame carries its flow's hash.
pub(crate) fn traffic(flows: u32, start_ns: u64, span_ns: u64) -> Vec<TestRecord> {
    let mut frames = Vec::new();
    for flow in 0..flows {
        let mut z = u64::from(flow).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let hash = z ^ (z >> 31);
        let client =
            (Ipv4Addr::from_bits(0x0a00_0000 + (flow % 97)).octets(), 10_000 + flow as u16);
        let server = ([192, 0, 2, (flow % 7) as u8], [80, 443, 53][(flow % 3) as usize]);
        let packets = 1 + hash % 13;
        let begin = start_ns + hash % (span_ns / 2);
        for i in 0..packets {
            let (src, dst) = if i % 2 == 0 { (client, server) } else { (server, client) };
            let payload = vec![0x61; (hash >> 8) as usize % 200 + i as usize];
            let data = match (flow % 3, i) {
                (2, _) => udp(src, dst, &payload),
                (_, 0) => tcp(src, dst, 0x02, 100, 0, &[]),
                (_, 1) => tcp(src, dst, 0x12, 900, 101, &[]),
                (_, 2) => tcp(src, dst, 0x10, 101, 901, &[]),
                _ => tcp(src, dst, 0x18, 101, 901, &payload),
            };
            let at = begin + i * (span_ns / 2 / 16);
            let mut frame = TestRecord::new(at, data);
            frame.meta.flow_hash = hash;
            frames.push(frame);
        }
    }
    frames.sort_by_key(|frame| frame.meta.timestamp_ns);
    frames
}
