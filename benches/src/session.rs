//! A session: the device under test in one process, its settings changed while it runs, so that
//! two settings are compared within milliseconds of each other, on the same memory.
//!
//! The parent writes a [`Plan`] as one line of JSON, the child answers with one line: a [`Report`].

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::generator::{Outcome, Trial};
use crate::results::{Better, Comparison, Side};
use crate::rig::Rig;
use crate::stats::{estimate, median};
use crate::traffic::Traffic;

/// Memory of EAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Memory {
    /// Pages of 4 KiB, so many MiB.
    Small(u32),
    /// Huge pages, so many MiB.
    Huge(u32),
}

/// What a device under test is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dut {
    pub(crate) rig: Rig,
    /// For rigs that carry frames.
    pub(crate) traffic: Traffic,
    /// Distinct frames of the traffic; 0: as many as the rig holds.
    pub(crate) frames: u32,
    pub(crate) burst: u16,
    pub(crate) mbuf_cache: u32,
    /// Mbufs beside those that the rig holds.
    pub(crate) mbufs: u32,
    pub(crate) descriptors: u16,
    /// Bytes of a frame that an mbuf holds, where not the usual 2,048.
    pub(crate) data_room: Option<u16>,
    pub(crate) memory: Memory,
    /// Cores of the workers; none where the device is somebody else's and only the tester runs.
    pub(crate) cores: Vec<u16>,
    /// Core of consumer, generator and everything else.
    pub(crate) other_core: u16,
    /// Wires; more than one only over R2.
    pub(crate) wires: u16,
    /// Mbufs carry a hash as a NIC would set it, and it is trusted.
    pub(crate) nic_hash: bool,
    /// Addresses are rewritten on rx so that frames belong to so many flows; 0: not.
    pub(crate) rewrite_flows: u32,
    /// Shadow instances.
    pub(crate) instances: usize,
    /// Bytes of each mirror ring.
    pub(crate) ring_bytes: usize,
    /// A clock around the worker: how long frames are in its hands.
    pub(crate) timed: bool,
}

impl Dut {
    /// A device with the figures that it shares with testpmd: burst 32, cache 250, 16,383 mbufs, 512
    /// descriptors; worker on core 1, all else on core 0.
    pub(crate) fn new(rig: Rig, traffic: Traffic) -> Self {
        Dut {
            rig,
            traffic,
            frames: 0,
            burst: 32,
            mbuf_cache: 250,
            mbufs: 16_383,
            descriptors: 512,
            data_room: None,
            memory: Memory::Small(512),
            cores: vec![1],
            other_core: 0,
            wires: 1,
            nic_hash: false,
            rewrite_flows: 0,
            instances: 1,
            ring_bytes: 1 << 22,
            timed: false,
        }
    }
}

/// How the shadow is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shadow {
    pub(crate) percentage: f64,
    /// flow, host or packet.
    pub(crate) select: String,
}

/// What is behind the mirror ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Consumer {
    /// Takes records and reads their headers; sleeps 50 µs when there is nothing, as an instance does.
    Take,
    /// The same without sleeping: the other core is equally busy whatever the worker does.
    Spin,
    /// Takes nothing.
    Frozen,
    /// Takes, and streams through so many MiB of memory all the time.
    Thrash(u32),
}

/// One of the things compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(crate) label: String,
    /// `None`: the shadow is off.
    pub(crate) shadow: Option<Shadow>,
    pub(crate) consumer: Consumer,
}

impl Setting {
    /// The shadow off, the other core busy with an empty ring.
    pub(crate) fn off() -> Self {
        Setting { label: "shadow off".into(), shadow: None, consumer: Consumer::Spin }
    }

    /// So much of the traffic, to a live consumer.
    pub(crate) fn on(percentage: f64, select: &str) -> Self {
        Setting {
            label: format!("{percentage} %, {select} mode"),
            shadow: Some(Shadow { percentage, select: select.to_owned() }),
            consumer: Consumer::Spin,
        }
    }

