//! The reader over both formats: tells them apart, numbers the frames, keeps the end status.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::classic::Classic;
use super::error::{CaptureEnd, CaptureError, Compression};
use super::input::{Got, Input, Order};
use super::linktype::DataLink;
use super::ng::Ng;

/// Which format a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureFormat {
    /// Classic pcap with microsecond stamps.
    Pcap,
    /// Classic pcap with nanosecond stamps.
    PcapNanosecond,
    /// Classic pcap with the longer record header of A. Kuznetzov's patched libpcap.
    PcapModified,
    /// pcapng.
    PcapNg,
}

impl CaptureFormat {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::PcapNanosecond => "pcap (nanoseconds)",
            Self::PcapModified => "pcap (modified)",
            Self::PcapNg => "pcapng",
        }
    }
}

/// One frame of a capture, borrowed from the reader until the next is asked for.
#[derive(Debug, Clone, Copy)]
pub struct CapturedFrame<'a> {
    /// 1-based position in the file, over all sections and interfaces.
    pub number: u64,
    /// Nanoseconds since the Unix epoch. A pcapng simple packet block has no time of its own and gets the
    /// frame's before it (0 for the first).
    pub timestamp_ns: u64,
    /// Bytes on the wire; never below `data.len()`, whatever the file says.
    pub wire_len: u32,
    /// Bytes captured, at most [`super::MAX_FRAME_LEN`].
    pub data: &'a [u8],
    pub link_type: DataLink,
    /// pcapng interface within its section; 0 in classic files.
    pub interface: u32,
    /// Byte offset of the record in the file.
    pub offset: u64,
}

/// What both formats say of one frame; its bytes are in the reader's buffer.
#[derive(Debug)]
pub(super) struct FrameHeader {
    pub(super) timestamp_ns: u64,
    pub(super) wire_len: u32,
    pub(super) link_type: DataLink,
    pub(super) interface: u32,
    pub(super) offset: u64,
}

#[derive(Debug)]
enum Format {
    Classic(Classic),
    Ng(Ng),
}

/// Streams the frames of one capture file.
#[derive(Debug)]
pub struct CaptureReader<R> {
    input: Input<R>,
    format: Format,
    /// Reused for every frame; grows to the longest one, at most [`super::MAX_FRAME_LEN`].
    buffer: Vec<u8>,
    frames: u64,
    end: CaptureEnd,
}

impl CaptureReader<File> {
    /// Opens a capture by its path.
    ///
    /// # Errors
    /// When the file cannot be opened, is empty, compressed, or begins with no known magic.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let file = File::open(path).map_err(CaptureError::Open)?;
        if file.metadata().is_ok_and(|meta| meta.is_dir()) {
            return Err(CaptureError::Directory);
        }
        Self::new(file)
    }
}

impl<R: Read> CaptureReader<R> {
    /// Reads the file's header. The source needs no buffering of its own and is never sought in.
    ///
    /// # Errors
    /// When the source is empty, compressed, or begins with no known magic or a header cut short.
    pub fn new(source: R) -> Result<Self, CaptureError> {
        let mut input = Input::new(source);
        let mut magic = [0; 4];
        match input.read(&mut magic) {
            Got::All => {}
            Got::Nothing => return Err(CaptureError::Empty),
            Got::Some(got) => {
                return Err(CaptureError::Truncated {
                    offset: 0,
                    what: "the magic of the file",
                    wanted: 4,
                    got: got as u64,
                });
            }
            Got::Failed(source) => return Err(CaptureError::Io { offset: 0, source }),
        }
        let format = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => {
                Format::Classic(Classic::begin(&mut input, Order::Little, CaptureFormat::Pcap)?)
            }
            [0xa1, 0xb2, 0xc3, 0xd4] => {
                Format::Classic(Classic::begin(&mut input, Order::Big, CaptureFormat::Pcap)?)
            }
            [0x4d, 0x3c, 0xb2, 0xa1] => Format::Classic(Classic::begin(
                &mut input,
                Order::Little,
                CaptureFormat::PcapNanosecond,
            )?),
            [0xa1, 0xb2, 0x3c, 0x4d] => Format::Classic(Classic::begin(
                &mut input,
                Order::Big,
                CaptureFormat::PcapNanosecond,
            )?),
            [0x34, 0xcd, 0xb2, 0xa1] => Format::Classic(Classic::begin(
                &mut input,
                Order::Little,
                CaptureFormat::PcapModified,
            )?),
            [0xa1, 0xb2, 0xcd, 0x34] => Format::Classic(Classic::begin(
                &mut input,
                Order::Big,
                CaptureFormat::PcapModified,
            )?),
            [0x0a, 0x0d, 0x0d, 0x0a] => Format::Ng(Ng::begin(&mut input)?),
            _ => {
                return Err(match Compression::from_magic(magic) {
                    Some(compression) => CaptureError::Compressed(compression),
                    None => CaptureError::NotACapture { magic },
                });
            }
        };
        Ok(Self { input, format, buffer: Vec::new(), frames: 0, end: CaptureEnd::Reading })
    }

    /// The next frame; `None` at the end, whatever kind of end ([`Self::end`] tells).
    pub fn next_frame(&mut self) -> Option<CapturedFrame<'_>> {
        if !matches!(self.end, CaptureEnd::Reading) {
            return None;
        }
        let number = self.frames + 1;
        let next = match &mut self.format {
            Format::Classic(classic) => classic.next(&mut self.input, &mut self.buffer, number),
            Format::Ng(ng) => ng.next(&mut self.input, &mut self.buffer, number),
        };
        match next {
            Ok(Some(header)) => {
                self.frames = number;
                let captured = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
                Some(CapturedFrame {
                    number,
                    timestamp_ns: header.timestamp_ns,
                    wire_len: header.wire_len.max(captured),
                    data: &self.buffer,
                    link_type: header.link_type,
                    interface: header.interface,
                    offset: header.offset,
                })
            }
            Ok(None) => {
                self.end = CaptureEnd::Complete;
                None
            }
            Err(error) => {
                self.end = error.into();
                None
            }
        }
    }

    /// How the capture ended, once [`Self::next_frame`] has given `None`.
    pub fn end(&self) -> &CaptureEnd {
        &self.end
    }

    /// The end status for keeping, once reading is over.
    pub fn into_end(self) -> CaptureEnd {
        self.end
    }

    /// Frames given so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of the file taken so far.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    pub fn format(&self) -> CaptureFormat {
        match &self.format {
            Format::Classic(classic) => classic.format(),
            Format::Ng(_) => CaptureFormat::PcapNg,
        }
    }

    /// Things that are odd but did not keep the file from being read, such as an unusual version.
    pub fn remarks(&self) -> &[String] {
        match &self.format {
            Format::Classic(classic) => classic.remarks(),
            Format::Ng(ng) => ng.remarks(),
        }
    }
}
