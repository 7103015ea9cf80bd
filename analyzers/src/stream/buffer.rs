//! The bytes of one direction: put in order, kept until everybody has had them.
//!
//! What is in order lies in one vector, what came behind a hole in pieces beside it. A hole that the
//! other end acknowledges although its bytes were never seen becomes a gap: the vector ends there and
//! the next begins behind. Bytes that are acknowledged or handed over do not change any more; for
//! all others it is known which segment they came from, for the overlap policy.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::region::Region;
use super::{OverlapPolicy, Piece, StreamConfig, StreamPool};

/// What a held piece costs beside its bytes.
const RUN_OVERHEAD: usize = 96;
/// Owners of settled bytes that are remembered.
const SETTLED_OWNERS: usize = 8;
/// What a finished region costs beside its bytes.
const REGION_OVERHEAD: usize = 64;

/// Bytes in order and the segment that they came from.
#[derive(Clone, Debug)]
struct Owner {
    at: Range<u64>,
    segment: Range<u64>,
}

/// Bytes behind a hole, all from one segment.
#[derive(Debug)]
struct Run {
    bytes: Vec<u8>,
    segment: Range<u64>,
}

/// What became of a segment's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inserted {
    /// Some of it lies where bytes were already.
    pub(super) overlap: bool,
    /// And they are others.
    pub(super) different: bool,
    /// It has the extent of an earlier one, as retransmissions have.
    pub(super) again: bool,
    /// All of it lies where nothing is taken any more.
    pub(super) late: bool,
    /// There is no memory for it.
    pub(super) no_memory: bool,
    /// Too much is held behind a hole already.
    pub(super) no_place: bool,
}

#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Regions that ended at a gap and are still wanted.
    finished: VecDeque<Region>,
    finished_bytes: usize,
    /// Where the next byte in order goes.
    open: Region,
    /// Whose the last bytes of `open` are, in order. Those without an owner stay as they are.
    owners: VecDeque<Owner>,
    /// By offset, without overlaps, all behind `open`.
    held: BTreeMap<u64, Run>,
    held_bytes: usize,
    /// The most pieces that there were in `held` at some time.
    most_held: u32,
    /// Bytes before this one are acknowledged, or count as such.
    settled: u64,
}

impl Buffer {
    pub(super) fn most_pieces(&self) -> u32 {
        self.most_held.saturating_add(1)
    }

    /// Bytes before this one are acknowledged, or are a gap.
    #[inline]
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// The first byte that is here, or would be.
    pub(super) fn begin(&self) -> u64 {
        self.finished.front().unwrap_or(&self.open).offset()
    }

    /// Behind the last byte that is in order.
    #[inline]
    pub(super) fn in_order(&self) -> u64 {
        self.open.end()
    }

    /// Behind the last byte that came.
    pub(super) fn end(&self) -> u64 {
        let held = self.held.last_key_value();
        held.map_or(self.open.end(), |(at, run)| at + run.bytes.len() as u64)
    }

    /// Pieces behind a hole.
    #[inline]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Bytes that are here.
    pub(super) fn len(&self) -> usize {
        let finished: usize = self.finished.iter().map(Region::len).sum();
        let held: usize = self.held.values().map(|run| run.bytes.len()).sum();
        finished + self.open.len() + held
    }

    /// Memory that it takes, bytes.
    pub(super) fn footprint(&self) -> u64 {
        let owners = self.owners.capacity() * size_of::<Owner>();
        (self.finished_bytes + self.open.capacity() + owners + self.held_bytes) as u64
    }

    /// Takes a segment's bytes in.
    pub(super) fn insert(&mut self, at: u64, data: &[u8], pool: &StreamPool) -> Inserted {
        let mut inserted = Inserted::default();
        let segment = at..at + data.len() as u64;
        if segment.end <= self.open.offset() {
            inserted.late = true;
            return inserted;
        }
        if !pool.has_room(self.growth(&segment)) {
            inserted.no_memory = true;
            return inserted;
        }
        let limit = self.limit(pool);
        self.place(&segment, data, (pool.config(), limit), &mut inserted);
        self.fit_owners(limit);
        inserted
    }