    /// The same with another consumer.
    pub(crate) fn consumed(mut self, consumer: Consumer, label: &str) -> Self {
        self.consumer = consumer;
        label.clone_into(&mut self.label);
        self
    }
}

/// What the child does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) dut: Dut,
    /// Measured in this order in even rounds, backwards in odd ones.
    pub(crate) settings: Vec<Setting>,
    pub(crate) rounds: usize,
    /// Seconds measured.
    pub(crate) window_s: f64,
    /// Rounds with more stolen time are repeated.
    pub(crate) steal_percent_max: f64,
    /// No rounds: after the plan come [`Request`]s, a line each, and each is answered with a line.
    pub(crate) interactive: bool,
}

/// A trial of the tester under one of the plan's settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) setting: usize,
    pub(crate) trial: Trial,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    /// From rx to tx in the worker, percentile and TSC cycles, where the trial was timed.
    pub(crate) residence: Vec<(f64, u64)>,
    /// The same of bursts of a few frames.
    pub(crate) residence_few: Vec<(f64, u64)>,
    /// Frames in those.
    pub(crate) few: u64,
    /// What the worker counted meanwhile.
    pub(crate) window: Window,
    pub(crate) tsc_hz: u64,
}

/// What was counted in one window, over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// Received.
    pub(crate) packets: u64,
    /// TSC cycles, summed over the workers.
    pub(crate) cycles: u64,
    /// Workers.
    pub(crate) workers: u64,
    /// Sent.
    pub(crate) tx: u64,
    /// Received and not sent: tx_full, tx_invalid, link_down, blocked.
    pub(crate) lost: u64,
    pub(crate) selected: u64,
    pub(crate) enqueued: u64,
    pub(crate) ring_full: u64,
    /// Records that the consumer took.
    pub(crate) taken: u64,
    pub(crate) rx_bursts: u64,
}

impl Window {
    /// TSC cycles of a worker per packet received.
    pub(crate) fn cycles_per_packet(&self) -> f64 {
        self.cycles as f64 / self.packets.max(1) as f64
    }

    /// How long it was.
    pub(crate) fn seconds(&self, tsc_hz: u64) -> f64 {
        self.cycles as f64 / self.workers.max(1) as f64 / tsc_hz.max(1) as f64
    }
}

/// What the child says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) tsc_hz: u64,
    /// By setting, then by round.
    pub(crate) windows: Vec<Vec<Window>>,
    /// Residual of rx = tx + losses over the whole session, and of the mirror's equation.
    pub(crate) residuals: [i64; 2],
    /// Rounds thrown away for stolen time.
    pub(crate) repeated: usize,
}

impl Report {
    /// Millions of packets per second of the setting's rounds, of all workers together.
    pub(crate) fn mpps(&self, setting: usize, workers: usize) -> Vec<f64> {
        let hz = self.tsc_hz as f64 * workers as f64 / 1e6;
        self.windows[setting].iter().map(|w| hz / w.cycles_per_packet()).collect()
    }

    /// Cycles per packet of the setting's rounds.
    pub(crate) fn cycles(&self, setting: usize) -> Vec<f64> {
        self.windows[setting].iter().map(Window::cycles_per_packet).collect()
    }
}

/// A device under test that is running its plan.
#[derive(Debug)]
pub(crate) struct Session {
    /// What the child is, in errors.
    who: &'static str,
    child: Child,
    /// Kept open for requests.
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
}

/// Starts a plan in a process of its own.
///
/// # Errors
/// When the process cannot be started.
pub(crate) fn start(plan: &Plan) -> Result<Session> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("dut")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        writeln!(stdin, "{}", serde_json::to_string(plan)?)?;
    }
    let who = if plan.dut.cores.is_empty() { "the tester" } else { "the device under test" };
    let mut session = Session { who, child, stdin: None, stdout: None };
    if plan.interactive {
        session.stdin = stdin;
        session.stdout = session.child.stdout.take().map(BufReader::new);
    }
    Ok(session)
}

