//! Frames as the wire carries them: checked views, the sampler's flow key and its symmetric hash.
//!
//! Nothing here allocates ([`build`] for tests apart), panics on input, or depends on another crate.
//! `key` reads the first
//! bytes of a frame and says which flow it belongs to; it runs on the forwarding core. The views
//! (one module per protocol family) are what the analyzers decode with: once `new_checked`
//! succeeded, no accessor of that view can panic or read outside the slice it was given.
#![deny(unsafe_code)]

pub mod arp;
pub mod build;
pub mod checksum;
pub mod cooked;
pub mod error;
pub mod ethernet;
pub mod gre;
pub mod gtpu;
pub mod hash;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod key;
pub mod number;
pub mod ppp;
mod read;
pub mod sctp;
pub mod tcp;
pub mod udp;
pub mod vxlan;

pub use error::{Layer, ViewError};
pub use hash::{Subject, SymmetricHash};
pub use key::{Endpoint, FlowKey, FlowKeyMode, KeyKind, KeyOptions, Tunnel, flow_key};
