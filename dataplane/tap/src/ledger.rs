//! The ledger: every frame accounted for, as equations between counters that different parties keep.
//!
//! | where | equation |
//! |---|---|
//! | wire × direction × worker | `rx = tx + tx_full + tx_invalid + link_down + blocked` |
//! | worker × instance | `offered = enqueued + ring_full + oversize + no_instance` |
//! | worker | Σ over instances `offered = selected × factor`; factor is 1 in `shard`, the number of instances in `replicate` |
//! | worker × instance, behind the ring | `enqueued = analysed + discarded + in_ring + in_hand + lost_in_crash` |
//!
//! A residual is the left side less the right. In the last equation the parties are three: the tap
//! counts `enqueued`, the ring counts what was published and what was taken (`in_ring` is the
//! difference), the instance counts what it did with what it took (`in_hand` is what it has not yet
//! done).
//!
//! # The order of reading
//!
//! A reader takes the consumers' snapshots first and after that waits for a *newer* snapshot of the
//! worker: one whose number is at least two above the one that it saw when the consumers' were read,
//! so that its counters were gathered afterwards. A record is published before it is taken, so then
//! every record that a consumer counted is among those that the worker counted, and `in_ring` cannot
//! be negative. In the other order a record published and taken between the two reads would appear
//! on the right side alone. [`LedgerSnapshot::is_exact`] holds a negative `in_ring` or `in_hand` to
//! be as wrong as a residual.
//!
//! # Incarnations
//!
//! Counters are for an instance's number, over all incarnations that it has had, each with a ring of
//! its own. A ring that is retired is drained; what nobody took is `discarded`
//! ([`InstanceCounters::closed`]). Its account, which is then final, is added to the live one's:
//! [`BehindLedger::new`] takes any number of [`RingAccount`]s.

mod table;

use crate::counters::{DirectionCounters, InstanceCounters, TapCounters};
use crate::record::Direction;
use crate::tap::Distribute;
use serde::{Deserialize, Serialize};

/// Left side less right side. Exact for all counters that differ by less than 2⁶³.
const fn difference(left: u64, right: u64) -> i64 {
    left.wrapping_sub(right).cast_signed()
}

/// One wire in one direction on one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireLedger {
    /// The wire's name.
    pub wire: String,
    /// The worker's number; absent in a sum over workers.
    pub worker: Option<u32>,
    /// Which way.
    pub direction: Direction,
    /// The terms, and `selected` and `escalated` beside them.
    #[serde(flatten)]
    pub counters: DirectionCounters,
    /// `rx - (tx + tx_full + tx_invalid + link_down + blocked)`.
    pub residual: i64,
}

impl WireLedger {
    /// States the account of one direction.
    #[must_use]
    pub fn new(
        wire: impl Into<String>,
        worker: u32,
        direction: Direction,
        counters: DirectionCounters,
    ) -> Self {
        let wire = wire.into();
        let residual = wire_residual(&counters);
        Self { wire, worker: Some(worker), direction, counters, residual }
    }
}

fn wire_residual(c: &DirectionCounters) -> i64 {
    let out = c.tx.wrapping_add(c.tx_full).wrapping_add(c.tx_invalid);
    difference(c.rx, out.wrapping_add(c.link_down).wrapping_add(c.blocked))
}

/// One worker's copies for one instance, up to the ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapLedger {
    /// The worker's number; absent in a sum over workers.
    pub worker: Option<u32>,
    /// The instance's number.
    pub instance: u32,
    /// The terms.
    #[serde(flatten)]
    pub counters: TapCounters,
    /// `offered - (enqueued + ring_full + oversize + no_instance)`.
    pub residual: i64,
}

impl TapLedger {
    /// States the account of one worker and instance.
    #[must_use]
    pub fn new(worker: u32, instance: u32, counters: TapCounters) -> Self {
        let residual = tap_residual(&counters);
        Self { worker: Some(worker), instance, counters, residual }
    }
}

fn tap_residual(c: &TapCounters) -> i64 {
    let right = c.enqueued.wrapping_add(c.ring_full).wrapping_add(c.oversize);
    difference(c.offered, right.wrapping_add(c.no_instance))
}

/// What is known of one ring, live or retired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingAccount {
    /// Records published, as the ring counts them, from the worker's snapshot
    /// ([`Producer::published_records`](crate::ring::Producer::published_records)).
    pub published: u64,
    /// What the instance did, from its own snapshot; `taken` as the ring counts it
    /// ([`Consumer::taken_records`](crate::ring::Consumer::taken_records)).
    pub consumed: InstanceCounters,
}

