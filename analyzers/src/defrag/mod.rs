//! IP fragments put together, within caps.
//!
//! A datagram is known by its addresses, identification, VLAN ids and tunnels, in IPv4 also by its
//! protocol (RFC 791, RFC 8200 section 4.5). Where IPv4 fragments overlap an [`OverlapPolicy`]
//! says whose bytes count; IPv6 datagrams with an overlap are given up together with all that
//! still comes of them (RFC 5722), exact duplicates excepted. Memory is bounded in every
//! direction: datagrams, bytes, fragments and bytes of one datagram, time. When it is full the
//! oldest datagram makes room. Time is an argument and the hash has a given seed, so that the same
//! frames give the same result.

mod counters;
mod rebuild;
mod tracker;
mod types;

#[cfg(test)]
mod tests;

pub use counters::{DefragCounters, DropReason};
pub use tracker::OverlapPolicy;
pub use types::{DefragOptions, DefragOutcome, Pushed, Reassembled};

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::quality::FixedState;
use hashbrown::HashMap;
use umbra_wire::ipv6::HEADER_LEN;
use umbra_wire::number::protocol;

use crate::decode::{ChecksumState, DecodeFault, Decoded, Faults, Fragment, IpInfo};
use tracker::{Fit, Tracker};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    /// 0 in IPv6, where only the first fragment's counts (RFC 8200 section 4.5).
    protocol: u8,
    vlans: u64,
    tunnels: u64,
}

/// Puts fragments together.
#[derive(Debug)]
pub struct Defragmenter {
    options: DefragOptions,
    counters: DefragCounters,
    trackers: HashMap<Key, Tracker, FixedState>,
    /// Keys in the order their trackers were made, for IPv4 and IPv6 with their own time-outs;
    /// those that are gone already are skipped by serial number.
    ages: [VecDeque<(Key, u64)>; 2],
    memory: usize,
    serial: u64,
}

/// Trackers looked at per fragment for having timed out, so that the work per fragment is bounded.
const EXPIRE_PER_PUSH: usize = 8;

impl Defragmenter {
    #[must_use]
    pub fn new(options: DefragOptions) -> Self {
        Self {
            options,
            counters: DefragCounters::default(),
            trackers: HashMap::with_hasher(FixedState::with_seed(options.seed)),
            ages: Default::default(),
            memory: 0,
            serial: 0,
        }
    }

    #[must_use]
    pub fn options(&self) -> &DefragOptions {
        &self.options
    }

    #[must_use]
    pub fn counters(&self) -> &DefragCounters {
        &self.counters
    }

    /// Datagrams in the making.
    #[must_use]
    pub fn trackers(&self) -> usize {
        self.trackers.len()
    }

    /// Memory held for them, bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Takes in a decoded packet; `now_ns` is its time.
    pub fn push(&mut self, packet: &Decoded<'_>, now_ns: u64) -> Pushed {
        let Some((ip, fragment)) = packet.ip.and_then(|ip| Some((ip, ip.fragment?))) else {
            return Pushed { outcome: DefragOutcome::NotFragment, faults: Faults::default() };
        };
        if ip.version == 4 {
            self.counters.ipv4_fragments += 1;
        } else {
            self.counters.ipv6_fragments += 1;
        }
        self.expire(now_ns, EXPIRE_PER_PUSH);
        let mut faults = Faults::default();
        let outcome = match self.take(packet, &ip, fragment, now_ns, &mut faults) {
            Ok(None) => DefragOutcome::Held,
            Ok(Some(whole)) => {
                if ip.version == 4 {
                    self.counters.ipv4_reassembled += 1;
                } else {
                    self.counters.ipv6_reassembled += 1;
                }
                DefragOutcome::Complete(whole)
            }
            Err(reason) => {
                self.counters.drop(reason);
                fault_of(reason, ip.version).into_iter().for_each(|f| faults.insert(f));
                DefragOutcome::Dropped(reason)
            }
        };
        Pushed { outcome, faults }
    }

    /// Gives up what has timed out. Called now and then it frees memory on a quiet wire.
    pub fn tick(&mut self, now_ns: u64) {
        self.expire(now_ns, usize::MAX);
    }

