//! Reads captures for tests, leniently: what can be read of a damaged file is used. The product's
//! own reader is elsewhere; the analyzers do not know files.

use std::fs;
use std::path::{Path, PathBuf};

/// One captured frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Link type as the file numbers it.
    pub(crate) link: u16,
    /// Length on the wire, bytes.
    pub(crate) frame_len: u32,
    pub(crate) time_ns: u64,
    pub(crate) data: Vec<u8>,
}

/// The folder of shared captures beside the repository. Without it tests use their own frames,
/// except where the environment says that all prerequisites are there.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let there = path.is_dir();
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(there || !must, "CI=true, but there are no captures in {}", path.display());
    there.then_some(path)
}

/// All captures below a folder, in a fixed order.
pub(crate) fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
            if path.is_dir() {
                folders.push(path);
            } else if matches!(extension, "pcap" | "pcapng" | "cap") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The frames of a capture, as many as can be read.
pub(crate) fn frames(path: &Path) -> Vec<Frame> {
    let bytes = fs::read(path).unwrap_or_default();
    let mut frames = Vec::new();
    let read = match bytes.first_chunk() {
        Some(&[0x0a, 0x0d, 0x0d, 0x0a]) => pcapng(&bytes, &mut frames),
        _ => pcap(&bytes, &mut frames),
    };
    // Nothing hangs on where a damaged file stopped.
    let _: Option<()> = read;
    frames
}

#[derive(Clone, Copy)]
struct Reader<'b> {
    bytes: &'b [u8],
    little: bool,
}

impl Reader<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        let b = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u16::from_le_bytes(b) } else { u16::from_be_bytes(b) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let b = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) })
    }
}

fn pcap(bytes: &[u8], frames: &mut Vec<Frame>) -> Option<()> {
    let (little, record, unit_ns) = match *bytes.first_chunk()? {
        [0xd4, 0xc3, 0xb2, 0xa1] => (true, 16, 1000),
        [0xa1, 0xb2, 0xc3, 0xd4] => (false, 16, 1000),
        [0x4d, 0x3c, 0xb2, 0xa1] => (true, 16, 1),
        [0xa1, 0xb2, 0x3c, 0x4d] => (false, 16, 1),
        // Kuznetzov's, with eight more bytes in each record
        [0x34, 0xcd, 0xb2, 0xa1] => (true, 24, 1000),
        _ => return None,
    };
    let reader = Reader { bytes, little };
    let link = reader.u32(20)? as u16;
    let mut at = 24;
    loop {
        let (seconds, fraction) = (reader.u32(at)?, reader.u32(at + 4)?);
        let (captured, frame_len) = (reader.u32(at + 8)? as usize, reader.u32(at + 12)?);
        at += record;
        let data = bytes.get(at..at.checked_add(captured)?)?.to_vec();
        at += captured;
        let time_ns = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit_ns;
        frames.push(Frame { link, frame_len, time_ns, data });
    }
}

fn pcapng(bytes: &[u8], frames: &mut Vec<Frame>) -> Option<()> {
    let mut reader = Reader { bytes, little: true };
    let mut links = Vec::new();
    let mut at = 0;
    loop {
        if bytes.get(at..at + 4)? == [0x0a, 0x0d, 0x0d, 0x0a] {
            reader.little = bytes.get(at + 8)? == &0x4d;
            links.clear();
        }
        let (kind, len) = (reader.u32(at)?, reader.u32(at + 4)? as usize);
        let end = at.checked_add(len)?;
        if len < 12 || end > bytes.len() {
            return None;
        }
        let body = Reader { bytes: &bytes[at + 8..end - 4], ..reader };
        match kind {
            1 => links.push(body.u16(0)?),
            3 => {
                let frame_len = body.u32(0)?;
                let data = body.bytes.get(4..)?;
                let data = data[..data.len().min(frame_len as usize)].to_vec();
                frames.push(Frame { link: *links.first()?, frame_len, time_ns: 0, data });
            }
            // Enhanced packet block, and the obsolete one with a drop count beside its interface.
            2 | 6 => {
                let interface = if kind == 6 { body.u32(0)? as usize } else { body.u16(0)?.into() };
                let time = u64::from(body.u32(4)?) << 32 | u64::from(body.u32(8)?);
                let (captured, frame_len) = (body.u32(12)? as usize, body.u32(16)?);
                let data = body.bytes.get(20..20usize.checked_add(captured)?)?.to_vec();
                // Resolutions other than microseconds do not matter here.
                let time_ns = time.saturating_mul(1000);
                frames.push(Frame { link: *links.get(interface)?, frame_len, time_ns, data });
            }
            _ => {}
        }
        at = end;
    }
}
