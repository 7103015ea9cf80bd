//! What carries frames from one core to another: the mirror ring, and what it is compared with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;
use umbra_tap::{
    BurstOrigin, Checksum, Consumer, Direction, Distribute, FlowHasher, FrameSlices,
    GeometricTable, MatchSet, Percentage, Producer, RecordMeta, Select, Subject, Tap, TapFrame,
    TapSettings, Verdict,
};

/// Frames per burst.
pub(crate) const BURST: usize = 32;
/// What an mbuf takes: 128 + 2,048 + headroom 128, as in DPDK's default pool.
const MBUF_STRIDE: usize = 2304;
/// Frames that the source cycles through.
const SOURCES: usize = 256;

/// The frames of one burst, as pointers to mbufs are.
pub(crate) type Burst<'a> = [&'a [u8]; BURST];

/// Frames as a receive queue would hand them out.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    len: usize,
}

impl Frames {
    pub(crate) fn new(len: usize) -> Self {
        let bytes = (0..MBUF_STRIDE * SOURCES).map(|i| (i * 7 + i / 251) as u8).collect();
        // Known at run time only, as a frame's length is.
        Frames { bytes, len: std::hint::black_box(len) }
    }

    /// All bursts, one after the other.
    pub(crate) fn bursts(&self) -> Vec<Burst<'_>> {
        (0..SOURCES / BURST)
            .map(|number| {
                std::array::from_fn(|i| {
                    let start = (number * BURST + i) * MBUF_STRIDE;
                    &self.bytes[start..start + self.len]
                })
            })
            .collect()
    }
}

/// One word of every cache line.
#[inline(always)]
pub(crate) fn touch(bytes: &[u8]) -> u64 {
    let mut sum = 0u64;
    for line in bytes.chunks(64) {
        if let Some(word) = line.first_chunk::<8>() {
            sum = sum.wrapping_add(u64::from_le_bytes(*word));
        }
    }
    sum
}

/// The side of the worker.
pub(crate) trait Sender: Send {
    /// Sends as much of a burst as there is room for; says how much.
    fn send(&mut self, burst: &Burst<'_>) -> usize;
    /// Whether all that was sent has been read and given back. Never timed.
    fn is_drained(&mut self) -> bool;
}

/// The side of the instance.
pub(crate) trait Receiver: Send {
    /// Reads what there is, at least a header and a word per line of the frame; says how many.
    fn receive(&mut self, sum: &mut u64) -> usize;
}

/// Records of one batch, as instances take them by default.
const BATCH: usize = 256;

fn meta(frame: &[u8], flow_hash: u64, timestamp_ns: u64) -> RecordMeta {
    RecordMeta {
        timestamp_ns,
        frame_len: frame.len() as u32,
        flow_hash,
        fraction_ppb: 1_000_000_000,
        wire: 0,
        direction: Direction::AtoB,
        ip_checksum: Checksum::Good,
        l4_checksum: Checksum::Good,
        escalated: false,
        epoch: 1,
    }
}

/// The mirror ring: what the worker calls, without sampler and tap.
#[derive(Debug)]
pub(crate) struct RingSender {
    producer: Producer,
    now_ns: u64,
}

impl RingSender {
    pub(crate) fn new(producer: Producer) -> Self {
        RingSender { producer, now_ns: 0 }
    }
}

impl Sender for RingSender {
    #[inline(never)]
    fn send(&mut self, burst: &Burst<'_>) -> usize {
        self.now_ns += 1000;
        let mut slots = [None; BURST];
        let mut sent = 0;
        for (frame, slot) in burst.iter().zip(&mut slots) {
            let meta = meta(frame, frame.as_ptr().addr() as u64, self.now_ns);
            match self.producer.push(&meta, u32::MAX, std::iter::once(*frame)) {
                Ok(pushed) => *slot = Some(pushed),
                Err(_) => break,
            }
            sent += 1;
        }
        for slot in slots[..sent].iter().flatten() {
            self.producer.set_verdict(*slot, Verdict::Forwarded);
        }
        self.producer.publish();
        sent
    }

