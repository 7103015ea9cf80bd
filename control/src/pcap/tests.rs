//! Well-formed variants read exactly, malformed ones give the frames in front of the damage and a
//! message that names place and expectation. Every file here is made by hand, byte by byte.

use std::io::Read;

use proptest::prelude::*;

use super::*;

const US: u32 = 0xa1b2_c3d4;
const NS: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

/// Writes integers in one byte order.
#[derive(Clone)]
struct Bytes {
    big: bool,
    out: Vec<u8>,
}

impl Bytes {
    fn new(big: bool) -> Self {
        Self { big, out: Vec::new() }
    }

    fn u16(mut self, value: u16) -> Self {
        self.out.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.out.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }

    fn i64(mut self, value: i64) -> Self {
        self.out.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.out.extend(bytes);
        self
    }

    fn padded(mut self, bytes: &[u8]) -> Self {
        self.out.extend(bytes);
        while !self.out.len().is_multiple_of(4) {
            self.out.push(0);
        }
        self
    }

    // Classic pcap.

    fn header(self, magic: u32, version: (u16, u16), link: u32) -> Self {
        self.u32(magic).u16(version.0).u16(version.1).u32(0).u32(0).u32(65_535).u32(link)
    }

    fn record(self, seconds: u32, fraction: u32, data: &[u8], wire_len: u32) -> Self {
        self.u32(seconds).u32(fraction).u32(data.len() as u32).u32(wire_len).raw(data)
    }

    // pcapng.

    fn block(self, block_type: u32, body: &[u8]) -> Self {
        let total = 12 + body.len() as u32;
        self.u32(block_type).u32(total).raw(body).u32(total)
    }

    fn section(self) -> Self {
        let body = Self::new(self.big).u32(0x1a2b_3c4d).u16(1).u16(0).i64(-1);
        self.block(0x0a0d_0d0a, &body.out)
    }

    fn interface(self, link: u16, snaplen: u32, options: &[(u16, Vec<u8>)]) -> Self {
        let mut body = Self::new(self.big).u16(link).u16(0).u32(snaplen);
        for (code, value) in options {
            body = body.u16(*code).u16(value.len() as u16).padded(value);
        }
        if !options.is_empty() {
            body = body.u16(0).u16(0);
        }
        self.block(1, &body.out)
    }

    fn enhanced(self, interface: u32, ticks: u64, data: &[u8], wire_len: u32) -> Self {
        let body = Self::new(self.big)
            .u32(interface)
            .u32((ticks >> 32) as u32)
            .u32(ticks as u32)
            .u32(data.len() as u32)
            .u32(wire_len)
            .padded(data);
        self.block(6, &body.out)
    }

