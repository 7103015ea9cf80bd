//! Whether a packet is what a rule's header and conditions ask for.

use std::net::IpAddr;

use super::super::rule::ast::{
    Checksum, ChecksumLayer, Direction, FlagsModifier, FlowState, FragBits, FragmentPart, IpOption,
    PacketCondition, Protocol, Rule, StreamPart, StreamSide, StreamSize, TcpFlags,
};
use super::compiled::CompiledRule;
use crate::app::detect::Verdict;
use crate::app::{AppProto, Heading};
use crate::decode::{ChecksumState, Decoded, Ipv4OptionSet, TcpInfo, Transport};
use crate::profile::PacketView;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP4: u8 = 1;
const ICMP6: u8 = 58;
const SCTP: u8 = 132;

/// What of a packet's header rules ask for again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) protocol: u8,
}

impl Ends {
    /// Of a packet, or of what is left of a flow as if a packet carried it.
    pub(crate) fn of(view: &PacketView<'_>) -> Option<Self> {
        if let Some(packet) = view.packet {
            let ip = packet.decoded.ip?;
            let (src_port, dst_port) = packet.decoded.ports().unwrap_or((0, 0));
            return Some(Self {
                src: ip.src,
                dst: ip.dst,
                src_port,
                dst_port,
                protocol: ip.protocol,
            });
        }
        let flow = view.flow?;
        let ends = Self {
            src: flow.client(),
            dst: flow.server(),
            src_port: flow.client_port(),
            dst_port: flow.server_port(),
            protocol: flow.protocol(),
        };
        let reversed = view.conversation().is_some_and(|c| c.is_reversed());
        Some(if (view.heading == Heading::ToServer) == reversed { ends.swapped() } else { ends })
    }

    pub(crate) const fn swapped(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            src_port: self.dst_port,
            dst_port: self.src_port,
            ..self
        }
    }
}

/// Whether addresses, ports, protocol and `flow` are right.
pub(crate) fn header_holds(
    rule: &CompiledRule,
    view: &PacketView<'_>,
    ends: Option<&Ends>,
) -> bool {
    let of_rule = &rule.rule;
    let Some(ends) = ends else {
        return of_rule.header.protocol == Protocol::PacketHeader && any_ends(of_rule);
    };
    protocol_holds(of_rule.header.protocol, ends)
        && flow_holds(of_rule, view)
        && ends_hold(of_rule, view, ends)
}

fn any_ends(rule: &Rule) -> bool {
    rule.header.src.is_any() && rule.header.dst.is_any()
}

fn protocol_holds(wanted: Protocol, ends: &Ends) -> bool {
    match wanted {
        Protocol::Ip | Protocol::PacketHeader => true,
        Protocol::Ipv4 => ends.src.is_ipv4(),
        Protocol::Ipv6 => ends.src.is_ipv6(),
        Protocol::Tcp | Protocol::TcpPacket | Protocol::TcpStream => ends.protocol == TCP,
        Protocol::Udp => ends.protocol == UDP,
        Protocol::Icmp => matches!(ends.protocol, ICMP4 | ICMP6),
        Protocol::Icmpv4 => ends.protocol == ICMP4,
        Protocol::Icmpv6 => ends.protocol == ICMP6,
        Protocol::Sctp => ends.protocol == SCTP,
        Protocol::App(_) => matches!(ends.protocol, TCP | UDP),
    }
}

fn ends_hold(rule: &Rule, view: &PacketView<'_>, ends: &Ends) -> bool {
    let header = &rule.header;
    let one_way = |ends: &Ends| {
        header.src_ports.contains(ends.src_port)
            && header.dst_ports.contains(ends.dst_port)
            && header.src.contains(ends.src)
            && header.dst.contains(ends.dst)
    };
    match header.direction {
        Direction::OneWay => one_way(ends),
        Direction::Both => one_way(ends) || one_way(&ends.swapped()),
        Direction::Transaction if view.heading == Heading::ToServer => one_way(ends),
        Direction::Transaction => one_way(&ends.swapped()),
    }
}

