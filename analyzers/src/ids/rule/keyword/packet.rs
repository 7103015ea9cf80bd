//! What packets' headers must be.

use super::super::ast::{
    Checksum, ChecksumLayer, Compare, FlagsModifier, FlowState, FragBits, FragmentPart, IpOption,
    PacketCondition, StreamPart, StreamSide, StreamSize, TcpFlags,
};
use super::super::builder::Builder;
use super::super::number::{compare, compare_with, unsigned, within};
use super::super::problem::{Result, fail, unsupported};
use super::super::split::unquoted;
use super::{Keyword, known, nothing, value};
use crate::app::Heading;
use crate::decode::DecodeFault;
use crate::stream::StreamEvent;

pub(super) const KEYWORDS: &[Keyword] = &[
    value("flow", flow),
    value("ttl", |b, v| add(b, v, PacketCondition::Ttl)),
    value("tos", |b, v| add(b, v, PacketCondition::Tos)),
    value("id", |b, v| add_word(b, v, PacketCondition::IpId)),
    value("ipopts", ipopts),
    value("fragbits", fragbits),
    value("fragoffset", |b, v| add(b, v, PacketCondition::FragOffset)),
    value("ip_proto", ip_proto),
    nothing("sameip", |b, _| {
        b.packet(PacketCondition::SameIp);
        Ok(())
    }),
    value("flags", tcp_flags),
    value("tcp.flags", tcp_flags),
    value("seq", |b, v| sequence(b, v, PacketCondition::Seq)),
    value("tcp.seq", |b, v| sequence(b, v, PacketCondition::Seq)),
    value("ack", |b, v| sequence(b, v, PacketCondition::Ack)),
    value("tcp.ack", |b, v| sequence(b, v, PacketCondition::Ack)),
    value("window", window),
    value("tcp.window", window),
    value("tcp.mss", |b, v| add(b, v, PacketCondition::TcpMss)),
    value("tcp.wscale", |b, v| add(b, v, PacketCondition::TcpWscale)),
    value("itype", |b, v| add(b, v, PacketCondition::IcmpType)),
    value("icode", |b, v| add(b, v, PacketCondition::IcmpCode)),
    value("icmp_id", |b, v| add_word(b, v, PacketCondition::IcmpId)),
    value("icmp_seq", |b, v| add_word(b, v, PacketCondition::IcmpSeq)),
    value("icmpv6.mtu", |b, v| add(b, v, PacketCondition::Icmpv6Mtu)),
    value("dsize", dsize),
    value("stream_size", stream_size),
    value("decode-event", decode_event),
    value("engine-event", engine_event),
    value("stream-event", stream_event),
    value("ipv4-csum", |b, v| checksum(b, v, ChecksumLayer::Ipv4)),
    value("tcpv4-csum", |b, v| checksum(b, v, ChecksumLayer::TcpOverIpv4)),
    value("tcpv6-csum", |b, v| checksum(b, v, ChecksumLayer::TcpOverIpv6)),
    value("udpv4-csum", |b, v| checksum(b, v, ChecksumLayer::UdpOverIpv4)),
    value("udpv6-csum", |b, v| checksum(b, v, ChecksumLayer::UdpOverIpv6)),
    value("icmpv4-csum", |b, v| checksum(b, v, ChecksumLayer::Icmpv4)),
    value("icmpv6-csum", |b, v| checksum(b, v, ChecksumLayer::Icmpv6)),
    value("vlan.id", vlan_id),
    value("vlan.layers", |b, v| add(b, v, PacketCondition::VlanLayers)),
    value("flow.age", |b, v| add(b, v, PacketCondition::FlowAge)),
    value("flow.pkts", flow_pkts),
    value("flow.bytes", flow_bytes),
    value("flow.pkts_toserver", |b, v| pkts(b, v, Some(Heading::ToServer))),
    value("flow.pkts_toclient", |b, v| pkts(b, v, Some(Heading::ToClient))),
    value("flow.bytes_toserver", |b, v| bytes(b, v, Some(Heading::ToServer))),
    value("flow.bytes_toclient", |b, v| bytes(b, v, Some(Heading::ToClient))),
    value("rpc", rpc),
    nothing("ftpbounce", |b, _| {
        b.want(crate::app::AppProto::Ftp);
        b.packet(PacketCondition::FtpBounce);
        Ok(())
    }),
];

