//! From rules to cases: whose conversation, over which ports, after what, how often.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use umbra_analyzers::app::{AppProto, Heading};
use umbra_analyzers::ids::rule::ast::{
    AddressSet, BitOperation, FlagsModifier, IpOption, PacketCondition, PortSet, Protocol, Rule,
    StateOperation, ThresholdKind, Track,
};

use super::maker::{Maker, Skip, number_for, widened};
use super::miss::{Miss, Variant};
use super::rng::Rng;
use super::speak;
use super::talk::{Ends, Shape, Talk, Transport};

/// More flows than this are not made for one case.
const REPEATS_MAX: u32 = 120;
/// How many rules that set a bit are tried.
const SETTERS_MAX: usize = 6;
/// How deep rules that set bits may need others.
const DEPTH_MAX: u32 = 3;

/// The ends of a flow, in no order; ports are 0 where there are none.
pub(crate) type FlowKey = [(IpAddr, u16); 2];

/// The key of a flow between these.
pub(crate) fn key(a: (IpAddr, u16), b: (IpAddr, u16)) -> FlowKey {
    if a <= b { [a, b] } else { [b, a] }
}

/// Traffic for a rule.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) sid: u32,
    pub(crate) variant: Variant,
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) flows: Vec<FlowKey>,
}

/// Rules, and who sets which bit.
#[derive(Debug)]
pub(crate) struct Book<'r> {
    rules: &'r [Rule],
    setters: HashMap<&'r str, Vec<usize>>,
    seed: u64,
}

impl<'r> Book<'r> {
    pub(crate) fn new(rules: &'r [Rule], seed: u64) -> Self {
        let mut setters: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, rule) in rules.iter().enumerate() {
            for operation in &rule.state {
                if let StateOperation::FlowBits(bits) = operation
                    && matches!(bits.operation, BitOperation::Set | BitOperation::Toggle)
                {
                    bits.names
                        .iter()
                        .for_each(|name| setters.entry(name).or_default().push(number));
                }
                if let StateOperation::XBits(bits) = operation
                    && bits.operation == BitOperation::Set
                {
                    setters.entry(&bits.name).or_default().push(number);
                }
            }
        }
        Self { rules, setters, seed }
    }

    /// Traffic of this kind for a rule; `None` where there is no such miss of it. `slot` tells cases of a capture
    /// apart.
    pub(crate) fn case(
        &self,
        rule: &'r Rule,
        variant: Variant,
        slot: u32,
    ) -> Result<Option<Case>, Skip> {
        // The same chance for all variants of a rule: what differs is the miss.
        let rng = |of: u64| Rng::new(self.seed, u64::from(rule.sid) << 8 | of);
        let miss = Miss::of(rule, variant, rng(1 + variant as u64));
        if miss.is_none() && variant != Variant::Match {
            return Ok(None);
        }
        let (turned, other_port, without_bits, unopened) =
            miss.as_ref().map_or((false, false, false, false), |m| {
                (m.turned, m.other_port, m.without_bits, m.unopened)
            });
        let mut talk = self.talk(rule, rng(0), miss, DEPTH_MAX, without_bits)?;
        talk.unopened = unopened;
        let mut ends = ends(rule, &talk, slot, &mut rng(0), other_port)?;
        if turned {
            turn(rule, &mut talk, &mut ends);
        }
        let mut case = Case { sid: rule.sid, variant, frames: Vec::new(), flows: Vec::new() };
        for repeat in 0..talk.repeats {
            let has_ports = !matches!(talk.transport, Transport::Icmp { .. } | Transport::Ip(_));
            let mut ends = ends;
            let (client, server) = sides(rule);
            if client.1.is_any() {
                ends.client_port = ends.client_port.wrapping_add(repeat as u16);
            } else if server.1.is_any() {
                ends.server_port = ends.server_port.wrapping_add(repeat as u16);
            }
            let port = |port| if has_ports { port } else { 0 };
            let flow =
                key((ends.client, port(ends.client_port)), (ends.server, port(ends.server_port)));
            case.flows.push(flow);
            case.frames.extend(talk.frames(&ends));
        }
        Ok(Some(case))
    }

    fn talk(
        &self,
        rule: &'r Rule,
        rng: Rng,
        miss: Option<Miss>,
        depth: u32,
        without_bits: bool,
    ) -> Result<Talk, Skip> {
        let mut maker = Maker::new(rule, rng.clone(), miss);
        let mut talk = speak::talk(&mut maker)?;
        talk.shape = shape(rule);
        let before = if without_bits { Vec::new() } else { needed(rule)? };
        if !before.is_empty() {
            talk.steps.drain(..talk.greeting);
        }
        for names in before.iter().rev() {
            let first = self.setter(rule, names, &rng, depth, &talk)?;
            let mut steps = first.steps;
            steps.append(&mut talk.steps);
            talk.steps = steps;
        }
        repeated(rule, &mut talk)?;
        Ok(talk)
    }

    /// What a rule says that sets one of these bits, on the same kind of flow.
    fn setter(
        &self,
        rule: &Rule,
        names: &[&str],
        rng: &Rng,
        depth: u32,
        with: &Talk,
    ) -> Result<Talk, Skip> {
        let none = || Skip::Bit(names.first().copied().unwrap_or_default().to_owned());
        let depth = depth.checked_sub(1).ok_or_else(none)?;
        let all = names.iter().filter_map(|name| self.setters.get(name)).flatten();
        let mut found: Vec<&Rule> = all.filter_map(|&number| self.rules.get(number)).collect();
        found.retain(|other| other.sid != rule.sid);
        found.sort_by_key(|other| {
            let needs = needed(other).map_or(9, |bits| bits.len());
            (other.header.protocol != rule.header.protocol, needs, other.threshold.is_some())
        });
        for other in found.into_iter().take(SETTERS_MAX) {
            if !share_ports(rule, other) {
                continue;
            }
            if let Ok(talk) = self.talk(other, rng.clone(), None, depth, false)
                && talk.transport == with.transport
            {
                return Ok(talk);
            }
        }
        Err(none())
    }
}

