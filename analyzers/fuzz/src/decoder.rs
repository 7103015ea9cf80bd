//! One frame: a byte for the link type, one for how much longer it was on the wire than captured, the frame.
//!
//! What the decoder gives lies within the frame. A capture that holds less of the same frame shows no fault
//! that the whole one has not, and no transport other than the whole one's.

use std::ops::Range;

use umbra_analyzers::decode::{Decoded, Decoder, LinkType, Transport};

use super::script::Script;

/// DLT numbers: loopback, Ethernet, PPP, raw IP, HDLC, Linux cooked (1 and 2), IPv4, IPv6, and one without a meaning.
const LINKS: [u16; 10] = [0, 1, 9, 12, 104, 113, 276, 228, 229, 147];

pub(crate) fn decoder(bytes: &[u8]) {
    let mut script = Script(bytes);
    let link = LinkType::from_dlt(script.of(&LINKS));
    let more = u32::from(script.byte());
    let frame = script.0;
    let frame_len = u32::try_from(frame.len()).unwrap_or(u32::MAX) + more;
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(frame, frame_len, link);
    lies_within(&decoded, frame);
    assert_eq!(decoder.counters().packets, 1);
    assert_eq!(decoder.counters().bytes, u64::from(frame_len));
    let again = Decoder::default().decode(frame, frame_len, link);
    assert_eq!(format!("{decoded:?}"), format!("{again:?}"), "twice the same frame");
    for captured in (0..frame.len()).step_by(1 + frame.len() / 16) {
        let less = decoder.decode(&frame[..captured], frame_len, link);
        lies_within(&less, &frame[..captured]);
        for fault in less.faults.iter() {
            let known = decoded.faults.iter().any(|known| known == fault);
            assert!(known, "{fault:?} with {captured} of {} bytes", frame.len());
        }
    }
    let datagram = decoder.decode_ip(frame);
    lies_within(&datagram, frame);
}

fn lies_within(decoded: &Decoded<'_>, frame: &[u8]) {
    let within = |part: &[u8], what: &str| {
        let bounds = addresses(frame);
        let part_at = addresses(part);
        let inside = part.is_empty() || bounds.start <= part_at.start && part_at.end <= bounds.end;
        assert!(inside, "{what} lies outside of the frame");
    };
    within(decoded.frame, "the frame");
    within(decoded.datagram, "the datagram");
    within(decoded.payload, "the payload");
    if let Transport::Tcp(tcp) = decoded.transport {
        within(tcp.options, "TCP's options");
    }
    if let Some(fragment) = decoded.ip.and_then(|ip| ip.fragment) {
        assert!(usize::from(fragment.data_at) <= decoded.datagram.len(), "a fragment's data");
        assert!(fragment.offset.is_multiple_of(8));
    }
}

fn addresses(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr().addr();
    start..start + bytes.len()
}
