//! The ledger's bookkeeper: puts together what workers, rings and instances count apart.
//!
//! Every ring that has existed keeps an account. While it lives, its published records are in its
//! worker's snapshot and its taken ones in its instance's; once it is retired both are final, and
//! what nobody took is discarded. Accounts that are final are folded into one sum per slot, so that
//! the book does not grow with the number of restarts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_analyzers::runner::ConsumedCell;
use umbra_forward::shared::{RingId, WorkerShared, WorkerSnapshot};
use umbra_tap::{
    BehindLedger, CopiesDue, Direction, Distribute, InstanceCounters, LedgerSnapshot, RingAccount,
    SelectionLedger, TapLedger, WireLedger,
};

/// Longest wait for a worker's newer snapshot. A worker publishes every millisecond or so; one that
/// does not is stuck in a driver, and then what it said last has to do.
const NEWER_SNAPSHOT_LIMIT: Duration = Duration::from_millis(200);

/// Where a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotPlace {
    /// Index of the worker.
    pub worker: usize,
    /// Index of the instance.
    pub instance: usize,
}

#[derive(Debug)]
struct Account {
    place: SlotPlace,
    consumed: Arc<ConsumedCell>,
    /// Last words of the cell, kept because a reader can meet a write in progress.
    last: [u64; InstanceCounters::WORDS],
    /// Known once the worker has given the producer back.
    published: Option<u64>,
}

/// One lane of a worker as the ledger names it.
#[derive(Debug, Clone)]
pub struct LaneName {
    /// The wire.
    pub wire: String,
    /// Which way.
    pub direction: Direction,
}

/// One worker as the bookkeeper reads it.
#[derive(Debug)]
pub struct WorkerBook {
    /// Its number in the ledger: the core.
    pub core: u32,
    /// Its counters.
    pub shared: Arc<WorkerShared>,
    /// Its lanes, in order.
    pub lanes: Vec<LaneName>,
}

/// The books of one appliance.
#[derive(Debug)]
pub struct Accounts {
    workers: Vec<WorkerBook>,
    instances: usize,
    distribute: Distribute,
    live: HashMap<RingId, Account>,
    closed: HashMap<SlotPlace, RingAccount>,
    sequence: u64,
}

/// The consumers' side, read before the workers'.
#[derive(Debug)]
pub struct ConsumersRead {
    consumed: HashMap<RingId, InstanceCounters>,
    /// Publications of each worker when the consumers were read.
    publications: Vec<u64>,
}

impl Accounts {
    /// Books for `workers` and `instances` instance slots.
    pub fn new(workers: Vec<WorkerBook>, instances: usize, distribute: Distribute) -> Self {
        Accounts {
            workers,
            instances,
            distribute,
            live: HashMap::new(),
            closed: HashMap::new(),
            sequence: 0,
        }
    }

    /// A ring was made.
    pub fn open(&mut self, ring: RingId, place: SlotPlace, consumed: Arc<ConsumedCell>) {
        let last = [0; InstanceCounters::WORDS];
        self.live.insert(ring, Account { place, consumed, last, published: None });
    }

    /// The worker gave the ring's producer back after `published` records.
    pub fn detached(&mut self, ring: RingId, published: u64) {
        if let Some(account) = self.live.get_mut(&ring) {
            account.published = Some(published);
        }
    }

    /// The workers have ended and their producers with them: the rings' final counts are in the
    /// final snapshots.
    pub fn workers_ended(&mut self) {
        for (index, book) in self.workers.iter().enumerate() {
            let snapshot = book.shared.snapshot();
            for slot in snapshot.taps.iter().flatten() {
                if let Some(account) = self.live.get_mut(&slot.ring)
                    && account.place.worker == index
                {
                    account.published = Some(slot.published_records);
                }
            }
        }
    }

    /// Closes every account that is left.
    pub fn close_all(&mut self) {
        let rings: Vec<RingId> = self.live.keys().copied().collect();
        for ring in rings {
            self.close(ring);
        }
    }

    /// Slot of a ring that is not closed.
    pub fn place(&self, ring: RingId) -> Option<SlotPlace> {
        self.live.get(&ring).map(|account| account.place)
    }

