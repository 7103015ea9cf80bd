//! TCP figures against tshark's, on connections between two hosts whose frames pass through the forwarder's io
//! in memory on their way to the tap and behind it: lost, reordered, repeated, delayed.
//!
//! tshark is installed by `scripts/setup --test`. Its version decides whose meaning the words have.

mod host;
mod path;
mod talk;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use umbra_control::eve::{BlockingSink, EveFormat, EveWriter};
use umbra_control::pcap::{DataLink, PcapWriter};
use umbra_control::replay::{self, ReplayOptions};

const START_NS: u64 = 1_767_323_045_000_000_000;
const CONNECTIONS: u16 = 1_600;
const FIRST_PORT: u16 = 10_000;
/// Figures, as tshark and as records call them.
const WORDS: [(&str, &str); 8] = [
    ("retransmission", "retransmissions"),
    ("fast_retransmission", "fast_retransmissions"),
    ("spurious_retransmission", "spurious_retransmissions"),
    ("out_of_order", "out_of_order"),
    ("duplicate_ack", "duplicate_acks"),
    ("zero_window", "zero_windows"),
    ("window_full", "window_full"),
    ("keep_alive", "keep_alives"),
];
/// Rare in captures: there must be at least so many connections with each.
const RARE: [usize; 5] = [1, 2, 3, 5, 6];
const LEAST: usize = 200;

type Counts = [u64; WORDS.len()];

fn tshark_version() -> Option<String> {
    let output = Command::new("tshark").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

/// Per client port.
fn by_tshark(capture: &Path) -> BTreeMap<u16, Counts> {
    let mut command = Command::new("tshark");
    // No preferences of whoever runs this.
    command.env("HOME", capture.parent().unwrap()).env_remove("XDG_CONFIG_HOME");
    command.args(["-n", "-r"]).arg(capture).args([
        "-T",
        "fields",
        "-e",
        "tcp.srcport",
        "-e",
        "tcp.dstport",
    ]);
    for (word, _) in WORDS {
        command.arg("-e").arg(format!("tcp.analysis.{word}"));
    }
    let output = command.output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: BTreeMap<u16, Counts> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut fields = line.split('\t');
        let mut port = || fields.next().and_then(|port| port.parse::<u16>().ok()).expect("a port");
        let client = port().max(port());
        let counts = found.entry(client).or_default();
        for (count, field) in counts.iter_mut().zip(fields) {
            *count += u64::from(!field.is_empty());
        }
    }
    found
}

fn by_umbra(capture: &Path, wireshark: &str) -> BTreeMap<u16, Counts> {
    let eve = capture.with_file_name("eve.json");
    let mut options = ReplayOptions::new(capture);
    options.profiles[0].settings = json!({ "wireshark": wireshark }).as_object().unwrap().clone();
    let mut sink =
        BlockingSink::new(EveFormat::default(), EveWriter::append(&eve).expect("eve.json"));
    replay::run(&options, &mut sink).expect("a report");
    sink.writer().flush();
    let mut found = BTreeMap::new();
    for line in std::fs::read_to_string(eve).expect("events").lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        if event["event_type"] != "flow" {
            continue;
        }
        let port = |key: &str| event[key].as_u64().unwrap_or_default() as u16;
        let performance = &event["shadow"]["performance"];
        let counts = WORDS.map(|(_, name)| {
            let of = |way: &str| performance[name][way].as_u64().expect(name);
            of("to_server") + of("to_client")
        });
        let before = found.insert(port("src_port").max(port("dest_port")), counts);
        assert!(before.is_none(), "two records of a connection");
    }
    found
}

#[test]
fn rare_verdicts_are_tsharks_on_98_of_100_connections() {
    let Some(version) = tshark_version() else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "tshark is missing: scripts/setup --test"
        );
        eprintln!("skipped: no tshark");
        return;
    };
    let wireshark = if version.starts_with("4.0") { "4.0" } else { "4.4" };
    let directory = tempfile::tempdir().expect("temporary directory");
    let capture = directory.path().join("capture.pcap");
    let mut frames = Vec::new();
    for n in 0..CONNECTIONS {
        let start_ns = START_NS + u64::from(n) * 3 * host::MS;
        frames.extend(talk::seen(FIRST_PORT + n, u64::from(n) + 1, start_ns));
    }
    frames.sort();
    let mut writer = PcapWriter::new(Vec::new(), DataLink::ETHERNET).expect("header");
    for (at, frame) in &frames {
        writer.write(*at, frame.len() as u32, frame).expect("frame");
    }
    std::fs::write(&capture, writer.finish().expect("flush")).expect("written");
    if let Ok(kept) = std::env::var("UMBRA_KEEP_CAPTURE") {
        std::fs::copy(&capture, kept).expect("copied");
    }

    let (expected, found) = (by_tshark(&capture), by_umbra(&capture, wireshark));
    let mut report = format!("tshark {version}, {} frames\n", frames.len());
    let mut bad = Vec::new();
    for (at, (word, _)) in WORDS.iter().enumerate() {
        let mut some = 0;
        let mut other = Vec::new();
        for (port, want) in &expected {
            let have = found.get(port).map(|counts| counts[at]);
            some += usize::from(want[at] > 0);
            if have != Some(want[at]) {
                other.push((*port, want[at], have));
            }
        }
        report += &format!(
            "{word}: {some} have any, {} differ: {:?}\n",
            other.len(),
            &other[..other.len().min(8)]
        );
        if RARE.contains(&at) && some < LEAST || other.len() * 50 > some {
            bad.push(*word);
        }
    }
    eprintln!("{report}");
    assert!(bad.is_empty(), "{bad:?}\n{report}");
}
