//! The peer of P4: a minimal forwarder with `rte_pdump_init()`, and dpdk-dumpcap that captures its
//! frames to /dev/null.
//!
//! What favours the peer, wherever there was a choice:
//! - dumpcap gets `-q`. Its running count, printed with every burst, takes it from 13 to 3.6 million
//!   frames per second, and what is thrown away costs the worker as much as what is delivered.
//! - It captures on one port only: that port's rx and its tx are all frames of the wire, once.
//! - The other core is busy in the windows without dumpcap too.
//!
//! Frames at a rate that dumpcap takes at leisure (`pps`) cost less than as many as can be: 121 cycles
//! at 2 Mpps where those cost 161. What it costs depends also on how far the two cores are from each
//! other ([`crate::cores`]), so every window says.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::io_forward::{IoForward, IoForwardOptions, IoWindow};
use super::process::{self, Spinner, Supervised};
use super::{capture, pairs, wanted_attached};
use crate::cores;
use crate::hugepages::HugePages;
use crate::preflight;

/// 256 MB for the forwarder, the rest for what dumpcap allocates.
const HUGE_PAGES: u64 = 256;
/// Its rx and tx are both captured, so one port sees the whole wire.
const CAPTURED_PORT: &str = "net_pcap1";
/// Frames that are captured to a file and compared before anything is measured.
const VERIFIED_FRAMES: usize = 4096;
/// Between attaching, detaching or a pause and measuring.
const SETTLE: Duration = Duration::from_millis(300);

/// What is forwarded, how, and where.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DumpcapOptions {
    /// Frames that both ports receive again and again.
    pub(crate) pcap: PathBuf,
    pub(crate) burst: u16,
    pub(crate) mbufs: u32,
    pub(crate) mbuf_cache: u32,
    pub(crate) descriptors: u16,
    /// See [`IoForwardOptions::pps`].
    pub(crate) pps: Option<f64>,
    /// Core of the forwarder's worker.
    pub(crate) core: u16,
    /// Core of dumpcap and of everything else.
    pub(crate) other_core: u16,
}

/// One window.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct DumpcapWindow {
    /// Whether dumpcap was attached.
    pub(crate) attached: bool,
    /// Forwarded, both directions together.
    pub(crate) packets: u64,
    /// Of the worker, TSC.
    pub(crate) cycles_per_packet: f64,
    /// Frames that came into dumpcap's ring, which it writes from.
    pub(crate) delivered: u64,
    /// Frames that the worker copied; more than were delivered where the ring was full.
    pub(crate) copied: u64,
    /// Frames that were not even copied, for want of an mbuf.
    pub(crate) no_mbuf: u64,
    pub(crate) seconds: f64,
    /// Round trip of a cache line between the two cores, just before the window.
    pub(crate) core_round_trip_cycles: f64,
    /// Stolen time during the window.
    pub(crate) steal_percent: f64,
}

/// The quantity of P4: what the capture costs the worker in cycles, over the frames that it got.
pub(crate) fn cycles_per_delivered(without: &DumpcapWindow, with: &DumpcapWindow) -> f64 {
    (with.cycles_per_packet - without.cycles_per_packet) * with.packets as f64
        / with.delivered.max(1) as f64
}

/// `windows` pairs of windows of `window_s` seconds, in the order without, with, with, without.
///
/// # Errors
///
/// Where a prerequisite is missing, where dumpcap delivers nothing or other frames than were
/// forwarded, and where the counts contradict each other.
pub(crate) fn measure(
    options: &DumpcapOptions,
    windows: usize,
    window_s: f64,
) -> Result<Vec<DumpcapWindow>> {
    let mut rig = DumpcapRig::start(options)?;
    rig.verify()?;
    let mut measured = Vec::new();
    for index in 0..2 * windows {
        measured.push(rig.window(wanted_attached(index), window_s)?);
    }
    rig.finish()?;
    Ok(measured)
}

/// [`cycles_per_delivered`] of every pair in what [`measure`] returns.
pub(crate) fn costs(windows: &[DumpcapWindow]) -> Vec<f64> {
    pairs(windows, |window| window.attached)
        .into_iter()
        .map(|(without, with)| cycles_per_delivered(without, with))
        .collect()
}

/// A dumpcap that captures.
#[derive(Debug)]
struct Session {
    process: Supervised,
    /// Of all windows since it was attached.
    delivered: u64,
    no_mbuf: u64,
}

