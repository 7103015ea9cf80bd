//! From a rig to the workers' lanes.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use umbra_dpdk::{
    Burst, DEFAULT_DATA_ROOM, Eal, Mbuf, Mempool, NumaNode, Port, PortConfig, Ring, RingMode,
    StartedPort, TxQueue, eth_from_rings,
};
use umbra_forward::LaneConfig;
use umbra_forward::dpdk_io::LaneQueues;
use umbra_forward::io::TxLimits;
use umbra_forward::wiring::{WireSpec, WiringOptions, WorkerLanes};
use umbra_tap::{BurstOrigin, Direction};
use umbra_wire::{KeyOptions, SymmetricHash};

use crate::generator::{Outer, RingLine};
use crate::rig::Rig;
use crate::session::Dut;

/// Kept as long as the workers run.
pub(crate) type Keep = Box<dyn Any>;

/// Ports up, frames in place.
pub(crate) struct WiredUp {
    /// What each worker gets.
    pub(crate) workers: Vec<WorkerLanes>,
    pub(crate) pool: Mempool,
    /// The outer ends, where they are in this process.
    pub(crate) line: Option<Outer>,
    /// Ports; dropped last.
    pub(crate) keep: Keep,
}

/// Brings the rig up.
pub(crate) fn wire_up(eal: &Eal, dut: &Dut) -> Result<WiredUp> {
    // umbra's own wiring wherever EAL made the ports; rings of our own and odd mbufs are wired here.
    let mut wired = match dut.rig.port_names(0) {
        Some(_) if dut.data_room.is_none() => by_name(eal, dut)?,
        _ => by_hand(eal, dut)?,
    };
    if dut.nic_hash {
        wired.workers.iter_mut().flat_map(|w| &mut w.queues).for_each(|q| q.trust_nic_hash = true);
    }
    preload(&mut wired.workers, &wired.pool, dut)?;
    Ok(wired)
}