fn add<T: super::super::number::Number>(
    b: &mut Builder<'_>,
    value: &str,
    make: fn(Compare<T>) -> PacketCondition,
) -> Result<()> {
    let compare = compare(unquoted(value)?)?;
    b.packet(make(compare));
    Ok(())
}

/// Keywords that only know one number.
fn add_word(b: &mut Builder<'_>, value: &str, make: fn(u16) -> PacketCondition) -> Result<()> {
    let number = within("it", unquoted(value)?, 0u16, u16::MAX)?;
    b.packet(make(number));
    Ok(())
}

/// A number, perhaps negated; no ranges.
fn window(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let value = unquoted(value)?.trim();
    let read = |text: &str| within("it", text, 0u16, u16::MAX);
    let window = match value.strip_prefix('!') {
        Some(number) => Compare::NotEqual(read(number)?),
        None => Compare::Equal(read(value)?),
    };
    b.packet(PacketCondition::Window(window));
    Ok(())
}

fn sequence(b: &mut Builder<'_>, value: &str, make: fn(u32) -> PacketCondition) -> Result<()> {
    let number = within("it", unquoted(value)?, 0u32, u32::MAX)?;
    b.packet(make(number));
    Ok(())
}

/// Sets what may be said once.
fn set<T: PartialEq>(place: &mut Option<T>, value: T, word: &str) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => fail!("{word} repeats or contradicts what stands before it"),
    }
}

fn flow(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.once("flow")?;
    let flow = &mut b.rule.flow;
    for word in unquoted(value)?.split(',').map(str::trim) {
        match word.to_ascii_lowercase().as_str() {
            "to_server" | "from_client" => set(&mut flow.heading, Heading::ToServer, word)?,
            "to_client" | "from_server" => set(&mut flow.heading, Heading::ToClient, word)?,
            "established" => set(&mut flow.state, FlowState::Established, word)?,
            "not_established" => set(&mut flow.state, FlowState::NotEstablished, word)?,
            "stateless" => set(&mut flow.state, FlowState::Stateless, word)?,
            "only_stream" => set(&mut flow.stream, StreamPart::Only, word)?,
            "no_stream" => set(&mut flow.stream, StreamPart::Never, word)?,
            "only_frag" => set(&mut flow.fragments, FragmentPart::Only, word)?,
            "no_frag" => set(&mut flow.fragments, FragmentPart::Never, word)?,
            other => fail!(
                "{other:?} must be to_server, to_client, from_server, from_client, established, \
                 not_established, stateless, only_stream, no_stream, only_frag or no_frag"
            ),
        }
    }
    Ok(())
}

fn ipopts(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let option = match unquoted(value)? {
        "rr" => IpOption::RecordRoute,
        "lsrr" => IpOption::LooseSourceRoute,
        "eol" => IpOption::EndOfList,
        "nop" => IpOption::NoOperation,
        "ts" => IpOption::Timestamp,
        "sec" => IpOption::Security,
        "esec" => IpOption::ExtendedSecurity,
        "ssrr" => IpOption::StrictSourceRoute,
        "satid" => IpOption::StreamId,
        "cipso" => IpOption::CommercialSecurity,
        "rtralt" => IpOption::RouterAlert,
        "any" => IpOption::Any,
        other => fail!(
            "{other:?} must be one of rr lsrr eol nop ts sec esec ssrr satid cipso rtralt any"
        ),
    };
    b.packet(PacketCondition::IpOption(option));
    Ok(())
}

/// A modifier before or behind letters.
fn modifier(text: &str) -> (FlagsModifier, &str) {
    let of = |sign| match sign {
        '+' => Some(FlagsModifier::All),
        '*' => Some(FlagsModifier::Any),
        '!' => Some(FlagsModifier::Not),
        '=' => Some(FlagsModifier::Exact),
        _ => None,
    };
    if let Some(found) = text.chars().next().and_then(of) {
        return (found, text.get(1..).unwrap_or("").trim());
    }
    if let Some(found) = text.chars().next_back().and_then(of) {
        return (found, text.get(..text.len() - 1).unwrap_or("").trim());
    }
    (FlagsModifier::Exact, text)
}