/// The forwarder, with or without dumpcap.
#[derive(Debug)]
pub(crate) struct DumpcapRig {
    options: DumpcapOptions,
    file_prefix: String,
    session: Option<Session>,
    forwarder: IoForward,
    dir: TempDir,
    // Dropped last: the processes live in them.
    _huge: HugePages,
}

impl DumpcapRig {
    /// Starts the forwarder; nothing is attached yet.
    pub(crate) fn start(options: &DumpcapOptions) -> Result<Self> {
        process::find("dpdk-dumpcap", "dpdk-dev")?;
        let frames = capture::read_source(&options.pcap)?.len();
        // Each port keeps all frames of the capture, and the rings and caches want some too.
        let mbufs = 2 * frames + 2048;
        ensure!(
            options.mbufs as usize >= mbufs,
            "{} has {frames} frames, which both ports keep in mbufs: --mbufs={} is too few, it takes {mbufs}",
            options.pcap.display(),
            options.mbufs
        );
        let huge = HugePages::reserve(HUGE_PAGES)?;
        let dir = tempfile::Builder::new().prefix("umbra-dumpcap-").tempdir()?;
        let file_prefix = format!("umbra-dumpcap-{}", std::process::id());
        let forwarder = IoForward::start(
            &IoForwardOptions {
                pcap: &options.pcap,
                file_prefix: &file_prefix,
                burst: options.burst,
                mbufs: options.mbufs,
                mbuf_cache: options.mbuf_cache,
                descriptors: options.descriptors,
                pps: options.pps,
                pdump: true,
                core: options.core,
                other_core: options.other_core,
            },
            &huge,
            dir.path(),
        )?;
        Ok(Self {
            options: options.clone(),
            file_prefix,
            session: None,
            forwarder,
            dir,
            _huge: huge,
        })
    }

    /// Measures one window, after attaching or detaching dumpcap where that is wanted.
    pub(crate) fn window(&mut self, attached: bool, seconds: f64) -> Result<DumpcapWindow> {
        match (attached, &self.session) {
            (true, None) => self.attach()?,
            (false, Some(_)) => self.detach()?,
            _ => {}
        }
        self.pause()?;
        let distance = cores::round_trip_cycles(self.options.core, self.options.other_core);
        self.resume()?;
        std::thread::sleep(SETTLE);
        let spinner = (!attached).then(|| Spinner::start(self.options.other_core));
        let steal = preflight::steal_and_total_jiffies();
        let window = self.forwarder.window(seconds)?;
        drop(spinner);
        let delivered = delivered(&window);
        if let Some(session) = &mut self.session {
            session.process.check_alive()?;
            session.delivered += delivered;
            session.no_mbuf += window.pdump.nombuf;
            ensure!(delivered > 0, "dpdk-dumpcap is attached and gets nothing: {window:?}");
        } else {
            ensure!(
                window.pdump.accepted == 0,
                "a capture goes on after dpdk-dumpcap's end: {window:?}"
            );
        }
        ensure!(window.packets > 0, "io_forward receives nothing: {window:?}");
        Ok(DumpcapWindow {
            attached,
            packets: window.packets,
            cycles_per_packet: window.cycles_per_packet,
            delivered,
            copied: window.pdump.accepted,
            no_mbuf: window.pdump.nombuf,
            seconds: window.seconds,
            core_round_trip_cycles: distance?,
            steal_percent: preflight::steal_percent_since(steal),
        })
    }

    /// Captures some frames to a file and compares them with the source: that frames are counted
    /// says nothing of what is in them. Returns how many were compared.
    pub(crate) fn verify(&mut self) -> Result<usize> {
        if self.session.is_some() {
            self.detach()?;
        }
        let file = self.dir.path().join("verify.pcapng");
        let count = VERIFIED_FRAMES.to_string();
        let mut dumpcap = self.dumpcap(&["-c", &count, "-w"], &file)?;
        let ended = dumpcap.wait(Duration::from_secs(20));
        let captured = ended.and_then(|_| capture::read(&file)).with_context(|| {
            format!("dpdk-dumpcap writes no capture; its last words:\n{}", dumpcap.last_words())
        })?;
        let source: HashSet<Vec<u8>> = capture::read(&self.options.pcap)?.into_iter().collect();
        let foreign = captured.iter().filter(|frame| !source.contains(*frame)).count();
        ensure!(
            captured.len() >= VERIFIED_FRAMES && foreign == 0,
            "of {} frames that dpdk-dumpcap wrote, {foreign} are none of {}: it does not deliver what is \
             forwarded (do both processes count the same mempool operations?)",
            captured.len(),
            self.options.pcap.display()
        );
        Ok(captured.len())
    }

