//! Signatures: rules as Suricata 8 reads them, and what they find in the traffic.

pub mod rule;