    fn place(
        &mut self,
        segment: &Range<u64>,
        data: &[u8],
        (config, limit): (&StreamConfig, u64),
        inserted: &mut Inserted,
    ) {
        let at = segment.start;
        if at == self.open.end() && self.held.is_empty() {
            return self.append(data, segment.clone(), segment.clone(), (config, limit));
        }
        if at > self.open.end() && self.held.len() >= config.max_segments_held {
            inserted.no_place = true;
            return;
        }
        let shared = at.max(self.open.offset())..segment.end.min(self.open.end());
        if !shared.is_empty() {
            inserted.overlap = true;
            self.overlay(&shared, segment, data, config.policy, inserted);
        }
        let rest = at.max(self.open.end())..segment.end;
        if rest.is_empty() {
            return;
        }
        if self.held.is_empty() && rest.start == self.open.end() {
            self.append(part(data, at, &rest), rest, segment.clone(), (config, limit));
        } else {
            self.hold(&rest, segment, data, config.policy, inserted);
            self.absorb((config, limit));
        }
    }

    /// The most that a segment can add to what it takes, bytes: a run that it lies over may become three, with
    /// another one before it.
    fn growth(&self, segment: &Range<u64>) -> usize {
        let touched =
            if self.held.is_empty() { 0 } else { 1 + self.held.range(segment.clone()).count() };
        let len = usize::try_from(segment.end - segment.start).unwrap_or(usize::MAX);
        len.saturating_add(RUN_OVERHEAD * (1 + 3 * touched))
    }

    /// What it may take, bytes, with what the others take.
    fn limit(&self, pool: &StreamPool) -> u64 {
        pool.config().max_bytes.saturating_sub(pool.bytes()).saturating_add(self.footprint())
    }

    fn append(
        &mut self,
        data: &[u8],
        at: Range<u64>,
        segment: Range<u64>,
        (config, limit): (&StreamConfig, u64),
    ) {
        let spare = limit.saturating_sub(self.footprint());
        self.open.append(data, usize::try_from(spare).unwrap_or(usize::MAX));
        // What has no owner stays as it is; so the oldest of too many segments become final early.
        if self.owners.len() >= config.max_segments_held {
            self.owners.pop_front();
        }
        self.owners.push_back(Owner { at, segment });
    }

    /// Where there is no memory for all owners the oldest are forgotten.
    fn fit_owners(&mut self, limit: u64) {
        let beyond = self.footprint().saturating_sub(limit);
        if beyond == 0 {
            return;
        }
        let beyond = usize::try_from(beyond).unwrap_or(usize::MAX).div_ceil(size_of::<Owner>());
        let most = self.owners.capacity().saturating_sub(beyond);
        self.owners.drain(..self.owners.len().saturating_sub(most));
        self.owners.shrink_to_fit();
    }