    fn take(
        &mut self,
        packet: &Decoded<'_>,
        ip: &IpInfo,
        fragment: Fragment,
        now_ns: u64,
        faults: &mut Faults,
    ) -> Result<Option<Reassembled>, DropReason> {
        if packet.is_invalid() || packet.checksums.ip == ChecksumState::Bad {
            return Err(DropReason::Invalid);
        }
        let mut data = packet.datagram.get(fragment.data_at.into()..).unwrap_or(&[]);
        if packet.datagram.len() < ip.total_len as usize {
            return Err(DropReason::CutShort);
        }
        if fragment.more && !data.len().is_multiple_of(8) {
            if ip.version == 6 {
                return Err(DropReason::Unaligned);
            }
            self.counters.trimmed += 1;
            data = data.get(..data.len() & !7).unwrap_or(&[]);
        }
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if len == 0 {
            return Err(DropReason::Empty);
        }
        let start = u32::from(fragment.offset);
        let at = start..start.saturating_add(len);
        // Of IPv4 with the header, of IPv6 without: what the length fields can say.
        let headers = if ip.version == 4 { ip.header_len.into() } else { 0 };
        if at.end + headers > u32::from(u16::MAX) {
            return Err(DropReason::TooLarge);
        }
        if start == 0 && data.len() < least_transport_len(ip.protocol) {
            self.counters.tiny += 1;
        }
        let key = key_of(packet, ip);
        let mut tracker = self.checkout(&key, ip.version, now_ns)?;
        let result = self.add(&mut tracker, packet, ip, fragment, at, data, faults);
        match result {
            Ok(()) if tracker.is_whole() => whole(&tracker, ip.version).map(Some),
            result => {
                self.checkin(key, tracker)?;
                result.map(|()| None)
            }
        }
    }

    /// The tracker of a datagram, taken out of the table, or a new one.
    fn checkout(&mut self, key: &Key, version: u8, now_ns: u64) -> Result<Tracker, DropReason> {
        if let Some(tracker) = self.trackers.remove(key) {
            self.memory = self.memory.saturating_sub(tracker.memory());
            // A tracker that outlived its time is not what this fragment belongs to.
            if now_ns.saturating_sub(tracker.created_ns) < self.timeout_ns(version) {
                return Ok(tracker);
            }
            self.counters.timeouts += 1;
        }
        if self.options.max_trackers == 0 {
            return Err(DropReason::NoRoom);
        }
        while self.trackers.len() >= self.options.max_trackers {
            self.counters.evicted_trackers += u64::from(self.evict_oldest());
        }
        self.serial += 1;
        let serial = self.serial;
        self.remember_age(*key, serial, version);
        Ok(Tracker::new(now_ns, serial))
    }

