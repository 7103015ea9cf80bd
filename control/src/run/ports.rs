//! Ports as status, statistics and telemetry show them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use umbra_dpdk::EthStats;
use umbra_forward::links::End;
use umbra_forward::supervisor::PortStatus;
use umbra_forward::wiring::{self, Wired};

use super::setup::Statuses;

/// One port: what does not change, and where to read what does.
#[derive(Debug, Clone)]
pub(super) struct PortView {
    pub(super) name: String,
    pub(super) wire: String,
    pub(super) end: &'static str,
    pub(super) kind: String,
    pub(super) driver: String,
    numa_node: String,
    queues: u16,
    rx_descriptors: u16,
    tx_descriptors: u16,
    mbufs: u32,
    mtu: u16,
    rx_offloads: Vec<String>,
    tx_offloads: Vec<String>,
    after_stop: &'static str,
    pub(super) status: Arc<PortStatus>,
}

impl PortView {
    pub(super) fn of_wire(wire: &Wired) -> [PortView; 2] {
        [(End::A, "a"), (End::B, "b")].map(|(end, letter)| {
            let port = wire.port(end);
            PortView {
                name: port.name.clone(),
                wire: wire.name.clone(),
                end: letter,
                kind: wiring::describe_kind(port),
                driver: port.report.driver.clone(),
                numa_node: port.info.node.to_string(),
                queues: port.report.rx_queues,
                rx_descriptors: port.report.rx_desc,
                tx_descriptors: port.report.tx_desc,
                mbufs: wire.pool.size(),
                mtu: port.report.mtu,
                rx_offloads: port.report.rx_offloads.clone(),
                tx_offloads: port.report.tx_offloads.clone(),
                after_stop: wiring::after_stop(port),
                status: Arc::default(),
            }
        })
    }

    /// The same ports with the supervisor's statuses, which come in the same order.
    pub(super) fn with_status(ports: Vec<PortView>, statuses: &Statuses) -> Vec<PortView> {
        let statuses = statuses.iter().flatten();
        ports
            .into_iter()
            .zip(statuses)
            .map(|(port, status)| PortView { status: Arc::clone(status), ..port })
            .collect()
    }

    /// Counters of the port, by the names of ethdev; zeroes while its device is away.
    pub(super) fn stats(&self) -> EthStats {
        self.status.handle().and_then(|port| port.stats().ok()).unwrap_or_default()
    }

    pub(super) fn is_up(&self) -> bool {
        self.status.up.load(Ordering::Relaxed)
    }

    pub(super) fn link_word(&self) -> &'static str {
        match () {
            () if self.status.gone.load(Ordering::Relaxed) => "gone",
            () if self.status.forced.load(Ordering::Relaxed) => "forced down",
            () if self.is_up() => "up",
            () => "down",
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "port": self.name,
            "wire": self.wire,
            "end": self.end,
            "kind": self.kind,
            "driver": self.driver,
            "link": self.link_word(),
            "link_changes": self.status.changes.load(Ordering::Relaxed),
            "replugs": self.status.replugs.load(Ordering::Relaxed),
            "numa_node": self.numa_node,
            "queues": self.queues,
            "rx_descriptors": self.rx_descriptors,
            "tx_descriptors": self.tx_descriptors,
            "mbufs": self.mbufs,
            "mtu": self.mtu,
            "rx_offloads": self.rx_offloads,
            "tx_offloads": self.tx_offloads,
            "when_stopped": self.after_stop,
            "stats": stats_json(&self.stats()),
        })
    }
}

/// ethdev's counters under ethdev's names.
pub(super) fn stats_json(s: &EthStats) -> Value {
    json!({
        "ipackets": s.ipackets, "opackets": s.opackets, "ibytes": s.ibytes, "obytes": s.obytes,
        "imissed": s.imissed, "ierrors": s.ierrors, "oerrors": s.oerrors, "rx_nombuf": s.rx_nombuf,
    })
}
