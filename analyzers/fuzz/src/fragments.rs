//! The defragmenter, fed with fragments that a script makes.
//!
//! Of datagrams whose fragments do not contradict each other exactly the datagram comes out. Memory, trackers
//! and counters stay within the caps, every fragment is accounted for, and time frees everything.

use umbra_analyzers::decode::{Decoder, LinkType};
use umbra_analyzers::defrag::{
    DefragOptions, DefragOutcome, Defragmenter, OverlapPolicy, Reassembled,
};
use umbra_wire::build::{Frame, Ipv4};
use umbra_wire::number::protocol;

use super::script::Script;

const POLICIES: [OverlapPolicy; 7] = [
    OverlapPolicy::First,
    OverlapPolicy::Last,
    OverlapPolicy::Linux,
    OverlapPolicy::Windows,
    OverlapPolicy::Bsd,
    OverlapPolicy::BsdRight,
    OverlapPolicy::Solaris,
];
/// What fragments of the datagrams of the model carry; not looked into.
const PROTOCOL: u8 = 253;

pub(crate) fn defrag(bytes: &[u8]) {
    let mut script = Script(bytes);
    let options = DefragOptions {
        max_trackers: script.of(&[16_384, 3, 1]),
        max_memory: script.of(&[32 << 20, 64 << 10, 4 << 10]),
        max_fragments: script.of(&[512, 4]),
        max_datagram_bytes: script.of(&[2 * 65_535, 3000]),
        overlap: script.of(&POLICIES),
        ..DefragOptions::default()
    };
    let contradict = script.byte() & 1 != 0;
    let mut defragmenter = Defragmenter::new(options);
    let (mut decoder, mut now_ns) = (Decoder::default(), 1u64);
    while let Some(step) = script.next() {
        if step & 0x0f == 0x0f {
            now_ns += u64::from(script.byte()) << 30;
            defragmenter.tick(now_ns);
            continue;
        }
        let v6 = step & 0x10 != 0;
        let id = u32::from(step >> 6);
        let offset = u16::from(script.byte()) * if step & 0x20 == 0 { 8 } else { 64 };
        let shape = script.byte();
        let (more, odd) = (shape & 1 == 0, usize::from(shape & 2 != 0));
        let len = usize::from(shape >> 2) * 8 + odd;
        let letters = |at: usize| match contradict {
            false => letter(id, offset as usize + at),
            true => step & 0x0f,
        };
        let data: Vec<u8> = (0..len).map(letters).collect();
        let packet =
            if v6 { piece6(id, offset, more, &data) } else { piece4(id, offset, more, &data) };
        let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        let decoded = decoder.decode(&packet, len, LinkType::RawIp);
        let pushed = defragmenter.push(&decoded, now_ns);
        if let DefragOutcome::Complete(whole) = &pushed.outcome {
            check_whole(whole, id, v6, contradict, &options);
            let again = decoder.decode_ip(&whole.datagram);
            assert!(!again.is_fragment() && !again.is_invalid(), "{again:?}");
        }
        assert!(defragmenter.memory() <= options.max_memory);
        assert!(defragmenter.trackers() <= options.max_trackers);
    }
    defragmenter.tick(u64::MAX);
    assert_eq!((defragmenter.trackers(), defragmenter.memory()), (0, 0), "after all time");
}

fn letter(id: u32, at: usize) -> u8 {
    (at.wrapping_mul(7) ^ at.wrapping_div(251)) as u8 ^ id as u8
}

fn check_whole(whole: &Reassembled, id: u32, v6: bool, contradict: bool, options: &DefragOptions) {
    let header = if v6 { 40 } else { 20 };
    let payload = whole.datagram.get(header..).expect("a header");
    assert!(whole.datagram.len() <= 65_535 + header, "{}", whole.datagram.len());
    assert!(whole.fragments <= options.max_fragments);
    if !contradict {
        for (at, byte) in payload.iter().enumerate() {
            assert_eq!(*byte, letter(id, at), "byte {at} of {}", payload.len());
        }
    }
}

fn piece4(id: u32, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
    let ip = Ipv4 {
        id: id as u16,
        protocol: Some(PROTOCOL),
        more_fragments: more,
        fragment_offset: offset,
        ..Ipv4::new([10, 0, 0, 1], [10, 0, 0, 2])
    };
    Frame::new().layer(ip).payload(data).bytes()
}

fn piece6(id: u32, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
    let [i0, i1, i2, i3] = id.to_be_bytes();
    let [o0, o1] = (offset | u16::from(more)).to_be_bytes();
    let mut packet = Frame::new()
        .ipv6([0x20; 16], [0x21; 16])
        .extension(protocol::FRAGMENT, &[o0, o1, i0, i1, i2, i3])
        .payload(data)
        .bytes();
    packet[40] = PROTOCOL;
    packet
}
