//! Brotli (RFC 7932), piece by piece.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

/// Tables of a decoder, about.
const TABLES_BYTES: usize = 64 << 10;

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More input or more room is needed.
    Going,
    End,
    Failed,
}

/// A decoder. The window that a stream announces is not allocated before so much came out.
pub(super) struct Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>);

impl std::fmt::Debug for Brotli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Brotli")
    }
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
    }

    /// What a decoder that gave so many bytes takes, about.
    pub(super) fn memory_bytes(given: u64) -> usize {
        TABLES_BYTES + usize::try_from(given.min(16 << 20)).unwrap_or(0) * 2
    }

    /// Bytes taken of `input` and put into `piece`. At most one is taken: what came before a fault is given
    /// only if it was asked for before, and must not depend on how the input was cut.
    pub(super) fn step(&mut self, input: &[u8], piece: &mut [u8]) -> (usize, usize, Progress) {
        let input = input.get(..1).unwrap_or_default();
        let (mut left, mut taken) = (input.len(), 0);
        let (mut room, mut given, mut total) = (piece.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            input,
            &mut room,
            &mut given,
            piece,
            &mut total,
            &mut self.0,
        );
        let progress = match result {
            BrotliResult::ResultSuccess => Progress::End,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Progress::Going,
            BrotliResult::ResultFailure => Progress::Failed,
        };
        (taken, given, progress)
    }
}
