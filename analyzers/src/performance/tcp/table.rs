//! The connections of an instance, beside its flow table.

use super::connection::Connection;
use crate::flow::FlowId;

/// Places per chunk. Chunks never move, as in the flow table.
const CHUNK: usize = 1024;

#[derive(Debug)]
struct Entry {
    generation: u32,
    connection: Connection,
}

/// Connections by flow: 8 bytes a flow, and the connection where it is TCP.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    chunks: Vec<Box<[Option<Box<Entry>>]>>,
}

impl Connections {
    /// The connection of a flow; a fresh one if another flow had its place before.
    pub(crate) fn of_flow(&mut self, id: FlowId) -> &mut Connection {
        let (chunk, at) = (id.index() / CHUNK, id.index() % CHUNK);
        while self.chunks.len() <= chunk {
            self.chunks.push((0..CHUNK).map(|_| None).collect());
        }
        let slot = &mut self.chunks[chunk][at];
        if slot.as_ref().is_some_and(|entry| entry.generation != id.generation()) {
            *slot = None;
        }
        let fresh = || {
            let connection = Connection::default();
            Box::new(Entry { generation: id.generation(), connection })
        };
        &mut slot.get_or_insert_with(fresh).connection
    }

    pub(crate) fn get(&self, id: FlowId) -> Option<&Connection> {
        let entry = self.chunks.get(id.index() / CHUNK)?.get(id.index() % CHUNK)?.as_deref()?;
        (entry.generation == id.generation()).then_some(&entry.connection)
    }

    /// Frees the place, if it is that flow's.
    pub(crate) fn remove(&mut self, id: FlowId) {
        if self.get(id).is_none() {
            return;
        }
        let chunk = self.chunks.get_mut(id.index() / CHUNK);
        if let Some(slot) = chunk.and_then(|chunk| chunk.get_mut(id.index() % CHUNK)) {
            *slot = None;
        }
    }
}