impl Session {
    /// Runs a trial in an interactive session.
    ///
    /// # Errors
    /// With the last words of the child.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer> {
        let (Some(stdin), Some(stdout)) = (&mut self.stdin, &mut self.stdout) else {
            bail!("the session is not interactive");
        };
        let asked = writeln!(stdin, "{}", serde_json::to_string(request)?);
        let mut line = String::new();
        if asked.is_err() || stdout.read_line(&mut line)? == 0 {
            let mut words = String::new();
            if let Some(stderr) = &mut self.child.stderr {
                stderr.read_to_string(&mut words)?;
            }
            bail!("{} failed:\n{}", self.who, words.trim_end());
        }
        serde_json::from_str(&line).with_context(|| format!("not an answer: {line}"))
    }

    /// Waits for its report.
    ///
    /// # Errors
    /// With the last words of the child, or when its ledger does not close.
    pub(crate) fn finish(self) -> Result<Report> {
        let Session { who, child, stdin, stdout } = self;
        // An interactive session ends with its input.
        drop(stdin);
        let output = child.wait_with_output()?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        if let Some(mut stdout) = stdout {
            stdout.read_to_string(&mut text)?;
        }
        if !output.status.success() {
            bail!(
                "{who} failed ({}):\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        let line = text.lines().last().with_context(|| format!("{who} said nothing"))?;
        let report: Report =
            serde_json::from_str(line).with_context(|| format!("not a report: {line}"))?;
        if report.residuals != [0, 0] {
            bail!("the ledger does not close: residuals {:?}", report.residuals);
        }
        Ok(report)
    }
}

/// Runs a plan to its end.
///
/// # Errors
/// As [`start`] and [`Session::finish`].
pub(crate) fn run(plan: &Plan) -> Result<Report> {
    start(plan)?.finish()
}

/// What to make of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Mpps of A ÷ Mpps of B; higher is better.
    RateRatio,
    /// Cycles per packet of A − those of B; lower is better.
    AddedCycles,
}

/// Compares settings `a` and `b` of a session, with `twin` (the same as `b`) for the resolution.
#[expect(clippy::too_many_arguments, reason = "all of them go into the record as they are")]
pub(crate) fn compare(
    plan: &Plan,
    report: &Report,
    measure: Measure,
    (a, b, twin): (usize, usize, Option<usize>),
    id: &str,
    goal: Option<&str>,
    title: &str,
    command: &str,
) -> Comparison {
    let workers = plan.dut.cores.len();
    let samples = |setting: usize| match measure {
        Measure::RateRatio => report.mpps(setting, workers),
        Measure::AddedCycles => report.cycles(setting),
    };
    let combine = |a: &[f64], b: &[f64]| -> Vec<f64> {
        a.iter()
            .zip(b)
            .map(|(a, b)| match measure {
                Measure::RateRatio => a / b,
                Measure::AddedCycles => a - b,
            })
            .collect()
    };
    let side = |setting: usize| {
        let samples = samples(setting);
        Side {
            label: plan.settings[setting].label.clone(),
            config: serde_json::json!({ "dut": plan.dut, "setting": plan.settings[setting],
                "window_s": plan.window_s }),
            median: median(&samples),
            samples,
            unit: match measure {
                Measure::RateRatio => "Mpps",
                Measure::AddedCycles => "cycles per packet",
            }
            .into(),
        }
    };
    let values = combine(&samples(a), &samples(b));
    Comparison {
        id: id.into(),
        goal: goal.map(Into::into),
        title: title.into(),
        command: command.into(),
        unit: match measure {
            Measure::RateRatio => "ratio of Mpps",
            Measure::AddedCycles => "cycles per packet",
        }
        .into(),
        better: match measure {
            Measure::RateRatio => Better::Higher,
            Measure::AddedCycles => Better::Lower,
        },
        a: side(a),
        b: side(b),
        estimate: estimate(&values),
        values,
        resolution: twin.map(|twin| estimate(&combine(&samples(twin), &samples(b)))),
    }
}
