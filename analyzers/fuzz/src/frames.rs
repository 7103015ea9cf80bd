//! Frames of a script that can be written by hand.
//!
//! A mark (the byte f5) and a letter say what is done with the bytes up to the next one:
//! `>` and `<`: the client, the server of the current connection says them over TCP, and the other end
//! acknowledges; `u` and `d`: over UDP, to the server and back; `r`: they are a frame. Of the following
//! only the first byte counts: `+`: another connection, by number and port; `)` and `(`: so many bytes of the client, the
//! server are lost; `/`: datagrams are cut into fragments of so many times 8 bytes, 0 for not; `t`: tenths of a
//! second pass. Without bytes: `~`: the next frame comes after the one that follows it; `=`: the last frame once
//! more; `c` and `s`: a FIN of the client, the server; `x` and `y`: a RST.

use umbra_tap::{Checksum, Direction, Record, RecordMeta, Verdict};
use umbra_wire::build::{Frame, Tcp, fragment_ipv4};

const MARK: u8 = 0xf5;
const LETTERS: &[u8] = b"><udr+)(/t~=csxy";
/// Ports that something listens at.
const PORTS: [u16; 16] =
    [80, 443, 53, 22, 25, 21, 445, 139, 135, 5060, 123, 20, 8080, 587, 2121, 40_001];
/// Bytes of a segment at most.
const SEGMENT: usize = 1400;
const FIN: u16 = 1;
const SYN: u16 = 2;
const RST: u16 = 4;
const PSH: u16 = 8;
const ACK: u16 = 16;
const ETHERNET_LEN: usize = 14;

/// A frame and when it came.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    at_ns: u64,
    data: Vec<u8>,
}

/// Numbered records of frames.
pub(crate) fn records(frames: &[Captured]) -> impl Iterator<Item = Record<'_>> {
    (0..).zip(frames).map(|(sequence, frame)| Record {
        meta: RecordMeta {
            timestamp_ns: frame.at_ns,
            frame_len: frame.data.len() as u32,
            flow_hash: 0,
            fraction_ppb: 1_000_000_000,
            wire: 0,
            direction: Direction::AtoB,
            ip_checksum: Checksum::Unknown,
            l4_checksum: Checksum::Unknown,
            escalated: false,
            epoch: 0,
        },
        verdict: Verdict::Forwarded,
        data: &frame.data,
        sequence,
    })
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    port: u16,
    next: [u32; 2],
    open: bool,
}

/// The frames of a script.
pub(crate) fn frames(script: &[u8]) -> Vec<Captured> {
    of_steps(tokens(script))
}

/// The same of letters with their bytes.
pub(crate) fn of_steps(steps: Vec<(u8, &[u8])>) -> Vec<Captured> {
    let mut wire = Wire::new();
    for (letter, bytes) in steps {
        wire.step(letter, bytes);
    }
    wire.frames.extend(wire.held);
    wire.frames
}

fn tokens(script: &[u8]) -> Vec<(u8, &[u8])> {
    let is_mark = |pair: &[u8]| pair[0] == MARK && LETTERS.contains(&pair[1]);
    let marks: Vec<usize> =
        script.windows(2).enumerate().filter(|(_, pair)| is_mark(pair)).map(|(at, _)| at).collect();
    let ends = marks.iter().skip(1).copied().chain([script.len()]);
    marks.iter().zip(ends).map(|(at, end)| (script[at + 1], &script[at + 2..end])).collect()
}

struct Wire {
    frames: Vec<Captured>,
    held: Option<Captured>,
    hold: bool,
    piece: usize,
    now_ns: u64,
    current: usize,
    connections: [Connection; 4],
    id: u16,
}

impl Wire {
    fn new() -> Self {
        let connection = |n: u32| Connection {
            port: 80,
            next: [0u32.wrapping_sub(n * 1000), 7000 + n],
            open: false,
        };
        Self {
            frames: Vec::new(),
            held: None,
            hold: false,
            piece: 0,
            now_ns: 1_700_000_000_000_000_000,
            current: 0,
            connections: [0, 1, 2, 3].map(connection),
            id: 0,
        }
    }

