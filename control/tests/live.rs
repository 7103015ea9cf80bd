//! `umbra run` as a process: forwarding between virtual ports, asked and told over its socket.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use umbra_control::api::{self, Command as Ask, InstanceAction};

struct Umbra {
    child: Child,
    socket: PathBuf,
    folder: tempfile::TempDir,
}

fn manifest(folder: &Path, eal: &str, shadowing: &str) -> PathBuf {
    let path = folder.join("umbra.toml");
    // With a single core workers and analyzers share it.
    let text = format!(
        r#"[host]
eal = ["--no-huge", "--no-pci", "-m", "256", "--no-telemetry", "--file-prefix=live{id}", {eal}]
poll = "adaptive"
control_socket = "{folder}/control.sock"
[appliance]
name = "live"
[[wire]]
name = "edge"
a = "net_null0"
b = "net_null1"
[shadowing]
shadow_enabled = true
{shadowing}
shadow_analysis_profiles = ["Performance_Profiling"]
[outputs]
directory = "{folder}/out"
stats_interval_s = 1
"#,
        id = folder.file_name().unwrap().to_string_lossy().replace('.', ""),
        folder = folder.display(),
    );
    std::fs::write(&path, text).unwrap();
    path
}

const NULLS: &str = r#""--vdev=net_null0", "--vdev=net_null1""#;

impl Umbra {
    fn start(shadowing: &str) -> Umbra {
        let folder = tempfile::tempdir().unwrap();
        let manifest = manifest(folder.path(), NULLS, shadowing);
        let child = Command::new(env!("CARGO_BIN_EXE_umbra"))
            .arg("run")
            .arg(&manifest)
            .args(["--for", "120"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let umbra = Umbra { child, socket: folder.path().join("control.sock"), folder };
        umbra.until("umbra to answer", || api::call(&umbra.socket, Ask::Status).is_ok());
        umbra
    }

    fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !condition() {
            assert!(Instant::now() < end, "waited a minute for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask(&self, command: Ask) -> Value {
        api::call(&self.socket, command).unwrap().unwrap()
    }

    /// The ledger, which is exact whenever one looks.
    fn ledger(&self) -> Value {
        let ledger = self.ask(Ask::Ledger);
        assert_eq!(ledger["exact"], true, "{}", ledger["text"].as_str().unwrap());
        ledger
    }

    fn sum(&self, table: &str, counter: &str) -> u64 {
        self.ledger()[table].as_array().unwrap().iter().map(|r| r[counter].as_u64().unwrap()).sum()
    }

    fn instance(&self, index: usize, action: InstanceAction) {
        self.ask(Ask::Instance { index, action });
    }

    /// SIGTERM; the exit code and what was printed.
    fn terminate(mut self) -> (Option<i32>, String, tempfile::TempDir) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text, self.folder)
    }
}

#[test]
fn a_frozen_instance_fills_its_ring_and_is_replaced_while_production_loses_nothing() {
    let umbra = Umbra::start("shadow_instance_count = 1\nshadow_traffic_percentage = 100.0");
    umbra.until("records", || umbra.sum("behind", "analysed") > 0);
    umbra.instance(0, InstanceAction::Pause);
    umbra.until("the ring to fill", || umbra.sum("taps", "ring_full") > 0);
    umbra.until("the watchdog", || {
        umbra.ask(Ask::Status)["instances"][0]["hangs"].as_u64() == Some(1)
    });
    umbra.until("the remainder to be discarded", || umbra.sum("behind", "discarded") > 0);
    let before = umbra.sum("behind", "analysed");
    umbra.until("the new instance's records", || umbra.sum("behind", "analysed") > before);
    for drop in ["tx_full", "tx_invalid", "link_down", "blocked"] {
        assert_eq!(umbra.sum("wires", drop), 0, "{drop}");
    }
    let (code, text, _folder) = umbra.terminate();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Final ledger") && text.contains("every residual is 0"), "{text}");
}

#[test]
fn percentage_and_instances_change_under_traffic_with_an_exact_ledger() {
    let umbra = Umbra::start("shadow_instance_count = 2\nshadow_traffic_percentage = 1.0");
    for round in 0..60u32 {
        let value = f64::from(round % 21) * 5.0;
        let answer = umbra.ask(Ask::Percentage { value: Some(value) });
        assert_eq!(answer["shadow_traffic_percentage"], value);
        umbra.ledger();
        if round % 3 == 0 {
            let index = (round / 3) as usize % 2;
            umbra.instance(index, InstanceAction::Stop);
            umbra.until("the stop", || {
                umbra.ask(Ask::Status)["instances"][index]["state"] == "stopped"
            });
            umbra.ledger();
            umbra.instance(index, InstanceAction::Start);
        }
    }
    let refused = api::call(&umbra.socket, Ask::Percentage { value: Some(100.1) }).unwrap();
    assert!(refused.unwrap_err().contains("100"));
    let profile = umbra.ask(Ask::Profile);
    assert!(profile["profiles"]["Performance_Profiling"].is_object(), "{profile:#}");
    let (code, text, folder) = umbra.terminate();
    assert_eq!(code, Some(0), "{text}");
    let eve = std::fs::read_to_string(folder.path().join("out/eve.json")).unwrap();
    let records: Vec<Value> = eve.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(records.iter().any(|r| r["event_type"] == "stats"
        && r["shadow"]["appliance"] == "live"
        && r["shadow"]["ledger_exact"] == true));
}

#[test]
fn what_cannot_be_set_up_ends_with_exit_code_3_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let shadowing = "shadow_instance_count = 1\nshadow_traffic_percentage = 1.0";
    let eal = r#""--vdev=net_null0", "--vdev=net_pcap1,rx_pcap=/nonexistent.pcap""#;
    let path = manifest(folder.path(), eal, shadowing);
    let text = std::fs::read_to_string(&path).unwrap().replace("net_null1", "net_pcap1");
    std::fs::write(&path, text).unwrap();
    let run = |path: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_umbra"));
        let output = command.arg("run").arg(path).args(["--for", "5"]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&path);
    assert_eq!(code, Some(3), "{said}");
    let (code, said) = run(Path::new("no-such-file.toml"));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no-such-file.toml"), "{said}");
}
