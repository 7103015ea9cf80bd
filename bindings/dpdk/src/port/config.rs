//! Configuration of a port: only the offloads that are needed and advertised, and a report of what
//! became of each wish.

use std::fmt;
use std::sync::Arc;

use umbra_dpdk_sys as sys;

use super::info::{rx_offload_names, tx_offload_names};
use super::{
    ConfigureError, Outcome, Phase, Port, PortHandle, PortInfo, PortKind, PortReport, PortShared,
    PortState, RssReport, RxQueue, Subject, TxQueue,
};
use crate::errno::{Errno, check};
use crate::mempool::Mempool;

/// Frames in several segments: scattered rx, multi-segment tx. Both cost some drivers their vector
/// paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Segmentation {
    /// When the longest frame of the MTU does not fit a data room.
    #[default]
    IfNeeded,
    /// Whenever the device can.
    Always,
    /// Not at all: longer frames are the device's to drop.
    Never,
}

/// Spreading over rx queues, and the NIC's hash in the mbufs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rss {
    #[default]
    Off,
    /// Symmetric, so that both directions of a flow meet in one queue. Where the NIC has a symmetric
    /// function it gets `key` (52 random bytes serve all NICs), and the hash is good to sample by.
    /// Elsewhere symmetry needs a key whose 16 bits repeat: then the known key 6d5a is used, and only
    /// if there are several queues.
    Symmetric { key: Vec<u8> },
}

/// What is wished of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    pub rx_queues: u16,
    pub tx_queues: u16,
    pub rx_desc: u16,
    pub tx_desc: u16,
    /// Bytes; `None`: 1500. Given to the driver at configuration, since several refuse it later.
    pub mtu: Option<u16>,
    pub promiscuous: bool,
    pub all_multicast: bool,
    pub segmentation: Segmentation,
    pub rss: Rss,
    /// Neither send nor obey pause frames.
    pub flow_control_off: bool,
    /// Let the device put sent mbufs straight back to their pool. Done where it is advertised, frames
    /// are in one segment, and there is one pool in the process; then there can be no second.
    pub fast_free: bool,
}

impl Default for PortConfig {
    fn default() -> Self {
        PortConfig {
            rx_queues: 1,
            tx_queues: 1,
            rx_desc: 1024,
            tx_desc: 1024,
            mtu: None,
            promiscuous: true,
            all_multicast: true,
            segmentation: Segmentation::IfNeeded,
            rss: Rss::Off,
            flow_control_off: true,
            fast_free: false,
        }
    }
}

/// Ethernet header, two VLAN tags and FCS.
const FRAME_OVERHEAD: u32 = 14 + 2 * 4 + 4;
const DEFAULT_MTU: u16 = 1500;

/// A port that is configured and not started.
pub struct ConfiguredPort {
    shared: Arc<PortShared>,
}

impl fmt::Debug for ConfiguredPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredPort").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

/// A port that runs.
#[derive(Debug)]
pub struct StartedPort {
    /// For control.
    pub port: PortHandle,
    /// For the workers, queue 0 first.
    pub rx: Vec<RxQueue>,
    /// For the workers, queue 0 first.
    pub tx: Vec<TxQueue>,
    /// What became of the configuration.
    pub report: PortReport,
}

impl Port {
    /// Configures it and sets up its queues; rx fills from `pools`, one for all queues or one each.
    ///
    /// # Errors
    /// [`ConfigureError`], which names the legal range. What the device lacks is no error but a note of
    /// the report.
    pub fn configure(
        self,
        config: &PortConfig,
        pools: &[Mempool],
    ) -> Result<ConfiguredPort, ConfigureError> {
        let info = self.info()?;
        let plan = Plan::make(&info, config, pools)?;
        let shared = self.shared;
        let mut state = shared.lock();
        plan.apply(&shared, &mut state, &info, config, pools)?;
        drop(state);
        Ok(ConfiguredPort { shared })
    }
}

impl ConfiguredPort {
    /// What became of the configuration so far; modes are set at the start.
    pub fn report(&self) -> Option<PortReport> {
        self.shared.lock().report.clone()
    }

    /// Starts it and gives its queues away.
    ///
    /// # Errors
    /// [`ConfigureError::Start`].
    pub fn start(self) -> Result<StartedPort, ConfigureError> {
        let mut state = self.shared.lock();
        let (rx, tx) = start_locked(&self.shared, &mut state)
            .map_err(|errno| ConfigureError::Start { port: self.shared.name.clone(), errno })?;
        let Some(report) = state.report.clone() else {
            unreachable!("a configured port has a report");
        };
        drop(state);
        Ok(StartedPort { port: PortHandle(self.shared), rx, tx, report })
    }
}

/// Decisions, before the driver is touched.
struct Plan {
    conf: sys::shim_eth_conf,
    key: Vec<u8>,
    report: PortReport,
}

