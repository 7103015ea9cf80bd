//! What two hosts say to each other, and the frames that carry it.

use std::net::IpAddr;

use umbra_analyzers::app::Heading;
use umbra_wire::build::{Frame, Icmp, Ipv4, Ipv6, Tcp, Udp};

const FIN: u16 = 1;
const SYN: u16 = 2;
const PSH: u16 = 8;
const ACK: u16 = 16;
/// Bytes of a segment.
const MSS: usize = 1400;

/// How bytes are carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// With handshake and end.
    Tcp,
    /// Each step is a segment of its own on no connection, with these flags.
    BareTcp {
        flags: u16,
    },
    Udp,
    /// Type, code and the bytes 4 to 7.
    Icmp {
        kind: u8,
        code: u8,
        word: u32,
    },
    /// Another protocol over IP.
    Ip(u8),
}

/// A part of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) heading: Heading,
    pub(crate) bytes: Vec<u8>,
}

/// What headers shall say, beyond what they must.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) ttl: Option<u8>,
    pub(crate) tos: Option<u8>,
    pub(crate) id: Option<u16>,
    pub(crate) dont_fragment: bool,
    pub(crate) more_fragments: bool,
    pub(crate) fragment_offset: u16,
    pub(crate) ip_options: Vec<u8>,
    pub(crate) tcp_options: Vec<u8>,
    pub(crate) window: Option<u16>,
    /// Sequence number of the first byte that the client sends.
    pub(crate) seq: Option<u32>,
    /// What it acknowledges then.
    pub(crate) ack: Option<u32>,
    /// A step is never cut.
    pub(crate) whole: bool,
}

/// Whose conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) client: IpAddr,
    pub(crate) client_port: u16,
    pub(crate) server: IpAddr,
    pub(crate) server_port: u16,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Talk {
    pub(crate) transport: Transport,
    pub(crate) steps: Vec<Step>,
    pub(crate) shape: Shape,
    /// How many flows of it there shall be, one after the other.
    pub(crate) repeats: u32,
    /// Over TCP, the handshake is left out.
    pub(crate) unopened: bool,
    /// So many steps are left out where the two have greeted each other before.
    pub(crate) greeting: usize,
}

impl Talk {
    pub(crate) fn new(transport: Transport, steps: Vec<Step>) -> Self {
        Self { transport, steps, shape: Shape::default(), repeats: 1, unopened: false, greeting: 0 }
    }

    /// The frames of one flow of it.
    pub(crate) fn frames(&self, ends: &Ends) -> Vec<Vec<u8>> {
        match self.transport {
            Transport::Tcp => self.connection(ends),
            Transport::BareTcp { flags } => {
                let bare = |step: &Step| {
                    let (seq, ack) = (self.shape.seq.unwrap_or(1000), self.shape.ack.unwrap_or(0));
                    let segment = Segment { heading: step.heading, seq, ack, flags };
                    self.segment(ends, &segment, &step.bytes)
                };
                self.steps.iter().map(bare).collect()
            }
            Transport::Udp => {
                let datagram = |step: &Step| {
                    let (src, dst) = ports(ends, step.heading);
                    let udp = Udp { src, dst, lite: false, no_checksum: false };
                    self.ip(ends, step.heading, None).layer(udp).payload(&step.bytes).bytes()
                };
                self.steps.iter().map(datagram).collect()
            }
            Transport::Icmp { kind, code, word } => {
                let message = |step: &Step| {
                    let icmp = Icmp { kind, code, word };
                    self.ip(ends, step.heading, None).layer(icmp).payload(&step.bytes).bytes()
                };
                self.steps.iter().map(message).collect()
            }
            Transport::Ip(protocol) => {
                let packet = |step: &Step| {
                    self.ip(ends, step.heading, Some(protocol)).payload(&step.bytes).bytes()
                };
                self.steps.iter().map(packet).collect()
            }
        }
    }

