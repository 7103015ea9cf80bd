//! What a packet's headers must be.

use super::Compare;
use crate::app::{AppProto, Heading};

/// A condition on the packet or on its flow, outside of any buffer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PacketCondition {
    Ttl(Compare<u8>),
    Tos(Compare<u8>),
    /// `id`
    IpId(u16),
    IpOption(IpOption),
    FragBits(FragBits),
    FragOffset(Compare<u16>),
    IpProto(Compare<u8>),
    SameIp,
    TcpFlags(TcpFlags),
    Seq(u32),
    Ack(u32),
    Window(Compare<u16>),
    TcpMss(Compare<u16>),
    TcpWscale(Compare<u8>),
    IcmpType(Compare<u8>),
    IcmpCode(Compare<u8>),
    IcmpId(u16),
    IcmpSeq(u16),
    Icmpv6Mtu(Compare<u32>),
    /// `dsize`: of the packet's payload, so never of the stream.
    PayloadSize(Compare<u16>),
    StreamSize(StreamSize),
    /// `decode-event`, `stream-event` and `engine-event`, with the layer's prefix: `ipv4.trunc_pkt`,
    /// `stream.pkt_invalid_ack`.
    Event(Box<str>),
    Checksum(Checksum),
    VlanId {
        id: Compare<u16>,
        layer: Option<i8>,
    },
    VlanLayers(Compare<u8>),
    /// `app-layer-protocol`: what the flow was recognised as.
    AppProtocol {
        protocol: Option<AppProto>,
        /// Recognising failed: `app-layer-protocol:failed`; then `protocol` is `None`. `unknown`
        /// is `None` without it.
        failed: bool,
        negated: bool,
        /// `final`, `either`, `to_server`, `to_client`, `original`; empty for none.
        mode: Box<str>,
    },
    FlowAge(Compare<u32>),
    /// `None`: either heading, `flow.pkts`.
    FlowPackets {
        heading: Option<Heading>,
        count: Compare<u32>,
    },
    FlowBytes {
        heading: Option<Heading>,
        count: Compare<u64>,
    },
    /// `rpc`: program, version, procedure of a Sun RPC call; `None` for `*`.
    Rpc {
        program: u32,
        version: Option<u32>,
        procedure: Option<u32>,
    },
    /// `ftpbounce`: a PORT command with an address that is not the client's.
    FtpBounce,
    /// `flowvar`, `pktvar`: what a regular expression saved under this name is these bytes.
    Variable {
        of_flow: bool,
        name: Box<str>,
        value: Box<[u8]>,
    },
}

/// `ipopts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpOption {
    RecordRoute,
    LooseSourceRoute,
    EndOfList,
    NoOperation,
    Timestamp,
    Security,
    ExtendedSecurity,
    StrictSourceRoute,
    StreamId,
    CommercialSecurity,
    RouterAlert,
    /// Any at all.
    Any,
}

/// What is done with the bits a rule lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FlagsModifier {
    /// Exactly these.
    #[default]
    Exact,
    /// `+`: these and perhaps others.
    All,
    /// `*`: at least one of these.
    Any,
    /// `!`: none of these in `fragbits`; not exactly these in `flags`.
    Not,
}

/// `fragbits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragBits {
    pub modifier: FlagsModifier,
    pub more_fragments: bool,
    pub dont_fragment: bool,
    pub reserved: bool,
}

/// `flags`, `tcp.flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpFlags {
    pub modifier: FlagsModifier,
    /// As in the header: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64 (`E`, `2`), CWR 128 (`C`, `1`).
    pub flags: u8,
    /// Bits that do not count, after the comma.
    pub ignored: u8,
}

/// `stream_size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamSize {
    pub side: StreamSide,
    pub size: Compare<u32>,
}

/// Whose bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamSide {
    Client,
    Server,
    /// Both have so many.
    Both,
    /// One of them has.
    Either,
}

/// `tcpv4-csum` and its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checksum {
    pub layer: ChecksumLayer,
    pub valid: bool,
}

/// Whose checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumLayer {
    Ipv4,
    TcpOverIpv4,
    TcpOverIpv6,
    UdpOverIpv4,
    UdpOverIpv6,
    Icmpv4,
    Icmpv6,
}
