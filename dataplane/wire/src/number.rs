//! Assigned numbers: ethertypes, IP protocols, UDP ports of tunnels.
//!
//! Source: the IANA registries "IEEE 802 Numbers", "Protocol Numbers" and "Service Name and
//! Transport Protocol Port Number Registry", and IEEE 802.1Q for the tags.

/// Values of the Ethernet type field.
pub mod ethertype {
    pub const IPV4: u16 = 0x0800;
    pub const ARP: u16 = 0x0806;
    /// Transparent Ethernet bridging (an Ethernet frame in GRE, Geneve).
    pub const TEB: u16 = 0x6558;
    pub const VLAN: u16 = 0x8100;
    /// PPP as GRE version 1 carries it (PPTP, RFC 2637).
    pub const PPP: u16 = 0x880b;
    pub const IPV6: u16 = 0x86dd;
    pub const MPLS: u16 = 0x8847;
    pub const MPLS_MULTICAST: u16 = 0x8848;
    pub const PPPOE_DISCOVERY: u16 = 0x8863;
    pub const PPPOE_SESSION: u16 = 0x8864;
    /// IEEE 802.1ad service tag.
    pub const QINQ: u16 = 0x88a8;
    /// ERSPAN types I and II in GRE.
    pub const ERSPAN: u16 = 0x88be;
    pub const LLDP: u16 = 0x88cc;
    /// Outer tag of equipment older than 802.1ad.
    pub const QINQ_OLD: u16 = 0x9100;
    /// Smallest value that is a type; up to 1500 the field is an 802.3 length.
    pub const MIN: u16 = 0x0600;

    /// Whether the type announces one more VLAN tag.
    #[inline]
    #[must_use]
    pub const fn is_tag(ethertype: u16) -> bool {
        matches!(ethertype, VLAN | QINQ | QINQ_OLD)
    }
}

/// Values of the IPv4 protocol and IPv6 next header fields.
pub mod protocol {
    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const IGMP: u8 = 2;
    /// IPv4 in IP (RFC 2003).
    pub const IPV4: u8 = 4;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const DCCP: u8 = 33;
    /// IPv6 in IP (RFC 4213, RFC 2473).
    pub const IPV6: u8 = 41;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const GRE: u8 = 47;
    pub const ESP: u8 = 50;
    pub const AH: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const NO_NEXT_HEADER: u8 = 59;
    pub const DESTINATION: u8 = 60;
    pub const SCTP: u8 = 132;
    pub const MOBILITY: u8 = 135;
    pub const UDP_LITE: u8 = 136;
    pub const MPLS: u8 = 137;
    pub const HIP: u8 = 139;
    pub const SHIM6: u8 = 140;
}

/// UDP destination ports of tunnels that are looked into.
pub mod port {
    pub const GTP_U: u16 = 2152;
    pub const VXLAN: u16 = 4789;
    pub const VXLAN_GPE: u16 = 4790;
    pub const GENEVE: u16 = 6081;

    /// Whether a UDP datagram to this port may be a tunnel.
    #[inline]
    #[must_use]
    pub const fn is_tunnel(port: u16) -> bool {
        // `|` on purpose: four compares without a branch, this is on the forwarding core.
        (port == GTP_U) | (port == VXLAN) | (port == VXLAN_GPE) | (port == GENEVE)
    }

    /// The same by one load and one compare: the four differ in their lowest three bits.
    #[inline(always)]
    pub(crate) const fn may_be_tunnel(port: u16) -> bool {
        // The places of no tunnel hold a number that belongs elsewhere.
        const BY_LOW_BITS: [u16; 8] = {
            let mut table = [1, 0, 0, 0, 0, 0, 0, 0];
            let tunnels = [GTP_U, VXLAN, VXLAN_GPE, GENEVE];
            let mut i = 0;
            while i < tunnels.len() {
                let place = (tunnels[i] & 7) as usize;
                assert!(table[place] < 2, "two tunnels with the same low bits");
                table[place] = tunnels[i];
                i += 1;
            }
            table
        };
        BY_LOW_BITS[(port & 7) as usize] == port
    }
}

/// PPP protocol numbers that are looked into.
pub mod ppp {
    pub const IPV4: u16 = 0x0021;
    /// Van Jacobson compression, a header that is whole but for its protocol field (RFC 1144).
    pub const VJ_UNCOMPRESSED: u16 = 0x002f;
    pub const IPV6: u16 = 0x0057;
    pub const MPLS: u16 = 0x0281;

    /// Whether a protocol number is among those in use (IANA "PPP DLL Protocol Numbers").
    #[must_use]
    pub const fn is_assigned(protocol: u16) -> bool {
        matches!(
            protocol,
            0x0001 | 0x0003 | 0x0005
                | 0x0021 | 0x0023 | 0x0025 | 0x0027 | 0x0029 | 0x002b | 0x002d | 0x002f
                | 0x0031 | 0x0033 | 0x0035 | 0x0037 | 0x0039 | 0x003b | 0x003d | 0x003f
                | 0x0041 | 0x0043 | 0x0045 | 0x0047 | 0x0049 | 0x004b | 0x004d | 0x004f
                | 0x0051 | 0x0053 | 0x0055 | 0x0057 | 0x0059 | 0x005b | 0x0061 | 0x0063
                | 0x0065 | 0x0067 | 0x0069 | 0x006b | 0x006f | 0x00fb | 0x00fd
                | 0x0201 | 0x0203 | 0x0205 | 0x0207 | 0x0281 | 0x0283
                | 0x8001..=0x80ff | 0x8201..=0x82ff
                | 0xc001..=0xc4ff
        )
    }
}

/// More tags than this are not looked behind.
pub const MAX_VLAN_TAGS: usize = 3;
/// More labels than this are not looked behind.
pub const MAX_MPLS_LABELS: usize = 8;
/// More IPv6 extension headers than this are not looked behind.
pub const MAX_EXTENSION_HEADERS: usize = 10;

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn the_short_way_to_know_a_tunnels_port_is_right_for_all() {
        for port in 0..=u16::MAX {
            assert_eq!(port::may_be_tunnel(port), port::is_tunnel(port), "{port}");
        }
    }
}
