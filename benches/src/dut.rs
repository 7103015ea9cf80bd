//! The device under test: umbra's own workers on a rig, in a process of its own, because EAL starts
//! once per process. It reads a [`Plan`] from its standard input and prints a [`Report`]. In an interactive
//! session the tester runs here too; between two ports it is alone, and has no worker beside it.

mod fair;
mod outer;
mod trials;
mod wire;

use std::io::BufRead;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use crossbeam::channel::unbounded;
use umbra_dpdk::{Eal, tsc};
use umbra_forward::clock::TscClock;
use umbra_forward::dpdk_io::DpdkIo;
use umbra_forward::hashing::WireHasher;
use umbra_forward::idle::Poll;
use umbra_forward::knobs::{KnobBoard, Knobs, TapKnobs};
use umbra_forward::shared::{Layout, WorkerShared, WorkerSnapshot};
use umbra_forward::{TapConfig, Worker, WorkerLinks};
use umbra_tap::{
    DirectionCounters, Distribute, GeometricTable, MatchSet, Percentage, Select, TapCounters,
    TapSettings,
};
use umbra_wire::KeyOptions;

use crate::consumer::Consumers;
use crate::generator::Outer;
use crate::preflight;
use crate::rewrite::RewritingIo;
use crate::rig::Rig;
use crate::session::{Dut, Memory, Plan, Report, Setting, Shadow, Window};
use crate::timed::{Held, TimedIo};

/// The tester's lcore.
const TESTER: u32 = 101;
/// Between a change of settings and the window: the worker takes them within a millisecond, caches
/// and rings settle.
const SETTLE: Duration = Duration::from_millis(20);
/// A testpmd as guest is up in 2 s.
pub(crate) const TRAFFIC_WITHIN: Duration = Duration::from_secs(30);
/// Rounds that may be thrown away for stolen time.
const REPEATS_MAX: usize = 20;

/// EAL arguments of a device under test, cores included.
pub(crate) fn eal_args(dut: &Dut) -> Vec<String> {
    // The main lcore is an extra one on the other core, as in `umbra run`.
    let mut lcores = format!("100@{0},{TESTER}@{0}", dut.other_core);
    for (i, core) in dut.cores.iter().enumerate() {
        lcores += &format!(",{}@{core}", i + 1);
    }
    let mut args = vec![format!("--lcores={lcores}"), "--main-lcore=100".into()];
    args.extend(shared_eal_args(dut, &format!("umbra-bench-{}", std::process::id())));
    args
}

/// The part of it that a peer is given too.
pub(crate) fn shared_eal_args(dut: &Dut, prefix: &str) -> Vec<String> {
    let mut args = vec!["--no-telemetry".to_owned()];
    if !dut.rig.wants_pci() {
        args.push("--no-pci".into());
    }
    match dut.memory {
        Memory::Small(mib) => {
            args.extend(["--no-huge".into(), "-m".into(), mib.to_string()]);
            args.push(format!("--file-prefix={prefix}"));
        }
        Memory::Huge(mib) => {
            args.extend(["--in-memory".into(), "-m".into(), mib.to_string()]);
        }
    }
    if dut.rig.shares_memory() {
        args.push("--single-file-segments".into());
    }
    for wire in 0..dut.wires {
        args.extend(dut.rig.devices(wire));
    }
    args
}

fn settings_of(shadow: Option<&Shadow>, epoch: u16) -> Result<TapSettings> {
    let select = match shadow.map_or("flow", |s| s.select.as_str()) {
        "flow" => Select::Flow,
        "host" => Select::Host,
        "packet" => Select::Packet,
        other => bail!("select = {other:?}; legal: flow, host, packet"),
    };
    Ok(TapSettings {
        enabled: shadow.is_some(),
        gaps: Arc::new(GeometricTable::new(Percentage::try_from(
            shadow.map_or(0.0, |s| s.percentage),
        )?)),
        select,
        distribute: Distribute::Shard,
        snaplen: u32::MAX,
        escalation: Arc::new(MatchSet::default()),
        epoch,
    })
}

/// The running workers and what is needed to steer them.
struct Running {
    board: Arc<KnobBoard>,
    knobs: Knobs,
    shared: Vec<Arc<WorkerShared>>,
    consumers: Consumers,
    epoch: u16,
}

