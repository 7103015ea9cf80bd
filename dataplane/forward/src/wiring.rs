//! From wires as they are wished to ports that run and queues for the workers.
//!
//! Queue `q` of a wire's ports belongs to worker `q` (rotated by the wire's index where a wire has
//! fewer queues than there are workers), both directions of it, so that a flow that RSS keeps on one
//! queue never changes its worker.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use umbra_dpdk::{
    ConfigureError, Eal, MbufDemand, Mempool, MempoolError, NumaNode, Port, PortConfig, PortError,
    PortHandle, PortInfo, PortKind, PortReport, Rss, RxQueue, Segmentation, StartedPort, TxQueue,
    mbufs_needed,
};
use umbra_tap::{BurstOrigin, Direction};

use crate::dpdk_io::LaneQueues;
use crate::io::TxLimits;
use crate::links::End;
use crate::netlink;
use crate::vdev::Vdev;
use crate::worker::LaneConfig;

/// Least frame that a NIC is given: several hang on a shorter one (17 bytes on Intel's, DPDK's
/// `i40e` and `ixgbe` guides).
const NIC_FRAME_MIN: u32 = 17;
/// Descriptors where neither manifest nor driver says.
const DESCRIPTORS: u16 = 1024;
/// Rx descriptors for workers that may sleep: the ring must outlast twice the sleep.
const DESCRIPTORS_ADAPTIVE: u16 = 4096;
/// Mbufs that a worker keeps to itself.
const MBUF_CACHE: u32 = 256;

/// A wire as it is wished. `None` is "as fits".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireSpec {
    /// Its name.
    pub name: String,
    /// Port a: a virtual device's name or a PCI address.
    pub a: String,
    /// Port b.
    pub b: String,
    /// Largest layer-3 packet in bytes.
    pub mtu_bytes: u16,
    /// Descriptors of an rx queue.
    pub rx_descriptors: Option<u16>,
    /// Descriptors of a tx queue.
    pub tx_descriptors: Option<u16>,
    /// Queue pairs of each port.
    pub queues: Option<u16>,
    /// Mbufs of the wire's pool.
    pub mbufs: Option<u32>,
    /// Mbufs that each worker keeps to itself.
    pub mbuf_cache: Option<u32>,
    /// Frames for any address.
    pub promiscuous: bool,
    /// One end's lost link takes the other end down.
    pub propagate_link: bool,
    /// Tries after the first when a burst did not fit.
    pub tx_retries: u32,
    /// Node of the pool.
    pub numa_node: Option<u16>,
}

/// What all wires share.
#[derive(Debug, Clone)]
pub struct WiringOptions {
    /// Number of workers.
    pub workers: usize,
    /// Workers may sleep when idle.
    pub adaptive: bool,
    /// Most frames of a burst.
    pub burst: u16,
    /// Virtual devices as EAL was told of them.
    pub vdevs: Vec<Vdev>,
    /// Key for NICs that hash symmetrically with any key; 52 secret random bytes.
    pub rss_key: Vec<u8>,
}

/// A wire cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// A port is not there or in use.
    #[error("wire {wire}: {source}")]
    Port { wire: String, source: PortError },
    /// The pool cannot be made.
    #[error("wire {wire}: {source}")]
    Pool { wire: String, source: MempoolError },
    /// A port refuses its configuration.
    #[error("wire {wire}: {source}")]
    Configure { wire: String, source: ConfigureError },
    /// More queues than a port has.
    #[error(
        "wire {wire}: queues = {asked}, but port {port} ({driver}) has {max}. Legal: 1–{max}; \
         leave queues out and umbra chooses"
    )]
    Queues { wire: String, port: String, driver: String, asked: u16, max: u16 },
}

