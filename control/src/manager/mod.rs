//! The Shadow Manager: starts, watches, replaces and stops the shadow instances, sets the sampling,
//! and keeps the books.
//!
//! It lives on the control thread and is driven by [`Manager::tick`]. With workers and instances it
//! speaks over channels only and waits for neither; a worker learns of a new ring or percentage in
//! its next housekeeping.

mod accounts;
mod slot;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use umbra_analyzers::events::EventContext;
use umbra_analyzers::runner::{
    Analyzer, ConsumedCell, CrashReport, InstanceCommand, InstanceConfig, InstanceEvent,
    InstanceHandle, InstanceRing, InstanceState,
};
use umbra_forward::dpdk_io::LaneChange;
use umbra_forward::knobs::{KnobBoard, Knobs};
use umbra_forward::shared::RingId;
use umbra_forward::{Command, Event};
use umbra_tap::{LedgerSnapshot, Percentage, TapSettings};

pub use accounts::{Accounts, LaneName, SlotPlace, WorkerBook};
use slot::{Slot, SlotState};

/// A heartbeat that stands still for so long is a hang.
const HANG_LIMIT: Duration = Duration::from_secs(5);
/// Threads that may be left behind hanging; a further hang leaves its slot empty.
const ABANDONED_MAX: u32 = 16;
/// Longest wait for instances to drain at the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// Longest wait for an instance's summary.
const SUMMARY_LIMIT: Duration = Duration::from_millis(500);
/// Crashes of one profile after which it is left out.
const QUARANTINE_AFTER: u32 = 3;

/// Makes the analyzer of an instance; called on the control thread, the result on the instance's.
pub type BuildAnalyzer<S> = Box<
    dyn Fn(
            u32,
            Arc<EventContext>,
            &HashSet<Arc<str>>,
        ) -> Box<dyn FnOnce() -> Box<dyn Analyzer<Summary = S>> + Send>
        + Send,
>;

/// What a manager is made with.
pub struct ManagerOptions<S> {
    /// Name of the appliance.
    pub appliance: Arc<str>,
    /// Shadow instances.
    pub instances: usize,
    /// Bytes of a mirror ring, a power of two.
    pub ring_bytes: usize,
    /// Cores of the instances, in turn; empty leaves them to the scheduler.
    pub cores: Vec<usize>,
    /// Makes analyzers.
    pub build: BuildAnalyzer<S>,
    /// Told of every crash, to save the packets.
    pub on_crash: Box<dyn FnMut(&CrashReport) + Send>,
    /// How long a standing heartbeat is no hang.
    pub hang_limit: Duration,
}

impl<S> std::fmt::Debug for ManagerOptions<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagerOptions")
            .field("appliance", &self.appliance)
            .field("instances", &self.instances)
            .finish_non_exhaustive()
    }
}

/// The usual hang limit.
pub fn default_hang_limit() -> Duration {
    HANG_LIMIT
}

/// The manager's end of a worker.
#[derive(Debug)]
pub struct WorkerLink {
    /// Commands to it.
    pub commands: Sender<Command<LaneChange>>,
    /// What it says.
    pub events: Receiver<Event>,
}

/// What can be told of an instance.
#[derive(Debug, Clone, serde::Serialize)]
pub struct InstanceStatus {
    /// Its number.
    pub instance: usize,
    /// `running`, `paused`, `draining`, `stopped`, `backing off`, `hung`.
    pub state: &'static str,
    /// The core that it is pinned to.
    pub core: Option<usize>,
    /// Share of its time spent on records since it started, percent.
    pub busy_percent: f64,
    /// Times that it was started.
    pub starts: u64,
    /// Times that it panicked.
    pub crashes: u64,
    /// Times that it hung and was left behind.
    pub hangs: u64,
}

/// An instance cannot be told that.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// There is none of that number.
    #[error("there is no shadow instance {asked}; legal: 0–{last}", last = count.saturating_sub(1))]
    Unknown { asked: usize, count: usize },
    /// Not in its present state.
    #[error("shadow instance {instance} is {state}: it cannot be told to {action}")]
    State { instance: usize, state: &'static str, action: &'static str },
}

