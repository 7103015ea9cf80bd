//! P1 and P15: forwarding by one core, and by two, umbra with the shadow off against `dpdk-testpmd` in io
//! mode on the same rig with the same burst, cache, mbufs and descriptors.

mod command;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::dut::{TRAFFIC_WITHIN, no_traffic};
use crate::guest::Guest;
use crate::protocol::{About, Contender, compare};
use crate::results::{Better, Comparison, Protocol};
use crate::rig::{Rig, RigKind};
use crate::session::{self, Consumer, Dut, Memory, Plan, Setting};
use crate::testpmd::Testpmd;
use crate::traffic::{Traffic, write_capture};

pub(crate) use command::{ForwardArgs, main};

/// Frames that go round in each loop of R1, in flight on R4, and in the capture of R3.
const FRAMES: u32 = 512;

/// A rig with frames of `size` bytes; what it needs on disk is written to `dir`.
pub(crate) fn rig(kind: RigKind, size: u16, dir: &Path) -> Result<Dut> {
    let traffic = Traffic::fixed(FRAMES, size);
    let rig = match kind {
        RigKind::Ring => Rig::RingVdev { frames: FRAMES },
        RigKind::Null => Rig::Null { size, copy: false },
        RigKind::NullCopy => Rig::Null { size, copy: true },
        RigKind::Pcap => {
            let file = dir.join(format!("frames-{size}.pcap"));
            write_capture(&file, &traffic.frames(FRAMES as usize)?)?;
            Rig::Pcap { file }
        }
        RigKind::Virtio => Rig::Vhost { dir: PathBuf::from(dir) },
    };
    let mut dut = Dut::new(rig, traffic);
    dut.frames = FRAMES;
    if kind == RigKind::Virtio {
        dut.descriptors = 1024;
    }
    Ok(dut)
}

/// Mpps of umbra with the shadow off.
fn umbra_mpps(dut: &Dut, seconds: f64, protocol: &Protocol) -> Result<f64> {
    let guest = Guest::for_rig(dut)?;
    let plan = Plan {
        dut: dut.clone(),
        settings: vec![Setting::off().consumed(Consumer::Frozen, "shadow off")],
        rounds: 1,
        window_s: seconds,
        steal_percent_max: protocol.steal_percent_max,
        interactive: false,
    };
    let child = session::start(&plan)?;
    let guest = guest.map(Guest::start).transpose()?;
    let report = child.finish()?;
    drop(guest);
    Ok(report.windows[0][0].packets as f64 / report.windows[0][0].seconds(report.tsc_hz) / 1e6)
}

/// Mpps of testpmd.
fn testpmd_mpps(dut: &Dut, seconds: f64) -> Result<f64> {
    let guest = Guest::for_rig(dut)?;
    let mut peer = Testpmd::start(dut)?;
    let guest = guest.map(Guest::start).transpose()?;
    if let Rig::Ports { .. } = dut.rig {
        // The link of a real port is down for a while after a start.
        let end = Instant::now() + TRAFFIC_WITHIN;
        while peer.pps(0.1)? == 0.0 {
            if Instant::now() > end {
                bail!("dpdk-testpmd: {}", no_traffic(&dut.rig));
            }
        }
    }
    let pps = peer.pps(seconds)?;
    drop(guest);
    Ok(pps / 1e6)
}

/// P1 on one rig.
pub(crate) fn p1(
    kind: RigKind,
    size: u16,
    protocol: &Protocol,
    memory: Memory,
) -> Result<Comparison> {
    let dir = tempfile::tempdir()?;
    let mut dut = rig(kind, size, dir.path())?;
    dut.memory = memory;
    dut.instances = 0;
    let about = About {
        id: format!("P1/{}/{size}", kind.name()),
        goal: Some("P1"),
        title: format!(
            "{}, {size} B, one core: umbra with the shadow off ÷ dpdk-testpmd io",
            dut.rig
        ),
        command: "umbra-bench goals P1".into(),
        unit: "ratio of Mpps",
    };
    against_testpmd(&dut, about, protocol)
}

/// The same on two ports, with the traffic of a tester outside.
pub(crate) fn on_ports(ports: Rig, protocol: &Protocol, memory: Memory) -> Result<Comparison> {
    let mut dut = Dut::new(ports, Traffic::fixed(1, 64));
    dut.memory = memory;
    dut.instances = 0;
    dut.descriptors = 1024;
    let about = About {
        id: "forward/ports".into(),
        goal: None,
        title: format!("{}, one core: umbra with the shadow off ÷ dpdk-testpmd io", dut.rig),
        command: "umbra-bench forward --ports".into(),
        unit: "ratio of Mpps",
    };
    against_testpmd(&dut, about, protocol)
}

fn against_testpmd(dut: &Dut, about: About<'_>, protocol: &Protocol) -> Result<Comparison> {
    let seconds = protocol.seconds;
    compare(
        protocol,
        about,
        Better::Higher,
        Contender {
            label: "umbra, shadow off".into(),
            config: serde_json::to_value(dut)?,
            unit: "Mpps",
            run: Box::new(|| umbra_mpps(dut, seconds, protocol)),
        },
        Contender {
            label: "dpdk-testpmd io".into(),
            config: serde_json::json!({ "like": "umbra's" }),
            unit: "Mpps",
            run: Box::new(|| testpmd_mpps(dut, seconds)),
        },
        true,
    )
}

/// P15: the rate of two workers over that of one, umbra's ÷ testpmd's. Two wires on R2, so that each of
/// two workers has one; a single worker has both.
pub(crate) fn p15(protocol: &Protocol, memory: Memory) -> Result<Comparison> {
    let mut one = Dut::new(Rig::Null { size: 64, copy: false }, Traffic::fixed(1, 64));
    one.wires = 2;
    one.memory = memory;
    one.instances = 0;
    let mut two = one.clone();
    two.cores = vec![1, 0];
    let seconds = protocol.seconds;
    let about = About {
        id: "P15/null".into(),
        goal: Some("P15"),
        title: "R2, two wires: rate of two workers ÷ rate of one, umbra's ÷ dpdk-testpmd's".into(),
        command: "umbra-bench goals P15".into(),
        unit: "ratio of ratios",
    };
    compare(
        protocol,
        about,
        Better::Higher,
        Contender {
            label: "umbra: two workers ÷ one".into(),
            config: serde_json::json!({ "one": one, "two": two }),
            unit: "× one worker",
            run: Box::new(|| {
                Ok(umbra_mpps(&two, seconds, protocol)? / umbra_mpps(&one, seconds, protocol)?)
            }),
        },
        Contender {
            label: "testpmd: two cores ÷ one".into(),
            config: serde_json::json!({ "like": "umbra's" }),
            unit: "× one core",
            run: Box::new(|| Ok(testpmd_mpps(&two, seconds)? / testpmd_mpps(&one, seconds)?)),
        },
        true,
    )
}