/// One worker's ring to one instance and what came of its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BehindLedger {
    /// The worker's number; absent in a sum over workers.
    pub worker: Option<u32>,
    /// The instance's number.
    pub instance: u32,
    /// Copied into rings, as the tap counts.
    pub enqueued: u64,
    /// Seen by the profiles.
    pub analysed: u64,
    /// Dropped unseen.
    pub discarded: u64,
    /// Published and not taken, as the rings count.
    pub in_ring: i64,
    /// Taken and not yet accounted for.
    pub in_hand: i64,
    /// In hand when the instance crashed.
    pub lost_in_crash: u64,
    /// `enqueued - (analysed + discarded + in_ring + in_hand + lost_in_crash)`.
    pub residual: i64,
}

impl BehindLedger {
    /// States the account of one worker and instance over all rings between them, retired ones
    /// included. `enqueued` is [`TapCounters::enqueued`].
    #[must_use]
    pub fn new(
        worker: u32,
        instance: u32,
        enqueued: u64,
        rings: impl IntoIterator<Item = RingAccount>,
    ) -> Self {
        let total = rings.into_iter().fold(RingAccount::default(), |sum, ring| RingAccount {
            published: sum.published.wrapping_add(ring.published),
            consumed: sum.consumed + ring.consumed,
        });
        let consumed = total.consumed;
        let mut ledger = Self {
            worker: Some(worker),
            instance,
            enqueued,
            analysed: consumed.analysed,
            discarded: consumed.discarded,
            in_ring: difference(total.published, consumed.taken),
            in_hand: consumed.in_hand(),
            lost_in_crash: consumed.lost_in_crash,
            residual: 0,
        };
        ledger.residual = ledger.recomputed();
        ledger
    }

    fn recomputed(&self) -> i64 {
        let done = self.analysed.wrapping_add(self.discarded).wrapping_add(self.lost_in_crash);
        difference(self.enqueued, done).wrapping_sub(self.in_ring).wrapping_sub(self.in_hand)
    }
}

/// Whether what one worker selected was offered as often as its distribution says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectionLedger {
    /// The worker's number; absent in a sum over workers.
    pub worker: Option<u32>,
    /// In force now.
    pub distribute: Distribute,
    /// Copies due for one selected frame, in force now.
    pub factor: u64,
    /// Frames selected, over all wires and directions.
    pub selected: u64,
    /// Copies due for them: Σ `selected × factor` over the spans in which the factor was constant
    /// ([`CopiesDue`]).
    pub due: u64,
    /// Copies offered, over all instances.
    pub offered: u64,
    /// `offered - due`.
    pub residual: i64,
}

impl SelectionLedger {
    /// States the account of one worker.
    #[must_use]
    pub fn new(
        worker: u32,
        distribute: Distribute,
        selected: u64,
        copies: &CopiesDue,
        offered: u64,
    ) -> Self {
        let due = copies.due(selected);
        let residual = difference(offered, due);
        let factor = copies.factor();
        Self { worker: Some(worker), distribute, factor, selected, due, offered, residual }
    }
}

/// `selected × factor`, where the factor changes with the distribution and the number of instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopiesDue {
    factor: u64,
    /// When the factor last changed: selected by then, and due by then.
    selected_before: u64,
    due_before: u64,
}

impl CopiesDue {
    /// Copies per selected frame from the first frame on.
    #[must_use]
    pub fn new(factor: u64) -> Self {
        Self { factor, ..Self::default() }
    }

    /// Copies per selected frame now.
    #[must_use]
    pub fn factor(&self) -> u64 {
        self.factor
    }

    /// Copies due when `selected` frames have been selected in all.
    #[must_use]
    pub fn due(&self, selected: u64) -> u64 {
        let since = selected.wrapping_sub(self.selected_before);
        self.due_before.wrapping_add(since.wrapping_mul(self.factor))
    }

    /// Changes the factor at a burst's border at which `selected` frames have been selected in all.
    pub fn change(&mut self, selected: u64, factor: u64) {
        *self = Self { factor, due_before: self.due(selected), selected_before: selected };
    }
}

impl Distribute {
    /// Copies due for one selected frame, with `instances` instance slots.
    #[must_use]
    pub const fn factor(self, instances: usize) -> u64 {
        match self {
            Distribute::Shard => (instances > 0) as u64,
            Distribute::Replicate => instances as u64,
        }
    }

    /// The name in manifests and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Distribute::Shard => "shard",
            Distribute::Replicate => "replicate",
        }
    }
}

/// All accounts at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerSnapshot {
    /// Nanoseconds since the Unix epoch.
    pub taken_at_ns: u64,
    /// Number of the snapshot.
    pub sequence: u64,
    /// By wire, worker and direction.
    pub wires: Vec<WireLedger>,
    /// By worker and instance, up to the ring.
    pub taps: Vec<TapLedger>,
    /// By worker and instance, behind the ring.
    pub behind: Vec<BehindLedger>,
    /// By worker.
    pub selection: Vec<SelectionLedger>,
}

