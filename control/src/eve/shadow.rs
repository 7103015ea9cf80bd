//! The one object of ours in every record: `shadow`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use umbra_analyzers::events::{
    EventContext, Evidence, FlowPerformance, FlowRecord, PerformanceSummary, Sampling,
};
use umbra_tap::Select;

/// `{"appliance","instance","percentage","select","epoch"}` and what applies beside it.
#[derive(Debug, Serialize)]
pub(super) struct Shadow<'a, P> {
    appliance: &'a str,
    /// Absent where instances were merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<u32>,
    percentage: f64,
    select: Select,
    epoch: u16,
    /// The profile that found something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) profile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evidence: Option<EvidenceMap<'a>>,
    /// What the rule wanted done: `drop`, `reject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) would: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) performance: Option<P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) estimate: Option<Scaled>,
    /// Further keys, such as the ledger.
    #[serde(flatten)]
    pub(super) more: Map<String, Value>,
}

impl<'a, P> Shadow<'a, P> {
    /// What holds for the instance at the time.
    pub(super) fn of_context(context: &'a EventContext) -> Self {
        Self {
            appliance: &context.appliance,
            instance: context.instance,
            percentage: context.percentage(),
            select: context.select,
            epoch: context.epoch,
            profile: None,
            evidence: None,
            would: None,
            performance: None,
            estimate: None,
            more: Map::new(),
        }
    }
}

impl<'a> Shadow<'a, ()> {
    /// Of a record of a flow, which keeps the settings under which it was taken.
    pub(super) fn of_sampling(sampling: &Sampling, context: &'a EventContext) -> Self {
        Self {
            percentage: sampling.percentage(),
            epoch: sampling.epoch,
            ..Self::of_context(context)
        }
    }
}

impl<'a> Shadow<'a, FlowPerformance> {
    /// A flow keeps the sampling settings under which it was taken, whatever holds now.
    pub(super) fn of_flow(flow: &FlowRecord, context: &'a EventContext) -> Self {
        Self {
            percentage: flow.sampling.percentage(),
            epoch: flow.sampling.epoch,
            performance: (!flow.performance.is_empty()).then_some(flow.performance),
            estimate: Scaled::of_flow(flow, context.select),
            ..Self::of_context(context)
        }
    }
}

/// Evidence as one object: `{"rtt_p99_us":812000}`.
#[derive(Debug)]
pub(super) struct EvidenceMap<'a>(pub(super) &'a [Evidence]);

impl Serialize for EvidenceMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for evidence in self.0 {
            map.serialize_entry(&evidence.key, &evidence.value)?;
        }
        map.end()
    }
}

/// What figures of a sample stand for: estimates, and the bounds that hold the truth in 95 % of samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Scaled {
    #[serde(skip_serializing_if = "Option::is_none")]
    flows: Option<u64>,
    packets: u64,
    bytes: u64,
    ci95: Bounds,
    /// The sample is too small or too uneven for the bounds to be trusted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unreliable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Bounds {
    #[serde(skip_serializing_if = "Option::is_none")]
    flows: Option<[u64; 2]>,
    packets: [u64; 2],
    bytes: [u64; 2],
}

impl Scaled {
    /// Of a flow whose packets were sampled one by one; `None` where the flow was taken whole.
    ///
    /// With packets taken independently with probability p, n of them stand for n/p, and the variance of
    /// that is n(1 − p)/p² (Horvitz and Thompson's estimator). Bytes are scaled alike; their error is
    /// taken for packets of the flow's mean size, which is too small for very uneven sizes.
    fn of_flow(flow: &FlowRecord, select: Select) -> Option<Self> {
        let sampling = flow.sampling;
        let fraction = sampling.percentage() / 100.0;
        let taken_whole = select != Select::Packet || fraction >= 1.0;
        // Under a changed fraction or escalation no single p holds for all packets.
        if taken_whole || fraction <= 0.0 || sampling.escalated || sampling.changed {
            return None;
        }
        let (seen, bytes_seen) = (flow.packets() as f64, flow.bytes() as f64);
        let deviation = 1.96 * (seen * (1.0 - fraction)).sqrt() / fraction;
        let mean_bytes = if seen > 0.0 { bytes_seen / seen } else { 0.0 };
        let (packets, bytes) = (seen / fraction, bytes_seen / fraction);
        Some(Self {
            flows: None,
            packets: whole(packets),
            bytes: whole(bytes),
            ci95: Bounds {
                flows: None,
                packets: bounds(packets, deviation, seen),
                bytes: bounds(bytes, deviation * mean_bytes, bytes_seen),
            },
            // The normal approximation wants some thirty packets.
            unreliable: seen < 30.0,
        })
    }

    /// Of a summary; `None` where everything was seen.
    pub(super) fn of_summary(summary: &PerformanceSummary) -> Option<Self> {
        summary.coverage.sampled.then(|| Self {
            flows: Some(whole(summary.flows.estimate)),
            packets: whole(summary.packets.estimate),
            bytes: whole(summary.bytes.estimate),
            ci95: Bounds {
                flows: Some(summary.flows.ci95.map(whole)),
                packets: summary.packets.ci95.map(whole),
                bytes: summary.bytes.ci95.map(whole),
            },
            unreliable: summary.flows.unreliable
                || summary.packets.unreliable
                || summary.bytes.unreliable,
        })
    }
}

/// Never below what was seen.
fn bounds(estimate: f64, deviation: f64, seen: f64) -> [u64; 2] {
    [whole((estimate - deviation).max(seen)), whole(estimate + deviation)]
}

/// To a whole number; what is negative or no number becomes 0.
fn whole(figure: f64) -> u64 {
    figure.round() as u64
}
