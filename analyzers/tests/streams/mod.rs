//! Puts the streams of a capture together, naively: in order of sequence numbers, first come first
//! kept, holes at the end. Enough to feed parsers with; the product's own reassembly is elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

use umbra_analyzers::app::Heading;
use umbra_analyzers::decode::{ChecksumPolicy, Decoder, LinkType, Transport};
use umbra_analyzers::defrag::{DefragOptions, DefragOutcome, Defragmenter};
use umbra_analyzers::events::Timestamp;

use crate::captures;

pub(crate) type End = (IpAddr, u16);

/// What one end says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Bytes(Vec<u8>),
    /// So many bytes are not there.
    Gap(u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    pub(crate) tcp: bool,
    pub(crate) client: End,
    pub(crate) server: End,
    pub(crate) said: Vec<(Heading, Said, Timestamp)>,
    sides: [Side; 2],
    closed: bool,
}

#[derive(Clone, Debug, Default)]
struct Side {
    next: Option<u32>,
    waiting: BTreeMap<u32, Vec<u8>>,
    last: Timestamp,
}

impl Conversation {
    fn new(tcp: bool, client: End, server: End) -> Self {
        let sides = [Side::default(), Side::default()];
        Self { tcp, client, server, said: Vec::new(), sides, closed: false }
    }

    fn segment(&mut self, heading: Heading, seq: u32, payload: &[u8], now: Timestamp) {
        let side = &mut self.sides[heading.index()];
        side.last = now;
        let next = side.next.unwrap_or(seq);
        side.next = Some(next);
        let ahead = seq.wrapping_sub(next);
        if payload.is_empty() || (ahead > 1 << 26 && ahead < u32::MAX - (1 << 20)) {
            return;
        }
        if ahead == 0 || ahead > 1 << 31 {
            self.take(heading, seq, payload, now);
            self.drain(heading, now);
        } else {
            side.waiting.entry(ahead.wrapping_add(next)).or_insert_with(|| payload.to_vec());
        }
    }

    fn take(&mut self, heading: Heading, seq: u32, payload: &[u8], now: Timestamp) {
        let side = &mut self.sides[heading.index()];
        let next = side.next.unwrap_or(seq);
        let known = next.wrapping_sub(seq) as usize;
        if let Some(new @ [_, ..]) = payload.get(known..) {
            side.next = Some(next.wrapping_add(new.len() as u32));
            self.said.push((heading, Said::Bytes(new.to_vec()), now));
        }
    }

    fn drain(&mut self, heading: Heading, now: Timestamp) {
        loop {
            let side = &mut self.sides[heading.index()];
            let next = side.next.unwrap_or(0);
            let ready = |seq: &u32| next.wrapping_sub(*seq) < 1 << 31;
            let Some(seq) = side.waiting.keys().copied().find(ready) else { return };
            let payload = side.waiting.remove(&seq).unwrap_or_default();
            self.take(heading, seq, &payload, now);
        }
    }

    fn finish(&mut self) {
        for heading in Heading::ALL {
            loop {
                let side = &mut self.sides[heading.index()];
                let (now, next) = (side.last, side.next.unwrap_or(0));
                let nearest = side.waiting.keys().copied().min_by_key(|seq| seq.wrapping_sub(next));
                let Some(seq) = nearest else { break };
                side.next = Some(seq);
                self.said.push((heading, Said::Gap(u64::from(seq.wrapping_sub(next))), now));
                self.drain(heading, now);
            }
        }
    }
}

/// TCP connections whose beginning is there, and conversations over UDP, in order of their beginning.
pub(crate) fn conversations(path: &Path) -> Vec<Conversation> {
    let mut decoder = Decoder::default();
    decoder.set_checksums(ChecksumPolicy::None);
    let mut defragmenter = Defragmenter::new(DefragOptions::default());
    let mut found = Found::default();
    for frame in captures::frames(path) {
        let link = LinkType::from_dlt(frame.link);
        let now = Timestamp(frame.time_ns);
        let decoded = decoder.decode(&frame.data, frame.frame_len, link);
        match defragmenter.push(&decoded, frame.time_ns).outcome {
            DefragOutcome::NotFragment => found.packet(&decoded, now),
            DefragOutcome::Complete(whole) => {
                let decoded = decoder.decode_ip(&whole.datagram);
                found.packet(&decoded, now);
            }
            _ => {}
        }
    }
    found.all.iter_mut().for_each(Conversation::finish);
    found.all
}

#[derive(Default)]
struct Found {
    all: Vec<Conversation>,
    index: HashMap<(bool, End, End), usize>,
}

impl Found {
    fn packet(&mut self, decoded: &umbra_analyzers::decode::Decoded<'_>, now: Timestamp) {
        let (Some(ip), Some((src_port, dst_port))) = (decoded.ip, decoded.ports()) else { return };
        let (src, dst) = ((ip.src, src_port), (ip.dst, dst_port));
        let (a, b) = (src.min(dst), src.max(dst));
        match decoded.transport {
            Transport::Tcp(tcp) => {
                let (fin, syn, rst, ack) = (
                    tcp.flags & 1 != 0,
                    tcp.flags & 2 != 0,
                    tcp.flags & 4 != 0,
                    tcp.flags & 16 != 0,
                );
                let key = (true, a, b);
                if syn && !ack {
                    let old = self.index.get(&key).map(|&at| &self.all[at]);
                    if old.is_none_or(|old| old.closed) {
                        self.index.insert(key, self.all.len());
                        self.all.push(Conversation::new(true, src, dst));
                    }
                }
                let Some(&at) = self.index.get(&key) else { return };
                let conversation = &mut self.all[at];
                let heading = Heading::to_server_if(conversation.client == src);
                if syn {
                    let side = &mut conversation.sides[heading.index()];
                    side.next.get_or_insert(tcp.seq.wrapping_add(1));
                } else {
                    conversation.segment(heading, tcp.seq, decoded.payload, now);
                }
                conversation.closed |= fin || rst;
            }
            Transport::Udp(_) => {
                let at = *self.index.entry((false, a, b)).or_insert_with(|| {
                    self.all.push(Conversation::new(false, src, dst));
                    self.all.len() - 1
                });
                let conversation = &mut self.all[at];
                let heading = Heading::to_server_if(conversation.client == src);
                conversation.said.push((heading, Said::Bytes(decoded.payload.to_vec()), now));
            }
            _ => {}
        }
    }
}