impl Running {
    fn apply(&mut self, setting: &Setting) -> Result<()> {
        self.epoch = self.epoch.wrapping_add(1);
        self.knobs.taps[0].settings = settings_of(setting.shadow.as_ref(), self.epoch)?;
        self.consumers.set(setting.consumer);
        let (version, _) = self.board.publish(self.knobs.clone());
        let start = Instant::now();
        while self.shared.iter().any(|s| s.snapshot().knobs_version < version) {
            if start.elapsed() > Duration::from_secs(5) {
                bail!("a worker does not take its settings");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(SETTLE);
        Ok(())
    }

    fn window(&self, window_s: f64) -> Window {
        self.during(|| {
            std::thread::sleep(Duration::from_secs_f64(window_s));
        })
        .1
    }

    /// What was counted while `run` ran.
    fn during<T>(&self, run: impl FnOnce() -> T) -> (T, Window) {
        let before: Vec<_> = self.shared.iter().map(|s| s.snapshot()).collect();
        let taken = self.consumers.taken();
        let result = run();
        let after: Vec<_> = self.shared.iter().map(|s| s.snapshot()).collect();
        let mut window = Window { taken: self.consumers.taken() - taken, ..Window::default() };
        for (before, after) in before.iter().zip(&after) {
            let lanes = lanes(after) - lanes(before);
            let tap = tap(after) - tap(before);
            window.packets += lanes.rx;
            window.cycles += after.tsc - before.tsc;
            window.workers += 1;
            window.tx += lanes.tx;
            window.lost += lanes.rx - lanes.tx;
            window.selected += lanes.selected;
            window.enqueued += tap.enqueued;
            window.ring_full += tap.ring_full;
            window.rx_bursts += after.worker.rx_bursts - before.worker.rx_bursts;
        }
        (result, window)
    }
}

fn lanes(snapshot: &WorkerSnapshot) -> DirectionCounters {
    snapshot.lanes.iter().copied().sum()
}

fn tap(snapshot: &WorkerSnapshot) -> TapCounters {
    snapshot.taps.iter().flatten().map(|slot| slot.counters).sum()
}

/// Runs in the child process.
pub(crate) fn main() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let plan: Plan = serde_json::from_str(&line).context("no plan on the standard input")?;
    println!("{}", serde_json::to_string(&run(&plan)?)?);
    Ok(())
}

fn run(plan: &Plan) -> Result<Report> {
    let dut = &plan.dut;
    let eal = Eal::init(&eal_args(dut))
        .with_context(|| format!("EAL does not start for the rig {}", dut.rig))?;
    let wired = match &dut.rig {
        Rig::Ports { a, b } if plan.interactive => outer::wire_up(&eal, dut, [a, b])?,
        _ => wire::wire_up(&eal, dut)?,
    };
    let residence = dut.timed.then(Held::shared).transpose()?;
    let seed = fair::hash(plan)?;
    let hasher = WireHasher::new(seed, KeyOptions::default());
    let settings = settings_of(None, 0)?;
    let knobs = Knobs {
        taps: vec![TapKnobs { settings, hasher: hasher.clone() }],
        block: Arc::new(MatchSet::default()),
        hasher,
        clock: TscClock::calibrate(eal.tsc_hz(), tsc),
    };
    let board = KnobBoard::new(knobs.clone());
    let mut shared = Vec::new();
    let mut handles = Vec::new();
    let mut rings = Vec::new();
    for (i, (&core, lanes)) in dut.cores.iter().zip(wired.workers).enumerate() {
        let counters = Arc::new(WorkerShared::new(Layout {
            lanes: lanes.queues.len(),
            taps: vec![dut.instances],
        }));
        let (_commands, commands) = unbounded();
        let (events, _events) = unbounded();
        let (displaced, _displaced) = unbounded();
        let links = WorkerLinks {
            shared: Arc::clone(&counters),
            board: Arc::clone(&board),
            commands,
            events,
            displaced,
        };
        let io = RewritingIo::new(DpdkIo::new(lanes.queues, dut.burst), dut.rewrite_flows);
        let io = TimedIo::new(io, residence.clone());
        let tap = TapConfig { instances: dut.instances, seed: 1 };
        let mut worker = Worker::new(io, lanes.configs, &[tap], links, Poll::Busy, tsc);
        for instance in 0..dut.instances {
            let (producer, consumer) = umbra_tap::ring(dut.ring_bytes)?;
            worker.attach(0, instance, 1 + (i * dut.instances + instance) as u64, producer);
            rings.push(consumer);
        }
        let lcore = i as u32 + 1;
        let handle = eal
            .launch(lcore, move || worker.run().into_inner().into_inner())
            .with_context(|| format!("worker on core {core}"))?;
        handles.push(handle);
        shared.push(counters);
    }
    let mut tester = None;
    if let Some(line) = wired.line {
        let frames = dut.traffic.frames(dut.frames as usize)?;
        let rings = std::mem::take(&mut rings);
        let pool = wired.pool.clone();
        tester = Some(match line {
            Outer::Rings(line) => trials::Bench::start(&eal, TESTER, line, pool, frames, rings)?,
            Outer::Ports(line) => trials::Bench::start(&eal, TESTER, line, pool, frames, rings)?,
        });
    }
    let consumers = Consumers::start(rings, dut.other_core);
    let mut running = Running { board, knobs, shared, consumers, epoch: 0 };
    let (windows, repeated) = match &mut tester {
        Some(tester) => {
            trials::serve(plan, &mut running, tester, residence.as_ref(), eal.tsc_hz())?;
            (Vec::new(), 0)
        }
        None => {
            await_traffic(&dut.rig, &running.shared)?;
            std::thread::sleep(Duration::from_millis(200));
            measure(plan, &mut running)?
        }
    };
    if let Some(tester) = tester {
        tester.stop()?;
    }
    running.shared.iter().for_each(|s| s.stop());
    let mut residuals = [0i64; 2];
    let mut ios = Vec::new();
    for (handle, shared) in handles.into_iter().zip(&running.shared) {
        ios.push(handle.join().map_err(|p| anyhow::anyhow!("{p}"))?);
        let snapshot = shared.snapshot();
        let (lanes, tap) = (lanes(&snapshot), tap(&snapshot));
        let gone = lanes.tx + lanes.tx_full + lanes.tx_invalid + lanes.link_down + lanes.blocked;
        residuals[0] += lanes.rx as i64 - gone as i64;
        let offered = tap.enqueued + tap.ring_full + tap.oversize + tap.no_instance;
        residuals[1] += lanes.selected as i64 - offered as i64;
    }
    running.consumers.stop();
    drop(ios);
    drop(wired.keep);
    Ok(Report { tsc_hz: eal.tsc_hz(), windows, residuals, repeated })
}

/// Frames come at once on most rigs; a guest has to boot first, a tester outside has to be started.
fn await_traffic(rig: &Rig, shared: &[Arc<WorkerShared>]) -> Result<()> {
    let start = Instant::now();
    while shared.iter().any(|s| lanes(&s.snapshot()).rx == 0) {
        if start.elapsed() > TRAFFIC_WITHIN {
            bail!(no_traffic(rig));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// What to say when nothing came.
pub(crate) fn no_traffic(rig: &Rig) -> String {
    let seconds = TRAFFIC_WITHIN.as_secs();
    match rig {
        Rig::Ports { a, b } => format!(
            "no frame came to {a} or {b} within {seconds} s: start a tester at their other ends that sends all \
             the while (umbra-bench rfc2544 --ports TX RX there, or another), and check the cables"
        ),
        rig => format!("no frame came on the rig {rig} within {seconds} s"),
    }
}

fn measure(plan: &Plan, running: &mut Running) -> Result<(Vec<Vec<Window>>, usize)> {
    let count = plan.settings.len();
    let mut windows = vec![Vec::new(); count];
    let mut repeated = 0;
    while windows[0].len() < plan.rounds {
        let backwards = windows[0].len() % 2 == 1;
        let before = preflight::steal_and_total_jiffies();
        let mut round = vec![Window::default(); count];
        for place in 0..count {
            let i = if backwards { count - 1 - place } else { place };
            running.apply(&plan.settings[i])?;
            round[i] = running.window(plan.window_s);
        }
        let stolen = preflight::steal_percent_since(before);
        if stolen > plan.steal_percent_max {
            repeated += 1;
            if repeated > REPEATS_MAX {
                bail!(
                    "{REPEATS_MAX} rounds had more than {} % of stolen time: measure later",
                    plan.steal_percent_max
                );
            }
            continue;
        }
        for (all, window) in windows.iter_mut().zip(round) {
            all.push(window);
        }
    }
    Ok((windows, repeated))
}