    fn is_drained(&mut self) -> bool {
        self.producer.occupancy_bytes() == 0
    }
}

#[derive(Debug)]
pub(crate) struct RingReceiver(pub(crate) Consumer);

impl Receiver for RingReceiver {
    #[inline]
    fn receive(&mut self, sum: &mut u64) -> usize {
        let batch = self.0.take(BATCH);
        for record in &batch {
            *sum = sum
                .wrapping_add(record.meta.flow_hash)
                .wrapping_add(record.meta.timestamp_ns)
                .wrapping_add(record.verdict as u64)
                .wrapping_add(touch(record.data));
        }
        batch.len()
    }
}

/// The whole tap: packet mode at 100 %, one instance.
#[derive(Debug)]
pub(crate) struct TapSender {
    tap: Tap,
    consumed: Arc<CachePadded<AtomicU64>>,
    now_ns: u64,
}

/// The hash is P2's; here it costs nothing.
struct Free;

impl FlowHasher for Free {
    #[inline]
    fn flow<F: TapFrame>(&self, frame: &F) -> u64 {
        frame.head().as_ptr().addr() as u64
    }
    fn subject<F: TapFrame>(&self, frame: &F) -> Subject {
        Subject { hash: self.flow(frame), a: 0, b: 0 }
    }
    fn host(&self, _: u128) -> u64 {
        0
    }
}

impl TapSender {
    pub(crate) fn new(producer: Producer, consumed: Arc<CachePadded<AtomicU64>>) -> Self {
        let settings = TapSettings {
            enabled: true,
            gaps: Arc::new(GeometricTable::new(Percentage::FULL)),
            select: Select::Packet,
            distribute: Distribute::Shard,
            snaplen: u32::MAX,
            escalation: Arc::new(MatchSet::default()),
            epoch: 1,
        };
        let mut tap = Tap::new(settings, 1, 1);
        tap.attach(0, producer);
        TapSender { tap, consumed, now_ns: 0 }
    }
}

impl Sender for TapSender {
    #[inline(always)]
    fn send(&mut self, burst: &Burst<'_>) -> usize {
        self.now_ns += 1000;
        let now = self.now_ns;
        let origin = BurstOrigin { wire: 0, direction: Direction::AtoB };
        let selection = self.tap.mirror(origin, || now, &FrameSlices(burst.as_slice()), &Free);
        self.tap.resolve(|_| Verdict::Forwarded);
        selection.selected.count_ones() as usize
    }

    fn is_drained(&mut self) -> bool {
        self.consumed.load(Ordering::Acquire) == self.tap.published_records(0)
    }
}

/// Reads as [`RingReceiver`], and counts for a sender who has no sight of the ring.
#[derive(Debug)]
pub(crate) struct CountingReceiver {
    pub(crate) inner: RingReceiver,
    pub(crate) consumed: Arc<CachePadded<AtomicU64>>,
}

impl Receiver for CountingReceiver {
    #[inline]
    fn receive(&mut self, sum: &mut u64) -> usize {
        let count = self.inner.receive(sum);
        if count != 0 {
            self.consumed.fetch_add(count as u64, Ordering::Release);
        }
        count
    }
}

/// An element of the queues with slots: what differs between the records of a burst, and 64 bytes
/// of frame. That a record also has a timestamp, a wire and a sampling fraction is let them off.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Element {
    flow_hash: u64,
    captured_len: u16,
    frame_len: u16,
    verdict: u8,
    flags: u8,
    frame: [u8; 64],
}

impl Element {
    #[inline(always)]
    fn new(frame: &[u8]) -> Self {
        Element {
            flow_hash: frame.as_ptr().addr() as u64,
            captured_len: frame.len() as u16,
            frame_len: frame.len() as u16,
            verdict: Verdict::Forwarded as u8,
            flags: 0,
            frame: *frame.first_chunk().expect("frames of 64 bytes"),
        }
    }

    #[inline(always)]
    fn touch(&self) -> u64 {
        self.flow_hash
            .wrapping_add(u64::from(self.captured_len) + u64::from(self.frame_len))
            .wrapping_add(u64::from(self.verdict) + u64::from(self.flags))
            .wrapping_add(touch(&self.frame))
    }
}

