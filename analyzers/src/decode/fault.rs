//! What can be wrong with a packet, as one table.
//!
//! Event names are those that Suricata's rules have behind `decode-event:` and its EVE anomaly
//! records behind `decoder.`, so that rules and queries written for it mean the same here. The
//! ones that Suricata has no name for follow its pattern and say so in their help.

macro_rules! faults {
    ($($name:ident $event:literal $severity:ident $help:literal;)*) => {
        /// One reason for which a packet is not as it should be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DecodeFault { $(#[doc = $help] $name,)* }

        impl DecodeFault {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name behind `decode-event:` in rules, `decoder.` in anomaly records and
            /// `decoder.event.` in statistics.
            #[must_use]
            pub const fn event(self) -> &'static str {
                match self { $(Self::$name => $event,)* }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }

            /// Whether the packet is unusable for streams and application layers, or only odd.
            #[must_use]
            pub const fn is_invalid(self) -> bool {
                match self { $(Self::$name => faults!(@ $severity),)* }
            }
        }
    };
    (@ invalid) => { true };
    (@ odd) => { false };
}

faults! {
    EthernetPktTooSmall "ethernet.pkt_too_small" invalid "The frame is shorter than an Ethernet header.";
    EthernetUnknownEthertype "ethernet.unknown_ethertype" odd "The ethertype is none that is decoded, or the frame is LLC.";
    LlcPktTooSmall "llc.pkt_too_small" invalid "An LLC or SNAP header is cut off. (Not in Suricata.)";
    LinkUnsupported "link.unsupported_type" invalid "The capture's link type is none that is decoded. (Not in Suricata.)";
    VlanHeaderTooSmall "vlan.header_too_small" invalid "A VLAN tag is cut off.";
    VlanUnknownType "vlan.unknown_type" odd "The ethertype behind a VLAN tag is none that is decoded, or LLC follows.";
    VlanTooManyLayers "vlan.too_many_layers" invalid "There are more than three VLAN tags.";
    MplsHeaderTooSmall "mpls.header_too_small" invalid "An MPLS label is cut off.";
    MplsPktTooSmall "mpls.pkt_too_small" invalid "Nothing, or not enough, follows the bottom MPLS label.";
    MplsBadLabelRouterAlert "mpls.bad_label_router_alert" odd "The router alert label stands at the bottom of the stack.";
    MplsBadLabelImplicitNull "mpls.bad_label_implicit_null" odd "The implicit null label stands in a packet.";
    MplsBadLabelReserved "mpls.bad_label_reserved" odd "A reserved label (4 to 6, 8 to 12) stands in a packet.";
    MplsUnknownPayloadType "mpls.unknown_payload_type" odd "What an MPLS stack carries is neither IP nor Ethernet.";
    ArpPktTooSmall "arp.pkt_too_small" invalid "An ARP packet is cut off.";
    ArpUnsupportedHardware "arp.unsupported_hardware" odd "ARP is about hardware other than Ethernet.";
    ArpUnsupportedProtocol "arp.unsupported_protocol" odd "ARP is about a protocol other than IPv4.";
    ArpInvalidHardwareSize "arp.invalid_hardware_size" odd "ARP states a hardware address of other than 6 bytes.";
    ArpInvalidProtocolSize "arp.invalid_protocol_size" odd "ARP states a protocol address of other than 4 bytes.";
    ArpUnsupportedOpcode "arp.unsupported_opcode" odd "The ARP operation is none that is known.";
    PppoePktTooSmall "pppoe.pkt_too_small" invalid "A PPPoE header or what it announces is cut off.";
    PppoeWrongCode "pppoe.wrong_code" invalid "A PPPoE session frame has a code other than 0.";
    PppPktTooSmall "ppp.pkt_too_small" invalid "A PPP header is cut off.";
    PppVjuPktTooSmall "ppp.vju_pkt_too_small" invalid "A PPP frame of Van Jacobson type is too short for IPv4.";
    PppIp4PktTooSmall "ppp.ip4_pkt_too_small" invalid "A PPP frame is too short for the IPv4 header it announces.";
    PppIp6PktTooSmall "ppp.ip6_pkt_too_small" invalid "A PPP frame is too short for the IPv6 header it announces.";
    PppWrongType "ppp.wrong_type" odd "The PPP protocol number is none that is assigned.";
    PppUnsupProto "ppp.unsup_proto" odd "The PPP protocol is known but not decoded.";
    LtnullPktTooSmall "ltnull.pkt_too_small" invalid "A loopback frame is shorter than its address family.";
    LtnullUnsupportedType "ltnull.unsupported_type" odd "A loopback frame's address family is not IP.";
    SllPktTooSmall "sll.pkt_too_small" invalid "A Linux cooked header is cut off.";
    Sll2PktTooSmall "sll2.pkt_too_small" invalid "A Linux cooked v2 header is cut off. (Not in Suricata's rules.)";
    IprawInvalidIpVersion "ipraw.invalid_ip_version" invalid "A raw IP frame is neither IPv4 nor IPv6.";

    Ipv4PktTooSmall "ipv4.pkt_too_small" invalid "There are fewer than 20 bytes for an IPv4 header.";
    Ipv4HlenTooSmall "ipv4.hlen_too_small" invalid "The IPv4 header states a header length below 20.";
    Ipv4IplenSmallerThanHlen "ipv4.iplen_smaller_than_hlen" invalid "The IPv4 total length is below the header length.";
    Ipv4TruncPkt "ipv4.trunc_pkt" invalid "The IPv4 total length is more than there is.";
    Ipv4WrongIpVersion "ipv4.wrong_ip_version" invalid "An IPv4 header has a version other than 4.";
    Ipv4OptInvalid "ipv4.opt_invalid" odd "An IPv4 option has a length that it cannot have.";
    Ipv4OptInvalidLen "ipv4.opt_invalid_len" invalid "An IPv4 option reaches past the header.";
    Ipv4OptMalformed "ipv4.opt_malformed" odd "The pointer of an IPv4 route or timestamp option is wrong.";
    Ipv4OptPadRequired "ipv4.opt_pad_required" odd "IPv4 options do not end on a boundary of 8 bytes.";
    Ipv4OptEolRequired "ipv4.opt_eol_required" odd "The last byte of the IPv4 options starts an option that cannot fit.";
    Ipv4OptDuplicate "ipv4.opt_duplicate" odd "An IPv4 option stands twice.";
    Ipv4OptUnknown "ipv4.opt_unknown" odd "An IPv4 option is none that is known.";
    Ipv4WithIcmpv6 "ipv4.icmpv6" odd "IPv4 carries ICMPv6.";
    Ipv4ChecksumInvalid "ipv4.checksum_invalid" odd "The IPv4 header checksum is wrong. (Not in Suricata.)";
    Ipv4FragPktTooLarge "ipv4.frag_pkt_too_large" invalid "A fragment reaches past 65535 bytes.";
    Ipv4FragOverlap "ipv4.frag_overlap" odd "A fragment overlaps another one.";
    Ipv4FragIgnored "ipv4.frag_ignored" odd "A fragment was dropped for want of room.";

    Ipv6PktTooSmall "ipv6.pkt_too_small" invalid "There are fewer than 40 bytes for an IPv6 header.";
    Ipv6TruncPkt "ipv6.trunc_pkt" invalid "The IPv6 payload length is more than there is.";
    Ipv6WrongIpVersion "ipv6.wrong_ip_version" invalid "An IPv6 header has a version other than 6.";
    Ipv6TruncExthdr "ipv6.trunc_exthdr" invalid "An IPv6 extension header is cut off.";
    Ipv6ExthdrDuplFh "ipv6.exthdr_dupl_fh" invalid "There is more than one fragment header.";
    Ipv6ExthdrUselessFh "ipv6.exthdr_useless_fh" odd "A fragment header stands in a whole datagram.";
    Ipv6ExthdrDuplRh "ipv6.exthdr_dupl_rh" odd "There is more than one routing header.";
    Ipv6ExthdrDuplHh "ipv6.exthdr_dupl_hh" odd "There is more than one hop-by-hop header.";
    Ipv6ExthdrDuplDh "ipv6.exthdr_dupl_dh" odd "There are more than two destination headers.";
    Ipv6ExthdrDuplAh "ipv6.exthdr_dupl_ah" odd "There is more than one authentication header.";
    Ipv6ExthdrDuplEh "ipv6.exthdr_dupl_eh" odd "There is more than one ESP header. (Never met, for what follows the first is not readable; rules that name it load.)";
    Ipv6ExthdrInvalidOptlen "ipv6.exthdr_invalid_optlen" invalid "An option reaches past its extension header.";
    Ipv6ExthdrAhResNotNull "ipv6.exthdr_ah_res_not_null" odd "The reserved field of the authentication header is set.";
    Ipv6HopoptsUnknownOpt "ipv6.hopopts_unknown_opt" odd "A hop-by-hop option is none that is known.";
    Ipv6HopoptsOnlyPadding "ipv6.hopopts_only_padding" odd "A hop-by-hop header holds nothing but padding.";
    Ipv6DstoptsUnknownOpt "ipv6.dstopts_unknown_opt" odd "A destination option is none that is known.";
    Ipv6DstoptsOnlyPadding "ipv6.dstopts_only_padding" odd "A destination header holds nothing but padding.";
    Ipv6RhType0 "ipv6.rh_type_0" odd "A routing header has the deprecated type 0.";
    Ipv6ZeroLenPadn "ipv6.zero_len_padn" odd "A PadN option has no length.";
    Ipv6FhNonZeroReservedField "ipv6.fh_non_zero_reserved_field" odd "A reserved field of the fragment header is set.";
    Ipv6DataAfterNoneHeader "ipv6.data_after_none_header" odd "Data follow although no header does.";
    Ipv6UnknownNextHeader "ipv6.unknown_next_header" odd "What IPv6 carries is none that is decoded.";
    Ipv6WithIcmpv4 "ipv6.icmpv4" odd "IPv6 carries ICMP.";
    Ipv6TooManyExthdr "ipv6.too_many_exthdr" invalid "There are more than ten extension headers. (Not in Suricata.)";
    Ipv6FragPktTooLarge "ipv6.frag_pkt_too_large" invalid "A fragment reaches past 65535 bytes.";
    Ipv6FragOverlap "ipv6.frag_overlap" odd "A fragment overlaps another one.";
    Ipv6FragInvalidLength "ipv6.frag_invalid_length" invalid "A fragment that is not the last has a length that is no multiple of 8.";
    Ipv6FragIgnored "ipv6.frag_ignored" odd "A fragment was dropped for want of room.";
    Ipv4InIpv6TooSmall "ipv6.ipv4_in_ipv6_too_small" invalid "IPv4 inside of IPv6 is too short for its header.";
    Ipv4InIpv6WrongVersion "ipv6.ipv4_in_ipv6_wrong_version" invalid "IPv4 inside of IPv6 has another version.";
    Ipv6InIpv6TooSmall "ipv6.ipv6_in_ipv6_too_small" invalid "IPv6 inside of IPv6 is too short for its header.";
    Ipv6InIpv6WrongVersion "ipv6.ipv6_in_ipv6_wrong_version" invalid "IPv6 inside of IPv6 has another version.";

    Icmpv4PktTooSmall "icmpv4.pkt_too_small" invalid "An ICMP message is shorter than its header.";
    Icmpv4UnknownType "icmpv4.unknown_type" odd "The ICMP type is none that is known.";
    Icmpv4UnknownCode "icmpv4.unknown_code" odd "The ICMP type has no such code.";
    Icmpv4Ipv4TruncPkt "icmpv4.ipv4_trunc_pkt" odd "The packet in an ICMP error is shorter than an IPv4 header.";
    Icmpv4Ipv4UnknownVer "icmpv4.ipv4_unknown_ver" odd "The packet in an ICMP error is not IPv4.";
    Icmpv4ChecksumInvalid "icmpv4.checksum_invalid" odd "The ICMP checksum is wrong. (Not in Suricata.)";
    Icmpv6PktTooSmall "icmpv6.pkt_too_small" invalid "An ICMPv6 message is shorter than its header.";
    Icmpv6UnknownType "icmpv6.unknown_type" odd "The ICMPv6 type is reserved.";
    Icmpv6UnknownCode "icmpv6.unknown_code" odd "The ICMPv6 type has no such code.";
    Icmpv6Ipv6TruncPkt "icmpv6.ipv6_trunc_pkt" odd "The packet in an ICMPv6 error is shorter than an IPv6 header.";
    Icmpv6Ipv6UnknownVersion "icmpv6.ipv6_unknown_version" odd "The packet in an ICMPv6 error is not IPv6.";
    Icmpv6MldInvalidHl "icmpv6.mld_message_with_invalid_hl" odd "An MLD message has a hop limit other than 1.";
    Icmpv6UnassignedType "icmpv6.unassigned_type" odd "The ICMPv6 type is not assigned.";
    Icmpv6ExperimentationType "icmpv6.experimentation_type" odd "The ICMPv6 type is one for private experiments.";
    Icmpv6ChecksumInvalid "icmpv6.checksum_invalid" odd "The ICMPv6 checksum is wrong. (Not in Suricata.)";

    TcpPktTooSmall "tcp.pkt_too_small" invalid "There are fewer than 20 bytes for a TCP header.";
    TcpHlenTooSmall "tcp.hlen_too_small" invalid "The TCP data offset is more than there is.";
    TcpInvalidOptlen "tcp.invalid_optlen" invalid "The TCP data offset is below 20 bytes.";
    TcpOptInvalidLen "tcp.opt_invalid_len" odd "A TCP option has a length that it cannot have.";
    TcpOptDuplicate "tcp.opt_duplicate" odd "A TCP option stands twice.";
    TcpOptWscaleOverMax "tcp.opt_wscale_over_max" odd "A window scale above 14.";
    TcpChecksumInvalid "tcp.checksum_invalid" odd "The TCP checksum is wrong. (Not in Suricata.)";
    UdpHlenTooSmall "udp.hlen_too_small" invalid "There are fewer than 8 bytes for a UDP header.";
    UdpPktTooSmall "udp.pkt_too_small" invalid "The UDP length is more than there is.";
    UdpLenInvalid "udp.len_invalid" invalid "The UDP length is below 8.";
    UdpChecksumInvalid "udp.checksum_invalid" odd "The UDP checksum is wrong. (Not in Suricata.)";
    SctpPktTooSmall "sctp.pkt_too_small" invalid "An SCTP common header is cut off.";
    SctpChecksumInvalid "sctp.checksum_invalid" odd "The SCTP checksum is wrong. (Not in Suricata.)";
    DccpPktTooSmall "dccp.pkt_too_small" invalid "A DCCP header is cut off. (Not in Suricata.)";
    EspPktTooSmall "esp.pkt_too_small" invalid "An ESP header is cut off.";
    AhPktTooSmall "ah.pkt_too_small" invalid "An authentication header in IPv4 is cut off. (Not in Suricata.)";
    IgmpPktTooSmall "igmp.pkt_too_small" invalid "An IGMP message is shorter than 8 bytes.";

    GrePktTooSmall "gre.pkt_too_small" invalid "A GRE header is cut off.";
    GreWrongVersion "gre.wrong_version" invalid "The GRE version is neither 0 nor 1.";
    GreVersion0Recur "gre.version0_recur" odd "A GRE header has the recursion bits set.";
    GreVersion0Flags "gre.version0_flags" odd "A GRE header has reserved flags set.";
    GreVersion0HdrTooBig "gre.version0_hdr_too_big" invalid "The fields that a GRE header announces are cut off.";
    GreVersion0MalformedSreHdr "gre.version0_malformed_sre_hdr" invalid "A source route entry of a GRE header is cut off.";
    GreVersion1Chksum "gre.version1_chksum" invalid "A GRE version 1 header has the checksum bit set.";
    GreVersion1Route "gre.version1_route" invalid "A GRE version 1 header has the routing bit set.";
    GreVersion1Ssr "gre.version1_ssr" invalid "A GRE version 1 header has the strict source route bit set.";
    GreVersion1Recur "gre.version1_recur" invalid "A GRE version 1 header has the recursion bits set.";
    GreVersion1Flags "gre.version1_flags" invalid "A GRE version 1 header has reserved flags set.";
    GreVersion1NoKey "gre.version1_no_key" invalid "A GRE version 1 header has no key.";
    GreVersion1WrongProtocol "gre.version1_wrong_protocol" invalid "A GRE version 1 header does not carry PPP.";
    GreVersion1HdrTooBig "gre.version1_hdr_too_big" invalid "The fields that a GRE version 1 header announces are cut off.";
    VxlanUnknownPayloadType "vxlan.unknown_payload_type" odd "What VXLAN carries is none that is decoded.";
    GeneveUnknownPayloadType "geneve.unknown_payload_type" odd "What Geneve carries is none that is decoded.";
    GtpuUnknownPayloadType "gtpu.unknown_payload_type" odd "What GTP-U carries is not IP. (Not in Suricata.)";
    TooManyLayers "too_many_layers" invalid "Tunnels are nested deeper than the decoder looks.";
}

