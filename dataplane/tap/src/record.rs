//! What a mirror ring carries: a fixed header that states where and when a frame was seen, and the
//! frame's first bytes.
//!
//! # Entries
//!
//! The ring holds entries, each at a multiple of 8, little-endian, told apart by the two highest bits
//! of their first word. What is the same for a burst is said once.
//!
//! *Record*, 16 bytes and the frame. Its length in the ring is not stored: it is
//! `16 + captured_len` rounded up to 8.
//!
//! | offset | bytes | field | meaning |
//! |---|---|---|---|
//! | 0 | 3 | `captured_len` | bytes of the frame that follow the header |
//! | 3 | 1 | `verdict` | [`Verdict`]; the only byte written after the copy, before publication |
//! | 4 | 3 | `frame_len` | bytes on the wire, without FCS |
//! | 7 | 1 | flags | bit 0 direction, 1–2 IP checksum, 3–4 L4 checksum, 5 escalated, 6 set, 7 clear |
//! | 8 | 8 | `flow_hash` | |
//! | 16 | `captured_len` | frame | |
//!
//! *Context*, 24 bytes, before the first record and before every record for which it differs from the
//! one before:
//!
//! | offset | bytes | field | meaning |
//! |---|---|---|---|
//! | 0 | 7 | | zero |
//! | 7 | 1 | flags | bits 6 and 7 set, all others clear |
//! | 8 | 8 | `timestamp_ns` | nanoseconds since the Unix epoch |
//! | 16 | 4 | `fraction_ppb` | sampling fraction at selection, parts per billion |
//! | 20 | 2 | `wire` | |
//! | 22 | 2 | `epoch` | |
//!
//! *Padding*, 8 bytes: a length in the lower 7, header included, and bit 7 of the flags set. It fills
//! the last line of a burst, and what is left before the end of the data area.
//!
//! So a 64-byte frame takes 80 bytes of ring, one and a quarter cache lines. With everything in each
//! header it took 96, and the cost of a record is its lines.

use serde::{Deserialize, Serialize};

/// Bytes of the header before the frame.
pub const HEADER_LEN: usize = 16;
/// Bytes of a context.
pub(crate) const CONTEXT_LEN: usize = 24;
/// Bytes of a cache line. What is published together starts and ends with one.
pub(crate) const LINE: usize = 64;
/// Longest frame that a header can describe, bytes: 2^24 − 1.
pub const MAX_FRAME_LEN: u32 = (1 << 24) - 1;
/// Offset of the verdict inside the header.
pub(crate) const VERDICT_OFFSET: usize = 3;

/// Records start at multiples of this.
const ALIGNMENT: usize = 8;

const FLAG_B_TO_A: u64 = 1;
const IP_CHECKSUM_SHIFT: u32 = 1;
const L4_CHECKSUM_SHIFT: u32 = 3;
const FLAG_ESCALATED: u64 = 1 << 5;
const FLAG_RECORD: u64 = 1 << 6;
const FLAG_PADDING: u64 = 1 << 7;
const LENGTH_MASK: u64 = MAX_FRAME_LEN as u64;

const CONTEXT_WORD: u64 = (FLAG_RECORD | FLAG_PADDING) << 56;
const PADDING_MASK: u64 = (1 << 56) - 1;

/// Which way a frame crosses its wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Direction {
    /// Entered at port a, leaves at port b.
    #[serde(rename = "a_to_b")]
    AtoB = 0,
    /// Entered at port b, leaves at port a.
    #[serde(rename = "b_to_a")]
    BtoA = 1,
}

impl Direction {
    /// Both, in the order of their numbers.
    pub const BOTH: [Direction; 2] = [Direction::AtoB, Direction::BtoA];

    /// The other way.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Direction::AtoB => Direction::BtoA,
            Direction::BtoA => Direction::AtoB,
        }
    }

    /// 0 for a to b, 1 for b to a: an index into per-direction arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name used in counters and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::AtoB => "a_to_b",
            Direction::BtoA => "b_to_a",
        }
    }
}

