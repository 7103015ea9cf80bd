//! Real captures, where they are at hand: no frame is lost and nothing panics.
//!
//! The expected number of frames comes from a second, independent walk over each file.

use std::path::{Path, PathBuf};

use umbra_analyzers::events::NullSink;
use umbra_control::pcap::{CaptureEnd, CaptureReader};
use umbra_control::replay::{self, ReplayError, ReplayOptions};

/// `<repository>/../shared/data`, `None` where it is not there; in CI it must be.
fn data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let data = root.parent()?.join("shared/data");
    if data.is_dir() {
        return Some(data);
    }
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!in_ci, "{} is missing: in CI the captures must be there", data.display());
    None
}

fn captures() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = data().into_iter().collect();
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).expect("readable").flatten() {
            let path = entry.path();
            let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if path.is_dir() {
                left.push(path);
            } else if ["pcap", "pcapng", "cap"].contains(&kind) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Frames of a capture by a walk that has nothing in common with the reader but the file formats.
fn count_frames(file: &[u8]) -> usize {
    let word = |at: usize, little: bool| -> Option<u32> {
        let raw: [u8; 4] = file.get(at..at + 4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(raw) } else { u32::from_be_bytes(raw) })
    };
    match word(0, true) {
        Some(0xa1b2_c3d4 | 0xa1b2_3c4d) => count_records(file.len(), |at| word(at, true)),
        Some(0xd4c3_b2a1 | 0x4d3c_b2a1) => count_records(file.len(), |at| word(at, false)),
        Some(0x0a0d_0d0a) => count_blocks(file.len(), word),
        _ => 0,
    }
}

fn count_records(len: usize, word: impl Fn(usize) -> Option<u32>) -> usize {
    let (mut at, mut frames) = (24, 0);
    // Version 2.0, in either order of the two halves, has the two lengths swapped.
    let swapped = matches!(word(4), Some(0x0000_0002 | 0x0002_0000));
    while let Some(captured) = word(at + if swapped { 12 } else { 8 }) {
        at += 16 + captured as usize;
        if captured > 262_144 || at > len {
            break;
        }
        frames += 1;
    }
    frames
}

fn count_blocks(len: usize, word: impl Fn(usize, bool) -> Option<u32>) -> usize {
    let (mut at, mut frames, mut little, mut known) = (0, 0, true, true);
    while at + 12 <= len {
        if word(at, true) == Some(0x0a0d_0d0a) {
            little = word(at + 8, true) == Some(0x1a2b_3c4d);
            // Major version in the first half: only sections of version 1 hold frames known here.
            let version = word(at + 12, little).unwrap_or(0);
            known = if little { version & 0xffff } else { version >> 16 } == 1;
        }
        let total = word(at + 4, little).unwrap_or(0) as usize;
        if total < 12 || !total.is_multiple_of(4) || at + total > len {
            break;
        }
        if word(at + total - 4, little) != Some(total as u32) {
            break;
        }
        frames += usize::from(known && matches!(word(at, little), Some(2 | 3 | 6)));
        at += total;
    }
    frames
}

#[test]
fn reader_gives_every_frame_that_an_independent_count_finds() {
    let captures = captures();
    if captures.is_empty() {
        return;
    }
    let (mut frames, mut incomplete) = (0, Vec::new());
    for path in &captures {
        let file = std::fs::read(path).expect("readable");
        let expected = count_frames(&file);
        let read = match CaptureReader::open(path) {
            Ok(mut reader) => {
                while let Some(frame) = reader.next_frame() {
                    assert!(frame.data.len() <= frame.wire_len as usize);
                }
                if !matches!(reader.end(), CaptureEnd::Complete) {
                    incomplete.push(format!("{}: {:?}", path.display(), reader.end()));
                }
                reader.frames() as usize
            }
            Err(error) => {
                incomplete.push(format!("{}: {error}", path.display()));
                0
            }
        };
        assert_eq!(read, expected, "{}", path.display());
        frames += read;
    }
    println!("{} captures, {frames} frames; not complete:", captures.len());
    println!("{}", incomplete.join("\n"));
    assert!(frames > 0);
}

#[test]
fn replay_of_every_capture_loses_no_frame() {
    let captures = captures();
    let mut frames = 0;
    for path in &captures {
        let expected = count_frames(&std::fs::read(path).expect("readable")) as u64;
        let options = ReplayOptions { instances: 2, anomalies: true, ..ReplayOptions::new(path) };
        let report = match replay::run(&options, &mut NullSink) {
            Ok(report) => report,
            Err(ReplayError::Capture(_)) if expected == 0 => continue,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let analysis = &report.analysis;
        assert_eq!(report.frames, expected, "{}", path.display());
        assert_eq!(analysis.decode.packets, expected, "{}", path.display());
        assert_eq!(analysis.counters.records, expected, "{}", path.display());
        assert_eq!(analysis.flow.opened, analysis.counters.flows, "{}", path.display());
        assert_eq!(analysis.flows_live, 0, "{}", path.display());
        // The report is printable whatever was in the capture.
        assert!(!report.to_string().is_empty());
        frames += report.frames;
    }
    println!("{} captures, {frames} frames", captures.len());
}
