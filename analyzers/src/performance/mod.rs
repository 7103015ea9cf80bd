//! Performance_Profiling: how much of what, how fast, and who.
//!
//! Counts frames, bytes and flows with the error of sampling ([`estimate`]), protocols, frame lengths,
//! rates, handshake times, and who moves most ([`top`]). Every `interval_s` of record time, and at the
//! end, it emits a summary. Intervals begin at multiples of their length since the epoch, so those of
//! several instances are the same; what several instances counted is merged by addition.

mod estimate;
mod names;
mod rate;
mod tally;
mod tcp;
mod top;
mod units;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;

use umbra_tap::{RecordMeta, Select};

use crate::decode::Transport;
use crate::events::{Event, FlowPerformance, PerformanceSummary, Sampling, SummarySpan, Timestamp};
use crate::flow::{FlowId, FlowTable};
use crate::profile::{
    Batch, ConfigError, EndedFlow, Findings, Packet, Plan, Profile, ProfileConfig, ProfileFactory,
    ProfileKind, ProfileSummary, SettingInfo, SettingType, check_all,
};
use tally::{Detail, Estimators};
use tcp::{Connections, Manner, Segment};
use units::{Parties, Units};

/// Backward jumps of time that are taken for a new beginning, nanoseconds: as the flow table's clock.
const STEP_BACK_NS: u64 = 60_000_000_000;

const SETTINGS: &[SettingInfo] = &[
    SettingInfo {
        key: "interval_s",
        ty: SettingType::Integer { min: 1, max: 86_400 },
        default: "10",
        help: "Seconds between two summaries.",
    },
    SettingInfo {
        key: "top",
        ty: SettingType::Integer { min: 1, max: 1_000 },
        default: "10",
        help: "Rows of the tables of hosts, pairs of hosts and services.",
    },
    SettingInfo {
        key: "top_capacity",
        ty: SettingType::Integer { min: 64, max: 65_536 },
        default: "1024",
        help: "Keys that each of these tables keeps; figures are off by at most 2 / top_capacity of all bytes.",
    },
    SettingInfo {
        key: "wireshark",
        ty: SettingType::Word(&["4.0", "4.4"]),
        default: "\"4.4\"",
        help: "Which Wireshark's words the TCP figures of flows speak, to be compared with the one at hand.",
    },
];

/// A validated configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PerformancePlan {
    interval_ns: u64,
    rows: usize,
    table_capacity: usize,
    manner: Manner,
}

/// Makes performance profiles.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerformanceFactory;

impl ProfileFactory for PerformanceFactory {
    fn kind(&self) -> ProfileKind {
        ProfileKind::Performance
    }

    fn settings(&self) -> &'static [SettingInfo] {
        SETTINGS
    }

    fn validate(&self, config: &ProfileConfig) -> Result<Plan, Vec<ConfigError>> {
        let errors = check_all(&config.settings, SETTINGS);
        if !errors.is_empty() {
            return Err(errors);
        }
        let number = |key: &str, default: u64| {
            config.settings.get(key).and_then(serde_json::Value::as_u64).unwrap_or(default)
        };
        let plan = PerformancePlan {
            interval_ns: number("interval_s", 10) * 1_000_000_000,
            rows: number("top", 10) as usize,
            table_capacity: number("top_capacity", 1024) as usize,
            manner: match config.settings.get("wireshark").and_then(serde_json::Value::as_str) {
                Some("4.0") => Manner::V40,
                _ => Manner::Current,
            },
        };
        Ok(Plan::new(&config.id, ProfileKind::Performance, plan))
    }

    fn build(&self, plan: &Plan) -> Box<dyn Profile> {
        let id = Arc::clone(plan.id());
        match plan.content::<PerformancePlan>() {
            Some(content) => Box::new(Performance::new(id, *content)),
            None => panic!("the plan of {id} is of kind {} and not performance", plan.kind()),
        }
    }
}

