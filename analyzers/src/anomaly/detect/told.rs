//! A few alerts of many detections.

use super::Detection;
use crate::anomaly::hash::Key;
use crate::anomaly::table::Table;

/// Seconds within which the same is told of the same host once.
const QUIET_S: f64 = 600.0;
/// Of one kind so many are told a minute, the first: a scan from ten thousand forged addresses is not ten thousand
/// alerts.
const PER_MINUTE: u32 = 10;
const SUBJECTS: usize = 16_384;
const KINDS: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Subject {
    told: f64,
    more: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    since: f64,
    told: u32,
    more: u64,
}

/// What was told of whom.
#[derive(Clone, Debug)]
pub(in crate::anomaly) struct Told {
    subjects: Table<Subject>,
    kinds: Table<Kind>,
    suppressed: u64,
}

/// What was left out before an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::anomaly) struct LeftOut {
    /// Of the same kind about the same host.
    pub(in crate::anomaly) same: u64,
    /// Of the same kind about others.
    pub(in crate::anomaly) others: u64,
}

impl Told {
    pub(in crate::anomaly) fn new() -> Self {
        Self { subjects: Table::new(SUBJECTS), kinds: Table::new(KINDS), suppressed: 0 }
    }

    /// Whether a detection is told, and if so what was left out before it.
    pub(in crate::anomaly) fn admit(&mut self, detection: &Detection, now: f64) -> Option<LeftOut> {
        let sid = u64::from(detection.sid as u32);
        let (subject, new) = self.subjects.entry(Key::new(sid, detection.about).get());
        if !new && (now - subject.told).abs() < QUIET_S {
            subject.more += 1;
            self.suppressed += 1;
            return None;
        }
        let (kind, new) = self.kinds.entry(sid);
        if new || (now - kind.since).abs() >= 60.0 {
            (kind.since, kind.told) = (now, 0);
        }
        // Too many at once: this one is remembered as told, so that it does not crowd out others a minute later.
        subject.told = now;
        if kind.told >= PER_MINUTE {
            kind.more += 1;
            self.suppressed += 1;
            return None;
        }
        kind.told += 1;
        Some(LeftOut {
            same: std::mem::take(&mut subject.more),
            others: std::mem::take(&mut kind.more),
        })
    }

    pub(in crate::anomaly) fn suppressed(&self) -> u64 {
        self.suppressed
    }
}
