//! Analysis profiles: the traits, their configuration, and which kinds there are.
//!
//! A profile's configuration is validated once into a [`Plan`], which is immutable and shared; its
//! state is per instance. Decode, defragmentation and the flow table are done once for all profiles
//! of an instance, which get the result batch by batch.

mod batch;
mod config;
mod findings;
mod kind;
mod view;

pub use batch::{Batch, EndedFlow, Packet};
pub(crate) use config::check_all;
pub use config::{ConfigError, Plan, ProfileConfig, SettingInfo, SettingType};
pub use findings::Findings;
pub use kind::{NotBuilt, ProfileKind, UnknownKind};
pub(crate) use view::TransactionMarks;
pub use view::{FlowContext, PacketView, STREAM_OVERLAP, StreamVerdict};

use std::any::Any;

use crate::app::ConversationConfig;
use crate::events::{Event, FlowPerformance, FlowVariables, Timestamp};
use crate::flow::FlowId;

/// Makes profiles of one kind. Stateless; found with [`factory`].
pub trait ProfileFactory: Send + Sync {
    /// Which kind.
    fn kind(&self) -> ProfileKind;

    /// The settings that a configuration of this kind may have, for checks, schemas and help.
    fn settings(&self) -> &'static [SettingInfo];

    /// Turns a configuration into a plan.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, not only the first.
    fn validate(&self, config: &ProfileConfig) -> Result<Plan, Vec<ConfigError>>;

    /// The same plan for an instance that sees all traffic itself, as replicas do: nothing of what it
    /// remembers is shared with the instances of the other.
    ///
    /// # Panics
    ///
    /// If the plan was made by another kind's factory.
    fn apart(&self, plan: &Plan) -> Plan {
        plan.clone()
    }

    /// A fresh profile for one instance.
    ///
    /// # Panics
    ///
    /// If the plan was made by another kind's factory.
    fn build(&self, plan: &Plan) -> Box<dyn Profile>;
}

/// One profile at work in one instance, on that instance's thread.
pub trait Profile: Send {
    /// Whether it needs streams and application layers, and so [`on_packet`](Self::on_packet).
    fn follows_streams(&self) -> bool {
        false
    }

    /// What it needs of application layers that costs and is not always wanted.
    fn configure(&self, _config: &mut ConversationConfig) {}

    /// Looks at one packet once its stream and its application layer have been brought up to it, before the
    /// next packet is. Comes before the batch. Only if some profile
    /// [follows streams](Self::follows_streams).
    fn on_packet(&mut self, _view: &PacketView<'_>, _findings: &mut Findings) {}

    /// Looks at a batch of packets.
    fn on_batch(&mut self, batch: &Batch<'_>, findings: &mut Findings);

    /// Flows ended. Comes after the batch whose packets ended them, and their state in the flow table
    /// can still be read there; comes also without a batch, when time-outs are swept or at the end.
    fn on_flows_ended(&mut self, _ended: &[EndedFlow], _findings: &mut Findings) {}

    /// The flow's record was written: nothing of it will be asked any more.
    fn forget(&mut self, _flow: FlowId) {}

    /// What it has noted about a flow, for the flow's records.
    fn variables_of(&self, _flow: FlowId) -> Option<FlowVariables> {
        None
    }

    /// Puts what it has measured of a flow that ended into the flow's record.
    fn measured(&self, _flow: &EndedFlow, _figures: &mut FlowPerformance) {}

    /// Time went on; called about every tick of the instance, with or without packets.
    fn on_tick(&mut self, now: Timestamp, findings: &mut Findings);

    /// The run ends. All flows have ended before.
    fn finish(&mut self, now: Timestamp, findings: &mut Findings);

    /// What it has seen so far, to be merged over instances; `None` where there is nothing to say.
    fn summary(&self) -> Option<Box<dyn ProfileSummary>> {
        None
    }
}

/// What a profile has seen so far. Those of one kind can be merged, in any order.
pub trait ProfileSummary: Send + std::fmt::Debug {
    /// Adds what another instance has seen. Nothing happens where the kinds differ.
    fn merge(&mut self, other: &dyn ProfileSummary);

    /// As JSON, for the control socket.
    fn to_json(&self) -> serde_json::Value;

    /// As an event, for the outputs.
    fn to_event(&self) -> Option<Event>;

    /// A copy.
    fn boxed_clone(&self) -> Box<dyn ProfileSummary>;

    /// For `merge`.
    fn as_any(&self) -> &dyn Any;
}

/// The factory of a kind.
///
/// # Errors
///
/// [`NotBuilt`] for the kinds that are known but not there yet.
pub fn factory(kind: ProfileKind) -> Result<&'static dyn ProfileFactory, NotBuilt> {
    match kind {
        ProfileKind::Performance => Ok(&crate::performance::PerformanceFactory),
        ProfileKind::Ids => Ok(&crate::ids::IdsFactory),
        ProfileKind::Anomaly | ProfileKind::Fuzzing => Err(NotBuilt { kind }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_factory_or_says_by_name_that_it_is_not_built() {
        for kind in ProfileKind::ALL {
            match factory(kind) {
                Ok(factory) => assert_eq!(factory.kind(), kind),
                Err(missing) => {
                    let message = missing.to_string();
                    assert!(message.contains(kind.standard_id()), "{message}");
                    assert!(message.contains("not built yet"), "{message}");
                }
            }
        }
    }
}
