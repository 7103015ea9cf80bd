//! A host with just enough TCP: windows, delayed and duplicate ACKs, SACK, fast retransmission, time-outs,
//! probes of closed windows, keep-alives. Positions are bytes from the SYN on, which is byte 0.

use std::collections::BTreeMap;

pub(crate) const MS: u64 = 1_000_000;
const DELAYED_ACK_NS: u64 = 40 * MS;
const MOST_BACKOFF: u32 = 5;

pub(crate) const FIN: u16 = 0x01;
pub(crate) const SYN: u16 = 0x02;
pub(crate) const PSH: u16 = 0x08;
pub(crate) const ACK: u16 = 0x10;

/// A segment in positions.
#[derive(Clone, Debug)]
pub(crate) struct Seg {
    pub at: u64,
    pub len: u32,
    pub flags: u16,
    pub ack: u64,
    /// As in the header.
    pub window: u16,
    pub sack: Vec<(u64, u64)>,
}

impl Seg {
    fn end(&self) -> u64 {
        self.at + u64::from(self.len) + u64::from(self.flags & (SYN | FIN) != 0)
    }
}

/// How a host behaves.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub sends: u64,
    pub mss: u32,
    pub congestion_window: u32,
    pub buffer: u32,
    /// Bytes that its application reads at a time, and how often; all at once if 0.
    pub reads: u32,
    pub reads_every_ns: u64,
    pub ack_every: u32,
    pub sack: bool,
    pub scale: u8,
    pub duplicates: u32,
    pub rto_ns: u64,
    /// After a time-out everything is sent again, not only what is missing.
    pub goes_back: bool,
    pub keep_alive_ns: Option<u64>,
}

/// A host at work.
pub(crate) struct Host {
    habits: Habits,
    client: bool,
    una: u64,
    next: u64,
    highest: u64,
    peer_window: u64,
    peer_scale: u8,
    duplicates: u32,
    recovers_to: u64,
    resent: u64,
    sacked: Vec<(u64, u64)>,
    backoff: u32,
    pub(crate) timer: Option<u64>,
    received: u64,
    early: BTreeMap<u64, u64>,
    held: u32,
    unanswered: u32,
    pub(crate) ack_timer: Option<u64>,
    pub(crate) read_timer: Option<u64>,
    pub(crate) idle_timer: Option<u64>,
    peer_fin: bool,
    synced: bool,
}

impl Host {
    pub(crate) fn new(habits: Habits, client: bool) -> Self {
        Self {
            habits,
            client,
            una: 0,
            next: 0,
            highest: 0,
            peer_window: 0,
            peer_scale: 0,
            duplicates: 0,
            recovers_to: 0,
            resent: 0,
            sacked: Vec::new(),
            backoff: 0,
            timer: None,
            received: 0,
            early: BTreeMap::new(),
            held: 0,
            unanswered: 0,
            ack_timer: None,
            read_timer: None,
            idle_timer: None,
            peer_fin: false,
            synced: false,
        }
    }

    /// Position of the FIN.
    fn last(&self) -> u64 {
        1 + self.habits.sends
    }

    pub(crate) fn is_done(&self) -> bool {
        self.una > self.last() && self.peer_fin
    }

    fn room(&self) -> u32 {
        self.habits.buffer - self.held.min(self.habits.buffer)
    }

    fn window(&self) -> u16 {
        (self.room() >> self.habits.scale).min(u32::from(u16::MAX)) as u16
    }

    fn segment(&self, at: u64, len: u32, flags: u16) -> Seg {
        let mut sack: Vec<_> = Vec::new();
        if self.habits.sack && flags & SYN == 0 {
            sack.extend(self.early.iter().map(|(from, to)| (*from, *to)));
            sack.reverse();
            sack.truncate(3);
        }
        let ack = if self.synced { self.received } else { 0 };
        let flags = if self.synced { flags | ACK } else { flags };
        let window = if flags & SYN == 0 { self.window() } else { self.room().min(65_535) as u16 };
        Seg { at, len, flags, ack, window, sack }
    }

    fn bare_ack(&mut self) -> Seg {
        self.unanswered = 0;
        self.ack_timer = None;
        let at = self.highest.max(self.una);
        self.segment(at, 0, ACK)
    }

