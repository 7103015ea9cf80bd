//! A byte source that knows where it is, so that every message can name the offset.

use std::io::{self, BufRead, BufReader, Read};

/// What came of asking for a number of bytes.
#[derive(Debug)]
pub(super) enum Got {
    /// All of them.
    All,
    /// The source ended before the first of them.
    Nothing,
    /// The source ended after this many.
    Some(usize),
    /// Reading failed.
    Failed(io::Error),
}

pub(super) struct Input<R> {
    source: BufReader<R>,
    offset: u64,
}

impl<R> std::fmt::Debug for Input<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl<R: Read> Input<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source: BufReader::with_capacity(256 * 1024, source), offset: 0 }
    }

    /// Bytes taken so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn read(&mut self, into: &mut [u8]) -> Got {
        let mut filled = 0;
        while filled < into.len() {
            match self.source.read(&mut into[filled..]) {
                Ok(0) => break,
                Ok(n) => {
                    filled += n;
                    self.offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Got::Failed(e),
            }
        }
        outcome(filled, into.len())
    }

    /// Passes over `count` bytes without keeping them.
    pub(super) fn skip(&mut self, count: u64) -> Got {
        let mut left = count;
        while left > 0 {
            let available = match self.source.fill_buf() {
                Ok(buffer) => buffer.len(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Got::Failed(e),
            };
            if available == 0 {
                break;
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(available);
            self.source.consume(step);
            self.offset += step as u64;
            left -= step as u64;
        }
        if left == 0 {
            Got::All
        } else if left == count {
            Got::Nothing
        } else {
            Got::Some(usize::try_from(count - left).unwrap_or(usize::MAX))
        }
    }
}

fn outcome(filled: usize, wanted: usize) -> Got {
    if filled == wanted {
        Got::All
    } else if filled == 0 {
        Got::Nothing
    } else {
        Got::Some(filled)
    }
}

/// Byte order of a file or section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// `at + 2` must not exceed `bytes`: the callers read fixed headers.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let raw = [bytes[at], bytes[at + 1]];
        match self {
            Self::Little => u16::from_le_bytes(raw),
            Self::Big => u16::from_be_bytes(raw),
        }
    }

    pub(super) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let raw = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            Self::Little => u32::from_le_bytes(raw),
            Self::Big => u32::from_be_bytes(raw),
        }
    }

    pub(super) fn i64(self, bytes: &[u8]) -> Option<i64> {
        let raw: [u8; 8] = bytes.try_into().ok()?;
        Some(match self {
            Self::Little => i64::from_le_bytes(raw),
            Self::Big => i64::from_be_bytes(raw),
        })
    }
}
