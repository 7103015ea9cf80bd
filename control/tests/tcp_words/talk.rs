//! Two hosts, the two stretches between them, and the tap in the middle.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use umbra_forward::mem::Faults;
use umbra_wire::build::{Frame, Ipv4, Tcp};

use crate::host::{ACK, Habits, Host, MS, SYN, Seg};
use crate::path::Stretch;

/// Between two frames of a burst, nanoseconds.
const GAP_NS: u64 = 2_000;
const LONGEST_NS: u64 = 40_000 * MS;
const MOST_FRAMES: usize = 400;

/// xorshift64*, as good as is needed.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % n.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// At the tap, from this side.
    Tap(usize, Vec<u8>),
    /// At this host.
    Host(usize, Vec<u8>),
    Wake(usize),
}

struct Talk {
    hosts: [Host; 2],
    scales: [Option<u8>; 2],
    isn: [u32; 2],
    ports: [u16; 2],
    /// Before the tap and behind it, as seen from the client.
    stretches: [Stretch; 2],
    delays_ns: [u64; 2],
    sent: Vec<Seg>,
    queue: BinaryHeap<Reverse<(u64, u64, Due)>>,
    number: u64,
    /// Timers of each host as they are in the queue.
    scheduled: [[Option<u64>; 4]; 2],
    seen: Vec<(u64, Vec<u8>)>,
}

fn habits(dice: &mut Dice, delay_ns: u64, sends: u64) -> Habits {
    let mss = dice.pick(&[100, 536, 1000, 1448]);
    let slow = dice.one_in(3);
    let buffer = if slow { mss * (2 + dice.below(6) as u32) } else { 400_000 };
    Habits {
        sends,
        mss,
        congestion_window: 2 + dice.below(14) as u32,
        buffer: buffer.min(60_000 << 3),
        reads: if slow { mss * (1 + dice.below(3) as u32) } else { 0 },
        reads_every_ns: (1 + dice.below(400)) * MS,
        ack_every: 1 + dice.below(2) as u32,
        sack: dice.one_in(2),
        scale: if slow { 0 } else { 3 },
        duplicates: 2 + dice.below(2) as u32,
        rto_ns: (200 * MS).max(3 * delay_ns),
        goes_back: dice.one_in(2),
        keep_alive_ns: dice.one_in(8).then_some(700 * MS),
    }
}

fn faults(dice: &mut Dice) -> Faults {
    let rate = |dice: &mut Dice, most: u64| {
        if dice.one_in(2) { 0 } else { dice.below(most) as u16 }
    };
    Faults {
        empty_rx: rate(dice, 60),
        short_tx: rate(dice, 60),
        no_tx: rate(dice, 60),
        reordered_rx: rate(dice, 300),
        duplicated_rx: rate(dice, 40),
    }
}

/// What the tap sees of one connection: client port, seed.
pub(crate) fn seen(port: u16, seed: u64, start_ns: u64) -> Vec<(u64, Vec<u8>)> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    (0..5).for_each(|_| {
        dice.below(2);
    });
    let delays_ns = [200_000 + dice.below(15 * MS), 200_000 + dice.below(15 * MS)];
    let round_ns = 2 * (delays_ns[0] + delays_ns[1]);
    let sends = 200 + dice.below(60_000);
    let asks = 100 + dice.below(3_000);
    let client = habits(&mut dice, round_ns, asks);
    let server = habits(&mut dice, round_ns, sends);
    let scaled = dice.one_in(2);
    let scales = if scaled { [Some(client.scale), Some(server.scale)] } else { [None, None] };
    let plain = |mut habits: Habits| {
        if !scaled {
            habits.scale = 0;
            habits.buffer = habits.buffer.min(60_000);
        }
        habits
    };
    let burst = 1 + dice.below(6) as usize;
    let stretches = [0, 1].map(|at| Stretch::new(faults(&mut dice), burst, seed * 2 + at));
    let mut talk = Talk {
        hosts: [Host::new(plain(client), true), Host::new(plain(server), false)],
        scales,
        isn: [dice.below(1 << 32) as u32, u32::MAX - dice.below(20_000) as u32],
        ports: [port, 7_001],
        stretches,
        delays_ns,
        sent: Vec::new(),
        queue: BinaryHeap::new(),
        number: 0,
        scheduled: [[None; 4]; 2],
        seen: Vec::new(),
    };
    talk.run(start_ns);
    // Of some the beginning is not seen.
    let missed = if dice.one_in(10) { dice.below(8) as usize } else { 0 };
    talk.seen.drain(..missed.min(talk.seen.len()));
    talk.seen
}