    /// What stands at a position, as one segment.
    fn piece(&self, at: u64, most: u64) -> Seg {
        if at == 0 {
            return self.segment(0, 0, SYN);
        }
        let len = (self.last() - at).min(u64::from(self.habits.mss)).min(most) as u32;
        let ends = at + u64::from(len) == self.last();
        // A FIN goes with the last data of clients and alone from servers.
        let flags = match (len, ends) {
            (0, _) => FIN,
            (_, true) if self.client => FIN | PSH,
            (_, true) => PSH,
            _ => 0,
        };
        self.segment(at, len, flags)
    }

    pub(crate) fn open(&mut self, now: u64) -> Vec<Seg> {
        self.next = 1;
        self.highest = 1;
        self.timer = Some(now + self.rto());
        vec![self.piece(0, 0)]
    }

    fn rto(&self) -> u64 {
        self.habits.rto_ns << self.backoff.min(MOST_BACKOFF)
    }

    /// Sends what windows allow.
    fn pump(&mut self, now: u64, out: &mut Vec<Seg>) {
        let mut sent = false;
        while self.una > 0 && self.next <= self.last() {
            let congestion = u64::from(self.habits.congestion_window * self.habits.mss);
            let limit = self.una + self.peer_window.min(congestion);
            let room = limit.saturating_sub(self.next);
            if room == 0 && (self.next < self.last() || self.next > self.una) {
                break;
            }
            let piece = self.piece(self.next, room);
            self.next = piece.end();
            self.highest = self.highest.max(self.next);
            out.push(piece);
            sent = true;
        }
        if sent {
            (self.unanswered, self.ack_timer) = (0, None);
        }
        let waits = self.next > self.una || self.una > 0 && self.next <= self.last();
        self.timer = match (waits, self.timer) {
            (true, None) => Some(now + self.rto()),
            (true, set) => set,
            (false, _) => None,
        };
        let quiet = !waits && !self.peer_fin;
        self.idle_timer = self.habits.keep_alive_ns.filter(|_| quiet).map(|ns| now + ns);
    }

    pub(crate) fn on_timer(&mut self, now: u64) -> Vec<Seg> {
        let mut out = Vec::new();
        self.timer = None;
        self.backoff += 1;
        if self.una > 0 && self.next == self.una && self.next < self.last() && self.peer_window == 0
        {
            // A closed window: one byte of what comes next, or one that was there before.
            let probe = if self.habits.goes_back {
                self.segment(self.next, 1, 0)
            } else {
                self.segment(self.una - 1, 0, 0)
            };
            out.push(probe);
            self.timer = Some(now + self.rto());
            return out;
        }
        (self.duplicates, self.recovers_to) = (0, 0);
        self.sacked.clear();
        if self.habits.goes_back && self.una > 0 {
            self.next = self.una;
            let one = self.habits.congestion_window;
            self.habits.congestion_window = 2;
            self.pump(now, &mut out);
            self.habits.congestion_window = one;
        } else {
            out.push(self.piece(self.una, u64::MAX));
        }
        self.timer = Some(now + self.rto());
        out
    }

    pub(crate) fn on_ack_timer(&mut self) -> Vec<Seg> {
        vec![self.bare_ack()]
    }

    pub(crate) fn on_idle(&mut self, now: u64) -> Vec<Seg> {
        self.idle_timer = self.habits.keep_alive_ns.map(|ns| now + ns);
        vec![self.segment(self.una - 1, 0, 0)]
    }

    pub(crate) fn on_read(&mut self, now: u64) -> Vec<Seg> {
        let before = self.window();
        self.held = self.held.saturating_sub(self.habits.reads);
        self.read_timer = (self.held > 0).then_some(now + self.habits.reads_every_ns);
        let opened = before == 0 && self.window() > 0;
        if opened { vec![self.bare_ack()] } else { Vec::new() }
    }

    pub(crate) fn on_segment(&mut self, seg: &Seg, scale: u8, now: u64) -> Vec<Seg> {
        let mut out = Vec::new();
        if seg.flags & SYN != 0 {
            if self.synced {
                out.push(self.bare_ack());
            } else {
                (self.synced, self.received, self.peer_scale) = (true, 1, scale);
            }
            if !self.client && self.next == 0 {
                return self.open(now);
            }
            if !self.client && self.una == 0 {
                return vec![self.piece(0, 0)];
            }
        }
        if seg.flags & ACK != 0 {
            self.on_acknowledgment(seg, now, &mut out);
        }
        if seg.len > 0 || seg.flags & (SYN | FIN) != 0 {
            self.on_data(seg, now, &mut out);
        } else if seg.at + 1 == self.received && seg.flags & SYN == 0 {
            out.push(self.bare_ack());
        }
        self.pump(now, &mut out);
        out
    }

