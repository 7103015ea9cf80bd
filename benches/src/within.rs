//! Comparisons of umbra with itself, settings changed within one process: P2, P7, P9, the curves over the
//! percentage, and the accounts of cycles by stage.

use anyhow::Result;

use crate::results::{Account, Comparison, Curve, GoalPart, Point, Protocol, Series, Stage};
use crate::rig::Rig;
use crate::session::{self, Consumer, Dut, Measure, Memory, Plan, Report, Setting, compare};
use crate::stats::{Estimate, estimate};
use crate::traffic::{Traffic, write_capture};

/// Frames that go round in each direction of R1: two lines of each, 128 KiB, fit an L2.
const IN_CACHE: u32 = 512;
/// 16,384 frames in all, 2 MiB in two lines of each: twice the L2 of a current server core.
const BEYOND_L2: u32 = 8_192;

fn plan(dut: Dut, settings: Vec<Setting>, protocol: &Protocol) -> Plan {
    Plan {
        dut,
        settings,
        rounds: protocol.pairs,
        window_s: protocol.window_s,
        steal_percent_max: protocol.steal_percent_max,
        interactive: false,
    }
}

/// The consumer as an instance is: it sleeps when there is nothing.
fn taking(mut settings: Vec<Setting>) -> Vec<Setting> {
    settings.iter_mut().for_each(|s| s.consumer = Consumer::Take);
    settings
}

fn loops(frames: u32, memory: Memory) -> Dut {
    let mut dut = Dut::new(Rig::Ring { frames }, Traffic::fixed(frames, 64));
    dut.memory = memory;
    dut
}

/// P2: cycles per packet that sampling 1 % adds, six parts.
pub(crate) fn p2(protocol: &Protocol, memory: Memory) -> Result<Vec<(String, Comparison, f64)>> {
    let mut parts = Vec::new();
    for (place, frames) in [("in cache", IN_CACHE), ("beyond L2", BEYOND_L2)] {
        for (mode, select, nic_hash, goal) in [
            ("packet mode", "packet", false, 1.0),
            ("flow mode, software hash", "flow", false, 8.0),
            ("flow mode, NIC hash", "flow", true, 2.0),
        ] {
            let mut dut = loops(frames, memory);
            dut.nic_hash = nic_hash;
            let settings = taking(vec![Setting::on(1.0, select), Setting::off(), Setting::off()]);
            let plan = plan(dut, settings, protocol);
            let report = session::run(&plan)?;
            let name = format!("{mode}, {place}");
            let comparison = compare(
                &plan,
                &report,
                Measure::AddedCycles,
                (0, 1, Some(2)),
                &format!("P2/{name}"),
                Some("P2"),
                &format!("R1, 64 B: cycles per packet that sampling 1 % adds, {name}"),
                "umbra-bench goals P2",
            );
            parts.push((name, comparison, goal));
        }
    }
    Ok(parts)
}

/// P7: Mpps with a bad neighbour ÷ with an idle analyzer, at 1 % and at 100 % of the traffic, and the production
/// packets that were lost.
pub(crate) fn p7(protocol: &Protocol, memory: Memory) -> Result<(Vec<Comparison>, u64)> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("frames.pcap");
    let traffic = Traffic::fixed(BEYOND_L2, 64);
    write_capture(&file, &traffic.frames(BEYOND_L2 as usize)?)?;
    let mut comparisons = Vec::new();
    let mut lost = 0;
    for (rig_name, rig) in
        [("R1", Rig::Ring { frames: IN_CACHE }), ("R3", Rig::Pcap { file: file.clone() })]
    {
        let mut dut = Dut::new(rig, traffic.clone());
        dut.frames = BEYOND_L2;
        dut.memory = memory;
        let idle = Setting::on(1.0, "flow").consumed(Consumer::Take, "analyzer idle");
        let settings = vec![
            idle.clone().consumed(Consumer::Frozen, "analyzer frozen"),
            idle.clone().consumed(Consumer::Thrash(256), "analyzer streaming through 256 MiB"),
            idle.clone(),
            idle,
        ];
        let plan = plan(dut, settings, protocol);
        let report = session::run(&plan)?;
        lost += report.windows.iter().flatten().map(|w| w.lost).sum::<u64>();
        for (setting, name) in [(0, "frozen"), (1, "thrashing")] {
            comparisons.push(compare(
                &plan,
                &report,
                Measure::RateRatio,
                (setting, 2, Some(3)),
                &format!("P7/{name}/{rig_name}"),
                Some("P7"),
                &format!("{rig_name}, 64 B, 1 %: Mpps with the analyzer {name} ÷ idle"),
                "umbra-bench goals P7",
            ));
        }
    }
    Ok((comparisons, lost))
}

