//! The `stats` event: counters under Suricata's names, ours in `shadow`.

use serde_json::{Map, Value};
use umbra_analyzers::decode::DecodeFault;
use umbra_analyzers::events::{Event, EventContext, PerformanceSummary};
use umbra_analyzers::pipeline::PipelineSummary;

use super::format::line;
use super::records::Record;
use super::shadow::{Scaled, Shadow};
use super::time::Stamp;

/// Packets at the place where they are taken in: the ports live, the file in a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaptureStats {
    /// Received, those lost afterwards included.
    pub packets: u64,
    /// Lost before anything of ours saw them (imissed, rx_nombuf).
    pub drops: u64,
}

/// What a `stats` event says.
#[derive(Debug, Clone)]
pub struct Stats<'a> {
    pub timestamp: Stamp,
    /// Seconds since the start; in a replay of capture time.
    pub uptime_s: u64,
    pub capture: Option<CaptureStats>,
    /// What the instance, or all of them together, have counted.
    pub analysis: &'a PipelineSummary,
    /// More of ours for `shadow`: the ledger, the outputs' own counters.
    pub ours: Map<String, Value>,
}

impl Stats<'_> {
    /// `context.instance` is absent where the counters are those of all instances together.
    pub(super) fn write(&self, context: &EventContext, out: &mut Vec<u8>) {
        let mut shadow = Shadow::of_context(context);
        let performance = self.performance();
        shadow.performance = performance.as_ref().and_then(performance_object);
        shadow.estimate = performance.as_ref().and_then(Scaled::of_summary);
        shadow.more = self.ours.clone();
        let mut record = Record::new(self.timestamp, "stats", shadow);
        record.stats = Some(Value::Object(self.counters()));
        line(&record, out);
    }

    /// Of the first performance profile, if there is one that has seen something.
    fn performance(&self) -> Option<PerformanceSummary> {
        self.analysis.profiles.iter().find_map(|profile| match profile.summary.to_event()? {
            Event::Performance(summary) => Some(*summary),
            _ => None,
        })
    }

    fn counters(&self) -> Map<String, Value> {
        let mut stats = Map::new();
        put(&mut stats, "uptime", self.uptime_s);
        if let Some(capture) = self.capture {
            put(&mut stats, "capture.kernel_packets", capture.packets);
            put(&mut stats, "capture.kernel_drops", capture.drops);
        }
        let decoder = &self.analysis.decode;
        put(&mut stats, "decoder.pkts", decoder.packets);
        put(&mut stats, "decoder.bytes", decoder.bytes);
        put(&mut stats, "decoder.invalid", decoder.invalid);
        put(&mut stats, "decoder.avg_pkt_size", decoder.avg_pkt_size());
        put(&mut stats, "decoder.max_pkt_size", decoder.max_pkt_size);
        for (name, count) in decoder.protocols() {
            put(&mut stats, &format!("decoder.{name}"), count);
        }
        for (name, count) in decoder.faults() {
            // Suricata counts nested tunnels beside the events of the layers, not among them.
            let under = if name.contains('.') { "decoder.event" } else { "decoder" };
            put(&mut stats, &format!("{under}.{name}"), count);
        }
        for (name, count) in self.analysis.defrag.iter() {
            put(&mut stats, &format!("defrag.{name}"), count);
        }
        let flow = &self.analysis.flow;
        put(&mut stats, "flow.total", flow.opened);
        put(&mut stats, "flow.active", self.analysis.flows_live);
        put(&mut stats, "flow.memuse", self.analysis.flow_memory_bytes);
        put(&mut stats, "flow.tcp_reuse", flow.reused);
        put(&mut stats, "flow.get_used", flow.evicted);
        put(&mut stats, "flow.emerg_mode_entered", flow.emergencies);
        put(&mut stats, "flow.mgr.flows_timeout", flow.timed_out);
        let stream = &self.analysis.stream;
        put(&mut stats, "tcp.sessions", stream.sessions);
        put(&mut stats, "tcp.reassembly_memuse", self.analysis.stream_memory_bytes);
        put(&mut stats, "tcp.reassembly_gap", stream.gaps);
        put(&mut stats, "tcp.overlap", stream.overlaps);
        put(&mut stats, "tcp.overlap_diff_data", stream.overlaps_different);
        put(&mut stats, "tcp.stream_depth_reached", stream.depth_reached);
        put(&mut stats, "tcp.segment_memcap_drop", stream.memory_drops);
        put(&mut stats, "tcp.ssn_memcap_drop", stream.session_drops);
        put(&mut stats, "tcp.memuse", self.analysis.follow_memory_bytes);
        put(&mut stats, "app_layer.memuse", self.analysis.app_memory_bytes);
        let follow = &self.analysis.follow;
        put(&mut stats, "tcp.streams_given_up", follow.streams_given_up);
        put(&mut stats, "app_layer.given_up", follow.app_given_up);
        put(&mut stats, "app_layer.given_up_transactions", follow.app_given_up_transactions);
        put(&mut stats, "defrag.memuse", self.analysis.defrag_memory_bytes);
        put(&mut stats, "tcp.midstream_pickups", flow.midstream);
        put(&mut stats, "tcp.invalid_checksum", decoder.fault(DecodeFault::TcpChecksumInvalid));
        stats
    }
}

/// The summary's figures, its times as EVE writes times: as numbers they would be past 2^53.
pub(super) fn performance_object(summary: &PerformanceSummary) -> Option<Value> {
    let mut object = serde_json::to_value(summary).ok()?;
    object["start"] = stamp(summary.start.as_nanos());
    object["end"] = stamp(summary.end.as_nanos());
    Some(object)
}

fn stamp(timestamp_ns: u64) -> Value {
    Value::String(Stamp(timestamp_ns).to_string())
}

/// Puts a value at a dotted path, making the objects on the way.
fn put(object: &mut Map<String, Value>, path: &str, value: u64) {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), value.into());
        }
        Some((first, rest)) => {
            let below = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}
