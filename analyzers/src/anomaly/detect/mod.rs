//! Detectors of what has a name: what operators ask for first.
//!
//! Each looks at packets one by one, keeps bounded tables, and gives [`Detection`]s with their evidence. What is a
//! threshold here is a published test's or a rate no benign host of any size reaches; what depends on the network is
//! asked of the learned model ([`Known`]). Figures are scaled up by the sampling fraction where a packet stands for
//! many. [`Told`] makes a few alerts of many detections.

mod beacon;
mod brute;
mod exfiltration;
mod flood;
mod neighbour;
mod ports;
mod scan;
mod told;
mod tunnel;

#[cfg(test)]
mod tests;

pub(super) use told::Told;

use super::keys::{Keys, Observation, Relation};
use super::names::Sid;
use crate::events::Evidence;
use crate::profile::Packet;

/// Something with a name was seen.
#[derive(Clone, Debug)]
pub(super) struct Detection {
    pub(super) sid: Sid,
    /// Who is told about once in a while.
    pub(super) about: u64,
    pub(super) evidence: Vec<Evidence>,
}

/// A packet as detectors see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'p> {
    pub(super) packet: &'p Packet<'p>,
    pub(super) keys: &'p Keys,
    pub(super) now: f64,
    /// How many packets it stands for.
    pub(super) weight: f64,
    pub(super) known: Known,
}

/// What the model knows of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known(u32);

impl Known {
    /// Of what `is_known` says of a packet's observations.
    pub(super) fn of(keys: &Keys, is_known: impl Fn(Observation) -> bool) -> Self {
        let unknown = (0u32..).zip(&keys.observations).filter_map(|(at, observation)| {
            let observation = (*observation)?;
            (!is_known(observation)).then_some(1 << at)
        });
        Self(!unknown.fold(0, |all, bit| all | bit))
    }

    pub(super) const fn is(self, relation: Relation) -> bool {
        self.0 >> relation as u32 & 1 != 0
    }
}

impl Seen<'_> {
    /// Whether it goes to one host.
    fn is_unicast(&self) -> bool {
        let decoded = &self.packet.decoded;
        let to_group = decoded.dst_mac[0] & 1 != 0;
        let to_all = decoded.ip.is_none_or(|ip| match ip.dst {
            std::net::IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
            std::net::IpAddr::V6(ip) => ip.is_multicast(),
        });
        !to_group && !to_all
    }
}

/// All of them.
#[derive(Clone, Debug)]
pub(super) struct Detectors {
    scan: scan::Scans,
    flood: flood::Floods,
    brute: brute::BruteForce,
    beacon: beacon::Beacons,
    tunnel: tunnel::Tunnels,
    exfiltration: exfiltration::Exfiltration,
    neighbour: neighbour::Neighbours,
    ports: ports::Ports,
}

impl Detectors {
    /// With tables of `capacity` keys each; about 1 KB for each of these.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            scan: scan::Scans::new(capacity),
            flood: flood::Floods::new(capacity),
            brute: brute::BruteForce::new(capacity),
            beacon: beacon::Beacons::new(capacity),
            tunnel: tunnel::Tunnels::new(capacity),
            exfiltration: exfiltration::Exfiltration::new(capacity),
            neighbour: neighbour::Neighbours::new(capacity),
            ports: ports::Ports::new(capacity),
        }
    }

    /// Looks at a packet.
    pub(super) fn look(&mut self, seen: &Seen<'_>, found: &mut Vec<Detection>) {
        self.neighbour.look(seen, found);
        if seen.packet.decoded.ip.is_none() || seen.packet.held_fragment {
            return;
        }
        self.scan.look(seen, found);
        self.flood.look(seen, found);
        self.brute.look(seen, found);
        self.beacon.look(seen, found);
        self.tunnel.look(seen, found);
        self.exfiltration.look(seen, found);
        self.ports.look(seen, found);
    }
}

/// Decays by half in so many seconds.
fn half(passed: f64, half_life: f64) -> f64 {
    (-passed.max(0.0) / half_life).exp2()
}
