//! The commands that measure, on pages of 4 KiB with the shortest runs. Each fails by itself when its ledger does not
//! close; here it is looked at that frames went through and that the results have their fields. Times and
//! rates are the machine's and never looked at.

mod common;

use common::{has_testpmd, measured, results, rows, umbra_bench};

/// The samples are there and none is nothing.
fn assert_samples(side: &serde_json::Value, count: usize) {
    let samples = side["samples"].as_array().expect("samples");
    assert_eq!(samples.len(), count);
    assert!(samples.iter().all(|s| s.as_f64().is_some_and(|s| s > 0.0)), "{samples:?}");
}

#[test]
fn sampling_on_the_ring_and_the_null_rig_mirrors_what_it_should() {
    for rig in ["ring", "null"] {
        let table = measured(&[
            "sampling",
            "--rig",
            rig,
            "--rounds",
            "2",
            "--window",
            "0.005",
            "--percentages",
            "0,100",
            "--select",
            "flow",
        ]);
        let rows = rows(&table);
        let labels: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(labels, ["shadow off", "0 %, flow mode", "100 %, flow mode"]);
        let mirrored = |row: usize| rows[row][6].trim_end_matches(" %").parse::<f64>().unwrap();
        assert_eq!((mirrored(0), mirrored(1)), (0.0, 0.0), "{table}");
        assert!(mirrored(2) > 0.0, "{table}");
        assert!(rows.iter().all(|row| row[5].parse::<f64>().unwrap() >= 1.0), "{table}");
    }
}

#[test]
fn rfc2544_sends_and_receives_through_the_worker() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("rfc2544.json");
    let table = measured(&[
        "rfc2544",
        "--quick",
        "--seconds",
        "0.05",
        "--width-percent",
        "20",
        "--json",
        json.to_str().unwrap(),
    ]);
    assert_eq!(rows(&table).len(), 1, "{table}");
    let results = results(&json);
    let found = &results["throughputs"][0];
    assert_eq!(found["id"], "rfc2544/64 B");
    let trials = found["trials"].as_array().unwrap();
    assert_eq!(trials.len().to_string(), rows(&table)[0][4], "{table}");
    for trial in trials {
        let (offered, lost) = (trial[1].as_u64().unwrap(), trial[2].as_u64().unwrap());
        assert!(offered > 0 && lost <= offered, "{trial}");
    }
    // Without any trial that lets a frame through the command fails.
    let at = |name: &str, end: usize| found[name][end].as_f64().unwrap();
    for name in ["ndr_pps", "pdr_pps"] {
        assert!(at(name, 0) <= at(name, 1), "{found}");
    }
    assert!(at("pdr_pps", 0) >= at("ndr_pps", 0), "{found}");
}

#[test]
fn rfc2544_takes_a_capture_and_long_frames() {
    let dir = tempfile::tempdir().unwrap();
    let pcap = dir.path().join("three.pcap");
    write_pcap(&pcap, &[60, 1514, 300]);
    for what in [["--pcap", pcap.to_str().unwrap()], ["--sizes", "9018"]] {
        let table = measured(
            &[&["rfc2544", "--quick", "--seconds", "0.02", "--width-percent", "50"], &what[..]]
                .concat(),
        );
        assert!(!table.contains("not measured") && rows(&table).len() == 1, "{table}");
    }
}

#[test]
fn latency_has_both_places_and_all_percentiles() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("latency.json");
    let table = measured(&[
        "latency",
        "--quick",
        "--rate",
        "10000",
        "--percentage",
        "100",
        "--json",
        json.to_str().unwrap(),
    ]);
    let rows = rows(&table);
    let shadows: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
    let few = |label: &str| format!("{label}, bursts of 1 to 4");
    let (on, off) = ("100 % of 64 B", "off");
    assert_eq!(shadows, [on, off, on, off, &few(on), &few(off)], "{table}");
    let results = results(&json);
    let latencies = results["latencies"].as_array().unwrap();
    assert_eq!(latencies.len(), 2);
    for series in latencies.iter().flat_map(|l| l["series"].as_array().unwrap()) {
        let [count, lost, late] = ["count", "lost", "late"].map(|k| series[k].as_u64().unwrap());
        assert!(count > 0, "{series}");
        // 3 trials of 0.15 s: what was due was received, or lost.
        assert!(count + lost <= 4500 && late <= 4500, "{series}");
        let percentiles = series["percentiles"].as_array().unwrap();
        for wanted in [50.0, 90.0, 99.0, 99.9, 99.99, 100.0] {
            assert!(percentiles.iter().any(|p| p[0] == wanted), "p{wanted}: {series}");
        }
        assert!(percentiles.windows(2).all(|p| p[0][1].as_u64() <= p[1][1].as_u64()), "{series}");
    }
    let comparisons = results["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 10);
    assert!(comparisons.iter().all(|c| c["goal"].is_null()));
    assert_samples(&comparisons[0]["a"], 3);
}

#[test]
fn forwarding_is_compared_with_the_peer() {
    if !has_testpmd() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("forward.json");
    let table =
        measured(&["forward", "--rig", "null", "--quick", "--json", json.to_str().unwrap()]);
    assert_eq!(rows(&table).len(), 1, "{table}");
    assert_eq!(rows(&table)[0][..2], ["R2 null", "64 B"]);
    let results = results(&json);
    let comparison = &results["comparisons"][0];
    assert_eq!(comparison["id"], "P1/null/64");
    assert_samples(&comparison["a"], 3);
    assert_samples(&comparison["b"], 3);
    for end in ["median", "low", "high"] {
        assert!(
            comparison["estimate"][end].is_number() && comparison["resolution"][end].is_number()
        );
    }
}

#[test]
fn preflight_describes_the_machine() {
    let output = umbra_bench(&["preflight"]);
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["tsc_hz"].as_u64().unwrap() > 0 && json["cores"].as_u64().unwrap() > 0, "{json}");
    for key in ["cpu", "both_cores_slowdown", "core_round_trip_cycles", "steal_percent"] {
        assert!(!json[key].is_null(), "{key}");
    }
}

/// A classic pcap file with zeroed frames of these lengths.
fn write_pcap(path: &std::path::Path, lengths: &[u32]) {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for &length in lengths {
        for word in [0, 0, length, length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(vec![0; length as usize]);
    }
    std::fs::write(path, bytes).unwrap();
}
