//! Datagrams cut up, changed on the way, and put together again.

mod caps;
mod overlaps;
mod whole;

use umbra_wire::build::{Frame, Ipv4, fragment_ipv4, fragment_ipv6};

use super::*;
use crate::decode::{Decoder, LinkType};

const SRC: [u8; 4] = [10, 0, 0, 1];
const DST: [u8; 4] = [192, 0, 2, 9];
const V: [u8; 16] = [0x20; 16];
const W: [u8; 16] = [0x21; 16];
const SECOND: u64 = 1_000_000_000;

fn defragmenter() -> Defragmenter {
    Defragmenter::new(DefragOptions::default())
}

/// Gives raw IP packets one after another.
fn push(defragmenter: &mut Defragmenter, packet: &[u8], now_ns: u64) -> DefragOutcome {
    pushed(defragmenter, packet, now_ns).outcome
}

fn pushed(defragmenter: &mut Defragmenter, packet: &[u8], now_ns: u64) -> Pushed {
    let len = packet.len() as u32;
    defragmenter.push(&Decoder::default().decode(packet, len, LinkType::RawIp), now_ns)
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}

fn udp4(len: usize) -> Vec<u8> {
    let ip = Ipv4 { id: 77, ..Ipv4::new(SRC, DST) };
    Frame::new().layer(ip).udp(53, 4000).payload(&bytes(len)).bytes()
}

fn udp6(len: usize) -> Vec<u8> {
    Frame::new().ipv6(V, W).udp(53, 4000).payload(&bytes(len)).bytes()
}

/// An IPv4 fragment of one letter, with protocol 253 so that nothing looks into it.
fn piece(id: u16, at: std::ops::Range<u16>, more: bool, letter: u8) -> Vec<u8> {
    let ip = Ipv4 {
        id,
        protocol: Some(253),
        more_fragments: more,
        fragment_offset: at.start,
        ..Ipv4::new(SRC, DST)
    };
    Frame::new().layer(ip).payload(&vec![letter; at.len()]).bytes()
}

/// The same of IPv6.
fn piece6(id: u32, at: std::ops::Range<u16>, more: bool, letter: u8) -> Vec<u8> {
    let [i0, i1, i2, i3] = id.to_be_bytes();
    let [o0, o1] = (at.start | u16::from(more)).to_be_bytes();
    let mut packet = Frame::new()
        .ipv6(V, W)
        .extension(protocol::FRAGMENT, &[o0, o1, i0, i1, i2, i3])
        .payload(&vec![letter; at.len()])
        .bytes();
    packet[40] = 253;
    packet
}

fn dropped(reason: DropReason) -> DefragOutcome {
    DefragOutcome::Dropped(reason)
}

fn complete(outcome: DefragOutcome) -> Reassembled {
    match outcome {
        DefragOutcome::Complete(whole) => whole,
        other => panic!("not complete: {other:?}"),
    }
}