    /// Records of a ring that its instance has taken.
    pub fn consumed(&mut self, ring: RingId) -> Option<InstanceCounters> {
        self.live.get_mut(&ring).map(Account::read)
    }

    /// Nobody consumes the ring any more: what was in hand is lost, the remainder discarded. To be
    /// called after [`Accounts::detached`]; returns the number of discarded records.
    pub fn close(&mut self, ring: RingId) -> u64 {
        let Some(mut account) = self.live.remove(&ring) else {
            return 0;
        };
        let consumed = account.read();
        let published = account.published.unwrap_or(consumed.taken);
        let remainder = published.saturating_sub(consumed.taken);
        let sum = self.closed.entry(account.place).or_default();
        sum.published += published;
        sum.consumed += consumed.closed(remainder);
        remainder
    }

    /// Reads what the consumers say. First half of a snapshot: see the order of reading in
    /// [`umbra_tap::ledger`].
    pub fn read_consumers(&mut self) -> ConsumersRead {
        let consumed = self.live.iter_mut().map(|(&ring, a)| (ring, a.read())).collect();
        let publications = self.workers.iter().map(|w| w.shared.publications()).collect();
        ConsumersRead { consumed, publications }
    }

    /// Waits until every worker has published anew, and reads them. Second half.
    pub fn read_workers(&self, first: &ConsumersRead) -> Vec<WorkerSnapshot> {
        let limit = Instant::now() + NEWER_SNAPSHOT_LIMIT;
        self.workers
            .iter()
            .zip(&first.publications)
            .map(|(worker, &seen)| {
                while worker.shared.publications() < seen + 2
                    && !worker.shared.has_ended()
                    && Instant::now() < limit
                {
                    std::thread::sleep(Duration::from_micros(100));
                }
                worker.shared.snapshot()
            })
            .collect()
    }

    /// Puts the halves together. [`Accounts::detached`] must have been called for every producer
    /// that came back before the workers were read.
    pub fn ledger(
        &mut self,
        first: &ConsumersRead,
        workers: &[WorkerSnapshot],
        taken_at_ns: u64,
    ) -> LedgerSnapshot {
        self.sequence += 1;
        let mut ledger =
            LedgerSnapshot { taken_at_ns, sequence: self.sequence, ..LedgerSnapshot::default() };
        for (index, (book, snapshot)) in self.workers.iter().zip(workers).enumerate() {
            for (lane, counters) in book.lanes.iter().zip(&snapshot.lanes) {
                ledger.wires.push(WireLedger::new(
                    &*lane.wire,
                    book.core,
                    lane.direction,
                    *counters,
                ));
            }
            let Some(slots) = snapshot.taps.first() else {
                continue;
            };
            for (instance, slot) in slots.iter().enumerate() {
                let number = instance as u32;
                ledger.taps.push(TapLedger::new(book.core, number, slot.counters));
                let place = SlotPlace { worker: index, instance };
                let live = self.live.iter().filter(|(_, a)| a.place == place).map(|(&ring, a)| {
                    let published = if slot.ring == ring {
                        slot.published_records
                    } else {
                        // Given back, or not taken up yet.
                        a.published.unwrap_or(0)
                    };
                    let consumed = first.consumed.get(&ring).copied().unwrap_or_default();
                    RingAccount { published, consumed }
                });
                let rings = live.chain(self.closed.get(&place).copied());
                let enqueued = slot.counters.enqueued;
                ledger.behind.push(BehindLedger::new(book.core, number, enqueued, rings));
            }
            let selected = snapshot.lanes.iter().map(|lane| lane.selected).sum();
            let offered = slots.iter().map(|slot| slot.counters.offered).sum();
            let copies = CopiesDue::new(self.distribute.factor(self.instances));
            ledger.selection.push(SelectionLedger::new(
                book.core,
                self.distribute,
                selected,
                &copies,
                offered,
            ));
        }
        ledger
    }

    /// The workers.
    pub fn workers(&self) -> &[WorkerBook] {
        &self.workers
    }
}

impl Account {
    fn read(&mut self) -> InstanceCounters {
        self.consumed.read_into(&mut self.last);
        InstanceCounters::from_words(self.last)
    }
}
