//! Raw deflate (RFC 1951), piece by piece.
//!
//! The window is kept here, so that what refers to bytes before the beginning is a fault, as it is to zlib. That is
//! what most text that is no deflate is given away by.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::brotli::Progress;

/// How far back it may refer; a step gives no more than this.
pub(super) const WINDOW_BYTES: usize = 32 << 10;

/// A decoder.
pub(super) struct Inflater {
    core: DecompressorOxide,
    window: Vec<u8>,
    at: usize,
    /// The window went round: every place in it was written to.
    is_full: bool,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inflater")
    }
}

impl Inflater {
    pub(super) fn new() -> Self {
        let (core, window) = (DecompressorOxide::new(), vec![0; WINDOW_BYTES]);
        Self { core, window, at: 0, is_full: false }
    }

    /// Bytes taken of `input` and put into `piece`, which has room for [`WINDOW_BYTES`].
    pub(super) fn step(&mut self, input: &[u8], piece: &mut [u8]) -> (usize, usize, Progress) {
        let mut flags = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
        if !self.is_full {
            flags |= inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        }
        let (status, taken, given) =
            decompress(&mut self.core, input, &mut self.window, self.at, flags);
        let end = self.at + given;
        if let (Some(from), Some(to)) = (self.window.get(self.at..end), piece.get_mut(..given)) {
            to.copy_from_slice(from);
        }
        self.is_full |= end >= WINDOW_BYTES;
        self.at = end % WINDOW_BYTES;
        let progress = match status {
            TINFLStatus::Done => Progress::End,
            TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput => Progress::Going,
            _ => Progress::Failed,
        };
        (taken, given, progress)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn inflated(body: &[u8], pieces: usize) -> (Vec<u8>, Progress) {
        let mut inflater = Inflater::new();
        let (mut out, mut piece) = (Vec::new(), vec![0; WINDOW_BYTES]);
        let mut last = Progress::Going;
        for part in body.chunks(pieces) {
            let mut rest = part;
            loop {
                let (taken, given, progress) = inflater.step(rest, &mut piece);
                out.extend(&piece[..given]);
                rest = &rest[taken..];
                last = progress;
                if progress != Progress::Going || rest.is_empty() && given < WINDOW_BYTES {
                    break;
                }
            }
        }
        (out, last)
    }

    #[test]
    fn long_distances_across_the_windows_end() {
        // Repeats at distances up to the whole window, not a multiple of its size.
        let noise: Vec<u8> =
            (0..7000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let text = noise.repeat(6);
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&text).unwrap();
        let body = encoder.finish().unwrap();
        assert!(body.len() < text.len() / 4);
        for pieces in [1, 1000, body.len()] {
            assert_eq!(inflated(&body, pieces), (text.clone(), Progress::End));
        }
    }

    #[test]
    fn what_refers_to_before_the_beginning_is_none() {
        let (_, progress) = inflated(b"style=\"width:1px;height:1px\"", 100);
        assert_eq!(progress, Progress::Failed);
    }
}
