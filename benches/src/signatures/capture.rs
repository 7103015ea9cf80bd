//! The capture that both engines read.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use umbra_analyzers::decode::{DecodeOptions, Decoder, LinkType};

use crate::peers::capture;

/// A capture on disk.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) whole: PathBuf,
    /// Its first frame alone.
    pub(super) one: PathBuf,
    /// Of frames.
    pub(super) bytes: u64,
    pub(super) frames: u64,
}

/// Frames come a microsecond apart; copies follow each other with this between them, beyond all time-outs.
const BETWEEN_NS: u64 = 3_600_000_000_000;

/// Repeats the frames of `sources` until there are `bytes` of them.
pub(super) fn make(sources: &[PathBuf], bytes: u64, folder: &Path) -> Result<Made> {
    let mut frames = Vec::new();
    for source in sources {
        frames.extend(capture::read(source)?);
    }
    ensure!(!frames.is_empty(), "the captures hold no frame");
    let made = Made {
        whole: folder.join("whole.pcap"),
        one: folder.join("one.pcap"),
        bytes: 0,
        frames: 0,
    };
    let mut one = begin(&made.one)?;
    write(&mut one, 0, &frames[0])?;
    one.flush()?;
    let mut whole = begin(&made.whole)?;
    let mut made = made;
    for copy in 0u32.. {
        for (at, frame) in (0u64..).zip(&frames) {
            let mut frame = frame.clone();
            readdress(&mut frame, copy);
            let time = u64::from(copy) * BETWEEN_NS + at * 1_000;
            write(&mut whole, time, &frame)?;
            made.bytes += frame.len() as u64;
            made.frames += 1;
        }
        if made.bytes >= bytes {
            break;
        }
    }
    whole.flush()?;
    Ok(made)
}

/// Gives both ends of a frame addresses of the copy's own. Checksums are wrong then, and not verified.
fn readdress(frame: &mut [u8], copy: u32) {
    if copy == 0 {
        return;
    }
    let mut decoder = Decoder::new(DecodeOptions { max_tunnels: 0, ..DecodeOptions::default() });
    let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let decoded = decoder.decode(frame, len, LinkType::Ethernet);
    let Some(ip) = decoded.ip else { return };
    let at = decoded.datagram.as_ptr().addr().wrapping_sub(frame.as_ptr().addr());
    let [_, _, high, low] = copy.to_be_bytes();
    let places: &[usize] = if ip.version == 4 { &[13, 17] } else { &[10, 26] };
    for place in places {
        for (offset, change) in [(0, low), (1, high)] {
            if let Some(byte) = frame.get_mut(at + place + offset) {
                *byte = byte.wrapping_add(change);
            }
        }
    }
}

/// A classic capture with nanoseconds.
fn begin(path: &Path) -> Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.write_all(&word.to_le_bytes())?;
    }
    Ok(file)
}

fn write(file: &mut impl Write, time_ns: u64, frame: &[u8]) -> Result<()> {
    const BEGIN_S: u64 = 1_600_000_000;
    let len = u32::try_from(frame.len())?;
    let seconds = u32::try_from(BEGIN_S + time_ns / 1_000_000_000)?;
    for word in [seconds, (time_ns % 1_000_000_000) as u32, len, len] {
        file.write_all(&word.to_le_bytes())?;
    }
    file.write_all(frame)?;
    Ok(())
}
