//! Frames that carry their own proof: a flow, a sequence number within it, their length and a CRC
//! over everything, so that any changed, lost, doubled or overtaken frame is seen where it comes out.
#![allow(dead_code, reason = "each test file uses a part of it")]

/// Flow, sequence, length and CRC at the end of every frame.
const TRAILER: usize = 4 + 8 + 4 + 4;
/// Shortest frame that holds the headers of every kind and the trailer.
const SHORTEST: usize = 64;
/// Longest frame: a jumbo frame's usual 9000 bytes of MTU and its Ethernet header.
const LONGEST: usize = 9014;

/// What a frame looks like on the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Udp,
    Vlan,
    QinQ,
    Fragment,
    Udp6,
    /// An ethertype that nobody knows.
    Unknown,
}

const KINDS: [Kind; 8] = [
    Kind::Udp,
    Kind::Udp,
    Kind::Udp,
    Kind::Vlan,
    Kind::QinQ,
    Kind::Fragment,
    Kind::Udp6,
    Kind::Unknown,
];

/// Makes frames of `flows` flows from a seed.
#[derive(Debug)]
pub(crate) struct Generator {
    random: u64,
    next: Vec<u64>,
    filler: Vec<u8>,
}

impl Generator {
    pub(crate) fn new(flows: usize, seed: u64) -> Self {
        let mut random = seed | 1;
        let filler = (0..LONGEST + 256).map(|_| (draw(&mut random) >> 56) as u8).collect();
        Generator { random, next: vec![0; flows], filler }
    }

    /// Appends the next frame to `out`, which is emptied first.
    pub(crate) fn frame(&mut self, out: &mut Vec<u8>) {
        let r = draw(&mut self.random);
        let flow = (r >> 33) as usize % self.next.len();
        // The kind belongs to the flow: fragments and unfragmented frames of one flow hash apart.
        let kind = KINDS[flow % KINDS.len()];
        let len = length(draw(&mut self.random));
        let sequence = self.next[flow];
        self.next[flow] += 1;
        let offset = (r & 0xff) as usize;
        out.clear();
        out.extend_from_slice(&self.filler[offset..offset + len]);
        headers(out, kind, flow as u32, sequence);
        let at = len - TRAILER;
        out[at..at + 4].copy_from_slice(&(flow as u32).to_be_bytes());
        out[at + 4..at + 12].copy_from_slice(&sequence.to_be_bytes());
        out[at + 12..at + 16].copy_from_slice(&(len as u32).to_be_bytes());
        let crc = crc32fast::hash(&out[..at + 16]);
        out[at + 16..].copy_from_slice(&crc.to_be_bytes());
    }

    /// Frames made so far.
    pub(crate) fn made(&self) -> u64 {
        self.next.iter().sum()
    }
}

/// splitmix64 (Steele, Lea, Flood 2014).
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// 64–9014 bytes: mostly short, each size possible.
fn length(r: u64) -> usize {
    let (low, high) = match r % 16 {
        0..=7 => (SHORTEST, 128),
        8..=12 => (SHORTEST, 1518),
        13..=14 => (1400, 1522),
        _ => (1519, LONGEST),
    };
    low + (r >> 8) as usize % (high - low + 1)
}

fn headers(f: &mut [u8], kind: Kind, flow: u32, sequence: u64) {
    let host = flow.to_be_bytes();
    f[0..6].copy_from_slice(&[2, 0, 0, 0, host[3], 2]);
    f[6..12].copy_from_slice(&[2, 0, host[0], host[1], host[2], host[3]]);
    let mut at = 12;
    let tags: &[(u16, u16)] = match kind {
        Kind::Vlan => &[(0x8100, 100)],
        Kind::QinQ => &[(0x88a8, 7), (0x8100, 200)],
        _ => &[],
    };
    for (ethertype, id) in tags {
        f[at..at + 2].copy_from_slice(&ethertype.to_be_bytes());
        f[at + 2..at + 4].copy_from_slice(&id.to_be_bytes());
        at += 4;
    }
    let ethertype: u16 = match kind {
        Kind::Udp6 => 0x86dd,
        Kind::Unknown => 0x88b5,
        _ => 0x0800,
    };
    f[at..at + 2].copy_from_slice(&ethertype.to_be_bytes());
    at += 2;
    match kind {
        Kind::Unknown => {}
        Kind::Udp6 => {
            let len = (f.len() - at).saturating_sub(40) as u16;
            f[at..at + 4].copy_from_slice(&[0x60, 0, 0, 0]);
            f[at + 4..at + 6].copy_from_slice(&len.to_be_bytes());
            f[at + 6] = 17;
            // At 64 bytes the trailer begins within the destination address: it wins.
        }
        _ => {
            let len = (f.len() - at) as u16;
            f[at] = 0x45;
            f[at + 1] = 0;
            f[at + 2..at + 4].copy_from_slice(&len.to_be_bytes());
            f[at + 4..at + 6].copy_from_slice(&(sequence as u16).to_be_bytes());
            // Fragments: more to come, at offset 0 and beyond in turn.
            let fragment: u16 = if kind == Kind::Fragment {
                if sequence.is_multiple_of(2) { 0x2000 } else { 185 }
            } else {
                0
            };
            f[at + 6..at + 8].copy_from_slice(&fragment.to_be_bytes());
            f[at + 8] = 64;
            f[at + 9] = 17;
            f[at + 12..at + 16].copy_from_slice(&[10, host[1], host[2], host[3]]);
            f[at + 16..at + 20].copy_from_slice(&[192, 168, host[2], host[3]]);
            if kind != Kind::Fragment && at + 24 <= f.len() - TRAILER {
                f[at + 20..at + 22].copy_from_slice(&(1024 + flow as u16).to_be_bytes());
                f[at + 22..at + 24].copy_from_slice(&4000u16.to_be_bytes());
            }
        }
    }
}

