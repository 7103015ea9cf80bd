//! The `alert` record of a signature.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use umbra_analyzers::events::{
    AlertFlow, AlertPacket, AlertPayload, AlertTunnel, AppLayers, Endpoint, EventContext, FlowEnds,
    MetadataEntry, SignatureAlert, TaggedPacket,
};

use super::address::Address;
use super::app::FileObject;
use super::bytes::{base64, printable};
use super::format::{EveFormat, line};
use super::head::{Head, some, write_addresses};
use super::options::AlertOptions;
use super::protocol::protocol_name;
use super::shadow::Shadow;
use super::time::Stamp;
use super::variables::write_variables;

impl EveFormat {
    pub(super) fn alert(&self, alert: &SignatureAlert, context: &EventContext, out: &mut Vec<u8>) {
        let packet = alert.packet.as_ref();
        let flow = alert.flow.as_ref();
        let head = Head {
            timestamp: Stamp(alert.timestamp.as_nanos()),
            event_type: "alert",
            flow_id: flow.map(|flow| flow.flow_id),
            parent_id: flow.and_then(|flow| flow.parent_id),
            in_iface: packet.and_then(|packet| self.wire(packet.wire)),
            pcap_cnt: packet.and_then(|packet| packet.number),
            vlan: alert.vlans.ids(),
            ends: alert.ends,
            pkt_src: alert.source.as_str(),
            community: flow.map(|flow| flow.ends).filter(|_| self.options().community_id),
        };
        let mut shadow = match flow {
            Some(flow) => Shadow::of_sampling(&flow.sampling, context),
            None => Shadow::of_context(context),
        };
        shadow.profile = Some(&alert.profile);
        let action = alert.signature.action;
        shadow.would = action.interferes().then(|| action.as_str());
        line(&AlertLine { head, alert, options: &self.options().alert, shadow }, out);
    }
}

impl EveFormat {
    pub(super) fn tagged(&self, tagged: &TaggedPacket, context: &EventContext, out: &mut Vec<u8>) {
        let packet = &tagged.packet;
        let flow = tagged.flow.as_ref();
        let head = Head {
            timestamp: Stamp(tagged.timestamp.as_nanos()),
            event_type: "packet",
            flow_id: flow.map(|flow| flow.flow_id),
            parent_id: flow.and_then(|flow| flow.parent_id),
            in_iface: self.wire(packet.wire),
            pcap_cnt: packet.number,
            vlan: tagged.vlans.ids(),
            ends: tagged.ends,
            pkt_src: tagged.source.as_str(),
            community: tagged.ends.filter(|_| flow.is_some() && self.options().community_id),
        };
        let shadow = match flow {
            Some(flow) => Shadow::of_sampling(&flow.sampling, context),
            None => Shadow::of_context(context),
        };
        line(&TaggedLine { head, tagged, shadow }, out);
    }
}

struct AlertLine<'a> {
    head: Head<'a>,
    alert: &'a SignatureAlert,
    options: &'a AlertOptions,
    shadow: Shadow<'a, ()>,
}