    /// Puts a tracker back, making room for what it grew by. It may be the one that has to go.
    fn checkin(&mut self, key: Key, tracker: Tracker) -> Result<(), DropReason> {
        let serial = tracker.serial;
        self.memory += tracker.memory();
        self.trackers.insert(key, tracker);
        while self.memory > self.options.max_memory && self.evict_oldest() {
            self.counters.evicted_memory += 1;
        }
        let stays = self.trackers.get(&key).is_some_and(|tracker| tracker.serial == serial);
        if stays { Ok(()) } else { Err(DropReason::NoRoom) }
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; the fragment in its parts")]
    fn add(
        &mut self,
        tracker: &mut Tracker,
        packet: &Decoded<'_>,
        ip: &IpInfo,
        fragment: Fragment,
        at: std::ops::Range<u32>,
        data: &[u8],
        faults: &mut Faults,
    ) -> Result<(), DropReason> {
        if tracker.given_up {
            return Err(DropReason::GivenUp);
        }
        match tracker.fit(&at, data) {
            Fit::Free => {}
            Fit::Duplicate => return Err(DropReason::Duplicate),
            Fit::Overlap { inside } => {
                self.counters.overlaps += 1;
                self.counters.teardrops += u64::from(inside);
                if ip.version == 6 {
                    tracker.give_up();
                    return Err(DropReason::Overlap);
                }
                faults.insert(DecodeFault::Ipv4FragOverlap);
            }
        }
        // The first end that is stated counts.
        let contradicts = match tracker.end {
            Some(end) => at.end > end || (!fragment.more && at.end != end),
            None => !fragment.more && at.end < tracker.furthest(),
        };
        if contradicts {
            if ip.version == 6 {
                tracker.give_up();
            }
            return Err(DropReason::BehindEnd);
        }
        if tracker.fragments >= self.options.max_fragments {
            tracker.give_up();
            return Err(DropReason::TooManyFragments);
        }
        if tracker.stored() + data.len() > self.options.max_datagram_bytes {
            tracker.give_up();
            return Err(DropReason::TooManyBytes);
        }
        if at.start == 0 && tracker.header.is_none() {
            tracker.header = Some(rebuild::header(packet, ip).ok_or(DropReason::Invalid)?);
        }
        if !fragment.more {
            tracker.end = Some(at.end);
        }
        if !tracker.insert(at, data, self.options.overlap) {
            return Err(DropReason::Covered);
        }
        tracker.fragments += 1;
        Ok(())
    }

    fn timeout_ns(&self, version: u8) -> u64 {
        if version == 4 { self.options.ipv4_timeout_ns } else { self.options.ipv6_timeout_ns }
    }

    fn remember_age(&mut self, key: Key, serial: u64, version: u8) {
        let live = self.trackers.len();
        let ages = &mut self.ages[usize::from(version == 6)];
        // Trackers that became whole leave their entries behind; so there are never more than a
        // few times as many entries as trackers, at a cost that spreads over the pushes.
        if ages.len() > 2 * live + 64 {
            ages.retain(|(key, serial)| {
                self.trackers.get(key).is_some_and(|tracker| tracker.serial == *serial)
            });
        }
        ages.push_back((key, serial));
    }

    fn expire(&mut self, now_ns: u64, most: usize) {
        for (queue, version) in [(0, 4), (1, 6)] {
            let timeout_ns = self.timeout_ns(version);
            for _ in 0..most {
                let Some((key, serial)) = self.ages[queue].front() else { break };
                if let Some(tracker) = self.trackers.get(key)
                    && tracker.serial == *serial
                {
                    if now_ns.saturating_sub(tracker.created_ns) < timeout_ns {
                        break;
                    }
                    self.memory = self.memory.saturating_sub(tracker.memory());
                    self.counters.timeouts += u64::from(!tracker.given_up);
                    self.trackers.remove(key);
                }
                self.ages[queue].pop_front();
            }
        }
    }

    /// False when there is nothing left to evict.
    fn evict_oldest(&mut self) -> bool {
        loop {
            let [v4, v6] = &self.ages;
            let queue = match (v4.front(), v6.front()) {
                (None, None) => return false,
                (Some(a), Some(b)) => usize::from(b.1 < a.1),
                (a, _) => usize::from(a.is_none()),
            };
            let Some((key, serial)) = self.ages[queue].pop_front() else { return false };
            if self.trackers.get(&key).is_some_and(|tracker| tracker.serial == serial)
                && let Some(tracker) = self.trackers.remove(&key)
            {
                self.memory = self.memory.saturating_sub(tracker.memory());
                return true;
            }
        }
    }
}

fn key_of(packet: &Decoded<'_>, ip: &IpInfo) -> Key {
    let tunnels = match packet.tunnels.is_empty() {
        true => 0,
        false => FixedState::with_seed(0).hash_one(packet.tunnels),
    };
    Key {
        src: ip.src,
        dst: ip.dst,
        id: ip.id,
        protocol: if ip.version == 4 { ip.protocol } else { 0 },
        vlans: packet.vlans.as_u64(),
        tunnels,
    }
}

fn whole(tracker: &Tracker, version: u8) -> Result<Reassembled, DropReason> {
    let header = tracker.header.as_deref().unwrap_or(&[]);
    let len = header.len() + tracker.end.unwrap_or(0) as usize;
    let most = usize::from(u16::MAX) + if version == 6 { HEADER_LEN } else { 0 };
    // The first fragment may have longer headers than the one that said where the end is.
    if len > most {
        return Err(DropReason::TooLarge);
    }
    let mut datagram = Vec::with_capacity(len);
    datagram.extend_from_slice(header);
    tracker.write_payload(&mut datagram);
    rebuild::finish(&mut datagram);
    Ok(Reassembled { datagram, fragments: tracker.fragments, first_ns: tracker.created_ns })
}

/// What a first fragment must hold so that a filter sees ports and flags (RFC 1858, RFC 7112).
fn least_transport_len(number: u8) -> usize {
    match number {
        protocol::TCP => 20,
        protocol::SCTP => 12,
        _ => 8,
    }
}

fn fault_of(reason: DropReason, version: u8) -> Option<DecodeFault> {
    Some(match (reason, version) {
        (DropReason::TooLarge, 4) => DecodeFault::Ipv4FragPktTooLarge,
        (DropReason::TooLarge, _) => DecodeFault::Ipv6FragPktTooLarge,
        (DropReason::Overlap | DropReason::BehindEnd | DropReason::Covered, 4) => {
            DecodeFault::Ipv4FragOverlap
        }
        (DropReason::Overlap | DropReason::BehindEnd, _) => DecodeFault::Ipv6FragOverlap,
        (DropReason::Unaligned, _) => DecodeFault::Ipv6FragInvalidLength,
        (DropReason::TooManyFragments | DropReason::TooManyBytes | DropReason::NoRoom, 4) => {
            DecodeFault::Ipv4FragIgnored
        }
        (DropReason::TooManyFragments | DropReason::TooManyBytes | DropReason::NoRoom, _) => {
            DecodeFault::Ipv6FragIgnored
        }
        _ => return None,
    })
}
