//! The manager's end of an instance.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam::channel::{Sender, TrySendError, bounded};

use super::instance::Instance;
use super::{Analyzer, InstanceCommand, InstanceConfig, InstanceEvent, InstanceState};

/// Commands that may wait for an instance. A hung instance takes none; the manager does not wait.
const COMMANDS: usize = 256;

/// An instance's thread cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("the thread of shadow instance {instance} cannot be started: {source}")]
pub struct SpawnError {
    /// Number of the instance.
    pub instance: u32,
    /// Why.
    pub source: io::Error,
}

/// Written by the instance, read by the manager, but for `abandoned`.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Rounds of the loop: stands still while the instance hangs or is paused.
    pub(super) heartbeat: AtomicU64,
    pub(super) state: AtomicU8,
    /// Nanoseconds spent on records, of `total_ns`.
    pub(super) busy_ns: AtomicU64,
    pub(super) total_ns: AtomicU64,
    /// Written by the manager: touch no ring again.
    pub(super) abandoned: AtomicBool,
}

/// A running instance.
#[derive(Debug)]
pub struct InstanceHandle<S> {
    id: u32,
    core: Option<usize>,
    shared: Arc<Shared>,
    commands: Sender<InstanceCommand<S>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Send + 'static> InstanceHandle<S> {
    /// Starts the thread. `build` makes the analyzer there.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn spawn(
        config: InstanceConfig,
        events: Sender<InstanceEvent>,
        build: impl FnOnce() -> Box<dyn Analyzer<Summary = S>> + Send + 'static,
    ) -> Result<Self, SpawnError> {
        let (commands, receiver) = bounded(COMMANDS);
        let shared = Arc::new(Shared::default());
        let (id, core) = (config.id, config.core);
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("umbra-shadow-{id}"))
            .spawn(move || Instance::new(config, receiver, events, theirs).run(build))
            .map_err(|source| SpawnError { instance: id, source })?;
        Ok(Self { id, core, shared, commands, thread: Some(thread) })
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The core that it is pinned to.
    #[must_use]
    pub fn core(&self) -> Option<usize> {
        self.core
    }

    /// Tells the instance something. Never waits: when its queue is full, which means that it hangs,
    /// the command comes back.
    ///
    /// # Errors
    ///
    /// The command, when the instance is gone or hangs.
    pub fn send(&self, command: InstanceCommand<S>) -> Result<(), InstanceCommand<S>> {
        self.commands.try_send(command).map_err(|e| match e {
            TrySendError::Full(command) | TrySendError::Disconnected(command) => command,
        })
    }

    /// Rounds of its loop so far; what stands still hangs.
    #[must_use]
    pub fn heartbeat(&self) -> u64 {
        self.shared.heartbeat.load(Ordering::Relaxed)
    }

    /// What its thread is doing.
    #[must_use]
    pub fn state(&self) -> InstanceState {
        InstanceState::from_u8(self.shared.state.load(Ordering::Acquire))
    }

    /// Nanoseconds spent on records, and nanoseconds in all, since the start.
    #[must_use]
    pub fn busy_and_total_ns(&self) -> (u64, u64) {
        let total = self.shared.total_ns.load(Ordering::Relaxed);
        (self.shared.busy_ns.load(Ordering::Relaxed).min(total), total)
    }

    /// Waits for the thread's end. Only after it has been told to stop or has crashed.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic was caught within; one in the thread's own last words is nobody's concern.
            let _ = thread.join();
        }
    }

    /// Gives the thread up: it is left behind, and touches no ring if it ever comes back.
    pub fn abandon(mut self) {
        self.shared.abandoned.store(true, Ordering::Release);
        drop(self.thread.take());
    }
}