impl DecodeFault {
    /// The fault with a given event name.
    #[must_use]
    pub fn from_event(event: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.event() == event)
    }
}

/// Words of 64 bits, one bit for each fault.
const WORDS: usize = DecodeFault::COUNT.div_ceil(64);

/// The faults of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults([u64; WORDS]);

impl Faults {
    const INVALID: Self = {
        let mut words = [0; WORDS];
        let mut at = 0;
        while at < DecodeFault::COUNT {
            if DecodeFault::ALL[at].is_invalid() {
                words[at / 64] |= 1 << (at % 64);
            }
            at += 1;
        }
        Self(words)
    };

    #[inline]
    pub fn insert(&mut self, fault: DecodeFault) {
        let at = fault as usize;
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    #[inline]
    #[must_use]
    pub fn contains(self, fault: DecodeFault) -> bool {
        let at = fault as usize;
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == [0; WORDS]
    }

    /// Whether one of them makes the packet unusable.
    #[inline]
    #[must_use]
    pub fn any_invalid(self) -> bool {
        self.0.iter().zip(Self::INVALID.0).any(|(word, mask)| word & mask != 0)
    }

    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, more)| *word |= more);
        self
    }

    /// The faults in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = DecodeFault> {
        DecodeFault::ALL.iter().copied().filter(move |fault| self.contains(*fault))
    }
}
