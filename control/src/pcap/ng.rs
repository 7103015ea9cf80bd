//! pcapng: sections of blocks. Packet blocks give frames, interface descriptions say how to read
//! them, everything else is passed over without being kept.

use std::io::Read;

use super::MAX_FRAME_LEN;
use super::error::CaptureError;
use super::input::{Got, Input, Order};
use super::linktype::DataLink;
use super::reader::FrameHeader;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const OPTION_END: u16 = 0;
const OPTION_TSRESOL: u16 = 9;
const OPTION_TSOFFSET: u16 = 14;

/// Interfaces that one section may describe: memory stays bounded under a file made of nothing else.
const MAX_INTERFACES: usize = 65_536;
/// Remarks kept; a file can have any number of odd sections.
const MAX_REMARKS: usize = 16;
const NS_PER_SECOND: i128 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Ng {
    order: Order,
    interfaces: Vec<Interface>,
    last_timestamp_ns: u64,
    /// The section is of a version not known here: its blocks are passed over.
    foreign: bool,
    remarks: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: DataLink,
    /// 0: no limit.
    snaplen: u32,
    /// The raw `if_tsresol`: bit 7 clear, 10^-n seconds; set, 2^-n.
    resolution: u8,
    offset_s: i64,
}

impl Interface {
    fn timestamp_ns(&self, high: u32, low: u32) -> u64 {
        let ticks = i128::from((u64::from(high) << 32) | u64::from(low));
        let exponent = u32::from(self.resolution & 0x7f);
        let scaled = ticks * NS_PER_SECOND;
        let since_offset = if self.resolution & 0x80 == 0 {
            // 10^38 is the largest power of ten in an i128; finer ticks than that round to 0 anyway.
            10_i128.checked_pow(exponent).map_or(0, |divisor| scaled / divisor)
        } else {
            scaled.checked_shr(exponent).unwrap_or(0)
        };
        let total = since_offset + i128::from(self.offset_s) * NS_PER_SECOND;
        u64::try_from(total.max(0)).unwrap_or(u64::MAX)
    }
}

/// What follows a block's type and length: `left` bytes of body, then the length again.
#[derive(Debug)]
struct Block {
    offset: u64,
    block_type: u32,
    total: u32,
    left: u32,
}

impl Ng {
    /// Reads the first section header; its block type, which is the file's magic, has been taken.
    pub(super) fn begin<R: Read>(input: &mut Input<R>) -> Result<Self, CaptureError> {
        let mut ng = Self {
            order: Order::Little,
            interfaces: Vec::new(),
            last_timestamp_ns: 0,
            foreign: false,
            remarks: Vec::new(),
        };
        let mut length = [0; 4];
        take(input, &mut length, "a section header block")?;
        ng.section(input, 0, length)?;
        Ok(ng)
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
        loop {
            let offset = input.offset();
            let mut head = [0; 8];
            match input.read(&mut head) {
                Got::All => {}
                Got::Nothing => return Ok(None),
                Got::Some(got) => {
                    return Err(CaptureError::Truncated {
                        offset,
                        what: "the header of a block",
                        wanted: 8,
                        got: got as u64,
                    });
                }
                Got::Failed(source) => {
                    return Err(CaptureError::Io { offset: input.offset(), source });
                }
            }
            // The section header's type reads the same in both orders: it says which one follows.
            let block_type = self.order.u32(&head, 0);
            if block_type == SECTION_HEADER {
                self.section(input, offset, [head[4], head[5], head[6], head[7]])?;
                continue;
            }
            let total = self.order.u32(&head, 4);
            let minimum = match block_type {
                _ if self.foreign => 12,
                INTERFACE_DESCRIPTION => 20,
                OBSOLETE_PACKET | ENHANCED_PACKET => 32,
                SIMPLE_PACKET => 16,
                _ => 12,
            };
            check_length(offset, block_type, total, minimum)?;
            let mut block = Block { offset, block_type, total, left: total - 12 };
            let frame = match block_type {
                _ if self.foreign => None,
                INTERFACE_DESCRIPTION => {
                    self.interface(input, &mut block)?;
                    None
                }
                ENHANCED_PACKET | OBSOLETE_PACKET => {
                    Some(self.packet(input, &mut block, buffer, number)?)
                }
                SIMPLE_PACKET => Some(self.simple(input, &mut block, buffer, number)?),
                _ => None,
            };
            self.finish(input, &block)?;
            if let Some(frame) = frame {
                self.last_timestamp_ns = frame.timestamp_ns;
                return Ok(Some(frame));
            }
        }
    }

