//! The engines that are held against each other: commands that read a capture and leave an `eve.json`.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::plan::{Case, FlowKey, key};

/// Microseconds between frames.
const STEP_US: u64 = 200;

/// Which rules fired in a capture: number of the case, and sid.
pub(crate) type Fired = BTreeSet<(usize, u32)>;

/// Writes the cases, one after the other.
pub(crate) fn write_capture(path: &Path, cases: &[Case]) -> Result<()> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let mut out = BufWriter::new(file);
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        out.write_all(&word.to_le_bytes())?;
    }
    let frames = cases.iter().flat_map(|case| &case.frames);
    for (frame, at) in frames.zip(0u64..) {
        let time_us = at * STEP_US;
        let seconds = 1_767_322_800 + time_us / 1_000_000;
        for word in [seconds, time_us % 1_000_000, frame.len() as u64, frame.len() as u64] {
            out.write_all(&(word as u32).to_le_bytes())?;
        }
        out.write_all(frame)?;
    }
    out.flush()?;
    Ok(())
}

/// Runs a command over a capture. `{pcap}`, `{rules}` and `{out}` in it are filled in.
pub(crate) fn run(template: &str, pcap: &Path, rules: &Path, out: &Path) -> Result<()> {
    std::fs::create_dir_all(out)?;
    let command = template
        .replace("{pcap}", &pcap.display().to_string())
        .replace("{rules}", &rules.display().to_string())
        .replace("{out}", &out.display().to_string());
    let said = File::create(out.join("said"))?;
    let status = Command::new("sh")
        .args(["-c", &command])
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .status()
        .context("no sh")?;
    ensure!(status.success(), "{command}: {status}; what it said is in {}", out.display());
    Ok(())
}

#[derive(Deserialize)]
struct Event {
    src_ip: Option<IpAddr>,
    #[serde(default)]
    src_port: u16,
    dest_ip: Option<IpAddr>,
    #[serde(default)]
    dest_port: u16,
    alert: Alert,
}

#[derive(Deserialize)]
struct Alert {
    signature_id: u32,
}

/// Whose flow is whose.
#[derive(Debug)]
pub(crate) struct Flows(HashMap<FlowKey, usize>);

impl Flows {
    pub(crate) fn of(cases: &[Case]) -> Self {
        let of_case = |(number, case): (usize, &Case)| {
            case.flows.iter().map(move |flow| (*flow, number)).collect::<Vec<_>>()
        };
        Self(cases.iter().enumerate().flat_map(of_case).collect())
    }

    /// Reads the alerts of an `eve.json`; and how many are of no case.
    pub(crate) fn read(&self, eve: &Path) -> Result<(Fired, usize)> {
        let file = File::open(eve).with_context(|| eve.display().to_string())?;
        let (mut fired, mut strays) = (Fired::new(), 0);
        for line in BufReader::new(file).lines() {
            let line = line?;
            if !line.contains("\"event_type\":\"alert\"") {
                continue;
            }
            let event: Event = serde_json::from_str(&line).with_context(|| line.clone())?;
            let flow = event
                .src_ip
                .zip(event.dest_ip)
                .map(|(src, dst)| key((src, event.src_port), (dst, event.dest_port)));
            match flow.and_then(|flow| self.0.get(&flow)) {
                Some(&case) => {
                    fired.insert((case, event.alert.signature_id));
                }
                None => strays += 1,
            }
        }
        Ok((fired, strays))
    }
}
