//! An exchange of SMB, or a file that several of them carry.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::login::Login;
use super::names;
use super::wire::{guid_text, unix_seconds};
use crate::app::dcerpc::{Call, Interface};
use crate::app::{
    Buffer, BufferView, COMPLETE, FILE_DATA_LIMIT, Field, File, FileState, Heading, Transaction,
};

/// Pieces of a file that came ahead of their turn: how many, and bytes in all.
const MAX_AHEAD: usize = 64;
const MAX_AHEAD_BYTES: usize = 256 << 10;

/// Which SMB is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Dialect {
    #[default]
    Unknown,
    /// As the client called it.
    Smb1(Arc<[u8]>),
    Smb2(u16),
}

impl Dialect {
    fn text(&self) -> String {
        match self {
            Dialect::Unknown => "unknown".to_owned(),
            Dialect::Smb1(name) => text(name),
            Dialect::Smb2(number) => names::dialect(*number).to_owned(),
        }
    }
}

/// What a response says of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Nt(u32),
    /// Class and code, of old servers.
    Dos(u8, u16),
}

impl Status {
    pub(super) const fn is_success(self) -> bool {
        matches!(self, Status::Nt(0) | Status::Dos(0, 0))
    }
}

/// A file in its session: 16 bytes in SMB 2, 2 in SMB 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fid {
    Smb1(u16),
    Smb2([u8; 16]),
}

