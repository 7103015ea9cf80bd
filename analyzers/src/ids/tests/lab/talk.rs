//! Conversations: what two ends say to each other, as frames.

use super::packets::{ACK, CLIENT, FIN, Ip4, PSH, RST, SERVER, SYN, Segment};
use crate::app::Heading;
use crate::testing::{End, TestRecord};

/// 2024-05-01 12:00:00 UTC.
pub(in crate::ids::tests) const START_NS: u64 = 1_714_564_800 * SECOND;
const SECOND: u64 = 1_000_000_000;
/// Between two frames.
const STEP_NS: u64 = 1_000_000;
/// Payload of one segment, at most.
const SEGMENT: usize = 1400;

/// One frame.
pub(in crate::ids::tests) fn frame(data: Vec<u8>) -> Vec<TestRecord> {
    frames([data])
}

/// Frames, a millisecond apart.
pub(in crate::ids::tests) fn frames(frames: impl IntoIterator<Item = Vec<u8>>) -> Vec<TestRecord> {
    let times = (0..).map(|n| START_NS + n * STEP_NS);
    times.zip(frames).map(|(at, data)| TestRecord::new(at, data)).collect()
}

/// The second capture so many seconds behind the end of the first.
pub(in crate::ids::tests) fn then(
    mut first: Vec<TestRecord>,
    seconds: u64,
    second: Vec<TestRecord>,
) -> Vec<TestRecord> {
    let end = first.last().map_or(START_NS, |last| last.meta.timestamp_ns);
    let begin = second.first().map_or(START_NS, |first| first.meta.timestamp_ns);
    first.extend(second.into_iter().map(|mut record| {
        record.meta.timestamp_ns += end + seconds * SECOND + STEP_NS - begin;
        record
    }));
    first
}

/// A TCP connection in the making.
#[derive(Clone, Debug)]
pub(in crate::ids::tests) struct Talk {
    ends: [End; 2],
    seq: [u32; 2],
    now_ns: u64,
    frames: Vec<TestRecord>,
}

impl Talk {
    /// To this port of the server, shaken hands.
    pub(in crate::ids::tests) fn to(port: u16) -> Self {
        Self::between(CLIENT, (SERVER, port))
    }

    pub(in crate::ids::tests) fn between(client: End, server: End) -> Self {
        Self::silent(client, server).opened()
    }

    /// Without a frame yet.
    pub(in crate::ids::tests) fn silent(client: End, server: End) -> Self {
        let ends = [client, server];
        Self { ends, seq: [1000, 5_000_000], now_ns: START_NS, frames: Vec::new() }
    }

    fn opened(mut self) -> Self {
        self.segment(Heading::ToServer, SYN, &[2, 4, 5, 0xb4, 1, 3, 3, 7], &[]);
        self.segment(Heading::ToClient, SYN | ACK, &[2, 4, 5, 0xb4, 1, 3, 3, 7], &[]);
        self.bare(Heading::ToServer, ACK)
    }

    /// A segment without payload.
    pub(in crate::ids::tests) fn bare(mut self, heading: Heading, flags: u8) -> Self {
        self.segment(heading, flags, &[], &[]);
        self
    }

    fn segment(&mut self, heading: Heading, flags: u8, options: &[u8], payload: &[u8]) {
        let (from, to) = (heading.index(), heading.opposite().index());
        let (src, dst) = (self.ends[from], self.ends[to]);
        let ack = if flags & ACK == 0 { 0 } else { self.seq[to] };
        let segment = Segment { flags, seq: self.seq[from], ack, window: 0, options, payload };
        let data = Ip4 { src: src.0, dst: dst.0, ..Ip4::default() }.tcp((src.1, dst.1), &segment);
        self.frames.push(TestRecord::new(self.now_ns, data));
        self.now_ns += STEP_NS;
        let counts = u32::from(flags & (SYN | FIN) != 0);
        self.seq[from] = self.seq[from].wrapping_add(payload.len() as u32 + counts);
    }

