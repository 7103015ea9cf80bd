//! What may be configured, with the defaults of Suricata's stock configuration.

use super::super::FILE_DATA_LIMIT;

/// Limits of a parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Config {
    /// Bytes of a body that are kept, decompressed.
    pub body_limit: usize,
    /// Streams that may be open at a time (`max-streams`).
    pub streams_limit: usize,
    /// The longest header block, with its continuations (`max-reassembly-size`).
    pub block_limit: usize,
    /// A decompressed body above this and above 200 times what was sent is a bomb
    /// (`compression-bomb-limit`).
    pub bomb_limit: u64,
}

impl Default for Http2Config {
    fn default() -> Self {
        Self {
            body_limit: FILE_DATA_LIMIT,
            streams_limit: 256,
            block_limit: 102_400,
            bomb_limit: 1 << 20,
        }
    }
}
