//! Manifests: TOML files that say what umbra forwards and how it is shadowed.
//!
//! Several files make one manifest. They are parsed with the places of all keys and values, read by
//! one table of keys ([`keys`]) that also makes the JSON Schema and the reference, and merged into
//! plain validated types ([`Manifest`]). Reading goes on after an error, so that all of them are
//! reported at once, each with its place, the value found and what would be legal. serde's
//! derived structs stop at the first error and know no places for missing keys, which is why they
//! are not used here.
//!
//! Relative paths in a manifest start at the folder that it is in, but for those within `eal`,
//! which DPDK takes from the working directory.

mod cross;
mod diagnostic;
pub mod eal;
mod eal_args;
mod host;
pub mod keys;
mod kinds;
mod load;
mod names;
mod profiles;
mod reader;
mod sections;
mod settings;
mod source;
mod suggest;
mod types;
mod values;
mod wires;

use std::path::PathBuf;

pub use diagnostic::{Class, Diagnostic, Diagnostics, Place, Severity, Warning};
pub use load::{LoadOptions, Purpose};
pub use names::{Core, Name, PciAddress, PortName, ProfileId};
pub use source::Position;
pub use types::{
    Appliance, Distribute, EveType, Governor, Host, Isolation, Manifest, Outputs, Policy, Poll,
    ProfileSpec, Remediation, RemediationMode, Shadowing, Wire,
};
pub use umbra_analyzers::profile::{ProfileConfig, ProfileKind};
pub use umbra_tap::{Percentage, Select};
pub use umbra_wire::{FlowKeyMode, Tunnel};

/// Where the control socket is when no manifest says so: below `/run` for root, who can write
/// there, and below `$XDG_RUNTIME_DIR` for others.
pub fn default_control_socket() -> PathBuf {
    let is_root = rustix::process::geteuid().is_root();
    let folder = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !is_root && !dir.is_empty());
    folder.map_or_else(|| PathBuf::from("/run"), PathBuf::from).join("umbra/control.sock")
}