fn flow_holds(rule: &Rule, view: &PacketView<'_>) -> bool {
    if let Some(heading) = rule.heading
        && (view.flow.is_none() || heading != view.heading)
    {
        return false;
    }
    let state = match rule.flow.state {
        None | Some(FlowState::Stateless) => true,
        Some(FlowState::Established) => view.stream.established,
        Some(FlowState::NotEstablished) => !view.stream.established,
    };
    let whole = view.packet.is_none_or(|p| p.counted_len == p.meta.frame_len);
    state
        && match rule.flow.fragments {
            None => true,
            Some(FragmentPart::Only) => !whole,
            Some(FragmentPart::Never) => whole,
        }
}

/// Whether the packet's own payload may be looked at for this rule.
pub(crate) fn wants_packets(rule: &Rule) -> bool {
    rule.flow.stream != Some(StreamPart::Only)
}

/// Whether a condition on the packet or its flow holds. `captures` gives what an expression saved.
pub(crate) fn holds(
    condition: &PacketCondition,
    view: &PacketView<'_>,
    captured: &dyn Fn(bool, &str) -> Option<Vec<u8>>,
) -> bool {
    use PacketCondition as C;
    match condition {
        C::AppProtocol { protocol, failed, negated, mode } => {
            app_protocol(view, *protocol, *failed, *negated, mode)
        }
        C::FlowAge(age) => view.flow.is_some_and(|flow| {
            let seconds = view.timestamp.as_secs().saturating_sub(flow.start().as_secs());
            age.holds(u32::try_from(seconds).unwrap_or(u32::MAX))
        }),
        C::FlowPackets { heading, count } => view.flow.is_some_and(|flow| {
            let (to_server, to_client) = (flow.to_server().packets, flow.to_client().packets);
            any_side(*heading, to_server, to_client, |n| {
                count.holds(u32::try_from(n).unwrap_or(u32::MAX))
            })
        }),
        C::FlowBytes { heading, count } => view.flow.is_some_and(|flow| {
            let (to_server, to_client) = (flow.to_server().bytes, flow.to_client().bytes);
            any_side(*heading, to_server, to_client, |n| count.holds(n))
        }),
        C::StreamSize(size) => stream_size(view, size),
        C::Variable { of_flow, name, value } => {
            captured(*of_flow, name).is_some_and(|captured| captured == **value)
        }
        C::Event(name) => has_event(view, name),
        _ => view.packet.is_some_and(|packet| of_packet(condition, &packet.decoded, view)),
    }
}

/// `flow.pkts` and the like: with `either`, one of the headings will do.
fn any_side(
    heading: Option<Heading>,
    to_server: u64,
    to_client: u64,
    holds: impl Fn(u64) -> bool,
) -> bool {
    match heading {
        Some(Heading::ToServer) => holds(to_server),
        Some(Heading::ToClient) => holds(to_client),
        None => holds(to_server) || holds(to_client),
    }
}

fn has_event(view: &PacketView<'_>, name: &str) -> bool {
    view.packet
        .is_some_and(|packet| packet.decoded.faults.iter().any(|fault| fault.event() == name))
        || view.stream.events.iter().any(|event| event == name)
        || view.layer_events().any(|event| event == name)
}

