//! Who and what a frame is about, as keys: for the statistics, and as observations of what goes with what.

use std::fmt;
use std::net::IpAddr;

use umbra_wire::tcp::flag;

use super::hash::Key;
use super::operation::{Operation, operation};
use crate::decode::{Decoded, Transport};
use crate::flow::FlowTable;
use crate::profile::Packet;

/// What goes with what: within a context, one of its values is observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Relation {
    /// Which devices there are, by MAC address.
    Device,
    /// Which protocol a device speaks.
    DeviceProtocol,
    /// Which address a device has.
    Binding,
    /// Which hosts send.
    Host,
    /// Who talks to whom.
    Pair,
    /// Which services there are.
    Service,
    /// Who offers or uses a service.
    Role,
    /// Who uses which service of whom.
    Conversation,
    /// With whom a host talks.
    Peer,
    /// What a service is asked for.
    Operation,
    /// What one host asks another for, and about what.
    Request,
    /// How long frames of a service are.
    Length,
    /// Which flags a service's segments have.
    Flags,
    /// How far away a host is.
    Distance,
    /// How payloads of a service begin.
    Beginning,
}

pub(super) const RELATIONS: usize = 15;

impl Relation {
    pub(super) const ALL: [Self; RELATIONS] = [
        Self::Device,
        Self::DeviceProtocol,
        Self::Binding,
        Self::Host,
        Self::Pair,
        Self::Service,
        Self::Role,
        Self::Conversation,
        Self::Peer,
        Self::Operation,
        Self::Request,
        Self::Length,
        Self::Flags,
        Self::Distance,
        Self::Beginning,
    ];

    /// Those with one context for the whole network.
    pub(super) const OF_NETWORK: [Self; 8] = [
        Self::Device,
        Self::DeviceProtocol,
        Self::Binding,
        Self::Host,
        Self::Pair,
        Self::Service,
        Self::Role,
        Self::Conversation,
    ];

    /// What is strange where this is, for evidence.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::DeviceProtocol => "protocol of the device",
            Self::Binding => "address of the device",
            Self::Host => "host",
            Self::Pair => "pair of hosts",
            Self::Service => "service",
            Self::Role => "role of the host",
            Self::Conversation => "conversation",
            Self::Peer => "peer of the host",
            Self::Operation => "operation of the service",
            Self::Request => "operation in the conversation",
            Self::Length => "length",
            Self::Flags => "TCP flags",
            Self::Distance => "distance of the host",
            Self::Beginning => "beginning of the payload",
        }
    }
}

/// A value in its context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Observation {
    pub(super) context: u64,
    pub(super) value: u64,
}

/// One end of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Party {
    Ip(IpAddr),
    Mac([u8; 6]),
}

impl Default for Party {
    fn default() -> Self {
        Self::Mac([0; 6])
    }
}

impl Party {
    /// As a key of tables.
    pub(super) fn key(self) -> u64 {
        Key::new(3, 1).wide(self.bits()).get()
    }

    pub(super) fn bits(self) -> u128 {
        match self {
            Self::Ip(IpAddr::V4(ip)) => 1 << 64 | u128::from(ip.to_bits()),
            Self::Ip(IpAddr::V6(ip)) => ip.to_bits(),
            Self::Mac(mac) => 1 << 65 | mac_bits(mac),
        }
    }
}

fn mac_bits(mac: [u8; 6]) -> u128 {
    mac.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Mac([a, b, c, d, e, g]) => {
                write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
        }
    }
}

/// A service: a transport's port, an IP protocol, or what a frame carries without IP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Service {
    Port(u8, u16),
    Protocol(u8),
    Ethertype(u16),
    /// The destination's service access point.
    Llc(u8),
    #[default]
    None,
}

