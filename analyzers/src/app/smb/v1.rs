//! SMB 1: a header and commands behind it, chained where they may be.

use std::sync::Arc;

use super::login::{self, Login};
use super::names::{self, smb1};
use super::state::{Head, Pending, State, Tree, event};
use super::transaction::{
    Create, Dialect, Fid, Kind, Negotiation, SessionSetup, Status, TreeConnect,
};
use super::wire::Reader;
use crate::app::Heading;

const HEADER_LEN: usize = 32;
/// Commands in one message.
const MAX_CHAIN: usize = 8;
/// Dialects of one negotiation that are kept, and bytes of each.
const MAX_DIALECTS: usize = 64;
const MAX_DIALECT_LEN: usize = 128;
/// The number under which a negotiation is expected to be answered, by whichever version.
const NEGOTIATION: u64 = u64::MAX;

/// What all of a message's commands share.
#[derive(Clone, Copy, Debug)]
struct Message<'a> {
    head: Head,
    unicode: bool,
    record: &'a [u8],
    /// Bytes of it that are yet to come.
    missing: u64,
}

/// One command: its words, its bytes, and where those bytes begin in the message.
#[derive(Clone, Copy, Debug)]
struct Block<'a> {
    words: &'a [u8],
    bytes: &'a [u8],
    bytes_at: usize,
}

impl<'a> Block<'a> {
    fn parse(record: &'a [u8], at: usize) -> Option<Self> {
        let mut fields = Reader::at(record, at);
        let count = fields.u8()?;
        let words = fields.take(2 * usize::from(count))?;
        let len = fields.u16().unwrap_or(0);
        let bytes = fields.up_to(len.into());
        Some(Self { words, bytes, bytes_at: at + 3 + words.len() })
    }

    const fn word_count(&self) -> usize {
        self.words.len() / 2
    }

    /// The bytes from `skip` on; wide characters begin at an even place of the message.
    fn text(&self, skip: usize, unicode: bool) -> Reader<'a> {
        let pad = usize::from(unicode && (self.bytes_at + skip) % 2 == 1);
        Reader::at(self.bytes, skip + pad)
    }
}

/// Whether another command may be chained behind.
const fn is_chained(command: u8) -> bool {
    matches!(command, 0x24 | 0x2d | 0x2e | 0x2f | 0x73 | 0x74 | 0x75 | 0xa2)
}

/// Of a message that begins with this version's signature. `missing` bytes of it are yet to come; returned
/// is the file to which they belong.
pub(super) fn message(
    state: &mut State,
    heading: Heading,
    record: &[u8],
    missing: u64,
) -> Option<u64> {
    const RESPONSE: u8 = 0x80;
    let Some((mut message, flags)) = header(record, missing) else {
        if missing == 0 {
            state.raise(event::MALFORMED_DATA);
        }
        return None;
    };
    let is_response = flags & RESPONSE != 0;
    match (heading, is_response) {
        (Heading::ToServer, true) => {
            state.raise(event::RESPONSE_TO_SERVER);
            return None;
        }
        (Heading::ToClient, false) => {
            state.raise(event::REQUEST_TO_CLIENT);
            return None;
        }
        _ => {}
    }
    let mut at = HEADER_LEN;
    let mut sink = None;
    for _ in 0..MAX_CHAIN {
        let command = message.head.command as u8;
        let Some(block) = Block::parse(record, at) else {
            if missing == 0 {
                // Some servers leave out everything when there was an error.
                if is_response {
                    state.answered(&message.head)
                } else {
                    None
                };
                state.raise(event::MALFORMED_DATA);
            }
            return sink;
        };
        let new = match is_response {
            false => request(state, &message, command, &block),
            true => response(state, &message, command, &block),
        };
        sink = new.or(sink);
        let next = (block.words.first(), Reader::at(block.words, 2).u16());
        match next {
            (Some(&next), Some(offset))
                if is_chained(command) && next != 0xff && usize::from(offset) > at =>
            {
                message.head.command = next.into();
                at = offset.into();
            }
            _ => return sink,
        }
    }
    sink
}

