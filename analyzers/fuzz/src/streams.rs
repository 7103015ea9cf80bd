//! TCP sessions, driven by segments that a script makes.
//!
//! [`stream`]: two ends with fixed texts, whose segments come in any order, repeated, overlapping and with
//! holes, but never contradict each other. A model knows which bytes came in time; these and no others
//! are handed over, each once, in its place. [`stream_wild`]: any numbers, flags and bytes at all. In both the
//! pool never holds more than its cap, and nothing once its sessions are released.

use umbra_analyzers::app::Heading;
use umbra_analyzers::events::Timestamp;
use umbra_analyzers::stream::{
    OverlapPolicy, Piece, Segment, Session, StreamConfig, StreamPool, Taken, UrgentPolicy,
};

use super::script::Script;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const URG: u8 = 32;

fn config(script: &mut Script<'_>) -> StreamConfig {
    let choice = script.byte();
    StreamConfig {
        depth: script.of(&[0, 1 << 20, 600, 5000]),
        max_bytes: script.of(&[256 << 20, 16 << 10, 4 << 10, 300]),
        max_sessions: 2,
        max_segments_held: script.of(&[4096, 3, 0]),
        policy: script.of(&OverlapPolicy::ALL),
        raw_overlap: script.of(&[4096, 16, 0]),
        midstream: choice & 1 != 0,
        async_oneside: choice & 2 != 0,
        check_rst: choice & 4 == 0,
        check_timestamps: choice & 8 == 0,
        check_overlaps: choice & 16 == 0,
        urgent: if choice & 32 == 0 { UrgentPolicy::OutOfBand } else { UrgentPolicy::Inline },
        ..StreamConfig::default()
    }
}

fn check_pool(pool: &StreamPool) {
    let (held, most) = (pool.bytes(), pool.config().max_bytes);
    assert!(held <= most, "the pool holds {held} bytes of {most}");
    assert!(pool.sessions() <= pool.config().max_sessions);
}

fn check_released(pool: &StreamPool) {
    assert_eq!((pool.bytes(), pool.sessions()), (0, 0), "bytes and sessions after the release");
}

/// The byte of an end's text at an offset.
fn letter(heading: Heading, offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ heading.index() as u8
}

/// What became of a byte of an end's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Byte {
    /// It was taken in.
    came: bool,
    /// And early enough that it must be handed over.
    due: bool,
    handed: bool,
}

/// What the model knows of one end.
#[derive(Debug, Default)]
struct End {
    isn: u32,
    /// Bytes of the text that were sent at least once.
    sent: u64,
    fin: Option<u64>,
    text: Vec<Byte>,
    /// Up to where the application layer, and rules, have had it.
    app: u64,
    raw: u64,
    deaf: bool,
}

impl End {
    fn number(&self, offset: u64) -> u32 {
        self.isn.wrapping_add(1).wrapping_add(offset as u32)
    }

    fn byte(&mut self, offset: u64) -> &mut Byte {
        let at = offset as usize;
        if self.text.len() <= at {
            self.text.resize(at + 1, Byte::default());
        }
        &mut self.text[at]
    }
}

struct Model {
    pool: StreamPool,
    session: Session,
    ends: [End; 2],
    now: Timestamp,
}

