//! Every frame out equals the frame in, per flow in order, and every packet is accounted for at
//! every snapshot, while frames of 64–9014 bytes, VLANs, QinQ and fragments go through DPDK rings.
//!
//! 10⁷ frames over 16 cases; `UMBRA_FRAMES` is another number of frames per case.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::frames::{Checker, Generator};
use common::{assert_exact, hasher, settings};
use crossbeam::channel::unbounded;
use umbra_dpdk::{
    Burst, Eal, Mempool, NumaNode, PortConfig, Ring, RingMode, Segmentation, eth_from_rings, tsc,
};
use umbra_forward::clock::TscClock;
use umbra_forward::dpdk_io::{DpdkIo, LaneQueues};
use umbra_forward::idle::Poll;
use umbra_forward::io::TxLimits;
use umbra_forward::knobs::{KnobBoard, Knobs, TapKnobs};
use umbra_forward::shared::{Layout, WorkerShared, WorkerSnapshot};
use umbra_forward::{LaneConfig, TapConfig, Worker, WorkerLinks};
use umbra_tap::{
    BehindLedger, BurstOrigin, Consumer, CopiesDue, Direction, Distribute, InstanceCounters,
    MatchSet, RingAccount, SelectionLedger, SnapshotCell, Verdict,
};

const FLOWS: usize = 64;
/// Frames in the wire at a time: fewer than any ring holds, so that nothing may be lost.
const IN_FLIGHT: u64 = 512;
const RING_BYTES: usize = 1 << 20;
type Cell = SnapshotCell<{ InstanceCounters::WORDS }>;

/// Takes records of all instances and checks their bytes; publishes what it took like an instance.
struct Shadow {
    cells: Vec<Arc<Cell>>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<u64>>,
}

impl Shadow {
    fn start(consumers: Vec<Consumer>) -> Shadow {
        let cells: Vec<Arc<Cell>> = consumers.iter().map(|_| Arc::default()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, stopping) = (cells.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || consume(consumers, &theirs, &stopping));
        Shadow { cells, stop, thread }
    }
}

fn consume(mut consumers: Vec<Consumer>, cells: &[Arc<Cell>], stop: &AtomicBool) -> Vec<u64> {
    let mut counters = vec![InstanceCounters::default(); consumers.len()];
    // Two directions with generators of their own.
    let mut checkers: Vec<[Checker; 2]> =
        consumers.iter().map(|_| [Checker::new(FLOWS), Checker::new(FLOWS)]).collect();
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let mut any = false;
        for (i, consumer) in consumers.iter_mut().enumerate() {
            let batch = consumer.take(64);
            if batch.is_empty() {
                continue;
            }
            any = true;
            let records = batch.len() as u64;
            counters[i].taken += records;
            cells[i].write(&counters[i].to_words());
            for record in batch.iter() {
                assert_eq!(record.verdict, Verdict::Forwarded);
                assert_eq!(record.meta.frame_len as usize, record.data.len());
                let direction = record.meta.direction as usize;
                if let Err(fault) = checkers[i][direction].sampled(record.data) {
                    panic!("instance {i}: {fault:?} in the mirror");
                }
            }
            batch.release();
            counters[i].analysed += records;
            cells[i].write(&counters[i].to_words());
        }
        if !any {
            if stopping {
                return counters.iter().map(|c| c.analysed).collect();
            }
            std::thread::yield_now();
        }
    }
}

/// The ledger of one worker and its instances, in the order of reading that makes it exact.
fn check_ledger(
    shared: &WorkerShared,
    cells: &[Arc<Cell>],
    distribute: Distribute,
) -> WorkerSnapshot {
    let consumed: Vec<InstanceCounters> = cells
        .iter()
        .map(|cell| {
            let mut words = [0; InstanceCounters::WORDS];
            while !cell.read_into(&mut words) {}
            InstanceCounters::from_words(words)
        })
        .collect();
    let seen = shared.publications();
    while shared.publications() < seen + 2 && !shared.has_ended() {
        std::thread::yield_now();
    }
    let snapshot = shared.snapshot();
    assert_exact(&snapshot);
    let slots = &snapshot.taps[0];
    for (i, (slot, consumed)) in slots.iter().zip(consumed).enumerate() {
        let account = RingAccount { published: slot.published_records, consumed };
        let row = BehindLedger::new(1, i as u32, slot.counters.enqueued, [account]);
        assert_eq!(row.residual, 0, "{row:?}");
        assert!(row.in_ring >= 0 && row.in_hand >= 0, "{row:?}");
    }
    let selected = snapshot.lanes.iter().map(|lane| lane.selected).sum();
    let offered = slots.iter().map(|slot| slot.counters.offered).sum();
    let copies = CopiesDue::new(distribute.factor(slots.len()));
    assert_eq!(SelectionLedger::new(1, distribute, selected, &copies, offered).residual, 0);
    snapshot
}

