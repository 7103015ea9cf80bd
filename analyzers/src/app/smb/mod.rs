//! SMB 1, 2 and 3, as far as it is not encrypted, and the DCE/RPC in its pipes.
//!
//! A message is put together and read whole, up to [`MAX_WHOLE`]; of a longer one the beginning is
//! read, and what follows belongs to the file that it reads or writes. Transactions are exchanges, but for
//! files, which are one transaction from the first piece to their closing in each heading, and calls through
//! pipes, which are one from the first fragment of the request to the last one of the answer.
//!
//! After a gap the next thing that looks like a message is one.

mod login;
mod names;
mod pipe;
mod recent;
mod state;
mod transaction;
mod v1;
mod v2;
mod wire;

#[cfg(test)]
mod tests;

use super::{AppProto, Heading, ParseError, Parser, Transaction};
use crate::events::Timestamp;
use state::{State, event};

/// Bytes of a message that are read at once.
pub const MAX_WHOLE: usize = 128 << 10;

/// The header of a NetBIOS session message: its kind and its length.
const FRAME_LEN: usize = 4;
/// With SMB's signature behind it, which is how one is found after a gap.
const SIGNED_LEN: usize = FRAME_LEN + 4;

/// SMB over TCP, with or without a NetBIOS session.
#[derive(Debug, Default)]
pub struct Smb {
    streams: [Stream; 2],
    state: State,
}

/// What one end says, cut into messages.
#[derive(Debug, Default)]
struct Stream {
    pending: Vec<u8>,
    /// What is still to come of a message that was read.
    left: u64,
    /// The file to which that belongs.
    sink: Option<u64>,
    /// Where the next message begins is not known.
    lost: bool,
}

const fn is_frame(kind: u8) -> bool {
    kind == 0 || (kind >= 0x81 && kind <= 0x86)
}

fn is_signed(bytes: &[u8]) -> bool {
    matches!(bytes, [0xfd..=0xff, b'S', b'M', b'B', ..])
}

/// A frame's length.
fn frame_len(frame: [u8; FRAME_LEN]) -> usize {
    let [_, high, middle, low] = frame;
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

impl Stream {
    /// Where from `at` on a message with SMB in it begins. Where there is none, what could be the
    /// beginning of one.
    fn resynchronize(&mut self, at: usize) -> usize {
        let rest = self.pending.get(at..).unwrap_or_default();
        let found = rest.windows(SIGNED_LEN).position(|w| w[0] == 0 && is_signed(&w[FRAME_LEN..]));
        self.lost = found.is_none();
        at + found.unwrap_or_else(|| rest.len().saturating_sub(SIGNED_LEN - 1))
    }

    /// Takes what belongs to a message that was read already.
    fn take_left(&mut self, state: &mut State, data: &[u8]) -> usize {
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
        if let Some(file) = self.sink {
            state.carry_on(file, &data[..len]);
        }
        self.left -= len as u64;
        len
    }

    /// Takes what is pending, message by message.
    fn take(&mut self, state: &mut State, heading: Heading) {
        let mut at = 0;
        loop {
            if self.left > 0 {
                let pending = std::mem::take(&mut self.pending);
                at += self.take_left(state, pending.get(at..).unwrap_or_default());
                self.pending = pending;
            }
            if self.lost {
                at = self.resynchronize(at);
                if self.lost {
                    break;
                }
            }
            let rest = self.pending.get(at..).unwrap_or_default();
            let Some((&frame, content)) = rest.split_first_chunk::<FRAME_LEN>() else { break };
            let len = frame_len(frame);
            if !is_frame(frame[0]) {
                state.raise(event::MALFORMED_DATA);
                self.lost = true;
                at += 1;
                continue;
            }
            // Those that set a session up or keep it have nothing inside.
            if frame[0] != 0 {
                at += FRAME_LEN;
                (self.left, self.sink) = (len as u64, None);
                continue;
            }
            let Some(whole) = content.get(..len.min(MAX_WHOLE)) else { break };
            let missing = (len - whole.len()) as u64;
            self.sink = message(state, heading, whole, missing);
            self.left = missing;
            at += FRAME_LEN + whole.len();
        }
        self.pending.drain(..at.min(self.pending.len()));
    }

    /// The message that is pending will not come whole: what there is of it.
    fn give_up(&mut self, state: &mut State, heading: Heading) {
        let pending = std::mem::take(&mut self.pending);
        if let Some((&frame, content)) = pending.split_first_chunk::<FRAME_LEN>()
            && frame[0] == 0
            && !self.lost
        {
            let missing = frame_len(frame).saturating_sub(content.len()) as u64;
            self.sink = message(state, heading, content, missing.max(1));
            self.left = missing;
        }
    }
}

fn message(state: &mut State, heading: Heading, message: &[u8], missing: u64) -> Option<u64> {
    match message.first() {
        _ if !is_signed(message) => {
            if !message.is_empty() {
                state.raise(event::MALFORMED_DATA);
            }
            None
        }
        Some(0xff) => v1::message(state, heading, message, missing),
        Some(0xfe) => v2::message(state, heading, message, missing),
        // What is encrypted says nothing.
        _ => None,
    }
}

impl Smb {
    /// Of a connection of which nothing was seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Parser for Smb {
    fn protocol(&self) -> AppProto {
        AppProto::Smb
    }

    fn data(&mut self, heading: Heading, data: &[u8], _: Timestamp) -> Result<(), ParseError> {
        let stream = &mut self.streams[heading.index()];
        // The bulk of large files is not worth copying.
        let taken = match stream.left {
            1.. if stream.pending.is_empty() => stream.take_left(&mut self.state, data),
            _ => 0,
        };
        stream.pending.extend_from_slice(&data[taken..]);
        stream.take(&mut self.state, heading);
        Ok(())
    }

    fn gap(&mut self, heading: Heading, len: u64, _: Timestamp) -> Result<(), ParseError> {
        let stream = &mut self.streams[heading.index()];
        if !stream.pending.is_empty() {
            stream.give_up(&mut self.state, heading);
        }
        let inside = stream.left.min(len);
        if inside > 0
            && let Some(file) = stream.sink
        {
            self.state.carry_loss(file, inside);
        }
        stream.left -= inside;
        stream.lost |= inside < len;
        Ok(())
    }

    fn end(&mut self, heading: Heading, _: Timestamp) {
        self.streams[heading.index()].give_up(&mut self.state, heading);
        self.streams[heading.index()] = Stream { lost: true, ..Stream::default() };
        self.state.end(heading);
    }

    fn first(&self) -> u64 {
        self.state.first
    }

    fn next(&self) -> u64 {
        self.state.first + self.state.transactions.len() as u64
    }

    fn transaction(&self, number: u64) -> Option<&dyn Transaction> {
        let at = usize::try_from(number.checked_sub(self.state.first)?).ok()?;
        self.state.transactions.get(at).map(|transaction| transaction as &dyn Transaction)
    }

    /// Rules look at the streams by their length alone, as Suricata does: no message's end calls for it.
    fn tells_messages(&self) -> bool {
        true
    }

    fn release(&mut self, number: u64) {
        while self.state.first < number && self.state.forget_first() {}
    }

    fn memory_bytes(&self) -> usize {
        let pending = self.streams.iter().map(|stream| stream.pending.capacity()).sum::<usize>();
        pending + self.state.memory_bytes()
    }
}
