//! Packets, byte by byte, with right checksums.

use crate::testing::End;

/// Who asks in these tests, in what rules call the home network; and who is asked, outside of it.
pub(in crate::ids::tests) const CLIENT: End = ([10, 0, 0, 1], 40_000);
pub(in crate::ids::tests) const SERVER: [u8; 4] = [192, 0, 2, 1];

pub(in crate::ids::tests) const FIN: u8 = 0x01;
pub(in crate::ids::tests) const SYN: u8 = 0x02;
pub(in crate::ids::tests) const RST: u8 = 0x04;
pub(in crate::ids::tests) const PSH: u8 = 0x08;
pub(in crate::ids::tests) const ACK: u8 = 0x10;

pub(in crate::ids::tests) const TCP: u8 = 6;
pub(in crate::ids::tests) const UDP: u8 = 17;
pub(in crate::ids::tests) const ICMP4: u8 = 1;
pub(in crate::ids::tests) const ICMP6: u8 = 58;

/// The Internet's checksum (RFC 1071).
pub(in crate::ids::tests) fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(*high) << 8 | u32::from(*low),
        rest => u32::from(rest[0]) << 8,
    });
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

pub(in crate::ids::tests) fn ethernet(ethertype: u16, content: &[u8]) -> Vec<u8> {
    let ends = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    [&ends[..], &ethertype.to_be_bytes(), content].concat()
}

/// Puts tags between the addresses and what follows, the outermost first.
pub(in crate::ids::tests) fn tagged(ids: &[u16], frame: &[u8]) -> Vec<u8> {
    let (ends, rest) = frame.split_at(12);
    let tags = ids.iter().flat_map(|id| [&[0x81, 0], &id.to_be_bytes()[..]].concat());
    ends.iter().copied().chain(tags).chain(rest.iter().copied()).collect()
}

/// What an IPv4 header says; the rest follows from what it carries.
#[derive(Clone, Debug)]
pub(in crate::ids::tests) struct Ip4 {
    pub(in crate::ids::tests) src: [u8; 4],
    pub(in crate::ids::tests) dst: [u8; 4],
    pub(in crate::ids::tests) tos: u8,
    pub(in crate::ids::tests) id: u16,
    /// Flags and offset, as on the wire.
    pub(in crate::ids::tests) fragment: u16,
    pub(in crate::ids::tests) ttl: u8,
    /// A multiple of four bytes.
    pub(in crate::ids::tests) options: Vec<u8>,
}

impl Default for Ip4 {
    fn default() -> Self {
        let (src, dst) = (CLIENT.0, SERVER);
        Self { src, dst, tos: 0, id: 1, fragment: 0, ttl: 64, options: Vec::new() }
    }
}

impl Ip4 {
    /// A frame with such a datagram.
    pub(in crate::ids::tests) fn frame(&self, protocol: u8, content: &[u8]) -> Vec<u8> {
        let words = 5 + self.options.len() / 4;
        let len = (words * 4 + content.len()) as u16;
        let mut header = vec![0x40 | words as u8, self.tos];
        for word in [len, self.id, self.fragment] {
            header.extend(word.to_be_bytes());
        }
        header.extend([self.ttl, protocol, 0, 0]);
        header.extend([self.src, self.dst].concat());
        header.extend(&self.options);
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        ethernet(0x0800, &[header, content.to_vec()].concat())
    }

    pub(in crate::ids::tests) fn tcp(&self, ports: (u16, u16), segment: &Segment<'_>) -> Vec<u8> {
        let bytes = segment.bytes(ports);
        self.frame(TCP, &sealed(&self.src, &self.dst, TCP, bytes, 16))
    }

    pub(in crate::ids::tests) fn udp(&self, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        self.frame(UDP, &sealed(&self.src, &self.dst, UDP, udp_bytes(ports, payload), 6))
    }

    /// `rest`: what stands behind the checksum.
    pub(in crate::ids::tests) fn icmp(&self, kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
        let mut message = [&[kind, code, 0, 0], rest].concat();
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        self.frame(ICMP4, &message)
    }
}

pub(in crate::ids::tests) const CLIENT6: [u8; 16] =
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub(in crate::ids::tests) const SERVER6: [u8; 16] =
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// A frame with an IPv6 datagram.
pub(in crate::ids::tests) fn ip6(protocol: u8, hops: u8, content: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x60, 0, 0, 0];
    datagram.extend((content.len() as u16).to_be_bytes());
    datagram.extend([protocol, hops]);
    datagram.extend([CLIENT6, SERVER6].concat());
    datagram.extend(content);
    ethernet(0x86dd, &datagram)
}

pub(in crate::ids::tests) fn udp6(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    ip6(UDP, 64, &sealed(&CLIENT6, &SERVER6, UDP, udp_bytes(ports, payload), 6))
}

pub(in crate::ids::tests) fn tcp6(ports: (u16, u16), segment: &Segment<'_>) -> Vec<u8> {
    ip6(TCP, 64, &sealed(&CLIENT6, &SERVER6, TCP, segment.bytes(ports), 16))
}

pub(in crate::ids::tests) fn icmp6(kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    let message = [&[kind, code, 0, 0], rest].concat();
    ip6(ICMP6, 64, &sealed(&CLIENT6, &SERVER6, ICMP6, message, 2))
}

/// What a TCP header says.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::ids::tests) struct Segment<'a> {
    pub(in crate::ids::tests) flags: u8,
    pub(in crate::ids::tests) seq: u32,
    pub(in crate::ids::tests) ack: u32,
    /// 0 for 8192.
    pub(in crate::ids::tests) window: u16,
    /// A multiple of four bytes.
    pub(in crate::ids::tests) options: &'a [u8],
    pub(in crate::ids::tests) payload: &'a [u8],
}

impl Segment<'_> {
    fn bytes(&self, (src, dst): (u16, u16)) -> Vec<u8> {
        let window = if self.window == 0 { 8192 } else { self.window };
        let words = (5 + self.options.len() / 4) as u8;
        let mut segment = [src.to_be_bytes(), dst.to_be_bytes()].concat();
        segment.extend([self.seq.to_be_bytes(), self.ack.to_be_bytes()].concat());
        segment.extend([words << 4, self.flags]);
        segment.extend([window.to_be_bytes(), [0; 2], [0; 2]].concat());
        segment.extend(self.options);
        segment.extend(self.payload);
        segment
    }
}

fn udp_bytes((src, dst): (u16, u16), payload: &[u8]) -> Vec<u8> {
    let len = 8 + payload.len() as u16;
    let header = [src, dst, len, 0].map(u16::to_be_bytes).concat();
    [header, payload.to_vec()].concat()
}

/// With the checksum over the pseudo header at `at`.
fn sealed(src: &[u8], dst: &[u8], protocol: u8, mut content: Vec<u8>, at: usize) -> Vec<u8> {
    let len = (content.len() as u32).to_be_bytes();
    let pseudo = [src, dst, &len, &[0, 0, 0, protocol], &content].concat();
    content[at..at + 2].copy_from_slice(&checksum(&pseudo).to_be_bytes());
    content
}

/// The frame with these bytes at that place. Checksums stay as they are.
pub(in crate::ids::tests) fn patched(mut frame: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}
