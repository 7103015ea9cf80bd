//! The rigs: what stands around the worker in place of a NIC, or the NIC.
//!
//! | rig | ports | what the driver costs | frames |
//! |---|---|---|---|
//! | R1 | two `net_ring`, each looped on itself | next to nothing: pointers move | real ones go round, touched by nobody but umbra |
//! | R2 | two `net_null` | allocates and frees an mbuf; with `copy` also fills it | zeros |
//! | R3 | two `net_pcap`, `infinite_rx` | allocates and fills an mbuf from a preloaded capture, as a NIC does by DMA | those of a capture |
//! | R4 | two `net_vhost`, a guest on virtio-user | copies into and out of the guest's memory | go round through the guest |
//! | ports | two ports by PCI address | a NIC | a tester's |

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
    /// Port names or PCI addresses, as DPDK knows them.
    Ports { a: String, b: String },
}

impl Rig {
    /// Its number in the list above.
    pub(crate) fn number(&self) -> &'static str {
        match self {
            Rig::RingVdev { .. } | Rig::Ring { .. } | Rig::Line { .. } => "R1",
            Rig::Null { .. } => "R2",
            Rig::Pcap { .. } => "R3",
            Rig::Vhost { .. } => "R4",
            Rig::Ports { .. } => "ports",
        }
    }

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
            Rig::Ports { a, b } => [a, b].iter().map(|p| format!("--allow={p}")).collect(),
        }
    }

    /// Whether EAL may look for PCI devices.
    pub(crate) fn wants_pci(&self) -> bool {
        matches!(self, Rig::Ports { .. })
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
            Rig::Ports { a, b } => Some([a.clone(), b.clone()]),
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