impl Service {
    pub(super) const fn bits(self) -> u64 {
        match self {
            Self::Port(protocol, port) => 1 << 32 | (protocol as u64) << 16 | port as u64,
            Self::Protocol(protocol) => 2 << 32 | protocol as u64,
            Self::Ethertype(number) => 3 << 32 | number as u64,
            Self::Llc(point) => 4 << 32 | point as u64,
            Self::None => 0,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(6, port) => write!(f, "tcp/{port}"),
            Self::Port(17, port) => write!(f, "udp/{port}"),
            Self::Port(protocol, port) => write!(f, "{protocol}/{port}"),
            Self::Protocol(1) => f.write_str("icmp"),
            Self::Protocol(2) => f.write_str("igmp"),
            Self::Protocol(58) => f.write_str("icmpv6"),
            Self::Protocol(number) => write!(f, "ip/{number}"),
            Self::Ethertype(0x0806) => f.write_str("arp"),
            Self::Ethertype(number) => write!(f, "ethertype/{number:#06x}"),
            Self::Llc(point) => write!(f, "llc/{point:#04x}"),
            Self::None => f.write_str("none"),
        }
    }
}

/// Who uses what of whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub(super) client: Party,
    pub(super) server: Party,
    pub(super) service: Service,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{} {}", self.client, self.server, self.service)
    }
}

/// The keys of one frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Keys {
    /// For the damped statistics: MAC and address of the sender, channel, socket, and which heading of these.
    pub(super) sender: u64,
    pub(super) channel: u64,
    pub(super) socket: u64,
    pub(super) side: usize,
    /// The conversation's heading, for baselines.
    pub(super) heading: u64,
    pub(super) subject: Subject,
    pub(super) source: Party,
    pub(super) destination: Party,
    pub(super) to_server: bool,
    pub(super) operation: Operation,
    /// By [`Relation`], where it applies.
    pub(super) observations: [Option<Observation>; RELATIONS],
}

/// Ends of a frame: addresses, those of ARP, else MAC addresses.
fn parties(decoded: &Decoded<'_>) -> (Party, Party) {
    match (&decoded.ip, &decoded.arp) {
        (Some(ip), _) => (Party::Ip(ip.src), Party::Ip(ip.dst)),
        (None, Some(arp)) => (Party::Ip(arp.sender_ip.into()), Party::Ip(arp.target_ip.into())),
        (None, None) => (Party::Mac(decoded.src_mac), Party::Mac(decoded.dst_mac)),
    }
}

/// The service, and whether the frame goes to the one who offers it.
fn service(packet: &Packet<'_>, flows: &FlowTable) -> (Service, bool) {
    let decoded = &packet.decoded;
    let Some(ip) = &decoded.ip else {
        return match (decoded.ethertype, decoded.payload.first()) {
            (0, Some(point)) => (Service::Llc(*point), true),
            (number, _) => (Service::Ethertype(number), true),
        };
    };
    let Some((source, destination)) = decoded.ports() else {
        return (Service::Protocol(ip.protocol), packet.to_server);
    };
    // A capture may begin in the middle of a connection, with the server's packet: only one of the ends
    // then has a port of the system's range.
    let to_server = match (source < 1024, destination < 1024) {
        (false, true) => true,
        (true, false) => false,
        _ => {
            let flow = packet.flow.and_then(|id| flows.get(id));
            flow.map_or(packet.to_server, |flow| {
                flow.server_port() == if packet.to_server { destination } else { source }
                    && packet.to_server
            })
        }
    };
    (Service::Port(ip.protocol, if to_server { destination } else { source }), to_server)
}

/// Four classes an octave.
fn length_class(length: u32) -> u64 {
    (f64::from(length.max(1)).log2() * 4.0).round() as u64
}

impl Keys {
    pub(super) fn of(packet: &Packet<'_>, flows: &FlowTable, seed: u64) -> Self {
        let decoded = &packet.decoded;
        let (source, destination) = parties(decoded);
        let (service, to_server) = service(packet, flows);
        let (client, server) =
            if to_server { (source, destination) } else { (destination, source) };
        let mut keys = Self {
            subject: Subject { client, server, service },
            source,
            destination,
            to_server,
            operation: operation(decoded),
            ..Self::default()
        };
        keys.statistics(decoded, seed);
        keys.observe(decoded, packet.meta.frame_len, seed);
        keys
    }

