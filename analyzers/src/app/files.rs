//! What parsers do to the [`File`]s that their transactions carry.

use super::{File, FileState};

/// Bytes of a file that are kept for rules unless a protocol's configuration says otherwise: what
/// Suricata's stock configuration keeps of an HTTP body.
pub const FILE_DATA_LIMIT: usize = 100 << 10;

impl File {
    /// A file of which nothing came yet.
    #[must_use]
    pub fn open(name: Vec<u8>, to_server: bool) -> Self {
        Self { name, to_server, ..Self::default() }
    }

    /// More of it; what exceeds `limit` is counted and not kept.
    pub fn append(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.data.len());
        self.data.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.size = self.size.saturating_add(bytes.len() as u64);
    }

    /// A part of it that will never come. What follows is counted and not kept, since rules look at what
    /// is contiguous.
    pub fn lose(&mut self, len: u64) {
        self.gaps = true;
        self.size = self.size.saturating_add(len);
    }

    /// All of it came, unless it was truncated already.
    pub fn close(&mut self) {
        if self.state == FileState::Open {
            self.state = if self.gaps { FileState::Truncated } else { FileState::Closed };
        }
    }

    /// There is more of it than was thought. What was truncated stays so.
    pub fn reopen(&mut self) {
        if self.state == FileState::Closed {
            self.state = FileState::Open;
        }
    }

    /// Nothing more of it will be followed.
    pub fn truncate(&mut self) {
        if self.state == FileState::Open {
            self.state = FileState::Truncated;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_beginning_and_counts_the_rest() {
        let mut file = File::open(b"a".to_vec(), true);
        file.append(b"12345", 8);
        file.append(b"67890", 8);
        file.close();
        assert_eq!(
            (file.data.as_slice(), file.size, file.state),
            (&b"12345678"[..], 10, FileState::Closed)
        );
    }

    #[test]
    fn a_file_with_a_hole_is_not_closed() {
        let mut file = File::open(Vec::new(), false);
        file.append(b"12", 8);
        file.lose(3);
        file.close();
        assert_eq!((file.size, file.state), (5, FileState::Truncated));
        file.close();
        assert_eq!(file.state, FileState::Truncated);
    }
}
