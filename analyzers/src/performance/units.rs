//! What the profile keeps of each flow: the sampling unit, and what the top tables will get.

use hashbrown::HashMap;

use foldhash::quality::RandomState;

use super::estimate::UnitSum;
use crate::flow::FlowId;

/// Units per chunk. Chunks never move, as in the flow table.
const CHUNK: usize = 1024;
/// Units of frames without a flow: pairs of MAC addresses, fragments. More than this at a time are
/// taken for independent frames, and the estimate says that it is coarse.
const STRAYS: usize = 4096;

/// Sums of one unit over a span.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub packets: UnitSum,
    pub bytes: UnitSum,
    /// Largest fraction under which it was selected, 0 before its first record.
    pub best: f64,
}

/// Who a flow is, for the top tables.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parties {
    pub client: u128,
    pub server: u128,
    pub server_port: u16,
    pub protocol: u8,
    /// Outermost.
    pub vlan: Option<u16>,
    pub wire: u16,
}

/// One unit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unit {
    generation: u32,
    /// Which interval `interval` belongs to, counted from 1; 0 is none.
    pub interval_number: u32,
    pub parties: Parties,
    pub interval: Sums,
    pub total: Sums,
}

impl Unit {
    /// Makes the sums of a former interval those of this one: none yet. True if it did.
    pub(super) fn enter(&mut self, interval_number: u32) -> bool {
        if self.interval_number == interval_number {
            return false;
        }
        self.interval_number = interval_number;
        self.interval = Sums::default();
        true
    }
}

/// Units by flow, and by the sampler's hash where there is no flow.
#[derive(Debug, Default)]
pub(super) struct Units {
    chunks: Vec<Box<[Unit]>>,
    strays: HashMap<u64, Unit, RandomState>,
}

impl Units {
    /// The unit of a flow; fresh if the place belonged to another flow before.
    pub(super) fn of_flow(&mut self, id: FlowId, parties: impl FnOnce() -> Parties) -> &mut Unit {
        let (chunk, at) = (id.index() / CHUNK, id.index() % CHUNK);
        while self.chunks.len() <= chunk {
            self.chunks.push(vec![Unit::default(); CHUNK].into_boxed_slice());
        }
        let unit = &mut self.chunks[chunk][at];
        // Generations of live flows can be 0, those of units begin with no records.
        if unit.generation != id.generation() || unit.total.best == 0.0 {
            *unit = Unit { generation: id.generation(), parties: parties(), ..Unit::default() };
        }
        unit
    }

    /// The unit of a flow that was seen, if no other flow has its place by now.
    pub(super) fn get(&self, id: FlowId) -> Option<&Unit> {
        let unit = self.chunks.get(id.index() / CHUNK)?.get(id.index() % CHUNK)?;
        (unit.generation == id.generation()).then_some(unit)
    }

    /// [`get`](Self::get), to change it.
    pub(super) fn get_mut(&mut self, id: FlowId) -> Option<&mut Unit> {
        let unit = self.chunks.get_mut(id.index() / CHUNK)?.get_mut(id.index() % CHUNK)?;
        (unit.generation == id.generation()).then_some(unit)
    }

    /// The unit of frames without a flow; `None` when there are too many.
    pub(super) fn of_hash(&mut self, hash: u64) -> Option<&mut Unit> {
        if self.strays.len() >= STRAYS && !self.strays.contains_key(&hash) {
            return None;
        }
        Some(self.strays.entry(hash).or_default())
    }

    /// Makes room among the strays, between two intervals.
    pub(super) fn forget_strays_if_full(&mut self) {
        if self.strays.len() >= STRAYS {
            self.strays.clear();
        }
    }
}
