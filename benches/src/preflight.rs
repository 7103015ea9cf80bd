//! What the machine is like before anything is measured on it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// State of the machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Preflight {
    /// TSC frequency in Hz.
    pub(crate) tsc_hz: u64,
    /// Model of the processor.
    pub(crate) cpu: String,
    /// Cores that this process may run on.
    pub(crate) cores: usize,
    /// How much longer the same work takes with another core busy too; 1.0 is not at all.
    pub(crate) both_cores_slowdown: f64,
    /// TSC cycles for a cache line to go to the other core and back; 0 with one core only.
    #[serde(default)]
    pub(crate) core_round_trip_cycles: f64,
    /// Share of the time stolen by the hypervisor during the check, in percent.
    pub(crate) steal_percent: f64,
}

/// Steal and total jiffies of all processors, from /proc/stat (proc(5)).
pub(crate) fn steal_and_total_jiffies() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|f| f.parse().ok())
        .collect();
    (fields.get(7).copied().unwrap_or(0), fields.iter().take(8).sum())
}

/// Share of stolen time since `before` in percent.
pub(crate) fn steal_percent_since(before: (u64, u64)) -> f64 {
    let now = steal_and_total_jiffies();
    let total = now.1.saturating_sub(before.1).max(1);
    now.0.saturating_sub(before.0) as f64 * 100.0 / total as f64
}

fn spin(iterations: u64) -> Duration {
    let start = Instant::now();
    let mut x = 1u64;
    for i in 0..iterations {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i);
        std::hint::black_box(x);
    }
    start.elapsed()
}

/// Looks at the machine and says what it saw.
pub(crate) fn look() -> Preflight {
    let p = check(tsc_hz());
    eprintln!(
        "{}: TSC {:.3} GHz, {} cores, a line there and back in {:.0} cycles, {:.2} × slower with both busy, \
         {:.2} % stolen",
        p.cpu,
        p.tsc_hz as f64 / 1e9,
        p.cores,
        p.core_round_trip_cycles,
        p.both_cores_slowdown,
        p.steal_percent
    );
    p
}

/// Counts the TSC against the monotonic clock for 200 ms.
fn tsc_hz() -> u64 {
    let (start, t0) = (Instant::now(), umbra_dpdk::tsc());
    std::thread::sleep(Duration::from_millis(200));
    let cycles = umbra_dpdk::tsc() - t0;
    (cycles as f64 / start.elapsed().as_secs_f64()) as u64
}

/// Looks at the machine for about a second.
fn check(tsc_hz: u64) -> Preflight {
    const WORK: u64 = 100_000_000;
    let steal = steal_and_total_jiffies();
    spin(WORK / 10);
    let alone = spin(WORK);
    let other = std::thread::spawn(|| spin(WORK * 2));
    std::thread::sleep(Duration::from_millis(5));
    let beside = spin(WORK);
    let _ = other.join();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo
        .lines()
        .find_map(|l| {
            l.strip_prefix("model name")?.split_once(':').map(|(_, v)| v.trim().to_owned())
        })
        .unwrap_or_default();
    Preflight {
        tsc_hz,
        cpu,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        core_round_trip_cycles: crate::cores::round_trip_cycles(1, 0).unwrap_or(0.0),
        both_cores_slowdown: beside.as_secs_f64() / alone.as_secs_f64().max(1e-9),
        steal_percent: steal_percent_since(steal),
    }
}
