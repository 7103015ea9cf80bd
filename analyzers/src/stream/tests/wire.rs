//! A connection with two ends that keep count.

use super::*;
use crate::events::Timestamp;

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;
pub(super) const URG: u8 = 32;

pub(super) const C: Heading = Heading::ToServer;
pub(super) const S: Heading = Heading::ToClient;

pub(super) struct Wire {
    pub(super) pool: StreamPool,
    pub(super) session: Session,
    /// Next numbers of client and server.
    pub(super) next: [u32; 2],
    pub(super) isn: [u32; 2],
    pub(super) now: u64,
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The events' names without the layer, in the order of their declaration.
pub(super) fn names(taken: Taken) -> String {
    let names: Vec<_> =
        taken.events.iter().map(|name| name.strip_prefix("stream.").unwrap_or(name)).collect();
    names.join(" ")
}

impl Wire {
    pub(super) fn new(config: StreamConfig) -> Self {
        Self::with_isn(config, [1000, 5000])
    }

    pub(super) fn with_isn(config: StreamConfig, isn: [u32; 2]) -> Self {
        let mut pool = StreamPool::new(config);
        let session = Session::new(&mut pool, &Segment::default(), C);
        Self { pool, session, next: isn, isn, now: 1_700_000_000 }
    }

    /// After the handshake.
    pub(super) fn open(config: StreamConfig) -> Self {
        let mut wire = Self::new(config);
        wire.handshake();
        wire
    }

    /// Any segment at all.
    pub(super) fn send(&mut self, heading: Heading, segment: Segment<'_>) -> Taken {
        let segment = Segment { now: Timestamp::from_secs(self.now), ..segment };
        self.session.segment(&mut self.pool, heading, &segment)
    }

    /// A segment with numbers relative to the first data bytes of both ends.
    pub(super) fn at(
        &mut self,
        heading: Heading,
        flags: u8,
        seq: i64,
        ack: i64,
        payload: &str,
    ) -> Taken {
        let segment = self.segment(heading, flags, seq, ack);
        self.send(heading, Segment { payload: payload.as_bytes(), ..segment })
    }

    pub(super) fn segment(
        &self,
        heading: Heading,
        flags: u8,
        seq: i64,
        ack: i64,
    ) -> Segment<'static> {
        let number = |isn: u32, offset: i64| isn.wrapping_add(1).wrapping_add(offset as u32);
        Segment {
            seq: number(self.isn[heading.index()], seq),
            ack: if flags & ACK != 0 {
                number(self.isn[heading.opposite().index()], ack)
            } else {
                0
            },
            flags,
            window: 8192,
            ..Segment::default()
        }
    }

    /// The next segment of an end.
    pub(super) fn next(&mut self, heading: Heading, flags: u8, payload: &str) -> Taken {
        self.next_with(heading, flags, payload, Segment::default())
    }

    /// The next segment of an end, with options and window of `like`.
    pub(super) fn next_with(
        &mut self,
        heading: Heading,
        flags: u8,
        payload: &str,
        like: Segment<'_>,
    ) -> Taken {
        let (us, them) = (heading.index(), heading.opposite().index());
        let segment = Segment {
            seq: self.next[us],
            ack: if flags & ACK != 0 { self.next[them] } else { 0 },
            flags,
            window: if like.window == 0 { 8192 } else { like.window },
            payload: payload.as_bytes(),
            ..like
        };
        let uses = payload.len() as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        self.next[us] = self.next[us].wrapping_add(uses);
        self.send(heading, segment)
    }

    pub(super) fn handshake(&mut self) {
        for (heading, flags) in [(C, SYN), (S, SYN | ACK), (C, ACK)] {
            let taken = self.next(heading, flags, "");
            assert!(taken.accepted && taken.events.is_empty(), "{taken:?}");
        }
        assert!(self.session.is_established());
    }

    pub(super) fn client(&mut self, payload: &str) -> Taken {
        self.next(C, ACK, payload)
    }

    pub(super) fn server(&mut self, payload: &str) -> Taken {
        self.next(S, ACK, payload)
    }

    pub(super) fn client_ack(&mut self) -> Taken {
        self.client("")
    }

    pub(super) fn server_ack(&mut self) -> Taken {
        self.server("")
    }

    pub(super) fn client_fin(&mut self) -> Taken {
        self.next(C, FIN | ACK, "")
    }

    pub(super) fn server_fin(&mut self) -> Taken {
        self.next(S, FIN | ACK, "")
    }

    /// Gaps as `[3]`.
    fn taken(&mut self, heading: Heading, all: bool) -> String {
        let mut out = String::new();
        let half = self.session.half_mut(heading);
        half.take(&mut self.pool, all, &mut |piece| match piece {
            Piece::Data(bytes) => out.push_str(&text(bytes)),
            Piece::Gap(len) => out.push_str(&format!("[{len}]")),
        });
        out
    }

    pub(super) fn take(&mut self, heading: Heading) -> String {
        self.taken(heading, false)
    }

    pub(super) fn take_all(&mut self, heading: Heading) -> String {
        self.taken(heading, true)
    }

    /// All windows of rules, with a bar between what was inspected before and what is new.
    pub(super) fn raw(&mut self, heading: Heading, all: bool, overlap: usize) -> Vec<String> {
        let mut windows = Vec::new();
        while let Some(raw) = self.session.half(heading).raw(all, overlap) {
            let (old, new) = raw.bytes.split_at(raw.new_from);
            windows.push(format!("{}|{}", text(old), text(new)));
            let end = raw.end();
            self.session.half_mut(heading).raw_inspected(&mut self.pool, end);
        }
        windows
    }
}
