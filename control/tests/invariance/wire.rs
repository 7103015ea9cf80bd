//! A scene on the wire: cut into segments, their order, copies and fragments at will.
//!
//! What one end says goes out in blocks of segments, each followed by the other end's acknowledgement. The
//! frames of a block pass through the forwarder's io in memory, which repeats and reorders them.

use std::net::{IpAddr, SocketAddr};

use umbra_forward::io::{FrameBatch, PacketIo};
use umbra_forward::mem::{Faults, MemEnds, MemFrame, MemIo};
use umbra_tap::{TapBatch, TapFrame};
use umbra_wire::build::{Frame, Ipv4, Tcp, fragment_ipv4, fragment_ipv6};

use super::scene::{Line, Scene, Side, Step};

const START_NS: u64 = 1_767_323_045_000_000_000;
const STEP_NS: u64 = 20_000_000;
const FRAME_NS: u64 = 2_000;
/// Segments of what one end says at once, at most: sizes that would make more of it are scaled.
const MOST_SEGMENTS: usize = 600;
const ETHERNET_LEN: usize = 14;

const FIN: u16 = 0x01;
const SYN: u16 = 0x02;
const PSH: u16 = 0x08;
const ACK: u16 = 0x10;
/// MSS 8960, window scale 7.
const OPTIONS: [u8; 8] = [2, 4, 0x23, 0, 1, 3, 3, 7];

/// How a scene is cut.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// Bytes of segments, in turn.
    pub(crate) sizes: Vec<usize>,
    /// Segments between two acknowledgements.
    pub(crate) block: usize,
    /// Of a thousand frames or blocks, so many.
    pub(crate) repeated: u16,
    pub(crate) reordered: u16,
    /// Of a thousand blocks, so many are followed by a copy of bytes that were acknowledged already.
    pub(crate) sent_again: u16,
    /// Bytes of fragments; `None` for whole datagrams.
    pub(crate) fragments: Option<usize>,
    pub(crate) seed: u64,
}

impl Cut {
    /// As most hosts do it.
    pub(crate) fn plain() -> Self {
        Self {
            sizes: vec![1448],
            block: 2,
            repeated: 0,
            reordered: 0,
            sent_again: 0,
            fragments: None,
            seed: 1,
        }
    }
}

/// A frame and when it is seen.
pub(crate) type Seen = (u64, Vec<u8>);

/// The frames of a scene.
pub(crate) fn frames(scene: &Scene, cut: &Cut) -> Vec<Seen> {
    let faults =
        Faults { reordered_rx: cut.reordered, duplicated_rx: cut.repeated, ..Faults::default() };
    let burst = cut.block.clamp(2, 16);
    let (io, ends) = MemIo::new(&[faults, faults], 1 << 16, burst, cut.seed);
    let ends_of_lines = vec![[Sequence(1_000), Sequence(0xffff_f000)]; scene.lines.len()];
    let mut wire = Wire {
        scene,
        cut,
        io,
        ends,
        sequences: ends_of_lines,
        ip_id: 1,
        random: cut.seed | 1,
        sizes: 0,
        now: START_NS,
        seen: Vec::new(),
    };
    let mut due = START_NS;
    for step in &scene.steps {
        due += STEP_NS;
        if let Step::Wait(seconds) = step {
            due += seconds * 1_000_000_000;
        }
        wire.now = wire.now.max(due);
        wire.step(step);
    }
    wire.seen
}

/// The next number of an end.
#[derive(Clone, Copy)]
struct Sequence(u32);

struct Wire<'s> {
    scene: &'s Scene,
    cut: &'s Cut,
    io: MemIo,
    ends: Vec<MemEnds>,
    sequences: Vec<[Sequence; 2]>,
    ip_id: u16,
    random: u64,
    /// Sizes used so far.
    sizes: usize,
    now: u64,
    seen: Vec<Seen>,
}

