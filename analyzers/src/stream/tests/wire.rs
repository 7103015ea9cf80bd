//! A connection with two ends that keep count.

use super::*;
use crate::events::Timestamp;

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

pub(super) struct Wire {
    pub(super) pool: StreamPool,
    pub(super) session: Session,
    /// Next numbers of client and server.
    pub(super) next: [u32; 2],
    pub(super) now: u64,
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Wire {
    pub(super) fn new(config: StreamConfig) -> Self {
        let mut pool = StreamPool::new(config);
        let session = Session::new(&mut pool, &Segment::default(), Heading::ToServer);
        Self { pool, session, next: [1000, 5000], now: 1_700_000_000 }
    }

    /// Any segment at all.
    pub(super) fn send(&mut self, heading: Heading, segment: Segment<'_>) -> Taken {
        let segment = Segment { now: Timestamp::from_secs(self.now), ..segment };
        self.session.segment(&mut self.pool, heading, &segment)
    }

    /// The next segment of an end.
    fn next(&mut self, heading: Heading, flags: u8, payload: &str) -> Taken {
        let (us, them) = (heading.index(), heading.opposite().index());
        let ack = if flags & ACK != 0 { self.next[them] } else { 0 };
        let segment = Segment {
            seq: self.next[us],
            ack,
            flags,
            window: 8192,
            payload: payload.as_bytes(),
            ..Segment::default()
        };
        let uses = payload.len() as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        self.next[us] = self.next[us].wrapping_add(uses);
        self.send(heading, segment)
    }

    pub(super) fn handshake(&mut self) {
        for (heading, flags) in
            [(Heading::ToServer, SYN), (Heading::ToClient, SYN | ACK), (Heading::ToServer, ACK)]
        {
            let taken = self.next(heading, flags, "");
            assert!(taken.accepted && taken.events.is_empty(), "{taken:?}");
        }
    }

    pub(super) fn client(&mut self, payload: &str) -> Taken {
        self.next(Heading::ToServer, ACK, payload)
    }

    pub(super) fn server(&mut self, payload: &str) -> Taken {
        self.next(Heading::ToClient, ACK, payload)
    }

    pub(super) fn client_ack(&mut self) -> Taken {
        self.client("")
    }

    pub(super) fn client_fin(&mut self) -> Taken {
        self.next(Heading::ToServer, FIN | ACK, "")
    }

    pub(super) fn server_fin(&mut self) -> Taken {
        self.next(Heading::ToClient, FIN | ACK, "")
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
}