    fn statistics(&mut self, decoded: &Decoded<'_>, seed: u64) {
        let (from, to) = (self.source.bits(), self.destination.bits());
        let (low, high) = (from.min(to), from.max(to));
        let (source, destination) = decoded.ports().unwrap_or_default();
        let protocol = match self.subject.service {
            Service::Port(protocol, _) => u64::from(protocol),
            other => other.bits(),
        };
        let ends = (from, source) <= (to, destination);
        self.side = usize::from(!ends);
        self.sender = Key::new(seed, 101).wide(mac_bits(decoded.src_mac)).wide(from).get();
        self.channel = Key::new(seed, 102).wide(low).wide(high).get();
        let ports = if ends { [source, destination] } else { [destination, source] };
        self.socket = Key::new(seed, 103)
            .wide(low)
            .wide(high)
            .with(protocol)
            .with(u64::from(ports[0]) << 16 | u64::from(ports[1]))
            .get();
        self.heading = self.conversation(Key::new(seed, 104)).with(self.to_server.into()).get();
    }

    fn conversation(&self, key: Key) -> Key {
        let Subject { client, server, service } = self.subject;
        key.wide(client.bits()).wide(server.bits()).with(service.bits())
    }

    fn observe(&mut self, decoded: &Decoded<'_>, length: u32, seed: u64) {
        let Subject { service, .. } = self.subject;
        let heading = u64::from(self.to_server);
        let (source, destination) = (self.source.bits(), self.destination.bits());
        let context = |relation: Relation| Key::new(seed, relation as u64);
        let value = |relation: Relation| Key::new(seed, 1000 + relation as u64);
        let mut put = |relation: Relation, context: Key, value: Key| {
            if let Some(slot) = self.observations.get_mut(relation as usize) {
                *slot = Some(Observation { context: context.get(), value: value.get() });
            }
        };
        // Without link layer there are no devices.
        let mac = mac_bits(decoded.src_mac);
        if mac != 0 {
            put(Relation::Device, context(Relation::Device), value(Relation::Device).wide(mac));
            let protocol = match (&decoded.ip, service) {
                (Some(ip), _) => 1 << 40 | u64::from(ip.protocol),
                (None, service) => service.bits(),
            };
            let r = Relation::DeviceProtocol;
            put(r, context(r), value(r).wide(mac).with(protocol));
            if decoded.ip.is_some() || decoded.arp.is_some() {
                let r = Relation::Binding;
                put(r, context(r), value(r).wide(mac).wide(source));
            }
        }
        let r = Relation::Host;
        put(r, context(r), value(r).wide(source));
        let r = Relation::Pair;
        put(r, context(r), value(r).wide(source).wide(destination));
        let r = Relation::Service;
        put(r, context(r), value(r).with(service.bits()));
        let r = Relation::Role;
        put(r, context(r), value(r).wide(source).with(service.bits()).with(heading));
        let r = Relation::Peer;
        put(r, context(r).wide(source), value(r).wide(destination));
        let r = Relation::Length;
        put(r, context(r).with(service.bits()).with(heading), value(r).with(length_class(length)));
        if let Some(ip) = &decoded.ip {
            let r = Relation::Distance;
            put(r, context(r).wide(source), value(r).with(u64::from(ip.ttl)));
        }
        if let Transport::Tcp(tcp) = &decoded.transport {
            let flags = tcp.flags & (flag::SYN | flag::FIN | flag::RST | flag::ACK | flag::URG);
            let r = Relation::Flags;
            put(r, context(r).with(service.bits()), value(r).with(flags.into()).with(heading));
        }
        if let [a, b, ..] = decoded.payload {
            let r = Relation::Beginning;
            let begins = u64::from(u16::from_be_bytes([*a, *b]));
            put(r, context(r).with(service.bits()).with(heading), value(r).with(begins));
        }
        let Operation { protocol, code, operand } = self.operation;
        let done = u64::from(code) << 8 | protocol as u64;
        let conversation = self.conversation(value(Relation::Conversation));
        let mut put = |relation: Relation, context: Key, value: Key| {
            if let Some(slot) = self.observations.get_mut(relation as usize) {
                *slot = Some(Observation { context: context.get(), value: value.get() });
            }
        };
        let r = Relation::Conversation;
        put(r, context(r), conversation);
        let r = Relation::Operation;
        put(r, context(r).with(service.bits()), value(r).with(done).with(heading));
        let r = Relation::Request;
        put(
            r,
            context(r).with(service.bits()),
            conversation.with(done).with(operand).with(heading),
        );
    }
}
