//! Exfiltration: much goes out to a server that was not talked to while it was learned, and little comes back.

use std::net::IpAddr;

use super::{Detection, Seen, half};
use crate::anomaly::hash::Key;
use crate::anomaly::keys::{Party, Relation};
use crate::anomaly::names::Sid;
use crate::anomaly::table::Table;
use crate::events::Evidence;

/// Bytes within a half-life of ten minutes: some minutes of 1 Mbit/s.
const BYTES: f64 = 20e6;
const HALF_LIFE_S: f64 = 600.0;
/// Bytes out for each byte in. Frames that are only acknowledged have 30 or so.
const RATIO: f64 = 10.0;

#[derive(Clone, Copy, Debug, Default)]
struct Exchange {
    sent: f64,
    received: f64,
    last: f64,
    unknown: bool,
}

/// Exchanges by the pair of hosts.
#[derive(Clone, Debug)]
pub(super) struct Exfiltration {
    exchanges: Table<Exchange>,
}

impl Exfiltration {
    pub(super) fn new(capacity: usize) -> Self {
        Self { exchanges: Table::new(capacity / 2) }
    }

    pub(super) fn look(&mut self, seen: &Seen<'_>, found: &mut Vec<Detection>) {
        let (source, destination) = (seen.keys.source, seen.keys.destination);
        let out = match (is_private(source), is_private(destination)) {
            (true, false) => true,
            (false, true) => false,
            _ => return,
        };
        if !seen.is_unicast() {
            return;
        }
        let (inside, outside) = if out { (source, destination) } else { (destination, source) };
        let key = Key::new(inside.key(), outside.key()).get();
        let (exchange, _) = self.exchanges.entry(key);
        let kept = half(seen.now - exchange.last, HALF_LIFE_S);
        exchange.sent *= kept;
        exchange.received *= kept;
        exchange.last = seen.now;
        let bytes = seen.weight * f64::from(seen.packet.meta.frame_len);
        *(if out { &mut exchange.sent } else { &mut exchange.received }) += bytes;
        exchange.unknown |= !seen.known.is(Relation::Pair);
        if !exchange.unknown || exchange.sent < BYTES || exchange.sent < RATIO * exchange.received {
            return;
        }
        found.push(Detection {
            sid: Sid::Exfiltration,
            about: key,
            evidence: vec![
                Evidence::new("host", inside.to_string()),
                Evidence::new("receiver", outside.to_string()),
                Evidence::new("service", seen.keys.subject.service.to_string()),
                Evidence::new("sent_bytes", exchange.sent.round()),
                Evidence::new("received_bytes", exchange.received.round()),
                Evidence::new("half_life_s", HALF_LIFE_S),
            ],
        });
        (exchange.sent, exchange.received) = (0.0, 0.0);
    }
}

/// Private, link-local and unique local addresses.
fn is_private(party: Party) -> bool {
    match party {
        Party::Ip(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local(),
        Party::Ip(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        Party::Mac(_) => true,
    }
}