impl Serialize for AlertLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let alert = self.alert;
        let mut map = serializer.serialize_map(None)?;
        self.head.write(&mut map)?;
        write_variables(&alert.variables, &mut map)?;
        if let Some(transaction) = &alert.transaction {
            map.serialize_entry("tx_id", &transaction.tx_id)?;
            if transaction.guessed {
                map.serialize_entry("tx_guessed", &true)?;
            }
        }
        let object = AlertObject { alert, options: self.options };
        map.serialize_entry("alert", &object)?;
        if let Some(tunnel) = &alert.tunnel {
            map.serialize_entry("tunnel", &TunnelObject(tunnel))?;
        }
        if let Some(transaction) = &alert.transaction {
            some(&mut map, "ts_progress", transaction.progress_to_server)?;
            some(&mut map, "tc_progress", transaction.progress_to_client)?;
            for (key, object) in &transaction.objects {
                match object {
                    Value::Object(fields) if key == "dns" => {
                        map.serialize_entry(key, &Without { fields, key: "grouped" })?;
                    }
                    object => map.serialize_entry(key, object)?,
                }
            }
        }
        write_app_layers(&alert.app, &mut map)?;
        if let Some(files) = alert.transaction.as_ref().map(|transaction| &transaction.files)
            && !files.is_empty()
        {
            let files: Vec<_> = files.iter().map(FileObject).collect();
            map.serialize_entry("files", &files)?;
        }
        if let Some(flow) = &alert.flow {
            let direction = if alert.to_server { "to_server" } else { "to_client" };
            map.serialize_entry("direction", direction)?;
            map.serialize_entry("flow", &FlowObject(flow))?;
        }
        if let Some(payload) = &alert.payload {
            self.write_payload(payload, &mut map)?;
        }
        if let Some(packet) = alert.packet.as_ref().filter(|_| self.options.packet) {
            write_packet(packet, &mut map)?;
        }
        map.serialize_entry("shadow", &self.shadow)?;
        map.end()
    }
}

impl AlertLine<'_> {
    /// Payloads and what is said of them, which is nothing where they are not asked for.
    fn write_payload<M: SerializeMap>(
        &self,
        payload: &AlertPayload,
        map: &mut M,
    ) -> Result<(), M::Error> {
        let options = self.options;
        let (data, there) = (&payload.data, !payload.data.is_empty());
        some(map, "payload", (options.payload && there).then(|| base64(data)))?;
        some(map, "payload_length", options.payload_length.then_some(payload.len))?;
        some(
            map,
            "payload_printable",
            (options.payload_printable && there).then(|| printable(data)),
        )?;
        if options.wants_payload() {
            map.serialize_entry("stream", &u8::from(self.alert.in_stream))?;
        }
        Ok(())
    }
}

fn write_app_layers<M: SerializeMap>(app: &AppLayers, map: &mut M) -> Result<(), M::Error> {
    some(map, "app_proto", app.proto.map(|proto| proto.as_str()))?;
    some(map, "app_proto_orig", app.original.map(|proto| proto.as_str()))?;
    some(map, "app_proto_expected", app.expected.map(|proto| proto.as_str()))?;
    some(map, "app_proto_ts", app.to_server.map(|proto| proto.as_str()))?;
    some(map, "app_proto_tc", app.to_client.map(|proto| proto.as_str()))
}

/// An object without one of its keys: answers grouped by type are in DNS records only.
struct Without<'a> {
    fields: &'a Map<String, Value>,
    key: &'static str,
}

impl Serialize for Without<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields.iter().filter(|(key, _)| *key != self.key))
    }
}

/// The `alert` object.
struct AlertObject<'a> {
    alert: &'a SignatureAlert,
    options: &'a AlertOptions,
}

impl Serialize for AlertObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let signature = &self.alert.signature;
        let mut map = serializer.serialize_map(None)?;
        // A shadow has no way to do otherwise; what would have been done is in `shadow`.
        map.serialize_entry("action", "allowed")?;
        map.serialize_entry("gid", &signature.gid)?;
        map.serialize_entry("signature_id", &signature.sid)?;
        map.serialize_entry("rev", &signature.rev)?;
        map.serialize_entry("signature", &signature.msg)?;
        map.serialize_entry("category", &signature.category)?;
        map.serialize_entry("severity", &signature.severity)?;
        if let Some([source, target]) = self.alert.attacker_and_target() {
            let ends = self.alert.ends.as_ref();
            map.serialize_entry("source", &EndpointObject { end: source, ends })?;
            map.serialize_entry("target", &EndpointObject { end: target, ends })?;
        }
        if !signature.metadata.is_empty() {
            map.serialize_entry("metadata", &RuleMetadata(&signature.metadata))?;
        }
        if self.options.references && !signature.references.is_empty() {
            map.serialize_entry("references", &signature.references)?;
        }
        some(&mut map, "rule", signature.text.as_ref().filter(|_| self.options.rule))?;
        map.end()
    }
}

