//! Names in tables.

use std::net::{IpAddr, Ipv6Addr};

use umbra_wire::number::protocol;

/// Name of an IP protocol, its number where it has none here.
pub(super) fn transport(number: u8) -> String {
    match number {
        protocol::ICMP => "icmp",
        2 => "igmp",
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        33 => "dccp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        protocol::ICMPV6 => "icmpv6",
        59 => "none",
        88 => "eigrp",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        132 => "sctp",
        136 => "udplite",
        _ => return format!("ip/{number}"),
    }
    .to_owned()
}

/// Name of what follows the link layer where it is not IP.
pub(super) fn ethertype(number: u16) -> String {
    match number {
        0 => "llc",
        0x0800 => "ipv4",
        0x0806 => "arp",
        0x86dd => "ipv6",
        0x8100 => "vlan",
        0x8809 => "lacp",
        0x8847 | 0x8848 => "mpls",
        0x8863 => "pppoe_discovery",
        0x8864 => "pppoe",
        0x888e => "eapol",
        0x88cc => "lldp",
        0x88f7 => "ptp",
        0x88e5 => "macsec",
        _ => return format!("ethertype/{number:#06x}"),
    }
    .to_owned()
}

/// An address as text; mapped IPv4 as IPv4.
pub(super) fn host(bits: u128) -> String {
    let v6 = Ipv6Addr::from_bits(bits);
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4).to_string()
}
