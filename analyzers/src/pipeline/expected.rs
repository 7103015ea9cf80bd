//! Connections that others announced: FTP's data connections.
//!
//! Which instance gets a connection is decided by its ports, so the one that hears of a data connection is
//! most often not the one that sees it. That is why all instances of an appliance share what was announced.
//! Who asks takes a lock only where something of the same shard is announced, which is next to never where
//! there is no FTP.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::app::Expected;
use crate::events::Timestamp;
use crate::flow::FlowView;

const SHARDS: usize = 64;
/// Announcements that a shard remembers; the oldest go first.
const MOST: usize = 64;
/// How long they are remembered, nanoseconds.
const LIFE_NS: u64 = 300 * 1_000_000_000;

/// Between which hosts, and to which port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    hosts: [IpAddr; 2],
    port: u16,
}

impl Key {
    fn new(a: IpAddr, b: IpAddr, port: u16) -> Self {
        Self { hosts: if a <= b { [a, b] } else { [b, a] }, port }
    }
}

#[derive(Debug)]
struct Announced {
    expected: Expected,
    by: u64,
    at: Timestamp,
}

impl Announced {
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.nanos_since(self.at) < LIFE_NS
    }
}

#[derive(Debug, Default)]
struct Shard {
    /// How many there are; written under the lock, read without it.
    len: AtomicUsize,
    all: Mutex<HashMap<Key, Announced, FixedState>>,
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Announced, FixedState>> {
        // A panic elsewhere leaves an announcement there or not, both of which are states of theirs.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was announced and has not come, of the instances that share it.
#[derive(Debug)]
pub struct Announcements {
    shards: [Shard; SHARDS],
}

impl Default for Announcements {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()) }
    }
}

impl Announcements {
    fn shard(&self, key: &Key) -> &Shard {
        let hash = FixedState::default().hash_one(key);
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    /// A flow announced a connection between its hosts.
    pub(super) fn add(&self, by: &FlowView<'_>, expected: Expected, at: Timestamp) {
        let key = Key::new(by.client(), by.server(), expected.port);
        self.insert(key, Announced { expected, by: by.flow_id(), at });
    }

    fn insert(&self, key: Key, announced: Announced) {
        let shard = self.shard(&key);
        let mut all = shard.lock();
        all.retain(|_, known| known.is_fresh(announced.at));
        if all.len() >= MOST
            && !all.contains_key(&key)
            && let Some(oldest) = all.iter().min_by_key(|(key, known)| (known.at, key.port))
        {
            let oldest = *oldest.0;
            all.remove(&oldest);
        }
        all.insert(key, announced);
        shard.len.store(all.len(), Ordering::Release);
    }

    /// What a new flow was announced as, and by which flow.
    pub(super) fn take(&self, flow: &FlowView<'_>, now: Timestamp) -> Option<(Expected, u64)> {
        self.remove(&Key::new(flow.client(), flow.server(), flow.server_port()), now)
    }

    fn remove(&self, key: &Key, now: Timestamp) -> Option<(Expected, u64)> {
        let shard = self.shard(key);
        if shard.len.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut all = shard.lock();
        let announced = all.remove(key)?;
        shard.len.store(all.len(), Ordering::Release);
        announced.is_fresh(now).then_some((announced.expected, announced.by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{AppProto, Heading};

    const SECOND: u64 = 1_000_000_000;

    fn key(host: u32, port: u16) -> Key {
        Key::new(IpAddr::V4(host.into()), IpAddr::V4(1.into()), port)
    }

    fn announced(by: u64, seconds: u64) -> Announced {
        let expected = Expected {
            address: None,
            port: 0,
            opens: Heading::ToServer,
            heading: Heading::ToClient,
            protocol: AppProto::FtpData,
            command: "RETR",
            file_name: None,
        };
        Announced { expected, by, at: Timestamp(seconds * SECOND) }
    }

    #[test]
    fn what_was_announced_is_taken_once_from_either_end() {
        let all = Announcements::default();
        all.insert(key(7, 2020), announced(42, 10));
        let other_way = Key::new(IpAddr::V4(1.into()), IpAddr::V4(7.into()), 2020);
        let now = Timestamp(11 * SECOND);
        assert!(all.remove(&key(7, 2021), now).is_none());
        assert_eq!(all.remove(&other_way, now).map(|(_, by)| by), Some(42));
        assert!(all.remove(&other_way, now).is_none());
        assert!(all.shards.iter().all(|shard| shard.len.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn announcements_grow_old() {
        let all = Announcements::default();
        all.insert(key(7, 2020), announced(42, 10));
        assert!(all.remove(&key(7, 2020), Timestamp(310 * SECOND)).is_none());
    }

    #[test]
    fn a_flood_is_bounded_and_the_latest_stay() {
        let all = Announcements::default();
        for host in 0..100_000 {
            all.insert(key(host, 20), announced(host.into(), 10 + u64::from(host) / 10_000));
        }
        let held: usize = all.shards.iter().map(|shard| shard.lock().len()).sum();
        assert!(held <= SHARDS * MOST, "{held}");
        let now = Timestamp(20 * SECOND);
        assert_eq!(all.remove(&key(99_999, 20), now).map(|(_, by)| by), Some(99_999));
    }
}
