//! The fragments of one datagram, and who owns which bytes.

use std::ops::Range;

/// Whose bytes count where fragments of an IPv4 datagram overlap.
///
/// Systems differ, and an attacker who knows the one behind the wire can show the shadow other
/// bytes than it. The names are those of Suricata's and Snort's `host-os-policy` (Novak,
/// "Target-Based Fragmentation Reassembly", 2005). Systems of today mostly drop a datagram with
/// overlaps, so that the overlap itself is the sign of an attack: it is counted and a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OverlapPolicy {
    /// The older fragment's, unless the newer starts before it. The default, because it is
    /// Suricata's, with whose results a replay is compared.
    #[default]
    Bsd,
    /// The older fragment's where it starts after the newer, else the newer's.
    BsdRight,
    /// The older fragment's, unless the newer starts before or with it.
    Linux,
    /// The older fragment's.
    First,
    /// The newer fragment's.
    Last,
    /// The older fragment's, unless the newer starts before it and ends with or behind it.
    Solaris,
    /// The older fragment's, unless the newer starts before and ends behind it.
    Windows,
}

impl OverlapPolicy {
    fn newer_wins(self, newer: &Range<u32>, older: &Range<u32>) -> bool {
        match self {
            Self::First => false,
            Self::Last => true,
            Self::Bsd => newer.start < older.start,
            Self::BsdRight => newer.start >= older.start,
            Self::Linux => newer.start <= older.start,
            Self::Solaris => newer.start < older.start && newer.end >= older.end,
            Self::Windows => newer.start < older.start && newer.end > older.end,
        }
    }
}

/// Bytes of the datagram that come from one fragment.
#[derive(Clone, Debug)]
struct Run {
    /// In the datagram's payload.
    at: Range<u32>,
    /// Where they begin in the store.
    stored: u32,
    /// The whole fragment they come from, which policies compare.
    fragment: Range<u32>,
}

/// How a fragment lies to those already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It touches no other.
    Free,
    /// The same extent and the same bytes as an older one.
    Duplicate,
    /// It overlaps; `inside` of a single older fragment.
    Overlap { inside: bool },
}

/// The fragments of one datagram.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    pub(super) created_ns: u64,
    pub(super) serial: u64,
    /// Fragments taken in.
    pub(super) fragments: u16,
    /// Nothing further is taken in.
    pub(super) given_up: bool,
    /// Length of the payload, known from the last fragment.
    pub(super) end: Option<u32>,
    /// IP header (and unfragmentable extension headers) of the fragment at offset 0.
    pub(super) header: Option<Box<[u8]>>,
    /// Disjoint, in order.
    runs: Vec<Run>,
    /// Bytes of fragments in the order of arrival.
    store: Vec<u8>,
}

impl Tracker {
    pub(super) fn new(created_ns: u64, serial: u64) -> Self {
        Self { created_ns, serial, ..Self::default() }
    }

    /// Heap and own size, bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.store.capacity()
            + self.runs.capacity() * size_of::<Run>()
            + self.header.as_ref().map_or(0, |h| h.len())
    }

    /// Forgets the data; the tracker stays, so that late fragments find it.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
        self.runs = Vec::new();
        self.store = Vec::new();
        self.header = None;
    }

    /// Bytes held, also those that lost to others.
    pub(super) fn stored(&self) -> usize {
        self.store.len()
    }

    /// Where the furthest fragment ends.
    pub(super) fn furthest(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.at.end)
    }

    pub(super) fn fit(&self, at: &Range<u32>, data: &[u8]) -> Fit {
        let mut touching = self.touching(at).peekable();
        let Some(first) = touching.peek() else { return Fit::Free };
        let inside = first.fragment.start <= at.start && at.end <= first.fragment.end;
        let same = first.at == *at && first.fragment == *at && self.bytes(first) == data;
        if same { Fit::Duplicate } else { Fit::Overlap { inside } }
    }

    fn touching(&self, at: &Range<u32>) -> impl Iterator<Item = &Run> {
        let from = self.runs.partition_point(|run| run.at.end <= at.start);
        let end = at.end;
        self.runs.iter().skip(from).take_while(move |run| run.at.start < end)
    }

    fn bytes(&self, run: &Run) -> &[u8] {
        let from = run.stored as usize;
        self.store.get(from..from + run.at.len()).unwrap_or(&[])
    }

    /// Takes in a fragment; false when it won no byte.
    pub(super) fn insert(&mut self, at: Range<u32>, data: &[u8], policy: OverlapPolicy) -> bool {
        let base = u32::try_from(self.store.len()).unwrap_or(u32::MAX);
        let from = self.runs.partition_point(|run| run.at.end <= at.start);
        let until = self.runs.partition_point(|run| run.at.start < at.end);
        let mut merged: Vec<Run> = Vec::with_capacity(3);
        let mut won = false;
        let mut next = at.start;
        let mine = |range: Range<u32>| Run {
            stored: base + (range.start - at.start),
            at: range,
            fragment: at.clone(),
        };
        for run in self.runs.get(from..until).unwrap_or(&[]) {
            let part = |range: Range<u32>| Run {
                stored: run.stored + (range.start - run.at.start),
                at: range,
                fragment: run.fragment.clone(),
            };
            let overlap = run.at.start.max(at.start)..run.at.end.min(at.end);
            if next < overlap.start {
                merged.push(mine(next..overlap.start));
                won = true;
            }
            if policy.newer_wins(&at, &run.fragment) {
                won = true;
                if run.at.start < overlap.start {
                    merged.push(part(run.at.start..overlap.start));
                }
                merged.push(mine(overlap.clone()));
                if overlap.end < run.at.end {
                    merged.push(part(overlap.end..run.at.end));
                }
            } else {
                merged.push(run.clone());
            }
            next = overlap.end;
        }
        if next < at.end {
            merged.push(mine(next..at.end));
            won = true;
        }
        if won {
            self.store.extend_from_slice(data);
            self.runs.splice(from..until, merged);
        }
        won
    }

    /// Whether every byte up to the end, and the header, is there.
    pub(super) fn is_whole(&self) -> bool {
        let Some(end) = self.end else { return false };
        let mut next = 0;
        self.header.is_some()
            && self.runs.iter().all(|run| {
                let follows = run.at.start == next;
                next = run.at.end;
                follows
            })
            && next == end
    }

    /// Appends the payload.
    pub(super) fn write_payload(&self, out: &mut Vec<u8>) {
        for run in &self.runs {
            out.extend_from_slice(self.bytes(run));
        }
    }
}
