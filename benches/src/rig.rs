//! The rigs: what stands around the worker in place of a NIC, or the NIC.
//!
//! | rig | ports | what the driver costs | frames |
//! |---|---|---|---|
//! | R1 | two `net_ring`, each looped on itself | next to nothing: pointers move | real ones go round, touched by nobody but umbra |
//! | R2 | two `net_null` | allocates and frees an mbuf; with `copy` also fills it | zeros |
//! | R3 | two `net_pcap`, `infinite_rx` | allocates and fills an mbuf from a preloaded capture, as a NIC does by DMA | those of a capture |
//! | R4 | two `net_vhost`, a guest on virtio-user | copies into and out of the guest's memory | go round through the guest |
//! | ports | two ports by PCI address, or vdevs with their arguments | a NIC's or the vdev's | a tester's |

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ports;

/// What stands around the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Rig {
    /// `net_ring0` and `net_ring1` as EAL makes them, 1,024 slots each: what testpmd can have too.
    /// `frames` go round in each.
    RingVdev { frames: u32 },
    /// Ports on rings of our own, large enough for `frames` in each.
    Ring { frames: u32 },
    /// Ports on rings of so many slots whose outer ends belong to the tester of the same process. Port a
    /// receives, port b sends.
    Line { slots: u32 },
    /// `copy` fills the frame.
    Null { size: u16, copy: bool },
    /// The frames of `file`, again and again; what is sent is dropped.
    Pcap { file: PathBuf },
    /// `vhost0.sock` and `vhost1.sock` below `dir`; umbra makes them.
    Vhost { dir: PathBuf },
    /// As [`ports::parse`] takes them: PCI addresses, or vdevs with their arguments.
    Ports { a: String, b: String },
}

impl Rig {
    /// EAL arguments that make the devices of a wire.
    pub(crate) fn devices(&self, wire: u16) -> Vec<String> {
        let ports = [2 * wire, 2 * wire + 1];
        let vdevs = |of: &dyn Fn(u16) -> String| {
            ports.iter().map(|&i| format!("--vdev={}", of(i))).collect::<Vec<_>>()
        };
        match self {
            Rig::RingVdev { .. } => vdevs(&|i| format!("net_ring{i}")),
            Rig::Ring { .. } | Rig::Line { .. } => Vec::new(),
            Rig::Null { size, copy } => {
                vdevs(&|i| format!("net_null{i},size={size},copy={}", u8::from(*copy)))
            }
            Rig::Pcap { file } => {
                vdevs(&|i| format!("net_pcap{i},rx_pcap={},infinite_rx=1", file.display()))
            }
            Rig::Vhost { dir } => {
                vdevs(&|i| format!("net_vhost{i},iface={}/vhost{i}.sock", dir.display()))
            }
            Rig::Ports { a, b } => [a, b].iter().map(|port| ports::eal_argument(port)).collect(),
        }
    }

    /// Whether EAL may look for PCI devices.
    pub(crate) fn wants_pci(&self) -> bool {
        matches!(self, Rig::Ports { a, b } if ports::is_pci(a) || ports::is_pci(b))
    }

    /// Whether all memory must be one file: virtio-user hands it to the other side as a few descriptors.
    pub(crate) fn shares_memory(&self) -> bool {
        matches!(self, Rig::Ports { a, b } if [a, b].iter().any(|p| ports::shares_memory(p)))
    }

    /// Names of a wire's two ports, where EAL makes them.
    pub(crate) fn port_names(&self, wire: u16) -> Option<[String; 2]> {
        let vdev = |driver: &str| {
            Some([format!("{driver}{}", 2 * wire), format!("{driver}{}", 2 * wire + 1)])
        };
        match self {
            Rig::RingVdev { .. } => vdev("net_ring"),
            Rig::Ring { .. } | Rig::Line { .. } => None,
            Rig::Null { .. } => vdev("net_null"),
            Rig::Pcap { .. } => vdev("net_pcap"),
            Rig::Vhost { .. } => vdev("net_vhost"),
            Rig::Ports { a, b } => Some([a, b].map(|port| ports::name(port).to_owned())),
        }
    }

    /// Frames that are put into each ring before the start.
    pub(crate) fn preloaded(&self) -> u32 {
        match self {
            Rig::RingVdev { frames } | Rig::Ring { frames } => *frames,
            _ => 0,
        }
    }

    /// Mbufs that the rig keeps to itself beside what goes through the worker.
    pub(crate) fn mbufs_held(&self, capture_frames: u32) -> u32 {
        match self {
            Rig::RingVdev { frames } | Rig::Ring { frames } => frames * 2,
            // Each rx queue keeps the whole capture in mbufs of the pool.
            Rig::Pcap { .. } => capture_frames * 2,
            _ => 0,
        }
    }
}

impl fmt::Display for Rig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rig::RingVdev { .. } | Rig::Ring { .. } => f.write_str("R1 ring"),
            Rig::Line { .. } => f.write_str("R1 ring, tester in the process"),
            Rig::Null { copy: false, .. } => f.write_str("R2 null"),
            Rig::Null { copy: true, .. } => f.write_str("R2 null-copy"),
            Rig::Pcap { .. } => f.write_str("R3 pcap"),
            Rig::Vhost { .. } => f.write_str("R4 virtio"),
            Rig::Ports { a, b } => write!(f, "ports {a} and {b}"),
        }
    }
}

/// Which rig, as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RigKind {
    Ring,
    Null,
    NullCopy,
    Pcap,
    Virtio,
}

impl RigKind {
    /// All, in their order.
    pub(crate) const ALL: [RigKind; 5] =
        [RigKind::Ring, RigKind::Null, RigKind::NullCopy, RigKind::Pcap, RigKind::Virtio];

    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            RigKind::Ring => "ring",
            RigKind::Null => "null",
            RigKind::NullCopy => "null-copy",
            RigKind::Pcap => "pcap",
            RigKind::Virtio => "virtio",
        }
    }

    /// R1 to R4.
    pub(crate) fn number(self) -> &'static str {
        match self {
            RigKind::Ring => "R1",
            RigKind::Null | RigKind::NullCopy => "R2",
            RigKind::Pcap => "R3",
            RigKind::Virtio => "R4",
        }
    }
}

impl FromStr for RigKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        RigKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names: Vec<_> = RigKind::ALL.iter().map(|kind| kind.name()).collect();
            format!("rig {text:?}; legal: {}", names.join(", "))
        })
    }
}
