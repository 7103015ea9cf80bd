//! What frames say besides header fields and bodies.

use super::super::Field;
use super::frame::Setting;

/// Numbers of a kind that are kept of a stream in one heading; what follows is counted and no more.
const LIMIT: usize = 256;

/// An error, and how it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ErrorCode {
    pub(super) code: u32,
    /// With GOAWAY, else with RST_STREAM.
    pub(super) goes_away: bool,
}

/// Of a stream in one heading.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Frames, whatever they are.
    pub(super) frames: u64,
    /// Their types, each once.
    kinds: Vec<u8>,
    windows: Vec<u32>,
    pub(super) priorities: Vec<u8>,
    pub(super) errors: Vec<ErrorCode>,
    /// `None` where none came, be they empty.
    pub(super) settings: Option<Vec<Setting>>,
}

fn push<T>(numbers: &mut Vec<T>, number: T) {
    if numbers.len() < LIMIT {
        numbers.push(number);
    }
}

impl Facts {
    pub(super) fn frame(&mut self, kind: u8) {
        self.frames = self.frames.saturating_add(1);
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    pub(super) fn window(&mut self, increment: u32) {
        push(&mut self.windows, increment);
    }

    pub(super) fn priority(&mut self, weight: u8) {
        push(&mut self.priorities, weight);
    }

    pub(super) fn error(&mut self, code: u32, goes_away: bool) {
        push(&mut self.errors, ErrorCode { code, goes_away });
    }

    pub(super) fn settings(&mut self, settings: impl Iterator<Item = Setting>) {
        let known = self.settings.get_or_insert_default();
        let room = LIMIT.saturating_sub(known.len());
        known.extend(settings.take(room));
    }

    /// Whether there is anything that records tell.
    pub(super) fn are_told(&self) -> bool {
        self.settings.is_some() || !self.priorities.is_empty() || !self.errors.is_empty()
    }

    pub(super) fn number_at(&self, field: Field, index: usize) -> Option<u64> {
        match field {
            Field::Http2FrameType => self.kinds.get(index).copied().map(u64::from),
            Field::Http2ErrorCode => self.errors.get(index).map(|error| error.code.into()),
            Field::Http2Priority => self.priorities.get(index).copied().map(u64::from),
            Field::Http2Window => self.windows.get(index).copied().map(u64::from),
            Field::Http2Setting(id) => {
                let mut of_id = self.settings.iter().flatten().filter(|setting| setting.id == id);
                of_id.nth(index).map(|setting| setting.value.into())
            }
            _ => None,
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.kinds.capacity()
            + self.windows.capacity() * size_of::<u32>()
            + self.priorities.capacity()
            + self.errors.capacity() * size_of::<ErrorCode>()
            + self.settings.as_ref().map_or(0, Vec::capacity) * size_of::<Setting>()
    }
}
