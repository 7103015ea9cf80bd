//! One shadow instance as the manager sees it: a slot that is filled, emptied and filled again.

use std::time::{Duration, Instant};

use umbra_analyzers::runner::{InstanceCommand, InstanceHandle, InstanceState};
use umbra_forward::shared::RingId;

use super::{InstanceError, InstanceStatus};

/// First pause before a crashed instance is started again; doubles with every crash in a row.
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_LONGEST: Duration = Duration::from_secs(30);
/// An instance that ran for so long starts anew with the first pause.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// What a slot is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotState {
    Stopped,
    BackingOff,
    Draining,
    Running,
}

pub(super) struct Slot<S> {
    state: SlotState,
    instance: Option<InstanceHandle<S>>,
    rings: Vec<RingId>,
    started: Instant,
    restart_at: Option<Instant>,
    /// Crashes in a row.
    row: u32,
    /// Heartbeat as last seen, and when it was seen to change.
    beat: (u64, Instant),
    starts: u64,
    crashes: u64,
    hangs: u64,
}

impl<S> Default for Slot<S> {
    fn default() -> Self {
        let now = Instant::now();
        Slot {
            state: SlotState::Stopped,
            instance: None,
            rings: Vec::new(),
            started: now,
            restart_at: None,
            row: 0,
            beat: (0, now),
            starts: 0,
            crashes: 0,
            hangs: 0,
        }
    }
}

impl<S: Send + 'static> Slot<S> {
    pub(super) fn handle(&self) -> Option<&InstanceHandle<S>> {
        self.instance.as_ref()
    }

    pub(super) fn rings(&self) -> &[RingId] {
        &self.rings
    }

    pub(super) fn run(&mut self, handle: InstanceHandle<S>, rings: Vec<RingId>) {
        let now = Instant::now();
        self.instance = Some(handle);
        self.rings = rings;
        self.state = SlotState::Running;
        self.started = now;
        self.beat = (0, now);
        self.restart_at = None;
        self.starts += 1;
    }

    pub(super) fn forget_ring(&mut self, ring: RingId) {
        self.rings.retain(|&r| r != ring);
    }

    fn take(&mut self, state: SlotState) -> Option<(InstanceHandle<S>, Vec<RingId>)> {
        let handle = self.instance.take()?;
        self.state = state;
        Some((handle, std::mem::take(&mut self.rings)))
    }

    pub(super) fn stopped(&mut self) -> Option<(InstanceHandle<S>, Vec<RingId>)> {
        self.take(SlotState::Stopped)
    }

    pub(super) fn crashed(&mut self, now: Instant) -> Option<(InstanceHandle<S>, Vec<RingId>)> {
        self.crashes += 1;
        let was_draining = self.state == SlotState::Draining;
        let taken = self.take(SlotState::BackingOff);
        if was_draining {
            self.state = SlotState::Stopped;
        } else {
            self.back_off(now);
        }
        taken
    }

    pub(super) fn back_off(&mut self, now: Instant) {
        if now.duration_since(self.started) > FORGIVEN_AFTER {
            self.row = 0;
        }
        let pause = BACK_OFF_FIRST.saturating_mul(1 << self.row.min(16)).min(BACK_OFF_LONGEST);
        self.row += 1;
        self.state = SlotState::BackingOff;
        self.restart_at = Some(now + pause);
    }

    pub(super) fn restart_due(&self, now: Instant) -> bool {
        self.state == SlotState::BackingOff && self.restart_at.is_some_and(|at| now >= at)
    }

    /// The heartbeat has stood still for `limit`.
    pub(super) fn hangs(&mut self, now: Instant, limit: Duration) -> bool {
        let Some(handle) = &self.instance else {
            return false;
        };
        if matches!(handle.state(), InstanceState::Ended | InstanceState::Crashed) {
            // Its last words are under way.
            return false;
        }
        let beat = handle.heartbeat();
        if beat != self.beat.0 {
            self.beat = (beat, now);
        }
        now.duration_since(self.beat.1) >= limit
    }

    pub(super) fn hung(&mut self) -> Option<(InstanceHandle<S>, Vec<RingId>)> {
        let taken = self.stopped()?;
        self.hangs += 1;
        Some(taken)
    }

    pub(super) fn is_startable(&self) -> bool {
        self.instance.is_none()
    }

    pub(super) fn state_name(&self) -> &'static str {
        match (&self.instance, self.state) {
            (Some(handle), SlotState::Running) if handle.state() == InstanceState::Paused => {
                "paused"
            }
            (_, state) => state.name(),
        }
    }

    pub(super) fn drain(&mut self, instance: usize) -> Result<(), InstanceError> {
        let state = self.state_name();
        let refused = InstanceError::State { instance, state, action: "stop" };
        let Some(handle) = self.instance.as_ref().filter(|_| self.state == SlotState::Running)
        else {
            return Err(refused);
        };
        if handle.send(InstanceCommand::Stop { drain: true }).is_err() {
            return Err(refused);
        }
        self.state = SlotState::Draining;
        Ok(())
    }

    /// Told to drain as part of the end.
    pub(super) fn finish(&mut self) {
        self.restart_at = None;
        if let Some(handle) = &self.instance {
            let _ = handle.send(InstanceCommand::Stop { drain: true });
            self.state = SlotState::Draining;
        } else {
            self.state = SlotState::Stopped;
        }
    }

    pub(super) fn pause(&mut self, instance: usize, pause: bool) -> Result<(), InstanceError> {
        let (command, action) = if pause {
            (InstanceCommand::Pause, "pause")
        } else {
            (InstanceCommand::Resume, "resume")
        };
        let state = self.state_name();
        match &self.instance {
            Some(handle) if self.state == SlotState::Running && handle.send(command).is_ok() => {
                Ok(())
            }
            _ => Err(InstanceError::State { instance, state, action }),
        }
    }

    pub(super) fn status(&self, instance: usize) -> InstanceStatus {
        let (busy, total) =
            self.instance.as_ref().map_or((0, 0), InstanceHandle::busy_and_total_ns);
        InstanceStatus {
            instance,
            state: self.state_name(),
            core: self.instance.as_ref().and_then(InstanceHandle::core),
            busy_percent: if total == 0 { 0.0 } else { busy as f64 * 100.0 / total as f64 },
            starts: self.starts,
            crashes: self.crashes,
            hangs: self.hangs,
        }
    }
}