impl Talk {
    fn run(&mut self, start_ns: u64) {
        let first = self.hosts[0].open(start_ns);
        self.send(0, first, start_ns);
        while let Some(Reverse((now, _, due))) = self.queue.pop() {
            if now > start_ns + LONGEST_NS || self.seen.len() > MOST_FRAMES {
                break;
            }
            match due {
                Due::Tap(from, frame) => {
                    self.seen.push((now, frame.clone()));
                    let arrives = self.stretches[1 - from].pass(from, vec![frame]);
                    for (late_ns, frame) in arrives {
                        let at = now + self.delays_ns[1 - from] + late_ns;
                        self.put(at, Due::Host(1 - from, frame));
                    }
                }
                Due::Host(side, frame) => {
                    let number = usize::from(u16::from_be_bytes([frame[18], frame[19]]));
                    let segment = self.sent[number].clone();
                    let scale = self.scales[1 - side].unwrap_or(0);
                    let out = self.hosts[side].on_segment(&segment, scale, now);
                    self.send(side, out, now);
                }
                Due::Wake(side) => self.wake(side, now),
            }
            if self.hosts.iter().all(Host::is_done) {
                break;
            }
        }
    }

    fn wake(&mut self, side: usize, now: u64) {
        let host = &mut self.hosts[side];
        let mut out = Vec::new();
        let due = |timer: Option<u64>| timer.is_some_and(|at| at <= now);
        if due(host.read_timer) {
            out.extend(host.on_read(now));
        }
        if due(host.ack_timer) {
            out.extend(host.on_ack_timer());
        }
        if due(host.timer) {
            out.extend(host.on_timer(now));
        }
        if due(host.idle_timer) {
            out.extend(host.on_idle(now));
        }
        self.send(side, out, now);
    }

    fn send(&mut self, side: usize, segments: Vec<Seg>, now: u64) {
        let frames: Vec<_> =
            segments.into_iter().map(|segment| self.frame(side, segment)).collect();
        let mut gap_ns = 0;
        for (late_ns, frame) in self.stretches[side].pass(side, frames) {
            gap_ns += GAP_NS;
            self.put(now + self.delays_ns[side] + late_ns + gap_ns, Due::Tap(side, frame));
        }
        let host = &self.hosts[side];
        let timers = [host.timer, host.ack_timer, host.read_timer, host.idle_timer];
        for (kind, at) in timers.into_iter().enumerate() {
            // Each once, or they would breed.
            if at != self.scheduled[side][kind] {
                self.scheduled[side][kind] = at;
                if let Some(at) = at {
                    self.put(at, Due::Wake(side));
                }
            }
        }
    }

    fn put(&mut self, at: u64, due: Due) {
        self.number += 1;
        self.queue.push(Reverse((at, self.number, due)));
    }

    fn frame(&mut self, side: usize, segment: Seg) -> Vec<u8> {
        let number = self.sent.len() as u16;
        let position = |of: usize, at: u64| self.isn[of].wrapping_add(at as u32);
        let mut options = Vec::new();
        if segment.flags & SYN != 0 {
            options.extend([2, 4, 5, 180]);
            options.extend(self.scales[side].map_or([1; 3], |scale| [3, 3, scale]));
            options.push(1);
            options.extend([4, 2, 1, 1]);
        } else if !segment.sack.is_empty() {
            options.extend([1, 1, 5, 2 + 8 * segment.sack.len() as u8]);
            for (from, to) in &segment.sack {
                options.extend(position(1 - side, *from).to_be_bytes());
                options.extend(position(1 - side, *to).to_be_bytes());
            }
        }
        let ack = segment.flags & ACK != 0;
        let tcp = Tcp {
            seq: position(side, segment.at),
            ack: if ack { position(1 - side, segment.ack) } else { 0 },
            flags: segment.flags,
            window: segment.window,
            options,
            ..Tcp::new(self.ports[side], self.ports[1 - side])
        };
        let hosts = [[10, 0, 0, 1], [192, 0, 2, 1]];
        let payload = vec![0; segment.len as usize];
        self.sent.push(segment);
        Frame::ethernet([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .layer(Ipv4 { id: number, ..Ipv4::new(hosts[side], hosts[1 - side]) })
            .layer(tcp)
            .payload(&payload)
            .bytes()
    }
}