    fn simple(self, data: &[u8], wire_len: u32) -> Self {
        let body = Self::new(self.big).u32(wire_len).padded(data);
        self.block(3, &body.out)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Owned {
    number: u64,
    timestamp_ns: u64,
    wire_len: u32,
    data: Vec<u8>,
    link: u16,
    interface: u32,
}

fn read(bytes: &[u8]) -> (Vec<Owned>, Result<CaptureEnd, CaptureError>) {
    let mut reader = match CaptureReader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame() {
        frames.push(Owned {
            number: frame.number,
            timestamp_ns: frame.timestamp_ns,
            wire_len: frame.wire_len,
            data: frame.data.to_vec(),
            link: frame.link_type.0,
            interface: frame.interface,
        });
    }
    (frames, Ok(reader.into_end()))
}

fn complete(bytes: &[u8]) -> Vec<Owned> {
    let (frames, end) = read(bytes);
    assert!(matches!(end, Ok(CaptureEnd::Complete)), "{end:?}");
    frames
}

/// How many frames came, and what the reader said then.
fn outcome(bytes: &[u8]) -> (usize, String) {
    let (frames, end) = read(bytes);
    let said = match end {
        Err(error) => format!("cannot begin: {error}"),
        Ok(CaptureEnd::Complete) => "complete".to_owned(),
        Ok(CaptureEnd::Truncated(error)) => format!("truncated: {error}"),
        Ok(CaptureEnd::Damaged(error)) => format!("damaged: {error}"),
        Ok(CaptureEnd::Reading) => "still reading".to_owned(),
    };
    (frames.len(), said)
}

#[test]
fn classic_variants_read_alike_in_both_byte_orders() {
    for big in [false, true] {
        for (magic, fraction, expected_ns) in
            [(US, 123_456, 1_700_000_000_123_456_000), (NS, 123_456_789, 1_700_000_000_123_456_789)]
        {
            let file = Bytes::new(big)
                .header(magic, (2, 4), 1)
                .record(1_700_000_000, fraction, b"abcde", 1500)
                .record(u32::MAX, 0, b"", 60);
            let frames = complete(&file.out);
            assert_eq!(
                frames[0],
                Owned {
                    number: 1,
                    timestamp_ns: expected_ns,
                    wire_len: 1500,
                    data: b"abcde".to_vec(),
                    link: 1,
                    interface: 0
                }
            );
            assert_eq!(frames[1].timestamp_ns, 4_294_967_295_000_000_000);
            assert_eq!((frames[1].number, frames[1].wire_len), (2, 60));
        }
    }
}

#[test]
fn modified_magic_has_records_of_24_bytes() {
    for big in [false, true] {
        let mut file = Bytes::new(big).header(MODIFIED, (2, 4), 1);
        for payload in [b"one".as_slice(), b"three"] {
            file = file.u32(7).u32(5).u32(payload.len() as u32).u32(90);
            file = file.u32(2).u16(0x800).raw(&[0, 0]).raw(payload);
        }
        let frames = complete(&file.out);
        assert_eq!(frames[1].data, b"three");
        assert_eq!(frames[1].timestamp_ns, 7_000_005_000);
    }
}

#[test]
fn lengths_of_old_versions_are_swapped() {
    for (minor, captured, original) in [(1, 200, 3), (2, 200, 3), (3, 3, 200), (3, 200, 3)] {
        let file = Bytes::new(false)
            .header(US, (2, minor), 1)
            .u32(1)
            .u32(0)
            .u32(captured)
            .u32(original)
            .raw(b"abc");
        let frames = complete(&file.out);
        assert_eq!((frames[0].wire_len, frames[0].data.as_slice()), (200, b"abc".as_slice()));
    }
}

#[test]
fn fcs_bits_above_the_link_type_are_not_part_of_it() {
    for network in [0x3000_0001_u32, 0x1400_0001, 0x4000_0001, 0xfc00_0001] {
        let file = Bytes::new(false).header(US, (2, 4), network).record(1, 0, b"x", 1);
        assert_eq!(complete(&file.out)[0].link, 1);
    }
}

#[test]
fn fraction_above_a_second_carries_into_the_seconds() {
    let file = Bytes::new(false).header(US, (2, 4), 1).record(10, 2_500_000, b"x", 1);
    assert_eq!(complete(&file.out)[0].timestamp_ns, 12_500_000_000);
    let file = Bytes::new(false).header(US, (2, 4), 1).record(u32::MAX, u32::MAX, b"x", 1);
    assert_eq!(complete(&file.out)[0].timestamp_ns, 4_294_971_589_967_295_000);
}

#[test]
fn wire_length_is_never_below_the_captured_bytes() {
    let file = Bytes::new(false).header(US, (2, 4), 1).record(1, 0, b"abcdef", 2);
    assert_eq!(complete(&file.out)[0].wire_len, 6);
    let file = Bytes::new(false).section().interface(1, 0, &[]).enhanced(0, 0, b"abcdef", 2);
    assert_eq!(complete(&file.out)[0].wire_len, 6);
}

#[test]
fn undefined_version_is_read_and_remarked_on() {
    let file = Bytes::new(false).header(US, (7, 9), 1).record(1, 0, b"x", 1);
    let mut reader = CaptureReader::new(file.out.as_slice()).expect("begins");
    assert!(reader.next_frame().is_some());
    assert_eq!(
        reader.remarks(),
        ["at byte 4: version 7.9 is not one that was ever defined, read as 2.4"]
    );
}

#[test]
fn pcapng_section_of_another_version_is_passed_over() {
    let known = || Bytes::new(false).section().interface(1, 0, &[]).enhanced(0, 7, b"known", 5);
    let body = Bytes::new(false).u32(0x1a2b_3c4d).u16(2).u16(1).i64(-1);
    let file = known()
        .block(0x0a0d_0d0a, &body.out)
        .block(1, b"")
        .block(6, b"as version 2 has it.")
        .raw(&known().out);
    let mut reader = CaptureReader::new(file.out.as_slice()).expect("begins");
    while let Some(frame) = reader.next_frame() {
        assert_eq!(frame.data, b"known");
    }
    assert_eq!(reader.frames(), 2);
    assert!(matches!(reader.end(), CaptureEnd::Complete));
    assert_eq!(
        reader.remarks(),
        ["at byte 88: a section of version 2.1 (known: 1.x) was passed over"]
    );
}

#[test]
fn pcapng_timestamp_resolutions_are_exact() {
    let ticks = 1_700_000_000_123_456_789_u64;
    /// Name, if_tsresol, if_tsoffset, ticks in the file, nanoseconds since the epoch.
    type Case = (&'static str, Option<u8>, Option<i64>, u64, u64);
    let cases: &[Case] = &[
        ("default: microseconds", None, None, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        ("nanoseconds", Some(9), None, ticks, ticks),
        ("seconds", Some(0), None, 1_700_000_000, 1_700_000_000_000_000_000),
        ("milliseconds", Some(3), None, 1_700_000_000_123, 1_700_000_000_123_000_000),
        ("picoseconds round down", Some(12), None, 5_999, 5),
        ("10^-38", Some(38), None, u64::MAX, 0),
        ("10^-127", Some(127), None, u64::MAX, 0),
        ("half seconds", Some(0x81), None, 3, 1_500_000_000),
        ("2^-32", Some(0xa0), None, (7 << 32) | 0x8000_0000, 7_500_000_000),
        ("2^-127", Some(0xff), None, u64::MAX, 0),
        ("offset", Some(6), Some(1_700_000_000), 250_000, 1_700_000_000_250_000_000),
        ("negative offset", Some(6), Some(-3), 5_000_000, 2_000_000_000),
        ("before the epoch is held at it", Some(6), Some(-9), 5_000_000, 0),
        ("beyond 64 bits is held at the end", Some(0), None, u64::MAX, u64::MAX),
        ("offset beyond 64 bits", Some(6), Some(i64::MAX), 1, u64::MAX),
        ("offset below", Some(6), Some(i64::MIN), 1, 0),
    ];
    for big in [false, true] {
        for &(name, resolution, offset, ticks, expected) in cases {
            let mut options = vec![(2, b"eth0".to_vec())];
            options.extend(resolution.map(|r| (9, vec![r])));
            options.extend(offset.map(|o| {
                (14, if big { o.to_be_bytes().to_vec() } else { o.to_le_bytes().to_vec() })
            }));
            let file =
                Bytes::new(big).section().interface(1, 0, &options).enhanced(0, ticks, b"x", 1);
            assert_eq!(complete(&file.out)[0].timestamp_ns, expected, "{name}, big: {big}");
        }
    }
}

#[test]
fn pcapng_interfaces_have_their_own_link_type_and_resolution() {
    let file = Bytes::new(true)
        .section()
        .interface(1, 0, &[])
        .interface(101, 0, &[(9, vec![9])])
        .enhanced(1, 1_000_000_001, b"ip", 2)
        .enhanced(0, 1_000_002, b"frame", 5);
    let frames = complete(&file.out);
    assert_eq!((frames[0].link, frames[0].timestamp_ns), (101, 1_000_000_001));
    assert_eq!((frames[1].link, frames[1].timestamp_ns), (1, 1_000_002_000));
    assert_eq!((frames[0].interface, frames[1].interface), (1, 0));
}

#[test]
fn pcapng_section_starts_anew_even_in_the_other_byte_order() {
    let second =
        Bytes::new(false).section().interface(228, 0, &[]).enhanced(0, 2_000_000, b"second", 6).out;
    let file = Bytes::new(true)
        .section()
        .interface(1, 0, &[])
        .enhanced(0, 1_000_000, b"first", 5)
        .raw(&second);
    let frames = complete(&file.out);
    assert_eq!((frames[0].link, frames[1].link), (1, 228));
    assert_eq!(frames[1].number, 2);
    assert_eq!(frames[1].timestamp_ns, 2_000_000_000);
}

#[test]
fn pcapng_simple_and_obsolete_packets_and_unknown_blocks() {
    let obsolete =
        Bytes::new(false).u16(0).u16(3).u32(0).u32(4_000_000).u32(3).u32(70).padded(b"old");
    let file = Bytes::new(false)
        .section()
        .block(0x0bad_cafe, &[0; 64])
        .interface(1, 4, &[])
        .block(4, &[0; 8])
        .block(5, &[0; 12])
        .simple(b"no time", 7)
        .block(2, &obsolete.out)
        .block(10, b"secrets.")
        .simple(b"four", 99);
    let frames = complete(&file.out);
    assert_eq!((frames[0].timestamp_ns, frames[0].data.as_slice()), (0, b"no t".as_slice()));
    assert_eq!(frames[0].wire_len, 7);
    assert_eq!((frames[1].timestamp_ns, frames[1].wire_len), (4_000_000_000, 70));
    assert_eq!(frames[1].data, b"old");
    assert_eq!((frames[2].timestamp_ns, frames[2].wire_len), (4_000_000_000, 99));
}

#[test]
fn pcapng_options_after_the_frame_are_passed_over() {
    let body = Bytes::new(false)
        .u32(0)
        .u32(0)
        .u32(5)
        .u32(3)
        .u32(3)
        .padded(b"abc")
        .u16(1)
        .u16(7)
        .padded(b"comment")
        .u16(0)
        .u16(0);
    let file = Bytes::new(false)
        .section()
        .interface(1, 0, &[])
        .block(6, &body.out)
        .enhanced(0, 6, b"next", 4);
    let frames = complete(&file.out);
    assert_eq!(
        (frames[0].data.as_slice(), frames[1].data.as_slice()),
        (b"abc".as_slice(), b"next".as_slice())
    );
}

#[test]
fn pcapng_option_longer_than_its_block_leaves_the_defaults() {
    let body = Bytes::new(false).u16(1).u16(0).u32(0).u16(9).u16(60_000).raw(&[9, 0, 0, 0]);
    let file = Bytes::new(false).section().block(1, &body.out).enhanced(0, 1_000_000, b"x", 1);
    assert_eq!(complete(&file.out)[0].timestamp_ns, 1_000_000_000);
}

#[test]
fn malformed_files_give_the_frames_before_the_damage_and_say_where_it_is() {
    let le = || Bytes::new(false);
    let classic = || le().header(US, (2, 4), 1).record(1, 2, b"first frame!", 12);
    let ng = || le().section().interface(1, 0, &[]).enhanced(0, 7, b"first frame!", 12);
    assert_eq!(classic().out.len(), 52);
    assert_eq!(ng().out.len(), 92);
    let cut = |bytes: Bytes, by: usize| Bytes {
        out: bytes.out[..bytes.out.len() - by].to_vec(),
        ..bytes
    };
    let cases: Vec<(&str, Bytes, usize, &str)> = vec![
        (
            "empty file",
            le(),
            0,
            "cannot begin: the file is empty (0 bytes): a pcap file begins with a header of 24 bytes, a pcapng file with a section header block",
        ),
        (
            "three bytes",
            le().raw(&[0xd4, 0xc3, 0xb2]),
            0,
            "cannot begin: at byte 0: the file ends within the magic of the file: 4 bytes expected, 3 there",
        ),
        (
            "text file",
            le().raw(b"hello world, this is not a capture"),
            0,
            "cannot begin: at byte 0: 68656c6c is the magic of no capture format known here: expected pcap (d4c3b2a1, a1b2c3d4, 4d3cb2a1, a1b23c4d, 34cdb2a1, a1b2cd34) or pcapng (0a0d0d0a)",
        ),
        (
            "flipped bit in the magic",
            le().header(0xa1b2_c3d5, (2, 4), 1),
            0,
            "cannot begin: at byte 0: d5c3b2a1 is the magic of no capture format known here (nearly pcap's: the first bytes are damaged): expected pcap (d4c3b2a1, a1b2c3d4, 4d3cb2a1, a1b23c4d, 34cdb2a1, a1b2cd34) or pcapng (0a0d0d0a)",
        ),
        (
            "snoop file",
            le().raw(b"snoop\0\0\0\0\0\0\x02\0\0\0\x04"),
            0,
            "cannot begin: at byte 0: 736e6f6f is the magic of no capture format known here (Solaris snoop; `editcap -F pcap` converts it): expected pcap (d4c3b2a1, a1b2c3d4, 4d3cb2a1, a1b23c4d, 34cdb2a1, a1b2cd34) or pcapng (0a0d0d0a)",
        ),
        (
            "gzip",
            le().raw(&[0x1f, 0x8b, 8, 0, 0, 0]),
            0,
            "cannot begin: at byte 0: the file is compressed with gzip: unpack it first, for instance `gzip -dc FILE > capture.pcap`",
        ),
        (
            "zstd",
            le().raw(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0]),
            0,
            "cannot begin: at byte 0: the file is compressed with zstd: unpack it first, for instance `zstd -dc FILE > capture.pcap`",
        ),
        (
            "file header alone cut",
            cut(le().header(US, (2, 4), 1), 4),
            0,
            "cannot begin: at byte 4: the file ends within the file header: 20 bytes expected, 16 there",
        ),
        (
            "magic alone",
            le().u32(US),
            0,
            "cannot begin: at byte 4: the file ends within the file header: 20 bytes expected, 0 there",
        ),
        ("no frames at all", le().header(US, (2, 4), 1), 0, "complete"),
        (
            "record header cut",
            classic().u32(1).u32(2).u16(9),
            1,
            "truncated: at byte 52: the file ends within the header of a record: 16 bytes expected, 10 there",
        ),
        (
            "frame cut",
            classic().u32(1).u32(2).u32(100).u32(100).raw(b"only this"),
            1,
            "truncated: at byte 68: the file ends within a frame's bytes: 100 bytes expected, 9 there",
        ),
        (
            "frame missing behind its header",
            classic().u32(1).u32(2).u32(100).u32(100),
            1,
            "truncated: at byte 68: the file ends within a frame's bytes: 100 bytes expected, 0 there",
        ),
        (
            "oversized length",
            classic().u32(1).u32(2).u32(u32::MAX).u32(u32::MAX).raw(&[0; 64]),
            1,
            "damaged: at byte 52: frame 2 claims 4294967295 captured bytes, a frame has at most 262144: the file is damaged from here on",
        ),
        (
            "length one above the limit",
            classic().u32(1).u32(2).u32(262_145).u32(262_145),
            1,
            "damaged: at byte 52: frame 2 claims 262145 captured bytes, a frame has at most 262144: the file is damaged from here on",
        ),
        (
            "byte order changes midway",
            classic().raw(&Bytes::new(true).record(1, 2, b"abcd", 4).out),
            1,
            "damaged: at byte 52: frame 2 claims 67108864 captured bytes, a frame has at most 262144: the file is damaged from here on",
        ),
        (
            "pcapng magic alone",
            le().u32(0x0a0d_0d0a),
            0,
            "cannot begin: at byte 4: the file ends within a section header block: 4 bytes expected, 0 there",
        ),
        (
            "section header cut",
            cut(le().section(), 10),
            0,
            "cannot begin: at byte 12: the file ends within a section header block: 12 bytes expected, 6 there",
        ),
        (
            "wrong byte-order magic",
            le().u32(0x0a0d_0d0a).u32(28).u32(0x1122_3344).raw(&[0; 16]),
            0,
            "cannot begin: at byte 8: 0x44332211 is no byte-order magic of a section (expected 0x1a2b3c4d in either order)",
        ),
        (
            "section header too short",
            le().u32(0x0a0d_0d0a).u32(16).u32(0x1a2b_3c4d).u32(16),
            0,
            "cannot begin: at byte 0: block of type 0x0a0d0d0a claims a length of 16 bytes: a section header has at least 28",
        ),
        (
            "section lengths differ",
            le().u32(0x0a0d_0d0a).u32(28).u32(0x1a2b_3c4d).u16(1).u16(0).i64(-1).u32(24),
            0,
            "cannot begin: at byte 0: block of type 0x0a0d0d0a begins with length 28 and ends with length 24: the two must be equal",
        ),
        ("section alone", le().section(), 0, "complete"),
        (
            "packet before any interface",
            le().section().enhanced(0, 1, b"x", 1),
            0,
            "damaged: at byte 28: frame 1 names interface 0, the section has 0 described so far",
        ),
        (
            "simple packet before any interface",
            le().section().simple(b"x", 1),
            0,
            "damaged: at byte 28: frame 1 names interface 0, the section has 0 described so far",
        ),
        (
            "packet of an interface of the section before",
            ng().section().enhanced(0, 1, b"x", 1),
            1,
            "damaged: at byte 120: frame 2 names interface 0, the section has 0 described so far",
        ),
        (
            "unknown interface",
            ng().enhanced(9, 1, b"x", 1),
            1,
            "damaged: at byte 92: frame 2 names interface 9, the section has 1 described so far",
        ),
        (
            "block of length zero",
            ng().u32(6).u32(0).raw(&[0; 32]),
            1,
            "damaged: at byte 92: block of type 0x00000006 claims a length of 0 bytes: a packet block has at least 32",
        ),
        (
            "unknown block of length eight",
            ng().u32(77).u32(8),
            1,
            "damaged: at byte 92: block of type 0x0000004d claims a length of 8 bytes: a block has at least 12",
        ),
        (
            "interface block too short",
            le().section().u32(1).u32(16).u32(0).u32(16),
            0,
            "damaged: at byte 28: block of type 0x00000001 claims a length of 16 bytes: an interface description has at least 20",
        ),
        (
            "simple packet block too short",
            ng().u32(3).u32(12).u32(12),
            1,
            "damaged: at byte 92: block of type 0x00000003 claims a length of 12 bytes: a simple packet block has at least 16",
        ),
        (
            "length not a multiple of four",
            ng().u32(6).u32(45).raw(&[0; 37]),
            1,
            "damaged: at byte 92: block of type 0x00000006 claims a length of 45 bytes: it must be a multiple of 4",
        ),
        (
            "block of four gigabytes",
            ng().u32(0x55).u32(0xffff_fffc).raw(&[0; 20]),
            1,
            "truncated: at byte 100: the file ends within a block: 4294967280 bytes expected, 20 there",
        ),
        (
            "captured length beyond the block",
            ng().u32(6).u32(36).u32(0).u32(0).u32(1).u32(5).u32(5).raw(b"abcd").u32(36),
            1,
            "damaged: at byte 92: frame 2 claims 5 captured bytes in a block with room for 4",
        ),
        (
            "captured length beyond all reason",
            ng().u32(6).u32(0x0100_0000).u32(0).u32(0).u32(1).u32(0x00f0_0000).u32(5),
            1,
            "damaged: at byte 92: frame 2 claims 15728640 captured bytes, a frame has at most 262144: the file is damaged from here on",
        ),
        (
            "block lengths differ",
            ng().u32(6).u32(36).u32(0).u32(0).u32(1).u32(4).u32(4).raw(b"abcd").u32(40),
            1,
            "damaged: at byte 92: block of type 0x00000006 begins with length 36 and ends with length 40: the two must be equal",
        ),
        (
            "packet block cut",
            cut(ng().enhanced(0, 9, b"second", 6), 6),
            1,
            "truncated: at byte 126: the file ends within a block: 2 bytes expected, 0 there",
        ),
        (
            "length at the end cut",
            cut(ng(), 2),
            0,
            "truncated: at byte 88: the file ends within the length at a block's end: 4 bytes expected, 2 there",
        ),
        (
            "block header cut",
            ng().u32(6),
            1,
            "truncated: at byte 92: the file ends within the header of a block: 8 bytes expected, 4 there",
        ),
        (
            "interface options cut",
            cut(le().section().interface(1, 0, &[(9, vec![9]), (2, b"eth0".to_vec())]), 12),
            0,
            "truncated: at byte 56: the file ends within the options of an interface: 4 bytes expected, 0 there",
        ),
    ];
    assert!(cases.len() >= 20);
    for (name, file, frames, message) in cases {
        assert_eq!(outcome(&file.out), (frames, message.to_owned()), "{name}");
    }
}

#[test]
fn interfaces_of_a_section_are_capped() {
    let mut file = Bytes::new(false).section();
    for _ in 0..65_537 {
        file = file.interface(1, 0, &[]);
    }
    let (frames, said) = outcome(&file.out);
    assert_eq!(frames, 0);
    assert_eq!(
        said,
        "damaged: at byte 1310748: more than 65536 interfaces in one section: the file is damaged or made to exhaust memory"
    );
}

#[test]
fn nothing_more_comes_after_the_end() {
    let file = Bytes::new(false).header(US, (2, 4), 1).record(1, 2, b"abc", 3).u16(1);
    let mut reader = CaptureReader::new(file.out.as_slice()).expect("begins");
    assert!(matches!(reader.end(), CaptureEnd::Reading));
    assert!(reader.next_frame().is_some());
    for _ in 0..3 {
        assert!(reader.next_frame().is_none());
        assert!(matches!(reader.end(), CaptureEnd::Truncated(_)));
    }
    assert_eq!(reader.frames(), 1);
}

/// Gives one byte at a time, and an interruption before each.
struct Drip<'a>(&'a [u8], bool);

impl Read for Drip<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let Some((&first, rest)) = self.0.split_first() else { return Ok(0) };
        into[0] = first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn source_that_gives_a_byte_at_a_time_reads_the_same() {
    let file = Bytes::new(false)
        .section()
        .interface(1, 0, &[(9, vec![9]), (4, vec![0; 8])])
        .enhanced(0, 7, b"first", 5)
        .block(99, &[1; 40])
        .enhanced(0, 8, b"second", 6);
    let mut reader = CaptureReader::new(Drip(&file.out, false)).expect("begins");
    assert_eq!(reader.next_frame().map(|f| f.data.to_vec()), Some(b"first".to_vec()));
    assert_eq!(reader.next_frame().map(|f| f.data.to_vec()), Some(b"second".to_vec()));
    assert!(reader.next_frame().is_none());
    assert!(matches!(reader.end(), CaptureEnd::Complete));
}

#[test]
fn failing_source_is_reported_with_its_offset() {
    struct Broken<'a>(&'a [u8]);
    impl Read for Broken<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Err(std::io::Error::other("disk on fire"));
            }
            self.0.read(into)
        }
    }
    let file = Bytes::new(false).header(US, (2, 4), 1).record(1, 2, b"abc", 3);
    let mut reader = CaptureReader::new(Broken(&file.out)).expect("begins");
    assert!(reader.next_frame().is_some());
    assert!(reader.next_frame().is_none());
    let error = reader.end().error().expect("an error");
    assert_eq!(error.to_string(), "at byte 43: reading failed: disk on fire");
    assert_eq!(error.offset(), 43);
}