    /// Stops all of it where it is, the cores free for something else, until [`Self::resume`].
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        if let Some(session) = &self.session {
            session.process.signal(signal)?;
        }
        self.forwarder.signal(signal)
    }

    /// Ends everything in an orderly way.
    pub(crate) fn finish(mut self) -> Result<()> {
        if self.session.is_some() {
            self.detach()?;
        }
        self.forwarder.quit()
    }

    fn dumpcap(&self, arguments: &[&str], file: &Path) -> Result<Supervised> {
        let program = process::find("dpdk-dumpcap", "dpdk-dev")?;
        let mut command = process::command(program, Some(self.options.other_core), self.dir.path());
        command
            .arg(format!("--file-prefix={}", self.file_prefix))
            .args(["-i", CAPTURED_PORT, "-q"])
            .args(arguments)
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Supervised::start("dpdk-dumpcap", command, self.dir.path())
    }

    fn attach(&mut self) -> Result<()> {
        let mut dumpcap = self.dumpcap(&["-w"], Path::new("/dev/null"))?;
        let end = Instant::now() + Duration::from_secs(15);
        while self.forwarder.window(0.02)?.pdump.accepted == 0 {
            dumpcap.check_alive()?;
            if Instant::now() > end {
                bail!("dpdk-dumpcap does not capture; its last words:\n{}", dumpcap.last_words());
            }
        }
        self.session = Some(Session { process: dumpcap, delivered: 0, no_mbuf: 0 });
        Ok(())
    }

    fn detach(&mut self) -> Result<()> {
        let Some(mut session) = self.session.take() else { return Ok(()) };
        session.process.signal(Signal::INT)?;
        session.process.wait(Duration::from_secs(10))?;
        // Its own account, of all its life.
        let said = session.process.said();
        let (received, dropped) = received_and_dropped(&said)
            .with_context(|| format!("dpdk-dumpcap gave no account; its last words:\n{said}"))?;
        ensure!(
            session.delivered <= (received + session.no_mbuf).saturating_sub(dropped),
            "{} frames were delivered in the windows by the forwarder's count, but dpdk-dumpcap says \
             received/dropped {received}/{dropped}",
            session.delivered
        );
        Ok(())
    }
}

/// What came into dumpcap's ring: it holds 2,047 frames, so that is what is delivered but for an
/// unnoticeable rest.
fn delivered(window: &IoWindow) -> u64 {
    window.pdump.accepted.saturating_sub(window.pdump.ringfull)
}

/// From `Packets received/dropped on interface 'net_pcap1': 83695776/66560738 (55.7)`; received are
/// those that were copied, dropped those that had no mbuf or found the ring full.
fn received_and_dropped(said: &str) -> Option<(u64, u64)> {
    let line = said.lines().rfind(|line| line.contains("received/dropped on interface"))?;
    let (received, rest) = line.rsplit_once(": ")?.1.split_once('/')?;
    Some((received.parse().ok()?, rest.split_whitespace().next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_dumpcap_is_read() {
        let said = "Capturing on 'net_pcap1'\nFile: /dev/null\n\nPackets received/dropped on interface 'net_pcap1': 62135680/940126 (98.5)\n";
        assert_eq!(received_and_dropped(said), Some((62_135_680, 940_126)));
        assert_eq!(received_and_dropped("File: /dev/null\n"), None);
    }

    #[test]
    fn the_cost_is_spread_over_what_was_delivered() {
        let window = |attached, packets, cycles_per_packet, delivered| DumpcapWindow {
            attached,
            packets,
            cycles_per_packet,
            delivered,
            copied: packets,
            no_mbuf: 0,
            seconds: 1.0,
            core_round_trip_cycles: 200.0,
            steal_percent: 0.0,
        };
        let (without, with) = (window(false, 1000, 40.0, 0), window(true, 500, 200.0, 400));
        assert_eq!(cycles_per_delivered(&without, &with), 200.0);
    }
}