impl Plan {
    fn make(
        info: &PortInfo,
        config: &PortConfig,
        pools: &[Mempool],
    ) -> Result<Plan, ConfigureError> {
        let port = || info.name.clone();
        if config.rx_queues == 0 || config.tx_queues == 0 {
            return Err(ConfigureError::NoQueues { port: port() });
        }
        if pools.is_empty() || (pools.len() > 1 && pools.len() < usize::from(config.rx_queues)) {
            let (queues, pools) = (config.rx_queues, pools.len());
            return Err(ConfigureError::Pools { port: port(), queues, pools });
        }
        let mtu = config.mtu.unwrap_or(DEFAULT_MTU);
        if mtu < info.min_mtu || (info.max_mtu != 0 && mtu > info.max_mtu) {
            return Err(ConfigureError::Mtu {
                port: port(),
                driver: info.driver.clone(),
                asked: mtu,
                min: info.min_mtu,
                max: info.max_mtu,
            });
        }
        for pool in pools {
            if u32::from(pool.data_room()) < info.min_rx_bufsize {
                return Err(ConfigureError::DataRoom {
                    port: port(),
                    driver: info.driver.clone(),
                    pool: pool.name().to_owned(),
                    data_room: pool.data_room(),
                    min: info.min_rx_bufsize,
                });
            }
        }
        let report = PortReport {
            name: info.name.clone(),
            driver: info.driver.clone(),
            rx_queues: config.rx_queues,
            tx_queues: config.tx_queues,
            rx_desc: config.rx_desc,
            tx_desc: config.tx_desc,
            mtu,
            rx_offloads: Vec::new(),
            tx_offloads: Vec::new(),
            scatter: false,
            multi_segs: false,
            fast_free: false,
            tx_segments_max: info.tx_segments_max,
            rss: RssReport::Off,
            notes: Vec::new(),
        };
        let conf = sys::shim_eth_conf {
            rx_queues: config.rx_queues,
            tx_queues: config.tx_queues,
            mtu: u32::from(mtu),
            rx_offloads: 0,
            tx_offloads: 0,
            rss_fields: 0,
            rss_key: std::ptr::null(),
            rss_key_len: 0,
            rss_symmetric: false,
        };
        let mut plan = Plan { conf, key: Vec::new(), report };
        plan.queues(info, config);
        plan.segmentation(info, config, pools, mtu);
        plan.rss(info, config);
        plan.fast_free(info, config, pools);
        plan.conf.rx_queues = plan.report.rx_queues;
        plan.conf.tx_queues = plan.report.tx_queues;
        plan.report.rx_offloads = rx_offload_names(plan.conf.rx_offloads);
        plan.report.tx_offloads = tx_offload_names(plan.conf.tx_offloads);
        Ok(plan)
    }

    fn queues(&mut self, info: &PortInfo, config: &PortConfig) {
        let report = &mut self.report;
        if config.rx_queues > info.max_rx_queues {
            report.rx_queues = info.max_rx_queues;
            let reason =
                format!("{} asked, {} has {}", config.rx_queues, info.driver, info.max_rx_queues);
            report.note(Subject::RxQueues, Outcome::Adjusted, reason);
        }
        if config.tx_queues > info.max_tx_queues {
            report.tx_queues = info.max_tx_queues;
            let reason =
                format!("{} asked, {} has {}", config.tx_queues, info.driver, info.max_tx_queues);
            report.note(Subject::TxQueues, Outcome::Adjusted, reason);
        }
        // A NIC without RSS delivers all to queue 0. The queues of a virtual device are filled by what
        // stands behind it (rings, a guest, the kernel), so all of them must be polled.
        let wants_rss = config.rss != Rss::Off;
        let no_rss = info.rss_fields == 0;
        if wants_rss && no_rss && report.rx_queues > 1 && info.kind == PortKind::Pci {
            let reason = format!(
                "{} asked; {} has no RSS to fill more than one",
                config.rx_queues, info.driver
            );
            report.rx_queues = 1;
            report.note(Subject::RxQueues, Outcome::Adjusted, reason);
        }
    }