/// A port of a wire.
#[derive(Debug)]
pub struct WiredPort {
    /// Its name.
    pub name: String,
    /// As EAL was told of it, for virtual devices.
    pub vdev: Option<Vdev>,
    /// What it can do.
    pub info: PortInfo,
    /// The kernel interface below it whose link is the truth, for AF_XDP, AF_PACKET and tap.
    pub netdev: Option<String>,
    /// For control; absent while the device is away.
    pub handle: Option<PortHandle>,
    /// As it was configured, to be done again.
    pub config: PortConfig,
    /// What became of the configuration.
    pub report: PortReport,
    /// Frames can leave by it. Read by workers.
    pub link_up: Arc<AtomicBool>,
}

/// Which lane of which worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LanePlace {
    /// Index of the worker.
    pub worker: usize,
    /// Index of the lane there.
    pub lane: usize,
    /// Queue number at both ports.
    pub queue: u16,
    /// Frames come in at this end.
    pub from: End,
}

/// A wire whose ports run.
#[derive(Debug)]
pub struct Wired {
    /// Its name.
    pub name: String,
    /// Ports a and b.
    pub ports: [WiredPort; 2],
    /// Its mbufs.
    pub pool: Mempool,
    /// Lanes over it.
    pub lanes: Vec<LanePlace>,
    /// One end's lost link takes the other end down.
    pub propagate_link: bool,
}

impl Wired {
    /// The port at an end.
    pub fn port(&self, end: End) -> &WiredPort {
        match end {
            End::A => &self.ports[0],
            End::B => &self.ports[1],
        }
    }

    /// The port at an end.
    pub fn port_mut(&mut self, end: End) -> &mut WiredPort {
        match end {
            End::A => &mut self.ports[0],
            End::B => &mut self.ports[1],
        }
    }
}

/// What a worker gets.
#[derive(Debug, Default)]
pub struct WorkerLanes {
    /// Queues by lane.
    pub queues: Vec<LaneQueues>,
    /// Configurations by lane.
    pub configs: Vec<LaneConfig>,
}

/// All wires and what the workers get of them.
#[derive(Debug)]
pub struct Wiring {
    /// In the order of their specifications.
    pub wires: Vec<Wired>,
    /// By worker.
    pub workers: Vec<WorkerLanes>,
    /// Rx descriptors of the smallest queue, and the fastest link in Mbit/s: what an adaptive worker
    /// bounds its sleep by.
    pub rx_descriptors_min: u16,
    /// The fastest link in Mbit/s.
    pub speed_max_mbps: u32,
}

/// Sets up all wires; every port is started when this returns.
pub fn wire_up(
    eal: &Eal,
    specs: &[WireSpec],
    options: &WiringOptions,
) -> Result<Wiring, WiringError> {
    let mut wiring = Wiring {
        wires: Vec::new(),
        workers: (0..options.workers).map(|_| WorkerLanes::default()).collect(),
        rx_descriptors_min: u16::MAX,
        speed_max_mbps: 10_000,
    };
    for (index, spec) in specs.iter().enumerate() {
        add_wire(eal, &mut wiring, index, spec, specs.len() == 1, options)?;
    }
    Ok(wiring)
}

