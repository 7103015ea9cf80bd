//! Frames and settings that the micro-benchmarks share.

use std::time::Duration;

use criterion::Criterion;
use umbra_wire::build::Frame;

/// Frames per burst, as the worker receives them.
pub(crate) const BURST: usize = 32;

/// Offset of the TCP and UDP destination ports, so that no flow is one of a tunnel's.
const FIRST_PORT: u16 = 10_000;

const MAC_A: [u8; 6] = [2, 0, 0, 0, 0, 1];
const MAC_B: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// Short times: all micro-benchmarks together are to end in about two minutes. What is measured repeats
/// every few microseconds, so a second of it is much. Options of the command line go before these.
pub(crate) fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
        // The bootstrap of Criterion's default, 100,000, takes as long as the measurement.
        .nresamples(10_000)
}

/// The source port of a flow; flows beyond 2^14 differ in their address.
fn port(flow: u32) -> u16 {
    FIRST_PORT + (flow & 0x3fff) as u16
}

fn v4(flow: u32) -> [u8; 4] {
    [10, (flow >> 16) as u8, (flow >> 8) as u8, flow as u8]
}

fn v6(flow: u32) -> [u8; 16] {
    let mut address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    address[12..].copy_from_slice(&flow.to_be_bytes());
    address
}

/// `frame` with so much payload that it has `len` bytes, without FCS.
fn filled(frame: Frame, len: usize) -> Vec<u8> {
    let headers = frame.bytes().len();
    frame.payload(&vec![0x61; len.saturating_sub(headers)]).bytes()
}

fn tcp_over(frame: Frame, flow: u32) -> Frame {
    frame.ipv4(v4(flow), [192, 0, 2, 1]).tcp(port(flow), 443)
}

/// TCP over IPv4 in `len` bytes.
pub(crate) fn tcp(flow: u32, len: usize) -> Vec<u8> {
    filled(tcp_over(Frame::ethernet(MAC_A, MAC_B), flow), len)
}

/// The same behind a VLAN tag.
pub(crate) fn vlan(flow: u32, len: usize) -> Vec<u8> {
    filled(tcp_over(Frame::ethernet(MAC_A, MAC_B).vlan(100), flow), len)
}

/// TCP over IPv6.
pub(crate) fn tcp6(flow: u32, len: usize) -> Vec<u8> {
    filled(Frame::ethernet(MAC_A, MAC_B).ipv6(v6(flow), v6(u32::MAX)).tcp(port(flow), 443), len)
}

/// TCP over IPv4 in VXLAN over IPv4.
pub(crate) fn vxlan(flow: u32, len: usize) -> Vec<u8> {
    let tunnel = Frame::ethernet(MAC_A, MAC_B)
        .ipv4([198, 51, 100, 1], [198, 51, 100, 2])
        .udp(port(flow), 4789)
        .vxlan(7);
    filled(tcp_over(tunnel.eth(MAC_B, MAC_A), flow), len)
}

/// An ICMP echo request.
pub(crate) fn ping(flow: u32, len: usize) -> Vec<u8> {
    filled(Frame::ethernet(MAC_A, MAC_B).ipv4(v4(flow), [192, 0, 2, 1]).icmp(8, 0, flow << 16), len)
}

/// Frames of `count` flows, all by the same builder.
pub(crate) fn frames(
    count: usize,
    len: usize,
    build: impl Fn(u32, usize) -> Vec<u8>,
) -> Vec<Vec<u8>> {
    (0..count as u32).map(|flow| build(flow, len)).collect()
}

/// A burst of what does not take the hash's vector way, among plain frames: of eight frames one has a VLAN
/// tag, one is ICMP, two are in a tunnel over UDP.
pub(crate) fn mix() -> Vec<Vec<u8>> {
    (0..BURST as u32)
        .map(|flow| match flow % 8 {
            1 => vlan(flow, 64),
            3 => ping(flow, 64),
            5 | 6 => vxlan(flow, 110),
            _ => tcp(flow, 64),
        })
        .collect()
}
