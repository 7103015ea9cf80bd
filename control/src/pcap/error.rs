//! What can be wrong with a capture file, each with the byte where it is wrong.

use std::io;

/// Compressed containers that are recognised by their magic and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Zstd,
    Xz,
    Bzip2,
    Lz4,
}

impl Compression {
    pub(super) fn from_magic(magic: [u8; 4]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X'] => Some(Self::Xz),
            [b'B', b'Z', b'h', _] => Some(Self::Bzip2),
            [0x04, 0x22, 0x4d, 0x18] => Some(Self::Lz4),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Lz4 => "lz4",
        }
    }
}

/// Why a capture could not be opened, or where and why reading it stopped.
///
/// Messages are complete sentences' worth without the file's name, which the caller knows.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("cannot be opened: {0}")]
    Open(#[source] io::Error),
    #[error("is a directory: name a pcap or pcapng file")]
    Directory,
    #[error("at byte {offset}: reading failed: {source}")]
    Io { offset: u64, source: io::Error },
    #[error(
        "the file is empty (0 bytes): a pcap file begins with a header of 24 bytes, a pcapng file with a section header block"
    )]
    Empty,
    #[error("at byte 0: the file is compressed with {}: unpack it first, for instance `{} -dc FILE > capture.pcap`", .0.name(), .0.name())]
    Compressed(Compression),
    #[error(
        "at byte 0: {} is the magic of no capture format known here{}: expected pcap (d4c3b2a1, a1b2c3d4, 4d3cb2a1, a1b23c4d, 34cdb2a1, a1b2cd34) or pcapng (0a0d0d0a)",
        hex(magic), known_as(*magic)
    )]
    NotACapture { magic: [u8; 4] },
    #[error("at byte {offset}: the file ends within {what}: {wanted} bytes expected, {got} there")]
    Truncated { offset: u64, what: &'static str, wanted: u64, got: u64 },
    #[error(
        "at byte {offset}: frame {number} claims {asked} captured bytes, a frame has at most {max}: the file is damaged from here on"
    )]
    FrameTooLong { offset: u64, number: u64, asked: u32, max: u32 },
    #[error(
        "at byte {offset}: {magic:#010x} is no byte-order magic of a section (expected 0x1a2b3c4d in either order)"
    )]
    ByteOrder { offset: u64, magic: u32 },
    #[error(
        "at byte {offset}: block of type {block_type:#010x} claims a length of {asked} bytes: {expected}"
    )]
    BlockLength { offset: u64, block_type: u32, asked: u32, expected: &'static str },
    #[error(
        "at byte {offset}: block of type {block_type:#010x} begins with length {first} and ends with length {second}: the two must be equal"
    )]
    BlockTrailer { offset: u64, block_type: u32, first: u32, second: u32 },
    #[error(
        "at byte {offset}: frame {number} names interface {interface}, the section has {known} described so far"
    )]
    UnknownInterface { offset: u64, number: u64, interface: u32, known: usize },
    #[error(
        "at byte {offset}: frame {number} claims {asked} captured bytes in a block with room for {room}"
    )]
    FrameBeyondBlock { offset: u64, number: u64, asked: u32, room: u32 },
    #[error(
        "at byte {offset}: more than {max} interfaces in one section: the file is damaged or made to exhaust memory"
    )]
    TooManyInterfaces { offset: u64, max: usize },
}

impl CaptureError {
    /// The file stops short: everything in it up to the end was read.
    pub fn is_truncation(&self) -> bool {
        matches!(self, Self::Truncated { .. })
    }

    /// The byte at which the trouble is; 0 where the file could not be begun.
    pub fn offset(&self) -> u64 {
        match self {
            Self::Open(_)
            | Self::Directory
            | Self::Empty
            | Self::Compressed(_)
            | Self::NotACapture { .. } => 0,
            Self::Io { offset, .. }
            | Self::Truncated { offset, .. }
            | Self::FrameTooLong { offset, .. }
            | Self::ByteOrder { offset, .. }
            | Self::BlockLength { offset, .. }
            | Self::BlockTrailer { offset, .. }
            | Self::UnknownInterface { offset, .. }
            | Self::FrameBeyondBlock { offset, .. }
            | Self::TooManyInterfaces { offset, .. } => *offset,
        }
    }
}

/// How a capture came to its end.
#[derive(Debug)]
pub enum CaptureEnd {
    /// Not there yet.
    Reading,
    /// After the last byte of the last record.
    Complete,
    /// The file stops within a record; what is in front of it was read.
    Truncated(CaptureError),
    /// The file is damaged; what is in front of the damage was read.
    Damaged(CaptureError),
}

impl CaptureEnd {
    /// What is wrong, if anything is.
    pub fn error(&self) -> Option<&CaptureError> {
        match self {
            Self::Reading | Self::Complete => None,
            Self::Truncated(e) | Self::Damaged(e) => Some(e),
        }
    }
}

impl From<CaptureError> for CaptureEnd {
    fn from(error: CaptureError) -> Self {
        if error.is_truncation() { Self::Truncated(error) } else { Self::Damaged(error) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Formats that people mistake for pcap because the same tools read them.
fn known_as(magic: [u8; 4]) -> &'static str {
    match &magic {
        b"snoo" => " (Solaris snoop; `editcap -F pcap` converts it)",
        b"GMBU" => " (Microsoft Network Monitor; `editcap -F pcap` converts it)",
        b"RTSS" => " (Network Monitor 1; `editcap -F pcap` converts it)",
        b"\x7fELF" => " (an ELF program)",
        b"PK\x03\x04" => " (a zip archive)",
        b"TRSN" => " (NetXray; `editcap -F pcap` converts it)",
        [0xa1, 0xb2, 0xc3, _] | [_, 0xc3, 0xb2, 0xa1] => {
            " (nearly pcap's: the first bytes are damaged)"
        }
        _ => "",
    }
}
