//! DCE/RPC in named pipes: what is written is a request, what is read its answer.

use std::collections::VecDeque;

use super::names::{self, STATUS_BUFFER_OVERFLOW};
use super::state::{Head, State, event};
use super::transaction::{Fid, Kind, SmbTransaction, Status};
use crate::app::dcerpc::{Call, HEADER_LEN, Header, Interfaces, answered, bind, bind_ack, kind};
use crate::app::{COMPLETE, Heading};

/// Calls of a pipe that may still be answered.
const MAX_CALLS: usize = 32;
/// Bytes of an answer that comes in several reads.
const MAX_PARTIAL: usize = 128 << 10;
/// Units in one write or read.
const MAX_UNITS: usize = 64;

/// An open pipe.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    bound: Option<Interfaces>,
    /// Number of the call and of its transaction, latest last.
    calls: VecDeque<(u32, u64)>,
    /// The beginning of an answer, of which the server said that there is more.
    partial: Vec<u8>,
}

impl Pipe {
    pub(super) fn memory_bytes(&self) -> usize {
        self.partial.capacity() + size_of::<Self>()
    }
}

fn settle(transaction: &mut SmbTransaction) {
    if let Kind::Call(call) = &transaction.kind {
        transaction.ended = Heading::ALL.map(|heading| call.progress(heading) == COMPLETE);
    }
}

impl State {
    /// A pipe behind which DCE/RPC is known to be, by its name or by what was said.
    pub(super) fn is_rpc(&self, fid: &Fid) -> bool {
        let by_name = self.names.get(fid).is_some_and(|name| names::is_rpc_service(name));
        by_name || self.pipes.get(fid).is_some_and(|pipe| pipe.bound.is_some())
    }

    fn pipe(&mut self, fid: Fid) -> &mut Pipe {
        if self.pipes.get(&fid).is_none() {
            self.pipes.insert(fid, Pipe::default());
        }
        self.pipes.get_mut(&fid).expect("it was just put there")
    }

    /// What the client writes into a pipe.
    pub(super) fn pipe_written(&mut self, head: &Head, fid: Fid, data: &[u8]) {
        let mut rest = data;
        for _ in 0..MAX_UNITS {
            let Some(header) = Header::parse(rest) else {
                if rest.len() == data.len() {
                    self.raise(event::MALFORMED_DATA);
                }
                return;
            };
            let len = usize::from(header.frag_len).max(HEADER_LEN).min(rest.len());
            let (unit, behind) = rest.split_at(len);
            self.requested(head, fid, &header, unit.get(HEADER_LEN..).unwrap_or_default());
            if behind.is_empty() || !header.is_sound() {
                return;
            }
            rest = behind;
        }
    }

    fn requested(&mut self, head: &Head, fid: Fid, header: &Header, body: &[u8]) {
        let bound = self.pipe(fid).bound.clone();
        match header.kind {
            kind::REQUEST => {
                let known = if header.is_first() {
                    None
                } else {
                    self.find(fid, header, Heading::ToServer)
                };
                let number =
                    known.unwrap_or_else(|| self.call(head, fid, header, Heading::ToServer));
                self.with(number, |transaction, room| {
                    if let Kind::Call(call) = &mut transaction.kind {
                        call.ask(header, body, bound.as_ref(), room);
                    }
                    settle(transaction);
                });
            }
            kind::BIND | kind::ALTER_CONTEXT => {
                let asked = bind(header, body);
                let old = bound.filter(|_| header.kind == kind::ALTER_CONTEXT);
                let kept = old.iter().flat_map(|old| old.iter());
                let kept = kept.filter(|old| asked.iter().all(|new| new.context != old.context));
                let all: Interfaces = kept.copied().chain(asked.iter().copied()).collect();
                self.pipe(fid).bound = Some(all.clone());
                let number = self.call(head, fid, header, Heading::ToServer);
                self.with(number, |transaction, _| {
                    if let Kind::Call(call) = &mut transaction.kind {
                        call.bind(all);
                    }
                    settle(transaction);
                });
            }
            code => {
                let number = self.call(head, fid, header, Heading::ToServer);
                self.with(number, |transaction, _| {
                    if let Kind::Call(call) = &mut transaction.kind {
                        call.mention();
                    }
                    settle(transaction);
                    if code > 20 {
                        transaction.raise(event::MALFORMED_DATA);
                    }
                });
            }
        }
    }

    /// What the client reads from a pipe.
    pub(super) fn pipe_read(&mut self, head: &Head, fid: Fid, data: &[u8]) {
        let pipe = self.pipe(fid);
        let more_follows = head.status == Status::Nt(STATUS_BUFFER_OVERFLOW);
        let mut whole = std::mem::take(&mut pipe.partial);
        let room = MAX_PARTIAL.saturating_sub(whole.len());
        whole.extend_from_slice(data.get(..room).unwrap_or(data));
        if more_follows {
            pipe.partial = whole;
            return;
        }
        let mut rest = whole.as_slice();
        for _ in 0..MAX_UNITS {
            let Some(header) = Header::parse(rest) else { return };
            let len = usize::from(header.frag_len).max(HEADER_LEN).min(rest.len());
            let (unit, behind) = rest.split_at(len);
            self.responded(head, fid, &header, unit.get(HEADER_LEN..).unwrap_or_default());
            if behind.is_empty() || !header.is_sound() {
                return;
            }
            rest = behind;
        }
    }

    fn responded(&mut self, head: &Head, fid: Fid, header: &Header, body: &[u8]) {
        let is_ack = matches!(header.kind, kind::BINDACK | kind::ALTER_CONTEXT_RESP);
        let mut interfaces = None;
        if is_ack && let Some(asked) = self.pipe(fid).bound.clone() {
            let old = asked.iter().map_while(|one| one.answer);
            let all: Vec<_> = old.chain(bind_ack(header, body)).collect();
            interfaces = Some(answered(&asked, &all));
            self.pipe(fid).bound = interfaces.clone();
        }
        let known = self.find(fid, header, Heading::ToClient);
        let number = known.unwrap_or_else(|| self.call(head, fid, header, Heading::ToClient));
        self.with(number, |transaction, room| {
            transaction.status = Some(head.status);
            if let Kind::Call(call) = &mut transaction.kind {
                if interfaces.is_some() && call.request() == Some(kind::BIND) {
                    call.interfaces = interfaces;
                }
                call.answer(header, body, room);
            }
            settle(transaction);
        });
    }

    /// The latest call of this number that goes on in this heading.
    fn find(&mut self, fid: Fid, header: &Header, heading: Heading) -> Option<u64> {
        let pipe = self.pipes.get(&fid)?;
        let known = pipe.calls.iter().rev().filter(|(id, _)| *id == header.call_id);
        known.map(|(_, number)| *number).find(|number| {
            let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
            let transaction = at.and_then(|at| self.transactions.get(at));
            transaction.is_some_and(|transaction| !transaction.ended[heading.index()])
        })
    }

    fn call(&mut self, head: &Head, fid: Fid, header: &Header, heading: Heading) -> u64 {
        let call = Call::in_pipe(heading, header);
        let number = self.begin(head, Kind::Call(Box::new(call)));
        let pipe = self.pipe(fid);
        pipe.calls.push_back((header.call_id, number));
        if pipe.calls.len() > MAX_CALLS {
            pipe.calls.pop_front();
        }
        number
    }
}
