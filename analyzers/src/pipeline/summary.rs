//! What a pipeline has counted, to be shown and to be added up over instances.

use std::sync::Arc;

use super::FollowCounters;
use crate::decode::DecodeCounters;
use crate::defrag::DefragCounters;
use crate::flow::FlowCounters;
use crate::profile::ProfileSummary;
use crate::stream::StreamCounters;

umbra_tap::counter_set! {
    /// What went through a pipeline.
    pub struct PipelineCounters {
        records: "packets", "Records analysed.";
        flows: "events", "Flow records emitted.";
        findings: "events", "Findings emitted.";
        anomalies: "events", "Decode faults emitted as events; all are counted by the decoder.";
    }
}

/// What one profile has counted.
#[derive(Debug)]
pub struct ProfileTotals {
    /// Id of the profile.
    pub id: Arc<str>,
    /// Its figures.
    pub summary: Box<dyn ProfileSummary>,
}

impl Clone for ProfileTotals {
    fn clone(&self) -> Self {
        Self { id: Arc::clone(&self.id), summary: self.summary.boxed_clone() }
    }
}

/// What a pipeline, or several together, have counted since their start.
#[derive(Clone, Debug, Default)]
pub struct PipelineSummary {
    /// Records and events.
    pub counters: PipelineCounters,
    /// Of the decoder.
    pub decode: DecodeCounters,
    /// Of the defragmenter.
    pub defrag: DefragCounters,
    /// Of the flow table.
    pub flow: FlowCounters,
    /// Flows that are there.
    pub flows_live: u64,
    /// Bytes of the flow table.
    pub flow_memory_bytes: u64,
    /// Of the stream layer, where a profile needs it.
    pub stream: StreamCounters,
    /// Bytes that streams hold.
    pub stream_memory_bytes: u64,
    /// What was not followed to its end.
    pub follow: FollowCounters,
    /// Bytes that application layers hold.
    pub app_memory_bytes: u64,
    /// Bytes that flows which are followed cost beside that, sessions among them.
    pub follow_memory_bytes: u64,
    /// Bytes that profiles hold for flows.
    pub profile_memory_bytes: u64,
    /// Bytes that fragments take.
    pub defrag_memory_bytes: u64,
    /// Of the profiles that count, by id.
    pub profiles: Vec<ProfileTotals>,
}

impl PipelineSummary {
    /// Adds what another instance has counted.
    pub fn merge(&mut self, other: &Self) {
        self.counters += other.counters;
        self.decode.merge(&other.decode);
        self.defrag.merge(&other.defrag);
        self.flow += other.flow;
        self.flows_live += other.flows_live;
        self.flow_memory_bytes += other.flow_memory_bytes;
        self.stream += other.stream;
        self.stream_memory_bytes += other.stream_memory_bytes;
        self.follow += other.follow;
        self.app_memory_bytes += other.app_memory_bytes;
        self.follow_memory_bytes += other.follow_memory_bytes;
        self.profile_memory_bytes += other.profile_memory_bytes;
        self.defrag_memory_bytes += other.defrag_memory_bytes;
        for theirs in &other.profiles {
            match self.profiles.iter_mut().find(|mine| mine.id == theirs.id) {
                Some(mine) => mine.summary.merge(theirs.summary.as_ref()),
                None => self.profiles.push(theirs.clone()),
            }
        }
    }
}
