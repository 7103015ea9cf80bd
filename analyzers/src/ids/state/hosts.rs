//! `hostbits` and `xbits`: bits of a host or of a pair of hosts, with an expiry.

use std::sync::Mutex;
use std::sync::PoisonError;

use crate::events::Timestamp;

/// Whose bit. Addresses are IPv6, or IPv4 as `::ffff:a.b.c.d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum HostKey {
    /// One host's.
    Host(u128),
    /// A pair's, whoever is first.
    Pair(u128, u128),
    /// A transaction or flow-less rule's own bit would not be here; this one is of all hosts.
    Everybody,
}

impl HostKey {
    /// The pair's key, the same from both ends.
    pub(crate) fn pair(a: u128, b: u128) -> Self {
        if a <= b { HostKey::Pair(a, b) } else { HostKey::Pair(b, a) }
    }
}

const SHARDS: usize = 16;

type Bits = hashbrown::HashMap<(HostKey, u32), u64, foldhash::fast::RandomState>;

/// Bits of hosts.
#[derive(Debug)]
pub(crate) struct HostBits {
    shards: [Mutex<Bits>; SHARDS],
    max_per_shard: usize,
}

impl HostBits {
    pub(crate) fn new(max_entries: usize) -> Self {
        Self { shards: Default::default(), max_per_shard: (max_entries / SHARDS).max(16) }
    }

    fn with<R>(&self, key: HostKey, act: impl FnOnce(&mut Bits) -> R) -> R {
        use std::hash::BuildHasher;
        let hash = foldhash::fast::FixedState::default().hash_one(key);
        let shard = &self.shards[hash as usize % SHARDS];
        // A panic elsewhere leaves bits set or not, both of which are states of theirs.
        act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_set(&self, key: HostKey, bit: u32, now: Timestamp) -> bool {
        self.with(key, |bits| match bits.get(&(key, bit)) {
            Some(&expires) if now.as_nanos() < expires => true,
            Some(_) => {
                bits.remove(&(key, bit));
                false
            }
            None => false,
        })
    }

    /// Set until `expire_s` from now, or for as long as a flow could last where none is given.
    pub(crate) fn set(&self, key: HostKey, bit: u32, expire_s: u32, now: Timestamp) {
        let expires = now.as_nanos().saturating_add(u64::from(expire_s) * 1_000_000_000);
        let max = self.max_per_shard;
        self.with(key, |bits| {
            if bits.len() >= max && !bits.contains_key(&(key, bit)) {
                make_room(bits, now);
            }
            bits.insert((key, bit), expires);
        });
    }

    pub(crate) fn unset(&self, key: HostKey, bit: u32) {
        self.with(key, |bits| bits.remove(&(key, bit)));
    }

    pub(crate) fn toggle(&self, key: HostKey, bit: u32, expire_s: u32, now: Timestamp) {
        if self.is_set(key, bit, now) {
            self.unset(key, bit);
        } else {
            self.set(key, bit, expire_s, now);
        }
    }
}

/// What is over goes; where that is not enough, also the half of the rest that would be over first, which is
/// said nowhere else than in what is then not found: the cap is there against floods.
fn make_room(bits: &mut Bits, now: Timestamp) {
    let before = bits.len();
    bits.retain(|_, expires| now.as_nanos() < *expires);
    if bits.len() > before / 2 {
        let mut ends: Vec<u64> = bits.values().copied().collect();
        let middle = ends.len() / 2;
        let (_, &mut middle, _) = ends.select_nth_unstable(middle);
        bits.retain(|_, expires| *expires > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Timestamp = |s| Timestamp(s * 1_000_000_000);

    #[test]
    fn bits_expire_and_belong_to_their_host() {
        let bits = HostBits::new(1000);
        bits.set(HostKey::Host(1), 7, 10, AT(100));
        assert!(bits.is_set(HostKey::Host(1), 7, AT(109)));
        assert!(!bits.is_set(HostKey::Host(2), 7, AT(109)));
        assert!(!bits.is_set(HostKey::Host(1), 8, AT(109)));
        assert!(!bits.is_set(HostKey::Host(1), 7, AT(110)));
        bits.toggle(HostKey::pair(2, 1), 3, 5, AT(0));
        assert!(bits.is_set(HostKey::pair(1, 2), 3, AT(1)));
        bits.toggle(HostKey::pair(1, 2), 3, 5, AT(1));
        assert!(!bits.is_set(HostKey::pair(1, 2), 3, AT(1)));
    }

    #[test]
    fn a_flood_of_hosts_is_bounded() {
        let bits = HostBits::new(1600);
        for host in 0..100_000 {
            bits.set(HostKey::Host(host), 1, 1000, AT(1));
        }
        let held: usize = bits.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(held <= 1600, "{held}");
    }

    #[test]
    fn those_that_were_set_last_stay() {
        let bits = HostBits::new(1600);
        for host in 0..100_000 {
            bits.set(HostKey::Host(host), 1, 1000, Timestamp(host as u64));
        }
        assert!((99_900..100_000).all(|host| bits.is_set(HostKey::Host(host), 1, AT(1))));
    }
}
