//! Packets and streams that are of no protocol that we know.

use umbra_analyzers::app::Heading;
use umbra_analyzers::ids::rule::ast::{
    AppCondition, Compare, FlagsModifier, FlowState, PacketCondition, Protocol, Source,
};

use super::{step, tcp};
use crate::rules::maker::{Maker, Skip, Style, number_for, widened};
use crate::rules::talk::{Step, Talk, Transport};

pub(super) fn talk(maker: &mut Maker<'_>) -> Result<Talk, Skip> {
    if maker.rule.inspections.iter().any(|i| matches!(i.source, Source::Packet(_))) {
        return Err(Skip::OneWay("a packet's header"));
    }
    if maker.rule.app.iter().any(|c| !matches!(c, AppCondition::Event(_))) {
        return Err(Skip::Condition("a condition on a protocol that is not named"));
    }
    let heading = maker.heading();
    let bytes = maker.bytes(Source::Payload, Style::letters())?;
    let has_size = maker.rule.packet.iter().any(|c| matches!(c, PacketCondition::PayloadSize(_)));
    let bytes = match bytes {
        Some(bytes) => bytes,
        None if has_size => sized(maker),
        None => b"qwertz\r\n".to_vec(),
    };
    match maker.rule.header.protocol {
        Protocol::Tcp | Protocol::TcpPacket | Protocol::TcpStream => Ok(over_tcp(maker, bytes)),
        Protocol::Icmp | Protocol::Icmpv4 | Protocol::Icmpv6 => Ok(icmp(maker, heading, bytes)),
        Protocol::Sctp => Err(Skip::Protocol("sctp")),
        _ => Ok(datagrams(maker, heading, bytes)),
    }
}

/// A payload of which only the length matters.
fn sized(maker: &Maker<'_>) -> Vec<u8> {
    let sizes = maker.rule.packet.iter().filter_map(|condition| match condition {
        PacketCondition::PayloadSize(compare) => Some(widened(compare)),
        _ => None,
    });
    let sizes: Vec<Compare<u64>> = sizes.collect();
    let len = (0..1500u64).find(|&n| sizes.iter().all(|s| s.holds(n)));
    let len = len.or_else(|| sizes.first().map(number_for)).unwrap_or(1);
    vec![b'a'; usize::try_from(len).unwrap_or(0).min(40_000)]
}

fn over_tcp(maker: &Maker<'_>, bytes: Vec<u8>) -> Talk {
    let rule = maker.rule;
    let heading = maker.heading();
    let flags = rule.packet.iter().find_map(|condition| match condition {
        PacketCondition::TcpFlags(flags) if flags.modifier != FlagsModifier::Not => Some(*flags),
        _ => None,
    });
    let is_open = rule.flow.state == Some(FlowState::Established);
    match flags {
        Some(flags) if !is_open => {
            // A segment by itself, without bytes where none are looked for.
            let wants = maker.wants(Source::Payload)
                || rule.packet.iter().any(|c| matches!(c, PacketCondition::PayloadSize(_)));
            let bytes = if wants { bytes } else { Vec::new() };
            let transport = Transport::BareTcp { flags: u16::from(flags.flags) };
            Talk::new(transport, vec![step(heading, bytes)])
        }
        _ => tcp(vec![step(heading, bytes)]),
    }
}

fn datagrams(maker: &mut Maker<'_>, heading: Heading, bytes: Vec<u8>) -> Talk {
    let protocol = maker.rule.packet.iter().find_map(|condition| match condition {
        PacketCondition::IpProto(compare) => Some(number_for(&widened(compare))),
        _ => None,
    });
    if let Some(protocol) = protocol.and_then(|n| u8::try_from(n).ok()) {
        return match protocol {
            6 => tcp(vec![step(heading, bytes)]),
            17 => Talk::new(Transport::Udp, vec![step(heading, bytes)]),
            protocol => Talk::new(Transport::Ip(protocol), vec![step(heading, bytes)]),
        };
    }
    let mut steps: Vec<Step> = Vec::new();
    if heading == Heading::ToClient {
        // Whoever speaks first is the client.
        steps.push(step(Heading::ToServer, b"first".to_vec()));
    } else if maker.rule.flow.state == Some(FlowState::Established) {
        steps.push(step(Heading::ToServer, b"first".to_vec()));
        steps.push(step(Heading::ToClient, b"second".to_vec()));
    }
    steps.push(step(heading, bytes));
    Talk::new(Transport::Udp, steps)
}

fn icmp(maker: &Maker<'_>, heading: Heading, bytes: Vec<u8>) -> Talk {
    let (mut kind, mut code, mut id, mut seq) = (8, 0, 77, 1);
    let small = |n: u64| u8::try_from(n).unwrap_or(u8::MAX);
    for condition in &maker.rule.packet {
        match condition {
            PacketCondition::IcmpType(compare) => kind = small(number_for(&widened(compare))),
            PacketCondition::IcmpCode(compare) => code = small(number_for(&widened(compare))),
            PacketCondition::IcmpId(n) => id = *n,
            PacketCondition::IcmpSeq(n) => seq = *n,
            _ => {}
        }
    }
    let word = u32::from(id) << 16 | u32::from(seq);
    let mut steps = Vec::new();
    if heading == Heading::ToClient {
        steps.push(step(Heading::ToServer, b"first".to_vec()));
    }
    steps.push(step(heading, bytes));
    Talk::new(Transport::Icmp { kind, code, word }, steps)
}
