//! The tap of one worker: per burst it decides which frames are selected, copies those into the
//! rings of the shadow instances, and after tx writes what became of each frame and publishes.
//!
//! Two calls per burst, [`Tap::mirror`] before tx and [`Tap::resolve`] after it. A burst is at most
//! [`MAX_BURST`] frames, so that every per-frame decision fits one bit of a `u64`.
//!
//! Cost: with nothing selected, `packet` mode is one compare per burst, and `flow` mode one hash and
//! one compare per frame. No allocation, lock, clock read or system call in either call.

use std::sync::Arc;

use crate::counters::TapCounters;
use crate::matchset::MatchSet;
use crate::percentage::Percentage;
use crate::record::{Checksum, Direction, RecordHead, RecordMeta, Verdict};
use crate::ring::{Producer, PushError, Slot};
use crate::sampler::{FlowThreshold, GeometricSkip, GeometricTable, Select, shard};

/// Frames per burst at most: one bit of a `u64` each.
pub const MAX_BURST: usize = 64;

/// With more selected frames than this in a burst all its frames are hashed, many at a time, rather than
/// the selected ones one by one.
const HASHED_TOGETHER: u32 = 6;

/// A frame as the tap sees it: bytes in one or more segments, nothing else.
pub trait TapFrame {
    /// The segments in order.
    type Segments<'a>: Iterator<Item = &'a [u8]>
    where
        Self: 'a;

    /// Length on the wire in bytes, without FCS, over all segments.
    fn frame_len(&self) -> u32;
    /// The first segment, where the headers are.
    fn head(&self) -> &[u8];
    /// All segments.
    fn segments(&self) -> Self::Segments<'_>;
    /// What the NIC said of the IP header's and the transport's checksum.
    fn checksums(&self) -> (Checksum, Checksum) {
        (Checksum::Unknown, Checksum::Unknown)
    }
    /// A hash that the NIC computed with a symmetric key of full entropy, where the port is trusted
    /// for it and the frame is unfragmented TCP or UDP.
    fn nic_hash(&self) -> Option<u32> {
        None
    }
}

/// A burst as the tap sees it: frames by index. By reference, so that the owner of the frames (an
/// mbuf array, a vector) needs no type of this crate.
pub trait TapBatch {
    /// A frame, borrowed.
    type Frame<'a>: TapFrame
    where
        Self: 'a;

    /// Number of frames, at most [`MAX_BURST`].
    fn len(&self) -> usize;
    /// True for an empty burst.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Frame `index`, which is less than `len`.
    fn frame(&self, index: usize) -> Self::Frame<'_>;
    /// First segment of frame `index`.
    fn head(&self, index: usize) -> &[u8];
    /// Whether [`TapFrame::nic_hash`] can be there at all.
    fn may_have_nic_hash(&self) -> bool {
        false
    }
    /// Fills in the hash of every frame, where every frame has one from the NIC; false otherwise.
    fn nic_hashes(&self, _out: &mut [u32; MAX_BURST]) -> bool {
        false
    }
    /// Starts to fetch what [`head`](Self::head) of all frames reads.
    fn prefetch_heads(&self) {}
    /// The same for one frame.
    fn prefetch(&self, _index: usize) {}
}

/// Whole frames that lie in memory, as a burst: for callers that have no mbufs.
#[derive(Debug)]
pub struct FrameSlices<'f, B>(pub &'f [B]);

/// A frame of [`FrameSlices`].
#[derive(Debug, Clone, Copy)]
pub struct FrameSlice<'f>(&'f [u8]);

impl TapFrame for FrameSlice<'_> {
    type Segments<'s>
        = core::iter::Once<&'s [u8]>
    where
        Self: 's;

    #[inline]
    fn frame_len(&self) -> u32 {
        // A longer one is no frame; the ring would refuse it as oversize all the same.
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    #[inline]
    fn head(&self) -> &[u8] {
        self.0
    }

    #[inline]
    fn segments(&self) -> core::iter::Once<&[u8]> {
        core::iter::once(self.0)
    }
}

