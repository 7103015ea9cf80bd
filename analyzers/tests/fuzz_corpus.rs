//! What fuzzing found once stays mended: every target over what is kept for it in `fuzz/corpus`, and over what
//! comes of that by a few blind changes.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

/// Changed copies of each file.
const CHANGES: u64 = 12;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(corpus().join(target)).unwrap_or_else(|e| panic!("{target}: {e}"));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// A copy with a few bytes changed, taken out, or said twice.
fn changed(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % end.max(1) as u64) as usize
    };
    let mut bytes = bytes.to_vec();
    for _ in 0..=below(4) {
        let (from, len) = (below(bytes.len()), below(12));
        let to = (from + len).min(bytes.len());
        match below(5) {
            0 => drop(bytes.drain(from..to)),
            1 => {
                let twice = bytes[from..to].to_vec();
                bytes.splice(from..from, twice);
            }
            2 => bytes.truncate(from),
            _ => {
                let new = [0, 0xff, 0x0a, 0x7f, 0x80, b' ', b'-', below(256) as u8][below(8)];
                if let Some(byte) = bytes.get_mut(from) {
                    *byte = new;
                }
            }
        }
    }
    bytes
}

fn check(target: &str) {
    let files = files(target);
    assert!(!files.is_empty(), "nothing is kept for {target}");
    for (path, bytes) in files {
        for seed in 0..=CHANGES {
            let given = if seed == 0 { bytes.clone() } else { changed(&bytes, seed) };
            let kept = std::panic::catch_unwind(|| fuzz::run(target, &given));
            let shown = given.escape_ascii();
            assert!(kept.is_ok(), "{} changed with {seed}: {shown}", path.display());
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn every_target_is_run_and_has_a_file_of_its_own() {
            let mut names = vec![$(stringify!($name)),*];
            names.sort_unstable();
            let known: Vec<_> = fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, known);
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
            for name in names {
                let text = fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
                assert!(text.contains(&format!("run(\"{name}\", bytes)")), "{name}");
            }
        }
    };
}

targets! {
    conversation dcerpc dcerpc_udp decoder defrag dns_tcp dns_udp ftp ftp_data http1 http2 matching
    pipeline rules signatures smb smtp ssh stream stream_wild tls
}
