//! Drives `io_forward`, the minimal forwarder in C (peers/io_forward.c): starts it on two net_pcap
//! ports and asks it for windows.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::process::{self, Supervised};
use crate::hugepages::HugePages;

/// It ends by itself after this, whatever happens to the harness.
const LIMIT_S: u32 = 540;

/// What it is started with.
#[derive(Debug, Clone)]
pub(crate) struct IoForwardOptions<'a> {
    /// Frames that both ports receive again and again.
    pub(crate) pcap: &'a Path,
    /// Prefix by which secondary processes find it.
    pub(crate) file_prefix: &'a str,
    pub(crate) burst: u16,
    pub(crate) mbufs: u32,
    pub(crate) mbuf_cache: u32,
    pub(crate) descriptors: u16,
    /// At most so many packets per second, the cycles of waiting not counted; without it as many as
    /// it can.
    pub(crate) pps: Option<f64>,
    /// Lets dpdk-dumpcap attach.
    pub(crate) pdump: bool,
    /// Core of the worker.
    pub(crate) core: u16,
    /// Core of its main thread.
    pub(crate) other_core: u16,
}

/// What it prints for a window; counted on the worker's core.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct IoWindow {
    /// Received, both ports together.
    pub(crate) packets: u64,
    /// Of them, those that the other port did not take.
    pub(crate) tx_refused: u64,
    pub(crate) cycles: u64,
    pub(crate) cycles_per_packet: f64,
    pub(crate) tsc_hz: u64,
    pub(crate) seconds: f64,
    pub(crate) pdump: PdumpCounts,
}

/// DPDK's own count of what a capture did to the worker's frames.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct PdumpCounts {
    /// Copied.
    pub(crate) accepted: u64,
    /// Not copied, because the capture had no mbuf left.
    pub(crate) nombuf: u64,
    /// Copied, and thrown away because the capture's ring was full.
    pub(crate) ringfull: u64,
}

/// A running forwarder.
#[derive(Debug)]
pub(crate) struct IoForward {
    stdin: ChildStdin,
    lines: Receiver<String>,
    process: Supervised,
}

impl IoForward {
    /// Starts it and waits until it forwards.
    pub(crate) fn start(
        options: &IoForwardOptions<'_>,
        huge: &HugePages,
        dir: &Path,
    ) -> Result<Self> {
        let program = Path::new(env!("UMBRA_BENCH_PEERS")).join("io_forward");
        let mut command = process::command(program, None, dir);
        let IoForwardOptions { core, other_core, .. } = options;
        command
            .arg(format!("--lcores=100@{other_core},{core}@{core}"))
            .args(["--main-lcore=100", "--no-pci", "--no-telemetry", "-m", "256"])
            .arg(format!("--file-prefix={}", options.file_prefix))
            .arg("--huge-dir")
            .arg(huge.dir());
        for port in 0..2 {
            let pcap = options.pcap.display();
            command.arg(format!("--vdev=net_pcap{port},rx_pcap={pcap},infinite_rx=1"));
        }
        command
            .arg("--")
            .arg(format!("--burst={}", options.burst))
            .arg(format!("--mbufs={}", options.mbufs))
            .arg(format!("--cache={}", options.mbuf_cache))
            .arg(format!("--descriptors={}", options.descriptors))
            .arg(format!("--limit={LIMIT_S}"));
        if let Some(pps) = options.pps {
            command.arg(format!("--pps={pps}"));
        }
        if options.pdump {
            command.arg("--pdump");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Supervised::start("io_forward", command, dir)?;
        let stdin = process.child().stdin.take().context("io_forward has no stdin")?;
        let stdout = process.child().stdout.take().context("io_forward has no stdout")?;
        let (to, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    break;
                }
            }
        });
        let mut this = Self { stdin, lines, process };
        let line = this.line(Duration::from_secs(30))?;
        if !line.contains("ready") {
            bail!("io_forward said {line:?} instead of being ready");
        }
        Ok(this)
    }

    /// Measures for so long.
    pub(crate) fn window(&mut self, seconds: f64) -> Result<IoWindow> {
        self.process.check_alive()?;
        writeln!(self.stdin, "window {seconds}").context("io_forward does not listen")?;
        self.stdin.flush()?;
        let line = self.line(Duration::from_secs_f64(seconds) + Duration::from_secs(15))?;
        serde_json::from_str(&line).with_context(|| format!("not a window: {line}"))
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Ends it in an orderly way; dropping it kills it.
    pub(crate) fn quit(mut self) -> Result<()> {
        writeln!(self.stdin, "quit")?;
        self.process.wait(Duration::from_secs(10)).map(drop)
    }

    fn line(&mut self, limit: Duration) -> Result<String> {
        self.lines.recv_timeout(limit).map_err(|_| {
            let words = self.process.last_words();
            anyhow::anyhow!("io_forward says nothing; its last words:\n{words}")
        })
    }
}
