//! Beaconing: a client calls the same service at even intervals, and did not while it was learned.

use super::{Detection, Seen};
use crate::anomaly::hash::Key;
use crate::anomaly::keys::Relation;
use crate::anomaly::names::Sid;
use crate::anomaly::table::Table;
use crate::events::Evidence;

/// Intervals that are looked at.
const INTERVALS: usize = 12;
/// Between these, seconds: faster is a conversation, slower takes half a day to see.
const SHORTEST_S: f64 = 5.0;
const LONGEST_S: f64 = 3600.0;
/// Median deviation over median. Of calls at random it is about 0.7 and below 0.2 in one of 10⁴ cases; implants that
/// add noise add 10 to 20%, which is a median deviation of 5 to 10%.
const EVEN: f64 = 0.12;

#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    last: f64,
    intervals: [f64; INTERVALS],
    count: usize,
}

/// Calls by client, server and service.
#[derive(Clone, Debug)]
pub(super) struct Beacons {
    calls: Table<Calls>,
}

impl Beacons {
    pub(super) fn new(capacity: usize) -> Self {
        Self { calls: Table::new(capacity / 4) }
    }

    pub(super) fn look(&mut self, seen: &Seen<'_>, found: &mut Vec<Detection>) {
        let packet = seen.packet;
        if !packet.opens_flow
            || !packet.to_server
            || seen.known.is(Relation::Conversation)
            || !seen.is_unicast()
        {
            return;
        }
        let key = Key::new(seen.keys.heading, 12).get();
        let (calls, new) = self.calls.entry(key);
        let passed = seen.now - calls.last;
        if !new && passed < 1.0 {
            // One call may open several connections.
            return;
        }
        calls.last = seen.now;
        if new {
            return;
        }
        if let Some(slot) = calls.intervals.get_mut(calls.count % INTERVALS) {
            *slot = passed;
        }
        calls.count += 1;
        if calls.count < INTERVALS {
            return;
        }
        let period = median(calls.intervals);
        let deviation = median(calls.intervals.map(|interval| (interval - period).abs()));
        if !(SHORTEST_S..=LONGEST_S).contains(&period) || deviation > EVEN * period {
            return;
        }
        let subject = &seen.keys.subject;
        found.push(Detection {
            sid: Sid::Beaconing,
            about: key,
            evidence: vec![
                Evidence::new("client", subject.client.to_string()),
                Evidence::new("server", subject.server.to_string()),
                Evidence::new("service", subject.service.to_string()),
                Evidence::new("period_s", period),
                Evidence::new("median_deviation_s", deviation),
                Evidence::new("calls", calls.count as u64 + 1),
            ],
        });
    }
}

fn median(mut values: [f64; INTERVALS]) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[INTERVALS / 2 - 1], values[INTERVALS / 2])
}