    fn ip(&self, ends: &Ends, heading: Heading, protocol: Option<u8>) -> Frame {
        let (src, dst) = match heading {
            Heading::ToServer => (ends.client, ends.server),
            Heading::ToClient => (ends.server, ends.client),
        };
        let (mac_a, mac_b) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let frame = match heading {
            Heading::ToServer => Frame::ethernet(mac_b, mac_a),
            Heading::ToClient => Frame::ethernet(mac_a, mac_b),
        };
        let shape = &self.shape;
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut ip = Ipv4::new(src.octets(), dst.octets());
                ip.protocol = protocol;
                ip.ttl = shape.ttl.unwrap_or(ip.ttl);
                ip.tos = shape.tos.unwrap_or(ip.tos);
                ip.id = shape.id.unwrap_or(ip.id);
                ip.dont_fragment = shape.dont_fragment;
                ip.more_fragments = shape.more_fragments;
                ip.fragment_offset = shape.fragment_offset;
                ip.options.clone_from(&shape.ip_options);
                frame.layer(ip)
            }
            (src, dst) => {
                let mut ip = Ipv6::new(v6(src), v6(dst));
                ip.next_header = protocol;
                ip.hop_limit = shape.ttl.unwrap_or(ip.hop_limit);
                ip.traffic_class = shape.tos.unwrap_or(ip.traffic_class);
                frame.layer(ip)
            }
        }
    }

    fn segment(&self, ends: &Ends, segment: &Segment, bytes: &[u8]) -> Vec<u8> {
        let (src, dst) = ports(ends, segment.heading);
        let mut tcp = Tcp::new(src, dst);
        (tcp.seq, tcp.ack, tcp.flags) = (segment.seq, segment.ack, segment.flags);
        tcp.window = self.shape.window.unwrap_or(tcp.window);
        tcp.options.clone_from(&self.shape.tcp_options);
        self.ip(ends, segment.heading, None).layer(tcp).payload(bytes).bytes()
    }

    fn connection(&self, ends: &Ends) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let client = self.shape.seq.unwrap_or(1_000_001);
        let server = self.shape.ack.unwrap_or(5_000_001);
        // What each has sent so far.
        let mut next = [client, server];
        let mut send = |heading: Heading, flags, seq, ack, bytes: &[u8]| {
            let segment = Segment { heading, seq, ack, flags };
            out.push(self.segment(ends, &segment, bytes));
        };
        if !self.unopened {
            send(Heading::ToServer, SYN, client.wrapping_sub(1), 0, b"");
            send(Heading::ToClient, SYN | ACK, server.wrapping_sub(1), client, b"");
            send(Heading::ToServer, ACK, client, server, b"");
        }
        for step in &self.steps {
            let (own, other) = (step.heading.index(), step.heading.opposite().index());
            let size = if self.shape.whole { step.bytes.len().max(1) } else { MSS };
            for part in step.bytes.chunks(size) {
                send(step.heading, PSH | ACK, next[own], next[other], part);
                next[own] = next[own].wrapping_add(part.len() as u32);
                send(step.heading.opposite(), ACK, next[other], next[own], b"");
            }
        }
        let [client, server] = next;
        send(Heading::ToServer, FIN | ACK, client, server, b"");
        send(Heading::ToClient, FIN | ACK, server, client.wrapping_add(1), b"");
        send(Heading::ToServer, ACK, client.wrapping_add(1), server.wrapping_add(1), b"");
        out
    }
}

struct Segment {
    heading: Heading,
    seq: u32,
    ack: u32,
    flags: u16,
}

fn ports(ends: &Ends, heading: Heading) -> (u16, u16) {
    match heading {
        Heading::ToServer => (ends.client_port, ends.server_port),
        Heading::ToClient => (ends.server_port, ends.client_port),
    }
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(a) => a.to_ipv6_mapped().octets(),
        IpAddr::V6(a) => a.octets(),
    }
}