#[test]
fn missing_file_and_directory_are_errors_of_their_own() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let error = CaptureReader::open(&directory.path().join("missing.pcap")).expect_err("none");
    assert!(error.to_string().starts_with("cannot be opened: "), "{error}");
    let error = CaptureReader::open(directory.path()).expect_err("a directory");
    assert_eq!(error.to_string(), "is a directory: name a pcap or pcapng file");
}

#[test]
fn writer_and_reader_agree_to_the_nanosecond() {
    let mut writer = PcapWriter::new(Vec::new(), DataLink::RAW).expect("header");
    writer.write(1_767_322_985_123_456_789, 1514, &[7; 60]).expect("frame");
    writer.write(0, 0, &[1, 2, 3]).expect("frame");
    writer.write(u64::MAX, 9, &[]).expect("frame");
    assert_eq!(writer.frames(), 3);
    let frames = complete(&writer.finish().expect("flush"));
    assert_eq!(frames[0].timestamp_ns, 1_767_322_985_123_456_789);
    assert_eq!((frames[0].wire_len, frames[0].data.len(), frames[0].link), (1514, 60, 101));
    assert_eq!((frames[1].wire_len, frames[1].data.as_slice()), (3, [1, 2, 3].as_slice()));
    assert_eq!(frames[2].timestamp_ns / 1_000_000_000, u64::from(u32::MAX));
}

