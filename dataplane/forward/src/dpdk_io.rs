//! The worker's io on DPDK queues.

use umbra_dpdk::{Burst, Mbuf, RxQueue, TxQueue};
use umbra_tap::{Checksum, MAX_BURST, TapBatch, TapFrame};

use crate::io::{FrameBatch, PacketIo, TxLimits};

/// A burst of mbufs.
#[derive(Debug)]
pub struct DpdkBatch {
    burst: Burst<MAX_BURST>,
    /// The lane's NIC hash may stand for the flow.
    trust_nic_hash: bool,
}

impl DpdkBatch {
    /// The mbufs, for rigs that prepare what has just been received.
    pub fn frames_mut(&mut self) -> &mut [Mbuf] {
        self.burst.as_mut_slice()
    }
}

/// A borrowed mbuf.
#[derive(Debug, Clone, Copy)]
pub struct MbufRef<'a> {
    mbuf: &'a Mbuf,
    trust_nic_hash: bool,
}

impl TapFrame for MbufRef<'_> {
    type Segments<'s>
        = umbra_dpdk::Segments<'s>
    where
        Self: 's;

    #[inline]
    fn frame_len(&self) -> u32 {
        self.mbuf.pkt_len()
    }

    #[inline]
    fn head(&self) -> &[u8] {
        self.mbuf.data()
    }

    #[inline]
    fn segments(&self) -> umbra_dpdk::Segments<'_> {
        self.mbuf.segments()
    }

    #[inline]
    fn checksums(&self) -> (Checksum, Checksum) {
        (checksum(self.mbuf.rx_ip_checksum()), checksum(self.mbuf.rx_l4_checksum()))
    }

    #[inline]
    fn nic_hash(&self) -> Option<u32> {
        if self.trust_nic_hash { self.mbuf.rss_hash() } else { None }
    }
}

fn checksum(status: umbra_dpdk::RxChecksum) -> Checksum {
    match status {
        umbra_dpdk::RxChecksum::Unknown => Checksum::Unknown,
        umbra_dpdk::RxChecksum::Good => Checksum::Good,
        umbra_dpdk::RxChecksum::Bad => Checksum::Bad,
        umbra_dpdk::RxChecksum::Absent => Checksum::Absent,
    }
}

impl TapBatch for DpdkBatch {
    type Frame<'a> = MbufRef<'a>;

    #[inline]
    fn len(&self) -> usize {
        self.burst.len()
    }

    #[inline]
    fn frame(&self, index: usize) -> MbufRef<'_> {
        MbufRef { mbuf: &self.burst.as_slice()[index], trust_nic_hash: self.trust_nic_hash }
    }

    #[inline]
    fn head(&self, index: usize) -> &[u8] {
        self.burst.as_slice()[index].data()
    }

    #[inline]
    fn may_have_nic_hash(&self) -> bool {
        self.trust_nic_hash
    }

    #[inline]
    fn nic_hashes(&self, out: &mut [u32; MAX_BURST]) -> bool {
        self.trust_nic_hash && Mbuf::rss_hashes(self.burst.as_slice(), out)
    }

    #[inline]
    fn prefetch_heads(&self) {
        self.burst.as_slice().iter().for_each(Mbuf::prefetch_head);
    }

    #[inline]
    fn prefetch(&self, index: usize) {
        self.burst.as_slice()[index].prefetch_head();
    }
}

impl FrameBatch for DpdkBatch {
    fn remove(&mut self, mask: u64) {
        self.burst.remove_mask(mask);
    }

    fn clear(&mut self) {
        self.burst.free_all();
    }

    fn segment_count(&self, index: usize) -> u32 {
        u32::from(self.burst.as_slice()[index].nb_segs())
    }
}

/// Queues of one lane. A queue is absent while its port is away.
#[derive(Debug)]
pub struct LaneQueues {
    /// Received from here.
    pub rx: Option<RxQueue>,
    /// Sent to there.
    pub tx: Option<TxQueue>,
    /// What the tx device can be given.
    pub limits: TxLimits,
    /// The NIC's hash may stand for the flow: both ports of the wire compute the same symmetric
    /// function with a key of full entropy.
    pub trust_nic_hash: bool,
}

/// A queue put in the place of another while the worker runs, or taken away.
#[derive(Debug)]
pub enum LaneChange {
    /// Another rx queue.
    Rx { lane: usize, queue: Option<RxQueue> },
    /// Another tx queue, with what its device can be given.
    Tx { lane: usize, queue: Option<TxQueue>, limits: TxLimits },
}

/// The queues of one worker.
#[derive(Debug)]
pub struct DpdkIo {
    lanes: Vec<LaneQueues>,
    burst: u16,
}

impl DpdkIo {
    /// Lanes in order; at most `burst` frames per call.
    pub fn new(lanes: Vec<LaneQueues>, burst: u16) -> Self {
        DpdkIo { lanes, burst: burst.clamp(1, MAX_BURST as u16) }
    }

    /// The queues, to be given back to their ports.
    pub fn into_lanes(self) -> Vec<LaneQueues> {
        self.lanes
    }
}

impl PacketIo for DpdkIo {
    type Batch = DpdkBatch;
    type Change = LaneChange;

    fn new_batch(&self) -> DpdkBatch {
        DpdkBatch { burst: Burst::new(), trust_nic_hash: false }
    }

    fn lanes(&self) -> usize {
        self.lanes.len()
    }

    #[inline]
    fn rx(&mut self, lane: usize, batch: &mut DpdkBatch) -> usize {
        let queues = &mut self.lanes[lane];
        batch.trust_nic_hash = queues.trust_nic_hash;
        match &mut queues.rx {
            Some(rx) => rx.burst_up_to(&mut batch.burst, self.burst),
            None => 0,
        }
    }

    #[inline]
    fn tx(&mut self, lane: usize, batch: &mut DpdkBatch) -> usize {
        match &mut self.lanes[lane].tx {
            Some(tx) => tx.burst(&mut batch.burst),
            None => 0,
        }
    }

    fn tx_limits(&self, lane: usize) -> TxLimits {
        self.lanes[lane].limits
    }

    fn apply(&mut self, change: LaneChange) -> Option<LaneChange> {
        match change {
            LaneChange::Rx { lane, queue } => {
                let queues = self.lanes.get_mut(lane)?;
                let queue = std::mem::replace(&mut queues.rx, queue);
                Some(LaneChange::Rx { lane, queue })
            }
            LaneChange::Tx { lane, queue, limits } => {
                let queues = self.lanes.get_mut(lane)?;
                let queue = std::mem::replace(&mut queues.tx, queue);
                let limits = std::mem::replace(&mut queues.limits, limits);
                Some(LaneChange::Tx { lane, queue, limits })
            }
        }
    }
}