    /// A segment lies over bytes that are in order.
    fn overlay(
        &mut self,
        shared: &Range<u64>,
        segment: &Range<u64>,
        data: &[u8],
        policy: OverlapPolicy,
        inserted: &mut Inserted,
    ) {
        let new = part(data, segment.start, shared);
        if self.open.slice(shared.start, shared.end) == new {
            return;
        }
        inserted.different = true;
        let mut others = self
            .owners
            .iter()
            .filter(|owner| owner.segment.start < segment.end && segment.start < owner.segment.end);
        inserted.again = !self.owners.is_empty() && others.all(|owner| owner.segment == *segment);
        let from = shared.start.max(self.settled);
        let touches = |owner: &Owner| {
            let both = owner.at.start.max(from)..owner.at.end.min(shared.end);
            (!both.is_empty() && policy.newer_wins(segment, &owner.segment)).then_some(both)
        };
        if !self.owners.iter().any(|owner| touches(owner).is_some()) {
            return;
        }
        let mut owners = VecDeque::with_capacity(self.owners.len() + 2);
        for owner in self.owners.drain(..) {
            let Some(both) = touches(&owner) else {
                owners.push_back(owner);
                continue;
            };
            self.open.overwrite(both.start, part(data, segment.start, &both));
            let old = |at| Owner { at, segment: owner.segment.clone() };
            if owner.at.start < both.start {
                owners.push_back(old(owner.at.start..both.start));
            }
            let behind = both.end..owner.at.end;
            owners.push_back(Owner { at: both, segment: segment.clone() });
            if !behind.is_empty() {
                owners.push_back(old(behind));
            }
        }
        self.owners = owners;
    }

    /// A segment lies behind a hole, or over bytes that do.
    fn hold(
        &mut self,
        rest: &Range<u64>,
        segment: &Range<u64>,
        data: &[u8],
        policy: OverlapPolicy,
        inserted: &mut Inserted,
    ) {
        let reaches_in =
            |(at, run): (&u64, &Run)| (*at + run.bytes.len() as u64 > rest.start).then_some(*at);
        let before = self.held.range(..rest.start).next_back().and_then(reaches_in);
        let inside = self.held.range(rest.clone()).map(|(at, _)| *at);
        let touched: Vec<u64> = before.into_iter().chain(inside).collect();
        let mut next = rest.start;
        for key in touched {
            let Some(run) = self.held.get(&key) else { continue };
            let run_end = key + run.bytes.len() as u64;
            let both = key.max(rest.start)..run_end.min(rest.end);
            inserted.overlap = true;
            let new = part(data, segment.start, &both);
            if part(&run.bytes, key, &both) != new {
                inserted.different = true;
                inserted.again |= run.segment == *segment;
                if policy.newer_wins(segment, &run.segment) {
                    self.replace(key, &both, new, segment);
                }
            }
            let between = next..both.start;
            if !between.is_empty() {
                self.put(between.start, part(data, segment.start, &between), segment.clone());
            }
            next = both.end;
        }
        if next < rest.end {
            self.put(next, part(data, segment.start, &(next..rest.end)), segment.clone());
        }
    }

    /// `both` of a held run becomes a newer segment's.
    fn replace(&mut self, key: u64, both: &Range<u64>, new: &[u8], segment: &Range<u64>) {
        let Some(run) = self.held.remove(&key) else { return };
        self.held_bytes -= run.bytes.capacity() + RUN_OVERHEAD;
        let run_end = key + run.bytes.len() as u64;
        for old in [key..both.start, both.end..run_end] {
            if !old.is_empty() {
                self.put(old.start, part(&run.bytes, key, &old), run.segment.clone());
            }
        }
        self.put(both.start, new, segment.clone());
    }

    fn put(&mut self, at: u64, bytes: &[u8], segment: Range<u64>) {
        let run = Run { bytes: bytes.to_vec(), segment };
        self.held_bytes += run.bytes.capacity() + RUN_OVERHEAD;
        self.held.insert(at, run);
        self.most_held = self.most_held.max(u32::try_from(self.held.len()).unwrap_or(u32::MAX));
    }

    /// Moves what is no longer behind a hole.
    fn absorb(&mut self, within: (&StreamConfig, u64)) {
        while let Some(first) = self.held.first_entry()
            && *first.key() == self.open.end()
        {
            let (at, run) = first.remove_entry();
            self.held_bytes -= run.bytes.capacity() + RUN_OVERHEAD;
            let range = at..at + run.bytes.len() as u64;
            self.append(&run.bytes, range, run.segment, within);
        }
    }

