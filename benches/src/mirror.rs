//! P4 and P5: what mirroring costs the worker, against dpdk-dumpcap on a minimal forwarder and against the
//! mirror of Open vSwitch. All on R3, with the same capture.

use std::cell::RefCell;
use std::path::Path;

use anyhow::Result;

use crate::peers::dumpcap::{DumpcapOptions, DumpcapRig, cycles_per_delivered};
use crate::peers::ovs::{OvsOptions, OvsRig, cycles_added};
use crate::peers::write_flows;
use crate::protocol::{About, Contender, compare};
use crate::results::{Better, Comparison, Protocol};
use crate::rig::Rig;
use crate::session::{self, Consumer, Dut, Memory, Plan, Setting, Window};
use crate::traffic::Traffic;

/// Flows of the capture, a frame each.
const FLOWS: u16 = 256;
/// Frames per second at which dumpcap loses nothing and costs least.
const PACED_PPS: f64 = 2e6;

/// umbra on the capture: two windows, the shadow off and on at 100 %.
fn plan(pcap: &Path, memory: Memory, protocol: &Protocol) -> Plan {
    let mut dut =
        Dut::new(Rig::Pcap { file: pcap.to_owned() }, Traffic::Capture { file: pcap.to_owned() });
    dut.frames = u32::from(FLOWS);
    dut.memory = memory;
    let off = Setting::off().consumed(Consumer::Take, "shadow off");
    let on = Setting::on(100.0, "flow").consumed(Consumer::Take, "100 % to a live consumer");
    Plan {
        dut,
        settings: vec![off, on],
        rounds: 2,
        window_s: protocol.window_s * 2.0,
        steal_percent_max: protocol.steal_percent_max,
        interactive: false,
    }
}

/// Cycles that the mirror adds to the worker per unit of `per`.
fn umbra_added(plan: &Plan, per: fn(&Window) -> u64) -> Result<f64> {
    let report = session::run(plan)?;
    let mut added = 0.0;
    for (off, on) in report.windows[0].iter().zip(&report.windows[1]) {
        let more = (on.cycles_per_packet() - off.cycles_per_packet()) * on.packets as f64;
        added += more / per(on).max(1) as f64;
    }
    Ok(added / report.windows[0].len() as f64)
}

/// Cycles per delivered frame, umbra's ÷ dumpcap's, flat out or with the peer at its best pace.
pub(crate) fn p4(paced: bool, protocol: &Protocol, memory: Memory) -> Result<Comparison> {
    let dir = tempfile::tempdir()?;
    let pcap = write_flows(dir.path(), FLOWS, 60)?;
    let plan = plan(&pcap, memory, protocol);
    let options = DumpcapOptions {
        pcap,
        burst: plan.dut.burst,
        mbufs: plan.dut.mbufs,
        mbuf_cache: plan.dut.mbuf_cache,
        descriptors: plan.dut.descriptors,
        pps: paced.then_some(PACED_PPS),
        core: plan.dut.cores[0],
        other_core: plan.dut.other_core,
    };
    let mut rig = DumpcapRig::start(&options)?;
    rig.verify()?;
    rig.pause()?;
    let rig = RefCell::new(rig);
    let window_s = protocol.window_s * 4.0;
    let kind = if paced { "paced" } else { "flat out" };
    let about = About {
        id: format!("P4/{kind}"),
        goal: Some("P4"),
        title: format!(
            "R3, 60 B, 100 % mirrored: cycles of the worker per delivered frame, umbra ÷ io forwarder with \
             dpdk-dumpcap ({kind})"
        ),
        command: "umbra-bench goals P4".into(),
        unit: "ratio of cycles",
    };
    let comparison = compare(
        protocol,
        about,
        Better::Lower,
        Contender {
            label: "umbra at 100 %, flat out".into(),
            config: serde_json::to_value(&plan)?,
            unit: "cycles per delivered frame",
            run: Box::new(|| umbra_added(&plan, |w| w.taken)),
        },
        Contender {
            label: format!("io_forward + dpdk-dumpcap, {kind}"),
            config: serde_json::to_value(&options)?,
            unit: "cycles per delivered frame",
            run: Box::new(|| {
                let mut rig = rig.borrow_mut();
                rig.resume()?;
                let without = rig.window(false, window_s)?;
                let with = rig.window(true, window_s)?;
                rig.pause()?;
                Ok(cycles_per_delivered(&without, &with))
            }),
        },
        true,
    )?;
    let rig = rig.into_inner();
    rig.resume()?;
    rig.finish()?;
    Ok(comparison)
}

/// Cycles that a mirror of everything adds per packet, Open vSwitch's ÷ umbra's.
pub(crate) fn p5(protocol: &Protocol, memory: Memory) -> Result<Comparison> {
    let dir = tempfile::tempdir()?;
    let pcap = write_flows(dir.path(), FLOWS, 60)?;
    let plan = plan(&pcap, memory, protocol);
    let options = OvsOptions { pcap, core: plan.dut.cores[0], other_core: plan.dut.other_core };
    let rig = OvsRig::start(&options)?;
    rig.pause()?;
    let rig = RefCell::new(rig);
    let window_s = protocol.window_s * 4.0;
    let about = About {
        id: "P5".into(),
        goal: Some("P5"),
        title: "R3, 60 B: cycles that mirroring everything adds per packet, OVS-DPDK ÷ umbra"
            .into(),
        command: "umbra-bench goals P5".into(),
        unit: "ratio of cycles",
    };
    let comparison = compare(
        protocol,
        about,
        Better::Higher,
        Contender {
            label: "Open vSwitch with DPDK, mirror on".into(),
            config: serde_json::json!({ "pcap": options.pcap, "core": options.core }),
            unit: "cycles per packet",
            run: Box::new(|| {
                let mut rig = rig.borrow_mut();
                rig.resume()?;
                let without = rig.window(false, window_s)?;
                let with = rig.window(true, window_s)?;
                rig.pause()?;
                Ok(cycles_added(&without, &with))
            }),
        },
        Contender {
            label: "umbra at 100 %, flat out".into(),
            config: serde_json::to_value(&plan)?,
            unit: "cycles per packet",
            run: Box::new(|| umbra_added(&plan, |w| w.packets)),
        },
        true,
    )?;
    let rig = rig.into_inner();
    rig.resume()?;
    rig.finish()?;
    Ok(comparison)
}