/// The Shadow Manager of one appliance.
pub struct Manager<S> {
    options: ManagerOptions<S>,
    workers: Vec<WorkerLink>,
    board: Arc<KnobBoard>,
    /// The knobs that are up; the manager changes a copy and puts it up.
    knobs: Knobs,
    /// Replaced knobs and the version that replaced them, kept until no worker can hold them.
    replaced: Vec<(u64, Arc<Knobs>)>,
    accounts: Accounts,
    slots: Vec<Slot<S>>,
    events_tx: Sender<InstanceEvent>,
    events: Receiver<InstanceEvent>,
    next_ring: RingId,
    /// Rings whose instance is gone, to be closed when their worker has given them back.
    orphans: HashSet<RingId>,
    /// Rings that their worker has given back and their instance still drains.
    given_back: HashSet<RingId>,
    abandoned: u32,
    quarantined: HashSet<Arc<str>>,
    blamed: HashMap<Arc<str>, u32>,
    context: Arc<EventContext>,
}

impl<S> std::fmt::Debug for Manager<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager")
            .field("options", &self.options)
            .field("slots", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl<S: Send + 'static> Manager<S> {
    /// A manager of workers that run or are about to. `knobs` are those that the board was made
    /// with.
    pub fn new(
        options: ManagerOptions<S>,
        workers: Vec<WorkerLink>,
        books: Vec<WorkerBook>,
        board: Arc<KnobBoard>,
    ) -> Self {
        let knobs = (*board.load()).clone();
        let settings = &knobs.taps[0].settings;
        let accounts = Accounts::new(books, options.instances, settings.distribute);
        let context = Arc::new(event_context(&options.appliance, settings));
        let (events_tx, events) = unbounded();
        let slots = (0..options.instances).map(|_| Slot::default()).collect();
        Manager {
            options,
            workers,
            board,
            knobs,
            replaced: Vec::new(),
            accounts,
            slots,
            events_tx,
            events,
            next_ring: 1,
            orphans: HashSet::new(),
            given_back: HashSet::new(),
            abandoned: 0,
            quarantined: HashSet::new(),
            blamed: HashMap::new(),
            context,
        }
    }

    /// Starts all instances.
    pub fn start(&mut self) {
        for instance in 0..self.slots.len() {
            self.start_instance(instance);
        }
    }

    /// Takes what workers and instances have said, and looks for those that hang.
    pub fn tick(&mut self) {
        self.take_worker_events();
        while let Ok(event) = self.events.try_recv() {
            self.take_instance_event(event);
        }
        let now = Instant::now();
        for instance in 0..self.slots.len() {
            if self.slots[instance].restart_due(now) {
                self.start_instance(instance);
            } else if self.slots[instance].hangs(now, self.options.hang_limit) {
                self.replace_hung(instance);
            }
        }
        self.free_replaced_knobs();
    }

    /// The sampled percentage in force.
    pub fn percentage(&self) -> Percentage {
        self.knobs.taps[0].settings.percentage()
    }

    /// Settings of the tap in force.
    pub fn settings(&self) -> &TapSettings {
        &self.knobs.taps[0].settings
    }

    /// Sets the sampled percentage; workers take it up in their next housekeeping.
    pub fn set_percentage(&mut self, percentage: Percentage) {
        let settings = self.knobs.taps[0].settings.clone().with_percentage(percentage);
        self.apply_settings(TapSettings { epoch: settings.epoch.wrapping_add(1), ..settings });
    }

    fn apply_settings(&mut self, settings: TapSettings) {
        self.context = Arc::new(event_context(&self.options.appliance, &settings));
        self.knobs.taps[0].settings = settings;
        self.publish_knobs();
        for slot in &self.slots {
            if let Some(handle) = slot.handle() {
                let _ = handle.send(InstanceCommand::Context(self.instance_context(handle.id())));
            }
        }
    }

    /// Sets the clock by which workers stamp records, after the wall clock was adjusted.
    pub fn set_clock(&mut self, clock: umbra_forward::clock::TscClock) {
        self.knobs.clock = clock;
        self.publish_knobs();
    }

    fn publish_knobs(&mut self) {
        let (version, old) = self.board.publish(self.knobs.clone());
        self.replaced.push((version, old));
    }

    fn free_replaced_knobs(&mut self) {
        if self.replaced.is_empty() {
            return;
        }
        let in_force = self
            .accounts
            .workers()
            .iter()
            .map(|w| w.shared.snapshot().knobs_version)
            .min()
            .unwrap_or(u64::MAX);
        self.replaced.retain(|(version, _)| *version > in_force);
    }

    fn instance_context(&self, id: u32) -> Arc<EventContext> {
        Arc::new(EventContext { instance: Some(id), ..(*self.context).clone() })
    }

    /// What holds for events of the appliance as a whole.
    pub fn context(&self) -> &EventContext {
        &self.context
    }

    fn start_instance(&mut self, instance: usize) {
        let id = instance as u32;
        let core = match self.options.cores.len() {
            0 => None,
            n => Some(self.options.cores[instance % n]),
        };
        let context = self.instance_context(id);
        let build = (self.options.build)(id, context, &self.quarantined);
        let config = InstanceConfig::new(id, core);
        let handle = match InstanceHandle::spawn(config, self.events_tx.clone(), build) {
            Ok(handle) => handle,
            Err(e) => {
                log::error!("{e}");
                self.slots[instance].back_off(Instant::now());
                return;
            }
        };
        let mut rings = Vec::new();
        for worker in 0..self.workers.len() {
            match self.add_ring(&handle, worker, instance) {
                Ok(ring) => rings.push(ring),
                Err(e) => log::error!("shadow instance {instance}, worker {worker}: {e}"),
            }
        }
        self.slots[instance].run(handle, rings);
        log::info!(
            "shadow instance {instance} started{}",
            core.map(|c| format!(" on core {c}")).unwrap_or_default()
        );
    }

    fn add_ring(
        &mut self,
        handle: &InstanceHandle<S>,
        worker: usize,
        instance: usize,
    ) -> Result<RingId, umbra_tap::RingError> {
        let (producer, consumer) = umbra_tap::ring(self.options.ring_bytes)?;
        let ring = self.next_ring;
        self.next_ring += 1;
        let consumed = Arc::new(ConsumedCell::new());
        self.accounts.open(ring, SlotPlace { worker, instance }, Arc::clone(&consumed));
        let theirs = Box::new(InstanceRing { id: ring, consumer, consumed });
        // A new instance's queue is empty.
        let _ = handle.send(InstanceCommand::AddRing(theirs));
        let attach = Command::Attach { tap: 0, instance, ring, producer };
        if self.workers[worker].commands.send(attach).is_err() {
            log::debug!("worker {worker} has ended: no ring for instance {instance}");
        }
        Ok(ring)
    }

    fn detach(&mut self, instance: usize) {
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Detach { tap: 0, instance });
        }
    }

    fn take_worker_events(&mut self) {
        for worker in 0..self.workers.len() {
            while let Ok(event) = self.workers[worker].events.try_recv() {
                match event {
                    Event::Detached { ring, producer } => {
                        self.accounts.detached(ring, producer.published_records());
                        drop(producer);
                        if self.orphans.remove(&ring) {
                            self.close(ring);
                        } else {
                            self.given_back.insert(ring);
                        }
                    }
                    Event::Settings(old) => drop(old),
                }
            }
        }
    }

    fn close(&mut self, ring: RingId) {
        let discarded = self.accounts.close(ring);
        if discarded > 0 {
            log::info!("ring {ring} retired: {discarded} records discarded");
        }
    }

    /// The instance is gone for good: its rings are closed as soon as their workers let go of them.
    fn orphan(&mut self, rings: Vec<RingId>) {
        for ring in rings {
            if self.given_back.remove(&ring) {
                self.close(ring);
            } else if self.accounts.place(ring).is_some() {
                self.orphans.insert(ring);
            }
        }
    }

    fn take_instance_event(&mut self, event: InstanceEvent) {
        match event {
            InstanceEvent::RingDone { ring, .. } => {
                if self.given_back.remove(&ring) {
                    self.close(ring);
                }
                for slot in &mut self.slots {
                    slot.forget_ring(ring);
                }
            }
            InstanceEvent::Crashed(report) => self.crashed(&report),
            InstanceEvent::Ended { instance } => {
                let slot = &mut self.slots[instance as usize];
                // A thread that was left behind may end at any time; its slot has moved on.
                let is_this = slot.handle().is_some_and(|h| h.state() == InstanceState::Ended);
                if is_this && let Some((handle, rings)) = slot.stopped() {
                    handle.join();
                    self.orphan(rings);
                    log::info!("shadow instance {instance} stopped");
                }
            }
        }
    }

    fn crashed(&mut self, report: &CrashReport) {
        let instance = report.instance as usize;
        (self.options.on_crash)(report);
        let is_this =
            self.slots[instance].handle().is_some_and(|h| h.state() == InstanceState::Crashed);
        if !is_this {
            return;
        }
        let culprit = report.blame.profile.clone();
        log::error!(
            "shadow instance {instance} panicked in {}: {}; {} records lost, production unharmed",
            culprit.as_deref().unwrap_or("decode or flow tracking"),
            report.message,
            report.packets.len(),
        );
        if let Some(profile) = culprit {
            let count = self.blamed.entry(Arc::clone(&profile)).or_default();
            *count += 1;
            if *count >= QUARANTINE_AFTER && self.quarantined.insert(Arc::clone(&profile)) {
                log::error!(
                    "profile {profile} panicked {count} times: quarantined, left out of all instances that start from now on"
                );
            }
        }
        self.detach(instance);
        if let Some((handle, rings)) = self.slots[instance].crashed(Instant::now()) {
            handle.join();
            self.orphan(rings);
        }
    }

    fn replace_hung(&mut self, instance: usize) {
        let slot = &mut self.slots[instance];
        let Some((handle, rings)) = slot.hung() else {
            return;
        };
        self.abandoned += 1;
        log::error!(
            "shadow instance {instance} has hung for {} s: its thread is left behind ({} of at most \
             {ABANDONED_MAX}), its rings are retired",
            self.options.hang_limit.as_secs_f64(),
            self.abandoned
        );
        handle.abandon();
        self.orphan(rings);
        if self.abandoned >= ABANDONED_MAX {
            self.detach(instance);
            log::error!("shadow instance {instance} stays stopped: too many threads hang");
            return;
        }
        // The worker takes the new ring up in the place of the old one.
        self.start_instance(instance);
    }

    fn slot(&mut self, instance: usize) -> Result<&mut Slot<S>, InstanceError> {
        let count = self.slots.len();
        self.slots.get_mut(instance).ok_or(InstanceError::Unknown { asked: instance, count })
    }

    /// Drains an instance and ends it; its share of the sample is `no_instance` until it is started.
    pub fn stop_instance(&mut self, instance: usize) -> Result<(), InstanceError> {
        self.slot(instance)?.drain(instance)?;
        self.detach(instance);
        Ok(())
    }

    /// Starts a stopped instance.
    pub fn start_stopped(&mut self, instance: usize) -> Result<(), InstanceError> {
        let slot = self.slot(instance)?;
        let state = slot.state_name();
        if !slot.is_startable() {
            return Err(InstanceError::State { instance, state, action: "start" });
        }
        self.start_instance(instance);
        Ok(())
    }

    /// Freezes or thaws an instance.
    pub fn pause_instance(&mut self, instance: usize, pause: bool) -> Result<(), InstanceError> {
        self.slot(instance)?.pause(instance, pause)
    }

    /// Leaves a running instance behind as if it hung, and starts another in its place.
    pub fn replace_instance(&mut self, instance: usize) -> Result<(), InstanceError> {
        let slot = self.slot(instance)?;
        let state = slot.state_name();
        let Some((handle, rings)) = slot.stopped() else {
            return Err(InstanceError::State { instance, state, action: "be replaced" });
        };
        handle.abandon();
        self.orphan(rings);
        self.start_instance(instance);
        Ok(())
    }

    /// All instances.
    pub fn instances(&self) -> Vec<InstanceStatus> {
        self.slots.iter().enumerate().map(|(i, slot)| slot.status(i)).collect()
    }

    /// What every running instance has counted; those that do not answer are left out, with a number
    /// of how many.
    pub fn summaries(&mut self) -> (Vec<S>, usize) {
        let mut waiting = Vec::new();
        let mut silent = 0;
        for slot in &self.slots {
            let Some(handle) = slot.handle() else {
                continue;
            };
            let (reply, answer) = bounded(1);
            match handle.send(InstanceCommand::Summary(reply)) {
                Ok(()) => waiting.push(answer),
                Err(_) => silent += 1,
            }
        }
        let end = Instant::now() + SUMMARY_LIMIT;
        let mut summaries = Vec::new();
        for answer in waiting {
            match answer.recv_deadline(end) {
                Ok(summary) => summaries.push(summary),
                Err(_) => silent += 1,
            }
        }
        (summaries, silent)
    }

    /// The exact accounts, as of now.
    pub fn ledger(&mut self) -> LedgerSnapshot {
        let first = self.accounts.read_consumers();
        let workers = self.accounts.read_workers(&first);
        // Producers that came back before those snapshots; nothing is closed here, or what a
        // consumer did after it was read would be counted.
        for link in &self.workers {
            for event in link.events.try_iter() {
                if let Event::Detached { ring, producer } = event {
                    self.accounts.detached(ring, producer.published_records());
                    if self.orphans.contains(&ring) {
                        self.orphans.remove(&ring);
                    }
                    self.given_back.insert(ring);
                }
            }
        }
        let ledger = self.accounts.ledger(&first, &workers, umbra_forward::clock::wall_ns());
        self.close_finished();
        ledger
    }

    /// Closes rings that were given back and whose instance is gone.
    fn close_finished(&mut self) {
        let owned: HashSet<RingId> =
            self.slots.iter().flat_map(|s| s.rings().iter().copied()).collect();
        let closable: Vec<RingId> =
            self.given_back.iter().copied().filter(|ring| !owned.contains(ring)).collect();
        for ring in closable {
            self.given_back.remove(&ring);
            self.close(ring);
        }
    }

    /// The books, for whoever reads worker snapshots.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// After the workers have ended: lets the instances finish what is in their rings, ends them and
    /// states the final ledger.
    pub fn drain(&mut self) -> LedgerSnapshot {
        self.take_worker_events();
        for slot in &mut self.slots {
            slot.finish();
        }
        // The workers' producers went with them: their rings' final counts are in the snapshots.
        for (worker, book) in (0..).zip(self.accounts.workers()) {
            log::trace!("worker {worker} on core {} has ended", book.core);
        }
        self.accounts.workers_ended();
        let end = Instant::now() + DRAIN_LIMIT;
        while self.slots.iter().any(|slot| slot.handle().is_some()) && Instant::now() < end {
            match self.events.recv_timeout(Duration::from_millis(20)) {
                Ok(InstanceEvent::RingDone { ring, .. }) => {
                    self.given_back.remove(&ring);
                    self.close(ring);
                    self.slots.iter_mut().for_each(|slot| slot.forget_ring(ring));
                }
                Ok(event) => self.take_instance_event(event),
                Err(_) => {}
            }
            // No restart, but what hangs is left behind.
            for slot in &mut self.slots {
                if slot.hangs(Instant::now(), self.options.hang_limit)
                    && let Some((handle, rings)) = slot.hung()
                {
                    handle.abandon();
                    rings.into_iter().for_each(|ring| {
                        self.accounts.close(ring);
                    });
                }
            }
        }
        for slot in &mut self.slots {
            if let Some((handle, rings)) = slot.hung() {
                log::error!("shadow instance {} did not drain: left behind", handle.id());
                handle.abandon();
                rings.into_iter().for_each(|ring| {
                    self.accounts.close(ring);
                });
            }
        }
        self.accounts.close_all();
        let first = self.accounts.read_consumers();
        let workers = self.accounts.read_workers(&first);
        self.accounts.ledger(&first, &workers, umbra_forward::clock::wall_ns())
    }
}

fn event_context(appliance: &Arc<str>, settings: &TapSettings) -> EventContext {
    EventContext {
        appliance: Arc::clone(appliance),
        instance: None,
        fraction_ppb: settings.percentage().fraction_ppb(),
        select: settings.select,
        epoch: settings.epoch,
    }
}

impl SlotState {
    fn name(self) -> &'static str {
        match self {
            SlotState::Stopped => "stopped",
            SlotState::BackingOff => "backing off",
            SlotState::Draining => "draining",
            SlotState::Running => "running",
        }
    }
}

#[cfg(test)]
mod tests;
