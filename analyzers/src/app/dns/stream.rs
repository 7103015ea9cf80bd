//! Messages in a TCP stream: two bytes of length before each.

use super::message::is_plausible;
use crate::app::ParseError;

/// One heading's stream.
#[derive(Debug, Default)]
pub(super) struct Framer {
    /// The beginning of a message that has not come whole, with its length.
    backlog: Vec<u8>,
    /// Bytes were lost: what follows may begin in the midst of a message.
    lost: bool,
}

impl Framer {
    /// Calls `message` with each message that is whole by now.
    pub(super) fn feed(
        &mut self,
        data: &[u8],
        mut message: impl FnMut(&[u8]) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        let mut bytes = std::mem::take(&mut self.backlog);
        let joined = !bytes.is_empty();
        if joined {
            bytes.extend_from_slice(data);
        }
        let all = if joined { bytes.as_slice() } else { data };
        let mut rest = all;
        if self.lost {
            match resume(rest) {
                Resume::Here => self.lost = false,
                Resume::Unknown => {
                    self.backlog = rest.to_vec();
                    return Ok(());
                }
                Resume::NotHere => return Ok(()),
            }
        }
        while let Some((&len, body)) = rest.split_first_chunk::<2>() {
            let len = usize::from(u16::from_be_bytes(len));
            let Some((whole, behind)) = body.split_at_checked(len) else { break };
            rest = behind;
            if len > 0 {
                message(whole)?;
            }
        }
        let taken = all.len() - rest.len();
        if joined {
            // Moved only when something was taken: many small segments must not cost a copy each.
            bytes.drain(..taken);
            self.backlog = bytes;
        } else {
            self.backlog = rest.to_vec();
        }
        Ok(())
    }

    /// Bytes are missing.
    pub(super) fn gap(&mut self) {
        self.lost = true;
        self.backlog = Vec::new();
    }

    pub(super) fn clear(&mut self) {
        self.backlog = Vec::new();
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.backlog.capacity()
    }
}

enum Resume {
    Here,
    NotHere,
    Unknown,
}

/// Whether a message begins here. Segments mostly begin with one.
fn resume(bytes: &[u8]) -> Resume {
    let Some((&len, body)) = bytes.split_first_chunk() else { return Resume::Unknown };
    let len = usize::from(u16::from_be_bytes(len));
    if body.len() < len.min(12) {
        return Resume::Unknown;
    }
    let message = body.get(..len).unwrap_or(body);
    if is_plausible(message, len) { Resume::Here } else { Resume::NotHere }
}
