//! Evaluating rules: how they are grouped, which are looked at for a packet, and what matches become.

mod addresses;
mod alerts;
mod app_conditions;
mod base;
mod candidates;
mod compiled;
mod conditions;
mod engine;
mod flow_state;
mod gate;
mod limits;
mod names;
mod order;
mod prefilter;
mod remember;
mod tags;
mod transactions;

pub(crate) use base::RuleBase;
pub use engine::IdsCounters;
pub(crate) use engine::{Engine, EnginePlan};
pub(crate) use limits::RuleLimits;
