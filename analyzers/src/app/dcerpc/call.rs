//! A call: what was asked of an interface and what it answered.

use serde_json::{Map, Value, json};

use super::pdu::{self, Header, Interface, Interfaces, kind};
use crate::app::{BufferView, COMPLETE, Heading};

/// Bytes of arguments that are kept of each heading of a call.
const MAX_STUB: usize = 256 << 10;

/// Arguments or results, put together from their fragments.
#[derive(Clone, Debug, Default)]
pub(crate) struct StubData {
    kept: Vec<u8>,
    size: u64,
    fragments: u32,
    done: bool,
}

impl StubData {
    fn push(&mut self, data: &[u8], last: bool, room: usize) {
        let room = MAX_STUB.saturating_sub(self.kept.len()).min(room);
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
        self.size += data.len() as u64;
        self.fragments = self.fragments.saturating_add(1);
        self.done |= last;
    }
}

/// A call, or a bind.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) call_id: u32,
    version: (u8, u8),
    /// Kind of the request; `None` where it was not seen.
    request: Option<u8>,
    response: Option<u8>,
    opnum: Option<u16>,
    context: u16,
    stubs: [StubData; 2],
    pub(crate) interfaces: Option<Interfaces>,
    /// Those of `interfaces` that the request goes to.
    target: Vec<Interface>,
    ended: [bool; 2],
    in_pipe: bool,
    /// As the header of the first unit says.
    pub(crate) little_endian: bool,
}

impl Call {
    /// Of a request, or of a response whose request was not seen.
    pub(crate) fn new(heading: Heading, header: &Header) -> Self {
        let is_request = heading == Heading::ToServer;
        Self {
            call_id: header.call_id,
            version: header.version,
            request: is_request.then_some(header.kind),
            response: None,
            opnum: None,
            context: 0,
            stubs: Default::default(),
            interfaces: None,
            target: Vec::new(),
            ended: [!is_request, false],
            in_pipe: false,
            little_endian: header.little,
        }
    }

    /// Of what goes through a pipe of SMB.
    pub(crate) fn in_pipe(heading: Heading, header: &Header) -> Self {
        Self { in_pipe: true, ..Self::new(heading, header) }
    }

    pub(crate) const fn request(&self) -> Option<u8> {
        self.request
    }

    /// A BIND or an ALTER_CONTEXT, of which there are no fragments worth waiting for.
    pub(crate) fn bind(&mut self, interfaces: Interfaces) {
        self.interfaces = Some(interfaces);
        self.ended[0] = true;
    }

    /// A fragment of a request, of which at most `room` bytes are kept.
    pub(crate) fn ask(
        &mut self,
        header: &Header,
        body: &[u8],
        interfaces: Option<&Interfaces>,
        room: usize,
    ) {
        if self.opnum.is_none()
            && let Some(stub) = pdu::stub(header, body)
        {
            (self.opnum, self.context) = (Some(stub.opnum), stub.context);
            self.interfaces = interfaces.cloned();
            let bound = interfaces.map_or(&[][..], |interfaces| interfaces);
            let reached = |bound: &&Interface| bound.is_accepted() && bound.context == self.context;
            self.target = bound.iter().filter(reached).copied().collect();
        }
        let stub = pdu::stub(header, body).map_or(&[][..], |stub| stub.data);
        // An object's identity in front of the arguments is left in outside of pipes, as Suricata does.
        let data = if self.in_pipe { stub } else { body.get(8..).unwrap_or_default() };
        self.stubs[0].push(data, header.is_last(), room);
        self.ended[0] |= header.is_last();
    }

    /// Something else that goes to the server, of which only the kind is known.
    pub(crate) const fn mention(&mut self) {
        self.ended = [true; 2];
    }

    /// Whatever goes to the client; at most `room` bytes of it are kept.
    pub(crate) fn answer(&mut self, header: &Header, body: &[u8], room: usize) {
        self.response = Some(header.kind);
        self.ended[0] = true;
        if header.kind == kind::RESPONSE {
            let stub = pdu::stub(header, body).map_or(&[][..], |stub| stub.data);
            // Suricata's `dcerpc.stub_data` of a connection begins right behind the common header.
            let data = if self.in_pipe { stub } else { body };
            self.stubs[1].push(data, header.is_last(), room);
            self.ended[1] |= header.is_last();
        } else {
            self.ended[1] = true;
        }
    }

    /// Nothing more comes in this heading.
    pub(crate) const fn end(&mut self, heading: Heading) {
        self.ended[heading.index()] = true;
    }

    pub(crate) fn progress(&self, heading: Heading) -> u8 {
        let side = heading.index();
        let begun = self.stubs[side].fragments > 0;
        if self.ended[side] { COMPLETE } else { u8::from(begun) }
    }