    fn section<R: Read>(
        &mut self,
        input: &mut Input<R>,
        offset: u64,
        length: [u8; 4],
    ) -> Result<(), CaptureError> {
        let mut body = [0; 16];
        take(input, &mut body[..4], "a section header block")?;
        self.order = match body[..4] {
            [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
            [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
            _ => {
                return Err(CaptureError::ByteOrder {
                    offset: offset + 8,
                    magic: Order::Big.u32(&body, 0),
                });
            }
        };
        let total = self.order.u32(&length, 0);
        check_length(offset, SECTION_HEADER, total, 28)?;
        // The section's own length is not needed: blocks are walked one after the other.
        take(input, &mut body[4..], "a section header block")?;
        let (major, minor) = (self.order.u16(&body, 4), self.order.u16(&body, 6));
        // The format asks readers to skip sections of versions that they do not know, not the file.
        self.foreign = major != 1;
        if self.foreign && self.remarks.len() < MAX_REMARKS {
            self.remarks.push(format!(
                "at byte {offset}: a section of version {major}.{minor} (known: 1.x) was passed over"
            ));
        }
        self.interfaces.clear();
        let block = Block { offset, block_type: SECTION_HEADER, total, left: total - 28 };
        self.finish(input, &block)
    }

    fn interface<R: Read>(
        &mut self,
        input: &mut Input<R>,
        block: &mut Block,
    ) -> Result<(), CaptureError> {
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(CaptureError::TooManyInterfaces {
                offset: block.offset,
                max: MAX_INTERFACES,
            });
        }
        let mut fixed = [0; 8];
        take(input, &mut fixed, "an interface description block")?;
        block.left -= 8;
        let mut interface = Interface {
            link_type: DataLink(self.order.u16(&fixed, 0)),
            snaplen: self.order.u32(&fixed, 4),
            resolution: 6,
            offset_s: 0,
        };
        while block.left >= 4 {
            let mut head = [0; 4];
            take(input, &mut head, "the options of an interface")?;
            block.left -= 4;
            let (code, len) = (self.order.u16(&head, 0), u32::from(self.order.u16(&head, 2)));
            if code == OPTION_END {
                break;
            }
            let padded = len.next_multiple_of(4);
            if padded > block.left {
                // An option that claims more than the block holds: the rest of the block says nothing.
                break;
            }
            let mut value = [0; 8];
            let keep = len.min(8);
            let kept = &mut value[..keep as usize];
            take(input, kept, "the options of an interface")?;
            pass(input, u64::from(padded - keep), "the options of an interface")?;
            block.left -= padded;
            match (code, len) {
                (OPTION_TSRESOL, 1) => interface.resolution = value[0],
                (OPTION_TSOFFSET, 8) => {
                    interface.offset_s = self.order.i64(&value).unwrap_or_default();
                }
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// Enhanced packet block, and the obsolete packet block, which differs in its first word alone.
    fn packet<R: Read>(
        &mut self,
        input: &mut Input<R>,
        block: &mut Block,
        buffer: &mut Vec<u8>,
        number: u64,
    ) -> Result<FrameHeader, CaptureError> {
        let mut fixed = [0; 20];
        take(input, &mut fixed, "a packet block")?;
        block.left -= 20;
        let index = if block.block_type == OBSOLETE_PACKET {
            u32::from(self.order.u16(&fixed, 0))
        } else {
            self.order.u32(&fixed, 0)
        };
        let interface = self.known_interface(block, index, number)?;
        let captured = self.order.u32(&fixed, 12);
        self.frame_bytes(input, block, buffer, number, captured)?;
        Ok(FrameHeader {
            timestamp_ns: interface
                .timestamp_ns(self.order.u32(&fixed, 4), self.order.u32(&fixed, 8)),
            wire_len: self.order.u32(&fixed, 16),
            link_type: interface.link_type,
            interface: index,
            offset: block.offset,
        })
    }

    /// Simple packet block: interface 0, no time, as many bytes as that interface's snaplen lets through.
    fn simple<R: Read>(
        &mut self,
        input: &mut Input<R>,
        block: &mut Block,
        buffer: &mut Vec<u8>,
        number: u64,
    ) -> Result<FrameHeader, CaptureError> {
        let mut fixed = [0; 4];
        take(input, &mut fixed, "a simple packet block")?;
        block.left -= 4;
        let interface = self.known_interface(block, 0, number)?;
        let wire_len = self.order.u32(&fixed, 0);
        let limit = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let captured = wire_len.min(limit).min(block.left);
        self.frame_bytes(input, block, buffer, number, captured)?;
        Ok(FrameHeader {
            timestamp_ns: self.last_timestamp_ns,
            wire_len,
            link_type: interface.link_type,
            interface: 0,
            offset: block.offset,
        })
    }

    fn known_interface(
        &self,
        block: &Block,
        index: u32,
        number: u64,
    ) -> Result<Interface, CaptureError> {
        self.interfaces.get(index as usize).copied().ok_or(CaptureError::UnknownInterface {
            offset: block.offset,
            number,
            interface: index,
            known: self.interfaces.len(),
        })
    }

    fn frame_bytes<R: Read>(
        &self,
        input: &mut Input<R>,
        block: &mut Block,
        buffer: &mut Vec<u8>,
        number: u64,
        captured: u32,
    ) -> Result<(), CaptureError> {
        if captured > MAX_FRAME_LEN {
            return Err(CaptureError::FrameTooLong {
                offset: block.offset,
                number,
                asked: captured,
                max: MAX_FRAME_LEN,
            });
        }
        if captured > block.left {
            return Err(CaptureError::FrameBeyondBlock {
                offset: block.offset,
                number,
                asked: captured,
                room: block.left,
            });
        }
        buffer.resize(captured as usize, 0);
        take(input, buffer, "a frame's bytes")?;
        block.left -= captured;
        Ok(())
    }

    /// Passes over what is left of the block and checks that it ends with its length.
    fn finish<R: Read>(&self, input: &mut Input<R>, block: &Block) -> Result<(), CaptureError> {
        pass(input, u64::from(block.left), "a block")?;
        let mut trailer = [0; 4];
        take(input, &mut trailer, "the length at a block's end")?;
        let second = self.order.u32(&trailer, 0);
        if second != block.total {
            return Err(CaptureError::BlockTrailer {
                offset: block.offset,
                block_type: block.block_type,
                first: block.total,
                second,
            });
        }
        Ok(())
    }
}

fn check_length(
    offset: u64,
    block_type: u32,
    total: u32,
    minimum: u32,
) -> Result<(), CaptureError> {
    let expected = if total < minimum {
        match minimum {
            28 => "a section header has at least 28",
            20 => "an interface description has at least 20",
            32 => "a packet block has at least 32",
            16 => "a simple packet block has at least 16",
            _ => "a block has at least 12",
        }
    } else if !total.is_multiple_of(4) {
        "it must be a multiple of 4"
    } else {
        return Ok(());
    };
    Err(CaptureError::BlockLength { offset, block_type, asked: total, expected })
}

fn take<R: Read>(
    input: &mut Input<R>,
    into: &mut [u8],
    what: &'static str,
) -> Result<(), CaptureError> {
    let offset = input.offset();
    let wanted = into.len() as u64;
    outcome(input.read(into), offset, what, wanted)
}

fn pass<R: Read>(input: &mut Input<R>, count: u64, what: &'static str) -> Result<(), CaptureError> {
    let offset = input.offset();
    outcome(input.skip(count), offset, what, count)
}

fn outcome(got: Got, offset: u64, what: &'static str, wanted: u64) -> Result<(), CaptureError> {
    match got {
        Got::All => Ok(()),
        Got::Nothing => Err(CaptureError::Truncated { offset, what, wanted, got: 0 }),
        Got::Some(got) => Err(CaptureError::Truncated { offset, what, wanted, got: got as u64 }),
        Got::Failed(source) => Err(CaptureError::Io { offset, source }),
    }
}