fn fragbits(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let text = unquoted(value)?;
    // A sign behind the letters counts for nothing, other than with `flags`.
    let (modifier, letters) = match text.starts_with(['+', '*', '!']) {
        true => modifier(text),
        false => (FlagsModifier::Exact, text.trim_end_matches(['+', '*', '!'])),
    };
    let mut bits =
        FragBits { modifier, more_fragments: false, dont_fragment: false, reserved: false };
    if letters.is_empty() {
        fail!("one of the letters M, D and R is missing");
    }
    for letter in letters.chars() {
        match letter.to_ascii_uppercase() {
            'M' => bits.more_fragments = true,
            'D' => bits.dont_fragment = true,
            'R' => bits.reserved = true,
            other => fail!("{other:?} must be M, D or R"),
        }
    }
    b.packet(PacketCondition::FragBits(bits));
    Ok(())
}

fn flag_bits(letters: &str) -> Result<u8> {
    let mut bits = 0;
    if letters.is_empty() {
        fail!("flags are missing");
    }
    for letter in letters.chars() {
        bits |= match letter.to_ascii_uppercase() {
            'F' => 0x01,
            'S' => 0x02,
            'R' => 0x04,
            'P' => 0x08,
            'A' => 0x10,
            'U' => 0x20,
            'E' | '2' => 0x40,
            'C' | '1' => 0x80,
            '0' => 0,
            ' ' | ',' => continue,
            other => fail!("{other:?} must be one of F S R P A U E C 1 2 0"),
        };
    }
    Ok(bits)
}

fn tcp_flags(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let value = unquoted(value)?;
    let (flags, ignored) = match value.split_once(',') {
        Some((flags, ignored)) => (flags.trim(), flag_bits(ignored.trim())?),
        None => (value, 0),
    };
    let (modifier, letters) = modifier(flags);
    let flags = flag_bits(letters)?;
    b.packet(PacketCondition::TcpFlags(TcpFlags { modifier, flags, ignored }));
    Ok(())
}

fn ip_proto(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let number = |text: &str| {
        let text = text.trim();
        let named = match text.to_ascii_lowercase().as_str() {
            "icmp" => 1,
            "igmp" => 2,
            "ipip" | "ipencap" => 4,
            "tcp" => 6,
            "udp" => 17,
            "ipv6" => 41,
            "gre" => 47,
            "esp" => 50,
            "ah" => 51,
            "ipv6-icmp" | "icmpv6" => 58,
            "eigrp" => 88,
            "ospf" => 89,
            "pim" => 103,
            "vrrp" => 112,
            "l2tp" => 115,
            "sctp" => 132,
            _ => return within("the protocol", text, 0u8, u8::MAX),
        };
        Ok(named)
    };
    let compare = compare_with(unquoted(value)?, number)?;
    b.packet(PacketCondition::IpProto(compare));
    Ok(())
}

fn dsize(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.once("dsize")?;
    add(b, value, PacketCondition::PayloadSize)
}

fn stream_size(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let (Some(side), Some(sign), Some(number), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        fail!("must be side,operator,number");
    };
    let side = match side {
        "client" => StreamSide::Client,
        "server" => StreamSide::Server,
        "both" => StreamSide::Both,
        "either" => StreamSide::Either,
        other => fail!("{other:?} must be client, server, both or either"),
    };
    let number = within("the number", number, 0u32, u32::MAX)?;
    let size = match sign {
        "<" => Compare::Less(number),
        "<=" => Compare::LessOrEqual(number),
        ">" => Compare::Greater(number),
        ">=" => Compare::GreaterOrEqual(number),
        "=" => Compare::Equal(number),
        "!=" => Compare::NotEqual(number),
        other => fail!("the operator {other:?} must be one of < <= > >= = !="),
    };
    b.packet(PacketCondition::StreamSize(StreamSize { side, size }));
    Ok(())
}

fn decode_event(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.rule.decode_event = true;
    event_of_packet(b, unquoted(value)?.trim())
}

/// With `decoder.` or `stream.` in front.
fn engine_event(b: &mut Builder<'_>, value: &str) -> Result<()> {
    match unquoted(value)?.trim().split_once('.') {
        Some(("decoder", name)) => event_of_packet(b, name),
        Some(("stream", name)) => event_of_stream(b, name),
        _ => fail!("it must begin with decoder. or stream."),
    }
}

