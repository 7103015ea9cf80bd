//! Connectionless DCE/RPC: a header of 80 bytes that says everything, and arguments.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::pdu::{Integers, Interface, kind, kind_name, uuid_text};
use crate::app::{
    AppProto, Buffer, BufferView, COMPLETE, Field, Heading, ParseError, Parser, Transaction,
};
use crate::events::Timestamp;

const HEADER_LEN: usize = 80;
/// Calls that are held; beyond that the oldest is forgotten.
const MAX_CALLS: usize = 256;
/// Bytes of arguments that are kept of each heading of a call.
const MAX_STUB: usize = 64 << 10;
/// In `flags1`: it is one of several fragments, and the last of them.
const FRAGMENT: u8 = 4;
const LAST_FRAGMENT: u8 = 2;

/// DCE/RPC over UDP.
#[derive(Debug, Default)]
pub struct DcerpcUdp {
    calls: VecDeque<Exchange>,
    first: u64,
}

#[derive(Debug)]
struct Exchange {
    activity: [u8; 16],
    sequence: u32,
    interface: Interface,
    opnum: u16,
    request: Option<u8>,
    response: Option<u8>,
    stubs: [Vec<u8>; 2],
    sizes: [u64; 2],
    fragments: [u32; 2],
    ended: [bool; 2],
}

impl DcerpcUdp {
    /// Of a flow of which nothing was seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn datagram(&mut self, heading: Heading, data: &[u8]) -> Option<()> {
        let header: &[u8; HEADER_LEN] = data.first_chunk()?;
        let integers = Integers { little: header[4] & 0x10 != 0 };
        let (code, flags) = (header[1], header[2]);
        let to_server = heading == Heading::ToServer;
        // Pings, acknowledgements and the like are no calls.
        if header[0] != 4
            || !matches!((code, to_server), (kind::REQUEST, true) | (2 | 3 | 6, false))
        {
            return None;
        }
        let activity = integers.uuid(header, 40)?;
        let sequence = integers.u32(header, 64)?;
        let len = usize::from(integers.u16(header, 74)?);
        let stub = data.get(HEADER_LEN..)?;
        let stub = &stub[..stub.len().min(len)];
        let same = |call: &&mut Exchange| call.activity == activity && call.sequence == sequence;
        let call = match self.calls.iter_mut().rev().take(16).find(same) {
            Some(_) => self.calls.iter_mut().rev().take(16).find(same)?,
            None => {
                if self.calls.len() >= MAX_CALLS {
                    self.calls.pop_front();
                    self.first += 1;
                }
                self.calls.push_back(Exchange {
                    activity,
                    sequence,
                    interface: Interface {
                        uuid: integers.uuid(header, 24)?,
                        major: integers.u16(header, if integers.little { 60 } else { 62 })?,
                        minor: integers.u16(header, if integers.little { 62 } else { 60 })?,
                        context: 0,
                        answer: Some((0, 0)),
                    },
                    opnum: integers.u16(header, 68)?,
                    request: None,
                    response: None,
                    stubs: Default::default(),
                    sizes: [0; 2],
                    fragments: [0; 2],
                    ended: [!to_server, false],
                });
                self.calls.back_mut()?
            }
        };
        let side = heading.index();
        // What was whole and comes once more is a repetition.
        if call.ended[side] && call.fragments[side] > 0 {
            return Some(());
        }
        let last = flags & FRAGMENT == 0 || flags & LAST_FRAGMENT != 0;
        if to_server {
            call.request = Some(code)
        } else {
            call.response = Some(code)
        }
        let room = MAX_STUB.saturating_sub(call.stubs[side].len());
        call.stubs[side].extend_from_slice(&stub[..stub.len().min(room)]);
        call.sizes[side] += stub.len() as u64;
        call.fragments[side] = call.fragments[side].saturating_add(1);
        call.ended[side] |= last;
        call.ended[0] |= !to_server;
        Some(())
    }
}

impl Parser for DcerpcUdp {
    fn protocol(&self) -> AppProto {
        AppProto::Dcerpc
    }

    fn data(&mut self, heading: Heading, data: &[u8], _: Timestamp) -> Result<(), ParseError> {
        // What is not a call is nothing to give up the flow for.
        let _: Option<()> = self.datagram(heading, data);
        Ok(())
    }

    fn end(&mut self, heading: Heading, _: Timestamp) {
        self.calls.iter_mut().for_each(|call| call.ended[heading.index()] = true);
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
        while self.first < number && self.calls.pop_front().is_some() {
            self.first += 1;
        }
    }

    fn memory_bytes(&self) -> usize {
        let stubs =
            self.calls.iter().flat_map(|call| &call.stubs).map(Vec::capacity).sum::<usize>();
        stubs + self.calls.len() * size_of::<Exchange>()
    }
}

impl Transaction for Exchange {
    fn progress(&self, heading: Heading) -> u8 {
        let side = heading.index();
        if self.ended[side] { COMPLETE } else { u8::from(self.fragments[side] > 0) }
    }

    fn stage(&self, _: Buffer, _: Heading) -> u8 {
        1
    }

    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        let side = heading.index();
        if buffer != Buffer::DceStubData || index > 0 || self.fragments[side] == 0 {
            return None;
        }
        Some(BufferView { bytes: &self.stubs[side], offset: 0, complete: self.ended[side] })
    }

    fn number(&self, field: Field, _: Heading) -> Option<u64> {
        (field == Field::DceOpnum && self.request.is_some()).then_some(self.opnum.into())
    }

    fn interfaces(&self) -> &[Interface] {
        if self.request.is_some() { std::slice::from_ref(&self.interface) } else { &[] }
    }

    fn events(&self) -> &[&'static str] {
        &[]
    }

    fn record(&self) -> Map<String, Value> {
        let name = |code: Option<u8>, none: &str| code.map_or_else(|| none.to_owned(), kind_name);
        let sizes = |side: usize| json!({ "frag_cnt": self.fragments[side], "stub_data_size": self.sizes[side] });
        let mut record = Map::new();
        record.insert("request".into(), name(self.request, "REQUEST_LOST").into());
        if self.request.is_some() {
            let mut asked = sizes(0);
            asked["opnum"] = self.opnum.into();
            record.insert("req".into(), asked);
        }
        record.insert("response".into(), name(self.response, "UNREPLIED").into());
        if self.response == Some(kind::RESPONSE) {
            record.insert("res".into(), sizes(1));
        }
        record.insert("activityuuid".into(), uuid_text(&self.activity).into());
        record.insert("seqnum".into(), self.sequence.into());
        record.insert("rpc_version".into(), "4.0".into());
        record
    }
}
