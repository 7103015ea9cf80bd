//! The worker: one forwarding core, its queues, its taps, its counters.
//!
//! Per burst: rx → block filter (only while the table is not empty) → tap → tx with bounded retry →
//! verdicts. Per packet there is no allocation, lock, system call, log, clock read or call across
//! FFI. The worker waits for nobody: what does not fit is freed and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Receiver, Sender};
use umbra_tap::{
    BurstOrigin, DirectionCounters, MatchSet, Producer, Selection, Tap, TapBatch, TapSettings,
    Verdict, WorkerCounters,
};

use crate::clock::TscClock;
use crate::filter;
use crate::hashing::WireHasher;
use crate::idle::{Idle, Poll};
use crate::io::{FrameBatch, PacketIo, TxLimits};
use crate::knobs::{KnobBoard, Knobs};
use crate::shared::{RingId, WorkerShared};

/// Work units between two housekeepings. A unit is a frame; a loop costs [`LOOP_UNITS`], a copied
/// frame [`COPY_UNITS`], a sleep [`SLEEP_UNITS`]. At 20 cycles per frame this is about 250 µs, so
/// a new percentage is in force well within the 100 ms that the design grants.
const HOUSEKEEPING_UNITS: i64 = 32_768;
const LOOP_UNITS: i64 = 4;
const COPY_UNITS: i64 = 32;
const SLEEP_UNITS: i64 = 8_192;

/// One direction of one wire as its worker knows it.
#[derive(Debug, Clone)]
pub struct LaneConfig {
    /// Wire and direction.
    pub origin: BurstOrigin,
    /// Index of the tap that sees the lane, if any.
    pub tap: Option<usize>,
    /// Link of the port that the lane sends to. Written by the link monitor.
    pub tx_link_up: Arc<AtomicBool>,
    /// Tries after the first when a burst did not fit.
    pub tx_retries: u32,
}

/// One tap of a worker.
#[derive(Debug, Clone, Copy)]
pub struct TapConfig {
    /// Instance slots.
    pub instances: usize,
    /// Seed of the packet sampler.
    pub seed: u64,
}

/// Told to a worker while it runs; taken between two bursts.
#[derive(Debug)]
pub enum Command<C> {
    /// Put a ring into an instance's slot. A ring that was there comes back as
    /// [`Event::Detached`].
    Attach { tap: usize, instance: usize, ring: RingId, producer: Producer },
    /// Take the ring out of an instance's slot.
    Detach { tap: usize, instance: usize },
    /// Replace queues.
    Io(C),
}

/// Told by a worker.
#[derive(Debug)]
pub enum Event {
    /// A ring is no longer written to. Its `published_records` are final. The producer is handed
    /// over so that its memory is not freed on the worker.
    Detached { ring: RingId, producer: Producer },
    /// Settings that were replaced, for their memory to be freed elsewhere.
    Settings(TapSettings),
}

#[derive(Debug)]
struct Lane {
    config: LaneConfig,
    counters: DirectionCounters,
    limits: TxLimits,
    /// The last burst found no room at all: do not retry until something goes out again, so that a
    /// stuck port costs the other wires of this worker one failed call per burst and no more.
    stuck: bool,
    /// Nothing but the tap looks at a frame of this lane: no block table, no limits of the device.
    /// Derived in housekeeping, as the next.
    open: bool,
    /// And the tap cannot select one either.
    plain: bool,
}

#[derive(Debug)]
struct TapState {
    tap: Tap,
    hasher: WireHasher,
    rings: Vec<RingId>,
}

/// Channels and boards between a worker and the control side.
#[derive(Debug)]
pub struct WorkerLinks<C> {
    /// Counters out, stop in.
    pub shared: Arc<WorkerShared>,
    /// Settings in.
    pub board: Arc<KnobBoard>,
    /// Rings and queues in.
    pub commands: Receiver<Command<C>>,
    /// Rings and settings out. Unbounded: the worker must not wait, and sends one per command.
    pub events: Sender<Event>,
    /// Queues out, to whoever looks after the ports.
    pub displaced: Sender<C>,
}