    fn segmentation(&mut self, info: &PortInfo, config: &PortConfig, pools: &[Mempool], mtu: u16) {
        let longest = u32::from(mtu) + FRAME_OVERHEAD;
        let room = pools.iter().map(|p| u32::from(p.data_room())).min().unwrap_or(0);
        let wanted = match config.segmentation {
            Segmentation::IfNeeded => longest > room,
            Segmentation::Always => true,
            Segmentation::Never => {
                if longest > room {
                    let reason = format!(
                        "frames of {longest} bytes do not fit {room}: dropped by the device"
                    );
                    self.report.note(Subject::Scatter, Outcome::Disabled, reason);
                }
                false
            }
        };
        if !wanted {
            return;
        }
        let scatter = sys::SHIM_ETH_RX_OFFLOAD_SCATTER;
        if info.rx_offload_capa & scatter != 0 {
            self.conf.rx_offloads |= scatter;
            self.report.scatter = true;
            self.report.note(Subject::Scatter, Outcome::Enabled, "");
        } else {
            let reason = format!(
                "{} does not advertise it; frames of more than {room} bytes may be dropped",
                info.driver
            );
            self.report.note(Subject::Scatter, Outcome::Refused, reason);
        }
        let multi_segs = sys::SHIM_ETH_TX_OFFLOAD_MULTI_SEGS;
        if info.tx_offload_capa & multi_segs != 0 {
            self.conf.tx_offloads |= multi_segs;
            self.report.multi_segs = true;
            self.report.note(Subject::MultiSegments, Outcome::Enabled, "");
        } else {
            let reason = format!("{} does not advertise it", info.driver);
            self.report.note(Subject::MultiSegments, Outcome::Refused, reason);
        }
    }

    fn rss(&mut self, info: &PortInfo, config: &PortConfig) {
        let Rss::Symmetric { key } = &config.rss else {
            return;
        };
        let report = &mut self.report;
        let fields = info.rss_fields
            & (sys::SHIM_ETH_RSS_IP | sys::SHIM_ETH_RSS_TCP | sys::SHIM_ETH_RSS_UDP);
        if fields == 0 {
            let reason = format!("{} has none over IP, TCP or UDP", info.driver);
            report.note(Subject::Rss, Outcome::Refused, reason);
            return;
        }
        // Toeplitz keys are 40 bytes unless the driver says otherwise.
        let key_len = if info.hash_key_size == 0 { 40 } else { usize::from(info.hash_key_size) };
        if info.rss_symmetric && key.len() >= key_len {
            self.key = key[..key_len].to_vec();
            self.conf.rss_symmetric = true;
            report.rss = RssReport::SymmetricFunction { key: self.key.clone() };
            report.note(Subject::Rss, Outcome::Enabled, "symmetric function, full key");
        } else if report.rx_queues > 1 {
            self.key = [0x6d, 0x5a].into_iter().cycle().take(key_len).collect();
            report.rss = RssReport::RepeatedKey;
            let why = if info.rss_symmetric {
                format!("the key has {} bytes, {key_len} are needed", key.len())
            } else {
                "no symmetric function is advertised".to_owned()
            };
            let reason =
                format!("{why}: key 6d5a repeated, 16 bits of entropy, no hash to sample by");
            report.note(Subject::Rss, Outcome::Adjusted, reason);
        } else {
            let reason = "one queue, and no symmetric function with a full key to sample by";
            report.note(Subject::Rss, Outcome::Refused, reason);
            return;
        }
        self.conf.rss_fields = fields;
        let hash = sys::SHIM_ETH_RX_OFFLOAD_RSS_HASH;
        // Delivery of the hash costs the device a wider descriptor: only where it can be used.
        if report.rss.hash_is_samplable() {
            if info.rx_offload_capa & hash != 0 {
                self.conf.rx_offloads |= hash;
            } else {
                let reason = format!("{} does not deliver the hash in the mbuf", info.driver);
                report.note(Subject::Rss, Outcome::Adjusted, reason);
            }
        }
    }

    fn fast_free(&mut self, info: &PortInfo, config: &PortConfig, pools: &[Mempool]) {
        if !config.fast_free {
            return;
        }
        let offload = sys::SHIM_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
        let refusal = if info.tx_offload_capa & offload == 0 {
            format!("{} does not advertise it", info.driver)
        } else if self.report.multi_segs || self.report.scatter {
            "frames may have several segments".to_owned()
        } else if pools.len() != 1 || !pools[0].seal_as_only(&info.name) {
            "there is more than one pool".to_owned()
        } else {
            self.conf.tx_offloads |= offload;
            self.report.fast_free = true;
            self.report.note(Subject::FastFree, Outcome::Enabled, "");
            return;
        };
        self.report.note(Subject::FastFree, Outcome::Refused, refusal);
    }