fn arbitrary_file() -> impl Strategy<Value = Vec<u8>> {
    let tail = proptest::collection::vec(any::<u8>(), 0..400);
    (0..8_usize, tail).prop_map(|(kind, tail)| {
        let start = match kind {
            0 => Bytes::new(false).header(US, (2, 4), 1),
            1 => Bytes::new(true).header(NS, (2, 4), 1),
            2 => Bytes::new(false).header(MODIFIED, (2, 3), 1),
            3 => Bytes::new(false).section(),
            4 => Bytes::new(true).section().interface(1, 96, &[(9, vec![0x86])]),
            5 => Bytes::new(false).section().interface(1, 0, &[]).u32(6).u32(64),
            6 => Bytes::new(false).u32(0x0a0d_0d0a),
            _ => Bytes::new(false),
        };
        start.raw(&tail).out
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic_or_hold_more_than_one_frame(file in arbitrary_file()) {
        let (frames, end) = read(&file);
        prop_assert!(!matches!(end, Ok(CaptureEnd::Reading)));
        let bytes: usize = frames.iter().map(|frame| frame.data.len()).sum();
        prop_assert!(bytes <= file.len());
    }

    #[test]
    fn every_cut_of_a_good_file_gives_a_prefix_of_its_frames(at in 0_usize..400, ng in any::<bool>()) {
        let whole = if ng {
            Bytes::new(true).section().interface(1, 0, &[(9, vec![9])])
                .enhanced(0, 5, &[1; 60], 60).simple(&[2; 61], 61).enhanced(0, 6, &[3; 90], 1500)
        } else {
            Bytes::new(true).header(NS, (2, 4), 1)
                .record(1, 1, &[1; 60], 60).record(1, 2, &[2; 61], 61).record(1, 3, &[3; 90], 1500)
        };
        let all = complete(&whole.out);
        let (some, _) = read(&whole.out[..at.min(whole.out.len())]);
        prop_assert_eq!(&all[..some.len()], &some[..]);
    }
}
