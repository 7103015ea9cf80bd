//! Before the parenthesis: protocol, addresses, ports; and `flow`, which narrows them.

use std::net::IpAddr;
use std::sync::Arc;

use crate::app::{AppProto, Heading};

/// Whose packets a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub protocol: Protocol,
    /// `protocol:hook`, where the rule is to be evaluated.
    pub hook: Option<Hook>,
    pub src: Arc<AddressSet>,
    pub src_ports: Arc<PortSet>,
    pub direction: Direction,
    pub dst: Arc<AddressSet>,
    pub dst_ports: Arc<PortSet>,
}

/// What a rule's first word after the action can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `ip`: any.
    Ip,
    /// `ipv4`, `ip4`.
    Ipv4,
    /// `ipv6`, `ip6`.
    Ipv6,
    /// `tcp`: packets and stream.
    Tcp,
    /// `tcp-pkt`: each packet's payload, not the stream.
    TcpPacket,
    /// `tcp-stream`: the stream only.
    TcpStream,
    Udp,
    /// `icmp`: ICMPv4 and ICMPv6.
    Icmp,
    Icmpv4,
    Icmpv6,
    Sctp,
    /// `pkthdr`: anything that could be decoded at all.
    PacketHeader,
    /// Flows that were recognised as this; `http` is of any version, `dcerpc` also in SMB.
    App(AppProto),
}

/// After the protocol's colon. Known hooks have a name, others do not load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hook {
    /// As written: `request_complete`, `flow_start`.
    pub name: Box<str>,
    /// Of the name's application hook.
    pub heading: Option<Heading>,
}

/// The arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `->`
    OneWay,
    /// `<>`: source and destination may be swapped.
    Both,
    /// `=>`: of a transaction, both its headings; source is the client.
    Transaction,
}

/// A set of addresses: sorted ranges without overlap, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressSet {
    pub v4: Vec<(u32, u32)>,
    pub v6: Vec<(u128, u128)>,
    /// Something was taken away with `!`, also in a variable. Suricata looks at each packet for rules of such
    /// addresses, at the first packets of a flow for others.
    pub negated: bool,
}

impl AddressSet {
    /// Every address.
    #[must_use]
    pub fn any() -> Self {
        Self { v4: vec![(0, u32::MAX)], v6: vec![(0, u128::MAX)], negated: false }
    }

    #[must_use]
    pub fn is_any(&self) -> bool {
        self.v4 == [(0, u32::MAX)] && self.v6 == [(0, u128::MAX)]
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => within(&self.v4, u32::from(a)),
            IpAddr::V6(a) => within(&self.v6, u128::from(a)),
        }
    }
}

/// A set of ports: sorted ranges without overlap, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PortSet {
    pub ranges: Vec<(u16, u16)>,
}

impl PortSet {
    /// Every port; also what has none.
    #[must_use]
    pub fn any() -> Self {
        Self { ranges: vec![(0, u16::MAX)] }
    }

    #[must_use]
    pub fn is_any(&self) -> bool {
        self.ranges == [(0, u16::MAX)]
    }

    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        within(&self.ranges, port)
    }
}

fn within<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let after = ranges.partition_point(|range| range.0 <= value);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|range| value <= range.1)
}

/// `flow`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowOptions {
    /// `to_server` (`from_client`) or `to_client` (`from_server`).
    pub heading: Option<Heading>,
    pub state: Option<FlowState>,
    pub stream: Option<StreamPart>,
    pub fragments: Option<FragmentPart>,
}

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowState {
    Established,
    NotEstablished,
    /// Whatever.
    Stateless,
}

/// `only_stream`, `no_stream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamPart {
    Only,
    Never,
}

/// `only_frag`, `no_frag`: of datagrams that were put together from fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FragmentPart {
    Only,
    Never,
}
