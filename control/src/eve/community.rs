//! Community ID, version 1: the same short name for a flow in every tool that computes it
//! (Corelight's community-id-spec).

use std::net::IpAddr;

use sha1::{Digest, Sha1};
use umbra_analyzers::events::FlowEnds;

use super::bytes::base64;

/// The seed that keeps sites apart; 0 by default everywhere.
const SEED: u16 = 0;

/// `1:` and the SHA-1, in Base64, of seed, addresses, protocol, a zero byte and ports, the lower end
/// first. ICMP has type and code, or the type of the answer, for ports; other protocols have none.
pub(super) fn community_id(ends: &FlowEnds) -> String {
    let (ports, one_way) = ports(ends);
    let mut from = (octets(ends.src), ports.map(|(src, _)| src));
    let mut to = (octets(ends.dst), ports.map(|(_, dst)| dst));
    if !one_way && to < from {
        std::mem::swap(&mut from, &mut to);
    }
    let mut hash = Sha1::new();
    hash.update(SEED.to_be_bytes());
    hash.update(&from.0);
    hash.update(&to.0);
    hash.update([ends.protocol, 0]);
    for port in [from.1, to.1].into_iter().flatten() {
        hash.update(port.to_be_bytes());
    }
    format!("1:{}", base64(&hash.finalize()))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

/// Ports or what stands for them, and whether the two ends must not be swapped.
fn ports(ends: &FlowEnds) -> (Option<(u16, u16)>, bool) {
    match (ends.protocol, ends.icmp) {
        (6 | 17 | 132, _) => (Some((ends.src_port, ends.dst_port)), false),
        (protocol @ (1 | 58), Some((kind, code))) => match answer(protocol, kind) {
            Some(answer) => (Some((kind.into(), answer.into())), false),
            None => (Some((kind.into(), code.into())), true),
        },
        _ => (None, false),
    }
}

/// The type of message that answers one, or that one answers.
fn answer(protocol: u8, kind: u8) -> Option<u8> {
    const ICMP: [(u8, u8); 5] = [(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)];
    const ICMPV6: [(u8, u8); 6] =
        [(128, 129), (133, 134), (135, 136), (130, 131), (144, 145), (139, 140)];
    let pairs: &[(u8, u8)] = if protocol == 1 { &ICMP } else { &ICMPV6 };
    pairs.iter().find_map(|&(one, other)| match kind {
        _ if kind == one => Some(other),
        _ if kind == other => Some(one),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(protocol: u8, src: &str, dst: &str, src_port: u16, dst_port: u16) -> String {
        let (src, dst) = (src.parse().expect("address"), dst.parse().expect("address"));
        let icmp = matches!(protocol, 1 | 58).then_some((src_port as u8, dst_port as u8));
        community_id(&FlowEnds { src, dst, src_port, dst_port, protocol, icmp })
    }

    /// Of the specification and its reference implementation, seed 0.
    #[test]
    fn vectors_of_the_specification() {
        let v6 = ["3ffe:501:0:1802:260:97ff:feb6:7ff0", "3ffe:507:0:1:200:86ff:fe05:80da"];
        for (protocol, [src, dst], ports, expected) in [
            (6, ["128.232.110.120", "66.35.250.204"], (34855, 80), "LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (6, ["66.35.250.204", "128.232.110.120"], (80, 34855), "LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (6, ["10.0.0.1", "10.0.0.2"], (10, 11569), "SXBGMX1lBOwhhoDrZynfROxnhnM="),
            (17, ["192.168.1.52", "8.8.8.8"], (54585, 53), "d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (132, ["192.168.170.8", "192.168.170.56"], (7, 80), "jQgCxbku+pNGw8WPbEc/TS/uTpQ="),
            (46, ["1.2.3.4", "5.6.7.8"], (0, 0), "ikv3kmf89luf73WPz1jOs49S768="),
            (1, ["192.168.0.89", "192.168.0.1"], (8, 0), "X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            (1, ["192.168.0.1", "192.168.0.89"], (0, 0), "X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            (1, ["192.168.0.89", "192.168.0.1"], (20, 0), "3o2RFccXzUgjl7zDpqmY7yJi8rI="),
            (1, ["192.168.0.89", "192.168.0.1"], (20, 1), "tz/fHIDUHs19NkixVVoOZywde+I="),
            (58, v6, (3, 0), "bnQKq8A2r//dWnkRW2EYcMhShjc="),
        ] {
            let expected = format!("1:{expected}");
            assert_eq!(id(protocol, src, dst, ports.0, ports.1), expected, "{protocol} {ports:?}");
        }
        let solicit = ["fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea"];
        let id = id(58, solicit[0], solicit[1], 135, 0);
        assert_eq!(id, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=");
    }
}
