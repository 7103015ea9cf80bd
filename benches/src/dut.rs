//! The device under test: umbra's own worker over two virtual ports, in a process of its own,
//! because EAL starts once per process.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use crossbeam::channel::unbounded;
use serde::{Deserialize, Serialize};
use umbra_dpdk::{Eal, tsc};
use umbra_forward::clock::TscClock;
use umbra_forward::dpdk_io::DpdkIo;
use umbra_forward::hashing::WireHasher;
use umbra_forward::idle::Poll;
use umbra_forward::knobs::{KnobBoard, Knobs, TapKnobs};
use umbra_forward::shared::{Layout, WorkerShared};
use umbra_forward::wiring::{WireSpec, WiringOptions, wire_up};
use umbra_forward::{TapConfig, Worker, WorkerLinks};
use umbra_tap::{Distribute, GeometricTable, MatchSet, Percentage, Select, TapSettings};
use umbra_wire::{KeyOptions, SymmetricHash};

/// What is measured.
#[derive(Debug, Clone, Args)]
pub(crate) struct DutArgs {
    /// Sampled percentage; without it the shadow is off
    #[arg(long)]
    pub(crate) percentage: Option<f64>,
    /// What is sampled: flow, host or packet
    #[arg(long, default_value = "packet")]
    pub(crate) select: String,
    /// Frames per burst
    #[arg(long, default_value_t = 32)]
    pub(crate) burst: u16,
    /// Mbufs that each core keeps to itself
    #[arg(long, default_value_t = 250)]
    pub(crate) mbuf_cache: u32,
    /// Mbufs in the pool
    #[arg(long, default_value_t = 16_383)]
    pub(crate) mbufs: u32,
    /// Rx and tx descriptors
    #[arg(long, default_value_t = 512)]
    pub(crate) descriptors: u16,
    /// Seconds that are measured
    #[arg(long, default_value_t = 1.0)]
    pub(crate) seconds: f64,
    /// Core of the worker
    #[arg(long, default_value_t = 1)]
    pub(crate) core: u16,
    /// Core of the consumer and of everything else
    #[arg(long, default_value_t = 0)]
    pub(crate) other_core: u16,
}

/// What one run says.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct DutResult {
    /// Received packets per second, both directions together.
    pub(crate) pps: f64,
    /// TSC cycles per packet.
    pub(crate) cycles_per_packet: f64,
    /// Packets that the consumer took.
    pub(crate) mirrored: u64,
    /// Packets that found the ring full.
    pub(crate) ring_full: u64,
}