/// One equation that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residual {
    /// Which account: `wire edge a_to_b worker 1`, `tap worker 1 instance 0`, …
    pub account: String,
    /// Left side less right side.
    pub residual: i64,
    /// Something that is a number of packets is below zero.
    pub negative: bool,
}

impl Residual {
    /// Whether the account holds.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.residual == 0 && !self.negative
    }
}

impl LedgerSnapshot {
    /// Whether every account holds: all residuals, computed anew from the terms, are zero and no
    /// term is negative. True of a ledger without accounts.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.residuals().iter().all(Residual::is_exact)
    }

    /// Whether every account holds and nothing is under way: the state after a drain.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_exact() && self.behind.iter().all(|row| row.in_ring == 0 && row.in_hand == 0)
    }

    /// The residual of every account, computed anew from the terms.
    #[must_use]
    pub fn residuals(&self) -> Vec<Residual> {
        let wires = self.wires.iter().map(|row| Residual {
            account: format!("wire {} {} {}", row.wire, row.direction, worker_name(row.worker)),
            residual: wire_residual(&row.counters),
            negative: false,
        });
        let taps = self.taps.iter().map(|row| Residual {
            account: format!("tap {} instance {}", worker_name(row.worker), row.instance),
            residual: tap_residual(&row.counters),
            negative: false,
        });
        let selection = self.selection.iter().map(|row| Residual {
            account: format!("selection {}", worker_name(row.worker)),
            residual: difference(row.offered, row.due),
            negative: false,
        });
        let behind = self.behind.iter().map(|row| Residual {
            account: format!("behind {} instance {}", worker_name(row.worker), row.instance),
            residual: row.recomputed(),
            negative: row.in_ring < 0 || row.in_hand < 0,
        });
        wires.chain(taps).chain(selection).chain(behind).collect()
    }

    /// The same summed over workers. Residuals are sums too, so that one worker's surplus could hide
    /// another's deficit: judge exactness before summing.
    #[must_use]
    pub fn summed(&self) -> Self {
        Self {
            taken_at_ns: self.taken_at_ns,
            sequence: self.sequence,
            wires: merged(
                &self.wires,
                |a, b| a.wire == b.wire && a.direction == b.direction,
                |sum, row| {
                    sum.counters += row.counters;
                    sum.residual = sum.residual.wrapping_add(row.residual);
                },
                |row| &mut row.worker,
            ),
            taps: merged(
                &self.taps,
                |a, b| a.instance == b.instance,
                |sum, row| {
                    sum.counters += row.counters;
                    sum.residual = sum.residual.wrapping_add(row.residual);
                },
                |row| &mut row.worker,
            ),
            behind: merged(
                &self.behind,
                |a, b| a.instance == b.instance,
                |sum, row| {
                    sum.enqueued = sum.enqueued.wrapping_add(row.enqueued);
                    sum.analysed = sum.analysed.wrapping_add(row.analysed);
                    sum.discarded = sum.discarded.wrapping_add(row.discarded);
                    sum.in_ring = sum.in_ring.wrapping_add(row.in_ring);
                    sum.in_hand = sum.in_hand.wrapping_add(row.in_hand);
                    sum.lost_in_crash = sum.lost_in_crash.wrapping_add(row.lost_in_crash);
                    sum.residual = sum.residual.wrapping_add(row.residual);
                },
                |row| &mut row.worker,
            ),
            selection: merged(
                &self.selection,
                |a, b| a.distribute == b.distribute && a.factor == b.factor,
                |sum, row| {
                    sum.selected = sum.selected.wrapping_add(row.selected);
                    sum.due = sum.due.wrapping_add(row.due);
                    sum.offered = sum.offered.wrapping_add(row.offered);
                    sum.residual = sum.residual.wrapping_add(row.residual);
                },
                |row| &mut row.worker,
            ),
        }
    }
}

/// Rows with the same key added up, in the order in which keys first appear, their worker taken out.
fn merged<T: Clone>(
    rows: &[T],
    same: impl Fn(&T, &T) -> bool,
    add: impl Fn(&mut T, &T),
    worker: impl Fn(&mut T) -> &mut Option<u32>,
) -> Vec<T> {
    let mut sums: Vec<T> = Vec::new();
    for row in rows {
        if let Some(sum) = sums.iter_mut().find(|sum| same(sum, row)) {
            add(sum, row);
        } else {
            let mut sum = row.clone();
            *worker(&mut sum) = None;
            sums.push(sum);
        }
    }
    sums
}

fn worker_name(worker: Option<u32>) -> String {
    worker.map_or_else(|| "all workers".to_owned(), |worker| format!("worker {worker}"))
}

#[cfg(all(test, not(loom)))]
mod tests;