/// The profile at work.
struct Performance {
    id: Arc<str>,
    plan: PerformancePlan,
    units: Units,
    /// Estimates since the start. Not the sum of the intervals': a flow is one unit over all of them.
    totals: Estimators,
    /// The rest since the start, up to the current interval.
    past: Detail,
    interval_totals: Estimators,
    interval: Detail,
    /// Record time over interval length.
    interval_index: Option<u64>,
    /// Counts intervals from 1, for the units.
    interval_number: u32,
    /// Flows with a packet in the interval.
    touched: Vec<FlowId>,
    connections: Connections,
}

/// Probability with which a record was selected.
fn probability(meta: &RecordMeta) -> f64 {
    if meta.escalated {
        return 1.0;
    }
    f64::from(meta.fraction_ppb.clamp(1, Sampling::WHOLE_PPB)) / f64::from(Sampling::WHOLE_PPB)
}

impl Performance {
    fn new(id: Arc<str>, plan: PerformancePlan) -> Self {
        Self {
            id,
            plan,
            units: Units::default(),
            totals: Estimators::default(),
            past: Detail::new(&plan),
            interval_totals: Estimators::default(),
            interval: Detail::new(&plan),
            interval_index: None,
            interval_number: 1,
            touched: Vec::new(),
            connections: Connections::default(),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, flows: &FlowTable, select: Select) {
        let p = probability(&packet.meta);
        self.interval.packet(packet, p);
        let number = self.interval_number;
        let unit = match packet.flow {
            Some(id) => Some(self.units.of_flow(id, || parties(flows, id))),
            None => self.units.of_hash(packet.meta.flow_hash),
        };
        let len = u64::from(packet.meta.frame_len);
        let Some(unit) = unit else {
            for sums in [&mut self.totals, &mut self.interval_totals] {
                sums.packets.add_single(1, p);
                sums.bytes.add_single(len, p);
                sums.mark_coarse();
            }
            return;
        };
        if unit.enter(number)
            && let Some(id) = packet.flow
        {
            self.touched.push(id);
        }
        // The hosts that host mode selects by are not known here, so neither are its units.
        let coarse = select == Select::Host && p < 1.0;
        let spans =
            [(&mut self.totals, &mut unit.total), (&mut self.interval_totals, &mut unit.interval)];
        for (totals, sums) in spans {
            if select == Select::Packet {
                totals.packets.add_single(1, p);
                totals.bytes.add_single(len, p);
                sums.packets.weighted += 1.0 / p;
                sums.bytes.weighted += len as f64 / p;
                if packet.flow.is_some() {
                    // How many flows were missed cannot be told from those that were seen.
                    totals.flows.add_unit(&mut sums.best, 1.0);
                }
                if p < 1.0 {
                    totals.flows.mark_coarse();
                }
            } else {
                totals.packets.add(&mut sums.packets, 1, p);
                totals.bytes.add(&mut sums.bytes, len, p);
                if packet.flow.is_some() {
                    totals.flows.add_unit(&mut sums.best, p);
                }
            }
            if coarse {
                totals.mark_coarse();
            }
        }
    }

    fn segment(&mut self, packet: &Packet<'_>, select: Select) {
        let (Transport::Tcp(tcp), Some(id)) = (&packet.decoded.transport, packet.flow) else {
            return;
        };
        let Some(ip) = &packet.decoded.ip else { return };
        let connection = self.connections.of_flow(id);
        if select == Select::Packet && probability(&packet.meta) < 1.0 {
            connection.mark_sampled();
        }
        let headers = u32::from(ip.header_len) + u32::from(tcp.header_len);
        let len = ip.total_len.saturating_sub(headers);
        let segment = Segment::new(tcp, len, packet.to_server, packet.timestamp());
        connection.segment(&segment, self.plan.manner);
    }

    /// Ends the interval if `now` lies in another one.
    fn roll(&mut self, now: Timestamp, findings: &mut Findings) {
        let index = now.as_nanos() / self.plan.interval_ns;
        let Some(current) = self.interval_index else {
            self.interval_index = Some(index);
            return;
        };
        let stepped_back = (current - index.min(current)) * self.plan.interval_ns > STEP_BACK_NS;
        if index > current || stepped_back {
            self.end_interval(findings);
            self.interval_index = Some(index);
        }
    }

    fn end_interval(&mut self, findings: &mut Findings) {
        if self.interval.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.touched) {
            if let Some(unit) = self.units.get(id)
                && unit.interval_number == self.interval_number
            {
                self.interval.flow(unit);
            }
        }
        let summary = self.interval.summary(
            &self.interval_totals,
            &self.plan,
            &self.id,
            SummarySpan::Interval,
        );
        findings.emit(Event::Performance(Box::new(summary)));
        let interval = std::mem::replace(&mut self.interval, Detail::new(&self.plan));
        self.past.merge(&interval);
        self.interval_totals = Estimators::default();
        self.interval_number = self.interval_number.wrapping_add(1).max(1);
        self.units.forget_strays_if_full();
    }