impl core::fmt::Display for Direction {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What became of the frame whose copy a record is. The words are the ledger's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Verdict {
    /// Not known when the record was published; a worker that keeps the design's order never leaves it.
    #[default]
    Pending = 0,
    /// Accepted by the twin port's driver.
    Forwarded = 1,
    /// The twin port's transmit queue stayed full.
    TxFull = 2,
    /// The frame could have hung the NIC (a runt, too many segments).
    TxInvalid = 3,
    /// The twin port had no link.
    LinkDown = 4,
    /// The block filter dropped it.
    Blocked = 5,
}

impl Verdict {
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Verdict::Pending,
            1 => Verdict::Forwarded,
            2 => Verdict::TxFull,
            3 => Verdict::TxInvalid,
            4 => Verdict::LinkDown,
            5 => Verdict::Blocked,
            _ => return None,
        })
    }

    /// The name used in counters and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Pending => "pending",
            Verdict::Forwarded => "forwarded",
            Verdict::TxFull => "tx_full",
            Verdict::TxInvalid => "tx_invalid",
            Verdict::LinkDown => "link_down",
            Verdict::Blocked => "blocked",
        }
    }
}

impl core::fmt::Display for Verdict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the receiving NIC said about a checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Checksum {
    /// It did not say.
    #[default]
    Unknown = 0,
    /// It verified the checksum.
    Good = 1,
    /// The checksum is wrong.
    Bad = 2,
    /// The frame carries none, but its content is known to be whole (a virtio peer with offload).
    Absent = 3,
}

impl Checksum {
    const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Checksum::Unknown,
            1 => Checksum::Good,
            2 => Checksum::Bad,
            _ => Checksum::Absent,
        }
    }
}

/// What the producer states about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordMeta {
    /// Nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// On the wire, bytes, without FCS; at most [`MAX_FRAME_LEN`].
    pub frame_len: u32,
    /// Symmetric hash of the flow.
    pub flow_hash: u64,
    /// Sampling fraction at selection, parts per billion: 1,000,000,000 is 100 %.
    pub fraction_ppb: u32,
    /// Index of the wire.
    pub wire: u16,
    /// Which way the frame went.
    pub direction: Direction,
    /// The NIC's word on the IPv4 header checksum.
    pub ip_checksum: Checksum,
    /// The NIC's word on the TCP, UDP or SCTP checksum.
    pub l4_checksum: Checksum,
    /// Selected by the escalation set, so with probability 1 whatever the fraction.
    pub escalated: bool,
    /// Counts changes of the sampling settings, modulo 2^16.
    pub epoch: u16,
}

/// One mirrored frame, borrowed from the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the producer stated.
    pub meta: RecordMeta,
    /// What became of the frame.
    pub verdict: Verdict,
    /// The frame's first bytes, at most `meta.frame_len` of them.
    pub data: &'a [u8],
    /// Number of the record in its ring, from 0.
    pub sequence: u64,
}

/// Bytes of ring that a record with `captured_len` bytes of frame takes.
#[inline]
pub(crate) const fn record_len(captured_len: usize) -> usize {
    (HEADER_LEN + captured_len + (ALIGNMENT - 1)) & !(ALIGNMENT - 1)
}

/// What a record shares with those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    timestamp_ns: u64,
    /// Fraction, wire and epoch as they are stored: two words are compared for every record.
    place: u64,
}

impl Context {
    #[inline]
    pub(crate) fn of(meta: &RecordMeta) -> Self {
        let place =
            u64::from(meta.fraction_ppb) | u64::from(meta.wire) << 32 | u64::from(meta.epoch) << 48;
        Context { timestamp_ns: meta.timestamp_ns, place }
    }

    /// As it is stored.
    #[inline]
    pub(crate) fn encode(self) -> [u64; 3] {
        [CONTEXT_WORD.to_le(), self.timestamp_ns.to_le(), self.place.to_le()]
    }

    /// Reads a context whose first word said that it is one. Any two words are a context.
    #[inline]
    pub(crate) fn decode([_, timestamp_ns, place]: [u64; 3]) -> Self {
        Context { timestamp_ns: u64::from_le(timestamp_ns), place: u64::from_le(place) }
    }
}

