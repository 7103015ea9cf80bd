//! The peer `dpdk-testpmd` in io mode, driven over its interactive prompt.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::dut::shared_eal_args;
use crate::session::Dut;

/// A testpmd that forwards.
#[derive(Debug)]
pub(crate) struct Testpmd {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    ports: usize,
}

impl Drop for Testpmd {
    fn drop(&mut self) {
        let _ = self.stdin.write_all(b"stop\nquit\n");
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Arguments of a testpmd on the same rig, cores, burst, cache, mbufs and descriptors as `dut`.
fn arguments(dut: &Dut) -> Vec<String> {
    let mut lcores = format!("--lcores=100@{}", dut.other_core);
    for (i, core) in dut.cores.iter().enumerate() {
        lcores += &format!(",{}@{core}", i + 1);
    }
    let mut args = vec![lcores, "--main-lcore=100".to_owned()];
    args.extend(shared_eal_args(dut, &format!("umbra-testpmd-{}", std::process::id())));
    args.extend(
        ["--", "-i", "--forward-mode=io", "--no-lsc-interrupt", "--no-flush-rx"].map(str::to_owned),
    );
    args.push(format!("--nb-cores={}", dut.cores.len()));
    args.push(format!("--burst={}", dut.burst));
    args.push(format!("--mbcache={}", dut.mbuf_cache));
    args.push(format!("--total-num-mbufs={}", dut.mbufs + dut.rig.mbufs_held(dut.frames)));
    args.push(format!("--rxd={}", dut.descriptors));
    args.push(format!("--txd={}", dut.descriptors));
    args
}

impl Testpmd {
    /// Starts one that does what `dut` does, and waits until it forwards.
    pub(crate) fn start(dut: &Dut) -> Result<Testpmd> {
        let mut testpmd = Self::spawn(&arguments(dut), 2 * usize::from(dut.wires))?;
        // Frames for the loops: bursts that testpmd makes itself, of 64 bytes; nobody looks at them.
        let bursts = dut.rig.preloaded() / u32::from(dut.burst);
        testpmd.forward(bursts)?;
        Ok(testpmd)
    }

    /// Starts one with arguments of one's own; `ports` is how many it has.
    pub(crate) fn spawn(args: &[String], ports: usize) -> Result<Testpmd> {
        // It fills a block before it writes to a pipe, unless told otherwise.
        let mut child = Command::new("stdbuf")
            .args(["-oL", "dpdk-testpmd"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("stdbuf and dpdk-testpmd do not start; install them: scripts/setup --bench")?;
        let stdin = child.stdin.take().context("testpmd has no stdin")?;
        let stdout = child.stdout.take().context("testpmd has no stdout")?;
        let (lines_tx, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if lines_tx.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Testpmd { child, stdin, lines, ports })
    }

    /// Starts forwarding, with so many bursts sent first on every port.
    pub(crate) fn forward(&mut self, bursts_first: u32) -> Result<()> {
        match bursts_first {
            0 => self.say("start\n")?,
            n => self.say(&format!("start tx_first {n}\n"))?,
        }
        self.wait_for("io packet forwarding", Duration::from_secs(20))?;
        std::thread::sleep(Duration::from_millis(300));
        Ok(())
    }

    /// Packets received per second during `seconds`, summed over the ports, by testpmd's own clock.
    pub(crate) fn pps(&mut self, seconds: f64) -> Result<f64> {
        // It prints the rate since the port's statistics were last shown.
        self.say("show port stats all\n")?;
        self.rates()?;
        std::thread::sleep(Duration::from_secs_f64(seconds));
        self.say("show port stats all\n")?;
        self.rates()
    }

    /// A command at its prompt.
    pub(crate) fn say(&mut self, text: &str) -> Result<()> {
        self.stdin.write_all(text.as_bytes())?;
        self.stdin.flush()?;
        Ok(())
    }

    fn rates(&mut self) -> Result<f64> {
        let mut sum = 0.0;
        for _ in 0..self.ports {
            let line = self.wait_for("Rx-pps", Duration::from_secs(5))?;
            let figure = line.split_whitespace().nth(1).context("Rx-pps has no figure")?;
            sum += figure.parse::<f64>().with_context(|| format!("Rx-pps of {line:?}"))?;
        }
        Ok(sum)
    }

    fn wait_for(&mut self, text: &str, limit: Duration) -> Result<String> {
        let end = Instant::now() + limit;
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(text) => return Ok(line),
                Ok(line) => seen.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let tail = seen.split_off(seen.len().saturating_sub(8)).join("\n");
                    bail!("testpmd did not say {text:?}; its last words:\n{tail}");
                }
            }
        }
    }
}