    fn step(&mut self, letter: u8, bytes: &[u8]) {
        let first = bytes.first().copied().unwrap_or(0);
        match letter {
            b'>' => self.say(0, bytes),
            b'<' => self.say(1, bytes),
            b'u' => self.datagram(0, bytes),
            b'd' => self.datagram(1, bytes),
            b'r' => self.push(bytes.to_vec()),
            b'+' => {
                self.current = usize::from(first) % self.connections.len();
                let connection = &mut self.connections[self.current];
                connection.port = PORTS[usize::from(first >> 2) % PORTS.len()];
                connection.open = false;
                connection.next = connection.next.map(|next| next.wrapping_add(1 << 20));
            }
            b')' | b'(' => {
                let side = usize::from(letter == b'(');
                let next = &mut self.connections[self.current].next[side];
                *next = next.wrapping_add(u32::from(first) + 1);
            }
            b'/' => self.piece = usize::from(first) * 8,
            b't' => self.now_ns += u64::from(first) * 100_000_000,
            b'~' => self.hold = true,
            b'=' => self.frames.extend(self.frames.last().cloned()),
            b'c' => self.flag(0, FIN | ACK),
            b's' => self.flag(1, FIN | ACK),
            b'x' => self.flag(0, RST | ACK),
            _ => self.flag(1, RST | ACK),
        }
    }

    fn say(&mut self, side: usize, bytes: &[u8]) {
        if !std::mem::replace(&mut self.connections[self.current].open, true) {
            self.segment(0, SYN, &[]);
            self.segment(1, SYN | ACK, &[]);
            self.segment(0, ACK, &[]);
        }
        for piece in bytes.chunks(SEGMENT) {
            self.segment(side, PSH | ACK, piece);
            self.segment(1 - side, ACK, &[]);
        }
    }

    fn flag(&mut self, side: usize, flags: u16) {
        self.segment(side, flags, &[]);
    }

    fn segment(&mut self, side: usize, flags: u16, payload: &[u8]) {
        let (src, dst) = self.ends(side);
        let connection = &mut self.connections[self.current];
        let tcp = Tcp {
            seq: connection.next[side],
            ack: if flags & ACK == 0 { 0 } else { connection.next[1 - side] },
            flags,
            window: 0xffff,
            ..Tcp::new(src.1, dst.1)
        };
        let used = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        connection.next[side] = connection.next[side].wrapping_add(used);
        let frame = Frame::new().ipv4(src.0, dst.0).layer(tcp).payload(payload);
        self.send(&frame.bytes());
    }

    fn datagram(&mut self, side: usize, payload: &[u8]) {
        let (src, dst) = self.ends(side);
        let frame = Frame::new().ipv4(src.0, dst.0).udp(src.1, dst.1).payload(payload);
        self.send(&frame.bytes());
    }

    fn ends(&self, side: usize) -> (([u8; 4], u16), ([u8; 4], u16)) {
        let client = ([192, 168, 0, 1], 50_000 + self.current as u16);
        let server = ([203, 0, 113, 5], self.connections[self.current].port);
        if side == 0 { (client, server) } else { (server, client) }
    }

    /// An IP datagram, in fragments where that is wanted.
    fn send(&mut self, datagram: &[u8]) {
        if self.piece == 0 {
            self.push(with_ethernet(datagram));
            return;
        }
        let mut datagram = datagram.to_vec();
        self.id = self.id.wrapping_add(1);
        datagram[4..6].copy_from_slice(&self.id.to_be_bytes());
        for fragment in fragment_ipv4(&datagram, self.piece) {
            self.push(with_ethernet(&fragment));
        }
    }

    fn push(&mut self, data: Vec<u8>) {
        self.now_ns += 1_000_000;
        let frame = Captured { at_ns: self.now_ns, data };
        if std::mem::take(&mut self.hold) {
            self.frames.extend(self.held.replace(frame));
            return;
        }
        self.frames.push(frame);
        // Later frames do not come at earlier times.
        if let Some(mut held) = self.held.take() {
            held.at_ns = self.now_ns;
            self.frames.push(held);
        }
    }
}

fn with_ethernet(datagram: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETHERNET_LEN + datagram.len());
    frame.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    frame.extend(datagram);
    frame
}
