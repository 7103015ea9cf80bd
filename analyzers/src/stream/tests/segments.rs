//! From frames to segments.

use umbra_tap::Verdict;

use super::*;
use crate::decode::{Decoder, LinkType};
use crate::profile::Packet;
use crate::testing::{TestRecord, tcp};

const A: ([u8; 4], u16) = ([10, 0, 0, 1], 1234);
const B: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

/// What becomes of a frame of which `kept` bytes were captured.
fn with_segment(frame: &[u8], kept: usize, check: impl FnOnce(Option<Segment<'_>>)) {
    let mut record = TestRecord::new(7_000_000_000, frame.to_vec());
    record.data.truncate(kept);
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&record.data, frame.len() as u32, LinkType::Ethernet);
    check(Segment::of(&Packet {
        meta: record.meta,
        verdict: Verdict::Forwarded,
        sequence: 0,
        decoded,
        counted_len: frame.len() as u32,
        flow: None,
        to_server: true,
        opens_flow: true,
        quotes_flow: false,
        handshake: None,
        held_fragment: false,
    }));
}

/// A segment with options instead of a payload.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut frame = tcp(A, B, SYN, 5, 0, options);
    frame[14 + 20 + 12] = 0x50 + ((options.len() / 4) << 4) as u8;
    // The checksum has to know of the longer header.
    let at = 14 + 20 + 16;
    let old = u16::from_be_bytes([frame[at], frame[at + 1]]);
    let sum = u32::from(!old) + u32::from((options.len() as u16 / 4) << 12);
    let new = !((sum & 0xffff) as u16 + (sum >> 16) as u16);
    frame[at..at + 2].copy_from_slice(&new.to_be_bytes());
    frame
}

#[test]
fn a_segment_is_what_the_frame_says() {
    let frame = tcp(A, B, ACK, 77, 88, b"payload");
    with_segment(&frame, frame.len(), |segment| {
        let segment = segment.unwrap();
        assert_eq!((segment.seq, segment.ack, segment.flags), (77, 88, ACK));
        assert_eq!(
            (segment.payload, segment.window, segment.missing),
            (&b"payload"[..], 0x2000, 0)
        );
        assert_eq!(segment.now.as_secs(), 7);
    });
    // The capture cut it.
    with_segment(&frame, frame.len() - 3, |segment| {
        let segment = segment.unwrap();
        assert_eq!((segment.payload, segment.missing), (&b"payl"[..], 3));
    });
}

#[test]
fn options_tell_of_signatures_and_fast_open() {
    for (options, signed, fast_open) in [
        (&[][..], false, false),
        (&[1, 1, 19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], true, false),
        (&[29, 4, 0, 0], true, false),
        (&[34, 2, 1, 1], false, true),
        (&[254, 4, 0xf9, 0x89], false, true),
        (&[0, 19, 2, 0], false, false),
    ] {
        let frame = with_options(options);
        with_segment(&frame, frame.len(), |segment| {
            let segment = segment.unwrap();
            assert_eq!((segment.signed, segment.fast_open), (signed, fast_open), "{options:?}");
            assert!(segment.payload.is_empty());
        });
    }
}

#[test]
fn what_is_no_tcp_or_is_broken_is_no_segment() {
    let frame = crate::testing::udp(A, B, b"x");
    with_segment(&frame, frame.len(), |segment| assert!(segment.is_none()));
    let mut frame = tcp(A, B, ACK, 77, 88, b"payload");
    let last = frame.len() - 1;
    frame[last] ^= 1;
    with_segment(&frame, frame.len(), |segment| assert!(segment.is_none()));
}
