//! What a manifest means once it has been validated.
//!
//! Plain data: whoever runs it reads the fields. A field bears its key's name, with the unit where
//! the key has none. `None` means "automatic": whoever knows the device or the machine chooses and
//! says what was chosen.

use std::collections::BTreeSet;
use std::path::PathBuf;

use umbra_analyzers::profile::ProfileConfig;
use umbra_tap::{Percentage, Select};
use umbra_wire::{FlowKeyMode, Tunnel};

use crate::eve::AlertOptions;

use super::names::{Core, Name, PortName, ProfileId};

/// Everything that the files given to umbra say, merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The process and its cores. Defaults when no file has `[host]`.
    pub host: Host,
    /// The appliance that the wires belong to.
    pub appliance: Appliance,
    /// In the order of the files and of the sections within them; never empty for `umbra run`.
    pub wires: Vec<Wire>,
    /// How the wires are shadowed.
    pub shadowing: Shadowing,
    /// The profiles of `shadow_analysis_profiles`, in that order, each resolved.
    pub profiles: Vec<ProfileSpec>,
    /// Who sets the sampled percentage.
    pub governor: Governor,
    /// What is done about an alert.
    pub remediation: Remediation,
    /// What is written where.
    pub outputs: Outputs,
    /// The files that were read, as they were given.
    pub sources: Vec<PathBuf>,
}

/// `[host]`: EAL arguments and cores.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// EAL arguments, without core lists; [`super::eal`] adds those.
    pub eal: Vec<String>,
    /// Cores that forward, in the order in which queues are given out.
    pub workers: Option<Vec<Core>>,
    /// Cores of the shadow instances and of control.
    pub analyzers: Option<Vec<Core>>,
    /// Whether a worker without work keeps polling.
    pub poll: Poll,
    /// The control socket; `None`: [`super::default_control_socket`].
    pub control_socket: Option<PathBuf>,
}

/// What a worker does while nothing arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Poll {
    /// Polls without a pause.
    #[default]
    Busy,
    /// Backs off, never longer than half the time in which the descriptor ring fills.
    Adaptive,
}

/// `[appliance]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appliance {
    /// Its name, in every event and metric.
    pub name: Name,
    /// The image that copies of the appliance are made of.
    pub appliance_image: Option<PathBuf>,
}

/// `[[wire]]`: two ports; what enters one leaves the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// Unique among the wires.
    pub name: Name,
    /// One end.
    pub a: PortName,
    /// The other end, never the same as `a`.
    pub b: PortName,
    /// Largest layer-3 packet, in bytes, without Ethernet header and VLAN tags.
    pub mtu_bytes: u16,
    /// Descriptors of a receive queue.
    pub rx_descriptors: Option<u16>,
    /// Descriptors of a transmit queue.
    pub tx_descriptors: Option<u16>,
    /// Queue pairs of each port; a queue belongs to one worker.
    pub queues: Option<u16>,
    /// Frames asked for by one receive call.
    pub burst_frames: u16,
    /// Packet buffers of the wire's pool.
    pub mbufs: Option<u32>,
    /// Packet buffers that each worker keeps to itself.
    pub mbuf_cache: Option<u16>,
    /// Take frames for any address.
    pub promiscuous: bool,
    /// Take one end down when the other loses its link.
    pub propagate_link: bool,
    /// How often the rest of a burst is offered again before it is dropped.
    pub tx_retries: u16,
    /// NUMA node of the pool; `None`: the port's.
    pub numa_node: Option<u16>,
}

/// `[shadowing]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Shadowing {
    /// Whether anything is copied at all.
    pub shadow_enabled: bool,
    /// Shadow instances.
    pub shadow_instance_count: u16,
    /// Where the governor starts.
    pub shadow_traffic_percentage: Percentage,
    /// The ids of [`Manifest::profiles`].
    pub shadow_analysis_profiles: Vec<ProfileId>,
    /// What is selected together.
    pub select: Select,
    /// What each instance gets of the selection.
    pub distribute: Distribute,
    /// Bytes copied of a frame; `None`: all.
    pub snaplen_bytes: Option<u16>,
    /// Size of one mirror ring (worker × instance), a power of two.
    pub ring_bytes: usize,
    /// Which header of a tunnel the flow is taken from.
    pub tunnel: Tunnel,
    /// What makes a flow.
    pub flow_key: FlowKeyMode,
    /// What contains a profile that fails.
    pub isolation: Isolation,
}

/// How the selection is given to the instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Distribute {
    /// Every flow to one instance.
    #[default]
    Shard,
    /// Everything to every instance.
    Replicate,
}

/// What contains a profile that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// A thread of umbra.
    #[default]
    Thread,
}

/// One analysis to run: a standard profile, or a `[[profile]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileSpec {
    /// As `shadow_analysis_profiles` names it.
    pub id: ProfileId,
    /// Its kind and settings, which the kind's factory has found valid.
    pub config: ProfileConfig,
}

/// `[governor]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Governor {
    /// How the percentage is set.
    pub policy: Policy,
    /// Never below.
    pub min_percentage: Percentage,
    /// Never above; also the bound of `umbra ctl percentage`.
    pub max_percentage: Percentage,
}

/// How the sampled percentage is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// It stays where it was put.
    #[default]
    Static,
}

/// `[remediation]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remediation {
    /// What is done about an alert.
    pub mode: RemediationMode,
}

/// What is done about an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RemediationMode {
    /// Nothing; what would be done is said.
    #[default]
    Observe,
}

/// `[outputs]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// Where files are written; `None`: no file has `[outputs]`, and none is written.
    pub directory: Option<PathBuf>,
    /// The EVE file, joined to `directory`; `None`: off.
    pub eve: Option<PathBuf>,
    /// Which records go into it.
    pub eve_types: BTreeSet<EveType>,
    /// What alerts say beside what they always say.
    pub eve_alert: AlertOptions,
    /// Records of flows have their `community_id`.
    pub eve_community_id: bool,
    /// Seconds between two `stats` records.
    pub stats_interval_s: u32,
}

/// EVE records that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EveType {
    /// One record per flow that ended.
    Flow,
    /// All counters, every `stats_interval_s`.
    Stats,
    /// Rules that matched, and findings.
    Alert,
    /// Decode faults, a record for each.
    Anomaly,
    /// HTTP requests with their responses.
    Http,
    /// DNS queries and answers.
    Dns,
    /// TLS handshakes.
    Tls,
    /// Files seen.
    Fileinfo,
    /// Mails.
    Smtp,
    /// SSH handshakes.
    Ssh,
    /// FTP commands and transfers.
    Ftp,
    /// SMB requests.
    Smb,
    /// DCE/RPC calls outside of SMB.
    Dcerpc,
}
