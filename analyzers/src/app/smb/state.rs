//! What is known of a connection: open requests, trees, names of files, and the transactions.

use std::collections::VecDeque;

use super::pipe::Pipe;
use super::recent::Recent;
use super::transaction::{Carried, Dialect, Fid, Kind, SmbTransaction, Status};
use crate::app::Heading;

/// Transactions that are held; beyond that the oldest is forgotten.
pub(super) const MAX_TRANSACTIONS: usize = 1024;
/// Bytes of files and arguments that all of them keep.
pub(super) const MAX_KEPT: usize = 4 << 20;
/// Bytes of a name that are kept.
const MAX_NAME: usize = 4096;

/// Event names.
pub(super) mod event {
    pub(crate) const MALFORMED_DATA: &str = "smb.malformed_data";
    pub(crate) const MALFORMED_NTLMSSP: &str = "smb.malformed_ntlmssp_request";
    pub(crate) const MALFORMED_DIALECTS: &str = "smb.negotiate_malformed_dialects";
    pub(crate) const FILE_OVERLAP: &str = "smb.file_overlap";
    pub(crate) const RESPONSE_TO_SERVER: &str = "smb.response_to_server";
    pub(crate) const REQUEST_TO_CLIENT: &str = "smb.request_to_client";
    pub(crate) const TOO_MANY: &str = "smb.too_many_transactions";
}

/// What headers of both versions say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) version: u8,
    pub(super) command: u16,
    pub(super) session: u64,
    pub(super) tree: u32,
    /// Tells a request's response.
    pub(super) message: u64,
    pub(super) status: Status,
}

impl Head {
    const fn key(&self) -> (u64, u16) {
        (self.message, self.command)
    }

    const fn tree_key(&self) -> (u64, u32) {
        (self.session, self.tree)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) share: Vec<u8>,
    pub(super) is_pipe: bool,
}

/// A request that was not answered yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    pub(super) transaction: Option<u64>,
    pub(super) fid: Option<Fid>,
    pub(super) offset: u64,
    /// Of what is created.
    pub(super) name: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) transactions: VecDeque<SmbTransaction>,
    pub(super) first: u64,
    kept: usize,
    open: Recent<(u64, u16), Pending, 1024>,
    trees: Recent<(u64, u32), Tree, 256>,
    pub(super) names: Recent<Fid, Vec<u8>, 1024>,
    files: Recent<(Fid, Heading), u64, 256>,
    pub(super) pipes: Recent<Fid, Pipe, 128>,
    pub(super) dialect: Dialect,
}

impl State {
    /// A new transaction.
    pub(super) fn begin(&mut self, head: &Head, kind: Kind) -> u64 {
        let number = self.first + self.transactions.len() as u64;
        let mut transaction = SmbTransaction {
            number,
            version: head.version,
            command: head.command,
            session: head.session,
            tree: head.tree,
            status: None,
            dialect: self.dialect.clone(),
            kind,
            ended: [false; 2],
            events: Vec::new(),
        };
        if self.transactions.len() >= MAX_TRANSACTIONS {
            self.forget_first();
            transaction.raise(event::TOO_MANY);
        }
        self.transactions.push_back(transaction);
        number
    }

    pub(super) fn forget_first(&mut self) -> bool {
        let Some(transaction) = self.transactions.pop_front() else { return false };
        self.kept = self.kept.saturating_sub(kept(&transaction));
        self.first += 1;
        true
    }

    /// A request's transaction, which its response will end.
    pub(super) fn ask(&mut self, head: &Head, kind: Kind) -> u64 {
        // What a tree is only its response says, and rules ask for that in what the client sends.
        let waits = matches!(kind, Kind::TreeConnect(_));
        let number = self.begin(head, kind);
        self.with(number, |transaction, _| transaction.ended[0] = !waits);
        self.expect(head, Pending { transaction: Some(number), ..Pending::default() });
        number
    }

    /// A response to this will come.
    pub(super) fn expect(&mut self, head: &Head, mut pending: Pending) {
        pending.name.truncate(MAX_NAME);
        self.open.insert(head.key(), pending);
    }

    /// What a response is to. The transaction has its status from then on and is over.
    pub(super) fn answered(&mut self, head: &Head) -> Option<Pending> {
        let pending = self.open.remove(&head.key())?;
        if let Some(number) = pending.transaction {
            self.with(number, |transaction, _| {
                transaction.status = Some(head.status);
                let renamed = matches!(
                    transaction.kind,
                    Kind::SessionSetup(_) | Kind::TreeConnect(_) | Kind::Negotiation(_)
                );
                if renamed {
                    (transaction.session, transaction.tree) = (head.session, head.tree);
                }
                if !matches!(transaction.kind, Kind::File(_) | Kind::Call(..)) {
                    transaction.end_all();
                }
            });
        }
        Some(pending)
    }

    /// The server says that it will answer later.
    pub(super) fn postponed(&mut self, head: &Head) {
        if let Some(number) = self.open.get(&head.key()).and_then(|pending| pending.transaction) {
            self.with(number, |transaction, _| transaction.status = Some(head.status));
        }
    }

