//! What a packet asks for: the operation in the words of its protocol, by the payload's shape.
//!
//! Only the few octets are read that name an operation: a frame is looked at alone, and what continues an earlier
//! segment has no operation or a meaningless one, which every value of its context shares. Sources: Modbus
//! messaging on TCP/IP 1.0b; RFC 1006 and the S7 header; IEEE 1815 (DNP3); IEC 60870-5-104; CIP vol. 2 (ENIP);
//! ASHRAE 135 annex J; OPC 10000-6; RFC 1035, 2131, 8446, 9112; MS-CIFS, MS-SMB2.

use crate::decode::{Decoded, Transport};

/// An operation: a protocol's number here, its code there, and what it is applied to (0 where unknown).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) protocol: Protocol,
    pub(super) code: u32,
    pub(super) operand: u64,
}

/// Protocols whose operations are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Protocol {
    #[default]
    None,
    Arp,
    Icmp,
    Igmp,
    Modbus,
    S7,
    Dnp3,
    Iec104,
    Enip,
    Bacnet,
    OpcUa,
    Dns,
    Dhcp,
    Tls,
    Http,
    Ssh,
    Smb,
}

impl Protocol {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "unknown",
            Self::Arp => "arp",
            Self::Icmp => "icmp",
            Self::Igmp => "igmp",
            Self::Modbus => "modbus",
            Self::S7 => "s7",
            Self::Dnp3 => "dnp3",
            Self::Iec104 => "iec104",
            Self::Enip => "enip",
            Self::Bacnet => "bacnet",
            Self::OpcUa => "opcua",
            Self::Dns => "dns",
            Self::Dhcp => "dhcp",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Smb => "smb",
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn byte(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at).map(|byte| u32::from(*byte))
}

/// The operation of a packet.
pub(super) fn operation(decoded: &Decoded<'_>) -> Operation {
    let found = |protocol, code| Operation { protocol, code, operand: 0 };
    if let Some(arp) = &decoded.arp {
        let gratuitous = u32::from(arp.sender_ip == arp.target_ip);
        let probe = u32::from(arp.sender_ip == [0; 4]);
        return found(Protocol::Arp, u32::from(arp.operation) << 2 | gratuitous << 1 | probe);
    }
    let payload = decoded.payload;
    match &decoded.transport {
        Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => {
            found(Protocol::Icmp, u32::from(icmp.kind) << 8 | u32::from(icmp.code))
        }
        Transport::Igmp(igmp) => Operation {
            protocol: Protocol::Igmp,
            code: u32::from(igmp.kind),
            operand: u64::from(u32::from_be_bytes(igmp.group)),
        },
        Transport::Tcp(tcp) => of_stream(payload, tcp.src_port, tcp.dst_port).unwrap_or_default(),
        Transport::Udp(udp) => of_datagram(payload, udp.src_port, udp.dst_port).unwrap_or_default(),
        _ => Operation::default(),
    }
}

fn of_stream(p: &[u8], source: u16, destination: u16) -> Option<Operation> {
    let on = |port| source == port || destination == port;
    let found = |protocol, code| Some(Operation { protocol, code, operand: 0 });
    match p {
        [0x03, 0x00, _, _, _, 0xf0, _, 0x32, ..] => {
            // Jobs and user data have their function behind a header of 10 octets, acknowledgements of 12.
            let kind = byte(p, 8)?;
            let at = if matches!(kind, 2 | 3) { 19 } else { 17 };
            found(Protocol::S7, kind << 8 | byte(p, at).unwrap_or(0))
        }
        [0x05, 0x64, ..] => found(Protocol::Dnp3, byte(p, 12).unwrap_or(256)),
        [0x68, _, control, ..] if on(2404) => {
            // Of I-frames the type of the ASDU, of others the control field.
            let code = if control & 1 == 0 { byte(p, 6)? } else { 256 | u32::from(*control) };
            found(Protocol::Iec104, code)
        }
        [kind @ 0x14..=0x18, 0x03, 0x00..=0x04, _, _, inner, ..] => {
            let inner = if *kind == 0x16 { u32::from(*inner) } else { 0 };
            found(Protocol::Tls, u32::from(*kind) << 8 | inner)
        }
        [_, _, _, _, 0xff, b'S', b'M', b'B', command, ..] => {
            found(Protocol::Smb, 0x100 | u32::from(*command))
        }
        [_, _, _, _, 0xfe, b'S', b'M', b'B', ..] => found(Protocol::Smb, 0x200 | byte(p, 16)?),
        [b'S', b'S', b'H', b'-', ..] => found(Protocol::Ssh, 1),
        [b'H', b'T', b'T', b'P', b'/', ..] => found(Protocol::Http, 1),
        _ if on(502) || is_modbus(p) => modbus(p),
        _ if on(44818) => {
            let command = u32::from(u16_at(p, 0)?.swap_bytes());
            // SendRRData and SendUnitData carry a CIP service where the one item before it is empty or an address.
            let service = match command {
                0x6f => byte(p, 40),
                0x70 => byte(p, 46),
                _ => None,
            };
            found(Protocol::Enip, command << 8 | service.unwrap_or(0))
        }
        _ if on(53) => dns(p.get(2..)?),
        _ => http_request(p).or_else(|| opc_ua(p)),
    }
}

/// The protocol identifier is 0 and the length is that of the segment: no other protocol of note begins so.
fn is_modbus(p: &[u8]) -> bool {
    u16_at(p, 2) == Some(0)
        && p.len() >= 8
        && u16_at(p, 4).is_some_and(|length| usize::from(length) + 6 == p.len())
}