fn header(record: &[u8], missing: u64) -> Option<(Message<'_>, u8)> {
    const UNICODE: u16 = 0x8000;
    const NT_STATUS: u16 = 0x4000;
    let mut fields = Reader::at(record, 4);
    if record.len() < HEADER_LEN {
        return None;
    }
    let command = fields.u8()?;
    let code = fields.u32()?;
    let flags = fields.u8()?;
    let flags2 = fields.u16()?;
    let process_high = fields.u16()?;
    fields.take(10)?;
    let (tree, process, user, multiplex) =
        (fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?);
    let status = if flags2 & NT_STATUS != 0 {
        Status::Nt(code)
    } else {
        Status::Dos(code as u8, (code >> 16) as u16)
    };
    let message = u64::from(process_high) << 32 | u64::from(process) << 16 | u64::from(multiplex);
    let head = Head {
        version: 1,
        command: command.into(),
        session: user.into(),
        tree: tree.into(),
        message: if command == smb1::NEGOTIATE { NEGOTIATION } else { message },
        status,
    };
    Some((Message { head, unicode: flags2 & UNICODE != 0, record, missing }, flags))
}

fn request(
    state: &mut State,
    message: &Message<'_>,
    command: u8,
    block: &Block<'_>,
) -> Option<u64> {
    let mut sink = None;
    let head = &message.head;
    let understood = match command {
        smb1::NEGOTIATE => negotiation(state, head, block),
        smb1::SESSION_SETUP_ANDX => session_setup(state, message, block),
        smb1::TREE_CONNECT_ANDX => tree_connect(state, message, block),
        smb1::NT_CREATE_ANDX => create(state, message, block),
        smb1::CLOSE => close(state, head, block),
        smb1::READ_ANDX => read(state, head, block),
        smb1::WRITE_ANDX => write(state, message, block, &mut sink),
        smb1::TRANS => transact(state, message, block),
        smb1::TRANS2 => Some(()),
        _ => {
            state.ask(head, Kind::Generic);
            Some(())
        }
    };
    if understood.is_none() && message.missing == 0 {
        state.ask(head, Kind::Generic);
        state.raise(event::MALFORMED_DATA);
    }
    sink
}

fn negotiation(state: &mut State, head: &Head, block: &Block<'_>) -> Option<()> {
    const DIALECT: u8 = 2;
    let mut bytes = Reader::new(block.bytes);
    let mut dialects = Vec::new();
    let mut malformed = false;
    while !bytes.rest().is_empty() && dialects.len() < MAX_DIALECTS {
        if bytes.u8() != Some(DIALECT) || !bytes.rest().contains(&0) {
            malformed = true;
            break;
        }
        let mut name = bytes.string(false);
        name.truncate(MAX_DIALECT_LEN);
        dialects.push(name);
    }
    let negotiation = Negotiation { dialects, ..Negotiation::default() };
    state.ask(head, Kind::Negotiation(Box::new(negotiation)));
    if malformed {
        state.raise(event::MALFORMED_DIALECTS);
    }
    Some(())
}

/// Names of a system and its software.
fn native(mut text: Reader<'_>, unicode: bool) -> Option<(Vec<u8>, Vec<u8>)> {
    Some((text.string(unicode), text.string(unicode)))
}

fn session_setup(state: &mut State, message: &Message<'_>, block: &Block<'_>) -> Option<()> {
    let mut words = Reader::at(block.words, 14);
    let mut setup = SessionSetup { login: Login::Nothing, native: [None, None] };
    match block.word_count() {
        12 => {
            let len = usize::from(words.u16()?);
            setup.login = login::login(Reader::new(block.bytes).up_to(len));
            setup.native[0] = native(block.text(len, message.unicode), message.unicode);
        }
        13 => {
            let len = usize::from(words.u16()?) + usize::from(words.u16()?);
            let mut text = block.text(len, message.unicode);
            let (user, domain) = (text.string(message.unicode), text.string(message.unicode));
            let ntlm = login::Ntlm { domain, user, ..login::Ntlm::default() };
            setup.login = Login::Ntlm(ntlm);
            setup.native[0] = native(text, message.unicode);
        }
        10 => {}
        _ => return None,
    }
    let malformed = setup.login == Login::Malformed;
    state.ask(&message.head, Kind::SessionSetup(Box::new(setup)));
    if malformed {
        state.raise(event::MALFORMED_NTLMSSP);
    }
    Some(())
}