    /// One segment, and no acknowledgement.
    pub(in crate::ids::tests) fn unheard(mut self, heading: Heading, payload: &[u8]) -> Self {
        self.segment(heading, PSH | ACK, &[], payload);
        self
    }

    /// In segments of at most `size` bytes, each acknowledged.
    pub(in crate::ids::tests) fn says_in(
        mut self,
        heading: Heading,
        bytes: &[u8],
        size: usize,
    ) -> Self {
        for part in bytes.chunks(size) {
            self.segment(heading, PSH | ACK, &[], part);
            self.segment(heading.opposite(), ACK, &[], &[]);
        }
        self
    }

    pub(in crate::ids::tests) fn says(self, heading: Heading, bytes: impl AsRef<[u8]>) -> Self {
        self.says_in(heading, bytes.as_ref(), SEGMENT)
    }

    pub(in crate::ids::tests) fn client(self, bytes: impl AsRef<[u8]>) -> Self {
        self.says(Heading::ToServer, bytes)
    }

    pub(in crate::ids::tests) fn server(self, bytes: impl AsRef<[u8]>) -> Self {
        self.says(Heading::ToClient, bytes)
    }

    /// Lines with `C:` before what the client says and `S:` before what the server does.
    pub(in crate::ids::tests) fn lines(mut self, said: &str) -> Self {
        for line in said.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            let (who, what) = line.split_at(2);
            let heading = Heading::to_server_if(who == "C:");
            self = self.says(heading, format!("{what}\r\n"));
        }
        self
    }

    /// Bytes that are sent and not in the capture, though acknowledged.
    pub(in crate::ids::tests) fn lost(mut self, heading: Heading, len: u32) -> Self {
        self.seq[heading.index()] = self.seq[heading.index()].wrapping_add(len);
        self.bare(heading.opposite(), ACK)
    }

    /// The frames so far; the connection stays open.
    pub(in crate::ids::tests) fn open_end(self) -> Vec<TestRecord> {
        self.frames
    }

    /// Closed by the client, then by the server.
    pub(in crate::ids::tests) fn end(self) -> Vec<TestRecord> {
        let (client, server) = (Heading::ToServer, Heading::ToClient);
        self.bare(client, FIN | ACK).bare(server, FIN | ACK).bare(client, ACK).frames
    }

    /// Closed by the end that sends in this heading, then by the other.
    pub(in crate::ids::tests) fn ended_by(self, first: Heading) -> Vec<TestRecord> {
        let then = first.opposite();
        self.bare(first, FIN | ACK).bare(then, ACK).bare(then, FIN | ACK).bare(first, ACK).frames
    }

    pub(in crate::ids::tests) fn reset(self) -> Vec<TestRecord> {
        self.bare(Heading::ToClient, RST | ACK).frames
    }
}

/// A conversation over UDP in the making.
#[derive(Clone, Debug)]
pub(in crate::ids::tests) struct Datagrams {
    ends: [End; 2],
    frames: Vec<Vec<u8>>,
}

impl Datagrams {
    pub(in crate::ids::tests) fn to(port: u16) -> Self {
        Self::between(CLIENT, (SERVER, port))
    }

    pub(in crate::ids::tests) fn between(client: End, server: End) -> Self {
        Self { ends: [client, server], frames: Vec::new() }
    }

    pub(in crate::ids::tests) fn client(self, payload: impl AsRef<[u8]>) -> Self {
        let [client, server] = self.ends;
        self.says(client, server, payload.as_ref())
    }

    pub(in crate::ids::tests) fn server(self, payload: impl AsRef<[u8]>) -> Self {
        let [client, server] = self.ends;
        self.says(server, client, payload.as_ref())
    }

    fn says(mut self, src: End, dst: End, payload: &[u8]) -> Self {
        let header = Ip4 { src: src.0, dst: dst.0, ..Ip4::default() };
        self.frames.push(header.udp((src.1, dst.1), payload));
        self
    }

    pub(in crate::ids::tests) fn end(self) -> Vec<TestRecord> {
        frames(self.frames)
    }
}