    fn so_far(&self) -> PerformanceTotals {
        let mut detail = self.past.clone();
        if !self.interval.is_empty() {
            let mut interval = self.interval.clone();
            for id in &self.touched {
                if let Some(unit) = self.units.get(*id)
                    && unit.interval_number == self.interval_number
                {
                    interval.flow(unit);
                }
            }
            detail.merge(&interval);
        }
        PerformanceTotals { id: Arc::clone(&self.id), plan: self.plan, totals: self.totals, detail }
    }
}

fn parties(flows: &FlowTable, id: FlowId) -> Parties {
    flows.get(id).map_or_else(Parties::default, |flow| {
        let (client, server) = flow.address_bits();
        Parties { client, server, server_port: flow.server_port(), protocol: flow.protocol() }
    })
}

impl Profile for Performance {
    fn on_batch(&mut self, batch: &Batch<'_>, findings: &mut Findings) {
        for packet in batch.iter() {
            self.roll(packet.timestamp(), findings);
            self.packet(packet, batch.flows, batch.select);
            self.segment(packet, batch.select);
        }
    }

    fn on_flows_ended(&mut self, ended: &[EndedFlow], _findings: &mut Findings) {
        // Their places will be used again: what they brought is taken now. `touched` still names
        // them, by a generation that will be gone.
        for flow in ended {
            if let Some(unit) = self.units.get_mut(flow.id)
                && unit.interval_number == self.interval_number
            {
                self.interval.flow(unit);
                unit.interval_number = 0;
            }
        }
    }

    fn measured(&self, flow: &EndedFlow, figures: &mut FlowPerformance) {
        if let Some(connection) = self.connections.get(flow.id) {
            let midstream = flow.record.tcp.is_some_and(|tcp| tcp.midstream);
            connection.report(midstream || flow.record.sampling.changed, figures);
        }
    }

    fn forget(&mut self, flow: FlowId) {
        self.connections.remove(flow);
    }

    fn on_tick(&mut self, now: Timestamp, findings: &mut Findings) {
        self.roll(now, findings);
    }

    fn finish(&mut self, _now: Timestamp, findings: &mut Findings) {
        self.end_interval(findings);
        // An instance that saw nothing has nothing to say, and no time to say it at.
        if let Some(event) = self.so_far().to_event() {
            findings.emit(event);
        }
    }

    fn summary(&self) -> Option<Box<dyn ProfileSummary>> {
        Some(Box::new(self.so_far()))
    }
}

/// What one instance, or several together, have counted since their start.
#[derive(Clone, Debug)]
struct PerformanceTotals {
    id: Arc<str>,
    plan: PerformancePlan,
    totals: Estimators,
    detail: Detail,
}

impl PerformanceTotals {
    fn to_summary(&self) -> PerformanceSummary {
        self.detail.summary(&self.totals, &self.plan, &self.id, SummarySpan::Total)
    }
}

impl ProfileSummary for PerformanceTotals {
    fn merge(&mut self, other: &dyn ProfileSummary) {
        if let Some(other) = other.as_any().downcast_ref::<Self>() {
            self.totals.merge(&other.totals);
            self.detail.merge(&other.detail);
        }
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.to_summary()).unwrap_or_default()
    }

    fn to_event(&self) -> Option<Event> {
        (!self.detail.is_empty()).then(|| Event::Performance(Box::new(self.to_summary())))
    }

    fn boxed_clone(&self) -> Box<dyn ProfileSummary> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
