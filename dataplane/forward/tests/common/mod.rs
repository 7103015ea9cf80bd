//! A worker on memory, driven from the test's thread.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod frames;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use umbra_forward::clock::TscClock;
use umbra_forward::hashing::WireHasher;
use umbra_forward::idle::Poll;
use umbra_forward::knobs::{KnobBoard, Knobs, TapKnobs};
use umbra_forward::mem::{Faults, MemChange, MemEnds, MemIo};
use umbra_forward::shared::{Layout, WorkerShared, WorkerSnapshot};
use umbra_forward::{Command, Event, LaneConfig, TapConfig, Worker, WorkerLinks};
use umbra_tap::{
    BurstOrigin, Consumer, Direction, Distribute, GeometricTable, MatchSet, Percentage, Producer,
    Select, TapSettings,
};
use umbra_wire::{KeyOptions, SymmetricHash};

/// A TSC of 1 GHz for tests.
pub(crate) fn test_tsc() -> u64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

pub(crate) fn hasher() -> WireHasher {
    WireHasher::new(SymmetricHash::new([1, 2, 3, 4]), KeyOptions::default())
}

pub(crate) fn settings(percentage: f64, distribute: Distribute) -> TapSettings {
    TapSettings {
        enabled: true,
        gaps: Arc::new(GeometricTable::new(Percentage::try_from(percentage).unwrap())),
        select: Select::Flow,
        distribute,
        snaplen: u32::MAX,
        escalation: Arc::new(MatchSet::default()),
        epoch: 0,
    }
}

pub(crate) fn knobs(settings: TapSettings) -> Knobs {
    Knobs {
        taps: vec![TapKnobs { settings, hasher: hasher() }],
        block: Arc::new(MatchSet::default()),
        hasher: hasher(),
        clock: TscClock::new(1_000_000_000, 0, 0),
    }
}

/// A running worker with `wires` wires (two lanes each), one tap.
pub(crate) struct Rig {
    pub(crate) shared: Arc<WorkerShared>,
    pub(crate) board: Arc<KnobBoard>,
    pub(crate) commands: Sender<Command<MemChange>>,
    pub(crate) events: Receiver<Event>,
    pub(crate) displaced: Receiver<MemChange>,
    pub(crate) ends: Vec<MemEnds>,
    pub(crate) links: Vec<Arc<AtomicBool>>,
    pub(crate) consumers: Vec<Consumer>,
    thread: Option<JoinHandle<MemIo>>,
}

pub(crate) struct RigOptions {
    pub(crate) faults: Vec<Faults>,
    pub(crate) instances: usize,
    pub(crate) ring_bytes: usize,
    pub(crate) depth: usize,
    pub(crate) settings: TapSettings,
    pub(crate) seed: u64,
}

impl Rig {
    pub(crate) fn start(options: RigOptions) -> Rig {
        let (io, ends) = MemIo::new(&options.faults, options.depth, 32, options.seed);
        let lanes_count = options.faults.len();
        let layout = Layout { lanes: lanes_count, taps: vec![options.instances] };
        let shared = Arc::new(WorkerShared::new(layout));
        let board = KnobBoard::new(knobs(options.settings));
        let (commands, commands_rx) = unbounded();
        let (events_tx, events) = unbounded();
        let (displaced_tx, displaced) = unbounded();
        let links: Vec<_> = (0..lanes_count).map(|_| Arc::new(AtomicBool::new(true))).collect();
        let lanes = links
            .iter()
            .enumerate()
            .map(|(i, link)| LaneConfig {
                origin: BurstOrigin {
                    wire: (i / 2) as u16,
                    direction: if i % 2 == 0 { Direction::AtoB } else { Direction::BtoA },
                },
                tap: Some(0),
                tx_link_up: Arc::clone(link),
                tx_retries: 4,
            })
            .collect();
        let worker_links = WorkerLinks {
            shared: Arc::clone(&shared),
            board: Arc::clone(&board),
            commands: commands_rx,
            events: events_tx,
            displaced: displaced_tx,
        };
        let poll = Poll::Adaptive { bound: Duration::from_micros(200) };
        let mut worker = Worker::new(
            io,
            lanes,
            &[TapConfig { instances: options.instances, seed: 7 }],
            worker_links,
            poll,
            test_tsc,
        );
        let mut consumers = Vec::new();
        for instance in 0..options.instances {
            let (producer, consumer) = umbra_tap::ring(options.ring_bytes).unwrap();
            worker.attach(0, instance, instance as u64 + 1, producer);
            consumers.push(consumer);
        }
        let thread = Some(std::thread::spawn(move || worker.run()));
        Rig { shared, board, commands, events, displaced, ends, links, consumers, thread }
    }

    pub(crate) fn attach(&self, instance: usize, ring: u64, producer: Producer) {
        self.commands.send(Command::Attach { tap: 0, instance, ring, producer }).unwrap();
    }

    /// Waits until the worker has taken everything from the input of the lanes and published twice.
    pub(crate) fn settle(&self) {
        wait("the inputs to be taken", || self.ends.iter().all(|e| e.input.is_empty()));
        self.published_twice();
    }

    pub(crate) fn published_twice(&self) {
        let seen = self.shared.publications();
        wait("two publications", || self.shared.publications() >= seen + 2);
    }

    pub(crate) fn snapshot(&self) -> WorkerSnapshot {
        self.shared.snapshot()
    }

    pub(crate) fn stop(&mut self) -> WorkerSnapshot {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the worker does not panic");
        }
        self.shared.snapshot()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits for a condition with a generous limit that only a hang reaches.
pub(crate) fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "waited a minute for {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// `rx = tx + tx_full + tx_invalid + link_down + blocked` on every lane, and per tap
/// `offered = enqueued + ring_full + oversize + no_instance`.
pub(crate) fn assert_exact(snapshot: &WorkerSnapshot) {
    for lane in &snapshot.lanes {
        assert_eq!(
            lane.rx,
            lane.tx + lane.tx_full + lane.tx_invalid + lane.link_down + lane.blocked,
            "{lane:?}"
        );
    }
    for slot in snapshot.taps.iter().flatten() {
        let c = &slot.counters;
        assert_eq!(c.offered, c.enqueued + c.ring_full + c.oversize + c.no_instance, "{c:?}");
    }
}