/// One forwarding core.
pub struct Worker<Io: PacketIo> {
    io: Io,
    lanes: Vec<Lane>,
    taps: Vec<TapState>,
    knobs: Arc<Knobs>,
    knobs_version: u64,
    block: Arc<MatchSet>,
    clock: TscClock,
    counters: WorkerCounters,
    links: WorkerLinks<Io::Change>,
    poll: Poll,
    tsc: fn() -> u64,
    /// TSC at which the loop became busy; read only where busy and idle loops meet.
    busy_since: Option<u64>,
    started: u64,
}

impl<Io: PacketIo> std::fmt::Debug for Worker<Io> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("lanes", &self.lanes)
            .field("taps", &self.taps)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl<Io: PacketIo> Worker<Io> {
    /// A worker over `io`, whose lanes `lanes` describe in order. The board must hold knobs for as
    /// many taps as `taps` has.
    pub fn new(
        io: Io,
        lanes: Vec<LaneConfig>,
        taps: &[TapConfig],
        links: WorkerLinks<Io::Change>,
        poll: Poll,
        tsc: fn() -> u64,
    ) -> Self {
        assert_eq!(io.lanes(), lanes.len(), "one configuration per lane");
        let knobs_version = links.board.version();
        let knobs = links.board.load();
        assert_eq!(knobs.taps.len(), taps.len(), "knobs for every tap");
        let lanes = lanes
            .into_iter()
            .enumerate()
            .map(|(i, config)| Lane {
                limits: io.tx_limits(i),
                config,
                counters: DirectionCounters::default(),
                stuck: false,
                open: false,
                plain: false,
            })
            .collect();
        let taps = taps
            .iter()
            .zip(&knobs.taps)
            .map(|(config, knobs)| TapState {
                tap: Tap::new(knobs.settings.clone(), config.instances, config.seed),
                hasher: knobs.hasher.clone(),
                rings: vec![0; config.instances],
            })
            .collect();
        Worker {
            io,
            lanes,
            taps,
            block: Arc::clone(&knobs.block),
            clock: knobs.clock,
            knobs,
            knobs_version,
            counters: WorkerCounters::default(),
            links,
            poll,
            tsc,
            busy_since: None,
            started: tsc(),
        }
    }

    /// Puts a ring into an instance's slot before the loop starts.
    pub fn attach(&mut self, tap: usize, instance: usize, ring: RingId, producer: Producer) {
        self.take_command(Command::Attach { tap, instance, ring, producer });
    }

    /// Forwards until told to stop, then publishes the final counters and gives back the queues.
    pub fn run(mut self) -> Io {
        let mut batch = self.io.new_batch();
        let mut idle = Idle::new(self.poll);
        let mut units = HOUSEKEEPING_UNITS;
        self.housekeeping(&idle);
        loop {
            let mut busy = false;
            self.counters.loops += 1;
            units -= LOOP_UNITS;
            for lane in 0..self.lanes.len() {
                let (received, copied) = self.lane_burst(lane, &mut batch);
                busy |= received != 0;
                units -= i64::from(received) + COPY_UNITS * i64::from(copied);
            }
            if busy {
                self.counters.busy_loops += 1;
                if self.busy_since.is_none() {
                    self.busy_since = Some((self.tsc)());
                }
                idle.reset();
            } else {
                if let Some(since) = self.busy_since.take() {
                    self.counters.busy_cycles += (self.tsc)().wrapping_sub(since);
                }
                if idle.wait() {
                    units -= SLEEP_UNITS;
                }
            }
            if units <= 0 {
                units = HOUSEKEEPING_UNITS;
                if self.housekeeping(&idle) {
                    break;
                }
            }
        }
        self.links.shared.set_ended();
        self.io
    }

    /// One burst through one lane; returns the number of frames received and copied.
    #[inline]
    fn lane_burst(&mut self, index: usize, batch: &mut Io::Batch) -> (u32, u32) {
        let received = self.io.rx(index, batch);
        if received == 0 {
            return (0, 0);
        }
        let lane = &mut self.lanes[index];
        lane.counters.rx += received as u64;
        self.counters.rx_bursts += 1;

        let passes = lane.plain
            || (lane.open && lane.config.tap.is_some_and(|tap| self.taps[tap].tap.pass(received)));
        if passes {
            // The whole burst goes on as it came.
            let sent = Self::send(&mut self.io, lane, index, batch, &mut self.counters);
            debug_assert!(sent <= received);
            return (received as u32, 0);
        }
        let copied = self.lane_burst_watched(index, batch);
        (received as u32, copied)
    }

    /// The burst with the tap, the block filter or the device's limits in the way. Out of line: its
    /// registers would be missed by the loop that needs none of it.
    #[inline(never)]
    fn lane_burst_watched(&mut self, index: usize, batch: &mut Io::Batch) -> u32 {
        let received = batch.len();
        let lane = &mut self.lanes[index];
        let active = lane.config.tap.filter(|&tap| self.taps[tap].tap.is_active());
        let blocked = if self.block.is_empty() {
            0
        } else {
            let hasher = lane.config.tap.map_or(&self.knobs.hasher, |tap| &self.taps[tap].hasher);
            filter::blocked(batch, hasher, &self.block)
        };
        let mut selection = Selection::default();
        if let Some(tap) = active {
            let state = &mut self.taps[tap];
            let (clock, tsc) = (self.clock, self.tsc);
            selection =
                state.tap.mirror(lane.config.origin, || clock.ns(tsc()), batch, &state.hasher);
            lane.counters.selected += u64::from(selection.selected.count_ones());
            lane.counters.escalated += u64::from(selection.escalated.count_ones());
        }
        let invalid =
            if lane.limits.is_none() { 0 } else { refused(batch, lane.limits) & !blocked };
        let removed = blocked | invalid;
        if removed != 0 {
            lane.counters.blocked += u64::from(blocked.count_ones());
            lane.counters.tx_invalid += u64::from(invalid.count_ones());
            batch.remove(removed);
        }
        let link_up = lane.config.tx_link_up.load(Ordering::Relaxed);
        let sent = if batch.is_empty() {
            0
        } else {
            Self::send(&mut self.io, lane, index, batch, &mut self.counters)
        };
        let Some(tap) = active.filter(|_| selection.selected != 0) else { return 0 };
        if removed == 0 && sent == received {
            self.taps[tap].tap.publish();
        } else {
            self.taps[tap].tap.resolve(|i| {
                let bit = 1u64 << i;
                let position = (!removed & (bit - 1)).count_ones() as usize;
                match () {
                    () if blocked & bit != 0 => Verdict::Blocked,
                    () if invalid & bit != 0 => Verdict::TxInvalid,
                    () if position < sent => Verdict::Forwarded,
                    () if !link_up => Verdict::LinkDown,
                    () => Verdict::TxFull,
                }
            });
        }
        selection.selected.count_ones()
    }

    /// Sends a burst with bounded retry and frees what did not go; returns how many went.
    #[inline]
    fn send(
        io: &mut Io,
        lane: &mut Lane,
        index: usize,
        batch: &mut Io::Batch,
        counters: &mut WorkerCounters,
    ) -> usize {
        if !lane.config.tx_link_up.load(Ordering::Relaxed) {
            lane.counters.link_down += batch.len() as u64;
            batch.clear();
            return 0;
        }
        counters.tx_bursts += 1;
        let mut sent = io.tx(index, batch);
        if batch.is_empty() {
            lane.stuck = false;
        } else {
            sent += Self::retry(io, lane, index, batch, counters);
        }
        lane.counters.tx += sent as u64;
        sent
    }

    #[cold]
    #[inline(never)]
    fn retry(
        io: &mut Io,
        lane: &mut Lane,
        index: usize,
        batch: &mut Io::Batch,
        counters: &mut WorkerCounters,
    ) -> usize {
        let mut sent = 0;
        if !lane.stuck {
            for _ in 0..lane.config.tx_retries {
                counters.tx_retries += 1;
                std::hint::spin_loop();
                sent += io.tx(index, batch);
                if batch.is_empty() {
                    return sent;
                }
            }
        }
        lane.stuck = sent == 0;
        lane.counters.tx_full += batch.len() as u64;
        batch.clear();
        sent
    }

    /// Publishes counters, takes new knobs and commands. True when the loop is to end.
    #[inline(never)]
    fn housekeeping(&mut self, idle: &Idle) -> bool {
        let stopping = self.links.shared.is_stopping();
        if self.links.board.version() != self.knobs_version {
            self.take_knobs();
        }
        while let Ok(command) = self.links.commands.try_recv() {
            self.take_command(command);
        }
        for lane in &mut self.lanes {
            let watched = lane.config.tap.is_some_and(|tap| self.taps[tap].tap.is_active());
            lane.open = self.block.is_empty() && lane.limits.is_none();
            lane.plain = lane.open && !watched;
        }
        let now = (self.tsc)();
        if let Some(since) = self.busy_since.replace(now) {
            self.counters.busy_cycles += now.wrapping_sub(since);
        } else {
            self.busy_since = None;
        }
        self.counters.housekeepings += 1;
        self.counters.cycles = now.wrapping_sub(self.started);
        self.counters.idle_sleeps = idle.sleeps();
        self.counters.overslept = idle.overslept();
        self.publish();
        stopping
    }

    fn take_knobs(&mut self) {
        // The version first: knobs that go up in between are taken now and once more next time.
        self.knobs_version = self.links.board.version();
        let knobs = self.links.board.load();
        self.counters.settings_taken += 1;
        for (state, new) in self.taps.iter_mut().zip(&knobs.taps) {
            let old = state.tap.apply(new.settings.clone());
            state.hasher = new.hasher.clone();
            let _ = self.links.events.send(Event::Settings(old));
        }
        self.block = Arc::clone(&knobs.block);
        self.clock = knobs.clock;
        self.knobs = knobs;
    }

    fn take_command(&mut self, command: Command<Io::Change>) {
        match command {
            Command::Attach { tap, instance, ring, producer } => {
                let Some(state) = self.taps.get_mut(tap).filter(|s| instance < s.rings.len())
                else {
                    let _ = self.links.events.send(Event::Detached { ring, producer });
                    return;
                };
                let old_ring = std::mem::replace(&mut state.rings[instance], ring);
                if let Some(old) = state.tap.attach(instance, producer) {
                    self.counters.rings_replaced += 1;
                    let _ =
                        self.links.events.send(Event::Detached { ring: old_ring, producer: old });
                }
            }
            Command::Detach { tap, instance } => {
                if let Some(state) = self.taps.get_mut(tap)
                    && let Some(producer) = state.tap.detach(instance)
                {
                    let ring = std::mem::take(&mut state.rings[instance]);
                    let _ = self.links.events.send(Event::Detached { ring, producer });
                }
            }
            Command::Io(change) => {
                if let Some(displaced) = self.io.apply(change) {
                    let _ = self.links.displaced.send(displaced);
                }
                for (i, lane) in self.lanes.iter_mut().enumerate() {
                    lane.limits = self.io.tx_limits(i);
                    lane.stuck = false;
                }
            }
        }
    }

    fn publish(&self) {
        let mut out = self.links.shared.publish();
        out.put(&[(self.tsc)(), self.knobs_version]);
        out.put(&self.counters.to_words());
        for lane in &self.lanes {
            out.put(&lane.counters.to_words());
        }
        for state in &self.taps {
            for (instance, &ring) in state.rings.iter().enumerate() {
                out.put(&state.tap.counters(instance).to_words());
                out.put(&[ring, state.tap.published_records(instance)]);
            }
        }
    }
}

/// Bits of the frames that a device could hang on.
fn refused<B: FrameBatch>(batch: &B, limits: TxLimits) -> u64 {
    use umbra_tap::TapFrame;
    let mut mask = 0u64;
    for i in 0..batch.len() {
        let bad = batch.frame(i).frame_len() < limits.min_len
            || batch.segment_count(i) > limits.max_segments;
        mask |= u64::from(bad) << i;
    }
    mask
}