/// [`RecordMeta`] as it is stored: words, so that it stays in registers on the packet path. (A structure
/// of narrow fields that are written one by one and read as words waits for its own stores.)
#[derive(Clone, Copy, Debug)]
pub struct RecordHead {
    pub(crate) context: Context,
    flags: u64,
    pub(crate) frame_len: u32,
    pub(crate) flow_hash: u64,
}

impl RecordHead {
    /// For a record with this metadata.
    #[inline(always)]
    #[must_use]
    pub fn of(meta: &RecordMeta) -> Self {
        RecordHead {
            context: Context::of(meta),
            flags: FLAG_RECORD | meta.direction as u64,
            frame_len: 0,
            flow_hash: 0,
        }
        .with(
            meta.frame_len,
            meta.flow_hash,
            (meta.ip_checksum, meta.l4_checksum),
            meta.escalated,
        )
    }

    /// For another frame of the same burst: only what is named differs.
    #[inline(always)]
    #[must_use]
    pub fn with(
        self,
        frame_len: u32,
        flow_hash: u64,
        (ip_checksum, l4_checksum): (Checksum, Checksum),
        escalated: bool,
    ) -> Self {
        let flags = self.flags & (FLAG_RECORD | FLAG_B_TO_A)
            | (ip_checksum as u64) << IP_CHECKSUM_SHIFT
            | (l4_checksum as u64) << L4_CHECKSUM_SHIFT
            | if escalated { FLAG_ESCALATED } else { 0 };
        RecordHead { flags, frame_len, flow_hash, ..self }
    }

    /// The header. `captured_len` and the frame's length must not exceed [`MAX_FRAME_LEN`].
    #[inline(always)]
    pub(crate) fn encode(self, captured_len: usize, verdict: Verdict) -> [u64; 2] {
        debug_assert!(captured_len <= self.frame_len as usize && self.frame_len <= MAX_FRAME_LEN);
        let lengths =
            captured_len as u64 | (verdict as u64) << 24 | u64::from(self.frame_len) << 32;
        [(lengths | self.flags << 56).to_le(), self.flow_hash.to_le()]
    }
}

/// Padding of `len` bytes, its own 8 included.
#[inline]
pub(crate) fn encode_padding(len: u64) -> u64 {
    debug_assert!((8..=PADDING_MASK).contains(&len));
    (FLAG_PADDING << 56 | len).to_le()
}

/// What the first word of an entry says, before the rest is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstWord {
    Record { captured_len: usize },
    Context,
    Padding { len: u64 },
    Invalid,
}

/// Reads an entry's first word without trusting it.
#[inline]
pub(crate) fn parse_first_word(word: u64) -> FirstWord {
    let word = u64::from_le(word);
    let flags = word >> 56;
    let captured_len = word & LENGTH_MASK;
    let frame_len = (word >> 32) & LENGTH_MASK;
    let verdict_known = (word >> 24) & 0xff <= Verdict::Blocked as u64;
    if flags & (FLAG_RECORD | FLAG_PADDING) == FLAG_RECORD
        && captured_len <= frame_len
        && verdict_known
    {
        // 24 bits fit every usize.
        FirstWord::Record { captured_len: captured_len as usize }
    } else if word == CONTEXT_WORD {
        FirstWord::Context
    } else if flags == FLAG_PADDING {
        FirstWord::Padding { len: word & PADDING_MASK }
    } else {
        FirstWord::Invalid
    }
}

