//! The manager over a real worker on memory, with analyzers that crash and hang when told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use umbra_analyzers::events::Timestamp;
use umbra_analyzers::runner::Blame;
use umbra_forward::clock::TscClock;
use umbra_forward::hashing::WireHasher;
use umbra_forward::idle::Poll;
use umbra_forward::io::{PacketIo, TxLimits};
use umbra_forward::knobs::TapKnobs;
use umbra_forward::mem::{Faults, MemBatch, MemEnds, MemFrame, MemIo};
use umbra_forward::shared::{Layout, WorkerShared};
use umbra_forward::{LaneConfig, TapConfig, Worker, WorkerLinks};
use umbra_tap::{BurstOrigin, Direction, Distribute, GeometricTable, MatchSet, RingBatch, Select};
use umbra_wire::{KeyOptions, SymmetricHash};

use super::*;

/// Queues in memory behind the type that the manager's workers have.
struct TestIo(MemIo);

impl PacketIo for TestIo {
    type Batch = MemBatch;
    type Change = LaneChange;

    fn new_batch(&self) -> MemBatch {
        self.0.new_batch()
    }
    fn lanes(&self) -> usize {
        self.0.lanes()
    }
    fn rx(&mut self, lane: usize, batch: &mut MemBatch) -> usize {
        self.0.rx(lane, batch)
    }
    fn tx(&mut self, lane: usize, batch: &mut MemBatch) -> usize {
        self.0.tx(lane, batch)
    }
    fn tx_limits(&self, _lane: usize) -> TxLimits {
        TxLimits::NONE
    }
    fn apply(&mut self, _change: LaneChange) -> Option<LaneChange> {
        None
    }
}

/// What the probes do, set by the test.
#[derive(Default)]
struct Mood {
    hang: AtomicBool,
    analysed: AtomicU64,
    /// Instances built without the profile.
    built_quarantined: AtomicU64,
}

/// Panics on a frame that ends in 0xdd unless quarantined.
struct Probe {
    mood: Arc<Mood>,
    quarantined: bool,
}

impl Analyzer for Probe {
    type Summary = u64;

    fn analyse(&mut self, records: &RingBatch<'_>) {
        while self.mood.hang.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        for record in records.iter() {
            let deadly = record.data.last() == Some(&0xdd);
            assert!(!deadly || self.quarantined, "a packet of death");
            self.mood.analysed.fetch_add(1, Ordering::AcqRel);
        }
    }
    fn tick(&mut self, _now: Timestamp) {}
    fn set_context(&mut self, _context: Arc<EventContext>) {}
    fn summary(&mut self) -> u64 {
        1
    }
    fn finish(&mut self) {}
    fn blame(&self) -> Blame {
        Blame { profile: Some(Arc::from("Probe")), record: None }
    }
}

struct Rig {
    manager: Manager<u64>,
    mood: Arc<Mood>,
    ends: MemEnds,
    shared: Arc<WorkerShared>,
    worker: Option<std::thread::JoinHandle<()>>,
    crashes: Arc<AtomicU64>,
    sent: u64,
}

fn tsc() -> u64 {
    umbra_dpdk::tsc()
}

