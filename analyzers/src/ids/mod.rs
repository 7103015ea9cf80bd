//! Signatures: rules as Suricata 8 reads them, and what they find in the traffic.

#[expect(unused, reason = "the engine that uses it is being built on it")]
mod matching;
pub mod rule;

mod search;
#[expect(unused, reason = "as above")]
mod state;

pub use state::Shared;