fn add_wire(
    eal: &Eal,
    wiring: &mut Wiring,
    index: usize,
    spec: &WireSpec,
    is_only: bool,
    options: &WiringOptions,
) -> Result<(), WiringError> {
    let wire = || spec.name.clone();
    let port_error = |source| WiringError::Port { wire: wire(), source };
    let ports = [
        Port::by_name(eal, &spec.a).map_err(port_error)?,
        Port::by_name(eal, &spec.b).map_err(port_error)?,
    ];
    let infos = [ports[0].info().map_err(port_error)?, ports[1].info().map_err(port_error)?];
    let queues = choose_queues(spec, &infos, options.workers)?;
    let config = PortConfig {
        rx_queues: queues,
        tx_queues: queues,
        mtu: Some(spec.mtu_bytes),
        promiscuous: spec.promiscuous,
        all_multicast: true,
        segmentation: Segmentation::IfNeeded,
        rss: Rss::Symmetric { key: options.rss_key.clone() },
        flow_control_off: true,
        // Where it is advertised, by NICs, and there is but one pool in the process.
        fast_free: is_only,
        ..PortConfig::default()
    };
    let configs = infos.each_ref().map(|info| {
        let (rx_desc, tx_desc) = choose_descriptors(spec, info, options.adaptive);
        PortConfig { rx_desc, tx_desc, ..config.clone() }
    });
    let pool = make_pool(eal, index, spec, &infos[0], &configs, queues, options)?;
    let mut started = Vec::new();
    for ((port, info), config) in ports.into_iter().zip(infos).zip(configs) {
        let vdev = options.vdevs.iter().find(|v| v.name == info.name).cloned();
        let netdev = kernel_interface(&info, vdev.as_ref());
        if let Some(name) = &netdev {
            bring_up(name);
        }
        let running = port
            .configure(&config, std::slice::from_ref(&pool))
            .and_then(|port| port.start())
            .map_err(|source| WiringError::Configure { wire: wire(), source })?;
        wiring.rx_descriptors_min = wiring.rx_descriptors_min.min(running.report.rx_desc);
        if let Ok(link) = running.port.link() {
            wiring.speed_max_mbps = wiring.speed_max_mbps.max(link.speed_mbps.unwrap_or(0));
        }
        started.push((running, info, vdev, netdev, config));
    }
    let (b, a) = (started.pop(), started.pop());
    let (Some(a), Some(b)) = (a, b) else {
        unreachable!("two ports were started");
    };
    let trust = a.0.report.rss.hash_is_samplable() && a.0.report.rss == b.0.report.rss;
    let (port_a, rx_a, tx_a) = wired_port(a);
    let (port_b, rx_b, tx_b) = wired_port(b);
    let mut wired = Wired {
        name: wire(),
        ports: [port_a, port_b],
        pool,
        lanes: Vec::new(),
        propagate_link: spec.propagate_link,
    };
    let limits = wired.ports.each_ref().map(|p| tx_limits(&p.info, &p.report));
    let place = |wiring: &mut Wiring, wired: &mut Wired, queue: usize, from: End, rx, tx| {
        let worker = (queue + index) % options.workers.max(1);
        let lanes = &mut wiring.workers[worker];
        let to = from.twin();
        let direction = if from == End::A { Direction::AtoB } else { Direction::BtoA };
        wired.lanes.push(LanePlace { worker, lane: lanes.queues.len(), queue: queue as u16, from });
        lanes.queues.push(LaneQueues {
            rx: Some(rx),
            tx: Some(tx),
            limits: limits[if to == End::A { 0 } else { 1 }],
            trust_nic_hash: trust,
        });
        lanes.configs.push(LaneConfig {
            origin: BurstOrigin { wire: index as u16, direction },
            tap: Some(0),
            tx_link_up: Arc::clone(&wired.port(to).link_up),
            tx_retries: spec.tx_retries,
        });
    };
    for (queue, (rx, tx)) in rx_a.into_iter().zip(tx_b).enumerate() {
        place(wiring, &mut wired, queue, End::A, rx, tx);
    }
    for (queue, (rx, tx)) in rx_b.into_iter().zip(tx_a).enumerate() {
        place(wiring, &mut wired, queue, End::B, rx, tx);
    }
    wiring.wires.push(wired);
    Ok(())
}

type Started = (StartedPort, PortInfo, Option<Vdev>, Option<String>, PortConfig);

fn wired_port(started: Started) -> (WiredPort, Vec<RxQueue>, Vec<TxQueue>) {
    let (running, info, vdev, netdev, config) = started;
    let StartedPort { port, rx, tx, report } = running;
    let wired = WiredPort {
        name: info.name.clone(),
        vdev,
        info,
        netdev,
        handle: Some(port),
        config,
        report,
        // Until the link monitor has looked: a frame lost to tx_full or to link_down is lost.
        link_up: Arc::new(AtomicBool::new(true)),
    };
    (wired, rx, tx)
}

