//! Neighbours: addresses that another device claims, and devices that were not there while it was learned.

use std::net::Ipv4Addr;

use super::{Detection, Seen};
use crate::anomaly::hash::Key;
use crate::anomaly::keys::{Party, Relation};
use crate::anomaly::names::Sid;
use crate::anomaly::table::Table;
use crate::events::Evidence;

/// A device that was heard of within this many seconds still has its address.
const HELD_S: f64 = 300.0;

#[derive(Clone, Copy, Debug, Default)]
struct Binding {
    mac: [u8; 6],
    last: f64,
    claims: u32,
}

/// Who has which address.
#[derive(Clone, Debug)]
pub(super) struct Neighbours {
    bindings: Table<Binding>,
    devices: Table<()>,
}

impl Neighbours {
    pub(super) fn new(capacity: usize) -> Self {
        Self { bindings: Table::new(capacity), devices: Table::new(capacity) }
    }

    pub(super) fn look(&mut self, seen: &Seen<'_>, found: &mut Vec<Detection>) {
        self.device(seen, found);
        let Some(arp) = &seen.packet.decoded.arp else { return };
        // Probes claim nothing (RFC 5227).
        if arp.sender_ip == [0; 4] {
            return;
        }
        let address = Ipv4Addr::from(arp.sender_ip);
        let key = Key::new(21, u64::from(address.to_bits())).get();
        let (binding, new) = self.bindings.entry(key);
        let held = *binding;
        *binding = Binding { mac: arp.sender_mac, last: seen.now, claims: held.claims };
        if new || held.mac == arp.sender_mac || seen.now - held.last > HELD_S {
            return;
        }
        binding.claims = held.claims.saturating_add(1);
        found.push(Detection {
            sid: Sid::ArpSpoofing,
            about: key,
            evidence: vec![
                Evidence::new("address", address.to_string()),
                Evidence::new("claimed_by", Party::Mac(arp.sender_mac).to_string()),
                Evidence::new("held_by", Party::Mac(held.mac).to_string()),
                Evidence::new("sent_by", Party::Mac(seen.packet.decoded.src_mac).to_string()),
                Evidence::new("heard_of_holder_before_s", seen.now - held.last),
                Evidence::new("changes", u64::from(binding.claims)),
            ],
        });
    }

    fn device(&mut self, seen: &Seen<'_>, found: &mut Vec<Detection>) {
        let mac = seen.packet.decoded.src_mac;
        // Behind a router all packets are the router's; groups do not send.
        if seen.known.is(Relation::Device) || mac == [0; 6] || mac[0] & 1 != 0 {
            return;
        }
        let key = mac.iter().fold(0u64, |key, byte| key << 8 | u64::from(*byte));
        if !self.devices.entry(Key::new(22, key).get()).1 {
            return;
        }
        found.push(Detection {
            sid: Sid::NewDevice,
            about: key,
            evidence: vec![
                Evidence::new("device", Party::Mac(mac).to_string()),
                Evidence::new("first_seen_as", seen.keys.subject.to_string()),
                Evidence::new("locally_administered", u64::from(mac[0] >> 1 & 1)),
            ],
        });
    }
}