fn rig(instances: usize) -> Rig {
    let settings = TapSettings {
        enabled: true,
        gaps: Arc::new(GeometricTable::new(Percentage::FULL)),
        select: Select::Flow,
        distribute: Distribute::Shard,
        snaplen: u32::MAX,
        escalation: Arc::new(MatchSet::default()),
        epoch: 0,
    };
    let hasher = WireHasher::new(SymmetricHash::new([1, 2, 3, 4]), KeyOptions::default());
    let board = KnobBoard::new(Knobs {
        taps: vec![TapKnobs { settings, hasher: hasher.clone() }],
        block: Arc::new(MatchSet::default()),
        hasher,
        clock: TscClock::new(1_000_000_000, 0, 0),
    });
    let (io, mut ends) = MemIo::new(&[Faults::default()], 8192, 32, 1);
    let shared = Arc::new(WorkerShared::new(Layout { lanes: 1, taps: vec![instances] }));
    let (commands, commands_rx) = unbounded();
    let (events_tx, events) = unbounded();
    let (displaced, _) = unbounded();
    let links = WorkerLinks {
        shared: Arc::clone(&shared),
        board: Arc::clone(&board),
        commands: commands_rx,
        events: events_tx,
        displaced,
    };
    let lane = LaneConfig {
        origin: BurstOrigin { wire: 0, direction: Direction::AtoB },
        tap: Some(0),
        tx_link_up: Arc::new(AtomicBool::new(true)),
        tx_retries: 0,
    };
    let poll = Poll::Adaptive { bound: Duration::from_micros(200) };
    let tap = TapConfig { instances, seed: 1 };
    let worker = Worker::new(TestIo(io), vec![lane], &[tap], links, poll, tsc);
    let worker = std::thread::spawn(move || drop(worker.run()));
    let mood = Arc::new(Mood::default());
    let crashes = Arc::new(AtomicU64::new(0));
    let (for_build, for_crash) = (Arc::clone(&mood), Arc::clone(&crashes));
    let options = ManagerOptions {
        appliance: Arc::from("test"),
        instances,
        ring_bytes: 1 << 16,
        cores: Vec::new(),
        build: Box::new(move |_, _, quarantine| {
            let quarantined = quarantine.contains("Probe");
            for_build.built_quarantined.fetch_add(u64::from(quarantined), Ordering::AcqRel);
            let probe = Probe { mood: Arc::clone(&for_build), quarantined };
            Box::new(move || Box::new(probe) as Box<dyn Analyzer<Summary = u64>>)
        }),
        on_crash: Box::new(move |_| {
            for_crash.fetch_add(1, Ordering::AcqRel);
        }),
        hang_limit: Duration::from_millis(300),
    };
    let lanes = vec![LaneName { wire: "w".to_owned(), direction: Direction::AtoB }];
    let books = vec![WorkerBook { core: 1, shared: Arc::clone(&shared), lanes }];
    let link = WorkerLink { commands, events };
    let mut manager = Manager::new(options, vec![link], books, board);
    manager.start();
    let mut rig =
        Rig { manager, mood, ends: ends.remove(0), shared, worker: Some(worker), crashes, sent: 0 };
    rig.until("the rings to be taken up", |rig| {
        rig.shared.snapshot().taps[0].iter().all(|slot| slot.ring != 0)
    });
    rig
}

impl Rig {
    fn send(&mut self, count: usize, last: u8) {
        for i in 0..count {
            let mut frame = vec![0u8; 64];
            // Another pair of addresses, another flow, another shard.
            frame[0..8].copy_from_slice(&(self.sent + i as u64).to_be_bytes());
            frame[63] = last;
            self.ends.input.send(MemFrame::new(frame)).unwrap();
        }
        self.sent += count as u64;
    }