impl<B: AsRef<[u8]>> TapBatch for FrameSlices<'_, B> {
    type Frame<'a>
        = FrameSlice<'a>
    where
        Self: 'a;

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn frame(&self, index: usize) -> FrameSlice<'_> {
        FrameSlice(self.head(index))
    }

    #[inline]
    fn head(&self, index: usize) -> &[u8] {
        self.0[index].as_ref()
    }
}

/// Flow hash and both addresses of a frame (IPv4 as `::ffff:a.b.c.d`, MAC addresses for non-IP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// Symmetric flow hash.
    pub hash: u64,
    /// One address.
    pub a: u128,
    /// The other address.
    pub b: u128,
}

/// How frames become hashes. Implemented above this crate, which knows no protocol.
pub trait FlowHasher {
    /// Symmetric flow hash of a frame.
    fn flow<F: TapFrame>(&self, frame: &F) -> u64;
    /// Bits of the frames of a burst whose flow hash the threshold selects; `hashes` holds the hash of
    /// each selected one afterwards, and anything for the others.
    #[inline]
    fn select<B: TapBatch>(
        &self,
        frames: &B,
        threshold: FlowThreshold,
        hashes: &mut [u64; MAX_BURST],
    ) -> u64 {
        select_one_by_one(self, frames, threshold, hashes)
    }
    /// Flow hash and addresses.
    fn subject<F: TapFrame>(&self, frame: &F) -> Subject;
    /// Hash of one address.
    fn host(&self, address: u128) -> u64;
}

/// [`FlowHasher::select`] by hashing each frame for itself.
pub fn select_one_by_one<B: TapBatch, H: FlowHasher + ?Sized>(
    hasher: &H,
    frames: &B,
    threshold: FlowThreshold,
    hashes: &mut [u64; MAX_BURST],
) -> u64 {
    let mut selected = 0;
    for (i, hash) in hashes.iter_mut().enumerate().take(frames.len()) {
        *hash = hasher.flow(&frames.frame(i));
        selected |= u64::from(threshold.selects(*hash)) << i;
    }
    selected
}

/// How selected frames reach the instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribute {
    /// Each frame to one instance, flows staying together.
    #[default]
    Shard,
    /// Each frame to every instance.
    Replicate,
}

/// Settings of a tap; immutable, replaced as a whole by the control side.
#[derive(Debug, Clone)]
pub struct TapSettings {
    /// Off: nothing is selected, whatever the percentage.
    pub enabled: bool,
    /// Share of the traffic that is selected, with the table of gaps for `packet` mode, which is
    /// built by the control side so that a worker need not.
    pub gaps: Arc<GeometricTable>,
    /// What the percentage is of.
    pub select: Select,
    /// How selected frames reach the instances.
    pub distribute: Distribute,
    /// Bytes copied of a frame at most; `u32::MAX` is the whole frame.
    pub snaplen: u32,
    /// Always selected.
    pub escalation: Arc<MatchSet>,
    /// Counts changes of the settings; stamped on every record.
    pub epoch: u16,
}

impl TapSettings {
    /// Share of the traffic that is selected.
    pub fn percentage(&self) -> Percentage {
        self.gaps.percentage()
    }

    /// The same settings with another share.
    pub fn with_percentage(mut self, percentage: Percentage) -> Self {
        self.gaps = Arc::new(GeometricTable::new(percentage));
        self
    }
}

/// What was selected of one burst, as bits by frame index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selection {
    /// Selected frames.
    pub selected: u64,
    /// Those selected by the escalation set.
    pub escalated: u64,
}

/// Where a burst came from.
#[derive(Debug, Clone, Copy)]
pub struct BurstOrigin {
    /// Index of the wire.
    pub wire: u16,
    /// Direction on the wire.
    pub direction: Direction,
}

