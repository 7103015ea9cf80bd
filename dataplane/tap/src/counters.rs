//! Counters as data: each set is a plain struct of `u64`, with the name, unit and meaning of every
//! field beside it, so that outputs can list them without knowing them.
//!
//! A set has one writer, which adds to its own copy and publishes the words in a
//! [`SnapshotCell`](crate::snapshot::SnapshotCell) or [`SnapshotBlock`](crate::snapshot::SnapshotBlock)
//! at a burst's border.

/// One counter of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterInfo {
    /// Field name, and its name in outputs.
    pub name: &'static str,
    /// What one of it is.
    pub unit: &'static str,
    /// One sentence for the operator.
    pub help: &'static str,
}

/// Declares a set of counters. The using crate needs `serde` with its derive.
///
/// ```
/// umbra_tap::counter_set! {
///     /// Doors of one house.
///     pub struct DoorCounters {
///         opened: "times", "The door was opened.";
///         closed: "times", "The door was closed.";
///     }
/// }
/// let mut doors = DoorCounters { opened: 3, closed: 2 };
/// doors += DoorCounters { opened: 1, closed: 1 };
/// assert_eq!(DoorCounters::from_words(doors.to_words()), doors);
/// assert_eq!(DoorCounters::ALL[1].name, "closed");
/// ```
#[macro_export]
macro_rules! counter_set {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $set:ident {
            $( $name:ident : $unit:literal, $help:literal; )+
        }
    ) => {
        $(#[$attribute])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize,
        )]
        #[serde(default)]
        $visibility struct $set {
            $( #[doc = $help] pub $name: u64, )+
        }

        impl $set {
            /// Name, unit and meaning of each counter, in the order of the fields and words.
            pub const ALL: &'static [$crate::counters::CounterInfo] = &[
                $( $crate::counters::CounterInfo {
                    name: stringify!($name), unit: $unit, help: $help,
                }, )+
            ];

            /// Number of counters, and of words.
            pub const WORDS: usize = Self::ALL.len();

            /// The counters in the order of [`ALL`](Self::ALL).
            #[inline]
            #[must_use]
            pub const fn to_words(&self) -> [u64; Self::WORDS] {
                [ $( self.$name, )+ ]
            }

            /// The counters from words in the order of [`ALL`](Self::ALL).
            #[inline]
            #[must_use]
            pub const fn from_words(words: [u64; Self::WORDS]) -> Self {
                let [ $( $name, )+ ] = words;
                Self { $( $name, )+ }
            }

            /// Each counter with what it means.
            pub fn iter(
                &self,
            ) -> impl Iterator<Item = (&'static $crate::counters::CounterInfo, u64)> + use<> {
                Self::ALL.iter().zip(self.to_words())
            }

            /// What was counted since `earlier`, a former state of the same counters.
            #[must_use]
            pub const fn since(&self, earlier: &Self) -> Self {
                Self { $( $name: self.$name.wrapping_sub(earlier.$name), )+ }
            }
        }

        impl ::core::ops::AddAssign for $set {
            #[inline]
            fn add_assign(&mut self, other: Self) {
                $( self.$name = self.$name.wrapping_add(other.$name); )+
            }
        }

        impl ::core::ops::Add for $set {
            type Output = Self;

            #[inline]
            fn add(mut self, other: Self) -> Self {
                self += other;
                self
            }
        }

        impl ::core::ops::Sub for $set {
            type Output = Self;

            #[inline]
            fn sub(self, earlier: Self) -> Self {
                self.since(&earlier)
            }
        }

        impl ::core::iter::Sum for $set {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self::default(), |sum, item| sum + item)
            }
        }
    };
}

counter_set! {
    /// What became of the frames of one wire in one direction on one worker. At a burst's border
    /// `rx = tx + tx_full + tx_invalid + link_down + blocked`.
    pub struct DirectionCounters {
        rx: "packets", "Frames received from the ingress port.";
        tx: "packets", "Frames that the egress port's driver accepted.";
        tx_full: "packets", "Frames dropped because the egress queue stayed full after the bounded retries.";
        tx_invalid: "packets", "Frames dropped because sending them could hang the NIC (runt, too many segments).";
        link_down: "packets", "Frames dropped because the egress port had no link.";
        blocked: "packets", "Frames dropped by the block filter.";
        selected: "packets", "Frames that the sampler chose, escalated ones included.";
        escalated: "packets", "Frames chosen because the escalation set has them.";
    }
}

