//! What may be configured, with the defaults of Suricata's stock configuration.

use super::super::FILE_DATA_LIMIT;

/// Limits of a parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Bytes of a request's body that are kept (`request-body-limit`).
    pub request_body_limit: usize,
    /// Bytes of a response's body that are kept, decompressed (`response-body-limit`).
    pub response_body_limit: usize,
    /// Content codings that are undone, one after the other (`response-body-decompress-layer-limit`).
    pub decompress_layers: usize,
    /// Whether LZMA is undone.
    pub lzma: bool,
    /// Memory that undoing LZMA may take (`lzma-memlimit`).
    pub lzma_memory_bytes: usize,
    /// A decompressed body above this and above 2048 times what was sent is a bomb
    /// (`compression-bomb-limit`).
    pub bomb_limit: u64,
    /// The longest request, status or header line (`meta-field-limit`).
    pub line_limit: usize,
    /// The most header fields of a message (`headers-limit`).
    pub headers_limit: usize,
    /// The most transactions that may be held (`max-tx`).
    pub transactions_limit: usize,
    /// The port that the server listens at, where known: requests to another one are odd.
    pub server_port: Option<u16>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            request_body_limit: FILE_DATA_LIMIT,
            response_body_limit: FILE_DATA_LIMIT,
            decompress_layers: 2,
            lzma: true,
            lzma_memory_bytes: 1 << 20,
            bomb_limit: 1 << 20,
            line_limit: 18_432,
            headers_limit: 1024,
            transactions_limit: 512,
            server_port: None,
        }
    }
}