/// P9 with so many flows, those that a rig cannot hold by rewriting addresses on rx. On R3, whose driver fills
/// each frame as a NIC does, or on R1, which costs next to nothing by itself.
pub(crate) fn p9(
    flows: u32,
    on_r1: bool,
    protocol: &Protocol,
    memory: Memory,
) -> Result<Comparison> {
    const PRELOADED_MOST: u32 = 1_000_000;
    let dir = tempfile::tempdir()?;
    let rewrites = flows > PRELOADED_MOST;
    let preloaded = match (on_r1, rewrites) {
        (true, _) => IN_CACHE,
        (false, true) => BEYOND_L2,
        (false, false) => flows,
    };
    // Both directions of R1 hold flows of their own.
    let traffic = Traffic::fixed(if on_r1 { 2 * preloaded } else { preloaded }, 64);
    let rig = if on_r1 {
        Rig::Ring { frames: IN_CACHE }
    } else {
        let file = dir.path().join("flows.pcap");
        write_capture(&file, &traffic.frames(preloaded as usize)?)?;
        Rig::Pcap { file }
    };
    let mut dut = Dut::new(rig, traffic);
    dut.frames = preloaded;
    dut.memory = memory;
    dut.rewrite_flows = if rewrites { flows } else { 0 };
    if preloaded > 100_000 {
        // A million frames wait in mbufs: small ones.
        dut.data_room = Some(256);
        dut.memory = Memory::Huge(2_560);
    }
    let settings = taking(vec![
        Setting::on(1.0, "flow"),
        Setting::on(1.0, "packet"),
        Setting::on(1.0, "packet"),
    ]);
    let plan = plan(dut, settings, protocol);
    let report = session::run(&plan)?;
    let rig = if on_r1 { "R1" } else { "R3" };
    let how = if rewrites { ", addresses rewritten on rx" } else { "" };
    Ok(compare(
        &plan,
        &report,
        Measure::RateRatio,
        (0, 1, Some(2)),
        &format!("P9/{rig}/{flows}"),
        Some("P9"),
        &format!("{rig}, 64 B, {flows} flows{how}, 1 %: Mpps in flow mode ÷ in packet mode"),
        "umbra-bench goals P9",
    ))
}

