//! What may be configured, with the defaults of Suricata's stock configuration.

use crate::app::FILE_DATA_LIMIT;

/// Limits of a parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmtpConfig {
    /// Whether mails are read, not only the commands around them (`decode-mime`).
    pub mime: bool,
    /// Bytes of a file that are kept (`content-limit`).
    pub content_limit: usize,
    /// A header field's value is long beyond so many bytes (`header-value-depth`).
    pub header_value_depth: usize,
    /// The most transactions that may be held (`max-tx`).
    pub transactions_limit: usize,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            mime: true,
            content_limit: FILE_DATA_LIMIT.min(100_000),
            header_value_depth: 2000,
            transactions_limit: 256,
        }
    }
}