#[derive(Debug)]
pub(crate) struct RtrbSender(pub(crate) rtrb::Producer<Element>);
#[derive(Debug)]
pub(crate) struct RtrbReceiver(pub(crate) rtrb::Consumer<Element>);

impl Sender for RtrbSender {
    #[inline(always)]
    fn send(&mut self, burst: &Burst<'_>) -> usize {
        match self.0.write_chunk_uninit(BURST) {
            Ok(chunk) => chunk.fill_from_iter(burst.iter().map(|frame| Element::new(frame))),
            Err(_) => 0,
        }
    }

    fn is_drained(&mut self) -> bool {
        self.0.slots() == self.0.buffer().capacity()
    }
}

impl Receiver for RtrbReceiver {
    #[inline]
    fn receive(&mut self, sum: &mut u64) -> usize {
        let count = self.0.slots().min(BATCH);
        let Ok(chunk) = self.0.read_chunk(count) else { return 0 };
        let (first, second) = chunk.as_slices();
        for element in first.iter().chain(second) {
            *sum = sum.wrapping_add(element.touch());
        }
        chunk.commit_all();
        count
    }
}

/// rtrb as a ring of bytes: header and frame into a scratch, then one write of the burst.
#[derive(Debug)]
pub(crate) struct BytesSender {
    pub(crate) producer: rtrb::Producer<u8>,
    scratch: Vec<u8>,
}

impl BytesSender {
    pub(crate) fn new(producer: rtrb::Producer<u8>) -> Self {
        BytesSender { producer, scratch: Vec::with_capacity(BURST * 128) }
    }
}

/// Header of 16 bytes, and frame.
pub(crate) const BYTES_RECORD: usize = 16 + 64;

impl Sender for BytesSender {
    #[inline(always)]
    fn send(&mut self, burst: &Burst<'_>) -> usize {
        self.scratch.clear();
        for frame in burst {
            let lengths = frame.len() as u64 | (frame.len() as u64) << 32;
            self.scratch.extend_from_slice(&lengths.to_le_bytes());
            self.scratch.extend_from_slice(&(frame.as_ptr().addr() as u64).to_le_bytes());
            self.scratch.extend_from_slice(frame);
        }
        if self.producer.push_entire_slice(&self.scratch).is_ok() { BURST } else { 0 }
    }

    fn is_drained(&mut self) -> bool {
        self.producer.slots() == self.producer.buffer().capacity()
    }
}

#[derive(Debug)]
pub(crate) struct BytesReceiver(pub(crate) rtrb::Consumer<u8>);

impl Receiver for BytesReceiver {
    #[inline]
    fn receive(&mut self, sum: &mut u64) -> usize {
        let count = (self.0.slots() / BYTES_RECORD).min(BATCH);
        let Ok(chunk) = self.0.read_chunk(count * BYTES_RECORD) else { return 0 };
        // The capacity is a multiple of a record, so none is in two pieces.
        let (first, second) = chunk.as_slices();
        for record in first.chunks_exact(BYTES_RECORD).chain(second.chunks_exact(BYTES_RECORD)) {
            *sum = sum.wrapping_add(touch(&record[..8])).wrapping_add(touch(&record[8..]));
        }
        chunk.commit_all();
        count
    }
}

#[derive(Debug)]
pub(crate) struct ArraySender(pub(crate) Arc<ArrayQueue<Element>>);
#[derive(Debug)]
pub(crate) struct ArrayReceiver(pub(crate) Arc<ArrayQueue<Element>>);

impl Sender for ArraySender {
    #[inline(always)]
    fn send(&mut self, burst: &Burst<'_>) -> usize {
        burst.iter().take_while(|frame| self.0.push(Element::new(frame)).is_ok()).count()
    }

    fn is_drained(&mut self) -> bool {
        self.0.is_empty()
    }
}

impl Receiver for ArrayReceiver {
    #[inline]
    fn receive(&mut self, sum: &mut u64) -> usize {
        let mut count = 0;
        while count < BATCH {
            let Some(element) = self.0.pop() else { break };
            *sum = sum.wrapping_add(element.touch());
            count += 1;
        }
        count
    }
}