impl Fid {
    fn text(&self) -> String {
        match self {
            Fid::Smb1(number) => format!("{number:04x}"),
            Fid::Smb2(guid) => guid_text(guid),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Negotiation {
    pub(super) dialects: Vec<Vec<u8>>,
    pub(super) numbers: Vec<u16>,
    pub(super) client_guid: Option<[u8; 16]>,
    /// `None` before there is a response, `Some(None)` where it has none.
    pub(super) server_guid: Option<[u8; 16]>,
    /// Largest read and write, bytes.
    pub(super) limits: Option<(u32, u32)>,
}

#[derive(Clone, Debug)]
pub(super) struct SessionSetup {
    pub(super) login: Login,
    /// System and software, client's and server's.
    pub(super) native: [Option<(Vec<u8>, Vec<u8>)>; 2],
}

#[derive(Clone, Debug, Default)]
pub(super) struct TreeConnect {
    pub(super) share: Vec<u8>,
    /// Once the server said so.
    pub(super) is_pipe: bool,
    /// Of SMB 1: what was asked for, and what it was.
    pub(super) service: [Option<Vec<u8>>; 2],
    /// Of SMB 2.
    pub(super) share_type: Option<u8>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Create {
    pub(super) name: Vec<u8>,
    pub(super) disposition: u32,
    pub(super) is_directory: bool,
    pub(super) deletes_on_close: bool,
    /// Created, accessed, modified, changed.
    pub(super) times: [u64; 4],
    pub(super) size: u64,
    pub(super) fid: Option<Fid>,
}

/// What of a file went one way while it was open.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    pub(super) file: File,
    fid: Fid,
    share: Vec<u8>,
    ahead: BTreeMap<u64, Vec<u8>>,
    ahead_bytes: usize,
}

impl Carried {
    pub(super) fn new(fid: Fid, name: Vec<u8>, share: Vec<u8>, heading: Heading) -> Self {
        let file = File::open(name, heading == Heading::ToServer);
        Self { file, fid, share, ahead: BTreeMap::new(), ahead_bytes: 0 }
    }

    /// Bytes that are kept.
    pub(super) fn kept_bytes(&self) -> usize {
        self.file.data.len() + self.ahead_bytes
    }

    /// A piece, of which at most `room` bytes are kept. Returns false where it lies over what was there.
    pub(super) fn piece(&mut self, offset: u64, data: &[u8], room: usize) -> bool {
        if offset > self.file.size {
            let ahead = MAX_AHEAD_BYTES.saturating_sub(self.ahead_bytes).min(room);
            if self.ahead.len() < MAX_AHEAD && data.len() <= ahead {
                self.ahead_bytes += data.len();
                if let Some(old) = self.ahead.insert(offset, data.to_vec()) {
                    self.ahead_bytes -= old.len();
                }
                return true;
            }
            // Too much of it: what is between does not come.
            self.file.lose(offset - self.file.size);
        }
        let known =
            usize::try_from(self.file.size - offset.min(self.file.size)).unwrap_or(usize::MAX);
        let new = data.get(known..).unwrap_or_default();
        self.more(new, room);
        self.drain(room);
        known == 0
    }

    /// More of the latest piece.
    pub(super) fn more(&mut self, data: &[u8], room: usize) {
        if self.file.gaps {
            self.file.size = self.file.size.saturating_add(data.len() as u64);
        } else {
            let limit = FILE_DATA_LIMIT.min(self.file.data.len().saturating_add(room));
            self.file.append(data, limit);
        }
    }

    fn drain(&mut self, room: usize) {
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.file.size {
                return;
            }
            let (offset, data) = entry.remove_entry();
            self.ahead_bytes -= data.len();
            let known = usize::try_from(self.file.size - offset).unwrap_or(usize::MAX);
            self.more(data.get(known..).unwrap_or_default(), room);
        }
    }

    pub(super) fn close(&mut self, room: usize) {
        while let Some((&offset, _)) = self.ahead.first_key_value() {
            self.file.lose(offset.saturating_sub(self.file.size));
            self.drain(room);
        }
        self.file.close();
    }

    fn memory_bytes(&self) -> usize {
        self.file.data.capacity() + self.ahead_bytes
    }
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Generic,
    Negotiation(Box<Negotiation>),
    SessionSetup(Box<SessionSetup>),
    TreeConnect(Box<TreeConnect>),
    Create(Box<Create>),
    File(Box<Carried>),
    Call(Box<Call>),
    Ioctl(u32),
    /// From, to.
    Rename(Vec<u8>, Vec<u8>, Fid),
    /// A file, and whether it is to be deleted when it is closed.
    Dispose(Vec<u8>, bool, Fid),
}

/// One exchange.
#[derive(Clone, Debug)]
pub(crate) struct SmbTransaction {
    pub(super) number: u64,
    pub(super) version: u8,
    pub(super) command: u16,
    pub(super) session: u64,
    pub(super) tree: u32,
    pub(super) status: Option<Status>,
    pub(super) dialect: Dialect,
    pub(super) kind: Kind,
    pub(super) ended: [bool; 2],
    pub(super) events: Vec<&'static str>,
}

/// Events of one transaction; each is told once.
const MAX_EVENTS: usize = 8;

impl SmbTransaction {
    pub(super) fn raise(&mut self, event: &'static str) {
        if self.events.len() < MAX_EVENTS {
            self.events.push(event);
        }
    }

    pub(super) fn end_all(&mut self) {
        self.ended = [true; 2];
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let more = match &self.kind {
            Kind::File(carried) => carried.memory_bytes(),
            Kind::Call(call) => call.memory_bytes(),
            Kind::Negotiation(negotiation) => {
                negotiation.dialects.iter().map(|name| name.len() + 24).sum()
            }
            _ => 256,
        };
        size_of::<Self>() + more
    }

    fn carried(&self, heading: Heading) -> Option<&File> {
        match &self.kind {
            Kind::File(carried) if carried.file.to_server == (heading == Heading::ToServer) => {
                Some(&carried.file)
            }
            _ => None,
        }
    }

    fn bytes(&self, buffer: Buffer, heading: Heading) -> Option<&[u8]> {
        match (&self.kind, buffer) {
            (Kind::TreeConnect(tree), Buffer::SmbNamedPipe) if tree.is_pipe => Some(&tree.share),
            (Kind::TreeConnect(tree), Buffer::SmbShare) if !tree.is_pipe => Some(&tree.share),
            (Kind::SessionSetup(setup), Buffer::SmbNtlmsspUser) => match &setup.login {
                Login::Ntlm(ntlm) => Some(&ntlm.user),
                _ => None,
            },
            (Kind::SessionSetup(setup), Buffer::SmbNtlmsspDomain) => match &setup.login {
                Login::Ntlm(ntlm) => Some(&ntlm.domain),
                _ => None,
            },
            (_, Buffer::FileName) => self.carried(heading).map(|file| file.name.as_slice()),
            _ => None,
        }
    }
}

/// As EVE has bytes that need not be text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Transaction for SmbTransaction {
    fn progress(&self, heading: Heading) -> u8 {
        if self.ended[heading.index()] {
            return COMPLETE;
        }
        match &self.kind {
            Kind::Call(call) => call.progress(heading).min(1),
            // A tree is a pipe or a share once the server said which; a file grows.
            Kind::File(_) => 1,
            _ => 0,
        }
    }

    fn stage(&self, buffer: Buffer, _: Heading) -> u8 {
        match buffer {
            Buffer::DceStubData | Buffer::FileData | Buffer::FileName => 1,
            _ => COMPLETE,
        }
    }

    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        if index > 0 {
            return None;
        }
        match (&self.kind, buffer) {
            (Kind::Call(call), Buffer::DceStubData) => call.stub(heading),
            (_, Buffer::FileData) => self.carried(heading).map(|file| BufferView {
                bytes: &file.data,
                offset: 0,
                complete: file.state != FileState::Open || file.data.len() >= FILE_DATA_LIMIT,
            }),
            _ => self.bytes(buffer, heading).map(BufferView::whole),
        }
    }

    fn number(&self, field: Field, _: Heading) -> Option<u64> {
        match (field, &self.kind) {
            (Field::SmbVersion, _) => Some(self.version.into()),
            (Field::DceOpnum, Kind::Call(call)) => call.opnum().map(u64::from),
            _ => None,
        }
    }

    fn interfaces(&self) -> &[Interface] {
        match &self.kind {
            Kind::Call(call) => call.target(),
            _ => &[],
        }
    }

    fn is_little_endian(&self) -> bool {
        match &self.kind {
            Kind::Call(call) => call.little_endian,
            _ => true,
        }
    }

    fn events(&self) -> &[&'static str] {
        &self.events
    }

