//! Cases as files.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use crate::testing::TestRecord;

/// Makes a folder with the capture, the rules and their files, and a line per rule of what is expected.
pub(super) fn write(
    folder: &Path,
    rules: &Path,
    capture: &[TestRecord],
    expected: &[(u32, usize)],
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(rules)? {
        let path = entry?.path();
        fs::copy(&path, folder.join(path.file_name().unwrap_or_default()))?;
    }
    fs::write(folder.join("test.pcap"), pcap(capture))?;
    let mut text = String::new();
    for (sid, times) in expected {
        let _ = writeln!(text, "{sid} {times}");
    }
    fs::write(folder.join("expected"), text)
}

/// The old format, with nanoseconds.
fn pcap(capture: &[TestRecord]) -> Vec<u8> {
    let header = [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 1 << 16, 1];
    let mut bytes = header.map(u32::to_le_bytes).concat();
    for record in capture {
        let (time, len) = (record.meta.timestamp_ns, record.data.len() as u32);
        let words = [(time / 1_000_000_000) as u32, (time % 1_000_000_000) as u32, len, len];
        bytes.extend(words.map(u32::to_le_bytes).concat());
        bytes.extend(&record.data);
    }
    bytes
}
