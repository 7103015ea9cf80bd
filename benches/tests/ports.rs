//! `rfc2544 --ports`: the tester alone, on ports of its own, with somebody else's device between them or none.

mod common;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{has_testpmd, measured, results, rows, umbra_bench};

/// A dpdk-testpmd with two vhost ports, which forwards between them if told to; ended when dropped.
struct Device(Child);

impl Device {
    fn start(dir: &Path, forwarding: bool) -> Device {
        let vhost = |i: u8| format!("--vdev=net_vhost{i},iface={}", socket(dir, i));
        let prefix = format!("--file-prefix=umbra-test-{}", std::process::id());
        let mut args = vec!["--lcores=100@0,1@1", "--main-lcore=100", "--no-pci", "--no-telemetry"];
        args.extend(["--no-huge", "-m", "256", &prefix]);
        let vdevs = [vhost(0), vhost(1)];
        args.extend(vdevs.iter().map(String::as_str));
        args.extend([
            "--",
            "-i",
            "--forward-mode=io",
            "--nb-cores=1",
            "--total-num-mbufs=8192",
            "--no-flush-rx",
        ]);
        let mut child = Command::new("dpdk-testpmd")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dpdk-testpmd starts");
        if forwarding {
            child.stdin.as_mut().expect("its stdin").write_all(b"start\n").expect("it listens");
        }
        let device = Device(child);
        let end = Instant::now() + Duration::from_secs(20);
        while (0..2).any(|i| !Path::new(&socket(dir, i)).exists()) {
            assert!(Instant::now() < end, "dpdk-testpmd made no sockets");
            std::thread::sleep(Duration::from_millis(10));
        }
        device
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn socket(dir: &Path, port: u8) -> String {
    dir.join(format!("{port}.sock")).display().to_string()
}

/// The tester's ports to the device's sockets.
fn virtio_user(dir: &Path) -> [String; 2] {
    [0, 1].map(|i| format!("net_virtio_user{i},path={},queue_size=1024", socket(dir, i)))
}

/// A search as short as can be.
const QUICK: [&str; 6] = ["rfc2544", "--quick", "--seconds", "0.05", "--width-percent", "30"];

#[test]
fn a_device_between_two_virtio_ports_is_searched() {
    if !has_testpmd() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let device = Device::start(dir.path(), true);
    let ports = virtio_user(dir.path());
    let json = dir.path().join("ports.json");
    let ends = ["--ports", &ports[0], &ports[1], "--json", json.to_str().unwrap()];
    let table = measured(&[&QUICK[..], &ends].concat());
    drop(device);
    assert_eq!(rows(&table).len(), 1, "{table}");
    let found = &results(&json)["throughputs"][0];
    assert!(found["title"].as_str().unwrap().contains("net_virtio_user0"), "{found}");
    for trial in found["trials"].as_array().unwrap() {
        assert!(trial[1].as_u64().unwrap() > 0, "{trial}");
    }
}

#[test]
fn what_the_testers_own_full_queue_refuses_was_not_offered() {
    if !has_testpmd() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let _device = Device::start(dir.path(), false);
    let ports = virtio_user(dir.path());
    let ends = ["--huge-mib", "0", "--ports", &ports[0], &ports[1]];
    let output = umbra_bench(&[&QUICK[..], &ends].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    // The device takes nothing: as much is offered as the queue holds, however long the trial.
    let (before, _) = error.split_once(" frames were sent and none came back").expect(&error);
    let sent: u32 = before.rsplit(' ').next().unwrap().parse().expect(&error);
    assert!((1..=1024).contains(&sent), "{error}");
}

#[test]
fn ports_that_do_not_start_have_no_link_or_lead_nowhere_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = [0, 1].map(|i| socket(dir.path(), i));
    let failing = |ports: [String; 2], words: &[&str]| {
        let ends = ["--huge-mib", "0", "--ports", &ports[0], &ports[1]];
        let output = umbra_bench(&[&QUICK[..], &ends].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{ports:?}: {error}");
        for word in words {
            assert!(error.contains(word), "{ports:?} does not say {word:?}: {error}");
        }
    };
    let nobody = [format!("net_virtio_user0,path={a}"), format!("net_virtio_user1,path={b}")];
    failing(nobody, &[&format!("port net_virtio_user0,path={a} did not start"), "listen"]);
    failing(["0000:ff:1f.6".into(), "0000:ff:1f.7".into()], &["no port 0000:ff:1f.6", "devbind"]);
    failing(["net_bogus0".into(), "net_null0".into()], &["net_bogus0", "--vdev"]);
    let waiting = [format!("net_vhost0,iface={a}"), format!("net_vhost1,iface={b}")];
    failing(waiting, &["net_vhost0", "no link after 10000 ms", "device under test"]);
    // Each ring is looped on itself: what is sent by one never comes to the other.
    failing(["net_ring0".into(), "net_ring1".into()], &["none came back"]);
}