/// A connection whose ends do not contradict themselves.
pub(crate) fn stream(bytes: &[u8]) {
    let mut script = Script(bytes);
    let config = StreamConfig { midstream: false, ..config(&mut script) };
    let mut pool = StreamPool::new(config);
    let session = Session::new(&mut pool, &Segment::default(), Heading::ToServer);
    let isns = [0u32.wrapping_sub(script.u16().into()), 0u32.wrapping_sub(script.u16().into())];
    let ends = isns.map(|isn| End { isn, ..End::default() });
    let mut model = Model { pool, session, ends, now: Timestamp::from_secs(1_700_000_000) };
    model.handshake();
    while let Some(step) = script.next() {
        let heading = Heading::to_server_if(step & 0x80 == 0);
        match step & 0x0f {
            0..=6 => model.data(heading, step & 0x0f, &mut script),
            7 => model.acknowledge(heading, script.byte()),
            8 => model.take(heading, false),
            9 | 10 => model.raw(heading, false),
            11 => model.fin(heading),
            12 => model.now = Timestamp(model.now.0 + (u64::from(script.byte()) << 28)),
            13 => model.disable(heading, script.byte()),
            14 if script.byte() == 7 => model.reset(heading),
            _ => {}
        }
        check_pool(&model.pool);
    }
    for heading in Heading::ALL {
        model.take(heading, true);
        model.raw(heading, true);
        model.check_all_handed(heading);
    }
    model.session.release(&mut model.pool);
    check_released(&model.pool);
}

impl Model {
    fn send(&mut self, heading: Heading, segment: Segment<'_>) -> Taken {
        let segment = Segment { window: 0xffff, now: self.now, ..segment };
        self.session.segment(&mut self.pool, heading, &segment)
    }

    fn handshake(&mut self) {
        let [client, server] = [self.ends[0].isn, self.ends[1].isn];
        let numbers = [
            (Heading::ToServer, SYN, client, 0),
            (Heading::ToClient, SYN | ACK, server, client.wrapping_add(1)),
            (Heading::ToServer, ACK, client.wrapping_add(1), server.wrapping_add(1)),
        ];
        for (heading, flags, seq, ack) in numbers {
            let wscale = (flags & SYN != 0).then_some(4);
            let taken =
                self.send(heading, Segment { seq, ack, flags, wscale, ..Segment::default() });
            assert!(taken.accepted, "a handshake is refused");
        }
    }

    /// How much the other end's next segment acknowledges: what was sent, less something.
    fn ack(&self, heading: Heading, less: u8) -> u32 {
        let other = &self.ends[heading.opposite().index()];
        let fin = u64::from(less == 0 && other.fin == Some(other.sent));
        other.number(other.sent.saturating_sub(less.into()) + fin)
    }

    fn data(&mut self, heading: Heading, manner: u8, script: &mut Script<'_>) {
        let (shift, len) = (script.byte(), u64::from(script.byte()) + 1);
        let len = if manner == 6 { len * 16 } else { len };
        let end = &self.ends[heading.index()];
        let from = match manner {
            // In order, behind a hole, again.
            0..=2 | 6 => end.sent,
            3 | 4 => end.sent + u64::from(shift),
            _ => end.sent.saturating_sub(u64::from(shift) * 2),
        };
        let to = (from + len).min(end.fin.unwrap_or(u64::MAX)).min(1 << 16);
        if from >= to {
            return;
        }
        let payload: Vec<u8> = (from..to).map(|offset| letter(heading, offset)).collect();
        let (seq, ack) = (end.number(from), self.ack(heading, script.byte()));
        let settled = self.session.half(heading).acked();
        let segment = Segment { seq, ack, flags: ACK, payload: &payload, ..Segment::default() };
        let taken = self.send(heading, segment);
        let depth = self.pool.config().depth;
        let end = &mut self.ends[heading.index()];
        end.sent = end.sent.max(to);
        if taken.accepted && taken.added {
            for offset in (from..to).filter(|offset| depth == 0 || *offset < depth) {
                let byte = end.byte(offset);
                byte.came = true;
                byte.due |= offset >= settled;
            }
        }
    }

    fn acknowledge(&mut self, heading: Heading, less: u8) {
        let end = &self.ends[heading.index()];
        let (seq, ack) = (end.number(end.sent), self.ack(heading, less));
        self.send(heading, Segment { seq, ack, flags: ACK, ..Segment::default() });
    }

    fn fin(&mut self, heading: Heading) {
        let ack = self.ack(heading, 0);
        let end = &mut self.ends[heading.index()];
        let at = *end.fin.get_or_insert(end.sent);
        let seq = end.number(at);
        self.send(heading, Segment { seq, ack, flags: FIN | ACK, ..Segment::default() });
    }

