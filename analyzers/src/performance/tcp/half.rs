//! What is remembered of one end of a connection.

use super::holes::Holes;
use super::verdict::{Tally, Verdicts};
use crate::decode::SackBlocks;
use crate::events::Timestamp;

/// What is known or was last, as bits.
pub(super) mod bit {
    /// A segment of this end was seen.
    pub(in crate::performance::tcp) const SEEN: u8 = 1;
    /// It carried an ACK flag at some time.
    pub(in crate::performance::tcp) const SAW_ACK: u8 = 1 << 1;
    /// The other end has acknowledged something.
    pub(in crate::performance::tcp) const ACKED: u8 = 1 << 2;
    /// Its latest segment was a keep-alive.
    pub(in crate::performance::tcp) const KEEP_ALIVE: u8 = 1 << 3;
    /// The window of its latest segment was that of a SYN, which is not scaled.
    pub(in crate::performance::tcp) const SYN_WINDOW: u8 = 1 << 4;
    /// Its SYN was seen, so it is known whether windows are scaled.
    pub(in crate::performance::tcp) const SAW_SYN: u8 = 1 << 5;
}

/// No scaling was offered.
pub(super) const UNSCALED: u8 = u8::MAX;

/// One end: 48 bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Half {
    /// Its initial sequence number, or what stands for it where its SYN was not seen.
    pub isn: u32,
    /// Behind the highest byte seen.
    pub next: u32,
    /// Acknowledgment field of its latest segment.
    pub ack: u32,
    /// Up to where the other end has acknowledged, at most. Valid with [`bit::ACKED`].
    pub acked: u32,
    /// When `next` last moved.
    pub next_at: Timestamp,
    /// Time of its latest segment.
    pub last_at: Timestamp,
    /// As in its latest segment.
    pub window: u16,
    /// Shift that its SYN offered, or [`UNSCALED`].
    pub scale: u8,
    /// Duplicate ACKs in a row, at most 255.
    pub duplicate_acks: u8,
    pub bits: u8,
    /// What most connections never have.
    pub rare: Option<Box<Rare>>,
}

/// What is remembered once something was odd.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    pub holes: Holes,
    /// Of its latest segment.
    pub sack: SackBlocks,
    pub tally: Tally,
}

impl Half {
    pub(super) const fn has(&self, bits: u8) -> bool {
        self.bits & bits == bits
    }

    pub(super) fn set(&mut self, bits: u8, on: bool) {
        if on {
            self.bits |= bits;
        } else {
            self.bits &= !bits;
        }
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(super) fn sack(&self) -> &[(u32, u32)] {
        self.rare.as_deref().map_or(&[], |rare| rare.sack.as_slice())
    }

    pub(super) fn count(&mut self, verdicts: Verdicts) {
        if !verdicts.is_empty() {
            self.rare().tally.add(verdicts);
        }
    }

    pub(super) fn tally(&self) -> Tally {
        self.rare.as_deref().map_or_else(Tally::default, |rare| rare.tally)
    }

    /// Another connection begins: all is forgotten but what was counted.
    pub(super) fn begin_anew(&mut self) {
        let tally = self.rare.take().map(|rare| rare.tally);
        *self = Self::default();
        if let Some(tally) = tally {
            self.rare().tally = tally;
        }
    }
}