    /// Everything before `to` is acknowledged. Holes before it become gaps if something came behind
    /// them: a capture may see an ACK before what it acknowledges. Gives their number and bytes.
    pub(super) fn settle(&mut self, to: u64, pool: &StreamPool) -> (u64, u64) {
        let mut gaps = (0, 0);
        let limit = self.limit(pool);
        while to > self.open.end()
            && let Some((first, _)) = self.held.first_key_value()
        {
            let gap = self.open.end()..(*first).min(to);
            gaps = (gaps.0 + 1, gaps.1 + (gap.end - gap.start));
            let ended = std::mem::replace(&mut self.open, Region::at(gap.end));
            self.owners.clear();
            if ended.len() > 0 {
                self.finished_bytes += ended.capacity() + REGION_OVERHEAD;
                self.finished.push_back(ended);
            }
            self.absorb((pool.config(), limit));
        }
        self.fit_owners(limit);
        self.settled = self.settled.max(to.min(self.open.end())).max(self.open.offset());
        self.forget_owners();
        gaps
    }

    /// Of what does not change any more only the last owners are of use: what is sent again is
    /// mostly that.
    fn forget_owners(&mut self) {
        while self.owners.len() > SETTLED_OWNERS
            && self.owners.front().is_some_and(|owner| owner.at.end <= self.settled)
        {
            self.owners.pop_front();
        }
        if self.owners.front().is_some_and(|owner| owner.at.end <= self.open.offset()) {
            let begin = self.open.offset();
            self.owners.retain(|owner| owner.at.end > begin);
        }
        if self.owners.is_empty() {
            self.owners = VecDeque::new();
        }
    }

    /// Gives what lies between `from` and what is settled, holes as gaps. Says how far that is.
    pub(super) fn pieces(&self, from: u64, f: &mut dyn FnMut(Piece<'_>)) -> u64 {
        let mut at = from;
        for region in self.regions() {
            if region.offset() > at {
                f(Piece::Gap(region.offset() - at));
                at = region.offset();
            }
            let end = region.end().min(self.settled);
            if end > at {
                f(Piece::Data(region.slice(at, end)));
                at = end;
            }
        }
        at
    }

    /// The first stretch with something behind `from`: its bytes from `overlap` before that on, and
    /// where they begin. `all`: also what is not settled.
    pub(super) fn window(&self, from: u64, overlap: usize, all: bool) -> Option<(u64, &[u8])> {
        self.regions().find_map(|region| {
            let end = if all { region.end() } else { region.end().min(self.settled) };
            let begin = from.saturating_sub(overlap as u64).max(region.offset());
            (end > from.max(region.offset())).then(|| (begin, region.slice(begin, end)))
        })
    }

    fn regions(&self) -> impl Iterator<Item = &Region> {
        self.finished.iter().chain(std::iter::once(&self.open))
    }

    /// Frees what lies before `keep` and is settled.
    pub(super) fn free(&mut self, keep: u64) {
        while let Some(front) = self.finished.front_mut() {
            if front.end() > keep {
                break;
            }
            self.finished_bytes -= front.capacity() + REGION_OVERHEAD;
            self.finished.pop_front();
        }
        if self.finished.is_empty() {
            self.open.drop_until(keep.min(self.settled));
            self.forget_owners();
        }
    }

    /// The same, and what was reserved.
    pub(super) fn squeeze(&mut self, keep: u64) {
        self.free(keep);
        self.open.squeeze();
    }

    /// Frees everything.
    pub(super) fn clear(&mut self) {
        let end = self.end();
        *self = Self { open: Region::at(end), settled: end, ..Self::default() };
    }
}

/// The part of `data`, which begins at `at`, that lies in `range`.
fn part<'a>(data: &'a [u8], at: u64, range: &Range<u64>) -> &'a [u8] {
    let index = |to: u64| usize::try_from(to.saturating_sub(at)).unwrap_or(usize::MAX);
    data.get(index(range.start)..index(range.end).min(data.len())).unwrap_or(&[])
}