    fn reset(&mut self, heading: Heading) {
        let end = &self.ends[heading.index()];
        let (seq, ack) = (end.number(end.sent), self.ack(heading, 0));
        self.send(heading, Segment { seq, ack, flags: RST | ACK, ..Segment::default() });
    }

    fn disable(&mut self, heading: Heading, what: u8) {
        let half = self.session.half_mut(heading);
        match what {
            1 => half.disable_raw(&mut self.pool),
            2 => {
                half.disable_app(&mut self.pool);
                self.ends[heading.index()].deaf = true;
            }
            _ => {}
        }
    }

    /// Takes what application layers get, and holds it against the model.
    fn take(&mut self, heading: Heading, all: bool) {
        let end = &mut self.ends[heading.index()];
        let half = self.session.half_mut(heading);
        half.take(&mut self.pool, all, &mut |piece| match piece {
            Piece::Data(bytes) => {
                assert!(!bytes.is_empty(), "an empty piece");
                for byte in bytes {
                    let offset = end.app;
                    let known = end.byte(offset);
                    assert!(known.came, "byte {offset} never came");
                    assert!(!known.handed, "byte {offset} twice");
                    known.handed = true;
                    assert_eq!(*byte, letter(heading, offset), "byte {offset}");
                    end.app += 1;
                }
            }
            Piece::Gap(len) => {
                assert!(len > 0, "an empty gap");
                end.app += len;
            }
        });
    }

    /// Looks at the windows that rules get.
    fn raw(&mut self, heading: Heading, all: bool) {
        for round in 0.. {
            assert!(round < 100_000, "windows without an end");
            let half = self.session.half_mut(heading);
            let Some(window) = half.raw(all, 100) else { return };
            let end = &mut self.ends[heading.index()];
            assert!(window.new_from < window.bytes.len(), "a window with nothing new");
            assert!(window.end() > end.raw, "a window that was seen");
            for (byte, offset) in window.bytes.iter().zip(window.offset..) {
                assert_eq!(*byte, letter(heading, offset), "byte {offset}");
                assert!(end.byte(offset).came, "byte {offset} never came");
            }
            end.raw = window.end();
            let up_to = window.end();
            half.raw_inspected(&mut self.pool, up_to);
            if !all {
                return;
            }
        }
    }

    fn check_all_handed(&self, heading: Heading) {
        let end = &self.ends[heading.index()];
        if end.deaf {
            return;
        }
        for (byte, offset) in end.text.iter().zip(0u64..) {
            assert!(!byte.due || byte.handed, "byte {offset} came in time and was lost");
        }
    }
}

/// Two connections whose segments say anything.
pub(crate) fn stream_wild(bytes: &[u8]) {
    let mut script = Script(bytes);
    let mut pool = StreamPool::new(config(&mut script));
    let mut wild: Vec<Wild> = (0..3).map(|_| Wild::new(&mut pool)).collect();
    while let Some(step) = script.next() {
        let at = usize::from(step >> 6).min(2);
        wild[at].step(&mut pool, step, &mut script);
        check_pool(&pool);
    }
    for each in &mut wild {
        each.end(&mut pool);
        check_pool(&pool);
    }
    check_released(&pool);
}

struct Wild {
    session: Session,
    /// Near what each end sends next.
    next: [u32; 2],
    positions: [u64; 2],
    now: Timestamp,
}

/// Combinations that occur, and some that do not.
const FLAGS: [u8; 16] = [
    SYN,
    SYN | ACK,
    ACK,
    ACK,
    ACK,
    ACK | 8,
    FIN | ACK,
    FIN,
    RST,
    RST | ACK,
    SYN | FIN,
    SYN | RST,
    0,
    ACK | URG,
    ACK | URG,
    0xff,
];