/// What is not known yet is nothing, and not something else either.
fn app_protocol(
    view: &PacketView<'_>,
    protocol: Option<AppProto>,
    failed: bool,
    negated: bool,
    mode: &str,
) -> bool {
    let Some(conversation) = view.conversation() else {
        return protocol.is_none() && !failed && !negated;
    };
    let wanted = match (protocol, failed) {
        (Some(protocol), _) => Verdict::Found(protocol),
        (None, true) => Verdict::Failed,
        (None, false) => Verdict::Unknown,
    };
    let equal = |known: Verdict| match (wanted, known) {
        (Verdict::Found(wanted), Verdict::Found(known)) => wanted.covers(known),
        (wanted, known) => wanted == known,
    };
    let is = |known: Verdict| match negated {
        false => equal(known),
        true => known != Verdict::Unknown && !equal(known),
    };
    // A heading that nothing is recognised in is not known before the other one has failed as well.
    let of = |side| match (conversation.side(side), conversation.verdict()) {
        (Verdict::Failed, Verdict::Unknown) => Verdict::Unknown,
        (known, _) => known,
    };
    match mode {
        "to_server" | "toserver" => is(of(Heading::ToServer)),
        "to_client" | "toclient" => is(of(Heading::ToClient)),
        "either" if negated => {
            let sides = Heading::ALL.map(of);
            sides != [Verdict::Unknown; 2] && !sides.into_iter().any(equal)
        }
        "either" => Heading::ALL.map(of).into_iter().any(equal),
        "original" => {
            let original = conversation.original();
            let same = protocol.zip(original).is_some_and(|(wanted, known)| wanted.covers(known));
            original.is_some() && same != negated
        }
        "final" => is(conversation.verdict()),
        _ => is(of(view.heading)),
    }
}

fn stream_size(view: &PacketView<'_>, wanted: &StreamSize) -> bool {
    let Some(session) = view.context.and_then(|context| context.session.as_ref()) else {
        return false;
    };
    let of = |heading| {
        let bytes = session.half(heading).stream_bytes();
        wanted.size.holds(u32::try_from(bytes).unwrap_or(u32::MAX))
    };
    let (client, server) = (of(Heading::ToServer), of(Heading::ToClient));
    match wanted.side {
        StreamSide::Client => client,
        StreamSide::Server => server,
        StreamSide::Both => client && server,
        StreamSide::Either => client || server,
    }
}

fn of_packet(condition: &PacketCondition, decoded: &Decoded<'_>, view: &PacketView<'_>) -> bool {
    use PacketCondition as C;
    let ip = decoded.ip.as_ref();
    let tcp = match &decoded.transport {
        Transport::Tcp(tcp) => Some(tcp),
        _ => None,
    };
    let icmp = match &decoded.transport {
        Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => Some(icmp),
        _ => None,
    };
    match condition {
        C::Ttl(ttl) => ip.is_some_and(|ip| ttl.holds(ip.ttl)),
        C::Tos(tos) => ip.is_some_and(|ip| ip.version == 4 && tos.holds(ip.tos)),
        C::IpId(id) => ip.is_some_and(|ip| ip.version == 4 && ip.id == u32::from(*id)),
        C::IpOption(option) => ip.is_some_and(|ip| has_option(ip.options, *option)),
        C::FragBits(bits) => ip.is_some_and(|ip| {
            ip.version == 4
                && fragment_bits(
                    bits,
                    ip.fragment.is_some_and(|f| f.more),
                    ip.dont_fragment,
                    ip.reserved_bit,
                )
        }),
        C::FragOffset(offset) => {
            ip.is_some_and(|ip| offset.holds(ip.fragment.map_or(0, |f| f.offset / 8)))
        }
        C::IpProto(protocol) => ip.is_some_and(|ip| protocol.holds(ip.protocol)),
        C::SameIp => ip.is_some_and(|ip| ip.src == ip.dst),
        C::TcpFlags(flags) => tcp.is_some_and(|tcp| tcp_flags(flags, tcp)),
        C::Seq(seq) => tcp.is_some_and(|tcp| tcp.seq == *seq),
        C::Ack(ack) => tcp.is_some_and(|tcp| tcp.ack == *ack),
        C::Window(window) => tcp.is_some_and(|tcp| window.holds(tcp.window)),
        C::TcpMss(mss) => tcp.and_then(|tcp| tcp.mss).is_some_and(|n| mss.holds(n)),
        C::TcpWscale(scale) => tcp.and_then(|tcp| tcp.window_scale).is_some_and(|n| scale.holds(n)),
        C::IcmpType(kind) => icmp.is_some_and(|icmp| kind.holds(icmp.kind)),
        C::IcmpCode(code) => icmp.is_some_and(|icmp| code.holds(icmp.code)),
        C::IcmpId(id) => icmp.is_some_and(|icmp| has_id(icmp.kind) && icmp.id == *id),
        C::IcmpSeq(seq) => icmp.is_some_and(|icmp| has_id(icmp.kind) && icmp.seq == *seq),
        C::Icmpv6Mtu(mtu) => match &decoded.transport {
            Transport::Icmp6(icmp) => icmp.kind == 2 && mtu.holds(icmp.word),
            _ => false,
        },
        C::PayloadSize(size) => {
            ip.is_some()
                && !decoded.is_fragment()
                && size.holds(u16::try_from(decoded.payload.len()).unwrap_or(u16::MAX))
        }
        C::Checksum(wanted) => checksum(wanted, decoded),
        C::VlanId { id, layer } => vlan(decoded.vlans.ids(), *layer, |known| id.holds(known)),
        C::VlanLayers(layers) => layers.holds(decoded.vlans.ids().len() as u8),
        C::Rpc { program, version, procedure } => rpc(decoded, *program, *version, *procedure),
        C::FtpBounce => ftp_bounce(decoded, view),
        _ => false,
    }
}

