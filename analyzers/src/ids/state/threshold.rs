//! `threshold`, `detection_filter` and the rate filters: how often a rule may alert.
//!
//! Windows begin with an event and last `seconds`; they do not slide. That is how Suricata counts.

use std::sync::{Mutex, PoisonError};

use super::HostKey;
use crate::events::Timestamp;

/// How it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LimitKind {
    /// The first `count` of a window alert.
    Limit,
    /// Every `count`th of a window alerts.
    Threshold,
    /// The `count`th of a window alerts, once.
    Both,
    /// From the one after the `count`th of a window on, all alert.
    DetectionFilter,
    /// The `count`th alerts, then the `count × multiplier`th, and so on; there is no window.
    Backoff { multiplier: u32 },
}

/// A rule's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Limit {
    pub(crate) kind: LimitKind,
    pub(crate) count: u32,
    pub(crate) seconds: u32,
}

/// Whose events are counted together: of which rule, and of which host, pair, flow, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Counted {
    pub(crate) gid: u32,
    pub(crate) sid: u32,
    pub(crate) key: CountKey,
    /// A rule may have a limit of its own and one from the threshold file.
    pub(crate) which: u8,
}

/// What events are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CountKey {
    Host(HostKey),
    Flow(u64),
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began_ns: u64,
    ends_ns: u64,
    count: u32,
    /// Of a back-off: the count that alerts next.
    next: u32,
}

const SHARDS: usize = 16;

type Windows = hashbrown::HashMap<Counted, Window, foldhash::fast::RandomState>;

/// Counters of all rules that have a limit.
#[derive(Debug)]
pub(crate) struct Limits {
    shards: [Mutex<Windows>; SHARDS],
    max_per_shard: usize,
}

impl Limits {
    pub(crate) fn new(max_entries: usize) -> Self {
        Self { shards: Default::default(), max_per_shard: (max_entries / SHARDS).max(16) }
    }

    /// Counts an event of a rule; whether it may alert.
    pub(crate) fn passes(&self, of: Counted, limit: Limit, now: Timestamp) -> bool {
        use std::hash::BuildHasher;
        let hash = foldhash::fast::FixedState::default().hash_one(of);
        let mut windows =
            self.shards[hash as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= self.max_per_shard && !windows.contains_key(&of) {
            let before = windows.len();
            windows.retain(|_, w| now.as_nanos() < w.ends_ns);
            if windows.len() > before / 2 {
                // A flood of hosts: those that have been counted least lose their count.
                windows.retain(|_, w| w.count > 1);
            }
            if windows.len() >= self.max_per_shard {
                windows.clear();
            }
        }
        let window = windows.entry(of).or_insert(Window {
            began_ns: now.as_nanos(),
            ends_ns: 0,
            count: 0,
            next: limit.count,
        });
        window.event(limit, now)
    }
}

impl Window {
    fn event(&mut self, limit: Limit, now: Timestamp) -> bool {
        let length_ns = u64::from(limit.seconds) * 1_000_000_000;
        let windowed = !matches!(limit.kind, LimitKind::Backoff { .. });
        let begins = self.count == 0 && self.ends_ns == 0;
        // A window holds the whole of its last second's end: Suricata renews it when more has gone by.
        if begins || (windowed && now.as_nanos().saturating_sub(self.began_ns) > length_ns) {
            self.began_ns = now.as_nanos();
            self.count = 0;
        }
        self.ends_ns = if windowed { self.began_ns.saturating_add(length_ns) } else { u64::MAX };
        self.count = self.count.saturating_add(1);
        match limit.kind {
            LimitKind::Limit => self.count <= limit.count,
            LimitKind::Threshold => {
                let due = self.count >= limit.count;
                if due {
                    self.count = 0;
                    // The window goes on: the next is due after as many again, within it.
                    self.ends_ns = self.ends_ns.max(1);
                }
                due
            }
            LimitKind::Both => self.count == limit.count,
            LimitKind::DetectionFilter => self.count > limit.count,
            LimitKind::Backoff { multiplier } => {
                let due = self.count == self.next;
                if due {
                    self.next = self.next.saturating_mul(multiplier.max(1)).max(self.next + 1);
                }
                due
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which of the events, one a second from 0 on, it alerts.
    fn alerts(kind: LimitKind, count: u32, seconds: u32, events: u64) -> Vec<u64> {
        let limits = Limits::new(100);
        let of = Counted { gid: 1, sid: 1, key: CountKey::Host(HostKey::Host(1)), which: 0 };
        (0..events)
            .filter(|&s| {
                limits.passes(of, Limit { kind, count, seconds }, Timestamp(s * 1_000_000_000 + 5))
            })
            .collect()
    }

    #[test]
    fn each_kind_counts_in_its_own_way() {
        assert_eq!(alerts(LimitKind::Limit, 2, 3, 9), [0, 1, 4, 5, 8]);
        assert_eq!(alerts(LimitKind::Threshold, 2, 100, 6), [1, 3, 5]);
        assert_eq!(alerts(LimitKind::Both, 2, 3, 9), [1, 5]);
        assert_eq!(alerts(LimitKind::DetectionFilter, 2, 4, 11), [2, 3, 4, 7, 8, 9]);
        assert_eq!(alerts(LimitKind::Backoff { multiplier: 10 }, 1, 0, 120), [0, 9, 99]);
    }

    #[test]
    fn hosts_rules_and_flows_are_counted_apart() {
        let limits = Limits::new(100);
        let limit = Limit { kind: LimitKind::Limit, count: 1, seconds: 60 };
        let now = Timestamp(1);
        for key in [
            CountKey::Host(HostKey::Host(1)),
            CountKey::Host(HostKey::Host(2)),
            CountKey::Host(HostKey::pair(1, 2)),
            CountKey::Flow(1),
        ] {
            for sid in [1, 2] {
                let of = Counted { gid: 1, sid, key, which: 0 };
                assert!(limits.passes(of, limit, now));
                assert!(!limits.passes(of, limit, now));
            }
        }
    }

    #[test]
    fn a_flood_of_sources_is_bounded() {
        let limits = Limits::new(1600);
        let limit = Limit { kind: LimitKind::Limit, count: 1, seconds: 60 };
        for host in 0..100_000 {
            let key = CountKey::Host(HostKey::Host(host));
            limits.passes(Counted { gid: 1, sid: 1, key, which: 0 }, limit, Timestamp(1));
        }
        let held: usize = limits.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(held <= 1600, "{held}");
    }
}
