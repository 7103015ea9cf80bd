//! SMB 2 and 3: records of a message, one behind the other.

use super::login::{self, Login};
use super::names::{self, STATUS_BUFFER_OVERFLOW, STATUS_PENDING, smb2};
use super::state::{Head, Pending, State, Tree, event};
use super::transaction::{
    Create, Dialect, Fid, Kind, Negotiation, SessionSetup, Status, TreeConnect,
};
use super::wire::{Reader, narrow};
use crate::app::Heading;

const HEADER_LEN: usize = 64;
/// Records of one message.
const MAX_RECORDS: usize = 256;
/// Dialects of one negotiation that are kept.
const MAX_DIALECTS: usize = 64;

/// Of a message that begins with this version's signature. `missing` bytes of it are yet to come; returned
/// is the file to which they belong.
pub(super) fn message(
    state: &mut State,
    heading: Heading,
    message: &[u8],
    missing: u64,
) -> Option<u64> {
    let mut rest = message;
    for _ in 0..MAX_RECORDS {
        let Some((head, is_response, next)) = header(rest) else {
            if missing == 0 {
                state.raise(event::MALFORMED_DATA);
            }
            return None;
        };
        let is_last = next < HEADER_LEN || next >= rest.len();
        let record = if is_last { rest } else { &rest[..next] };
        let missing = if is_last { missing } else { 0 };
        let sink = match (heading, is_response) {
            (Heading::ToServer, false) => request(state, &head, record, missing),
            (Heading::ToClient, true) => response(state, &head, record, missing),
            (Heading::ToServer, true) => {
                state.raise(event::RESPONSE_TO_SERVER);
                None
            }
            (Heading::ToClient, false) => {
                state.raise(event::REQUEST_TO_CLIENT);
                None
            }
        };
        if is_last {
            return sink;
        }
        rest = &rest[next..];
    }
    None
}

/// The header, whether it is a response's, and where the next record is.
fn header(record: &[u8]) -> Option<(Head, bool, usize)> {
    const RESPONSE: u32 = 1;
    const ASYNCHRONOUS: u32 = 2;
    let mut fields = Reader::at(record, 4);
    if record.len() < HEADER_LEN || !record.starts_with(b"\xfeSMB") || fields.u16()? != 64 {
        return None;
    }
    let _credit_charge = fields.u16()?;
    let status = fields.u32()?;
    let command = fields.u16()?;
    let _credits = fields.u16()?;
    let flags = fields.u32()?;
    let next = fields.u32()?;
    let message = fields.u64()?;
    let (_process, tree) = (fields.u32()?, fields.u32()?);
    let session = fields.u64()?;
    let tree = if flags & ASYNCHRONOUS != 0 { 0 } else { tree };
    let status = Status::Nt(status);
    let head = Head { version: 2, command, session, tree, message, status };
    Some((head, flags & RESPONSE != 0, usize::try_from(next).ok()?))
}

fn at(record: &[u8], offset: u32, len: u32) -> Option<&[u8]> {
    record.get(usize::try_from(offset).ok()?..)?.get(..usize::try_from(len).ok()?)
}

/// What there is of what should be at `offset`.
fn some_at(record: &[u8], offset: u32, len: u32) -> &[u8] {
    Reader::at(record, offset as usize).up_to(len as usize)
}

fn request(state: &mut State, head: &Head, record: &[u8], missing: u64) -> Option<u64> {
    let mut body = Reader::at(record, HEADER_LEN);
    let mut sink = None;
    let understood = match head.command {
        smb2::NEGOTIATE => negotiation(state, head, &mut body),
        smb2::SESSION_SETUP => session_setup(state, head, record, &mut body),
        smb2::TREE_CONNECT => tree_connect(state, head, record, &mut body),
        smb2::CREATE => create(state, head, record, &mut body),
        smb2::CLOSE => close(state, head, &mut body),
        smb2::READ => read(state, head, &mut body),
        smb2::WRITE => write(state, head, record, &mut body, missing, &mut sink),
        smb2::IOCTL => ioctl(state, head, record, &mut body),
        smb2::SET_INFO => set_info(state, head, record, &mut body),
        smb2::GET_INFO => Some(()),
        smb2::CANCEL => {
            let number = state.begin(head, Kind::Generic);
            state.with(number, |transaction, _| transaction.end_all());
            Some(())
        }
        _ => {
            state.ask(head, Kind::Generic);
            Some(())
        }
    };
    if understood.is_none() && missing == 0 {
        state.ask(head, Kind::Generic);
        state.raise(event::MALFORMED_DATA);
    }
    sink
}

