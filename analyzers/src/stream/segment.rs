//! What goes into a session, and what it answers.

use super::EventSet;
use crate::decode::Transport;
use crate::events::Timestamp;
use crate::profile::Packet;

pub(super) mod flag {
    pub(crate) const FIN: u8 = 1;
    pub(crate) const SYN: u8 = 1 << 1;
    pub(crate) const RST: u8 = 1 << 2;
    pub(crate) const ACK: u8 = 1 << 4;
    pub(crate) const URG: u8 = 1 << 5;
}

/// A TCP segment as far as streams care.
#[derive(Clone, Copy, Debug, Default)]
pub struct Segment<'a> {
    pub seq: u32,
    pub ack: u32,
    /// The low eight bits of the header's.
    pub flags: u8,
    /// As in the header, not scaled.
    pub window: u16,
    pub payload: &'a [u8],
    /// Shift count as sent.
    pub wscale: Option<u8>,
    /// Maximum segment size, bytes.
    pub mss: Option<u16>,
    pub sack_permitted: bool,
    /// Value and echo reply.
    pub timestamp_option: Option<(u32, u32)>,
    /// The urgent pointer.
    pub urgent: u16,
    /// There is a cookie of TCP Fast Open, or one is asked for.
    pub fast_open: bool,
    /// It is signed (RFC 2385, RFC 5925), so that its receiver may not believe it.
    pub signed: bool,
    pub now: Timestamp,
}

impl<'a> Segment<'a> {
    /// Of a packet with a whole TCP header and no fault that makes it unusable.
    #[must_use]
    pub fn of(packet: &Packet<'a>) -> Option<Segment<'a>> {
        let decoded = &packet.decoded;
        let Transport::Tcp(tcp) = &decoded.transport else { return None };
        if decoded.is_invalid() || decoded.checksums.any_bad() {
            return None;
        }
        Some(Segment {
            seq: tcp.seq,
            ack: tcp.ack,
            flags: tcp.flags.to_le_bytes()[0],
            window: tcp.window,
            payload: decoded.payload,
            wscale: tcp.window_scale,
            mss: tcp.mss,
            sack_permitted: tcp.sack_permitted,
            timestamp_option: tcp.timestamps,
            urgent: tcp.urgent,
            fast_open: tcp.fast_open.is_some(),
            signed: is_signed(tcp.options),
            now: packet.timestamp(),
        })
    }

    /// Whether all bits of `mask` are set.
    #[inline]
    pub(super) const fn has(&self, mask: u8) -> bool {
        self.flags & mask == mask
    }

    /// Whether one bit of `mask` is set.
    #[inline]
    pub(super) const fn has_any(&self, mask: u8) -> bool {
        self.flags & mask != 0
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "of a datagram: below 2^16")]
    pub(super) const fn len(&self) -> u32 {
        self.payload.len() as u32
    }

    /// Number behind the payload; a SYN counts, a FIN does not.
    #[inline]
    pub(super) const fn end(&self) -> u32 {
        self.data_seq().wrapping_add(self.len())
    }

    /// Number of the payload's first byte.
    #[inline]
    pub(super) const fn data_seq(&self) -> u32 {
        self.seq.wrapping_add(self.has(flag::SYN) as u32)
    }
}

/// Whether there is a signature among the options.
fn is_signed(mut options: &[u8]) -> bool {
    while let [kind, rest @ ..] = options {
        match kind {
            0 => return false,
            1 => options = rest,
            19 | 29 => return true,
            _ => {
                let len = usize::from(rest.first().copied().unwrap_or(0)).max(2);
                options = options.get(len..).unwrap_or(&[]);
            }
        }
    }
    false
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// It belongs to the connection. If not, neither streams nor application layers know of it.
    pub accepted: bool,
    /// Its payload went to the stream, so that rules see it there and not as a packet's.
    pub added: bool,
    /// Nobody wants the data of its direction any more ([`Half::disable_app`](super::Half::disable_app)
    /// and [`Half::disable_raw`](super::Half::disable_raw)).
    pub no_payload_inspection: bool,
    /// What was odd.
    pub events: EventSet,
    /// By heading: [`Half::acked`](super::Half::acked) grew.
    pub progressed: [bool; 2],
    /// The connection ended by this segment: a RST, or the last ACK.
    pub ended: bool,
}
