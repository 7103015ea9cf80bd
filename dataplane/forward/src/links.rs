//! Link state through a wire: when one end loses its link, the other end is taken down, so that the
//! neighbours see what they would see on a cable. Pure logic; time is an argument.
//!
//! The difficulty is that an end that umbra took down looks like one that lost its link. So an end
//! is *forced* (by us) or *lost* (by the world), only a lost end forces its twin, and an end that
//! has just been released is given a grace to negotiate before its being down counts as lost.

use std::time::Duration;

/// Time that a released end has to come up. Copper takes up to three seconds to negotiate
/// (IEEE 802.3 clause 28).
pub const GRACE: Duration = Duration::from_secs(4);

/// One of the two ends of a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Port a.
    A,
    /// Port b.
    B,
}

impl End {
    /// The other one.
    pub fn twin(self) -> End {
        match self {
            End::A => End::B,
            End::B => End::A,
        }
    }

    fn index(self) -> usize {
        match self {
            End::A => 0,
            End::B => 1,
        }
    }
}

/// What is to be done about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The link of this end came or went: workers are told and the log says so.
    Changed(End, bool),
    /// Take this end down because its twin lost its link.
    Force(End),
    /// Bring this end up again.
    Release(End),
}

#[derive(Debug, Clone, Copy, Default)]
struct EndState {
    up: Option<bool>,
    forced: bool,
    /// Down does not count as lost before this time.
    grace_until: Option<Duration>,
}

/// Both ends of a wire.
#[derive(Debug, Clone)]
pub struct WireLinks {
    propagate: bool,
    ends: [EndState; 2],
}

impl WireLinks {
    /// Ends whose links are not known yet.
    pub fn new(propagate: bool) -> Self {
        WireLinks { propagate, ends: [EndState::default(); 2] }
    }

    /// True while umbra holds this end down.
    pub fn is_forced(&self, end: End) -> bool {
        self.ends[end.index()].forced
    }

    /// Link of an end as last seen.
    pub fn is_up(&self, end: End) -> bool {
        self.ends[end.index()].up == Some(true)
    }

    /// Takes what both ends look like at `now` (since any fixed time) and says what to do.
    pub fn observe(&mut self, a_up: bool, b_up: bool, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        for (end, up) in [(End::A, a_up), (End::B, b_up)] {
            let state = &mut self.ends[end.index()];
            if state.up != Some(up) {
                if state.up.is_none() {
                    // At the start too a port may still be negotiating.
                    state.grace_until = Some(now + GRACE);
                }
                state.up = Some(up);
                actions.push(Action::Changed(end, up));
            }
            if up {
                state.grace_until = None;
            }
        }
        if self.propagate {
            for end in [End::A, End::B] {
                self.propagate_from(end, now, &mut actions);
            }
        }
        actions
    }

    fn propagate_from(&mut self, end: End, now: Duration, actions: &mut Vec<Action>) {
        let state = self.ends[end.index()];
        let twin = &mut self.ends[end.twin().index()];
        if state.up == Some(true) {
            if twin.forced {
                twin.forced = false;
                twin.grace_until = Some(now + GRACE);
                actions.push(Action::Release(end.twin()));
            }
            return;
        }
        let in_grace = state.grace_until.is_some_and(|until| now < until);
        let lost = !state.forced && !in_grace;
        if lost && !twin.forced {
            twin.forced = true;
            actions.push(Action::Force(end.twin()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Changed, Force, Release};
    use End::{A, B};

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lost_link_takes_the_twin_down_and_brings_it_back() {
        let mut wire = WireLinks::new(true);
        assert_eq!(wire.observe(true, true, s(0)), [Changed(A, true), Changed(B, true)]);
        assert_eq!(wire.observe(false, true, s(1)), [Changed(A, false), Force(B)]);
        assert_eq!(wire.observe(false, false, s(2)), [Changed(B, false)]);
        assert_eq!(wire.observe(true, false, s(3)), [Changed(A, true), Release(B)]);
        assert!(wire.observe(true, false, s(4)).is_empty(), "b negotiates");
        assert_eq!(wire.observe(true, true, s(5)), [Changed(B, true)]);
        assert!(wire.observe(true, true, s(60)).is_empty());
    }

    #[test]
    fn both_lost_come_back_in_any_order() {
        let mut wire = WireLinks::new(true);
        wire.observe(true, true, s(0));
        wire.observe(false, true, s(1)); // a lost, b forced
        wire.observe(false, false, s(2)); // b is pulled too, nobody can see it
        assert!(wire.observe(true, false, s(10)).contains(&Release(B)));
        // b does not come up within the grace: it is lost, so a goes down.
        assert_eq!(wire.observe(true, false, s(15)), [Force(A)]);
        assert_eq!(wire.observe(false, false, s(16)), [Changed(A, false)]);
        // b is plugged in again: a is released, and comes up.
        assert_eq!(wire.observe(false, true, s(20)), [Changed(B, true), Release(A)]);
        assert_eq!(wire.observe(true, true, s(21)), [Changed(A, true)]);
        assert!(!wire.is_forced(A) && !wire.is_forced(B));
    }

    #[test]
    fn without_propagation_links_are_only_told() {
        let mut wire = WireLinks::new(false);
        wire.observe(true, true, s(0));
        assert_eq!(wire.observe(false, true, s(1)), [Changed(A, false)]);
        assert!(wire.is_up(B) && !wire.is_up(A));
    }

    #[test]
    fn an_end_that_is_down_at_the_start_has_its_grace() {
        let mut wire = WireLinks::new(true);
        assert_eq!(wire.observe(false, true, s(0)), [Changed(A, false), Changed(B, true)]);
        assert!(wire.observe(false, true, s(3)).is_empty());
        assert_eq!(wire.observe(false, true, s(4)), [Force(B)]);
    }

    #[test]
    fn never_both_forced() {
        let mut wire = WireLinks::new(true);
        let mut x = 1u32;
        for t in 0..10_000u64 {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let a = (x >> 16) & 1 == 1 && !wire.is_forced(A);
            let b = (x >> 17) & 1 == 1 && !wire.is_forced(B);
            wire.observe(a, b, Duration::from_millis(t * 700));
            assert!(!(wire.is_forced(A) && wire.is_forced(B)), "step {t}");
        }
    }
}
