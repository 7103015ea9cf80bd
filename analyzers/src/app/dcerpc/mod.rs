//! DCE/RPC over TCP and UDP. What goes through SMB's pipes is read by the same [`pdu`] and makes the
//! same [`call`]s there.
//!
//! A transaction is a call with its answer, put together from fragments, or a bind. Answers belong to
//! the call with their number. After a gap the next thing that looks like a header is one.

mod call;
mod datagram;
mod pdu;

#[cfg(test)]
pub(crate) mod tests;

pub use datagram::DcerpcUdp;
pub use pdu::Interface;

pub(crate) use call::{Call, answered};
pub(crate) use pdu::{HEADER_LEN, Header, Interfaces, bind, bind_ack, kind};

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::{
    AppProto, Buffer, BufferView, COMPLETE, Field, Heading, ParseError, Parser, Transaction,
};
use crate::events::Timestamp;

/// Calls that are held, answered or not. Beyond that the oldest is forgotten.
const MAX_CALLS: usize = 1024;

/// Bytes of all their arguments and results that are kept.
const MAX_KEPT: usize = 1 << 20;

/// Connection-oriented DCE/RPC.
#[derive(Debug, Default)]
pub struct Dcerpc {
    streams: [Stream; 2],
    calls: VecDeque<Call>,
    first: u64,
    /// Of the latest bind and the alterations behind it.
    bound: Option<Interfaces>,
    kept: usize,
}

/// What one end says, cut into units.
#[derive(Debug, Default)]
struct Stream {
    pending: Vec<u8>,
    /// Something is missing; where the next unit begins is not known.
    lost: bool,
}

impl Stream {
    /// Where the next header begins in what is pending from `at` on.
    fn resynchronize(&mut self, at: usize) -> usize {
        let may_begin = |bytes: &[u8]| match Header::parse(bytes) {
            Some(header) => header.is_sound() && header.kind < 20 && matches!(bytes[4], 0 | 0x10),
            None => bytes.first() == Some(&5),
        };
        let len = self.pending.len();
        let begin = (at..len).find(|&at| may_begin(&self.pending[at..])).unwrap_or(len);
        self.lost = len - begin < HEADER_LEN;
        begin
    }
}

impl Dcerpc {
    /// Of a connection of which nothing was seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn unit(&mut self, heading: Heading, header: &Header, body: &[u8]) {
        match heading {
            Heading::ToServer => self.request(header, body),
            Heading::ToClient => self.answer(header, body),
        }
    }

    fn request(&mut self, header: &Header, body: &[u8]) {
        let room = MAX_KEPT.saturating_sub(self.kept);
        match header.kind {
            kind::BIND | kind::ALTER_CONTEXT => {
                let asked = bind(header, body);
                let known: &[Interface] = match (&self.bound, header.kind) {
                    (Some(bound), kind::ALTER_CONTEXT) => bound,
                    _ => &[],
                };
                // A context that is altered is the new one.
                let kept =
                    known.iter().filter(|old| asked.iter().all(|a| a.context != old.context));
                let all: Interfaces = kept.copied().chain(asked.iter().copied()).collect();
                self.bound = Some(all.clone());
                self.open(Heading::ToServer, header).bind(all);
            }
            kind::REQUEST => {
                let bound = self.bound.clone();
                let same = |call: &Call| call.request() == Some(kind::REQUEST);
                let open = |call: &Call| same(call) && call.progress(Heading::ToServer) != COMPLETE;
                let call = match self.find(header, |call| !header.is_first() && open(call)) {
                    Some(at) => &mut self.calls[at],
                    None => self.open(Heading::ToServer, header),
                };
                let before = call.kept_bytes();
                call.ask(header, body, bound.as_ref(), room);
                self.kept += call.kept_bytes() - before;
            }
            // Authentication's third leg, cancels: nobody answers them.
            _ => {}
        }
    }

    fn answer(&mut self, header: &Header, body: &[u8]) {
        let is_ack = matches!(header.kind, kind::BINDACK | kind::ALTER_CONTEXT_RESP);
        let of_call = matches!(header.kind, kind::RESPONSE | kind::FAULT);
        if !is_ack && !of_call && header.kind != kind::BINDNAK {
            return;
        }
        let answers = is_ack.then(|| bind_ack(header, body));
        let bound = self.bound.clone();
        let mut now_bound = None;
        let room = MAX_KEPT.saturating_sub(self.kept);
        let call = match self.find(header, |call| call.progress(Heading::ToClient) != COMPLETE) {
            Some(at) => &mut self.calls[at],
            None => self.open(Heading::ToClient, header),
        };
        if let (Some(answers), Some(asked)) = (answers, call.interfaces.as_ref().or(bound.as_ref()))
        {
            let missing = asked.iter().filter(|one| one.answer.is_none()).count();
            let old = asked.len() - missing;
            let skipped = asked.iter().take(old).map(|one| one.answer.unwrap_or_default());
            let all: Vec<_> = skipped.chain(answers).collect();
            let interfaces = answered(asked, &all);
            now_bound = Some(interfaces.clone());
            if call.request() == Some(kind::BIND) {
                call.interfaces = Some(interfaces);
            }
        }
        let before = call.kept_bytes();
        call.answer(header, body, room);
        self.kept += call.kept_bytes() - before;
        if now_bound.is_some() {
            self.bound = now_bound;
        }
    }

    /// The latest call of this number that is as wanted. Calls are few at a time, but attackers may leave
    /// many open, so only the latest are looked at.
    fn find(&self, header: &Header, wanted: impl Fn(&Call) -> bool) -> Option<usize> {
        const NEAR: usize = 64;
        let fits = |call: &Call| call.call_id == header.call_id && wanted(call);
        let near = self.calls.len().saturating_sub(NEAR)..self.calls.len();
        near.rev().find(|&at| fits(&self.calls[at]))
    }

    fn forget_first(&mut self) -> bool {
        let Some(call) = self.calls.pop_front() else { return false };
        self.kept = self.kept.saturating_sub(call.kept_bytes());
        self.first += 1;
        true
    }

    fn open(&mut self, heading: Heading, header: &Header) -> &mut Call {
        if self.calls.len() >= MAX_CALLS {
            self.forget_first();
        }
        self.calls.push_back(Call::new(heading, header));
        self.calls.back_mut().expect("one was pushed")
    }
}