    fn files(&self) -> &[File] {
        match &self.kind {
            Kind::File(carried) => std::slice::from_ref(&carried.file),
            _ => &[],
        }
    }

    fn record(&self) -> Map<String, Value> {
        let mut record = Map::new();
        let mut put = |key: &str, value: Value| {
            record.insert(key.to_owned(), value);
        };
        put("id", (self.number + 1).into());
        put("dialect", self.dialect.text().into());
        put("command", names::command(self.version, self.command).into());
        match self.status {
            Some(Status::Nt(code)) => {
                put("status", names::status(code).into());
                put("status_code", format!("{code:#x}").into());
            }
            Some(Status::Dos(class, code)) => {
                put("status", names::dos_status(class, code).into());
                put("status_code", format!("0x{code:04x}").into());
            }
            None => {}
        }
        put("session_id", self.session.into());
        put("tree_id", self.tree.into());
        match &self.kind {
            Kind::Generic => {}
            Kind::Negotiation(negotiation) => self.put_negotiation(negotiation, &mut put),
            Kind::SessionSetup(setup) => put_session_setup(setup, &mut put),
            Kind::TreeConnect(tree) => {
                put(if tree.is_pipe { "named_pipe" } else { "share" }, text(&tree.share).into());
                if self.version == 1 {
                    let mut service = Map::new();
                    for (key, name) in ["request", "response"].into_iter().zip(&tree.service) {
                        if let Some(name) = name {
                            service.insert(key.to_owned(), text(name).into());
                        }
                    }
                    put("service", Value::Object(service));
                } else if let Some(share_type) = tree.share_type {
                    let name = match share_type {
                        1 => "FILE",
                        2 => "PIPE",
                        3 => "PRINT",
                        _ => "UNKNOWN",
                    };
                    put("share_type", name.into());
                }
            }
            Kind::Create(create) => {
                let key = if create.is_directory { "directory" } else { "filename" };
                let root = create.name.is_empty();
                let name = if root { "<share_root>".to_owned() } else { text(&create.name) };
                put(key, name.into());
                put("disposition", names::disposition(create.disposition).into());
                put("access", access(create.deletes_on_close).into());
                let keys = ["created", "accessed", "modified", "changed"];
                for (key, time) in keys.into_iter().zip(create.times) {
                    put(key, unix_seconds(time).into());
                }
                put("size", create.size.into());
                put("fuid", create.fid.map_or_else(String::new, |fid| fid.text()).into());
            }
            Kind::File(carried) => {
                put("filename", text(&carried.file.name).into());
                put("share", text(&carried.share).into());
                put("fuid", carried.fid.text().into());
            }
            Kind::Call(call) => put("dcerpc", Value::Object(call.record_in_pipe())),
            Kind::Ioctl(code) => put("function", names::function(*code).into()),
            Kind::Rename(from, to, fid) => {
                put("rename", json!({ "from": text(from), "to": text(to) }));
                put("fuid", fid.text().into());
            }
            Kind::Dispose(name, deletes, fid) => {
                put("filename", text(name).into());
                put("access", access(*deletes).into());
                put("fuid", fid.text().into());
            }
        }
        record
    }
}

const fn access(deletes_on_close: bool) -> &'static str {
    if deletes_on_close { "delete on close" } else { "normal" }
}

impl SmbTransaction {
    fn put_negotiation(&self, negotiation: &Negotiation, put: &mut impl FnMut(&str, Value)) {
        let dialects = if self.version == 1 {
            negotiation.dialects.iter().map(|name| text(name).into()).collect()
        } else {
            negotiation.numbers.iter().map(|number| names::dialect(*number).into()).collect()
        };
        put("client_dialects", Value::Array(dialects));
        if let Some(guid) = &negotiation.client_guid {
            put("client_guid", guid_text(guid).into());
        }
        let server = negotiation.server_guid.as_ref().map_or_else(String::new, guid_text);
        put("server_guid", server.into());
        if let Some((read, write)) = negotiation.limits {
            put("max_read_size", read.into());
            put("max_write_size", write.into());
        }
    }
}

fn put_session_setup(setup: &SessionSetup, put: &mut impl FnMut(&str, Value)) {
    match &setup.login {
        Login::Ntlm(ntlm) => {
            let mut fields = Map::new();
            fields.insert("domain".into(), text(&ntlm.domain).into());
            fields.insert("user".into(), text(&ntlm.user).into());
            fields.insert("host".into(), text(&ntlm.host).into());
            if let Some((major, minor, build, revision)) = ntlm.version {
                let version = format!("{major}.{minor} build {build} rev {revision}");
                fields.insert("version".into(), version.into());
            }
            put("ntlmssp", Value::Object(fields));
        }
        Login::Ticket(ticket) => {
            let names: Vec<_> = ticket.service.iter().map(|name| text(name)).collect();
            put("kerberos", json!({ "realm": text(&ticket.realm), "snames": names }));
        }
        Login::Nothing | Login::Malformed => {}
    }
    for (key, native) in ["request", "response"].into_iter().zip(&setup.native) {
        if let Some((os, lan_manager)) = native {
            put(key, json!({ "native_os": text(os), "native_lm": text(lan_manager) }));
        }
    }
}
