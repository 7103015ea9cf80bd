//! What goes into a session, and what it answers.

use super::EventSet;
use crate::decode::{Decoded, Transport};
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
    /// Bytes of the payload that the capture does not hold: behind those of `payload`.
    pub missing: u32,
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
        let options = Signs::of(tcp.options);
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
            missing: missing(decoded, tcp.header_len),
            fast_open: tcp.fast_open.is_some() || options.fast_open,
            signed: options.signed,
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
        (self.payload.len() as u32).saturating_add(self.missing)
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

/// How much shorter the payload is than the IP header says.
fn missing(decoded: &Decoded<'_>, header_len: u8) -> u32 {
    let Some(ip) = decoded.ip else { return 0 };
    let headers = u32::from(ip.header_len) + u32::from(header_len);
    let captured = u32::try_from(decoded.payload.len()).unwrap_or(u32::MAX);
    ip.total_len.saturating_sub(headers).saturating_sub(captured)
}

/// What options say beside those that decoding reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signs {
    /// RFC 2385 or RFC 5925.
    signed: bool,
    /// Fast Open as it was before it had a number of its own (RFC 7413 section 4.1.1).
    fast_open: bool,
}

impl Signs {
    fn of(mut options: &[u8]) -> Self {
        let mut signs = Self::default();
        while let [kind, rest @ ..] = options {
            match (kind, rest) {
                (0, _) => break,
                (1, _) => {
                    options = rest;
                    continue;
                }
                (19 | 29, _) => signs.signed = true,
                (253 | 254, [_, 0xf9, 0x89, ..]) => signs.fast_open = true,
                _ => {}
            }
            let len = usize::from(rest.first().copied().unwrap_or(0)).max(2);
            options = options.get(len..).unwrap_or(&[]);
        }
        signs
    }
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