/// What is wrong with a frame that came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Shorter than the trailer, another length than it was made with, or another CRC.
    Changed,
    /// Not the next of its flow.
    OutOfOrder,
}

/// Flow and sequence of an unchanged frame.
pub(crate) fn verify(frame: &[u8]) -> Result<(u32, u64), Fault> {
    let at = frame.len().checked_sub(TRAILER).ok_or(Fault::Changed)?;
    let word = |i: usize| u32::from_be_bytes(frame[i..i + 4].try_into().expect("four bytes"));
    let is_same = word(at + 12) as usize == frame.len()
        && word(at + 16) == crc32fast::hash(&frame[..at + 16]);
    let sequence = u64::from(word(at + 4)) << 32 | u64::from(word(at + 8));
    if is_same { Ok((word(at), sequence)) } else { Err(Fault::Changed) }
}

/// Checks frames as they come out: unchanged, none missing, none doubled, in order per flow.
#[derive(Debug)]
pub(crate) struct Checker {
    next: Vec<u64>,
    /// Frames seen.
    pub(crate) seen: u64,
}

impl Checker {
    pub(crate) fn new(flows: usize) -> Self {
        Checker { next: vec![0; flows], seen: 0 }
    }

    /// The next frame of a lossless stream.
    pub(crate) fn lossless(&mut self, frame: &[u8]) -> Result<(), Fault> {
        let (flow, sequence) = verify(frame)?;
        let next = self.next.get_mut(flow as usize).ok_or(Fault::Changed)?;
        if sequence != *next {
            return Err(Fault::OutOfOrder);
        }
        *next += 1;
        self.seen += 1;
        Ok(())
    }

    /// The next frame of a stream from which whole frames may be missing.
    pub(crate) fn sampled(&mut self, frame: &[u8]) -> Result<(), Fault> {
        let (flow, sequence) = verify(frame)?;
        let next = self.next.get_mut(flow as usize).ok_or(Fault::Changed)?;
        if sequence < *next {
            return Err(Fault::OutOfOrder);
        }
        *next = sequence + 1;
        self.seen += 1;
        Ok(())
    }
}

#[test]
fn a_changed_lost_doubled_or_overtaken_frame_is_seen() {
    let mut generator = Generator::new(5, 1);
    let mut frames = Vec::new();
    for _ in 0..200 {
        let mut f = Vec::new();
        generator.frame(&mut f);
        assert!((SHORTEST..=LONGEST).contains(&f.len()));
        frames.push(f);
    }
    let run = |frames: &[Vec<u8>]| {
        let mut checker = Checker::new(5);
        frames.iter().find_map(|f| checker.lossless(f).err())
    };
    assert_eq!(run(&frames), None);
    let mut changed = frames.clone();
    changed[70][20] ^= 1;
    assert_eq!(run(&changed), Some(Fault::Changed));
    let mut lost = frames.clone();
    lost.remove(3);
    assert_eq!(run(&lost), Some(Fault::OutOfOrder));
    let mut doubled = frames.clone();
    doubled.insert(9, frames[8].clone());
    assert_eq!(run(&doubled), Some(Fault::OutOfOrder));
    let mut cut = frames;
    cut[5].pop();
    assert_eq!(run(&cut), Some(Fault::Changed));
}
