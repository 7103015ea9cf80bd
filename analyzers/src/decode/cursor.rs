//! Bytes that are left, and how many of them the capture cut off.

use umbra_wire::ViewError;

/// A slice of the captured frame. On the wire it was `cut` bytes longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'f> {
    pub(super) bytes: &'f [u8],
    pub(super) cut: usize,
}

impl<'f> Cursor<'f> {
    pub(super) fn of_frame(frame: &'f [u8], frame_len: u32) -> Self {
        Self { bytes: frame, cut: (frame_len as usize).saturating_sub(frame.len()) }
    }

    /// Length on the wire.
    #[inline]
    pub(super) fn wire_len(&self) -> usize {
        self.bytes.len() + self.cut
    }

    /// The rest after a header's view took its part; the view must not have shortened it.
    #[inline]
    pub(super) fn behind(&self, rest: &'f [u8]) -> Self {
        Self { bytes: rest, cut: self.cut }
    }

    /// No more than `len` bytes of it.
    #[inline]
    pub(super) fn limit(&self, len: usize) -> Self {
        match self.bytes.get(..len) {
            Some(bytes) => Self { bytes, cut: 0 },
            None => Self { bytes: self.bytes, cut: self.cut.min(len - self.bytes.len()) },
        }
    }

    /// Without its first `len` bytes.
    #[inline]
    pub(super) fn skip(&self, len: usize) -> Self {
        match self.bytes.get(len..) {
            Some(bytes) => Self { bytes, cut: self.cut },
            None => Self { bytes: &[], cut: self.cut.saturating_sub(len - self.bytes.len()) },
        }
    }

    /// Whether a view failed only because of what the capture cut off.
    #[inline]
    pub(super) fn lacks(&self, error: &ViewError) -> bool {
        matches!(*error, ViewError::Short { need, .. } if need <= self.wire_len())
    }
}