/// What the device behind a port can be given. Virtual devices copy: nothing hangs them.
pub(crate) fn tx_limits(info: &PortInfo, report: &PortReport) -> TxLimits {
    if info.kind != PortKind::Pci {
        return TxLimits::NONE;
    }
    TxLimits {
        min_len: NIC_FRAME_MIN,
        max_segments: match (report.multi_segs, report.tx_segments_max) {
            (false, _) => 1,
            (true, max) => max.map_or(u32::MAX, u32::from),
        },
    }
}

/// The interface whose state is the port's truth: NICs that share a netdev with the kernel tell
/// their link themselves.
fn kernel_interface(info: &PortInfo, vdev: Option<&Vdev>) -> Option<String> {
    if info.kind == PortKind::Pci {
        return None;
    }
    vdev.and_then(Vdev::netdev).map(str::to_owned).or_else(|| info.netdev.clone())
}

/// Frames pass an interface only while it is up.
pub(crate) fn bring_up(name: &str) {
    match netlink::find(name) {
        Ok(Some(dev)) if !dev.admin_up => match netlink::set_admin_up(dev.index, true) {
            Ok(()) => log::info!("interface {name} was down: brought up"),
            Err(e) => log::warn!(
                "interface {name} is down and cannot be brought up ({e}): ip link set {name} up"
            ),
        },
        Ok(_) => {}
        Err(e) => log::warn!("interface {name} cannot be asked for: {e}"),
    }
}

fn choose_queues(
    spec: &WireSpec,
    infos: &[PortInfo; 2],
    workers: usize,
) -> Result<u16, WiringError> {
    let max = |info: &PortInfo| info.max_rx_queues.min(info.max_tx_queues).max(1);
    if let Some(asked) = spec.queues {
        for info in infos {
            if asked > max(info) {
                return Err(WiringError::Queues {
                    wire: spec.name.clone(),
                    port: info.name.clone(),
                    driver: info.driver.clone(),
                    asked,
                    max: max(info),
                });
            }
        }
        return Ok(asked);
    }
    let wanted = u16::try_from(workers).unwrap_or(u16::MAX).max(1);
    let most = max(&infos[0]).min(max(&infos[1]));
    let can_spread = infos.iter().all(|info| info.rss_fields != 0);
    let queues = if can_spread { wanted.min(most) } else { 1 };
    if queues < wanted {
        let why = if can_spread {
            format!("the ports have {most}")
        } else {
            let without: Vec<_> =
                infos.iter().filter(|i| i.rss_fields == 0).map(|i| &*i.driver).collect();
            format!("{} cannot spread flows (no RSS)", without.join(" and "))
        };
        log::info!("wire {}: {queues} queue(s) for {wanted} workers: {why}", spec.name);
    }
    Ok(queues)
}

fn choose_descriptors(spec: &WireSpec, info: &PortInfo, adaptive: bool) -> (u16, u16) {
    let or = |given: Option<u16>, driver: u16, usual: u16| {
        given.unwrap_or(if driver != 0 { driver } else { usual })
    };
    let rx = if adaptive && spec.rx_descriptors.is_none() {
        DESCRIPTORS_ADAPTIVE.min(info.rx_desc.max)
    } else {
        or(spec.rx_descriptors, info.default_rx_desc, DESCRIPTORS)
    };
    (rx, or(spec.tx_descriptors, info.default_tx_desc, DESCRIPTORS))
}