/// Echo, time stamp, information and address mask, of ICMPv4; echo of ICMPv6.
const fn has_id(kind: u8) -> bool {
    matches!(kind, 0 | 8 | 13..=18 | 128 | 129)
}

fn has_option(options: Ipv4OptionSet, wanted: IpOption) -> bool {
    use Ipv4OptionSet as O;
    let mask = match wanted {
        IpOption::RecordRoute => O::RECORD_ROUTE,
        IpOption::LooseSourceRoute => O::LOOSE_SOURCE_ROUTE,
        IpOption::EndOfList => O::END_OF_LIST,
        IpOption::NoOperation => O::NO_OPERATION,
        IpOption::Timestamp => O::TIMESTAMP,
        IpOption::Security => O::SECURITY,
        IpOption::ExtendedSecurity => O::EXTENDED_SECURITY,
        IpOption::StrictSourceRoute => O::STRICT_SOURCE_ROUTE,
        IpOption::StreamId => O::STREAM_ID,
        IpOption::CommercialSecurity => O::COMMERCIAL_SECURITY,
        IpOption::RouterAlert => O::ROUTER_ALERT,
        // All of them at once: as measured, though the documentation says that any will do.
        IpOption::Any => return false,
    };
    options.has(mask)
}

fn fragment_bits(wanted: &FragBits, more: bool, dont: bool, reserved: bool) -> bool {
    let pairs =
        [(wanted.more_fragments, more), (wanted.dont_fragment, dont), (wanted.reserved, reserved)];
    match wanted.modifier {
        FlagsModifier::Exact => pairs.iter().all(|(wanted, set)| wanted == set),
        // All of these and, other than with `flags`, more.
        FlagsModifier::All => {
            pairs.iter().all(|(wanted, set)| !wanted || *set)
                && pairs.iter().any(|(wanted, set)| !wanted && *set)
        }
        FlagsModifier::Any => pairs.iter().any(|(wanted, set)| *wanted && *set),
        FlagsModifier::Not => !pairs.iter().any(|(wanted, set)| *wanted && *set),
    }
}

fn tcp_flags(wanted: &TcpFlags, tcp: &TcpInfo<'_>) -> bool {
    let set = (tcp.flags & 0xff) as u8 & !wanted.ignored;
    match wanted.modifier {
        FlagsModifier::Exact => set == wanted.flags,
        FlagsModifier::All => set & wanted.flags == wanted.flags,
        FlagsModifier::Any => set & wanted.flags != 0,
        FlagsModifier::Not => set & wanted.flags != wanted.flags,
    }
}

