//! One run of an engine over a capture, in a process of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::SignaturesArgs;
use crate::peers::process;

/// A run takes no longer than this.
const MOST: Duration = Duration::from_secs(600);

/// How an engine is run.
#[derive(Debug)]
pub(super) struct Engine {
    label: &'static str,
    pub(super) command: String,
    rules: PathBuf,
    core: u16,
    folder: PathBuf,
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Ran {
    /// As the engine says, without the loading of rules.
    pub(super) seconds: f64,
    /// User and system time of the process.
    pub(super) cpu_s: f64,
    /// The most that was resident.
    pub(super) memory_mb: f64,
    /// How often each sid fired.
    pub(super) alerts: BTreeMap<u64, u64>,
}

impl Engine {
    pub(super) fn new(
        label: &'static str,
        command: &str,
        args: &SignaturesArgs,
        folder: &Path,
    ) -> Self {
        Self {
            label,
            command: command.to_owned(),
            rules: args.rules.clone(),
            core: args.core,
            folder: folder.to_owned(),
        }
    }

    pub(super) fn run(&self, capture: &Path) -> Result<Ran> {
        let out = self.folder.join(self.label);
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        std::fs::create_dir_all(&out)?;
        let words = self.command.split_whitespace().map(|word| {
            word.replace("{pcap}", &capture.display().to_string())
                .replace("{rules}", &self.rules.display().to_string())
                .replace("{out}", &out.display().to_string())
        });
        let words: Vec<String> = words.collect();
        let Some((program, arguments)) = words.split_first() else { bail!("an empty command") };
        let said = out.join("said.txt");
        let both = File::create(&said)?;
        let mut child = process::command(program, Some(self.core), &self.folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(both.try_clone()?)
            .stderr(both)
            .spawn()
            .with_context(|| format!("{program} does not start"))?;
        let usage = watch(&mut child)?;
        let status = child.wait()?;
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        ensure!(status.success(), "{program} ended with {status}:\n{}", tail(&text));
        let seconds = seconds(&text).with_context(|| {
            format!("{program} does not say how long it took:\n{}", tail(&text))
        })?;
        let alerts = match alerts(&out.join("eve.json")) {
            Err(_) if out.join("fast.log").exists() => fast_alerts(&out.join("fast.log"))?,
            alerts => alerts?,
        };
        Ok(Ran { seconds, cpu_s: usage.cpu_s, memory_mb: usage.memory_mb, alerts })
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

struct Usage {
    cpu_s: f64,
    memory_mb: f64,
}

/// Waits for the end without reaping, so that the kernel still knows what was used.
fn watch(child: &mut Child) -> Result<Usage> {
    let folder = PathBuf::from(format!("/proc/{}", child.id()));
    let began = Instant::now();
    let mut memory_mb: f64 = 0.0;
    loop {
        let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
        let field =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let Some(kilobytes) =
            field("VmHWM:").and_then(|v| v.split(' ').next()?.parse::<f64>().ok())
        {
            memory_mb = memory_mb.max(kilobytes / 1000.0);
        }
        if field("State:").is_none_or(|state| state.starts_with('Z')) {
            break;
        }
        if began.elapsed() > MOST {
            child.kill()?;
            bail!("a run did not end within {} s", MOST.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let stat = std::fs::read_to_string(folder.join("stat")).context("the process is gone")?;
    // Behind the name in parentheses: the state is field 3, utime 14, stime 15 (proc(5)).
    let behind = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = behind.split(' ').skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Usage { cpu_s: ticks as f64 / per_second as f64, memory_mb })
}

/// "time elapsed 1.234s", or "speed       1.234 s".
fn seconds(text: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let behind = match line.split_once("time elapsed ") {
            Some((_, behind)) => behind,
            None => line.strip_prefix("speed ")?,
        };
        let number: String =
            behind.trim().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        number.parse().ok()
    })
}

fn alerts(eve: &Path) -> Result<BTreeMap<u64, u64>> {
    let text = std::fs::read(eve).with_context(|| eve.display().to_string())?;
    let mut alerts = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let event: serde_json::Value = serde_json::from_slice(line)?;
        if event["event_type"] == "alert"
            && let Some(sid) = event["alert"]["signature_id"].as_u64()
        {
            *alerts.entry(sid).or_default() += 1;
        }
    }
    Ok(alerts)
}

/// `… [**] [1:2010937:3] ET SCAN … [**] …`, a line for each alert.
fn fast_alerts(log: &Path) -> Result<BTreeMap<u64, u64>> {
    let text = std::fs::read(log).with_context(|| log.display().to_string())?;
    let mut alerts = BTreeMap::new();
    for line in String::from_utf8_lossy(&text).lines() {
        let sid = line
            .split_once("[**] [")
            .and_then(|(_, rest)| rest.split(':').nth(1))
            .and_then(|sid| sid.parse::<u64>().ok())
            .with_context(|| format!("{}: no alert: {line}", log.display()))?;
        *alerts.entry(sid).or_default() += 1;
    }
    Ok(alerts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_of_a_fast_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("fast.log");
        let line = "09/13/2020-12:26:40.006399  [**] [1:2010937:3] A [x] B [**] [Priority: 2] {TCP} a -> b\n";
        std::fs::write(&log, [line, line].concat()).unwrap();
        assert_eq!(fast_alerts(&log).unwrap(), BTreeMap::from([(2_010_937, 2)]));
        std::fs::write(&log, "what\n").unwrap();
        assert!(fast_alerts(&log).unwrap_err().to_string().contains("no alert: what"));
    }

    #[test]
    fn both_ways_of_saying_how_long_it_took() {
        assert_eq!(seconds("x\nNotice: suricata: time elapsed 2.345s\n"), Some(2.345));
        assert_eq!(seconds("frames      3\nspeed       0.125 s, 3 Mpps\n"), Some(0.125));
        assert_eq!(seconds("nothing"), None);
    }
}