/// Whether a flow's ports can suit both.
fn share_ports(a: &Rule, b: &Rule) -> bool {
    let (_, a) = sides(a);
    let (_, b) = sides(b);
    a.1.is_any()
        || b.1.is_any()
        || a.1.ranges.iter().any(|range| b.1.contains(range.0) || b.1.contains(range.1))
}

/// Addresses and ports of the client and of the server.
fn sides(rule: &Rule) -> ((&AddressSet, &PortSet), (&AddressSet, &PortSet)) {
    let header = &rule.header;
    let (src, dst) = ((&*header.src, &*header.src_ports), (&*header.dst, &*header.dst_ports));
    match rule.heading {
        Some(Heading::ToClient) => (dst, src),
        _ => (src, dst),
    }
}

/// The bits that must have been set before: of each inner list any.
fn needed(rule: &Rule) -> Result<Vec<Vec<&str>>, Skip> {
    let mut bits = Vec::new();
    for operation in &rule.state {
        match operation {
            StateOperation::FlowBits(b) if b.operation == BitOperation::IsSet => {
                bits.push(b.names.iter().map(|name| &**name).collect());
            }
            StateOperation::XBits(b) if b.operation == BitOperation::IsSet => {
                bits.push(vec![&*b.name]);
            }
            StateOperation::FlowInt(_) if operation.is_check() => {
                return Err(Skip::Condition("flowint"));
            }
            StateOperation::HostBits(b) if b.operation == BitOperation::IsSet => {
                return Err(Skip::Condition("hostbits"));
            }
            _ => {}
        }
    }
    Ok(bits)
}

/// As often as its threshold asks for.
fn repeated(rule: &Rule, talk: &mut Talk) -> Result<(), Skip> {
    let mut times = 1;
    let mut track = Track::BySource;
    if let Some(threshold) = rule.threshold
        && threshold.kind != ThresholdKind::Limit
    {
        (times, track) = (threshold.count, threshold.track);
    }
    if let Some(filter) = rule.detection_filter {
        (times, track) = (times.max(filter.count.saturating_add(1)), filter.track);
    }
    if times > REPEATS_MAX {
        return Err(Skip::Flows(times));
    }
    if track == Track::ByFlow {
        let steps = talk.steps.len() * times as usize;
        talk.steps = talk.steps.iter().cycle().take(steps).cloned().collect();
    } else {
        talk.repeats = times;
    }
    Ok(())
}

/// What the packet's headers must be.
fn shape(rule: &Rule) -> Shape {
    let mut shape = Shape::default();
    let byte = |n: u64| u8::try_from(n).ok();
    for condition in &rule.packet {
        match condition {
            PacketCondition::Ttl(c) => shape.ttl = byte(number_for(&widened(c))),
            PacketCondition::Tos(c) => shape.tos = byte(number_for(&widened(c))),
            PacketCondition::IpId(id) => shape.id = Some(*id),
            PacketCondition::Seq(n) => shape.seq = Some(*n),
            PacketCondition::Ack(n) => shape.ack = Some(*n),
            PacketCondition::Window(c) => {
                shape.window = u16::try_from(number_for(&widened(c))).ok();
            }
            PacketCondition::TcpMss(c) => {
                let mss = u16::try_from(number_for(&widened(c))).unwrap_or(0).to_be_bytes();
                shape.tcp_options.extend([2, 4, mss[0], mss[1]]);
            }
            PacketCondition::TcpWscale(c) => {
                shape.tcp_options.extend([3, 3, byte(number_for(&widened(c))).unwrap_or(0)]);
            }
            PacketCondition::IpOption(option) => shape.ip_options = ip_option(*option),
            PacketCondition::FragBits(bits) if bits.modifier != FlagsModifier::Not => {
                shape.dont_fragment = bits.dont_fragment;
                shape.more_fragments = bits.more_fragments;
            }
            PacketCondition::FragOffset(c) => {
                shape.fragment_offset = u16::try_from(number_for(&widened(c))).unwrap_or(0) & !7;
            }
            PacketCondition::PayloadSize(_) => shape.whole = true,
            _ => {}
        }
    }
    shape.whole |= rule.header.protocol == Protocol::TcpPacket;
    shape
}