fn negotiation(state: &mut State, head: &Head, body: &mut Reader<'_>) -> Option<()> {
    let _size = body.u16()?;
    let count = body.u16()?;
    body.take(8)?;
    let client_guid = body.guid()?;
    body.take(8)?;
    let mut numbers = Vec::new();
    for _ in 0..usize::from(count).min(MAX_DIALECTS) {
        numbers.push(body.u16()?);
    }
    let negotiation =
        Negotiation { numbers, client_guid: Some(client_guid), ..Negotiation::default() };
    state.ask(head, Kind::Negotiation(Box::new(negotiation)));
    Some(())
}

fn session_setup(
    state: &mut State,
    head: &Head,
    record: &[u8],
    body: &mut Reader<'_>,
) -> Option<()> {
    body.take(12)?;
    let (offset, len) = (body.u16()?, body.u16()?);
    let login = login::login(some_at(record, offset.into(), len.into()));
    let malformed = login == Login::Malformed;
    let setup = SessionSetup { login, native: [None, None] };
    state.ask(head, Kind::SessionSetup(Box::new(setup)));
    if malformed {
        state.raise(event::MALFORMED_NTLMSSP);
    }
    Some(())
}

fn tree_connect(
    state: &mut State,
    head: &Head,
    record: &[u8],
    body: &mut Reader<'_>,
) -> Option<()> {
    body.take(4)?;
    let (offset, len) = (body.u16()?, body.u16()?);
    let share = narrow(at(record, offset.into(), len.into())?, true);
    let tree = TreeConnect { share, ..TreeConnect::default() };
    state.ask(head, Kind::TreeConnect(Box::new(tree)));
    Some(())
}

fn create(state: &mut State, head: &Head, record: &[u8], body: &mut Reader<'_>) -> Option<()> {
    const DIRECTORY: u32 = 1;
    const DELETE_ON_CLOSE: u32 = 0x1000;
    body.take(36)?;
    let (disposition, options) = (body.u32()?, body.u32()?);
    let (offset, len) = (body.u16()?, body.u16()?);
    let name = narrow(some_at(record, offset.into(), len.into()), true);
    let create = Create {
        name: name.clone(),
        disposition,
        is_directory: options & DIRECTORY != 0,
        deletes_on_close: options & DELETE_ON_CLOSE != 0,
        ..Create::default()
    };
    let number = state.ask(head, Kind::Create(Box::new(create)));
    state.expect(head, Pending { transaction: Some(number), name, ..Pending::default() });
    Some(())
}

fn fid(body: &mut Reader<'_>) -> Option<Fid> {
    body.guid().map(Fid::Smb2)
}

fn close(state: &mut State, head: &Head, body: &mut Reader<'_>) -> Option<()> {
    body.take(8)?;
    let fid = fid(body)?;
    state.close(fid, Heading::ToServer);
    let number = state.ask(head, Kind::Generic);
    state.expect(head, Pending { transaction: Some(number), fid: Some(fid), ..Pending::default() });
    Some(())
}

fn read(state: &mut State, head: &Head, body: &mut Reader<'_>) -> Option<()> {
    body.take(8)?;
    let offset = body.u64()?;
    let fid = fid(body)?;
    state.expect(head, Pending { fid: Some(fid), offset, ..Pending::default() });
    Some(())
}

fn write(
    state: &mut State,
    head: &Head,
    record: &[u8],
    body: &mut Reader<'_>,
    missing: u64,
    sink: &mut Option<u64>,
) -> Option<()> {
    let _size = body.u16()?;
    let (at, len, offset) = (body.u16()?, body.u32()?, body.u64()?);
    let fid = fid(body)?;
    let data = some_at(record, at.into(), len);
    if state.is_pipe(head, &fid) {
        state.pipe_written(head, fid, data);
        return Some(());
    }
    let number = state.carry(head, Heading::ToServer, fid, offset, data);
    state.expect(head, Pending { transaction: Some(number), ..Pending::default() });
    *sink = (missing > 0).then_some(number);
    Some(())
}

fn ioctl(state: &mut State, head: &Head, record: &[u8], body: &mut Reader<'_>) -> Option<()> {
    body.take(4)?;
    let code = body.u32()?;
    let fid = fid(body)?;
    let (offset, len) = (body.u32()?, body.u32()?);
    if code == names::FSCTL_PIPE_TRANSCEIVE && state.is_rpc(&fid) {
        state.pipe_written(head, fid, some_at(record, offset, len));
        state.expect(head, Pending { fid: Some(fid), ..Pending::default() });
    } else {
        state.ask(head, Kind::Ioctl(code));
    }
    Some(())
}

fn set_info(state: &mut State, head: &Head, record: &[u8], body: &mut Reader<'_>) -> Option<()> {
    const FILE: u8 = 1;
    const RENAME: u8 = 10;
    const DISPOSITION: u8 = 13;
    body.take(2)?;
    let (class, level, len, offset) = (body.u8()?, body.u8()?, body.u32()?, body.u16()?);
    body.take(6)?;
    let fid = fid(body)?;
    let data = some_at(record, offset.into(), len);
    match (class, level) {
        (FILE, RENAME) => {
            let mut info = Reader::at(data, 16);
            let len = info.u32()?;
            let to = narrow(info.up_to(len as usize), true);
            let from = state.name(&fid);
            state.ask(head, Kind::Rename(from, to, fid));
        }
        (FILE, DISPOSITION) => {
            let deletes = data.first().is_some_and(|first| *first != 0);
            let name = state.name(&fid);
            state.ask(head, Kind::Dispose(name, deletes, fid));
        }
        _ => {}
    }
    Some(())
}

