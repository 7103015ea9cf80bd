//! From exceedances to alarms: one for a host and a while, one a day for a cause, and no more a day than the budget has.
//!
//! What is new is not learned at once, so it goes on to be strange; in learning, where alarms are calibrated, it was
//! strange once. So a cause that was told is told again a day later at the earliest.

use super::peaks::SPAN_S;
use super::table::Table;

/// Hosts and causes in memory.
const HOSTS: usize = 16_384;
const CAUSES: usize = 65_536;
const DAY_S: f64 = 86_400.0;

#[derive(Clone, Copy, Debug, Default)]
struct Host {
    alarmed: f64,
    /// Exceedances since then.
    more: u64,
}

/// Decides which exceedances are told.
#[derive(Clone, Debug)]
pub(super) struct Alarms {
    hosts: Table<Host>,
    /// When they were told.
    causes: Table<f64>,
    /// Alarms that may be raised now: a day's at first, refilled as the day goes on.
    left: f64,
    most: f64,
    refilled: Option<f64>,
    suppressed: u64,
}

impl Alarms {
    pub(super) fn new(per_day: f64) -> Self {
        let most = per_day.max(1.0);
        Self {
            hosts: Table::new(HOSTS),
            causes: Table::new(CAUSES),
            left: most,
            most: per_day,
            refilled: None,
            suppressed: 0,
        }
    }

    /// An exceedance, with what it rests on most. If it is to be told, how many were not since the last of this host.
    pub(super) fn raise(&mut self, host: u64, causes: &[u64], now: f64) -> Option<u64> {
        let last = self.refilled.replace(now).unwrap_or(now);
        let refill = (now - last).max(0.0) * self.most / DAY_S;
        self.left = (self.left + refill).min(self.most.max(1.0));
        let told = causes
            .iter()
            .any(|cause| self.causes.get(*cause).is_some_and(|told| (now - told).abs() < DAY_S));
        let (state, new) = self.hosts.entry(host);
        if new {
            state.alarmed = f64::NEG_INFINITY;
        }
        if told || (now - state.alarmed).abs() < SPAN_S || self.left < 1.0 {
            state.more += 1;
            self.suppressed += 1;
            return None;
        }
        self.left -= 1.0;
        state.alarmed = now;
        for cause in causes {
            *self.causes.entry(*cause).0 = now;
        }
        Some(std::mem::take(&mut state.more))
    }

    /// Exceedances that were not told.
    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_once_in_a_while_a_cause_once_a_day_and_the_budget_holds() {
        let mut alarms = Alarms::new(5.0);
        assert_eq!(alarms.raise(1, &[10], 0.0), Some(0));
        assert_eq!(alarms.raise(1, &[11], 1.0), None);
        assert_eq!(alarms.raise(1, &[10], 700.0), None, "the cause was told");
        assert_eq!(alarms.raise(2, &[12, 10], 701.0), None, "of another host too");
        assert_eq!(alarms.raise(1, &[11], 702.0), Some(2), "this one was not");
        let told = (0..1000u32)
            .filter(|i| alarms.raise(u64::from(*i) + 10, &[], 703.0 + f64::from(*i)).is_some())
            .count();
        assert_eq!(told, 3);
        assert!(alarms.raise(9999, &[10], 1800.0 + DAY_S).is_some());
    }
}
