//! What a decoder counted.

use super::fault::{DecodeFault, Faults};

macro_rules! protocols {
    ($($name:ident $stat:literal;)*) => {
        /// A protocol that is counted each time its header is decoded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Protocol { $($name,)* }

        impl Protocol {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            pub const COUNT: usize = Self::ALL.len();

            /// The name behind `decoder.` in Suricata's statistics, or one of its pattern.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $stat,)* }
            }
        }
    };
}

protocols! {
    Ipv4 "ipv4";
    Ipv6 "ipv6";
    Ethernet "ethernet";
    Llc "llc";
    Arp "arp";
    UnknownEthertype "unknown_ethertype";
    Raw "raw";
    Null "null";
    Sll "sll";
    Sll2 "sll2";
    Tcp "tcp";
    Udp "udp";
    UdpLite "udp_lite";
    Sctp "sctp";
    Dccp "dccp";
    Esp "esp";
    Ah "ah";
    Igmp "igmp";
    Icmpv4 "icmpv4";
    Icmpv6 "icmpv6";
    OtherTransport "other_transport";
    Ppp "ppp";
    Pppoe "pppoe";
    Geneve "geneve";
    Gre "gre";
    Vlan "vlan";
    VlanQinq "vlan_qinq";
    VlanQinqinq "vlan_qinqinq";
    Vxlan "vxlan";
    GtpU "gtpu";
    Ipv4InIpv4 "ipv4_in_ipv4";
    Ipv6InIpv4 "ipv6_in_ipv4";
    Ipv4InIpv6 "ipv4_in_ipv6";
    Ipv6InIpv6 "ipv6_in_ipv6";
    Mpls "mpls";
    Fragment "fragment";
}

/// Counters of one [`super::Decoder`]: single-writer, cheap to copy out.
#[derive(Clone, Debug)]
pub struct DecodeCounters {
    /// Frames given to the decoder.
    pub packets: u64,
    /// Their length on the wire, bytes.
    pub bytes: u64,
    /// Frames with a fault that makes them unusable.
    pub invalid: u64,
    /// Frames of which the capture holds less than their length.
    pub truncated: u64,
    /// Frames that the capture cut within a header that was looked for.
    pub cut_short: u64,
    /// Longest frame, bytes.
    pub max_pkt_size: u64,
    /// Reassembled datagrams given to the decoder; no part of the other figures above.
    pub reassembled: u64,
    protocols: [u64; Protocol::COUNT],
    faults: [u64; DecodeFault::COUNT],
}

impl Default for DecodeCounters {
    fn default() -> Self {
        Self {
            packets: 0,
            bytes: 0,
            invalid: 0,
            truncated: 0,
            cut_short: 0,
            max_pkt_size: 0,
            reassembled: 0,
            protocols: [0; Protocol::COUNT],
            faults: [0; DecodeFault::COUNT],
        }
    }
}

impl DecodeCounters {
    #[inline]
    pub(super) fn count(&mut self, protocol: Protocol) {
        if let Some(n) = self.protocols.get_mut(protocol as usize) {
            *n += 1;
        }
    }

    /// Adds the faults of one packet.
    #[inline]
    pub(crate) fn count_faults(&mut self, faults: Faults) {
        if faults.is_empty() {
            return;
        }
        for fault in faults.iter() {
            if let Some(n) = self.faults.get_mut(fault as usize) {
                *n += 1;
            }
        }
    }

    #[must_use]
    pub fn protocol(&self, protocol: Protocol) -> u64 {
        self.protocols.get(protocol as usize).copied().unwrap_or(0)
    }

    /// Packets with this fault; a packet counts once however often the fault is in it.
    #[must_use]
    pub fn fault(&self, fault: DecodeFault) -> u64 {
        self.faults.get(fault as usize).copied().unwrap_or(0)
    }

    /// Mean length of a frame, whole bytes.
    #[must_use]
    pub fn avg_pkt_size(&self) -> u64 {
        self.bytes.checked_div(self.packets).unwrap_or(0)
    }

    /// `(name, count)` of every protocol, the name being that behind `decoder.` in statistics.
    pub fn protocols(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Protocol::ALL.iter().map(|p| (p.as_str(), self.protocol(*p)))
    }

    /// `(name, count)` of every fault, the name being that behind `decoder.event.` in statistics.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DecodeFault::ALL.iter().map(|f| (f.event(), self.fault(*f)))
    }

    /// Adds another decoder's counts, for a view over instances.
    pub fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.invalid += other.invalid;
        self.truncated += other.truncated;
        self.cut_short += other.cut_short;
        self.max_pkt_size = self.max_pkt_size.max(other.max_pkt_size);
        self.reassembled += other.reassembled;
        self.protocols.iter_mut().zip(other.protocols).for_each(|(n, more)| *n += more);
        self.faults.iter_mut().zip(other.faults).for_each(|(n, more)| *n += more);
    }
}