fn by_name(eal: &Eal, dut: &Dut) -> Result<WiredUp> {
    let specs = (0..dut.wires)
        .map(|wire| {
            let [a, b] = dut.rig.port_names(wire).context("the rig has no named ports")?;
            Ok(WireSpec {
                name: format!("bench{wire}"),
                a,
                b,
                mtu_bytes: 1500,
                rx_descriptors: Some(dut.descriptors),
                tx_descriptors: Some(dut.descriptors),
                queues: Some(1),
                mbufs: Some(dut.mbufs + held(dut)?),
                mbuf_cache: Some(dut.mbuf_cache),
                promiscuous: true,
                propagate_link: false,
                tx_retries: 4,
                numa_node: None,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let options = WiringOptions {
        workers: dut.cores.len(),
        adaptive: false,
        burst: dut.burst,
        vdevs: Vec::new(),
        rss_key: Vec::new(),
    };
    let mut wiring = umbra_forward::wiring::wire_up(eal, &specs, &options)?;
    let workers = std::mem::take(&mut wiring.workers);
    let pool = wiring.wires[0].pool.clone();
    Ok(WiredUp { workers, pool, line: None, keep: Box::new(wiring) })
}

fn by_hand(eal: &Eal, dut: &Dut) -> Result<WiredUp> {
    if dut.cores.len() != 1 || dut.wires != 1 {
        bail!("rings of our own and odd mbufs are for one worker and one wire");
    }
    let room = dut.data_room.unwrap_or(DEFAULT_DATA_ROOM);
    let mbufs = dut.mbufs + held(dut)?;
    let pool = Mempool::pktmbuf(eal, "bench", mbufs, dut.mbuf_cache, room, NumaNode::Any)?;
    let mut line = None;
    let ring = |name: &str, slots: u32| {
        Ring::create(eal, name, slots.next_power_of_two(), RingMode::Single, NumaNode::Any)
    };
    let ports: Vec<Port> = match (&dut.rig, dut.rig.port_names(0)) {
        (Rig::Ring { frames }, _) => {
            let slots = (frames + u32::from(dut.burst)).max(1024);
            (0..2)
                .map(|i| {
                    let ring = ring(&format!("loop{i}"), slots)?;
                    let ring = std::slice::from_ref(&ring);
                    Ok(eth_from_rings(eal, &format!("loop{i}"), ring, ring, NumaNode::Any)?)
                })
                .collect::<Result<_>>()?
        }
        (Rig::Line { slots }, _) => {
            let rings = ["a_in", "b_out", "b_in", "a_out"]
                .map(|name| ring(name, *slots))
                .into_iter()
                .collect::<Result<Vec<_>, _>>()?;
            let (to_device, from_device) = (rings[0].clone(), rings[1].clone());
            line = Some(Outer::Rings(RingLine { to_device, from_device }));
            vec![
                eth_from_rings(eal, "a", &rings[0..1], &rings[3..4], NumaNode::Any)?,
                eth_from_rings(eal, "b", &rings[2..3], &rings[1..2], NumaNode::Any)?,
            ]
        }
        (_, Some(names)) => {
            names.iter().map(|name| Ok(Port::by_name(eal, name)?)).collect::<Result<_>>()?
        }
        _ => bail!("the rig has no ports"),
    };
    let config =
        PortConfig { rx_desc: dut.descriptors, tx_desc: dut.descriptors, ..PortConfig::default() };
    let mut started = ports
        .into_iter()
        .map(|port| Ok(port.configure(&config, std::slice::from_ref(&pool))?.start()?))
        .collect::<Result<Vec<StartedPort>>>()?;
    let mut lanes = WorkerLanes::default();
    for (from, to, direction) in [(0, 1, Direction::AtoB), (1, 0, Direction::BtoA)] {
        lanes.queues.push(LaneQueues {
            rx: started[from].rx.pop(),
            tx: started[to].tx.pop(),
            limits: TxLimits::NONE,
            trust_nic_hash: false,
        });
        lanes.configs.push(LaneConfig {
            origin: BurstOrigin { wire: 0, direction },
            tap: Some(0),
            tx_link_up: Arc::new(AtomicBool::new(true)),
            tx_retries: 4,
        });
    }
    Ok(WiredUp { workers: vec![lanes], pool, line, keep: Box::new(started) })
}

/// Mbufs that the rig itself holds.
fn held(dut: &Dut) -> Result<u32> {
    let capture = match &dut.rig {
        Rig::Pcap { .. } => dut.frames,
        _ => 0,
    };
    Ok(dut.rig.mbufs_held(capture))
}

/// Puts frames into the loops, each hashed as a NIC would where that is asked for.
fn preload(workers: &mut [WorkerLanes], pool: &Mempool, dut: &Dut) -> Result<()> {
    let count = dut.rig.preloaded();
    if count == 0 {
        return Ok(());
    }
    let frames = dut.traffic.frames(count as usize * 2)?;
    let hash = SymmetricHash::new([1, 2, 3, 4]);
    let queues = workers.iter_mut().flat_map(|w| &mut w.queues);
    for (lane, frames) in queues.zip(frames.chunks(count as usize)) {
        let tx = lane.tx.as_mut().context("a loop without its tx queue")?;
        for frames in frames.chunks(32) {
            let mut burst = Burst::<32>::new();
            for frame in frames {
                let mut mbuf = pool.alloc_from_bytes(frame)?;
                if dut.nic_hash {
                    mbuf.set_rss_hash(hash.frame(frame, &KeyOptions::default()) as u32);
                }
                push(&mut burst, mbuf);
            }
            send(tx, &mut burst)?;
        }
    }
    Ok(())
}

fn push(burst: &mut Burst<32>, mbuf: Mbuf) {
    // A burst of 32 gets 32 at most.
    let _ = burst.push(mbuf);
}

fn send(tx: &mut TxQueue, burst: &mut Burst<32>) -> Result<()> {
    tx.burst(burst);
    if !burst.is_empty() {
        bail!("the loop of {} has no room for more frames: take fewer", tx.port_name());
    }
    Ok(())
}
