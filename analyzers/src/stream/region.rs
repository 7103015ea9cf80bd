//! A stretch of a stream without holes, with a beginning that moves.

/// Below this much there is nothing to gain by moving bytes to the front.
const COMPACT_FROM: usize = 4096;

/// Bytes from `offset` on.
#[derive(Debug, Default)]
pub(super) struct Region {
    /// Of the first byte, in the stream.
    offset: u64,
    /// Where it stands in `bytes`.
    start: usize,
    bytes: Vec<u8>,
}

impl Region {
    pub(super) const fn at(offset: u64) -> Self {
        Self { offset, start: 0, bytes: Vec::new() }
    }

    #[inline]
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.offset + self.len() as u64
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes of a range of the stream, as far as they are here.
    pub(super) fn slice(&self, from: u64, to: u64) -> &[u8] {
        let index = |at: u64| {
            let behind = at.saturating_sub(self.offset).min(self.len() as u64);
            self.start + usize::try_from(behind).unwrap_or(0)
        };
        self.bytes.get(index(from)..index(to)).unwrap_or(&[])
    }

    /// Writes over bytes that are here.
    pub(super) fn overwrite(&mut self, from: u64, data: &[u8]) {
        let Ok(behind) = usize::try_from(from.saturating_sub(self.offset)) else { return };
        let at = self.start + behind;
        if let Some(bytes) = self.bytes.get_mut(at..at + data.len()) {
            bytes.copy_from_slice(data);
        }
    }

    /// Adds to the end. It grows by half, but by no more than `spare` where that is not needed.
    pub(super) fn append(&mut self, data: &[u8], spare: usize) {
        let free = self.bytes.capacity() - self.bytes.len();
        if free < data.len() {
            self.compact();
            let free = self.bytes.capacity() - self.bytes.len();
            if free < data.len() {
                let most = (self.bytes.capacity() / 2).min(spare);
                self.bytes.reserve_exact(data.len().max(most));
            }
        }
        self.bytes.extend_from_slice(data);
    }

    /// Frees the bytes before `to`. Each is moved at most once per time that the region halves.
    pub(super) fn drop_until(&mut self, to: u64) {
        let drop = usize::try_from(to.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let drop = drop.min(self.len());
        self.offset += drop as u64;
        self.start += drop;
        if self.start == self.bytes.len() {
            // Idle connections hold nothing.
            self.bytes = Vec::new();
            self.start = 0;
        } else if self.start >= COMPACT_FROM && self.start > self.len() {
            self.compact();
            if self.bytes.capacity() > 4 * self.bytes.len() + COMPACT_FROM {
                self.bytes.shrink_to(2 * self.bytes.len());
            }
        }
    }

    /// Takes no more memory than its bytes need.
    pub(super) fn squeeze(&mut self) {
        self.compact();
        self.bytes.shrink_to_fit();
    }

    fn compact(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
    }
}
