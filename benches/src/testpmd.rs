//! The peer `dpdk-testpmd` in io mode, driven over its interactive prompt.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What testpmd is started with; the same figures as for the device under test.
#[derive(Debug, Clone)]
pub(crate) struct TestpmdOptions {
    /// EAL arguments, cores included.
    pub(crate) eal: Vec<String>,
    /// Frames per burst.
    pub(crate) burst: u32,
    /// Mempool cache per core.
    pub(crate) mbuf_cache: u32,
    /// Mbufs in the pool.
    pub(crate) mbufs: u32,
    /// Rx and tx descriptors.
    pub(crate) descriptors: u32,
}

/// Forwards for `seconds` and returns the received packets per second, summed over the ports, by
/// testpmd's own clock.
pub(crate) fn forward_pps(options: &TestpmdOptions, seconds: f64) -> Result<f64> {
    // testpmd fills a block before it writes to a pipe, unless told otherwise.
    let mut child = Command::new("stdbuf")
        .args(["-oL", "dpdk-testpmd"])
        .args(&options.eal)
        .arg("--")
        .arg("-i")
        .arg("--forward-mode=io")
        .arg("--nb-cores=1")
        .arg("--no-lsc-interrupt")
        .arg(format!("--burst={}", options.burst))
        .arg(format!("--mbcache={}", options.mbuf_cache))
        .arg(format!("--total-num-mbufs={}", options.mbufs))
        .arg(format!("--rxd={}", options.descriptors))
        .arg(format!("--txd={}", options.descriptors))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("stdbuf and dpdk-testpmd do not start; install them: apt-get install coreutils dpdk-dev")?;
    let result = converse(&mut child, seconds);
    if result.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    result
}

fn converse(child: &mut Child, seconds: f64) -> Result<f64> {
    let mut stdin = child.stdin.take().context("testpmd has no stdin")?;
    let stdout = child.stdout.take().context("testpmd has no stdout")?;
    let (lines_tx, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if lines_tx.send(line).is_err() {
                break;
            }
        }
    });
    let mut say = |text: &str| -> Result<()> {
        stdin.write_all(text.as_bytes())?;
        stdin.flush()?;
        Ok(())
    };
    say("start\n")?;
    wait_for(&lines, "start packet forwarding|io packet forwarding", Duration::from_secs(20))?;
    std::thread::sleep(Duration::from_millis(300));
    // testpmd prints packets per second since the port's statistics were last shown.
    say("show port stats all\n")?;
    pps(&lines)?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    say("show port stats all\n")?;
    let rate = pps(&lines)?;
    say("stop\nquit\n")?;
    Ok(rate)
}

fn wait_for(lines: &Receiver<String>, any_of: &str, limit: Duration) -> Result<String> {
    let end = Instant::now() + limit;
    let mut seen = Vec::new();
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) if any_of.split('|').any(|p| line.contains(p)) => return Ok(line),
            Ok(line) => seen.push(line),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let tail = seen.split_off(seen.len().saturating_sub(8)).join("\n");
                bail!("testpmd did not say {any_of:?}; its last words:\n{tail}");
            }
        }
    }
}

/// Sum of `Rx-pps` over both ports.
fn pps(lines: &Receiver<String>) -> Result<f64> {
    let mut sum = 0.0;
    for _ in 0..2 {
        let line = wait_for(lines, "Rx-pps", Duration::from_secs(5))?;
        let figure = line.split_whitespace().nth(1).context("Rx-pps has no figure")?;
        sum += figure.parse::<f64>().with_context(|| format!("Rx-pps of {line:?}"))?;
    }
    Ok(sum)
}