fn make_pool(
    eal: &Eal,
    index: usize,
    spec: &WireSpec,
    info: &PortInfo,
    configs: &[PortConfig; 2],
    queues: u16,
    options: &WiringOptions,
) -> Result<Mempool, WiringError> {
    let cache = spec.mbuf_cache.unwrap_or(MBUF_CACHE);
    let demand = MbufDemand {
        ports: 2,
        queues: u32::from(queues),
        rx_desc: u32::from(configs[0].rx_desc.max(configs[1].rx_desc)),
        tx_desc: u32::from(configs[0].tx_desc.max(configs[1].tx_desc)),
        burst: u32::from(options.burst),
        cores: options.workers as u32 + 1,
        cache,
    };
    let needed = mbufs_needed(demand);
    let mbufs = spec.mbufs.unwrap_or(needed);
    if mbufs < needed {
        log::warn!(
            "wire {}: mbufs = {mbufs}, but full descriptors, bursts and caches can hold {needed}: \
             rx may starve (rx_nombuf)",
            spec.name
        );
    }
    let node = spec.numa_node.map_or(info.node, |n| NumaNode::Node(u32::from(n)));
    let name = format!("umbra_wire{index}");
    Mempool::pktmbuf(eal, &name, mbufs, cache, umbra_dpdk::DEFAULT_DATA_ROOM, node)
        .map_err(|source| WiringError::Pool { wire: spec.name.clone(), source })
}

/// A pool for one port alone, of the size that its queues need.
pub(crate) fn pool_of_port(
    eal: &Eal,
    name: &str,
    port: &WiredPort,
) -> Result<Mempool, MempoolError> {
    let demand = MbufDemand {
        ports: 1,
        queues: u32::from(port.report.rx_queues),
        rx_desc: u32::from(port.report.rx_desc),
        tx_desc: u32::from(port.report.tx_desc),
        burst: umbra_tap::MAX_BURST as u32,
        cores: 2,
        cache: MBUF_CACHE,
    };
    let mbufs = mbufs_needed(demand);
    Mempool::pktmbuf(eal, name, mbufs, MBUF_CACHE, umbra_dpdk::DEFAULT_DATA_ROOM, port.info.node)
}

/// What a port is, in the words of an operator: `PCI address`, `vdev`, `vdev on netdev veth0`.
pub fn describe_kind(port: &WiredPort) -> String {
    match (&port.info.kind, &port.netdev) {
        (PortKind::Pci, _) => "PCI address".to_owned(),
        (_, Some(netdev)) => format!("vdev on netdev {netdev}"),
        (PortKind::Vdev, None) => "vdev".to_owned(),
        (PortKind::Other { bus }, None) => format!("device on bus {bus}"),
    }
}

/// What happens to frames at this port once umbra has stopped.
pub fn after_stop(port: &WiredPort) -> &'static str {
    match port.info.driver.as_str() {
        "net_af_xdp" | "net_af_packet" => {
            "frames go to the kernel's stack on the interface again; the wire is open"
        }
        "net_vhost" => "the guest sees its link go down",
        "net_tap" => "the interface disappears",
        _ if port.info.kind == PortKind::Pci => {
            "the NIC drops all frames; its neighbours may see the link go down"
        }
        _ => "nothing is forwarded",
    }
}

/// One line per port, for the log and `umbra run`.
pub fn describe(wired: &Wired, end: End) -> String {
    let port = wired.port(end);
    let report = &port.report;
    let offloads = |rx: &[String], tx: &[String]| {
        let all: Vec<String> = rx
            .iter()
            .map(|o| format!("rx {}", o.to_lowercase()))
            .chain(tx.iter().map(|o| format!("tx {}", o.to_lowercase())))
            .collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    };
    format!(
        "wire {}.{}: port {} is a {} (driver {}), NUMA node {}; {} queue pair(s), {} rx and {} tx \
         descriptors, {} mbufs shared by the wire, MTU {}; offloads: {}; when umbra stops: {}",
        wired.name,
        if end == End::A { "a" } else { "b" },
        port.name,
        describe_kind(port),
        report.driver,
        port.info.node,
        report.rx_queues,
        report.rx_desc,
        report.tx_desc,
        wired.pool.size(),
        report.mtu,
        offloads(&report.rx_offloads, &report.tx_offloads),
        after_stop(port),
    )
}
