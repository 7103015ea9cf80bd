//! Capture files: a reader for classic pcap and pcapng that survives damaged files, and a writer.
//!
//! The reader streams: one buffer for the frame at hand, whatever lengths a file claims. A damaged
//! file gives every frame in front of the damage; [`CaptureReader::end`] then says what is wrong,
//! at which byte, and what was expected there.
//!
//! Sources: draft-ietf-opsawg-pcap (classic), draft-ietf-opsawg-pcapng, and libpcap's behaviour
//! where files in the wild deviate from both.

mod classic;
mod error;
mod input;
mod linktype;
mod ng;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{CaptureEnd, CaptureError, Compression};
pub use linktype::DataLink;
pub use reader::{CaptureFormat, CaptureReader, CapturedFrame};
pub use writer::PcapWriter;

/// Most bytes one frame may have in a capture, as in libpcap (`MAXIMUM_SNAPLEN`): a length above it is
/// damage, not a frame.
pub const MAX_FRAME_LEN: u32 = 262_144;