fn tree_connect(state: &mut State, message: &Message<'_>, block: &Block<'_>) -> Option<()> {
    let password_len = usize::from(Reader::at(block.words, 6).u16()?);
    let mut text = block.text(password_len, message.unicode);
    let path = text.string(message.unicode);
    // Suricata leaves the first of the two backslashes out here.
    let share = path.strip_prefix(b"\\").map_or_else(|| path.clone(), <[u8]>::to_vec);
    let service = text.string(false);
    let tree = TreeConnect { share, service: [Some(service), None], ..TreeConnect::default() };
    state.ask(&message.head, Kind::TreeConnect(Box::new(tree)));
    Some(())
}

fn create(state: &mut State, message: &Message<'_>, block: &Block<'_>) -> Option<()> {
    const DIRECTORY: u32 = 1;
    const DELETE_ON_CLOSE: u32 = 0x1000;
    let mut words = Reader::at(block.words, 5);
    let name_len = usize::from(words.u16()?);
    words.take(28)?;
    let (disposition, options) = (words.u32()?, words.u32()?);
    let mut name = block.text(0, message.unicode);
    let name = Reader::new(name.up_to(name_len)).string(message.unicode);
    let create = Create {
        name: name.clone(),
        disposition,
        is_directory: options & DIRECTORY != 0,
        deletes_on_close: options & DELETE_ON_CLOSE != 0,
        ..Create::default()
    };
    let number = state.ask(&message.head, Kind::Create(Box::new(create)));
    let pending = Pending { transaction: Some(number), name, ..Pending::default() };
    state.expect(&message.head, pending);
    Some(())
}

fn close(state: &mut State, head: &Head, block: &Block<'_>) -> Option<()> {
    let fid = Fid::Smb1(Reader::new(block.words).u16()?);
    state.close(fid, Heading::ToServer);
    let number = state.ask(head, Kind::Generic);
    state.expect(head, Pending { transaction: Some(number), fid: Some(fid), ..Pending::default() });
    Some(())
}

fn read(state: &mut State, head: &Head, block: &Block<'_>) -> Option<()> {
    let mut words = Reader::at(block.words, 4);
    let fid = Fid::Smb1(words.u16()?);
    let mut offset = u64::from(words.u32()?);
    if block.word_count() == 12 {
        offset |= u64::from(Reader::at(block.words, 20).u32()?) << 32;
    }
    state.expect(head, Pending { fid: Some(fid), offset, ..Pending::default() });
    Some(())
}

fn write(
    state: &mut State,
    message: &Message<'_>,
    block: &Block<'_>,
    sink: &mut Option<u64>,
) -> Option<()> {
    let mut words = Reader::at(block.words, 4);
    let fid = Fid::Smb1(words.u16()?);
    let mut offset = u64::from(words.u32()?);
    words.take(8)?;
    let (len_high, len, at) = (words.u16()?, words.u16()?, words.u16()?);
    if block.word_count() == 14 {
        offset |= u64::from(words.u32()?) << 32;
    }
    let len = usize::from(len_high) << 16 | usize::from(len);
    let data = Reader::at(message.record, at.into()).up_to(len);
    if state.is_pipe(&message.head, &fid) {
        state.pipe_written(&message.head, fid, data);
        return Some(());
    }
    let number = state.carry(&message.head, Heading::ToServer, fid, offset, data);
    *sink = (message.missing > 0).then_some(number);
    Some(())
}

/// Only what goes through a pipe and is answered through it is looked at.
fn transact(state: &mut State, message: &Message<'_>, block: &Block<'_>) -> Option<()> {
    const TRANSACT: u16 = 0x26;
    let mut words = Reader::at(block.words, 22);
    let (len, at) = (words.u16()?, words.u16()?);
    let setup_count = words.u8()?;
    words.take(1)?;
    if setup_count < 2 || words.u16()? != TRANSACT {
        return Some(());
    }
    let fid = Fid::Smb1(words.u16()?);
    let data = Reader::at(message.record, at.into()).up_to(len.into());
    let name = block.text(0, message.unicode).string(message.unicode);
    if name.get(..6).is_some_and(|begin| begin.eq_ignore_ascii_case(b"\\PIPE\\")) {
        state.pipe_written(&message.head, fid, data);
        state.expect(&message.head, Pending { fid: Some(fid), ..Pending::default() });
    }
    Some(())
}