fn ip_option(option: IpOption) -> Vec<u8> {
    match option {
        IpOption::RecordRoute | IpOption::Any => vec![7, 7, 4, 0, 0, 0, 0],
        IpOption::LooseSourceRoute => vec![131, 7, 4, 0, 0, 0, 0],
        IpOption::StrictSourceRoute => vec![137, 7, 4, 0, 0, 0, 0],
        IpOption::EndOfList => vec![0],
        IpOption::NoOperation => vec![1],
        IpOption::Timestamp => vec![68, 8, 5, 0, 0, 0, 0, 0],
        IpOption::Security => vec![130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        IpOption::ExtendedSecurity => vec![133, 3, 0],
        IpOption::StreamId => vec![136, 4, 0, 1],
        IpOption::CommercialSecurity => vec![134, 6, 0, 0, 0, 1],
        IpOption::RouterAlert => vec![148, 4, 0, 0],
    }
}

/// Addresses and ports that suit the rule's header.
fn ends(
    rule: &Rule,
    talk: &Talk,
    slot: u32,
    rng: &mut Rng,
    other_port: bool,
) -> Result<Ends, Skip> {
    let (client, server) = sides(rule);
    let is_v6 = client.0.v4.is_empty() || server.0.v4.is_empty();
    let (client_usual, server_usual) = usual_addresses(slot, is_v6);
    let mut ends = Ends {
        client: address(client.0, client_usual, rng)?,
        client_port: port(client.1, 20_000 + (slot % 20_000) as u16, rng),
        server: address(server.0, server_usual, rng)?,
        server_port: port(server.1, usual_port(rule, talk, rng), rng),
    };
    if rule.packet.contains(&PacketCondition::SameIp) {
        ends.server = ends.client;
    }
    if other_port {
        let not = (0..1000).map(|n| 7000 + 13 * n).find(|&p| !server.1.contains(p));
        ends.server_port = not.unwrap_or(ends.server_port);
    }
    Ok(ends)
}

fn usual_addresses(slot: u32, is_v6: bool) -> (IpAddr, IpAddr) {
    if is_v6 {
        let base = 0x2001_0db8_u128 << 96 | u128::from(slot);
        return (Ipv6Addr::from(base).into(), Ipv6Addr::from(base | 1 << 64).into());
    }
    let client = u32::from(Ipv4Addr::new(10, 0, 0, 0)) | slot & 0x00ff_ffff;
    let server = u32::from(Ipv4Addr::new(198, 18, 0, 0)) | slot & 0x1_ffff;
    (Ipv4Addr::from(client).into(), Ipv4Addr::from(server).into())
}

fn address(set: &AddressSet, usual: IpAddr, rng: &mut Rng) -> Result<IpAddr, Skip> {
    if set.contains(usual) {
        return Ok(usual);
    }
    if let Some(&(low, high)) = set.v4.get(rng.below(set.v4.len())) {
        let far = rng.below((high - low) as usize + 1) as u32;
        return Ok(Ipv4Addr::from(low + far).into());
    }
    let range = set.v6.first().ok_or(Skip::Condition("no address"))?;
    Ok(Ipv6Addr::from(range.1).into())
}

fn port(set: &PortSet, usual: u16, rng: &mut Rng) -> u16 {
    if set.contains(usual) {
        return usual;
    }
    let range = set.ranges.get(rng.below(set.ranges.len())).copied().unwrap_or((1, 1));
    // The ends of a range are where it is easily wrong by one.
    match rng.below(3) {
        0 => range.0.max(1),
        1 => range.1,
        _ => (range.0.max(1)).saturating_add(rng.below(usize::from(range.1 - range.0)) as u16),
    }
}

fn usual_port(rule: &Rule, talk: &Talk, rng: &mut Rng) -> u16 {
    let app = match rule.header.protocol {
        Protocol::App(app) => Some(app),
        _ => rule.app_protocol,
    };
    match app {
        Some(AppProto::Http | AppProto::Http1) => 80,
        Some(AppProto::Dns) => 53,
        Some(AppProto::Tls) => 443,
        Some(AppProto::Smtp) => 25,
        Some(AppProto::Ftp) => 21,
        Some(AppProto::Ssh) => 22,
        Some(AppProto::Smb) => 445,
        // Some port that no parser is bound to.
        _ if talk.transport == Transport::Udp => 31_000 + rng.below(900) as u16,
        _ => 32_000 + rng.below(900) as u16,
    }
}

/// Client and server change places: by their addresses where the rule names any, else by what they say.
fn turn(rule: &Rule, talk: &mut Talk, ends: &mut Ends) {
    let header = &rule.header;
    let is_any = header.src.is_any()
        && header.dst.is_any()
        && header.src_ports.is_any()
        && header.dst_ports.is_any();
    if is_any {
        talk.steps.iter_mut().for_each(|step| step.heading = step.heading.opposite());
    } else {
        std::mem::swap(&mut ends.client, &mut ends.server);
        std::mem::swap(&mut ends.client_port, &mut ends.server_port);
    }
}
