//! A writer of classic pcap with nanosecond stamps, for saved packets and generated captures.

use std::io::{self, Write};

use super::linktype::DataLink;

/// Writes nanosecond pcap (magic `a1b23c4d`) in little-endian order.
#[derive(Debug)]
pub struct PcapWriter<W> {
    sink: W,
    frames: u64,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header.
    ///
    /// # Errors
    /// When the sink refuses it.
    pub fn new(mut sink: W, link_type: DataLink) -> io::Result<Self> {
        let mut header = [0; 24];
        header[0..4].copy_from_slice(&0xa1b2_3c4d_u32.to_le_bytes());
        header[4..6].copy_from_slice(&2_u16.to_le_bytes());
        header[6..8].copy_from_slice(&4_u16.to_le_bytes());
        header[16..20].copy_from_slice(&super::MAX_FRAME_LEN.to_le_bytes());
        header[20..24].copy_from_slice(&u32::from(link_type.0).to_le_bytes());
        sink.write_all(&header)?;
        Ok(Self { sink, frames: 0 })
    }

    /// Appends one frame of `wire_len` bytes, of which `data` was captured (cut at
    /// [`super::MAX_FRAME_LEN`]). Times after 2106, which the format cannot hold, are held at its end.
    ///
    /// # Errors
    /// When the sink refuses it.
    pub fn write(&mut self, timestamp_ns: u64, wire_len: u32, data: &[u8]) -> io::Result<()> {
        let data = &data[..data.len().min(super::MAX_FRAME_LEN as usize)];
        let captured = u32::try_from(data.len()).unwrap_or(super::MAX_FRAME_LEN);
        let seconds = u32::try_from(timestamp_ns / 1_000_000_000).unwrap_or(u32::MAX);
        let nanoseconds = (timestamp_ns % 1_000_000_000) as u32;
        let mut header = [0; 16];
        header[0..4].copy_from_slice(&seconds.to_le_bytes());
        header[4..8].copy_from_slice(&nanoseconds.to_le_bytes());
        header[8..12].copy_from_slice(&captured.to_le_bytes());
        header[12..16].copy_from_slice(&wire_len.max(captured).to_le_bytes());
        self.sink.write_all(&header)?;
        self.sink.write_all(data)?;
        self.frames += 1;
        Ok(())
    }

    /// Frames written.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Flushes and gives the sink back.
    ///
    /// # Errors
    /// When flushing fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.flush()?;
        Ok(self.sink)
    }
}