/// `{"ip","port"}`, the port where the protocol has any.
struct EndpointObject<'a> {
    end: Endpoint,
    ends: Option<&'a FlowEnds>,
}

impl Serialize for EndpointObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ports = self.ends.is_some_and(|ends| matches!(ends.protocol, 6 | 17 | 132));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ip", &Address(self.end.ip))?;
        some(&mut map, "port", ports.then_some(self.end.port))?;
        map.end()
    }
}

struct RuleMetadata<'a>(&'a [MetadataEntry]);

impl Serialize for RuleMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|entry| (&entry.key, &entry.values)))
    }
}

/// The `flow` object of an alert: as it stood, from its client's side.
struct FlowObject<'a>(&'a AlertFlow);

impl Serialize for FlowObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let flow = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pkts_toserver", &flow.to_server.packets)?;
        map.serialize_entry("pkts_toclient", &flow.to_client.packets)?;
        map.serialize_entry("bytes_toserver", &flow.to_server.bytes)?;
        map.serialize_entry("bytes_toclient", &flow.to_client.bytes)?;
        map.serialize_entry("start", &Stamp(flow.start.as_nanos()))?;
        write_addresses(&flow.ends, &mut map)?;
        map.end()
    }
}

struct TunnelObject<'a>(&'a AlertTunnel);

impl Serialize for TunnelObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tunnel = self.0;
        let mut map = serializer.serialize_map(None)?;
        // Ports also where there are none, unlike elsewhere.
        map.serialize_entry("src_ip", &Address(tunnel.ends.src))?;
        map.serialize_entry("src_port", &tunnel.ends.src_port)?;
        map.serialize_entry("dest_ip", &Address(tunnel.ends.dst))?;
        map.serialize_entry("dest_port", &tunnel.ends.dst_port)?;
        map.serialize_entry("proto", &protocol_name(tunnel.ends.protocol))?;
        map.serialize_entry("depth", &tunnel.depth)?;
        some(&mut map, "pcap_cnt", tunnel.number)?;
        map.serialize_entry("pkt_src", tunnel.source.as_str())?;
        map.end()
    }
}

struct TaggedLine<'a> {
    head: Head<'a>,
    tagged: &'a TaggedPacket,
    shadow: Shadow<'a, ()>,
}

impl Serialize for TaggedLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.head.write(&mut map)?;
        if let Some(flow) = &self.tagged.flow {
            write_variables(&flow.variables, &mut map)?;
        }
        write_packet(&self.tagged.packet, &mut map)?;
        map.serialize_entry("shadow", &self.shadow)?;
        map.end()
    }
}

/// The bytes of a frame, if they were copied.
fn write_packet<M: SerializeMap>(packet: &AlertPacket, map: &mut M) -> Result<(), M::Error> {
    let Some(data) = &packet.data else { return Ok(()) };
    map.serialize_entry("packet", &base64(data))?;
    map.serialize_entry("packet_info", &PacketInfo(packet.link_type))
}

/// `packet_info`: number and, where it has one, libpcap's name of the link type.
struct PacketInfo(u16);

impl Serialize for PacketInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self.0 {
            0 => Some("NULL"),
            1 => Some("EN10MB"),
            9 => Some("PPP"),
            12 => Some("RAW"),
            50 => Some("PPP_SERIAL"),
            101 => Some("RAW"),
            104 => Some("C_HDLC"),
            108 => Some("LOOP"),
            113 => Some("LINUX_SLL"),
            228 => Some("IPV4"),
            229 => Some("IPV6"),
            276 => Some("LINUX_SLL2"),
            _ => None,
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("linktype", &self.0)?;
        some(&mut map, "linktype_name", name)?;
        map.end()
    }
}