/// What was not looked at counts as right, as with Suricata's `-k none`.
fn checksum(wanted: &Checksum, decoded: &Decoded<'_>) -> bool {
    let version = decoded.ip.map_or(0, |ip| ip.version);
    let state = match (wanted.layer, version, &decoded.transport) {
        (ChecksumLayer::Ipv4, 4, _) => decoded.checksums.ip,
        (ChecksumLayer::TcpOverIpv4, 4, Transport::Tcp(_))
        | (ChecksumLayer::TcpOverIpv6, 6, Transport::Tcp(_))
        | (ChecksumLayer::UdpOverIpv4, 4, Transport::Udp(_))
        | (ChecksumLayer::UdpOverIpv6, 6, Transport::Udp(_))
        | (ChecksumLayer::Icmpv4, _, Transport::Icmp4(_))
        | (ChecksumLayer::Icmpv6, _, Transport::Icmp6(_)) => decoded.checksums.l4,
        _ => return false,
    };
    (state != ChecksumState::Bad) == wanted.valid
}

/// Layer 0 is the outermost, -1 the innermost; without one any will do.
fn vlan(ids: &[u16], layer: Option<i8>, holds: impl Fn(u16) -> bool) -> bool {
    match layer {
        None => ids.iter().any(|&id| holds(id)),
        Some(layer) => {
            let at = if layer < 0 {
                ids.len().checked_sub(usize::from(layer.unsigned_abs()))
            } else {
                Some(usize::from(layer.unsigned_abs()))
            };
            at.and_then(|at| ids.get(at)).is_some_and(|&id| holds(id))
        }
    }
}

/// A Sun RPC call (RFC 5531) in the packet; over TCP behind its record mark.
fn rpc(decoded: &Decoded<'_>, program: u32, version: Option<u32>, procedure: Option<u32>) -> bool {
    let message = match &decoded.transport {
        Transport::Tcp(_) => decoded.payload.get(4..),
        Transport::Udp(_) => Some(decoded.payload),
        _ => None,
    };
    let word = |at: usize| -> Option<u32> {
        let bytes = message?.get(at..at.checked_add(4)?)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let (Some(0), Some(known)) = (word(4), word(12)) else { return false };
    known == program
        && version.is_none_or(|wanted| word(16) == Some(wanted))
        && procedure.is_none_or(|wanted| word(20) == Some(wanted))
}

/// A PORT command that names another host than the client.
fn ftp_bounce(decoded: &Decoded<'_>, view: &PacketView<'_>) -> bool {
    let Some(flow) = view.flow else { return false };
    let IpAddr::V4(client) = flow.client() else { return false };
    let text = decoded.payload;
    let Some((command, rest)) = text.split_at_checked(5) else { return false };
    if view.heading != Heading::ToServer || !command.eq_ignore_ascii_case(b"PORT ") {
        return false;
    }
    let mut numbers = rest
        .split(|byte| !byte.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| std::str::from_utf8(part).ok()?.parse::<u8>().ok());
    let mut named = [0u8; 4];
    for octet in &mut named {
        let Some(Some(number)) = numbers.next() else { return false };
        *octet = number;
    }
    named != client.octets()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragment_bits_as_documented() {
        let bits = |modifier| FragBits {
            modifier,
            more_fragments: true,
            dont_fragment: false,
            reserved: false,
        };
        assert!(fragment_bits(&bits(FlagsModifier::Exact), true, false, false));
        assert!(!fragment_bits(&bits(FlagsModifier::Exact), true, true, false));
        assert!(fragment_bits(&bits(FlagsModifier::All), true, true, false));
        assert!(!fragment_bits(&bits(FlagsModifier::All), true, false, false));
        assert!(!fragment_bits(&bits(FlagsModifier::Any), false, true, false));
        assert!(fragment_bits(&bits(FlagsModifier::Not), false, true, false));
    }

    #[test]
    fn vlan_layers_count_from_both_ends() {
        let ids = [100, 200];
        assert!(vlan(&ids, None, |id| id == 200));
        assert!(vlan(&ids, Some(0), |id| id == 100));
        assert!(vlan(&ids, Some(-1), |id| id == 200));
        assert!(!vlan(&ids, Some(2), |_| true));
        assert!(!vlan(&[], Some(-1), |_| true));
    }
}
