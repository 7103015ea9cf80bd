//! `umbra replay` as a program: exit codes, messages, files.

use std::path::Path;
use std::process::{Command, Output};

use umbra_control::pcap::{DataLink, PcapWriter};
use umbra_wire::build::Frame;

fn umbra(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_umbra"));
    command.env_remove("RUST_LOG").env_remove("UMBRA_LOG").current_dir(directory);
    command.arg("replay").args(arguments).output().expect("umbra runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A directory with `capture.pcap` of `frames` UDP datagrams in it.
fn directory(frames: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut writer = PcapWriter::new(Vec::new(), DataLink::ETHERNET).expect("header");
    let frame =
        Frame::ethernet([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(5, 6).bytes();
    for n in 0..frames {
        writer.write(1_767_323_045_000_000_000 + n, 42, &frame).expect("frame");
    }
    let bytes = writer.finish().expect("flush");
    std::fs::write(directory.path().join("capture.pcap"), bytes).expect("written");
    directory
}

fn events(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).expect("events");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn events_go_to_the_working_directory_and_the_report_to_standard_output() {
    let directory = directory(3);
    let output = umbra(directory.path(), &["-r", "capture.pcap"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = text(&output.stdout);
    assert!(report.contains("capture     capture.pcap (pcap (nanoseconds)), complete"), "{report}");
    assert!(report.contains("flows       1 "), "{report}");
    assert!(report.contains(" in eve.json\n"), "{report}");
    let events = events(&directory.path().join("eve.json"));
    assert_eq!(events[0]["event_type"], "flow");
    assert_eq!(events[0]["flow"]["pkts_toserver"], 3);
    assert!(events.iter().all(|event| event["shadow"]["appliance"] == "replay"));
}

#[test]
fn directory_is_made_and_a_second_replay_appends_with_a_warning() {
    let directory = directory(1);
    let arguments = ["-r", "capture.pcap", "-l", "out/new", "-k", "none"];
    let first = umbra(directory.path(), &arguments);
    assert_eq!((first.status.code(), text(&first.stderr)), (Some(0), String::new()));
    let eve = directory.path().join("out/new/eve.json");
    let once = std::fs::read(&eve).expect("events");
    let second = umbra(directory.path(), &arguments);
    assert_eq!(second.status.code(), Some(0));
    assert!(text(&second.stderr).contains("of older events: new ones are appended"));
    assert_eq!(std::fs::read(&eve).expect("events"), [&once[..], &once[..]].concat());
}

#[test]
fn capture_that_cannot_be_read_exits_1_and_says_why() {
    let directory = directory(1);
    std::fs::write(directory.path().join("empty.pcap"), b"").expect("written");
    std::fs::write(directory.path().join("text.pcap"), b"hello, world").expect("written");
    std::fs::write(directory.path().join("packed.pcap"), [0x1f, 0x8b, 8, 0]).expect("written");
    for (capture, message) in [
        ("missing.pcap", "error: missing.pcap: cannot be opened: "),
        (".", "error: .: is a directory"),
        ("empty.pcap", "error: empty.pcap: the file is empty (0 bytes)"),
        ("text.pcap", "error: text.pcap: at byte 0: 68656c6c is the magic of no capture format"),
        ("packed.pcap", "error: packed.pcap: at byte 0: the file is compressed with gzip: unpack"),
    ] {
        let output = umbra(directory.path(), &["-r", capture]);
        assert_eq!(output.status.code(), Some(1), "{capture}");
        let said = text(&output.stderr);
        assert!(said.contains(message), "{capture}: {said}");
    }
}

#[test]
fn cut_capture_is_a_warning_and_a_damaged_one_an_error_after_its_analysis() {
    let directory = directory(3);
    let whole = std::fs::read(directory.path().join("capture.pcap")).expect("capture");
    std::fs::write(directory.path().join("cut.pcap"), &whole[..whole.len() - 5]).expect("written");
    let damaged = [&whole[..], &[0xff; 16]].concat();
    std::fs::write(directory.path().join("damaged.pcap"), damaged).expect("written");

    let cut = umbra(directory.path(), &["-r", "cut.pcap", "-l", "cut"]);
    assert_eq!(cut.status.code(), Some(0));
    assert!(text(&cut.stdout).contains("cut short"));
    let said = text(&cut.stderr);
    assert!(said.contains("cut.pcap: at byte 156: the file ends within a frame's bytes"), "{said}");
    assert!(said.contains("analysed what is in front of it (2 frames)"), "{said}");

    let damaged = umbra(directory.path(), &["-r", "damaged.pcap", "-l", "damaged"]);
    assert_eq!(damaged.status.code(), Some(1));
    let said = text(&damaged.stderr);
    assert!(said.contains("damaged.pcap: at byte 198: frame 4 claims 4294967295"), "{said}");
    let events = events(&directory.path().join("damaged/eve.json"));
    assert_eq!(events[0]["flow"]["pkts_toserver"], 3);
}

#[test]
fn rules_that_load_are_matched_and_strict_wants_all_of_them() {
    let directory = directory(1);
    let text_of_rules = "alert ip any any -> any any (msg:\"seen\"; sid:7;)\n\
                         alert ip any any -> any any (msg:\"no such keyword\"; nonsense; sid:8;)\n";
    std::fs::write(directory.path().join("a.rules"), text_of_rules).expect("rules");
    let rules = ["-r", "capture.pcap", "-S", "a.rules", "-l", "lax"];
    let lax = umbra(directory.path(), &rules);
    assert_eq!(lax.status.code(), Some(0), "{}", text(&lax.stderr));
    assert!(text(&lax.stderr).contains("not loaded: a.rules:2: sid 8"), "{}", text(&lax.stderr));
    let events = events(&directory.path().join("lax/eve.json"));
    let sids: Vec<_> =
        events.iter().filter_map(|event| event["alert"]["signature_id"].as_u64()).collect();
    assert_eq!(sids, [7]);
    let strict = umbra(directory.path(), &[&rules[..], &["--strict"]].concat());
    assert_eq!(strict.status.code(), Some(2));
    let nothing = umbra(directory.path(), &["-r", "capture.pcap", "-S", "none.rules", "--strict"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(text(&nothing.stderr).contains("none.rules"), "{}", text(&nothing.stderr));
}

#[test]
fn what_is_not_built_is_said() {
    let directory = directory(1);
    let profile = ["-r", "capture.pcap", "--profiles", "Fuzzing"];
    let output = umbra(directory.path(), &profile);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("not built yet"));
    let unknown = umbra(directory.path(), &["-r", "capture.pcap", "--profiles", "Nonsense"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("there is no profile \"Nonsense\"; known are"));
}

#[test]
fn anomaly_scores_have_a_row_for_every_frame_also_of_those_not_sampled() {
    let directory = directory(50);
    let profile = ["-r", "capture.pcap", "--profiles", "Anomaly_Detection", "--scores", "s.csv"];
    for more in [["--learn", "capture.pcap"], ["--percentage", "0.1"]] {
        let output = umbra(directory.path(), &[&profile[..], &more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let rows = std::fs::read_to_string(directory.path().join("s.csv")).expect("scores");
        let mut rows = rows.lines();
        assert_eq!(rows.next(), Some("frame,time,score,key"));
        let frames: Vec<u64> =
            rows.map(|row| row.split(',').next().unwrap().parse().unwrap()).collect();
        assert_eq!(frames, (1..=50).collect::<Vec<_>>());
    }
    let alone = umbra(directory.path(), &["-r", "capture.pcap", "--learn", "capture.pcap"]);
    assert_eq!(alone.status.code(), Some(2));
    assert!(text(&alone.stderr).contains("add --profiles Anomaly_Detection"));
}

#[test]
fn manifest_gives_name_sampling_and_outputs_and_the_command_line_overrules_it() {
    let directory = directory(2);
    let manifest = r#"
        [appliance]
        name = "edge-9"

        [shadowing]
        shadow_enabled = true
        shadow_instance_count = 3
        shadow_traffic_percentage = 5.0
        shadow_analysis_profiles = ["Performance_Profiling"]
        select = "host"

        [outputs]
        directory = "logs"
        eve_types = ["flow"]
    "#;
    std::fs::write(directory.path().join("umbra.toml"), manifest).expect("written");
    let output = umbra(directory.path(), &["-r", "capture.pcap", "-c", "umbra.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("instances   3"));
    let written = events(&directory.path().join("logs/eve.json"));
    assert_eq!(written.len(), 1, "flow records alone");
    assert_eq!(written[0]["shadow"]["appliance"], "edge-9");
    assert_eq!(written[0]["shadow"]["select"], "host");
    assert_eq!(written[0]["shadow"]["percentage"], 100.0, "a replay is of everything");

    let overruled = ["-r", "capture.pcap", "-c", "umbra.toml", "-l", "here", "--percentage", "0"];
    let output = umbra(directory.path(), &[&overruled[..], &["--instances", "1"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("sampled     0% by host: 0 frames"));
    assert!(events(&directory.path().join("here/eve.json")).is_empty());

    std::fs::write(directory.path().join("bad.toml"), "[shadowing]\nselect = 7\n")
        .expect("written");
    let output = umbra(directory.path(), &["-r", "capture.pcap", "-c", "bad.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("bad.toml:2"), "{}", text(&output.stderr));
}

#[test]
fn output_that_cannot_be_written_exits_1() {
    let directory = directory(1);
    std::fs::write(directory.path().join("file"), b"").expect("written");
    let output = umbra(directory.path(), &["-r", "capture.pcap", "-l", "file/below"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot write file/below/eve.json"));
    if Path::new("/dev/full").exists() {
        // Nothing can be written there, and nothing is lost in silence.
        std::os::unix::fs::symlink("/dev/full", directory.path().join("eve.json")).expect("link");
        let output = umbra(directory.path(), &["-r", "capture.pcap"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("could not be written"), "{}", text(&output.stderr));
    }
}
