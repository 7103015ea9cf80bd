//! The instance's thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam::channel::{Receiver, Sender, TryRecvError};
use umbra_tap::InstanceCounters;

use super::handle::Shared;
use super::{
    Analyzer, Blame, CrashReport, InstanceCommand, InstanceConfig, InstanceEvent, InstanceRing,
    InstanceState, SavedPacket,
};
use crate::events::Timestamp;

/// Empty rounds that only spin.
const SPINS: u32 = 64;
/// Empty rounds after which the thread sleeps rather than yields.
const YIELDS: u32 = 128;
const SLEEP_SHORTEST: Duration = Duration::from_micros(50);
const SLEEP_LONGEST: Duration = Duration::from_millis(1);

struct Ring {
    ring: InstanceRing,
    counters: InstanceCounters,
}

impl Ring {
    fn publish(&self) {
        self.ring.consumed.write(&self.counters.to_words());
    }
}

pub(super) struct Instance<S> {
    config: InstanceConfig,
    commands: Receiver<InstanceCommand<S>>,
    events: Sender<InstanceEvent>,
    shared: Arc<Shared>,
    rings: Vec<Ring>,
    paused: bool,
    /// `Some(drain)` once told to stop.
    stopping: Option<bool>,
}

/// Why a round ended.
enum Round {
    Idle,
    Busy,
    Crashed(Box<CrashReport>),
}

