//! Frames kept until there are enough of them for a batch.

use std::ops::Range;

use umbra_tap::{Checksum, Direction, Record, RecordMeta, Verdict};

use crate::pcap::{CapturedFrame, DataLink};

/// Frames of one link type in one allocation that is used again and again.
#[derive(Debug, Default)]
pub(super) struct FrameBatch {
    bytes: Vec<u8>,
    frames: Vec<Kept>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    meta: RecordMeta,
    /// 1-based in the capture.
    number: u64,
    link: DataLink,
    start: usize,
    len: usize,
}

/// What the sampler adds to a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tapped {
    pub(super) flow_hash: u64,
    pub(super) fraction_ppb: u32,
}

impl FrameBatch {
    /// Keeps a frame, of its bytes at most `snaplen`.
    pub(super) fn push(&mut self, frame: &CapturedFrame<'_>, tapped: Tapped, snaplen: usize) {
        let data = &frame.data[..frame.data.len().min(snaplen)];
        let start = self.bytes.len();
        self.bytes.extend_from_slice(data);
        self.frames.push(Kept {
            meta: RecordMeta {
                timestamp_ns: frame.timestamp_ns,
                frame_len: frame.wire_len,
                flow_hash: tapped.flow_hash,
                fraction_ppb: tapped.fraction_ppb,
                wire: 0,
                // A capture does not say where on a wire it was taken.
                direction: Direction::AtoB,
                ip_checksum: Checksum::Unknown,
                l4_checksum: Checksum::Unknown,
                escalated: false,
                epoch: 0,
            },
            number: frame.number,
            link: frame.link_type,
            start,
            len: data.len(),
        });
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes of frames kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The link type of its frames; whoever fills the batch keeps to one.
    pub(super) fn link(&self) -> Option<DataLink> {
        self.frames.first().map(|kept| kept.link)
    }

    /// Number in the capture of the frame at `index`.
    pub(super) fn number(&self, index: usize) -> Option<u64> {
        self.frames.get(index).map(|kept| kept.number)
    }

    /// Some of the frames as the tap's records.
    pub(super) fn records(&self, frames: Range<usize>) -> impl Iterator<Item = Record<'_>> {
        self.frames.get(frames).unwrap_or_default().iter().map(|kept| Record {
            meta: kept.meta,
            verdict: Verdict::Forwarded,
            data: self.bytes.get(kept.start..kept.start + kept.len).unwrap_or_default(),
            sequence: kept.number - 1,
        })
    }

    /// The frames as they were captured.
    pub(super) fn captured(&self) -> impl Iterator<Item = CapturedFrame<'_>> {
        self.frames.iter().map(|kept| CapturedFrame {
            number: kept.number,
            timestamp_ns: kept.meta.timestamp_ns,
            wire_len: kept.meta.frame_len,
            data: self.bytes.get(kept.start..kept.start + kept.len).unwrap_or_default(),
            link_type: kept.link,
            interface: 0,
            offset: 0,
        })
    }

    /// Empties it, keeping its memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.frames.clear();
    }
}