/// What the settings come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing can be selected.
    None,
    /// By the gap alone.
    Gap,
    /// By the flow hash alone.
    Hash,
    /// Addresses are needed: host mode, or an escalation set.
    Subject,
}

#[derive(Debug)]
struct InstanceSlot {
    producer: Option<Producer>,
    counters: TapCounters,
    dirty: bool,
}

/// What the selection has computed of the burst's frames.
#[derive(Clone, Copy)]
struct Known<'a> {
    hashes: &'a [u64; MAX_BURST],
    shards: &'a [u64; MAX_BURST],
}

impl InstanceSlot {
    /// [`offer`](Self::offer) for all of a burst's selected frames: the places where the next record goes stay
    /// in registers from one to the next.
    #[inline(always)]
    fn offer_all<B: TapBatch>(
        &mut self,
        frames: &B,
        selected: u64,
        snaplen: u32,
        head_of: impl Fn(usize, &B::Frame<'_>) -> RecordHead,
        pending: &mut Vec<Pending>,
    ) {
        let Some(producer) = self.producer.as_mut() else {
            let count = u64::from(selected.count_ones());
            self.counters.offered += count;
            self.counters.no_instance += count;
            return;
        };
        let mut counted = TapCounters::default();
        let mut rest = selected;
        let mut run = producer.begin_run();
        while rest != 0 {
            let i = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let frame = frames.frame(i);
            let head = head_of(i, &frame);
            let frame_len = frame.frame_len();
            let pushed = match run.push(head, snaplen, frame.head()) {
                Some(record) => Ok(record),
                None => run.push_slowly(head, snaplen, frame.segments()),
            };
            if let Some(slot) = count(&mut counted, pushed, frame_len, snaplen) {
                #[expect(clippy::cast_possible_truncation, reason = "below MAX_BURST")]
                pending.push(Pending { slot, instance: 0, frame: i as u8 });
            }
        }
        drop(run);
        counted.offered = u64::from(selected.count_ones());
        self.dirty |= counted.enqueued != 0;
        self.counters += counted;
    }

    #[inline(always)]
    fn offer<F: TapFrame>(
        &mut self,
        head: RecordHead,
        frame_len: u32,
        snaplen: u32,
        frame: &F,
    ) -> Option<Slot> {
        self.counters.offered += 1;
        let Some(producer) = self.producer.as_mut() else {
            self.counters.no_instance += 1;
            return None;
        };
        let pushed = producer.push_headed(head, snaplen, frame.segments());
        let slot = count(&mut self.counters, pushed, frame_len, snaplen);
        self.dirty |= slot.is_some();
        slot
    }
}

/// Counts what became of a copy that was offered.
#[inline(always)]
fn count(
    counters: &mut TapCounters,
    pushed: Result<Slot, PushError>,
    frame_len: u32,
    snaplen: u32,
) -> Option<Slot> {
    match pushed {
        Ok(slot) => {
            counters.enqueued += 1;
            counters.enqueued_bytes += u64::from(frame_len.min(snaplen));
            counters.truncated += u64::from(frame_len > snaplen);
            Some(slot)
        }
        Err(PushError::Full) => {
            counters.ring_full += 1;
            None
        }
        Err(PushError::Oversize) => {
            counters.oversize += 1;
            None
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    slot: Slot,
    instance: u16,
    frame: u8,
}

/// The sampler and the mirror rings of one worker for one appliance.
#[derive(Debug)]
pub struct Tap {
    settings: TapSettings,
    flow: FlowThreshold,
    host: FlowThreshold,
    skip: GeometricSkip,
    way: Way,
    instances: Vec<InstanceSlot>,
    /// Records of the current burst whose verdict is not known yet.
    pending: Vec<Pending>,
    hashes: [u64; MAX_BURST],
    /// What selects the instance in `shard` and `host` mode: the hash of the host. In the other modes
    /// it is the flow's.
    shards: [u64; MAX_BURST],
}

impl Tap {
    /// A tap for `instances` shadow instances, none attached yet. `seed` starts the packet sampler.
    pub fn new(settings: TapSettings, instances: usize, seed: u64) -> Self {
        let mut tap = Tap {
            flow: FlowThreshold::from(settings.percentage()),
            host: FlowThreshold::for_hosts(settings.percentage()),
            skip: GeometricSkip::with_table(Arc::clone(&settings.gaps), seed),
            way: Way::None,
            instances: Vec::new(),
            pending: Vec::new(),
            hashes: [0; MAX_BURST],
            shards: [0; MAX_BURST],
            settings,
        };
        tap.resize(instances);
        tap.derive();
        tap
    }

    fn derive(&mut self) {
        let off = !self.settings.enabled || self.instances.is_empty();
        let escalates = !self.settings.escalation.is_empty();
        self.way = match self.settings.select {
            _ if off || (self.settings.percentage().is_zero() && !escalates) => Way::None,
            _ if escalates => Way::Subject,
            Select::Host => Way::Subject,
            Select::Flow => Way::Hash,
            Select::Packet => Way::Gap,
        };
    }

    /// Takes new settings. A changed percentage restarts the packet sampler's draw, which is exact
    /// because the geometric distribution has no memory. The old settings are returned so that the
    /// caller decides where their memory is freed.
    pub fn apply(&mut self, settings: TapSettings) -> TapSettings {
        if settings.percentage() != self.settings.percentage() {
            self.flow = FlowThreshold::from(settings.percentage());
            self.host = FlowThreshold::for_hosts(settings.percentage());
            self.skip.set_table(Arc::clone(&settings.gaps));
        }
        let old = std::mem::replace(&mut self.settings, settings);
        self.derive();
        old
    }

    /// Settings in force.
    pub fn settings(&self) -> &TapSettings {
        &self.settings
    }

    /// Number of instance slots.
    pub fn instances(&self) -> usize {
        self.instances.len()
    }

    /// Changes the number of instance slots. Slots are only added; the counters of the slots that
    /// exist go on.
    pub fn resize(&mut self, instances: usize) {
        while self.instances.len() < instances {
            self.instances.push(InstanceSlot {
                producer: None,
                counters: TapCounters::default(),
                dirty: false,
            });
        }
        self.pending.reserve(MAX_BURST * self.instances.len());
        self.derive();
    }

    /// Puts a ring into an instance's slot and returns the ring that was there. Only between bursts.
    pub fn attach(&mut self, instance: usize, mut producer: Producer) -> Option<Producer> {
        debug_assert!(self.pending.is_empty(), "a ring is changed only between bursts");
        // What nearly always becomes of a frame; the few others are corrected.
        producer.presume(Verdict::Forwarded);
        self.instances.get_mut(instance)?.producer.replace(producer)
    }

    /// Takes the ring out of an instance's slot. Only between bursts.
    pub fn detach(&mut self, instance: usize) -> Option<Producer> {
        debug_assert!(self.pending.is_empty(), "a ring is changed only between bursts");
        self.instances.get_mut(instance)?.producer.take()
    }

    /// Counters of an instance's slot.
    pub fn counters(&self, instance: usize) -> TapCounters {
        self.instances.get(instance).map(|slot| slot.counters).unwrap_or_default()
    }

    /// Records published to the ring that is in the slot now, by the ring's own count.
    pub fn published_records(&self, instance: usize) -> u64 {
        self.instances
            .get(instance)
            .and_then(|slot| slot.producer.as_ref())
            .map_or(0, Producer::published_records)
    }

    /// False when no frame can be selected, so that the caller need not come here at all.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.way != Way::None
    }

    /// Lets a burst of `burst_len` frames pass where that is known without looking at one of them: in
    /// `packet` mode when the gap to the next selected one is as long. One compare and one subtraction;
    /// true means that [`mirror`](Self::mirror) would select nothing and need not be called.
    #[inline(always)]
    pub fn pass(&mut self, burst_len: usize) -> bool {
        self.way == Way::Gap && self.skip.pass(burst_len)
    }

    /// Selects among `frames` and copies the selected into the rings, unpublished.
    /// Follow with [`Tap::resolve`].
    #[inline]
    pub fn mirror<B: TapBatch, H: FlowHasher>(
        &mut self,
        origin: BurstOrigin,
        now_ns: impl FnOnce() -> u64,
        frames: &B,
        hasher: &H,
    ) -> Selection {
        debug_assert!(frames.len() <= MAX_BURST);
        // A function each: what one way needs of registers and stack is not the others' to save.
        match self.way {
            Way::None => Selection::default(),
            Way::Gap => self.mirror_by_gap(origin, now_ns, frames, hasher),
            Way::Hash => self.mirror_by_hash(origin, now_ns, frames, hasher),
            Way::Subject => self.mirror_by_subject(origin, now_ns, frames, hasher),
        }
    }

    #[inline(never)]
    fn mirror_by_gap<B: TapBatch, H: FlowHasher>(
        &mut self,
        origin: BurstOrigin,
        now_ns: impl FnOnce() -> u64,
        frames: &B,
        hasher: &H,
    ) -> Selection {
        let mut selected = 0u64;
        // All that will be read is under way before the first of it is.
        self.skip.advance(frames.len(), |i| {
            frames.prefetch(i);
            selected |= 1 << i;
        });
        let selection = Selection { selected, escalated: 0 };
        if selected.count_ones() > HASHED_TOGETHER {
            let all = hasher.select(frames, FlowThreshold::ALL, &mut self.hashes);
            debug_assert_eq!(all & selected, selected);
            self.copy(origin, now_ns(), frames, selection, |known, i, _| {
                (known.hashes[i], known.hashes[i])
            });
        } else if selected != 0 {
            // Hashed where it is copied: no loop of its own, whose end would be mispredicted.
            self.copy(origin, now_ns(), frames, selection, |_, _, frame| {
                let hash = hasher.flow(frame);
                (hash, hash)
            });
        }
        selection
    }

    #[inline(never)]
    fn mirror_by_hash<B: TapBatch, H: FlowHasher>(
        &mut self,
        origin: BurstOrigin,
        now_ns: impl FnOnce() -> u64,
        frames: &B,
        hasher: &H,
    ) -> Selection {
        let selected = hasher.select(frames, self.flow, &mut self.hashes);
        let selection = Selection { selected, escalated: 0 };
        if selected != 0 {
            self.copy(origin, now_ns(), frames, selection, |known, i, _| {
                (known.hashes[i], known.hashes[i])
            });
        }
        selection
    }

    #[cold]
    #[inline(never)]
    fn mirror_by_subject<B: TapBatch, H: FlowHasher>(
        &mut self,
        origin: BurstOrigin,
        now_ns: impl FnOnce() -> u64,
        frames: &B,
        hasher: &H,
    ) -> Selection {
        let selection = self.select_by_subject(frames, hasher);
        if selection.selected != 0 {
            let by_host = self.settings.select == Select::Host;
            self.copy(origin, now_ns(), frames, selection, |known, i, _| {
                (known.hashes[i], if by_host { known.shards[i] } else { known.hashes[i] })
            });
        }
        selection
    }

    /// The slower selections, for which the addresses are needed.
    fn select_by_subject<B: TapBatch, H: FlowHasher>(
        &mut self,
        frames: &B,
        hasher: &H,
    ) -> Selection {
        let mut selection = Selection::default();
        if self.settings.select == Select::Packet {
            let mut selected = 0u64;
            self.skip.advance(frames.len(), |i| selected |= 1 << i);
            selection.selected = selected;
        }
        for i in 0..frames.len() {
            let subject = hasher.subject(&frames.frame(i));
            self.hashes[i] = subject.hash;
            let by_sample = match self.settings.select {
                Select::Flow => self.flow.selects(subject.hash),
                Select::Host => {
                    let host = hasher.host(subject.a).min(hasher.host(subject.b));
                    self.shards[i] = host;
                    self.host.selects(host)
                }
                Select::Packet => false,
            };
            selection.selected |= u64::from(by_sample) << i;
            if self.settings.escalation.contains(subject.hash, subject.a, subject.b) {
                selection.escalated |= 1 << i;
            }
        }
        selection.selected |= selection.escalated;
        selection
    }

    /// Copies the selected; `hash_of` gives a frame's flow hash and what chooses its instance in `shard`.
    #[inline(always)]
    fn copy<B: TapBatch>(
        &mut self,
        origin: BurstOrigin,
        timestamp_ns: u64,
        frames: &B,
        selection: Selection,
        hash_of: impl Fn(Known<'_>, usize, &B::Frame<'_>) -> (u64, u64),
    ) {
        let count = self.instances.len();
        let snaplen = self.settings.snaplen;
        let burst = RecordHead::of(&RecordMeta {
            timestamp_ns,
            frame_len: 0,
            flow_hash: 0,
            fraction_ppb: self.settings.percentage().fraction_ppb(),
            wire: origin.wire,
            direction: origin.direction,
            ip_checksum: Checksum::Unknown,
            l4_checksum: Checksum::Unknown,
            escalated: false,
            epoch: self.settings.epoch,
        });
        let known = Known { hashes: &self.hashes, shards: &self.shards };
        if let [only] = self.instances.as_mut_slice() {
            // One instance gets all, whichever way they are distributed.
            let head_of = |i: usize, frame: &B::Frame<'_>| {
                let (hash, _) = hash_of(known, i, frame);
                let escalated = selection.escalated >> i & 1 == 1;
                burst.with(frame.frame_len(), hash, frame.checksums(), escalated)
            };
            only.offer_all(frames, selection.selected, snaplen, head_of, &mut self.pending);
            return;
        }
        let mut rest = selection.selected;
        while rest != 0 {
            let i = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let frame = frames.frame(i);
            let (hash, key) = hash_of(known, i, &frame);
            let escalated = selection.escalated >> i & 1 == 1;
            let frame_len = frame.frame_len();
            let head = burst.with(frame_len, hash, frame.checksums(), escalated);
            let targets = match self.settings.distribute {
                Distribute::Shard => {
                    let instance = shard(key, count);
                    instance..instance + 1
                }
                Distribute::Replicate => 0..count,
            };
            for instance in targets {
                let slot = &mut self.instances[instance];
                if let Some(record) = slot.offer(head, frame_len, snaplen, &frame) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "instances and burst are small"
                    )]
                    self.pending.push(Pending {
                        slot: record,
                        instance: instance as u16,
                        frame: i as u8,
                    });
                }
            }
        }
    }

    /// Writes what became of each mirrored frame, by its index in the burst given to
    /// [`Tap::mirror`], and publishes: one release store per ring that took something.
    #[inline(never)]
    pub fn resolve(&mut self, verdict: impl Fn(usize) -> Verdict) {
        for &pending in &self.pending {
            if let Some(producer) = self.instances[usize::from(pending.instance)].producer.as_mut()
            {
                producer.set_verdict(pending.slot, verdict(usize::from(pending.frame)));
            }
        }
        self.publish();
    }

    /// [`resolve`](Self::resolve) where all frames of the burst went on: only publishes.
    #[inline]
    pub fn publish(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        self.pending.clear();
        for slot in &mut self.instances {
            if slot.dirty {
                slot.dirty = false;
                if let Some(producer) = slot.producer.as_mut() {
                    producer.publish();
                }
            }
        }
    }
}