fn stream_event(b: &mut Builder<'_>, value: &str) -> Result<()> {
    event_of_stream(b, unquoted(value)?.trim())
}

fn event_of_packet(b: &mut Builder<'_>, name: &str) -> Result<()> {
    if DecodeFault::from_event(name).is_none() {
        let layer = name.split_once('.').map_or("", |(layer, _)| layer);
        if known::decode_layer_is_known(layer) {
            unsupported!("there is no event {name:?} here");
        }
        fail!("there is no event {name:?}");
    }
    b.packet(PacketCondition::Event(name.into()));
    Ok(())
}

fn event_of_stream(b: &mut Builder<'_>, name: &str) -> Result<()> {
    match StreamEvent::from_name(name).filter(|_| !name.starts_with("stream.")) {
        Some(event) => b.packet(PacketCondition::Event(event.as_str().into())),
        None => fail!("there is no event {name:?}"),
    }
    Ok(())
}

fn checksum(b: &mut Builder<'_>, value: &str, layer: ChecksumLayer) -> Result<()> {
    let valid = match unquoted(value)?.to_ascii_lowercase().as_str() {
        "valid" => true,
        "invalid" => false,
        other => fail!("{other:?} must be valid or invalid"),
    };
    b.packet(PacketCondition::Checksum(Checksum { layer, valid }));
    Ok(())
}

fn vlan_id(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let (id, layer) = match unquoted(value)?.split_once(',') {
        Some((_, layer)) if matches!(layer.trim(), "any" | "all") => {
            if layer.trim() == "all" {
                unsupported!("all layers");
            }
            (value, None)
        }
        Some((_, layer)) => (value, Some(within("the layer", layer, -3i8, 2)?)),
        None => (value, None),
    };
    let id = unquoted(id)?.split(',').next().unwrap_or("");
    let id: Compare<u16> = compare(id)?;
    if let Compare::Equal(n) = id
        && n > 4095
    {
        fail!("the id is {n}, must be from 0 to 4095");
    }
    b.packet(PacketCondition::VlanId { id, layer });
    Ok(())
}

/// `toserver,>5`, `either,3`: Suricata 8's form with the side in front.
fn side(value: &str) -> Result<(Option<Heading>, &str)> {
    let Some((side, rest)) = unquoted(value)?.split_once(',') else {
        fail!("must be side,number");
    };
    Ok(match side.trim() {
        "toserver" => (Some(Heading::ToServer), rest),
        "toclient" => (Some(Heading::ToClient), rest),
        "either" => (None, rest),
        "both" => unsupported!("both"),
        other => fail!("{other:?} must be toserver, toclient, either or both"),
    })
}

fn flow_pkts(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let (heading, rest) = side(value)?;
    pkts(b, rest, heading)
}

fn flow_bytes(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let (heading, rest) = side(value)?;
    bytes(b, rest, heading)
}

fn pkts(b: &mut Builder<'_>, value: &str, heading: Option<Heading>) -> Result<()> {
    let count = compare(unquoted(value)?)?;
    b.packet(PacketCondition::FlowPackets { heading, count });
    Ok(())
}

fn bytes(b: &mut Builder<'_>, value: &str, heading: Option<Heading>) -> Result<()> {
    let count = compare(unquoted(value)?)?;
    b.packet(PacketCondition::FlowBytes { heading, count });
    Ok(())
}

fn rpc(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let number = |text: Option<&str>| match text.map(str::trim) {
        None | Some("*" | "") => Ok(None),
        Some(text) => match unsigned(text).and_then(|n| u32::try_from(n).ok()) {
            Some(n) => Ok(Some(n)),
            None => fail!("{text:?} must be a number or *"),
        },
    };
    let mut parts = unquoted(value)?.split(',');
    let (program, version, procedure) =
        (number(parts.next())?, number(parts.next())?, number(parts.next())?);
    let Some(program) = program else { fail!("the program is missing") };
    if parts.next().is_some() {
        fail!("must be program,version,procedure");
    }
    b.packet(PacketCondition::Rpc { program, version, procedure });
    Ok(())
}