fn response(
    state: &mut State,
    message: &Message<'_>,
    command: u8,
    block: &Block<'_>,
) -> Option<u64> {
    let head = &message.head;
    let pending = state.answered(head)?;
    let number = pending.transaction;
    let overflow = head.status == Status::Nt(names::STATUS_BUFFER_OVERFLOW);
    match command {
        smb1::NEGOTIATE => {
            negotiated(state, number?, block);
            None
        }
        smb1::SESSION_SETUP_ANDX => {
            let len = match block.word_count() {
                4 => usize::from(Reader::at(block.words, 6).u16()?),
                3 => 0,
                _ => return None,
            };
            let native = native(block.text(len, message.unicode), message.unicode);
            state.with(number?, |transaction, _| {
                if let Kind::SessionSetup(setup) = &mut transaction.kind {
                    setup.native[1] = native;
                }
            });
            None
        }
        smb1::TREE_CONNECT_ANDX if head.status.is_success() => {
            tree_connected(state, head, number?, block);
            None
        }
        smb1::TREE_DISCONNECT => {
            state.disconnect_tree(head);
            None
        }
        smb1::NT_CREATE_ANDX if head.status.is_success() => {
            created(state, number?, pending.name, block);
            None
        }
        smb1::CLOSE => {
            state.close(pending.fid?, Heading::ToClient);
            None
        }
        smb1::READ_ANDX if head.status.is_success() || overflow => {
            was_read(state, message, block, pending.fid?, pending.offset)
        }
        smb1::TRANS => {
            let mut words = Reader::at(block.words, 12);
            let (len, at) = (words.u16()?, words.u16()?);
            let data = Reader::at(message.record, at.into()).up_to(len.into());
            state.pipe_read(head, pending.fid?, data);
            None
        }
        _ => None,
    }
}

fn negotiated(state: &mut State, number: u64, block: &Block<'_>) -> Option<()> {
    let index = usize::from(Reader::new(block.words).u16()?);
    // The names of LAN Manager's days have no GUID behind them.
    let guid = (block.word_count() == 17).then(|| Reader::new(block.bytes).guid()).flatten();
    let name = state.with(number, |transaction, _| match &mut transaction.kind {
        Kind::Negotiation(negotiation) => {
            negotiation.server_guid = guid;
            negotiation.dialects.get(index).cloned()
        }
        _ => None,
    })??;
    state.dialect = Dialect::Smb1(Arc::from(name));
    let dialect = state.dialect.clone();
    state.with(number, |transaction, _| transaction.dialect = dialect);
    Some(())
}

fn tree_connected(state: &mut State, head: &Head, number: u64, block: &Block<'_>) -> Option<()> {
    let service = Reader::new(block.bytes).string(false);
    let is_pipe = service == b"IPC";
    let share = state.with(number, |transaction, _| match &mut transaction.kind {
        Kind::TreeConnect(tree) => {
            tree.is_pipe = is_pipe;
            tree.service[1] = Some(service);
            tree.share.clone()
        }
        _ => Vec::new(),
    });
    state.connect_tree(head, Tree { share: share.unwrap_or_default(), is_pipe });
    Some(())
}

fn created(state: &mut State, number: u64, name: Vec<u8>, block: &Block<'_>) -> Option<()> {
    let mut words = Reader::at(block.words, 5);
    let fid = Fid::Smb1(words.u16()?);
    let _action = words.u32()?;
    let times = [words.u64()?, words.u64()?, words.u64()?, words.u64()?];
    words.take(12)?;
    let size = words.u64()?;
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
    message: &Message<'_>,
    block: &Block<'_>,
    fid: Fid,
    offset: u64,
) -> Option<u64> {
    let mut words = Reader::at(block.words, 10);
    let (len, at, len_high) = (words.u16()?, words.u16()?, words.u16()?);
    let len = usize::from(len_high) << 16 | usize::from(len);
    let data = Reader::at(message.record, at.into()).up_to(len);
    if state.is_pipe(&message.head, &fid) {
        state.pipe_read(&message.head, fid, data);
        return None;
    }
    let number = state.carry(&message.head, Heading::ToClient, fid, offset, data);
    (message.missing > 0).then_some(number)
}