/// EAL arguments that testpmd gets too, cores aside.
pub(crate) fn eal_common(prefix: &str) -> Vec<String> {
    [
        "--no-huge",
        "--no-pci",
        "-m",
        "512",
        "--no-telemetry",
        &format!("--file-prefix={prefix}"),
        "--vdev=net_null0",
        "--vdev=net_null1",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Runs in the child process: forwards between two net_null ports and prints a [`DutResult`].
pub(crate) fn run(args: &DutArgs) -> Result<()> {
    let mut eal_args = vec![
        format!("--lcores={}@{},{}@{}", 100, args.other_core, args.core, args.core),
        "--main-lcore=100".to_owned(),
    ];
    eal_args.extend(eal_common(&format!("umbra-bench-{}", std::process::id())));
    let eal = Eal::init(&eal_args)?;
    let spec = WireSpec {
        name: "bench".to_owned(),
        a: "net_null0".to_owned(),
        b: "net_null1".to_owned(),
        mtu_bytes: 1500,
        rx_descriptors: Some(args.descriptors),
        tx_descriptors: Some(args.descriptors),
        queues: Some(1),
        mbufs: Some(args.mbufs),
        mbuf_cache: Some(args.mbuf_cache),
        promiscuous: true,
        propagate_link: false,
        tx_retries: 4,
        numa_node: None,
    };
    let options = WiringOptions {
        workers: 1,
        adaptive: false,
        burst: args.burst,
        vdevs: Vec::new(),
        rss_key: Vec::new(),
    };
    let mut wiring = wire_up(&eal, &[spec], &options)?;
    let lanes = wiring.workers.remove(0);
    let select = match args.select.as_str() {
        "flow" => Select::Flow,
        "host" => Select::Host,
        "packet" => Select::Packet,
        other => bail!("select = {other:?}; legal: flow, host, packet"),
    };
    let settings = TapSettings {
        enabled: args.percentage.is_some(),
        gaps: Arc::new(GeometricTable::new(Percentage::try_from(args.percentage.unwrap_or(0.0))?)),
        select,
        distribute: Distribute::Shard,
        snaplen: u32::MAX,
        escalation: Arc::new(MatchSet::default()),
        epoch: 0,
    };
    let hasher = WireHasher::new(SymmetricHash::from_os_entropy(), KeyOptions::default());
    let board = KnobBoard::new(Knobs {
        taps: vec![TapKnobs { settings, hasher: hasher.clone() }],
        block: Arc::new(MatchSet::default()),
        hasher,
        clock: TscClock::calibrate(eal.tsc_hz(), tsc),
    });
    let shared = Arc::new(WorkerShared::new(Layout { lanes: lanes.queues.len(), taps: vec![1] }));
    let (_commands, commands) = unbounded();
    let (events, _events) = unbounded();
    let (displaced, _displaced) = unbounded();
    let links = WorkerLinks { shared: Arc::clone(&shared), board, commands, events, displaced };
    let io = DpdkIo::new(lanes.queues, args.burst);
    let tap = TapConfig { instances: 1, seed: 1 };
    let mut worker = Worker::new(io, lanes.configs, &[tap], links, Poll::Busy, tsc);
    let (producer, mut consumer) = umbra_tap::ring(1 << 22)?;
    worker.attach(0, 0, 1, producer);
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let taken = std::thread::spawn(move || {
        // Backs off when idle, as a shadow instance does: a spinning thread would take from the
        // worker what two hardware threads of a core share.
        while !stopping.load(Ordering::Relaxed) {
            if consumer.take(256).is_empty() {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        consumer.taken_records()
    });
    let handle = eal.launch(u32::from(args.core), move || worker.run())?;
    std::thread::sleep(Duration::from_millis(300));
    let before = shared.snapshot();
    std::thread::sleep(Duration::from_secs_f64(args.seconds));
    let after = shared.snapshot();
    shared.stop();
    let io = handle.join().map_err(|p| anyhow::anyhow!("{p}"))?;
    stop.store(true, Ordering::Relaxed);
    let mirrored = taken.join().unwrap_or_default();
    drop(io);
    drop(wiring);
    let packets =
        |s: &umbra_forward::shared::WorkerSnapshot| s.lanes.iter().map(|lane| lane.rx).sum::<u64>();
    let count = packets(&after) - packets(&before);
    let cycles = after.tsc - before.tsc;
    let result = DutResult {
        pps: count as f64 * eal.tsc_hz() as f64 / cycles as f64,
        cycles_per_packet: cycles as f64 / count.max(1) as f64,
        mirrored,
        ring_full: after.taps[0][0].counters.ring_full,
    };
    println!("{}", serde_json::to_string(&result)?);
    Ok(())
}

/// Runs the device under test in a process of its own.
pub(crate) fn measure(args: &DutArgs) -> Result<DutResult> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("dut");
    if let Some(p) = args.percentage {
        command.arg(format!("--percentage={p}"));
    }
    command
        .arg(format!("--select={}", args.select))
        .arg(format!("--burst={}", args.burst))
        .arg(format!("--mbuf-cache={}", args.mbuf_cache))
        .arg(format!("--mbufs={}", args.mbufs))
        .arg(format!("--descriptors={}", args.descriptors))
        .arg(format!("--seconds={}", args.seconds))
        .arg(format!("--core={}", args.core))
        .arg(format!("--other-core={}", args.other_core));
    let output = command.output()?;
    if !output.status.success() {
        bail!("the device under test failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().context("the device under test said nothing")?;
    serde_json::from_str(line).with_context(|| format!("not a result: {line}"))
}
