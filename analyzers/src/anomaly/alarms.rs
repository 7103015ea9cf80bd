//! From exceedances to alarms: one for a host and a while, and no more a day than the budget has.

use super::peaks::SPAN_S;
use super::table::Table;

/// Hosts in memory.
const HOSTS: usize = 16_384;
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
    /// Alarms that may be raised now: a day's at first, refilled as the day goes on.
    left: f64,
    most: f64,
    refilled: Option<f64>,
    suppressed: u64,
}

impl Alarms {
    pub(super) fn new(per_day: f64) -> Self {
        let most = per_day.max(1.0);
        Self { hosts: Table::new(HOSTS), left: most, most: per_day, refilled: None, suppressed: 0 }
    }

    /// An exceedance. If it is to be told, how many were not since the last of this host.
    pub(super) fn raise(&mut self, host: u64, now: f64) -> Option<u64> {
        let last = self.refilled.replace(now).unwrap_or(now);
        let refill = (now - last).max(0.0) * self.most / DAY_S;
        self.left = (self.left + refill).min(self.most.max(1.0));
        let (state, new) = self.hosts.entry(host);
        if !new && (now - state.alarmed).abs() < SPAN_S {
            state.more += 1;
            self.suppressed += 1;
            return None;
        }
        if self.left < 1.0 {
            state.more += 1;
            state.alarmed = if new { f64::NEG_INFINITY } else { state.alarmed };
            self.suppressed += 1;
            return None;
        }
        self.left -= 1.0;
        state.alarmed = now;
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
    fn a_host_is_told_once_in_a_while_and_the_budget_holds() {
        let mut alarms = Alarms::new(5.0);
        assert_eq!(alarms.raise(1, 0.0), Some(0));
        assert_eq!(alarms.raise(1, 1.0), None);
        assert_eq!(alarms.raise(1, 2.0), None);
        assert_eq!(alarms.raise(1, 700.0), Some(2));
        let told = (0..1000u32)
            .filter(|i| alarms.raise(u64::from(*i) + 10, 701.0 + f64::from(*i)).is_some())
            .count();
        assert_eq!(told, 3);
        assert!(alarms.raise(9999, 701.0 + DAY_S).is_some());
    }
}
