//! The harness as a user runs it, one run at a time: its workers poll, and two of them on the same cores starve each
//! other.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// None of the runs takes a tenth of it.
const WITHIN: Duration = Duration::from_secs(120);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs `umbra-bench` with these arguments.
pub(crate) fn umbra_bench(args: &[&str]) -> Output {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut child = Command::new(env!("CARGO_BIN_EXE_umbra-bench"))
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("umbra-bench starts");
    // What it prints fits into a pipe.
    let end = Instant::now() + WITHIN;
    while child.try_wait().expect("it is our child").is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            panic!("{args:?} still runs after {WITHIN:?}: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("its output")
}

/// The same on pages of 4 KiB, whatever the hypervisor steals; it must succeed.
#[allow(dead_code, reason = "not every test measures")]
pub(crate) fn measured(args: &[&str]) -> String {
    let machine = ["--huge-mib", "0", "--steal-percent-max", "100"];
    let output = umbra_bench(&[args, &machine].concat());
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout
}

/// Cells of the rows of the Markdown table in `text`, without its head.
#[allow(dead_code, reason = "not every test measures")]
pub(crate) fn rows(text: &str) -> Vec<Vec<String>> {
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    text.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

/// A file of `results::Results`.
#[allow(dead_code, reason = "not every test measures")]
pub(crate) fn results(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).expect("the results are written");
    let json: serde_json::Value = serde_json::from_str(&text).expect("the results are JSON");
    for key in ["schema", "version", "command", "machine", "protocol", "notes"] {
        assert!(!json[key].is_null(), "{key}");
    }
    assert!(json["machine"]["tsc_hz"].as_u64().is_some_and(|hz| hz > 0));
    json
}

/// Whether there is a dpdk-testpmd. A machine of the CI must have it.
#[allow(dead_code, reason = "not every test needs the peer")]
pub(crate) fn has_testpmd() -> bool {
    let found =
        Command::new("sh").args(["-c", "command -v dpdk-testpmd && command -v stdbuf"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "dpdk-testpmd is missing: scripts/setup --bench"
        );
        eprintln!("skipped: no dpdk-testpmd here (scripts/setup --bench installs it)");
    }
    found
}
