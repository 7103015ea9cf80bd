//! What a port's driver and device can do.

use std::ffi::{CStr, c_char};

use umbra_dpdk_sys as sys;

use super::{PortError, PortShared};
use crate::eal::NumaNode;
use crate::errno::{Errno, check};

/// What a port stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortKind {
    /// A PCI function.
    Pci,
    /// A virtual device of DPDK's.
    Vdev,
    /// Another bus.
    Other { bus: String },
}

/// Legal numbers of descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorLimits {
    pub min: u16,
    pub max: u16,
    /// A number of descriptors is a multiple of this.
    pub align: u16,
}

/// A port's abilities, as ethdev tells them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortInfo {
    /// DPDK's number.
    pub id: u16,
    /// Name of the port.
    pub name: String,
    /// Name of the driver, `net_ixgbe`.
    pub driver: String,
    /// Name of the device that it is on; differs from the port's where a device has several.
    pub device: String,
    pub kind: PortKind,
    /// The kernel interface below it, for af_packet, af_xdp, tap, and drivers that share a NIC.
    pub netdev: Option<String>,
    pub node: NumaNode,
    pub max_rx_queues: u16,
    pub max_tx_queues: u16,
    pub rx_desc: DescriptorLimits,
    pub tx_desc: DescriptorLimits,
    /// Most segments of a frame that can be sent (`nb_mtu_seg_max`), where the driver says.
    pub tx_segments_max: Option<u16>,
    pub min_mtu: u16,
    pub max_mtu: u16,
    /// Longest frame that can be received, with headers and FCS.
    pub max_rx_pktlen: u32,
    /// Least data room of an rx mbuf.
    pub min_rx_bufsize: u32,
    /// `RTE_ETH_RX_OFFLOAD_…` bits.
    pub rx_offload_capa: u64,
    /// `RTE_ETH_TX_OFFLOAD_…` bits.
    pub tx_offload_capa: u64,
    /// Names of those.
    pub rx_offloads: Vec<String>,
    /// Names of those.
    pub tx_offloads: Vec<String>,
    /// `RTE_ETH_RSS_…` bits that it can hash on; 0 without RSS.
    pub rss_fields: u64,
    /// It has a symmetric function that works with any key (DPDK from 23.11 on tells).
    pub rss_symmetric: bool,
    /// Entries of the redirection table.
    pub reta_size: u16,
    /// Bytes; 0 where it does not say.
    pub hash_key_size: u16,
    /// Speeds in Mbit/s.
    pub speeds_mbps: Vec<u32>,
    /// What the driver recommends; 0 where it does not.
    pub default_rx_desc: u16,
    /// What the driver recommends; 0 where it does not.
    pub default_tx_desc: u16,
}

pub(super) fn read_raw(id: u16) -> Result<sys::shim_eth_info, Errno> {
    let mut raw = std::mem::MaybeUninit::<sys::shim_eth_info>::zeroed();
    // SAFETY: the shim fills the structure; ethdev checks the id.
    check(unsafe { sys::shim_eth_dev_info_get(id, raw.as_mut_ptr()) })?;
    // SAFETY: filled, and all zeroes before it was, which is valid for all its fields.
    Ok(unsafe { raw.assume_init() })
}

pub(super) fn text(chars: &[c_char]) -> String {
    let bytes = chars.iter().take_while(|&&c| c != 0).map(|&c| c.to_ne_bytes()[0]);
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

fn static_text(text: *const c_char) -> String {
    if text.is_null() {
        return "unknown".into();
    }
    // SAFETY: a driver's name is a static NUL-terminated string.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

pub(super) fn rx_offload_names(offloads: u64) -> Vec<String> {
    // SAFETY: returns a static string for any bit.
    bits(offloads)
        .map(|bit| static_text(unsafe { sys::rte_eth_dev_rx_offload_name(bit) }))
        .collect()
}

pub(super) fn tx_offload_names(offloads: u64) -> Vec<String> {
    // SAFETY: returns a static string for any bit.
    bits(offloads)
        .map(|bit| static_text(unsafe { sys::rte_eth_dev_tx_offload_name(bit) }))
        .collect()
}

fn bits(word: u64) -> impl Iterator<Item = u64> {
    (0..64).map(|shift| 1u64 << shift).filter(move |bit| word & bit != 0)
}

fn netdev_name(index: u32) -> Option<String> {
    if index == 0 {
        return None;
    }
    let mut name: [c_char; libc::IF_NAMESIZE] = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer is IF_NAMESIZE long, as the function wants.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr()) };
    (!found.is_null()).then(|| text(&name))
}

impl PortInfo {
    pub(super) fn read(port: &PortShared) -> Result<PortInfo, PortError> {
        let raw = read_raw(port.id).map_err(|errno| port.failed("ask", errno))?;
        let limits = |d: &sys::shim_desc_lim| DescriptorLimits {
            min: d.min,
            max: d.max,
            align: d.align.max(1),
        };
        let kind = match text(&raw.bus_name).as_str() {
            "pci" => PortKind::Pci,
            "vdev" => PortKind::Vdev,
            bus => PortKind::Other { bus: bus.to_owned() },
        };
        let speeds = (0..).map_while(|index| {
            // SAFETY: pure; 0 ends the list.
            Some(unsafe { sys::shim_eth_speed_capa(raw.speed_capa, index) }).filter(|&m| m != 0)
        });
        // Where a driver states no limit, ethdev leaves 0 or the type's maximum.
        let stated = |segs: u16| (segs != 0 && segs != u16::MAX).then_some(segs);
        Ok(PortInfo {
            id: port.id,
            name: port.name.clone(),
            driver: static_text(raw.driver_name),
            device: text(&raw.device_name),
            kind,
            netdev: netdev_name(raw.if_index),
            node: NumaNode::from_socket(raw.socket_id),
            max_rx_queues: raw.max_rx_queues,
            max_tx_queues: raw.max_tx_queues,
            rx_desc: limits(&raw.rx_desc),
            tx_desc: limits(&raw.tx_desc),
            tx_segments_max: stated(raw.tx_desc.max_mtu_segs),
            min_mtu: raw.min_mtu,
            max_mtu: raw.max_mtu,
            max_rx_pktlen: raw.max_rx_pktlen,
            min_rx_bufsize: raw.min_rx_bufsize,
            rx_offload_capa: raw.rx_offload_capa,
            tx_offload_capa: raw.tx_offload_capa,
            rx_offloads: rx_offload_names(raw.rx_offload_capa),
            tx_offloads: tx_offload_names(raw.tx_offload_capa),
            rss_fields: raw.rss_fields,
            rss_symmetric: raw.rss_symmetric,
            reta_size: raw.reta_size,
            hash_key_size: raw.hash_key_size,
            speeds_mbps: speeds.collect(),
            default_rx_desc: raw.default_rx_ring_size,
            default_tx_desc: raw.default_tx_ring_size,
        })
    }
}
