//! Classic pcap: one header of 24 bytes, then records of 16 (or 24) bytes and the frame.

use std::io::Read;

use super::MAX_FRAME_LEN;
use super::error::CaptureError;
use super::input::{Got, Input, Order};
use super::linktype::DataLink;
use super::reader::{CaptureFormat, FrameHeader};

const NS_PER_SECOND: u64 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Classic {
    order: Order,
    format: CaptureFormat,
    lengths: Lengths,
    link_type: DataLink,
    remarks: Vec<String>,
}

/// Where a record keeps the captured and the original length: versions before 2.3 had them the other
/// way round, 2.3 was written both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    OriginalFirst,
    SmallerIsCaptured,
}

impl Classic {
    /// Reads the rest of the file header; the magic has been taken.
    pub(super) fn begin<R: Read>(
        input: &mut Input<R>,
        order: Order,
        format: CaptureFormat,
    ) -> Result<Self, CaptureError> {
        let mut rest = [0; 20];
        match input.read(&mut rest) {
            Got::All => {}
            Got::Nothing => return Err(cut(4, "the file header", 20, 0)),
            Got::Some(got) => return Err(cut(4, "the file header", 20, got)),
            Got::Failed(source) => return Err(CaptureError::Io { offset: input.offset(), source }),
        }
        let (major, minor) = (order.u16(&rest, 0), order.u16(&rest, 2));
        let mut remarks = Vec::new();
        if major != 2 || minor > 4 {
            // The record layout has not changed since 1998; a wrong version is more often a writer's
            // mistake or a flipped bit than another layout.
            remarks.push(format!(
                "at byte 4: version {major}.{minor} is not one that was ever defined, read as 2.4"
            ));
        }
        let lengths = match (major, minor) {
            (2, 0..=2) => Lengths::OriginalFirst,
            (2, 3) => Lengths::SmallerIsCaptured,
            _ => Lengths::CapturedFirst,
        };
        // Bits above 16 say whether frames end with an FCS and how long it is; the link type is below.
        let network = order.u32(&rest, 16);
        let link_type = DataLink((network & 0xffff) as u16);
        Ok(Self { order, format, lengths, link_type, remarks })
    }

    pub(super) fn format(&self) -> CaptureFormat {
        self.format
    }

    pub(super) fn remarks(&self) -> &[String] {
        &self.remarks
    }

    pub(super) fn next<R: Read>(
        &mut self,
        input: &mut Input<R>,
        buffer: &mut Vec<u8>,
        number: u64,
    ) -> Result<Option<FrameHeader>, CaptureError> {
        let offset = input.offset();
        let mut header = [0; 24];
        let header_len = if self.format == CaptureFormat::PcapModified { 24 } else { 16 };
        match input.read(&mut header[..header_len]) {
            Got::All => {}
            Got::Nothing => return Ok(None),
            Got::Some(got) => {
                return Err(cut(offset, "the header of a record", header_len, got));
            }
            Got::Failed(source) => return Err(CaptureError::Io { offset: input.offset(), source }),
        }
        let seconds = u64::from(self.order.u32(&header, 0));
        let fraction = u64::from(self.order.u32(&header, 4));
        let (first, second) = (self.order.u32(&header, 8), self.order.u32(&header, 12));
        let (captured, wire_len) = match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::OriginalFirst => (second, first),
            Lengths::SmallerIsCaptured => (first.min(second), first.max(second)),
        };
        if captured > MAX_FRAME_LEN {
            return Err(CaptureError::FrameTooLong {
                offset,
                number,
                asked: captured,
                max: MAX_FRAME_LEN,
            });
        }
        buffer.resize(captured as usize, 0);
        match input.read(buffer) {
            Got::All => {}
            Got::Nothing => {
                return Err(cut(input.offset(), "a frame's bytes", captured as usize, 0));
            }
            Got::Some(got) => {
                let begin = input.offset() - got as u64;
                return Err(cut(begin, "a frame's bytes", captured as usize, got));
            }
            Got::Failed(source) => return Err(CaptureError::Io { offset: input.offset(), source }),
        }
        let fraction_ns =
            if self.format == CaptureFormat::PcapNanosecond { fraction } else { fraction * 1_000 };
        Ok(Some(FrameHeader {
            // At most 2^32 × 10^9 + 2^32 × 10^3, well inside 64 bits; a fraction above a second carries.
            timestamp_ns: seconds * NS_PER_SECOND + fraction_ns,
            wire_len,
            link_type: self.link_type,
            interface: 0,
            offset,
        }))
    }
}

fn cut(offset: u64, what: &'static str, wanted: usize, got: usize) -> CaptureError {
    CaptureError::Truncated { offset, what, wanted: wanted as u64, got: got as u64 }
}