    fn on_acknowledgment(&mut self, seg: &Seg, now: u64, out: &mut Vec<Seg>) {
        let shift = if seg.flags & SYN == 0 { self.peer_scale } else { 0 };
        let window = u64::from(seg.window) << shift;
        if seg.ack > self.una {
            self.una = seg.ack;
            self.next = self.next.max(self.una);
            (self.backoff, self.duplicates) = (0, 0);
            self.timer = None;
            self.sacked.retain(|(_, to)| *to > seg.ack);
            self.peer_window = window;
            if self.una < self.recovers_to {
                // What is missing next.
                self.resend(out);
                self.timer = Some(now + self.rto());
            }
            return;
        }
        let repeats = seg.ack == self.una && seg.len == 0 && seg.flags & (SYN | FIN) == 0;
        if repeats && self.next > self.una && (window == self.peer_window || !seg.sack.is_empty()) {
            self.duplicates += 1;
            self.sacked.clone_from(&seg.sack);
            if self.duplicates == self.habits.duplicates && self.una >= self.recovers_to {
                (self.recovers_to, self.resent) = (self.next, self.una);
                self.resend(out);
            } else if self.duplicates > self.habits.duplicates && self.habits.sack {
                self.resend(out);
            }
        }
        self.peer_window = window;
    }

    /// The first piece that is missing and was not sent again yet.
    fn resend(&mut self, out: &mut Vec<Seg>) {
        let mut at = self.una.max(self.resent);
        let mut holes: Vec<_> = self.sacked.clone();
        holes.sort_unstable();
        for (from, to) in &holes {
            if at >= *from && at < *to {
                at = *to;
            }
        }
        let ends = holes.iter().map(|(from, _)| *from).find(|from| *from > at);
        let highest = holes.last().map_or(self.una + 1, |(from, _)| *from);
        if at < self.recovers_to && (at == self.una || at < highest) {
            let piece = self.piece(at, ends.map_or(u64::MAX, |end| end - at));
            self.resent = piece.end();
            out.push(piece);
        }
    }

    fn on_data(&mut self, seg: &Seg, now: u64, out: &mut Vec<Seg>) {
        let in_order = seg.at <= self.received && seg.end() > self.received;
        let had_holes = !self.early.is_empty();
        if seg.len > 0 && seg.end() > self.received && u64::from(seg.len) > u64::from(self.room()) {
            out.push(self.bare_ack());
            return;
        }
        if in_order {
            let before = self.received;
            self.received = seg.end();
            while let Some((from, to)) = self.early.pop_first() {
                if from > self.received {
                    self.early.insert(from, to);
                    break;
                }
                self.received = self.received.max(to);
            }
            self.peer_fin |= seg.flags & FIN != 0;
            let got = (self.received - before) as u32;
            if seg.len > 0 && self.habits.reads > 0 {
                self.held = (self.held + got).min(self.habits.buffer);
                self.read_timer = self.read_timer.or(Some(now + self.habits.reads_every_ns));
            }
            self.unanswered += 1;
            let at_once = had_holes
                || self.unanswered >= self.habits.ack_every
                || seg.flags & (SYN | FIN) != 0
                || self.window() == 0;
            if at_once {
                out.push(self.bare_ack());
            } else {
                self.ack_timer = self.ack_timer.or(Some(now + DELAYED_ACK_NS));
            }
            return;
        }
        if seg.at > self.received && seg.flags & FIN == 0 {
            self.hold(seg.at, seg.end());
        }
        out.push(self.bare_ack());
    }

    fn hold(&mut self, mut from: u64, mut to: u64) {
        let near: Vec<u64> = self
            .early
            .iter()
            .filter(|(start, end)| **start <= to && **end >= from)
            .map(|(start, _)| *start)
            .collect();
        for start in near {
            let end = self.early.remove(&start).unwrap_or(start);
            (from, to) = (from.min(start), to.max(end));
        }
        self.early.insert(from, to);
    }
}
