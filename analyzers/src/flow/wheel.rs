//! A timer wheel that is lazy about flows that live on.
//!
//! Varghese and Lauck's hashed wheel (1987, scheme 6) of 1024 slots of 2^30 ns. A packet does not
//! touch the wheel: it only moves its flow's time-out further away. When the cursor passes a flow's
//! slot, the flow either has timed out or is filed again where it belongs by now. So each flow costs
//! a step per time-out and not per packet. Lists are first in, first out, which makes the wheel also
//! the order in which a full table evicts.

use super::slab::{NIL, Slab};
use crate::events::Timestamp;

const SLOTS: usize = 1024;
/// A tick is 2^30 ns, about 1.07 s: time-outs are exact, only the sweep comes by at this pace.
const TICK_SHIFT: u32 = 30;
/// Set in a link that leads to the slot itself and not to a flow: lists are rings through it.
const SLOT: u32 = 1 << 31;

#[derive(Debug)]
pub(super) struct Wheel {
    first: Box<[u32; SLOTS]>,
    last: Box<[u32; SLOTS]>,
    /// A bit for each slot that is not empty.
    occupied: [u64; SLOTS / 64],
    /// Slots of earlier ticks are empty, unless the clock stepped back.
    cursor: u64,
}

fn tick(time: Timestamp) -> u64 {
    time.as_nanos() >> TICK_SHIFT
}

#[expect(clippy::cast_possible_truncation, reason = "below 1024")]
fn slot(tick: u64) -> u32 {
    (tick % SLOTS as u64) as u32
}

impl Wheel {
    pub(super) fn new() -> Self {
        let mut empty = Box::new([0; SLOTS]);
        for (slot, link) in (0u32..).zip(empty.iter_mut()) {
            *link = SLOT | slot;
        }
        Self { first: empty.clone(), last: empty, occupied: [0; SLOTS / 64], cursor: 0 }
    }

    /// The clock stepped back: slots count from there. Flows filed under later ticks come by when the
    /// cursor does.
    pub(super) fn step_back(&mut self, now: Timestamp) {
        self.cursor = tick(now);
    }

    fn set_next(&mut self, slab: &mut Slab, of: u32, to: u32) {
        if of & SLOT == 0 {
            slab.get_mut(of).next = to;
        } else {
            self.first[(of & !SLOT) as usize] = to;
        }
    }

    fn set_previous(&mut self, slab: &mut Slab, of: u32, to: u32) {
        if of & SLOT == 0 {
            slab.get_mut(of).previous = to;
        } else {
            self.last[(of & !SLOT) as usize] = to;
        }
    }

    /// Files a flow under the time at which it times out. It must not be filed.
    pub(super) fn file(&mut self, slab: &mut Slab, place: u32, due: Timestamp) {
        let slot = slot(tick(due).clamp(self.cursor, self.cursor + SLOTS as u64 - 1));
        let end = SLOT | slot;
        let last = self.last[slot as usize];
        let flow = slab.get_mut(place);
        (flow.previous, flow.next) = (last, end);
        self.set_next(slab, last, place);
        self.last[slot as usize] = place;
        self.occupied[slot as usize / 64] |= 1 << (slot % 64);
    }

