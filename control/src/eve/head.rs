//! What records of packets have in common at their top.

use serde::Serialize;
use serde::ser::SerializeMap;
use umbra_analyzers::events::FlowEnds;

use super::address::{Address, has_ports, ip_version};
use super::community::community_id;
use super::protocol::protocol_name;
use super::time::Stamp;

/// The beginning of a record: when, where, between whom.
pub(super) struct Head<'a> {
    pub(super) timestamp: Stamp,
    pub(super) event_type: &'static str,
    pub(super) flow_id: Option<u64>,
    pub(super) parent_id: Option<u64>,
    pub(super) in_iface: Option<&'a str>,
    pub(super) pcap_cnt: Option<u64>,
    pub(super) vlan: &'a [u16],
    pub(super) ends: Option<FlowEnds>,
    pub(super) pkt_src: &'static str,
    /// The flow's ends, if its Community ID is asked for.
    pub(super) community: Option<FlowEnds>,
}

impl Head<'_> {
    pub(super) fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("timestamp", &self.timestamp)?;
        some(map, "flow_id", self.flow_id)?;
        some(map, "parent_id", self.parent_id)?;
        some(map, "in_iface", self.in_iface)?;
        some(map, "pcap_cnt", self.pcap_cnt)?;
        map.serialize_entry("event_type", self.event_type)?;
        if !self.vlan.is_empty() {
            map.serialize_entry("vlan", self.vlan)?;
        }
        if let Some(ends) = &self.ends {
            write_ends(ends, map)?;
            map.serialize_entry("ip_v", &ip_version(ends.src))?;
        }
        map.serialize_entry("pkt_src", self.pkt_src)?;
        if let Some((kind, code)) = self.ends.and_then(|ends| ends.icmp) {
            map.serialize_entry("icmp_type", &kind)?;
            map.serialize_entry("icmp_code", &code)?;
        }
        some(map, "community_id", self.community.as_ref().map(community_id))
    }
}

/// Addresses, ports where the protocol has any, and its name.
pub(super) fn write_ends<M: SerializeMap>(ends: &FlowEnds, map: &mut M) -> Result<(), M::Error> {
    write_addresses(ends, map)?;
    map.serialize_entry("proto", &protocol_name(ends.protocol))
}

/// Addresses, and ports where the protocol has any.
pub(super) fn write_addresses<M: SerializeMap>(
    ends: &FlowEnds,
    map: &mut M,
) -> Result<(), M::Error> {
    let ports = has_ports(ends.protocol) || ends.src_port != 0 || ends.dst_port != 0;
    map.serialize_entry("src_ip", &Address(ends.src))?;
    some(map, "src_port", ports.then_some(ends.src_port))?;
    map.serialize_entry("dest_ip", &Address(ends.dst))?;
    some(map, "dest_port", ports.then_some(ends.dst_port))
}

/// An entry that is there only with a value.
pub(super) fn some<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &'static str,
    value: Option<T>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(key, &value),
        None => Ok(()),
    }
}
