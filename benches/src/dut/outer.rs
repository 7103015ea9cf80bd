//! The tester's own ports: no worker stands between them here, but whatever they are cabled to.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use umbra_dpdk::{
    DEFAULT_DATA_ROOM, Eal, Mempool, NumaNode, Port, PortConfig, PortError, StartedPort,
};

use super::wire::WiredUp;
use crate::generator::{Outer, PortLine};
use crate::ports;
use crate::session::Dut;

/// Copper negotiates for up to 3 s, a guest boots in 2.
const LINK_WITHIN: Duration = Duration::from_secs(10);
/// Payload of a frame that every port takes.
const MTU_USUAL: u16 = 1500;
/// Ethernet header.
const HEADER: u16 = 14;

/// Sends by the first port, receives by the second.
pub(super) fn wire_up(eal: &Eal, dut: &Dut, [tx, rx]: [&str; 2]) -> Result<WiredUp> {
    let claim = |port: &str| {
        Port::by_name(eal, ports::name(port)).map_err(|why| match why {
            PortError::NotFound { .. } if ports::is_pci(port) => anyhow!(
                "there is no port {port}; see dpdk-devbind.py -s, and bind it: modprobe vfio-pci && \
                 dpdk-devbind.py -b vfio-pci {}",
                ports::name(port)
            ),
            PortError::NotFound { .. } => anyhow!(
                "port {port} did not start: does somebody listen on its socket, is there its interface? The \
                 driver's own words are above"
            ),
            why => why.into(),
        })
    };
    let claimed = [claim(tx)?, claim(rx)?];
    let room = dut.data_room.unwrap_or(DEFAULT_DATA_ROOM);
    let pool = Mempool::pktmbuf(eal, "tester", dut.mbufs, dut.mbuf_cache, room, NumaNode::Any)?;
    let payload = dut.traffic.longest()?.saturating_sub(HEADER);
    let config = PortConfig {
        rx_desc: dut.descriptors,
        tx_desc: dut.descriptors,
        mtu: (payload > MTU_USUAL).then_some(payload),
        ..PortConfig::default()
    };
    let start = |port: Port| -> Result<StartedPort> {
        Ok(port.configure(&config, std::slice::from_ref(&pool))?.start()?)
    };
    let [sending, receiving] = claimed;
    let (mut sending, mut receiving) = (start(sending)?, start(receiving)?);
    for (port, started) in [(tx, &sending), (rx, &receiving)] {
        started
            .port
            .wait_link(LINK_WITHIN)
            .with_context(|| format!("{port}: is the device under test running?"))?;
    }
    let line = PortLine {
        tx: sending.tx.pop().context("a port without its tx queue")?,
        rx: receiving.rx.pop().context("a port without its rx queue")?,
    };
    Ok(WiredUp {
        workers: Vec::new(),
        pool,
        line: Some(Outer::Ports(line)),
        keep: Box::new((sending, receiving)),
    })
}