/// Throughput over the percentage, on R1 and R3.
pub(crate) fn curves(protocol: &Protocol, memory: Memory) -> Result<Vec<Curve>> {
    let percentages: &[f64] = if protocol.quick {
        &[0.0, 1.0, 10.0, 100.0]
    } else {
        &[0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
    };
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("frames.pcap");
    let traffic = Traffic::fixed(4096, 64);
    write_capture(&file, &traffic.frames(4096)?)?;
    let mut curves = Vec::new();
    for (name, rig) in [
        ("R1 (two net_ring, 64 B)", Rig::Ring { frames: IN_CACHE }),
        ("R3 (two net_pcap, 64 B)", Rig::Pcap { file }),
    ] {
        let mut dut = Dut::new(rig, traffic.clone());
        dut.frames = 4096;
        dut.memory = memory;
        let mut settings = vec![Setting::off()];
        for mode in ["packet", "flow"] {
            settings.extend(percentages.iter().map(|&p| Setting::on(p, mode)));
        }
        let mut plan = plan(dut, taking(settings), protocol);
        plan.rounds = plan.rounds.min(if protocol.quick { 2 } else { 5 });
        let report = session::run(&plan)?;
        let series = |label: &str, from: usize| Series {
            label: label.into(),
            points: percentages
                .iter()
                .enumerate()
                .map(|(i, &x)| {
                    let e = estimate(&report.mpps(from + i, 1));
                    Point { x, y: e.median, low: e.low, high: e.high }
                })
                .collect(),
        };
        let off = estimate(&report.mpps(0, 1));
        let flat = |x| Point { x, y: off.median, low: off.low, high: off.high };
        let number = &name[..2];
        curves.push(Curve {
            id: format!("P2/throughput over percentage, {number}"),
            title: format!("Throughput over the sampled percentage, {name}"),
            x_label: "sampled percentage".into(),
            y_label: "Mpps, one core".into(),
            log_x: true,
            series: vec![
                Series {
                    label: "shadow off".into(),
                    points: percentages.iter().map(|&p| flat(p)).collect(),
                },
                series("packet mode", 1),
                series("flow mode, software hash", 1 + percentages.len()),
            ],
        });
    }
    Ok(curves)
}

/// So little that it is a decision per packet and no copy.
const NEXT_TO_NOTHING: f64 = 0.0001;

/// Cycles per packet by stage, on R1 in cache at `percentage`: each stage by taking it out.
pub(crate) fn account(percentage: f64, protocol: &Protocol, memory: Memory) -> Result<Account> {
    let take = |percentage, mode| Setting::on(percentage, mode).consumed(Consumer::Take, "");
    let frozen = |percentage, mode| Setting::on(percentage, mode).consumed(Consumer::Frozen, "");
    let settings = vec![
        take(percentage, "flow"),
        Setting::off().consumed(Consumer::Take, ""),
        take(NEXT_TO_NOTHING, "flow"),
        frozen(percentage, "packet"),
        take(percentage, "packet"),
        take(NEXT_TO_NOTHING, "packet"),
    ];
    let plan = plan(loops(IN_CACHE, memory), settings, protocol);
    let report = session::run(&plan)?;
    let total = estimate(&report.cycles(0));
    let stages = vec![
        stage(
            "driver and loop",
            &report,
            1,
            None,
            "the shadow off: rx, tx, counters, housekeeping",
        ),
        stage(
            "flow hash and threshold",
            &report,
            2,
            Some(1),
            "flow mode at 0.0001 % less the shadow off: both lines of each frame fetched, hashed, compared",
        ),
        stage(
            "timestamp, record and ring's bounds",
            &report,
            3,
            Some(5),
            "packet mode, nobody consuming, so the ring is full: all but copying and publishing, less the gap",
        ),
        stage(
            "copy and publication to a live consumer",
            &report,
            4,
            Some(3),
            "packet mode with a live consumer less with none",
        ),
    ];
    let explained: f64 = stages.iter().map(|s| s.cycles.median).sum();
    Ok(Account {
        id: format!("flow mode at {percentage} %, in cache"),
        title: format!("Cycles per packet, flow mode at {percentage} %, R1, 64 B, in cache"),
        how: "umbra-bench goals P2: each stage is the difference of two settings, alternating in one process"
            .into(),
        residual: total.median - explained,
        total,
        stages,
    })
}

fn stage(name: &str, report: &Report, with: usize, without: Option<usize>, note: &str) -> Stage {
    let with = report.cycles(with);
    let cycles: Vec<f64> = match without {
        Some(without) => with.iter().zip(report.cycles(without)).map(|(a, b)| a - b).collect(),
        None => with,
    };
    Stage { name: name.into(), cycles: estimate(&cycles), note: note.into() }
}

/// A count that must be zero, as a part of a goal.
pub(crate) fn zero(value: u64, unit: &str, how: &str) -> GoalPart {
    let value = value as f64;
    let estimate = Estimate { median: value, low: value, high: value };
    GoalPart::new(estimate, (0.0, 0.0), crate::results::Better::Lower, unit, how)
}
