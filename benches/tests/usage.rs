//! What is asked wrongly is refused before anything is measured, with the value and what is legal.

mod common;

use common::umbra_bench;

/// Exits with `code`; all of `words` are in the error.
#[track_caller]
fn assert_refused(args: &[&str], code: i32, words: &[&str]) {
    let output = umbra_bench(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?} printed {:?}", output.stdout);
    for word in words {
        assert!(error.contains(word), "{args:?} does not say {word:?}: {error}");
    }
}

#[test]
fn values_out_of_range_are_told_the_range() {
    assert_refused(&["sampling", "--rig", "r9"], 2, &["\"r9\"", "ring, null, null-copy, pcap"]);
    assert_refused(&["forward", "--rig", "r9"], 2, &["\"r9\"", "virtio, all"]);
    assert_refused(&["forward", "--size", "9015"], 2, &["\"9015\"", "54 to 9014"]);
    assert_refused(&["latency", "--size", "53"], 2, &["\"53\"", "54 to 9014"]);
    assert_refused(&["rfc2544", "--sizes", "64,57"], 2, &["\"57\"", "58 to 9018"]);
    assert_refused(&["rfc2544", "--percentage", "101"], 2, &["\"101\"", "0 to 100"]);
    assert_refused(&["sampling", "--percentages", "1,101"], 2, &["\"101\"", "0 to 100"]);
    assert_refused(&["latency", "--percentage", "101"], 2, &["\"101\"", "0 to 100"]);
    assert_refused(&["latency", "--rate", "5", "--load", "50"], 2, &["--rate", "--load"]);
    assert_refused(&["goals", "P77"], 1, &["\"P77\"", "P1, P2"]);
}

#[test]
fn a_capture_that_is_none_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("none.pcap");
    let args = ["rfc2544", "--pcap", file.to_str().unwrap()];
    assert_refused(&args, 1, &["none.pcap", "cannot open"]);
    std::fs::write(&file, b"no capture").unwrap();
    assert_refused(&args, 1, &["none.pcap", "editcap -F pcap"]);
}

#[test]
fn ports_that_cannot_be_are_named() {
    assert_refused(&["rfc2544", "--ports", "eth0", "net_null0"], 2, &["\"eth0\"", "PCI address"]);
    assert_refused(&["forward", "--ports", "net_null0"], 2, &["--ports", "2 values"]);
    for command in ["rfc2544", "forward"] {
        let twice = [command, "--ports", "03:00.0", "0000:03:00.0"];
        assert_refused(&twice, 1, &["0000:03:00.0", "name two"]);
    }
    let both = ["rfc2544", "--percentage", "1", "--ports", "net_null0", "net_null1"];
    assert_refused(&both, 2, &["--percentage", "--ports"]);
}
