//! EAL starts once per process: every test here runs in a process of its own, under `cargo test` as
//! under nextest.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::process::Command;

use umbra_dpdk::{Burst, Eal, Mbuf, Mempool, NumaNode};

const CHILD: &str = "UMBRA_DPDK_TEST_CHILD";

/// Runs `body` in a process that runs only the test `name`.
pub fn in_own_process(name: &str, body: impl FnOnce()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        body();
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{out}\n{err}", output.status);
    assert!(out.contains("1 passed"), "{name} did not run:\n{out}\n{err}");
}

/// A test in a process of its own.
#[macro_export]
macro_rules! own_process_test {
    ($(#[$attribute:meta])* fn $name:ident() $body:block) => {
        $(#[$attribute])*
        #[test]
        fn $name() {
            common::in_own_process(stringify!($name), || $body);
        }
    };
}

/// The first core that this process may use.
fn first_core() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:")).unwrap();
    list.trim().split([',', '-']).next().unwrap().parse().unwrap()
}

/// Arguments of an EAL without huge pages or devices, with lcore 0 as main and 1 as a worker, both on
/// one core so that any machine will do.
pub fn eal_args(more: &[&str]) -> Vec<String> {
    let core = first_core();
    let lcores = format!("0@{core},1@{core}");
    let prefix = format!("--file-prefix=umbra-test-{}", std::process::id());
    let base = ["--no-huge", "--no-pci", "-m", "128", "--no-shconf", &prefix, "--lcores", &lcores];
    base.iter().chain(more).map(|&arg| arg.to_owned()).collect()
}

pub fn eal(more: &[&str]) -> Eal {
    Eal::init(&eal_args(more)).unwrap()
}

pub fn pool(eal: &Eal, name: &str, mbufs: u32) -> Mempool {
    Mempool::pktmbuf(eal, name, mbufs, 32, 2048, NumaNode::Any).unwrap()
}

/// A burst of frames, each with its number as its one byte of content.
pub fn numbered<const N: usize>(pool: &Mempool, numbers: std::ops::Range<u8>) -> Burst<N> {
    let mut burst = Burst::new();
    for number in numbers {
        burst.push(pool.alloc_from_bytes(&[number; 60]).unwrap()).unwrap();
    }
    burst
}

pub fn numbers(frames: &[Mbuf]) -> Vec<u8> {
    frames.iter().map(|frame| frame.data()[0]).collect()
}