    /// A transaction that is still held, and how many bytes more it may keep.
    pub(super) fn with<R>(
        &mut self,
        number: u64,
        change: impl FnOnce(&mut SmbTransaction, usize) -> R,
    ) -> Option<R> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let transaction = self.transactions.get_mut(at)?;
        let before = kept(transaction);
        let result = change(transaction, MAX_KEPT.saturating_sub(self.kept));
        self.kept = (self.kept + kept(transaction)).saturating_sub(before);
        Some(result)
    }

    /// Something odd, of the latest transaction.
    pub(super) fn raise(&mut self, event: &'static str) {
        if let Some(latest) = self.transactions.back_mut() {
            latest.raise(event);
        }
    }

    pub(super) fn connect_tree(&mut self, head: &Head, tree: Tree) {
        self.trees.insert(head.tree_key(), tree);
    }

    pub(super) fn disconnect_tree(&mut self, head: &Head) {
        self.trees.remove(&head.tree_key());
    }

    /// What is behind this file is a pipe that speaks DCE/RPC.
    pub(super) fn is_pipe(&self, head: &Head, fid: &Fid) -> bool {
        match self.trees.get(&head.tree_key()) {
            Some(tree) => tree.is_pipe,
            None => self.is_rpc(fid),
        }
    }

    pub(super) fn is_named(&mut self, fid: Fid, mut name: Vec<u8>) {
        name.truncate(MAX_NAME);
        self.names.insert(fid, name);
    }

    pub(super) fn name(&self, fid: &Fid) -> Vec<u8> {
        self.names.get(fid).cloned().unwrap_or_default()
    }

    /// A piece of a file. Returns its transaction.
    pub(super) fn carry(
        &mut self,
        head: &Head,
        heading: Heading,
        fid: Fid,
        offset: u64,
        data: &[u8],
    ) -> u64 {
        let known = self.files.get(&(fid, heading)).copied().filter(|number| *number >= self.first);
        let number = known.unwrap_or_else(|| {
            // Suricata names the share in SMB 1 only, and its header in SMB 2 only.
            let tree = self.trees.get(&head.tree_key());
            let share = match head.version {
                1 => tree.map(|tree| tree.share.clone()).unwrap_or_default(),
                _ => Vec::new(),
            };
            let head = match head.version {
                1 => Head { session: 0, tree: 0, ..*head },
                _ => *head,
            };
            let carried = Carried::new(fid, self.name(&fid), share, heading);
            let number = self.begin(&head, Kind::File(Box::new(carried)));
            self.files.insert((fid, heading), number);
            number
        });
        let fits = self.with(number, |transaction, room| match &mut transaction.kind {
            Kind::File(carried) => carried.piece(offset, data, room),
            _ => true,
        });
        if fits == Some(false) {
            self.with(number, |transaction, _| transaction.raise(event::FILE_OVERLAP));
        }
        number
    }

    /// More of the latest piece of a file.
    pub(super) fn carry_on(&mut self, number: u64, data: &[u8]) {
        self.with(number, |transaction, room| {
            if let Kind::File(carried) = &mut transaction.kind {
                carried.more(data, room);
            }
        });
    }

    /// Of the latest piece of a file so much will not come.
    pub(super) fn carry_loss(&mut self, number: u64, len: u64) {
        self.with(number, |transaction, _| {
            if let Kind::File(carried) = &mut transaction.kind {
                carried.file.lose(len);
            }
        });
    }

    pub(super) fn close(&mut self, fid: Fid, heading: Heading) {
        if let Some(number) = self.files.remove(&(fid, heading)) {
            self.with(number, |transaction, room| {
                if let Kind::File(carried) = &mut transaction.kind {
                    carried.close(room);
                }
                transaction.end_all();
            });
        }
        if heading == Heading::ToClient {
            self.names.remove(&fid);
            self.pipes.remove(&fid);
        }
    }

    /// Nothing more comes in this heading.
    pub(super) fn end(&mut self, heading: Heading) {
        for transaction in &mut self.transactions {
            transaction.ended[heading.index()] = true;
            match &mut transaction.kind {
                Kind::File(carried) if carried.file.to_server == (heading == Heading::ToServer) => {
                    carried.file.truncate();
                }
                Kind::Call(call) => call.end(heading),
                _ => {}
            }
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let transactions =
            self.transactions.iter().map(SmbTransaction::memory_bytes).sum::<usize>();
        let names = self.names.values().map(Vec::len).sum::<usize>();
        let pipes = self.pipes.values().map(Pipe::memory_bytes).sum::<usize>();
        transactions + names + pipes + self.open.len() * size_of::<Pending>()
    }
}

fn kept(transaction: &SmbTransaction) -> usize {
    match &transaction.kind {
        Kind::File(carried) => carried.kept_bytes(),
        Kind::Call(call) => call.kept_bytes(),
        _ => 0,
    }
}