fn response(state: &mut State, head: &Head, record: &[u8], missing: u64) -> Option<u64> {
    if head.status == Status::Nt(STATUS_PENDING) {
        state.postponed(head);
        return None;
    }
    let mut body = Reader::at(record, HEADER_LEN);
    // A client that also offered SMB 1 asked with that, and this command has the same name there.
    let mut pending = state.answered(head);
    if pending.is_none() && head.command == smb2::NEGOTIATE {
        let first = Head { command: names::smb1::NEGOTIATE.into(), message: u64::MAX, ..*head };
        pending = state.answered(&first);
    }
    let success = head.status.is_success();
    let overflow = head.status == Status::Nt(STATUS_BUFFER_OVERFLOW);
    let number = pending.as_ref().and_then(|pending| pending.transaction);
    match head.command {
        smb2::NEGOTIATE if success => {
            negotiated(state, number, &mut body);
            None
        }
        smb2::TREE_CONNECT if success => {
            tree_connected(state, head, number?, &mut body);
            None
        }
        smb2::TREE_DISCONNECT => {
            state.disconnect_tree(head);
            None
        }
        smb2::CREATE if success => {
            created(state, number?, pending?.name, &mut body);
            None
        }
        smb2::CLOSE => {
            if let Some(fid) = pending?.fid {
                state.close(fid, Heading::ToClient);
            }
            None
        }
        smb2::READ if success || overflow => {
            let pending = pending?;
            was_read(state, head, record, &mut body, pending.fid?, pending.offset, missing)
        }
        smb2::IOCTL if success || overflow => {
            let fid = pending?.fid?;
            body.take(32)?;
            let (offset, len) = (body.u32()?, body.u32()?);
            state.pipe_read(head, fid, some_at(record, offset, len));
            None
        }
        _ => None,
    }
}

fn negotiated(state: &mut State, number: Option<u64>, body: &mut Reader<'_>) -> Option<()> {
    body.take(4)?;
    let dialect = body.u16()?;
    body.take(2)?;
    let guid = body.guid()?;
    body.take(8)?;
    let limits = (body.u32()?, body.u32()?);
    state.dialect = Dialect::Smb2(dialect);
    let known = state.dialect.clone();
    state.with(number?, |transaction, _| {
        transaction.dialect = known;
        if let Kind::Negotiation(negotiation) = &mut transaction.kind {
            negotiation.server_guid = Some(guid);
            negotiation.limits = Some(limits);
        }
    });
    Some(())
}

fn tree_connected(
    state: &mut State,
    head: &Head,
    number: u64,
    body: &mut Reader<'_>,
) -> Option<()> {
    const PIPE: u8 = 2;
    let _size = body.u16()?;
    let share_type = body.u8()?;
    let is_pipe = share_type == PIPE;
    let share = state.with(number, |transaction, _| match &mut transaction.kind {
        Kind::TreeConnect(tree) => {
            tree.is_pipe = is_pipe;
            tree.share_type = Some(share_type);
            tree.share.clone()
        }
        _ => Vec::new(),
    });
    state.connect_tree(head, Tree { share: share.unwrap_or_default(), is_pipe });
    Some(())
}

fn created(state: &mut State, number: u64, name: Vec<u8>, body: &mut Reader<'_>) -> Option<()> {
    body.take(8)?;
    let times = [body.u64()?, body.u64()?, body.u64()?, body.u64()?];
    let _allocated = body.u64()?;
    let size = body.u64()?;
    body.take(8)?;
    let fid = fid(body)?;
    state.is_named(fid, name);
    state.with(number, |transaction, _| {
        if let Kind::Create(create) = &mut transaction.kind {
            (create.times, create.size, create.fid) = (times, size, Some(fid));
        }
    });
    Some(())
}

fn was_read(
    state: &mut State,
    head: &Head,
    record: &[u8],
    body: &mut Reader<'_>,
    fid: Fid,
    offset: u64,
    missing: u64,
) -> Option<u64> {
    let _size = body.u16()?;
    let (at, _, len) = (body.u8()?, body.u8()?, body.u32()?);
    let data = some_at(record, at.into(), len);
    if state.is_pipe(head, &fid) {
        state.pipe_read(head, fid, data);
        return None;
    }
    let number = state.carry(head, Heading::ToClient, fid, offset, data);
    state.with(number, |transaction, _| transaction.status = Some(head.status));
    (missing > 0).then_some(number)
}