    /// Takes a flow out, wherever it is filed.
    pub(super) fn unfile(&mut self, slab: &mut Slab, place: u32) {
        let flow = slab.get_mut(place);
        let (previous, next) = (flow.previous, flow.next);
        debug_assert!(previous != NIL && next != NIL, "only filed flows are taken out");
        (flow.previous, flow.next) = (NIL, NIL);
        self.set_next(slab, previous, next);
        self.set_previous(slab, next, previous);
        if previous == next && previous & SLOT != 0 {
            let slot = (previous & !SLOT) as usize;
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// Takes the next flow out whose slot lies before `now`'s. Whether it has timed out is for the
    /// caller to see. `None` when the sweep has caught up.
    pub(super) fn pop_before(&mut self, slab: &mut Slab, now: Timestamp) -> Option<u32> {
        let target = tick(now);
        // After a gap of more than a turn, one turn visits everything.
        self.cursor = self.cursor.max(target.saturating_sub(SLOTS as u64));
        while self.cursor < target {
            match self.distance_to_occupied() {
                Some(0) => {
                    let place = self.first[slot(self.cursor) as usize];
                    self.unfile(slab, place);
                    return Some(place);
                }
                Some(distance) => self.cursor = target.min(self.cursor + distance),
                None => self.cursor = target,
            }
        }
        None
    }

    /// Takes the flow out that is filed first.
    pub(super) fn pop_first(&mut self, slab: &mut Slab) -> Option<u32> {
        let distance = self.distance_to_occupied()?;
        let place = self.first[slot(self.cursor + distance) as usize];
        self.unfile(slab, place);
        Some(place)
    }

    /// Slots from the cursor to the first that is not empty.
    fn distance_to_occupied(&self) -> Option<u64> {
        let start = slot(self.cursor) as usize;
        let words = self.occupied.len();
        // One word more than there are: the first is looked at in two halves.
        for step in 0..=words {
            let word = (start / 64 + step) % words;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= u64::MAX << (start % 64);
            } else if step == words {
                bits &= !(u64::MAX << (start % 64));
            }
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                return Some(((slot + SLOTS - start) % SLOTS) as u64);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ticks: u64) -> Timestamp {
        Timestamp(ticks << TICK_SHIFT)
    }

    fn pop_all(wheel: &mut Wheel, slab: &mut Slab, now: Timestamp) -> Vec<u32> {
        std::iter::from_fn(|| wheel.pop_before(slab, now)).collect()
    }

    #[test]
    fn flows_come_out_in_the_order_of_their_ticks_and_of_filing() {
        let (mut slab, mut wheel) = (Slab::new(), Wheel::new());
        let places: Vec<_> = (0..5).map(|_| slab.allocate()).collect();
        for (place, due) in places.iter().zip([9, 3, 3, 700, 4]) {
            wheel.file(&mut slab, *place, at(due));
        }
        assert_eq!(pop_all(&mut wheel, &mut slab, at(3)), [] as [u32; 0]);
        assert_eq!(pop_all(&mut wheel, &mut slab, at(10)), [1, 2, 4, 0]);
        assert_eq!(pop_all(&mut wheel, &mut slab, at(701)), [3]);
        assert_eq!(wheel.occupied, [0; SLOTS / 64]);
    }

    #[test]
    fn any_flow_can_be_taken_out() {
        for taken in 0..3 {
            let (mut slab, mut wheel) = (Slab::new(), Wheel::new());
            for _ in 0..3 {
                let place = slab.allocate();
                wheel.file(&mut slab, place, at(5));
            }
            wheel.unfile(&mut slab, taken);
            let rest: Vec<u32> = (0..3).filter(|place| *place != taken).collect();
            assert_eq!(pop_all(&mut wheel, &mut slab, at(6)), rest);
        }
    }

    #[test]
    fn what_is_due_beyond_the_horizon_or_in_the_past_comes_out_all_the_same() {
        let (mut slab, mut wheel) = (Slab::new(), Wheel::new());
        assert_eq!(wheel.pop_before(&mut slab, at(1_000_000)), None);
        for due in [0, 2_000_000, u64::MAX >> TICK_SHIFT] {
            let place = slab.allocate();
            wheel.file(&mut slab, place, at(due));
        }
        assert_eq!(pop_all(&mut wheel, &mut slab, at(1_000_001)), [0]);
        assert_eq!(pop_all(&mut wheel, &mut slab, at(9_000_000)), [1, 2]);
    }

    #[test]
    fn the_first_filed_is_found_across_the_wrap_of_the_slots() {
        let (mut slab, mut wheel) = (Slab::new(), Wheel::new());
        wheel.pop_before(&mut slab, at(1020));
        for due in [1030, 1500, 1022] {
            let place = slab.allocate();
            wheel.file(&mut slab, place, at(due));
        }
        let order: Vec<_> = std::iter::from_fn(|| wheel.pop_first(&mut slab)).collect();
        assert_eq!(order, [2, 0, 1]);
    }
}