/// Reads a header whose first word is a record's; `None` if the verdict is none.
#[inline]
pub(crate) fn decode_header(words: [u64; 2], context: Context) -> Option<(RecordMeta, Verdict)> {
    let [first, flow_hash] = words.map(u64::from_le);
    let flags = first >> 56;
    let verdict = Verdict::from_byte(((first >> 24) & 0xff) as u8)?;
    let place = context.place;
    let meta = RecordMeta {
        timestamp_ns: context.timestamp_ns,
        frame_len: ((first >> 32) & LENGTH_MASK) as u32,
        flow_hash,
        fraction_ppb: (place & 0xffff_ffff) as u32,
        wire: ((place >> 32) & 0xffff) as u16,
        direction: if flags & FLAG_B_TO_A == 0 { Direction::AtoB } else { Direction::BtoA },
        ip_checksum: Checksum::from_bits(flags >> IP_CHECKSUM_SHIFT),
        l4_checksum: Checksum::from_bits(flags >> L4_CHECKSUM_SHIFT),
        escalated: flags & FLAG_ESCALATED != 0,
        epoch: ((place >> 48) & 0xffff) as u16,
    };
    Some((meta, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_checksum() -> impl Strategy<Value = Checksum> {
        (0u64..4).prop_map(Checksum::from_bits)
    }

    prop_compose! {
        fn any_meta()(
            timestamp_ns: u64, frame_len in 0..=MAX_FRAME_LEN, flow_hash: u64, fraction_ppb: u32,
            wire: u16, backwards: bool, ip_checksum in any_checksum(),
            l4_checksum in any_checksum(), escalated: bool, epoch: u16,
        ) -> RecordMeta {
            let direction = if backwards { Direction::BtoA } else { Direction::AtoB };
            RecordMeta { timestamp_ns, frame_len, flow_hash, fraction_ppb, wire, direction,
                ip_checksum, l4_checksum, escalated, epoch }
        }
    }

    proptest! {
        #[test]
        fn header_round_trips(meta in any_meta(), cut: u32) {
            let captured_len = (cut % (meta.frame_len + 1)) as usize;
            let words = RecordHead::of(&meta).encode(captured_len, Verdict::Pending);
            prop_assert_eq!(parse_first_word(words[0]), FirstWord::Record { captured_len });
            let context = Context::of(&meta).encode();
            prop_assert_eq!(parse_first_word(context[0]), FirstWord::Context);
            let context = Context::decode(context);
            prop_assert_eq!(context, Context::of(&meta));
            prop_assert_eq!(decode_header(words, context), Some((meta, Verdict::Pending)));
        }

        #[test]
        fn padding_round_trips(len in 8u64..=1 << 30) {
            prop_assert_eq!(parse_first_word(encode_padding(len)), FirstWord::Padding { len });
        }

        #[test]
        fn no_first_word_is_misread(word: u64) {
            if let FirstWord::Record { captured_len } = parse_first_word(word) {
                prop_assert!(captured_len as u32 <= MAX_FRAME_LEN);
                let context = Context::decode([0; 3]);
                prop_assert!(decode_header([word, 0], context).is_some());
            }
        }
    }

    #[test]
    fn verdict_has_its_byte_to_itself() {
        let meta = RecordMeta {
            timestamp_ns: 1,
            frame_len: MAX_FRAME_LEN,
            flow_hash: 2,
            fraction_ppb: 3,
            wire: 4,
            direction: Direction::BtoA,
            ip_checksum: Checksum::Absent,
            l4_checksum: Checksum::Bad,
            escalated: true,
            epoch: 5,
        };
        let mut words = RecordHead::of(&meta).encode(1500, Verdict::Pending);
        let mut bytes = words[0].to_ne_bytes();
        assert_eq!(bytes[VERDICT_OFFSET], Verdict::Pending as u8);
        bytes[VERDICT_OFFSET] = Verdict::Blocked as u8;
        words[0] = u64::from_ne_bytes(bytes);
        assert_eq!(decode_header(words, Context::of(&meta)), Some((meta, Verdict::Blocked)));
    }

    #[test]
    fn unknown_verdicts_and_unmarked_words_are_invalid() {
        assert_eq!(parse_first_word(0), FirstWord::Invalid);
        assert_eq!(parse_first_word(u64::MAX), FirstWord::Invalid);
        let record = (FLAG_RECORD << 56 | 64 << 32 | 60).to_le();
        assert_eq!(parse_first_word(record), FirstWord::Record { captured_len: 60 });
        assert_eq!(parse_first_word(record | (6u64 << 24).to_le()), FirstWord::Invalid);
        let longer_than_the_frame = (FLAG_RECORD << 56 | 60 << 32 | 64).to_le();
        assert_eq!(parse_first_word(longer_than_the_frame), FirstWord::Invalid);
    }

    #[test]
    fn records_are_whole_words() {
        assert_eq!(record_len(0), 16);
        assert_eq!(record_len(1), 24);
        assert_eq!(record_len(60), 80);
        assert_eq!(record_len(64), 80);
    }
}