/// The outer ends of one direction.
struct Lane<'a> {
    input: &'a Ring,
    output: &'a Ring,
    generator: Generator,
    checker: Checker,
}

impl Lane<'_> {
    /// Puts in what may be in flight and takes out what came; true while not all came out.
    fn turn(&mut self, pool: &Mempool, frames: u64, bytes: &mut Vec<u8>) -> bool {
        let mut burst = Burst::<32>::new();
        while self.generator.made() < frames
            && self.generator.made() - self.checker.seen < IN_FLIGHT
            && !burst.is_full()
        {
            self.generator.frame(bytes);
            let mbuf = pool.alloc_from_bytes(bytes).expect("the pool holds what is in flight");
            assert!(burst.push(mbuf).is_ok());
        }
        if !burst.is_empty() {
            let count = burst.len();
            assert_eq!(self.input.enqueue(&mut burst), count, "the ring holds what is in flight");
        }
        self.output.dequeue(&mut burst);
        for mbuf in burst.as_slice() {
            bytes.clear();
            for segment in mbuf.segments() {
                bytes.extend_from_slice(segment);
            }
            if let Err(fault) = self.checker.lossless(bytes) {
                panic!("{fault:?} at frame {} of the wire", self.checker.seen);
            }
        }
        self.checker.seen < frames
    }
}

struct Case {
    percentage: f64,
    instances: usize,
    distribute: Distribute,
}

struct Bench<'a> {
    eal: &'a Eal,
    pool: &'a Mempool,
    rings: &'a [Ring; 4],
    worker_lcore: u32,
    frames: u64,
}

impl Bench<'_> {
    /// Runs one case over the queues and gives them back, with the number of snapshots.
    fn run(&self, case: &Case, io: DpdkIo) -> (DpdkIo, u64) {
        let board = KnobBoard::new(Knobs {
            taps: vec![TapKnobs {
                settings: settings(case.percentage, case.distribute),
                hasher: hasher(),
            }],
            block: Arc::new(MatchSet::default()),
            hasher: hasher(),
            clock: TscClock::calibrate(self.eal.tsc_hz(), tsc),
        });
        let layout = Layout { lanes: 2, taps: vec![case.instances] };
        let shared = Arc::new(WorkerShared::new(layout));
        let (_commands, commands) = unbounded();
        let (events, _events) = unbounded();
        let (displaced, _displaced) = unbounded();
        let links = WorkerLinks { shared: Arc::clone(&shared), board, commands, events, displaced };
        let up = Arc::new(AtomicBool::new(true));
        let lanes = [Direction::AtoB, Direction::BtoA]
            .map(|direction| LaneConfig {
                origin: BurstOrigin { wire: 0, direction },
                tap: Some(0),
                tx_link_up: Arc::clone(&up),
                tx_retries: 4,
            })
            .to_vec();
        let tap = TapConfig { instances: case.instances, seed: 1 };
        let mut worker = Worker::new(io, lanes, &[tap], links, Poll::Busy, tsc);
        let mut consumers = Vec::new();
        for instance in 0..case.instances {
            let (producer, consumer) = umbra_tap::ring(RING_BYTES).unwrap();
            worker.attach(0, instance, instance as u64 + 1, producer);
            consumers.push(consumer);
        }
        let shadow = Shadow::start(consumers);
        let handle = self.eal.launch(self.worker_lcore, move || worker.run()).unwrap();

        let [a_in, a_out, b_in, b_out] = self.rings;
        let mut lanes = [(a_in, b_out, 7u64), (b_in, a_out, 8)].map(|(input, output, seed)| Lane {
            input,
            output,
            generator: Generator::new(FLOWS, seed),
            checker: Checker::new(FLOWS),
        });
        let mut bytes = Vec::new();
        let mut next = Instant::now();
        let mut snapshots = 0;
        let frames = self.frames / 2;
        loop {
            let mut pending = false;
            for lane in &mut lanes {
                pending |= lane.turn(self.pool, frames, &mut bytes);
            }
            if Instant::now() >= next || !pending {
                check_ledger(&shared, &shadow.cells, case.distribute);
                snapshots += 1;
                next = Instant::now() + Duration::from_millis(10);
            }
            if !pending {
                break;
            }
        }
        shared.stop();
        let io = handle.join().unwrap_or_else(|panic| panic!("{panic}"));
        shadow.stop.store(true, Ordering::Release);
        let analysed = shadow.thread.join().expect("the mirror is whole");
        let last = check_ledger(&shared, &shadow.cells, case.distribute);
        for lane in &last.lanes {
            assert_eq!((lane.rx, lane.tx), (frames, frames), "{lane:?}");
        }
        for (slot, analysed) in last.taps[0].iter().zip(&analysed) {
            assert_eq!(slot.counters.enqueued, *analysed, "all that was enqueued was seen");
        }
        let selected: u64 = last.lanes.iter().map(|l| l.selected).sum();
        match case.percentage {
            0.0 => assert_eq!(selected, 0),
            100.0 => assert_eq!(selected, 2 * frames),
            _ => assert!(selected < 2 * frames),
        }
        if case.percentage == 100.0 {
            assert!(analysed.iter().all(|&n| n > 0), "every instance gets its share: {analysed:?}");
        }
        (io, snapshots)
    }
}