impl Parser for Dcerpc {
    fn protocol(&self) -> AppProto {
        AppProto::Dcerpc
    }

    fn data(&mut self, heading: Heading, data: &[u8], _: Timestamp) -> Result<(), ParseError> {
        let mut stream = std::mem::take(&mut self.streams[heading.index()]);
        stream.pending.extend_from_slice(data);
        let mut at = 0;
        let result = loop {
            if stream.lost {
                at = stream.resynchronize(at);
            }
            let rest = stream.pending.get(at..).unwrap_or_default();
            let Some(header) = Header::parse(rest) else { break Ok(()) };
            if !header.is_sound() {
                break Err(ParseError { reason: "not a DCE/RPC header" });
            }
            let Some(unit) = rest.get(..usize::from(header.frag_len)) else { break Ok(()) };
            self.unit(heading, &header, unit.get(HEADER_LEN..).unwrap_or_default());
            at += unit.len();
        };
        stream.pending.drain(..at);
        self.streams[heading.index()] = stream;
        result
    }

    fn gap(&mut self, heading: Heading, _: u64, _: Timestamp) -> Result<(), ParseError> {
        let stream = &mut self.streams[heading.index()];
        stream.pending.clear();
        stream.lost = true;
        Ok(())
    }

    fn end(&mut self, heading: Heading, _: Timestamp) {
        self.streams[heading.index()].pending = Vec::new();
        self.calls.iter_mut().for_each(|call| call.end(heading));
    }

    fn first(&self) -> u64 {
        self.first
    }

    fn next(&self) -> u64 {
        self.first + self.calls.len() as u64
    }

    fn transaction(&self, number: u64) -> Option<&dyn Transaction> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.calls.get(at).map(|call| call as &dyn Transaction)
    }

    fn release(&mut self, number: u64) {
        while self.first < number && self.forget_first() {}
    }

    fn memory_bytes(&self) -> usize {
        let pending = self.streams.iter().map(|stream| stream.pending.capacity()).sum::<usize>();
        pending + self.calls.iter().map(Call::memory_bytes).sum::<usize>()
    }
}

impl Transaction for Call {
    fn progress(&self, heading: Heading) -> u8 {
        self.progress(heading)
    }

    fn stage(&self, _: Buffer, _: Heading) -> u8 {
        1
    }

    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        if buffer != Buffer::DceStubData || index > 0 {
            return None;
        }
        self.stub(heading)
    }

    fn number(&self, field: Field, _: Heading) -> Option<u64> {
        match field {
            Field::DceOpnum => self.opnum().map(u64::from),
            _ => None,
        }
    }

    fn interfaces(&self) -> &[Interface] {
        self.target()
    }

    fn is_little_endian(&self) -> bool {
        self.little_endian
    }

    fn events(&self) -> &[&'static str] {
        &[]
    }

    fn record(&self) -> Map<String, Value> {
        self.record()
    }
}