    fn apply(
        mut self,
        port: &PortShared,
        state: &mut PortState,
        info: &PortInfo,
        config: &PortConfig,
        pools: &[Mempool],
    ) -> Result<(), ConfigureError> {
        if !self.key.is_empty() {
            self.conf.rss_key = self.key.as_ptr();
            self.conf.rss_key_len = u8::try_from(self.key.len()).unwrap_or(u8::MAX);
        }
        // SAFETY: the port is claimed and not started; the key outlives the call.
        check(unsafe { sys::shim_eth_dev_configure(port.id, &self.conf) }).map_err(|errno| {
            ConfigureError::Refused {
                port: port.name.clone(),
                driver: info.driver.clone(),
                rx_queues: self.conf.rx_queues,
                tx_queues: self.conf.tx_queues,
                errno,
            }
        })?;
        // From here on the device may hold the pools: they stay until it is closed.
        state.phase = Phase::Configured;
        state.pools = pools.to_vec();
        self.descriptors(port, config);
        let report = &self.report;
        let failed = |direction, queue, descriptors, errno| {
            let port = port.name.clone();
            ConfigureError::Queue { port, direction, queue, descriptors, errno }
        };
        let socket = info.node.socket() as u32;
        for queue in 0..report.rx_queues {
            let pool = &pools[usize::from(queue).min(pools.len() - 1)];
            // SAFETY: configured with this queue; the pool is kept in the port's state.
            let rc = unsafe {
                let pool = pool.as_ptr();
                sys::shim_eth_rx_queue_setup(port.id, queue, report.rx_desc, socket, pool)
            };
            check(rc).map_err(|errno| failed("rx", queue, report.rx_desc, errno))?;
        }
        for queue in 0..report.tx_queues {
            // SAFETY: configured with this queue.
            let rc =
                unsafe { sys::shim_eth_tx_queue_setup(port.id, queue, report.tx_desc, socket) };
            check(rc).map_err(|errno| failed("tx", queue, report.tx_desc, errno))?;
        }
        state.config = config.clone();
        state.report = Some(self.report);
        Ok(())
    }

    fn descriptors(&mut self, port: &PortShared, config: &PortConfig) {
        let (mut rx, mut tx) = (config.rx_desc, config.tx_desc);
        // SAFETY: configured; reads and writes two numbers.
        let rc = unsafe { sys::rte_eth_dev_adjust_nb_rx_tx_desc(port.id, &mut rx, &mut tx) };
        if rc != 0 {
            return;
        }
        for (subject, asked, given) in [
            (Subject::RxDescriptors, config.rx_desc, rx),
            (Subject::TxDescriptors, config.tx_desc, tx),
        ] {
            if asked != given {
                let reason = format!("{asked} asked, {given} is what the device can do");
                self.report.note(subject, Outcome::Adjusted, reason);
            }
        }
        (self.report.rx_desc, self.report.tx_desc) = (rx, tx);
    }
}

/// Starts a configured or stopped port and makes its queues.
pub(super) fn start_locked(
    port: &Arc<PortShared>,
    state: &mut PortState,
) -> Result<(Vec<RxQueue>, Vec<TxQueue>), Errno> {
    // SAFETY: configured with all its queues set up, not running, and under the port's lock.
    check(unsafe { sys::rte_eth_dev_start(port.id) })?;
    state.phase = Phase::Started;
    let config = state.config.clone();
    let Some(report) = &mut state.report else {
        unreachable!("a configured port has a report");
    };
    set_modes(port.id, &config, report);
    let rx = (0..report.rx_queues).map(|queue| RxQueue::new(port, queue)).collect();
    let tx = (0..report.tx_queues).map(|queue| TxQueue::new(port, queue)).collect();
    Ok((rx, tx))
}

/// Modes that ethdev sets on a started port.
fn set_modes(id: u16, config: &PortConfig, report: &mut PortReport) {
    let is_mode = |subject| {
        matches!(subject, Subject::Promiscuous | Subject::AllMulticast | Subject::FlowControl)
    };
    report.notes.retain(|note| !is_mode(note.subject));
    let mut set = |subject, outcome, rc: i32| match check(rc) {
        Ok(()) => report.note(subject, outcome, ""),
        Err(errno) => report.note(subject, Outcome::Refused, errno.to_string()),
    };
    // SAFETY: ethdev checks the id; the port's lock is held by the caller. So for those below.
    unsafe {
        if config.promiscuous {
            set(Subject::Promiscuous, Outcome::Enabled, sys::rte_eth_promiscuous_enable(id));
        } else {
            set(Subject::Promiscuous, Outcome::Disabled, sys::rte_eth_promiscuous_disable(id));
        }
        if config.all_multicast {
            set(Subject::AllMulticast, Outcome::Enabled, sys::rte_eth_allmulticast_enable(id));
        } else {
            set(Subject::AllMulticast, Outcome::Disabled, sys::rte_eth_allmulticast_disable(id));
        }
        if config.flow_control_off {
            set(Subject::FlowControl, Outcome::Disabled, sys::shim_eth_flow_ctrl_off(id));
        }
        let mut mtu = 0;
        if sys::rte_eth_dev_get_mtu(id, &mut mtu) == 0 && mtu != 0 && mtu != report.mtu {
            let reason = format!("{} asked, the driver has {mtu}", report.mtu);
            report.note(Subject::Mtu, Outcome::Adjusted, reason);
            report.mtu = mtu;
        }
    }
}
