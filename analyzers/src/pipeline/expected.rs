//! Connections that others announced: FTP's data connections.

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::app::Expected;
use crate::events::Timestamp;
use crate::flow::FlowView;

/// Announcements that are remembered; the oldest go first.
const MOST: usize = 4096;
/// How long they are, seconds.
const LIFE_S: u64 = 300;

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

/// What was announced and has not come.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    all: HashMap<Key, Announced, foldhash::fast::RandomState>,
}

impl Announcements {
    /// A flow announced a connection between its hosts.
    pub(super) fn add(&mut self, by: &FlowView<'_>, expected: Expected, at: Timestamp) {
        if self.all.len() >= MOST {
            self.all.retain(|_, announced| at.nanos_since(announced.at) < LIFE_S * 1_000_000_000);
            if self.all.len() >= MOST {
                self.all.clear();
            }
        }
        let key = Key::new(by.client(), by.server(), expected.port);
        self.all.insert(key, Announced { expected, by: by.flow_id(), at });
    }

    /// What a new flow was announced as, and by which flow.
    pub(super) fn take(&mut self, flow: &FlowView<'_>, now: Timestamp) -> Option<(Expected, u64)> {
        if self.all.is_empty() {
            return None;
        }
        let key = Key::new(flow.client(), flow.server(), flow.server_port());
        let announced = self.all.remove(&key)?;
        let fresh = now.nanos_since(announced.at) < LIFE_S * 1_000_000_000;
        fresh.then_some((announced.expected, announced.by))
    }
}