    pub(crate) fn stub(&self, heading: Heading) -> Option<BufferView<'_>> {
        let side = heading.index();
        let stub = &self.stubs[side];
        let complete = stub.done || self.ended[side];
        (stub.fragments > 0).then_some(BufferView { bytes: &stub.kept, offset: 0, complete })
    }

    pub(crate) fn opnum(&self) -> Option<u16> {
        self.opnum
    }

    pub(crate) fn target(&self) -> &[Interface] {
        &self.target
    }

    /// Bytes of arguments and results that are kept.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.stubs.iter().map(|stub| stub.kept.len()).sum()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.stubs.iter().map(|stub| stub.kept.capacity()).sum::<usize>()
            + size_of_val(self.target.as_slice())
    }

    fn names(&self) -> (String, String) {
        let request = self.request.map_or_else(|| "REQUEST_LOST".to_owned(), pdu::kind_name);
        let response = self.response.map_or_else(|| "UNREPLIED".to_owned(), pdu::kind_name);
        (request, response)
    }

    fn sizes(&self, heading: Heading) -> Value {
        let stub = &self.stubs[heading.index()];
        json!({ "frag_cnt": stub.fragments, "stub_data_size": stub.size })
    }

    /// EVE's `dcerpc` of a connection.
    pub(crate) fn record(&self) -> Map<String, Value> {
        let mut record = Map::new();
        let (request, response) = self.names();
        record.insert("request".into(), request.into());
        if self.request == Some(kind::REQUEST) {
            let mut asked = json!({ "opnum": self.opnum.unwrap_or(0) });
            if let (Value::Object(asked), Value::Object(sizes)) =
                (&mut asked, self.sizes(Heading::ToServer))
            {
                asked.extend(sizes);
            }
            record.insert("req".into(), asked);
        }
        if matches!(self.request, Some(kind::REQUEST | kind::BIND)) {
            let interfaces = match self.request {
                Some(kind::REQUEST) => &self.target,
                _ => self.interfaces.as_deref().unwrap_or_default(),
            };
            if !interfaces.is_empty() {
                let all = interfaces.iter().map(|one| {
                    let mut fields = identity(one);
                    if let Some((result, _)) = one.answer {
                        fields.insert("ack_result".into(), result.into());
                    }
                    Value::Object(fields)
                });
                record.insert("interfaces".into(), all.collect());
            }
        }
        record.insert("response".into(), response.into());
        if self.response == Some(kind::RESPONSE) {
            record.insert("res".into(), self.sizes(Heading::ToClient));
        }
        record.insert("call_id".into(), self.call_id.into());
        let version = format!("{}.{}", self.version.0, self.version.1);
        record.insert("rpc_version".into(), version.into());
        record
    }

    /// The `dcerpc` in EVE's `smb`.
    pub(crate) fn record_in_pipe(&self) -> Map<String, Value> {
        let mut record = Map::new();
        let (request, response) = self.names();
        record.insert("request".into(), request.into());
        record.insert("response".into(), response.into());
        match self.request {
            Some(kind::REQUEST) => {
                record.insert("opnum".into(), self.opnum.unwrap_or(0).into());
                record.insert("req".into(), self.sizes(Heading::ToServer));
                if !self.target.is_empty() {
                    let all = self.target.iter().map(|one| Value::Object(identity(one)));
                    record.insert("interfaces".into(), all.collect());
                }
            }
            Some(kind::BIND) => {
                let all = self.interfaces.as_deref().unwrap_or_default().iter().map(|one| {
                    let mut fields = identity(one);
                    if let Some((result, reason)) = one.answer {
                        fields.insert("ack_result".into(), result.into());
                        fields.insert("ack_reason".into(), reason.into());
                    }
                    Value::Object(fields)
                });
                record.insert("interfaces".into(), all.collect());
            }
            _ => {}
        }
        if self.response == Some(kind::RESPONSE) {
            record.insert("res".into(), self.sizes(Heading::ToClient));
        }
        record.insert("call_id".into(), self.call_id.into());
        record
    }
}

fn identity(interface: &Interface) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("uuid".into(), interface.uuid_text().into());
    fields.insert("version".into(), format!("{}.{}", interface.major, interface.minor).into());
    fields
}

/// The interfaces of a bind together with what the server said to them.
pub(crate) fn answered(asked: &[Interface], answers: &[(u16, u16)]) -> Interfaces {
    let answers = answers.iter().map(Some).chain(std::iter::repeat(None));
    asked
        .iter()
        .zip(answers)
        .map(|(one, answer)| Interface { answer: answer.copied().or(one.answer), ..*one })
        .collect()
}