impl<S: Send + 'static> Instance<S> {
    pub(super) fn new(
        config: InstanceConfig,
        commands: Receiver<InstanceCommand<S>>,
        events: Sender<InstanceEvent>,
        shared: Arc<Shared>,
    ) -> Self {
        let rings = Vec::new();
        Self { config, commands, events, shared, rings, paused: false, stopping: None }
    }

    pub(super) fn run(mut self, build: impl FnOnce() -> Box<dyn Analyzer<Summary = S>>) {
        if let Some(id) = self.config.core
            && !core_affinity::set_for_current(core_affinity::CoreId { id })
        {
            log::warn!("shadow instance {}: cannot be pinned to core {id}", self.config.id);
        }
        let mut analyzer = match catch_unwind(AssertUnwindSafe(build)) {
            Ok(analyzer) => analyzer,
            Err(panic) => {
                let report = self.report(Blame::default(), panic.as_ref(), Vec::new());
                return self.crashed(report);
            }
        };
        let report = self.work(analyzer.as_mut());
        if report.is_some() {
            // Half done work may make it panic again; then nothing more can be saved.
            let _ = catch_unwind(AssertUnwindSafe(|| analyzer.abandon()));
        }
        // Whatever state a panicking analyzer is in, its end must not take the thread's account along.
        let dropped = catch_unwind(AssertUnwindSafe(move || drop(analyzer)));
        match (report, dropped) {
            (Some(report), _) => self.crashed(report),
            (None, Err(panic)) => {
                let report = self.report(Blame::default(), panic.as_ref(), Vec::new());
                self.crashed(report);
            }
            (None, Ok(())) => {
                self.set_state(InstanceState::Ended);
                let _ = self.events.send(InstanceEvent::Ended { instance: self.config.id });
            }
        }
    }

    /// The loop. Returns a report when the analyzer panicked.
    fn work(&mut self, analyzer: &mut dyn Analyzer<Summary = S>) -> Option<Box<CrashReport>> {
        let started = Instant::now();
        let mut next_tick = started + self.config.tick;
        let mut empty_rounds = 0u32;
        let mut busy = Duration::ZERO;
        loop {
            if self.shared.abandoned.load(Ordering::Acquire) {
                return None;
            }
            if let Err(report) = self.guard(analyzer, Self::take_commands) {
                return Some(report);
            }
            if self.paused {
                // No heartbeat: to the watchdog this is a hang.
                if self.stopping.is_some() {
                    return self.guard(analyzer, |_, a| a.finish()).err();
                }
                std::thread::sleep(SLEEP_LONGEST);
                continue;
            }
            self.shared.heartbeat.fetch_add(1, Ordering::Relaxed);
            let round_start = Instant::now();
            match self.round(analyzer) {
                Round::Crashed(report) => return Some(report),
                Round::Busy => {
                    empty_rounds = 0;
                    busy += round_start.elapsed();
                }
                Round::Idle => {
                    empty_rounds = empty_rounds.saturating_add(1);
                    let done = match self.stopping {
                        Some(true) => self.rings.is_empty(),
                        Some(false) => true,
                        None => false,
                    };
                    if done {
                        return self.guard(analyzer, |_, a| a.finish()).err();
                    }
                }
            }
            if self.stopping == Some(false) {
                return self.guard(analyzer, |_, a| a.finish()).err();
            }
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + self.config.tick;
                self.shared.busy_ns.store(busy.as_nanos() as u64, Ordering::Relaxed);
                let total = now.duration_since(started).as_nanos() as u64;
                self.shared.total_ns.store(total, Ordering::Relaxed);
                if let Err(report) = self.guard(analyzer, |_, a| a.tick(wall_clock())) {
                    return Some(report);
                }
            }
            back_off(empty_rounds);
        }
    }

    /// One batch of every ring.
    fn round(&mut self, analyzer: &mut dyn Analyzer<Summary = S>) -> Round {
        let mut any = false;
        let mut finished = false;
        for ring in &mut self.rings {
            let batch = ring.ring.consumer.take(self.config.batch_records);
            if batch.is_empty() {
                drop(batch);
                // The producer's flag first: what it published before going is then seen.
                finished |= ring.ring.consumer.is_producer_gone()
                    && ring.ring.consumer.published_records() == ring.ring.consumer.taken_records();
                continue;
            }
            any = true;
            let records = batch.len() as u64;
            ring.counters.taken += records;
            ring.ring.consumed.write(&ring.counters.to_words());
            let outcome = catch_unwind(AssertUnwindSafe(|| analyzer.analyse(&batch)));
            if self.shared.abandoned.load(Ordering::Acquire) {
                // The account was closed while this thread hung: nothing is added to it.
                return Round::Idle;
            }
            match outcome {
                Ok(()) => {
                    ring.counters.analysed += records;
                    ring.counters.bytes += batch.iter().map(|r| r.data.len() as u64).sum::<u64>();
                    batch.release();
                    ring.publish();
                }
                Err(panic) => {
                    let packets = batch
                        .iter()
                        .map(|r| SavedPacket { meta: r.meta, data: r.data.to_vec() })
                        .collect();
                    batch.release();
                    ring.counters.lost_in_crash += records;
                    ring.publish();
                    let blame = analyzer.blame();
                    return Round::Crashed(self.report(blame, panic.as_ref(), packets));
                }
            }
        }
        if finished {
            self.release_finished();
        }
        if any { Round::Busy } else { Round::Idle }
    }

    fn release_finished(&mut self) {
        let (events, id) = (&self.events, self.config.id);
        self.rings.retain(|ring| {
            let consumer = &ring.ring.consumer;
            let done = consumer.is_producer_gone()
                && consumer.published_records() == consumer.taken_records();
            if done {
                ring.publish();
                let _ = events.send(InstanceEvent::RingDone { instance: id, ring: ring.ring.id });
            }
            !done
        });
    }

    fn take_commands(&mut self, analyzer: &mut dyn Analyzer<Summary = S>) {
        loop {
            match self.commands.try_recv() {
                Ok(InstanceCommand::AddRing(ring)) => {
                    self.rings.push(Ring { ring: *ring, counters: InstanceCounters::default() });
                }
                Ok(InstanceCommand::RetireRing(id)) => self.retire(id),
                Ok(InstanceCommand::Context(context)) => analyzer.set_context(context),
                Ok(InstanceCommand::Summary(reply)) => {
                    let _ = reply.try_send(analyzer.summary());
                }
                Ok(InstanceCommand::Pause) => {
                    self.paused = true;
                    self.set_state(InstanceState::Paused);
                }
                Ok(InstanceCommand::Resume) => {
                    self.paused = false;
                    self.set_state(InstanceState::Running);
                }
                Ok(InstanceCommand::Stop { drain }) => {
                    // Paused it would never drain.
                    if self.paused && drain {
                        self.paused = false;
                    }
                    self.stopping = Some(drain);
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    // Nobody holds the handle any more: as if told to stop.
                    self.stopping.get_or_insert(false);
                    return;
                }
            }
        }
    }

    fn retire(&mut self, id: u64) {
        let Some(index) = self.rings.iter().position(|ring| ring.ring.id == id) else {
            return;
        };
        let mut ring = self.rings.swap_remove(index);
        let discarded = ring.ring.consumer.discard_all();
        ring.counters.taken += discarded;
        ring.counters.discarded += discarded;
        ring.publish();
        let _ = self.events.send(InstanceEvent::RingDone { instance: self.config.id, ring: id });
    }

    /// Runs a call into the analyzer outside a batch.
    fn guard(
        &mut self,
        analyzer: &mut dyn Analyzer<Summary = S>,
        call: impl FnOnce(&mut Self, &mut dyn Analyzer<Summary = S>),
    ) -> Result<(), Box<CrashReport>> {
        match catch_unwind(AssertUnwindSafe(|| call(self, analyzer))) {
            Ok(()) => Ok(()),
            Err(panic) => Err(self.report(analyzer.blame(), panic.as_ref(), Vec::new())),
        }
    }

    fn report(
        &self,
        blame: Blame,
        panic: &(dyn std::any::Any + Send),
        packets: Vec<SavedPacket>,
    ) -> Box<CrashReport> {
        let message = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Box::new(CrashReport { instance: self.config.id, blame, message, packets })
    }

    fn crashed(&self, report: Box<CrashReport>) {
        self.set_state(InstanceState::Crashed);
        let _ = self.events.send(InstanceEvent::Crashed(report));
    }

    fn set_state(&self, state: InstanceState) {
        self.shared.state.store(state as u8, Ordering::Release);
    }
}

fn back_off(empty_rounds: u32) {
    match empty_rounds {
        0 => {}
        1..SPINS => std::hint::spin_loop(),
        SPINS..YIELDS => std::thread::yield_now(),
        _ => {
            let factor = (empty_rounds - YIELDS).min(20);
            std::thread::sleep((SLEEP_SHORTEST * factor.max(1)).min(SLEEP_LONGEST));
        }
    }
}

fn wall_clock() -> Timestamp {
    let ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    Timestamp(ns)
}