fn modbus(p: &[u8]) -> Option<Operation> {
    if u16_at(p, 2)? != 0 {
        return None;
    }
    let function = byte(p, 7)?;
    // Unit, and of requests the first address and how many.
    let unit = u64::from(*p.get(6)?);
    let place = match p.get(8..12) {
        Some(&[a, b, c, d]) if p.len() == 12 || matches!(function, 15 | 16) => {
            u64::from(u32::from_be_bytes([a, b, c, d]))
        }
        _ => 0,
    };
    // What a single write puts there is a value, not a place.
    let place = if matches!(function, 5 | 6) { place >> 16 } else { place };
    Some(Operation { protocol: Protocol::Modbus, code: function, operand: unit << 32 | place })
}

fn http_request(p: &[u8]) -> Option<Operation> {
    const METHODS: [&[u8]; 9] = [
        b"GET ",
        b"POST ",
        b"HEAD ",
        b"PUT ",
        b"DELETE ",
        b"OPTIONS ",
        b"CONNECT ",
        b"TRACE ",
        b"PATCH ",
    ];
    let code = (2u32..).zip(METHODS).find(|(_, method)| p.starts_with(method))?.0;
    Some(Operation { protocol: Protocol::Http, code, operand: 0 })
}

fn opc_ua(p: &[u8]) -> Option<Operation> {
    let kind = p.get(..4)?;
    let known = [b"HELF", b"ACKF", b"ERRF", b"OPNF", b"CLOF", b"MSGF", b"MSGC"];
    let code = (1u32..).zip(known).find(|(_, word)| word.as_slice() == kind)?.0;
    Some(Operation { protocol: Protocol::OpcUa, code, operand: 0 })
}

fn of_datagram(p: &[u8], source: u16, destination: u16) -> Option<Operation> {
    let on = |port| source == port || destination == port;
    let found = |protocol, code| Some(Operation { protocol, code, operand: 0 });
    if on(53) || on(5353) {
        return dns(p);
    }
    if on(67) || on(68) {
        return found(Protocol::Dhcp, dhcp(p)?);
    }
    match p {
        [0x05, 0x64, ..] => found(Protocol::Dnp3, byte(p, 12).unwrap_or(256)),
        [0x81, function, ..] if on(47808) => {
            // Behind the BVLC header an NPDU without addresses, then the APDU's type and service.
            let service = if p.get(5) == Some(&0) { byte(p, 6)? << 8 | byte(p, 7)? } else { 0 };
            found(Protocol::Bacnet, u32::from(*function) << 16 | service)
        }
        _ if on(44818) => found(Protocol::Enip, u32::from(u16_at(p, 0)?.swap_bytes()) << 8),
        _ => None,
    }
}

/// Response, opcode, result and the type of the first question.
fn dns(p: &[u8]) -> Option<Operation> {
    let flags = u16_at(p, 2)?;
    let kind = question(p).map_or(0, |(kind, _)| kind);
    let code = u32::from(flags & 0xf80f) << 16 | u32::from(kind);
    Some(Operation { protocol: Protocol::Dns, code, operand: 0 })
}

/// Type of a DNS message's first question, and where its name ends.
pub(super) fn question(p: &[u8]) -> Option<(u16, usize)> {
    let mut at = 12;
    for _ in 0..128 {
        match *p.get(at)? {
            0 => return Some((u16_at(p, at + 1)?, at)),
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
    None
}

/// The message type, option 53.
fn dhcp(p: &[u8]) -> Option<u32> {
    let mut at = 240;
    for _ in 0..64 {
        match *p.get(at)? {
            0 => at += 1,
            255 => return None,
            53 => return byte(p, at + 2),
            _ => at += 2 + usize::from(*p.get(at + 1)?),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn industrial_operations_are_named_by_their_function() {
        let read = [0, 1, 0, 0, 0, 6, 9, 3, 0, 100, 0, 2];
        let found = of_stream(&read, 1040, 502).unwrap();
        assert_eq!(
            (found.protocol, found.code, found.operand),
            (Protocol::Modbus, 3, 9 << 32 | 100 << 16 | 2)
        );
        // On another port, by its shape.
        assert_eq!(of_stream(&read, 1040, 5020), Some(found));
        let write = [0, 2, 0, 0, 0, 6, 9, 5, 0, 7, 0xff, 0];
        assert_eq!(of_stream(&write, 1040, 502).unwrap().operand, 9 << 32 | 7);
        let s7 = [3, 0, 0, 31, 2, 0xf0, 0x80, 0x32, 1, 0, 0, 4, 0, 0, 14, 0, 0, 4, 1];
        assert_eq!(of_stream(&s7, 1040, 102).unwrap().code, 0x104);
        let dnp3 = [5, 0x64, 20, 0xc4, 1, 0, 3, 0, 0, 0, 0xc0, 0xc1, 5];
        assert_eq!(of_stream(&dnp3, 1040, 20000).unwrap().code, 5);
    }

    #[test]
    fn questions_are_read_and_loops_are_not_followed() {
        let mut query = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend(b"\x03www\x02ab\x00\x00\x10\x00\x01");
        assert_eq!(question(&query), Some((16, 19)));
        query[12] = 0xc0;
        assert_eq!(question(&query), None);
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_panic(payload in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..8) {
            let port = [502, 102, 20000, 2404, 44818, 53, 67, 47808][at];
            let _ = of_stream(&payload, 40000, port);
            let _ = of_datagram(&payload, 40000, port);
        }
    }
}