impl Wire<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Open(on) => {
                self.bare(*on, Side::Client, SYN);
                self.bare(*on, Side::Server, SYN | ACK);
                self.bare(*on, Side::Client, ACK);
            }
            Step::Say(on, side, bytes) if self.scene.lines[*on].udp => {
                let frame = self.datagram(&self.scene.lines[*on].clone(), *side, bytes);
                let pieces = self.fragments(frame);
                // A datagram that comes twice is said twice.
                match &pieces[..] {
                    [whole] => self.see(whole.clone()),
                    _ => self.send(*side, pieces),
                }
            }
            Step::Say(on, side, bytes) => self.say(*on, *side, bytes),
            Step::Close(on) => {
                self.bare(*on, Side::Client, FIN | ACK);
                self.bare(*on, Side::Server, FIN | ACK);
                self.bare(*on, Side::Client, ACK);
            }
            Step::Wait(_) => {}
        }
    }

    fn say(&mut self, on: usize, side: Side, bytes: &[u8]) {
        let first = self.sequences[on][side as usize].0;
        let mut from = 0;
        while from < bytes.len() {
            let mut block = Vec::new();
            for _ in 0..self.cut.block.max(1) {
                let size = self.next_size(bytes.len());
                let part = &bytes[from..bytes.len().min(from + size)];
                if part.is_empty() {
                    break;
                }
                let at = first.wrapping_add(from as u32);
                from += part.len();
                let flags = if from == bytes.len() { PSH | ACK } else { ACK };
                let frame = self.segment(on, side, flags, at, part);
                block.extend(self.fragments(frame));
            }
            self.send(side, block);
            self.sequences[on][side as usize].0 = first.wrapping_add(from as u32);
            self.bare(on, side.other(), ACK);
            if self.happens(self.cut.sent_again) {
                let to = 1 + self.draw() as usize % from;
                let again = to - 1 - self.draw() as usize % to.min(1400);
                let at = first.wrapping_add(again as u32);
                let frame = self.segment(on, side, ACK, at, &bytes[again..to]);
                let pieces = self.fragments(frame);
                self.send(side, pieces);
            }
        }
    }

    fn next_size(&mut self, of: usize) -> usize {
        let size = self.cut.sizes[self.sizes % self.cut.sizes.len()].max(1);
        self.sizes += 1;
        let mean = self.cut.sizes.iter().sum::<usize>() / self.cut.sizes.len();
        let scale = of.div_ceil(MOST_SEGMENTS * mean.max(1)).max(1);
        // Odd, so that borders do not fall into step with what is said.
        (size * scale + usize::from(scale > 1)).min(9000)
    }

    /// A segment without payload; what it carries of SYN and FIN counts.
    fn bare(&mut self, on: usize, side: Side, flags: u16) {
        let at = self.sequences[on][side as usize].0;
        let frame = self.segment(on, side, flags, at, &[]);
        let pieces = self.fragments(frame);
        self.send(side, pieces);
        let counts = u32::from(flags & (SYN | FIN) != 0);
        self.sequences[on][side as usize].0 = at.wrapping_add(counts);
    }

    fn segment(&mut self, on: usize, side: Side, flags: u16, seq: u32, part: &[u8]) -> Vec<u8> {
        let line = &self.scene.lines[on];
        let (src, dst) = directed(line, side);
        let acknowledged = self.sequences[on][side.other() as usize].0;
        let ack = if flags & ACK == 0 { 0 } else { acknowledged };
        let options = if flags & SYN == 0 { Vec::new() } else { OPTIONS.to_vec() };
        let tcp = Tcp { seq, ack, flags, options, ..Tcp::new(src.port(), dst.port()) };
        self.over_ip(src, dst).layer(tcp).payload(part).bytes()
    }

    fn datagram(&mut self, line: &Line, side: Side, payload: &[u8]) -> Vec<u8> {
        let (src, dst) = directed(line, side);
        self.over_ip(src, dst).udp(src.port(), dst.port()).payload(payload).bytes()
    }

    fn over_ip(&mut self, src: SocketAddr, dst: SocketAddr) -> Frame {
        let frame = Frame::ethernet([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        self.ip_id = self.ip_id.wrapping_add(1);
        match (src.ip(), dst.ip()) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                frame.layer(Ipv4 { id: self.ip_id, ..Ipv4::new(src.octets(), dst.octets()) })
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => frame.ipv6(src.octets(), dst.octets()),
            _ => panic!("two addresses of one kind"),
        }
    }

    fn fragments(&mut self, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let Some(piece) = self.cut.fragments else { return vec![frame] };
        let (ethernet, datagram) = frame.split_at(ETHERNET_LEN);
        // More of them are not taken for honest.
        let piece = piece.max(datagram.len().div_ceil(480).next_multiple_of(8));
        let pieces = match datagram[0] >> 4 {
            4 => fragment_ipv4(datagram, piece),
            _ => fragment_ipv6(datagram, piece, self.ip_id.into()),
        };
        if pieces.len() < 2 {
            return vec![frame];
        }
        pieces.into_iter().map(|piece| [ethernet, &piece].concat()).collect()
    }

    /// Through the lane of who sends.
    fn send(&mut self, side: Side, frames: Vec<Vec<u8>>) {
        let lane = side as usize;
        let mut batch = self.io.new_batch();
        for frame in frames {
            self.ends[lane].input.send(MemFrame::new(frame)).expect("room in the lane");
        }
        while !self.ends[lane].input.is_empty() {
            for index in 0..self.io.rx(lane, &mut batch) {
                self.seen
                    .push((self.now, batch.frame(index).segments().flatten().copied().collect()));
                self.now += FRAME_NS;
            }
            batch.clear();
        }
    }

    fn see(&mut self, frame: Vec<u8>) {
        self.seen.push((self.now, frame));
        self.now += FRAME_NS;
    }

    /// xorshift64, as good as is needed.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 8
    }

    fn happens(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.draw() % 1000 < u64::from(per_mille)
    }
}

fn directed(line: &Line, side: Side) -> (SocketAddr, SocketAddr) {
    match side {
        Side::Client => (line.client, line.server),
        Side::Server => (line.server, line.client),
    }
}
