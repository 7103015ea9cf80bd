//! Frames made by hand, and what decoding them must give.

mod checksums;
mod faults;
mod headers;
mod links;
mod tunnels;

use umbra_wire::build::Frame;

use super::*;

const SRC: [u8; 4] = [10, 0, 0, 1];
const DST: [u8; 4] = [192, 0, 2, 9];
const V: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const W: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];

fn eth() -> Frame {
    Frame::ethernet(A, B)
}

fn ip4() -> Frame {
    eth().ipv4(SRC, DST)
}

fn ip6() -> Frame {
    eth().ipv6(V, W)
}

fn decode(frame: &[u8]) -> Decoded<'_> {
    decode_as(LinkType::Ethernet, frame)
}

fn decode_as(link: LinkType, frame: &[u8]) -> Decoded<'_> {
    Decoder::default().decode(frame, frame.len() as u32, link)
}

fn events(decoded: &Decoded<'_>) -> Vec<&'static str> {
    decoded.faults.iter().map(DecodeFault::event).collect()
}

/// An Ethernet header of a given type and what follows.
fn raw(kind: u16, body: &[u8]) -> Vec<u8> {
    let link = umbra_wire::build::Ethernet { dst: A, src: B, ethertype: Some(kind) };
    [Frame::new().layer(link).bytes().as_slice(), body].concat()
}