#[test]
fn ten_million_frames_leave_as_they_came_and_the_ledger_is_exact_throughout() {
    let frames: u64 =
        std::env::var("UMBRA_FRAMES").ok().and_then(|n| n.parse().ok()).unwrap_or(625_000);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let worker_core = if cores > 1 { 1 } else { 0 };
    let prefix = format!("--file-prefix=integrity{}", std::process::id());
    let eal = Eal::init(&[
        &format!("--lcores=9@0,1@{worker_core}"),
        "--main-lcore=9",
        "--no-huge",
        "--no-pci",
        "-m",
        "256",
        "--no-telemetry",
        &prefix,
    ])
    .unwrap();
    // A jumbo frame is five segments.
    let pool = Mempool::pktmbuf(&eal, "frames", 16_383, 256, 2048, NumaNode::Any).unwrap();
    let ring = |name| Ring::create(&eal, name, 4096, RingMode::Single, NumaNode::Any).unwrap();
    let rings = [ring("a_in"), ring("a_out"), ring("b_in"), ring("b_out")];
    let config = PortConfig { segmentation: Segmentation::Always, ..PortConfig::default() };
    let port = |name, rx: &Ring, tx: &Ring| {
        eth_from_rings(
            &eal,
            name,
            std::slice::from_ref(rx),
            std::slice::from_ref(tx),
            NumaNode::Any,
        )
        .unwrap()
        .configure(&config, std::slice::from_ref(&pool))
        .unwrap()
        .start()
        .unwrap()
    };
    let mut a = port("a", &rings[0], &rings[1]);
    let mut b = port("b", &rings[2], &rings[3]);
    let lane = |rx, tx| LaneQueues {
        rx: Some(rx),
        tx: Some(tx),
        limits: TxLimits::NONE,
        trust_nic_hash: false,
    };
    let lanes = vec![lane(a.rx.remove(0), b.tx.remove(0)), lane(b.rx.remove(0), a.tx.remove(0))];
    let mut io = DpdkIo::new(lanes, 32);
    let bench = Bench { eal: &eal, pool: &pool, rings: &rings, worker_lcore: 1, frames };
    let mut total = 0;
    for percentage in [0.0, 1.0, 37.5, 100.0] {
        for instances in [1, 2] {
            for distribute in [Distribute::Shard, Distribute::Replicate] {
                let case = Case { percentage, instances, distribute };
                let snapshots;
                (io, snapshots) = bench.run(&case, io);
                total += frames;
                println!(
                    "{percentage:>5} % {instances} instance(s) {distribute:?}: {frames} frames equal \
                     and in order, {snapshots} snapshots exact"
                );
            }
        }
    }
    drop(io);
    assert_eq!(pool.in_use(), 0, "every mbuf came back");
    println!("{total} frames in all");
}
