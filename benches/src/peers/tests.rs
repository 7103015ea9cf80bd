//! The peers on their rigs, a short window of each kind. Only counts are looked at: what a window
//! costs in cycles says nothing of whether it was measured rightly.

use std::path::Path;

use super::dumpcap::{DumpcapOptions, DumpcapRig};
use super::ovs::{OvsOptions, OvsRig, VSWITCHD};
use super::{pairs, wanted_attached, write_flows};

const WINDOW_S: f64 = 0.2;

/// False, with a reason, where the machine lacks something; under CI=true that is a failure.
fn can_run(tool: &str) -> bool {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push("root, for huge pages".to_owned());
    }
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        missing.push("a second core".to_owned());
    }
    if !Path::new(tool).is_file() {
        missing.push(format!("{tool} (scripts/setup --bench)"));
    }
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "missing under CI=true: {missing}");
    eprintln!("skipped: {missing}");
    false
}

#[test]
fn windows_alternate_and_every_pair_has_one_of_each() {
    let windows: Vec<bool> = (0..8).map(wanted_attached).collect();
    assert_eq!(windows, [false, true, true, false, false, true, true, false]);
    assert!(pairs(&windows, |w| *w).into_iter().all(|(without, with)| !without && *with));
}

#[test]
fn dumpcap_gets_the_forwarded_frames_and_only_while_it_is_attached() {
    if !can_run("/usr/bin/dpdk-dumpcap") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let options = DumpcapOptions {
        pcap: write_flows(dir.path(), 200, 90).unwrap(),
        burst: 32,
        mbufs: 8191,
        mbuf_cache: 250,
        descriptors: 512,
        pps: None,
        core: 1,
        other_core: 0,
    };
    let mut rig = DumpcapRig::start(&options).unwrap();
    assert!(rig.verify().unwrap() >= 4096, "frames compared with the source");
    let without = rig.window(false, WINDOW_S).unwrap();
    assert!(without.packets > 0);
    assert_eq!((without.copied, without.delivered), (0, 0));
    let with = rig.window(true, WINDOW_S).unwrap();
    assert!(with.delivered > 0 && with.delivered <= with.copied);
    // The two are read a moment apart, so not to the frame; captured twice it would be double.
    assert!(with.copied < with.packets * 3 / 2, "{} of {}", with.copied, with.packets);
    rig.pause().unwrap();
    rig.resume().unwrap();
    assert!(rig.window(true, WINDOW_S).unwrap().delivered > 0, "after a pause");
    rig.finish().unwrap();
}

#[test]
fn the_mirror_of_ovs_gets_every_frame_and_the_fast_path_carries_them() {
    if !can_run(VSWITCHD) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pcap = write_flows(dir.path(), 200, 90).unwrap();
    let mut rig = OvsRig::start(&OvsOptions { pcap, core: 1, other_core: 0 }).unwrap();
    let without = rig.window(false, WINDOW_S).unwrap();
    assert_eq!(without.mirrored, 0);
    // That as many are mirrored as are forwarded is checked by the window itself.
    let with = rig.window(true, WINDOW_S).unwrap();
    assert!(with.mirrored > 0);
    for window in [&without, &with] {
        let found = window.hits.values().sum::<u64>() + window.upcalls;
        // Read one after the other while the PMD runs: some bursts apart, more on a busy machine.
        assert!(window.packets.abs_diff(found) <= window.packets / 20, "{window:?}");
    }
    rig.pause().unwrap();
    rig.resume().unwrap();
    assert_eq!(rig.window(false, WINDOW_S).unwrap().mirrored, 0, "after a pause");
    rig.finish().unwrap();
}
