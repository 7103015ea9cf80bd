//! Records of application layers: `http`, `dns`, `tls` and the like, and `fileinfo`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use umbra_analyzers::events::{
    AppFlow, AppObjects, AppRecord, EventContext, FileInfo, FileRecord, FlowEnds,
};

use crate::manifest::EveType;

use super::bytes::{hex, text};
use super::format::{EveFormat, line};
use super::head::{Head, some};
use super::shadow::Shadow;
use super::time::Stamp;
use super::variables::write_variables;

impl EveFormat {
    pub(super) fn app(&self, record: &AppRecord, context: &EventContext, out: &mut Vec<u8>) {
        let head = Head {
            timestamp: Stamp(record.timestamp.as_nanos()),
            event_type: record.event_type,
            pcap_cnt: record.number,
            pkt_src: record.source.as_str(),
            ..self.head_of_flow(&record.flow, record.ends)
        };
        let shadow = Shadow::of_sampling(&record.flow.sampling, context);
        let objects = &record.objects;
        line(&AppLine { head, flow: &record.flow, tx_id: record.tx_id, objects, shadow }, out);
    }

    pub(super) fn file(&self, record: &FileRecord, context: &EventContext, out: &mut Vec<u8>) {
        let head = Head {
            timestamp: Stamp(record.timestamp.as_nanos()),
            event_type: EveType::Fileinfo.as_str(),
            pcap_cnt: record.number,
            pkt_src: record.source.as_str(),
            ..self.head_of_flow(&record.flow, record.ends)
        };
        let shadow = Shadow::of_sampling(&record.flow.sampling, context);
        line(&FileLine { head, record, shadow }, out);
    }

    /// What is known of a record by its flow.
    pub(super) fn head_of_flow<'a>(&'a self, flow: &'a AppFlow, ends: FlowEnds) -> Head<'a> {
        Head {
            timestamp: Stamp(0),
            event_type: "",
            flow_id: Some(flow.flow_id),
            parent_id: flow.parent_id,
            in_iface: self.wire(flow.wire),
            pcap_cnt: None,
            vlan: flow.vlans.ids(),
            ends: Some(ends),
            pkt_src: "",
            community: self.options().community_id.then_some(ends),
        }
    }
}

struct AppLine<'a> {
    head: Head<'a>,
    flow: &'a AppFlow,
    tx_id: Option<u64>,
    objects: &'a AppObjects,
    shadow: Shadow<'a, ()>,
}

impl Serialize for AppLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.head.write(&mut map)?;
        write_variables(&self.flow.variables, &mut map)?;
        some(&mut map, "tx_id", self.tx_id.filter(|_| shows_transaction(self.head.event_type)))?;
        write_objects(self.objects, &mut map)?;
        map.serialize_entry("shadow", &self.shadow)?;
        map.end()
    }
}

/// Whether Suricata has `tx_id` at the top of these records. In some it is in their object, in others nowhere.
fn shows_transaction(event_type: &str) -> bool {
    matches!(event_type, "http" | "smb" | "smtp")
}

struct FileLine<'a> {
    head: Head<'a>,
    record: &'a FileRecord,
    shadow: Shadow<'a, ()>,
}

impl Serialize for FileLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.head.write(&mut map)?;
        write_variables(&self.record.flow.variables, &mut map)?;
        write_objects(&self.record.objects, &mut map)?;
        map.serialize_entry("app_proto", self.record.app_proto.as_str())?;
        map.serialize_entry("fileinfo", &FileObject(&self.record.file))?;
        map.serialize_entry("shadow", &self.shadow)?;
        map.end()
    }
}

/// Each object under its own name.
fn write_objects<M: SerializeMap>(objects: &AppObjects, map: &mut M) -> Result<(), M::Error> {
    objects.iter().try_for_each(|(key, object)| map.serialize_entry(key, object))
}

/// The `fileinfo` object, and an item of `files` in alerts.
pub(super) struct FileObject<'a>(pub(super) &'a FileInfo);

impl Serialize for FileObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let file = self.0;
        let mut map = serializer.serialize_map(None)?;
        some(&mut map, "filename", (!file.name.is_empty()).then(|| text(&file.name)))?;
        if !file.sids.is_empty() {
            map.serialize_entry("sid", &file.sids)?;
        }
        map.serialize_entry("gaps", &file.gaps)?;
        map.serialize_entry("state", file.state.as_str())?;
        some(&mut map, "md5", file.hashes.md5.map(|hash| hex(&hash)))?;
        some(&mut map, "sha1", file.hashes.sha1.map(|hash| hex(&hash)))?;
        some(&mut map, "sha256", file.hashes.sha256.map(|hash| hex(&hash)))?;
        // A shadow stores nothing.
        map.serialize_entry("stored", &false)?;
        map.serialize_entry("size", &file.size)?;
        if let Some((start, end)) = file.range {
            map.serialize_entry("start", &start)?;
            map.serialize_entry("end", &end)?;
        }
        map.serialize_entry("tx_id", &file.tx_id)?;
        map.end()
    }
}
