//! What a defragmenter counted, and why it dropped something.

use std::fmt;

macro_rules! reasons {
    ($($name:ident $text:literal $help:literal;)*) => {
        /// Why a fragment, or the datagram it belongs to, was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DropReason { $(#[doc = $help] $name,)* }

        impl DropReason {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            pub const COUNT: usize = Self::ALL.len();

            /// The name in counters, lower case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

reasons! {
    Invalid "invalid" "The fragment has a fault in its headers or a wrong header checksum.";
    CutShort "cut_short" "The capture does not hold all of the fragment.";
    Empty "empty" "A fragment without data, or with less than the 8 bytes that one with more to follow needs.";
    Unaligned "unaligned" "An IPv6 fragment with more to follow has a length that is no multiple of 8.";
    TooLarge "too_large" "The fragment reaches past 65535 bytes.";
    Duplicate "duplicate" "The same piece with the same bytes was there already.";
    BehindEnd "behind_end" "The fragment lies behind the end of its datagram, or states another end.";
    Overlap "overlap" "An IPv6 fragment overlaps another, so that the datagram is given up (RFC 5722).";
    GivenUp "given_up" "The datagram was given up before.";
    Covered "covered" "Older fragments hold all of the fragment's bytes.";
    TooManyFragments "too_many_fragments" "The datagram has more fragments than allowed, so that it is given up.";
    TooManyBytes "too_many_bytes" "The datagram's fragments hold more bytes than allowed, so that it is given up.";
    NoRoom "no_room" "The fragment alone is larger than the memory allowed.";
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Counters of one [`super::Defragmenter`]: single-writer, cheap to copy out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefragCounters {
    pub ipv4_fragments: u64,
    pub ipv6_fragments: u64,
    pub ipv4_reassembled: u64,
    pub ipv6_reassembled: u64,
    /// Datagrams that were not whole in time.
    pub timeouts: u64,
    /// Datagrams given up for newer ones because there were too many.
    pub evicted_trackers: u64,
    /// Datagrams given up for newer ones because memory was short.
    pub evicted_memory: u64,
    /// Fragments that overlap another with other bytes or another extent.
    pub overlaps: u64,
    /// Overlapping fragments that lie inside of an older one, as in the teardrop attack.
    pub teardrops: u64,
    /// First fragments too short for their transport header (RFC 1858).
    pub tiny: u64,
    /// IPv4 fragments with more to follow that were cut to a multiple of 8.
    pub trimmed: u64,
    dropped: [u64; DropReason::COUNT],
}

impl DefragCounters {
    pub(super) fn drop(&mut self, reason: DropReason) {
        if let Some(n) = self.dropped.get_mut(reason as usize) {
            *n += 1;
        }
    }

    /// Fragments dropped for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// `(name, count)` of every reason.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DropReason::ALL.iter().map(|r| (r.as_str(), self.dropped(*r)))
    }

    /// `(name, count)` of the other counters; Suricata's names behind `defrag.` where it has them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("ipv4.fragments", self.ipv4_fragments),
            ("ipv4.reassembled", self.ipv4_reassembled),
            ("ipv6.fragments", self.ipv6_fragments),
            ("ipv6.reassembled", self.ipv6_reassembled),
            ("tracker_timeout", self.timeouts),
            ("max_trackers_reached", self.evicted_trackers),
            ("memcap_reached", self.evicted_memory),
            ("overlaps", self.overlaps),
            ("teardrops", self.teardrops),
            ("tiny", self.tiny),
            ("trimmed", self.trimmed),
        ]
        .into_iter()
    }

    /// Adds another defragmenter's counts.
    pub fn merge(&mut self, other: &Self) {
        self.ipv4_fragments += other.ipv4_fragments;
        self.ipv6_fragments += other.ipv6_fragments;
        self.ipv4_reassembled += other.ipv4_reassembled;
        self.ipv6_reassembled += other.ipv6_reassembled;
        self.timeouts += other.timeouts;
        self.evicted_trackers += other.evicted_trackers;
        self.evicted_memory += other.evicted_memory;
        self.overlaps += other.overlaps;
        self.teardrops += other.teardrops;
        self.tiny += other.tiny;
        self.trimmed += other.trimmed;
        self.dropped.iter_mut().zip(other.dropped).for_each(|(n, more)| *n += more);
    }
}