    /// Ticks until the condition holds; the ledger must be exact at every step.
    fn until(&mut self, what: &str, condition: impl Fn(&Rig) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !condition(self) {
            assert!(Instant::now() < end, "waited a minute for {what}");
            self.manager.tick();
            let ledger = self.manager.ledger();
            assert!(ledger.is_exact(), "{what}\n{ledger}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends everything; all that was sent left, and the final ledger is settled.
    fn finish(mut self) -> LedgerSnapshot {
        self.until("the input to be taken", |rig| rig.ends.input.is_empty());
        self.shared.stop();
        self.worker.take().unwrap().join().unwrap();
        let ledger = self.manager.drain();
        assert!(ledger.is_settled(), "{ledger}");
        assert_eq!(ledger.wires[0].counters.rx, self.sent, "{ledger}");
        assert_eq!(ledger.wires[0].counters.tx, self.sent, "production lost nothing\n{ledger}");
        ledger
    }

    fn analysed(&self) -> u64 {
        self.mood.analysed.load(Ordering::Acquire)
    }
}

#[test]
fn instances_stopped_and_started_twenty_times_leave_an_exact_ledger() {
    let mut rig = rig(2);
    for round in 0..20 {
        let instance = round % 2;
        rig.send(100, 0);
        rig.manager.stop_instance(instance).unwrap();
        rig.send(50, 0);
        rig.until("the instance to stop", |r| r.manager.slots[instance].is_startable());
        rig.send(100, 0);
        rig.until("the input", |r| r.ends.input.is_empty());
        rig.manager.start_stopped(instance).unwrap();
    }
    let again = rig.manager.start_stopped(0).unwrap_err();
    assert_eq!(again.to_string(), "shadow instance 0 is running: it cannot be told to start");
    let none = rig.manager.stop_instance(2).unwrap_err();
    assert_eq!(none.to_string(), "there is no shadow instance 2; legal: 0–1");
    let ledger = rig.finish();
    let taps = ledger.taps.iter().map(|t| t.counters.no_instance).sum::<u64>();
    assert!(taps > 0, "while an instance is away its share is no_instance\n{ledger}");
}

#[test]
fn a_crashed_instance_is_started_again_and_a_profile_that_keeps_crashing_is_left_out() {
    let mut rig = rig(1);
    for crash in 1..=u64::from(QUARANTINE_AFTER) {
        rig.send(1, 0xdd);
        rig.until("the crash", |r| r.crashes.load(Ordering::Acquire) == crash);
        rig.until("the restart", |r| {
            r.manager.slots[0].handle().is_some_and(|h| h.state() == InstanceState::Running)
        });
        rig.until("its ring", |r| r.shared.snapshot().taps[0][0].ring != 0);
    }
    assert_eq!(rig.mood.built_quarantined.load(Ordering::Acquire), 1);
    let before = rig.analysed();
    rig.send(10, 0xdd);
    rig.until("the quarantined instance to go on", |r| r.analysed() == before + 10);
    let status = rig.manager.instances();
    assert_eq!((status[0].starts, status[0].crashes), (4, 3));
    let ledger = rig.finish();
    assert_eq!(ledger.behind[0].lost_in_crash, 3, "{ledger}");
}

#[test]
fn a_hung_instance_is_replaced_and_its_remainder_discarded() {
    let mut rig = rig(1);
    rig.mood.hang.store(true, Ordering::Release);
    rig.send(2_000, 0);
    rig.until("the input", |r| r.ends.input.is_empty());
    // The second instance hangs on nothing: it gets no records until the mood is better.
    rig.until("the watchdog", |r| r.manager.instances()[0].hangs == 1);
    rig.mood.hang.store(false, Ordering::Release);
    rig.until("the new ring", |r| r.shared.snapshot().taps[0][0].ring == 2);
    rig.send(500, 0);
    rig.until("the input", |r| r.ends.input.is_empty());
    let ledger = rig.finish();
    let row = &ledger.behind[0];
    assert!(row.discarded > 0 && row.lost_in_crash > 0, "{ledger}");
    assert!(row.analysed >= 500, "{ledger}");
    assert!(ledger.taps[0].counters.ring_full > 0, "{ledger}");
}

#[test]
fn the_percentage_and_its_epoch_reach_worker_and_records() {
    let mut rig = rig(1);
    for step in 0..200u32 {
        let percentage = Percentage::try_from(f64::from(step % 101)).unwrap();
        rig.manager.set_percentage(percentage);
        rig.send(5, 0);
        if step % 10 == 0 {
            rig.manager.tick();
            assert!(rig.manager.ledger().is_exact());
        }
    }
    let version = rig.manager.board.version();
    rig.until("the last knobs", |r| r.shared.snapshot().knobs_version == version);
    rig.until("replaced knobs to be freed", |r| r.manager.replaced.is_empty());
    assert_eq!(rig.manager.settings().epoch, 200);
    assert_eq!(rig.manager.percentage().percent(), 98.0);
    rig.finish();
}
