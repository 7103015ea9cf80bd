//! `tag`: packets that come after an alert, of its flow or of a host, are recorded as well.

use hashbrown::HashMap;

use super::super::rule::ast::{Tag, TagKind, TagMetric};
use super::conditions::Ends;
use super::limits::bits;
use crate::events::Timestamp;

/// Hosts that are tagged at the same time, at most.
const MOST_HOSTS: usize = 4096;

/// How long a tag lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Active {
    left: Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Packets(u32),
    Bytes(u64),
    Until(Timestamp),
}

impl Active {
    fn new(tag: &Tag, now: Timestamp) -> Self {
        let left = match tag.metric {
            TagMetric::Packets => Left::Packets(tag.count),
            TagMetric::Bytes => Left::Bytes(tag.count.into()),
            TagMetric::Seconds => {
                Left::Until(now + std::time::Duration::from_secs(tag.count.into()))
            }
        };
        Self { left }
    }

    /// Takes a packet; whether it is still tagged.
    fn packet(&mut self, len: u32, now: Timestamp) -> bool {
        match &mut self.left {
            Left::Packets(count) => {
                let tagged = *count > 0;
                *count = count.saturating_sub(1);
                tagged
            }
            Left::Bytes(count) => {
                let tagged = *count > 0;
                *count = count.saturating_sub(len.into());
                tagged
            }
            Left::Until(end) => now < *end,
        }
    }
}

/// Tags of hosts, and what is done with those of flows.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    hosts: HashMap<u128, Active, foldhash::fast::RandomState>,
}

impl Tags {
    /// A rule with a tag alerted.
    pub(crate) fn begin(
        &mut self,
        tag: &Tag,
        ends: Option<&Ends>,
        flow: &mut Option<Active>,
        now: Timestamp,
    ) {
        let active = Active::new(tag, now);
        match tag.kind {
            TagKind::Session => *flow = Some(active),
            TagKind::Host { source } => {
                let Some(ends) = ends else { return };
                if self.hosts.len() >= MOST_HOSTS {
                    self.hosts.clear();
                }
                let host = if source { ends.src } else { ends.dst };
                self.hosts.insert(bits(host), active);
            }
        }
    }

    /// Whether a packet is to be recorded.
    pub(crate) fn packet(
        &mut self,
        len: u32,
        ends: Option<&Ends>,
        flow: &mut Option<Active>,
        now: Timestamp,
    ) -> bool {
        let mut tagged = false;
        if let Some(active) = flow {
            tagged = active.packet(len, now);
            if !tagged {
                *flow = None;
            }
        }
        if self.hosts.is_empty() {
            return tagged;
        }
        for host in ends.into_iter().flat_map(|ends| [bits(ends.src), bits(ends.dst)]) {
            if let Some(active) = self.hosts.get_mut(&host) {
                if active.packet(len, now) {
                    tagged = true;
                } else {
                    self.hosts.remove(&host);
                }
            }
        }
        tagged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_last_as_long_as_they_say() {
        let at = |s| Timestamp::from_secs(s);
        let lasts = |metric, count| {
            let tag = Tag { kind: TagKind::Session, count, metric };
            let (mut tags, mut flow) = (Tags::default(), None);
            tags.begin(&tag, None, &mut flow, at(10));
            (11..20).take_while(|&s| tags.packet(100, None, &mut flow, at(s))).count()
        };
        assert_eq!(lasts(TagMetric::Packets, 3), 3);
        assert_eq!(lasts(TagMetric::Bytes, 250), 3);
        assert_eq!(lasts(TagMetric::Seconds, 4), 3);
    }
}
