//! Signatures: rules as Suricata 8 reads them, and what they find in the traffic.

pub mod rule;

#[expect(unused, reason = "the matching that uses it is being built on it")]
mod search;
#[expect(unused, reason = "as above")]
mod state;

pub use state::Shared;