counter_set! {
    /// What became of the copies that one worker made for one instance, over all rings that the
    /// instance has had. At a burst's border `offered = enqueued + ring_full + oversize + no_instance`.
    pub struct TapCounters {
        offered: "packets", "Selected frames meant for this instance.";
        enqueued: "packets", "Frames copied into the ring.";
        enqueued_bytes: "bytes", "Frame bytes copied into the ring, after snaplen, without headers.";
        ring_full: "packets", "Frames not copied because the ring was full.";
        oversize: "packets", "Frames not copied because they are longer after snaplen than the ring's largest record.";
        no_instance: "packets", "Frames not copied because the instance had no ring.";
        truncated: "packets", "Frames copied only in part, because of snaplen; they are enqueued too.";
    }
}

counter_set! {
    /// What became of the records of one worker's ring at one instance, over all incarnations of the
    /// instance. What is in hand is `taken - analysed - discarded - lost_in_crash`.
    pub struct InstanceCounters {
        taken: "packets", "Records taken out of the ring, as the ring counts them.";
        analysed: "packets", "Records that the profiles have seen.";
        discarded: "packets", "Records dropped unseen: the remainder of a retired ring, or shed under load.";
        lost_in_crash: "packets", "Records in hand when the instance crashed.";
        bytes: "bytes", "Captured bytes of the analysed records.";
    }
}

impl InstanceCounters {
    /// Records taken and not yet accounted for; negative only if the counters are wrong.
    #[must_use]
    pub const fn in_hand(&self) -> i64 {
        let accounted = self.analysed.wrapping_add(self.discarded).wrapping_add(self.lost_in_crash);
        self.taken.wrapping_sub(accounted).cast_signed()
    }

    /// The final account of an incarnation that has ended: what was in hand is lost, and the
    /// `remainder` of its retired ring (published and never taken) is taken and discarded. Nothing
    /// that a thread left behind counts after this may be added.
    #[must_use]
    pub const fn closed(mut self, remainder: u64) -> Self {
        let in_hand = self.in_hand();
        if in_hand > 0 {
            self.lost_in_crash = self.lost_in_crash.wrapping_add(in_hand.cast_unsigned());
        }
        self.taken = self.taken.wrapping_add(remainder);
        self.discarded = self.discarded.wrapping_add(remainder);
        self
    }
}

counter_set! {
    /// How one worker spends its time.
    pub struct WorkerCounters {
        loops: "loops", "Rounds over all ports.";
        busy_loops: "loops", "Rounds in which at least one frame was received.";
        rx_bursts: "bursts", "Receive bursts that were not empty.";
        tx_bursts: "bursts", "Transmit bursts handed to a driver, first attempts only.";
        tx_retries: "bursts", "Transmit bursts tried again because the driver did not take all.";
        idle_sleeps: "sleeps", "Times the worker slept because nothing came (adaptive polling).";
        overslept: "sleeps", "Sleeps that lasted longer than half the descriptor ring's fill time.";
        housekeepings: "times", "Times the worker published its counters and looked for new settings.";
        settings_taken: "times", "Times new settings were found and taken up.";
        rings_replaced: "rings", "Mirror rings taken up in place of others.";
        busy_cycles: "cycles", "TSC cycles spent in busy rounds.";
        cycles: "cycles", "TSC cycles since the worker started.";
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_in_field_order() {
        let counters = TapCounters { offered: 1, enqueued: 2, truncated: 7, ..Default::default() };
        assert_eq!(counters.to_words(), [1, 2, 0, 0, 0, 0, 7]);
        assert_eq!(TapCounters::from_words(counters.to_words()), counters);
        let named: Vec<_> = counters.iter().map(|(info, value)| (info.name, value)).collect();
        assert_eq!(named[0], ("offered", 1));
        assert_eq!(named[6], ("truncated", 7));
    }

    #[test]
    fn every_counter_is_described_once() {
        let sets =
            [DirectionCounters::ALL, TapCounters::ALL, InstanceCounters::ALL, WorkerCounters::ALL];
        for set in sets {
            for (index, info) in set.iter().enumerate() {
                assert!(info.help.ends_with('.'), "{}", info.name);
                assert!(!info.unit.is_empty(), "{}", info.name);
                assert!(set[..index].iter().all(|other| other.name != info.name), "{}", info.name);
            }
        }
    }

    #[test]
    fn difference_undoes_sum() {
        let a = InstanceCounters { taken: 10, analysed: 7, bytes: 700, ..Default::default() };
        let b = InstanceCounters { taken: 5, discarded: 1, ..Default::default() };
        assert_eq!(a + b - b, a);
        assert_eq!([a, b].into_iter().sum::<InstanceCounters>(), a + b);
    }

    #[test]
    fn closing_loses_what_was_in_hand_and_discards_the_remainder() {
        let crashed =
            InstanceCounters { taken: 100, analysed: 90, discarded: 4, ..Default::default() };
        assert_eq!(crashed.in_hand(), 6);
        let closed = crashed.closed(50);
        assert_eq!(closed.in_hand(), 0);
        assert_eq!((closed.taken, closed.discarded, closed.lost_in_crash), (150, 54, 6));
    }
}