impl Wild {
    fn new(pool: &mut StreamPool) -> Self {
        Self {
            session: Session::new(pool, &Segment::default(), Heading::ToServer),
            next: [1000, 0xffff_ff00],
            positions: [0; 2],
            now: Timestamp::from_secs(1_700_000_000),
        }
    }

    fn step(&mut self, pool: &mut StreamPool, step: u8, script: &mut Script<'_>) {
        let heading = Heading::to_server_if(step & 0x20 == 0);
        match step & 0x1f {
            0..=19 => self.segment(pool, heading, step & 0x1f, script),
            20 | 21 => self.take(pool, heading, false),
            22 => self.take(pool, heading, true),
            23 | 24 => self.raw(pool, heading, step & 1 == 0),
            25 => self.session.half_mut(heading).finish(pool),
            26 if script.byte() == 0 => self.session.half_mut(heading).disable_app(pool),
            27 if script.byte() == 0 => self.session.half_mut(heading).disable_raw(pool),
            28 => self.now = Timestamp(self.now.0.wrapping_add(u64::from(script.u16()) << 34)),
            29 => self.next[heading.index()] = u32::from(script.u16()) << 16,
            30 if script.byte() == 0 => self.end(pool),
            _ => {}
        }
    }

    fn segment(
        &mut self,
        pool: &mut StreamPool,
        heading: Heading,
        kind: u8,
        script: &mut Script<'_>,
    ) {
        let flags = script.of(&FLAGS);
        let signed = |byte: u8| i32::from(byte.cast_signed());
        let (us, them) = (heading.index(), heading.opposite().index());
        let seq = self.next[us].wrapping_add_signed(signed(script.byte()) * 4);
        let ack = match flags & ACK {
            0 => 0,
            _ => self.next[them].wrapping_add_signed(signed(script.byte())),
        };
        let len = if kind < 12 { usize::from(script.byte()) } else { 0 };
        let payload: Vec<u8> = (0..len).map(|at| (at as u8) & kind).collect();
        let (mut wscale, mut timestamp_option, mut urgent) = (None, None, 0);
        if kind % 4 == 3 {
            wscale = Some(script.byte());
            timestamp_option = Some((script.u16().into(), 1));
            urgent = script.byte().into();
        }
        let segment = Segment {
            seq,
            ack,
            flags,
            window: 0xfff,
            payload: &payload,
            wscale,
            timestamp_option,
            urgent,
            fast_open: kind == 11,
            signed: kind == 7,
            now: self.now,
            ..Segment::default()
        };
        self.session.segment(pool, heading, &segment);
        let used = segment.payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        if kind & 1 == 0 {
            self.next[us] = seq.wrapping_add(used);
        }
    }

    fn take(&mut self, pool: &mut StreamPool, heading: Heading, all: bool) {
        let position = &mut self.positions[heading.index()];
        self.session.half_mut(heading).take(pool, all, &mut |piece| {
            *position += match piece {
                Piece::Data(bytes) => bytes.len() as u64,
                Piece::Gap(len) => len,
            };
            assert_ne!(*position, 0);
        });
    }

    fn raw(&mut self, pool: &mut StreamPool, heading: Heading, all: bool) {
        let half = self.session.half_mut(heading);
        if let Some(window) = half.raw(all, 100) {
            assert!(window.new_from < window.bytes.len(), "a window with nothing new");
            let up_to = window.end();
            half.raw_inspected(pool, up_to);
        }
    }

    fn end(&mut self, pool: &mut StreamPool) {
        for heading in Heading::ALL {
            self.take(pool, heading, true);
        }
        let buffered: usize =
            Heading::ALL.iter().map(|heading| self.session.half(*heading).buffered()).sum();
        self.session.release(pool);
        let after: usize =
            Heading::ALL.iter().map(|heading| self.session.half(*heading).buffered()).sum();
        assert_eq!(after, 0, "{buffered} bytes before");
    }
}
