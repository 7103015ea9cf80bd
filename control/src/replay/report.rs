//! What a replay found, as values and as the short text that `umbra replay` prints.

use std::fmt::{self, Write};
use std::time::Duration;

use umbra_analyzers::decode::LinkType;
use umbra_analyzers::events::{Event, EventContext, PerformanceSummary, TopTable};
use umbra_analyzers::ids::IdsSummary;
use umbra_analyzers::pipeline::PipelineSummary;
use umbra_tap::Select;

use crate::eve::{CaptureStats, Stamp, Stats};
use crate::pcap::{CaptureEnd, CaptureFormat, DataLink};

use super::offload::Offloading;
use super::options::ChecksumMode;
use super::sampling::SamplingOptions;

/// Lines of a top table that are printed.
const TOP_ROWS: usize = 5;

/// Whether bad checksums kept packets out of streams, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChecksumDecision {
    /// What was asked for.
    pub mode: ChecksumMode,
    /// They were verified.
    pub verified: bool,
    /// What `auto` saw at the capture's beginning.
    pub seen: Offloading,
}

/// Frames of one link type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkFrames {
    pub link_type: DataLink,
    pub frames: u64,
}

impl LinkFrames {
    /// Whether the decoder knows the link type; frames of others are counted and nothing more.
    pub fn is_decoded(&self) -> bool {
        LinkType::from_dlt(self.link_type.0).is_supported()
    }
}

/// Everything that a replay counted.
#[derive(Debug)]
pub struct ReplayReport {
    pub appliance: String,
    pub capture: std::path::PathBuf,
    pub format: CaptureFormat,
    /// How the file ended.
    pub end: CaptureEnd,
    /// Odd things about the file that did not matter.
    pub remarks: Vec<String>,
    /// Frames in the file.
    pub frames: u64,
    /// Their length on the wire.
    pub bytes: u64,
    /// Their bytes in the file.
    pub captured_bytes: u64,
    /// Earliest and latest stamp, nanoseconds since the epoch; `None` without frames.
    pub span_ns: Option<(u64, u64)>,
    /// By link type, most frames first.
    pub links: Vec<LinkFrames>,
    pub sampling: SamplingOptions,
    pub instances: usize,
    /// Frames that the sampler chose.
    pub selected: u64,
    /// Frames given to instances: `selected`, times the instances in `replicate`.
    pub analysed: u64,
    pub checksums: ChecksumDecision,
    /// What all instances together have counted.
    pub analysis: PipelineSummary,
    /// Wall-clock time from the first frame to the end.
    pub elapsed: Duration,
}

impl ReplayReport {
    /// Time between the earliest and the latest frame.
    pub fn capture_time(&self) -> Duration {
        self.span_ns.map_or(Duration::ZERO, |(first, last)| Duration::from_nanos(last - first))
    }

    /// The counters as a `stats` record, stamped with the latest frame's time.
    pub fn stats(&self) -> Stats<'_> {
        Stats {
            timestamp: Stamp(self.span_ns.map_or(0, |(_, last)| last)),
            uptime_s: self.capture_time().as_secs(),
            capture: Some(CaptureStats { packets: self.frames, drops: 0 }),
            analysis: &self.analysis,
            ours: serde_json::Map::new(),
        }
    }

    /// Under what circumstances those counters were counted, over all instances.
    pub fn context(&self) -> EventContext {
        EventContext {
            appliance: self.appliance.as_str().into(),
            instance: None,
            fraction_ppb: self.sampling.percentage.fraction_ppb(),
            select: self.sampling.select,
            epoch: 0,
        }
    }
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Lines(f);
        self.file(&mut lines)?;
        self.analysis(&mut lines)?;
        write!(lines.0, "{}", ProfileText(&self.analysis))?;
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        lines.line(
            "speed",
            format_args!(
                "{:.3} s, {}pps, {}bit/s of captured bytes",
                self.elapsed.as_secs_f64(),
                Scale(self.frames as f64 / seconds),
                Scale(self.captured_bytes as f64 * 8.0 / seconds)
            ),
        )
    }
}

impl ReplayReport {
    fn file(&self, lines: &mut Lines<'_, '_>) -> fmt::Result {
        let end = match &self.end {
            CaptureEnd::Reading | CaptureEnd::Complete => "complete",
            CaptureEnd::Truncated(_) => "cut short",
            CaptureEnd::Damaged(_) => "damaged",
        };
        let name = self.capture.display();
        lines.line("capture", format_args!("{name} ({}), {end}", self.format.name()))?;
        lines.line(
            "frames",
            format_args!("{}, {}B on the wire", self.frames, Scale(self.bytes as f64)),
        )?;
        if let Some((first, last)) = self.span_ns {
            let span = self.capture_time().as_secs_f64();
            lines.line("time", format_args!("{} to {}, {span:.6} s", Stamp(first), Stamp(last)))?;
        }
        for link in &self.links {
            let decoded = if link.is_decoded() { "" } else { ", not decoded" };
            lines.line(
                "link",
                format_args!("{}: {} frames{decoded}", link.link_type, link.frames),
            )?;
        }
        Ok(())
    }

    fn analysis(&self, lines: &mut Lines<'_, '_>) -> fmt::Result {
        if !self.sampling.percentage.is_full() {
            let by = match self.sampling.select {
                Select::Flow => "flow",
                Select::Host => "host",
                Select::Packet => "packet",
            };
            let percentage = self.sampling.percentage;
            lines
                .line("sampled", format_args!("{percentage}% by {by}: {} frames", self.selected))?;
        }
        if self.instances > 1 {
            lines.line("instances", format_args!("{}", self.instances))?;
        }
        lines.line("checksums", format_args!("{}", self.checksums))?;
        let protocols = list(self.analysis.decode.protocols().filter(|&(_, count)| count > 0));
        lines.line("protocols", format_args!("{}", or_none(&protocols)))?;
        let faults = list(self.analysis.decode.faults().filter(|&(_, count)| count > 0));
        lines.line("faults", format_args!("{}", or_none(&faults)))?;
        let defrag = list(self.analysis.defrag.iter().filter(|&(_, count)| count > 0));
        if !defrag.is_empty() {
            lines.line("fragments", format_args!("{defrag}"))?;
        }
        let flow = &self.analysis.flow;
        lines.line(
            "flows",
            format_args!(
                "{} ({} by time-out, {} by reuse of their tuple, {} for want of room, {} at the end)",
                flow.opened, flow.timed_out, flow.reused, flow.evicted, flow.flushed
            ),
        )
    }
}

impl fmt::Display for ChecksumDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Offloading { verified, bad, source } = self.seen;
        match (self.mode, source) {
            (ChecksumMode::All, _) => f.write_str("verified"),
            (ChecksumMode::None, _) => f.write_str("not verified"),
            (ChecksumMode::Auto, Some(source)) => write!(
                f,
                "not verified: {source} leaves them to its NIC ({bad} of the first {verified} are bad)"
            ),
            (ChecksumMode::Auto, None) => {
                write!(f, "verified: no sign of offloading in the first {verified}")
            }
        }
    }
}

/// What the profiles have counted, as the text that replay and `umbra ctl profile` print.
#[derive(Debug)]
pub struct ProfileText<'s>(pub &'s PipelineSummary);

impl fmt::Display for ProfileText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Lines(f);
        for profile in &self.0.profiles {
            if let Some(Event::Performance(summary)) = profile.summary.to_event() {
                performance(&mut lines, &summary)?;
            }
            if let Some(ids) = profile.summary.as_any().downcast_ref::<IdsSummary>() {
                signatures(&mut lines, &profile.id, ids)?;
            }
        }
        Ok(())
    }
}

fn signatures(lines: &mut Lines<'_, '_>, id: &str, ids: &IdsSummary) -> fmt::Result {
    let IdsSummary { rules, counters } = ids;
    lines.line("profile", format_args!("{id}"))?;
    lines.sub("rules", format_args!("{rules}"))?;
    lines.sub(
        "alerts",
        format_args!(
            "{} ({} matches kept back by thresholds and the like, {} beyond what a packet may cause)",
            counters.alerts, counters.suppressed, counters.overflow
        ),
    )
}

fn performance(lines: &mut Lines<'_, '_>, summary: &PerformanceSummary) -> fmt::Result {
    lines.line("profile", format_args!("{}", summary.profile))?;
    let sampled = summary.coverage.sampled;
    for (what, figure) in
        [("packets", &summary.packets), ("bytes", &summary.bytes), ("flows", &summary.flows)]
    {
        if sampled {
            let [low, high] = figure.ci95;
            let doubt = if figure.unreliable { ", too few to be sure" } else { "" };
            lines.sub(
                what,
                format_args!(
                    "{:.0} estimated, 95% within {low:.0} to {high:.0} ({} seen{doubt})",
                    figure.estimate, figure.observed
                ),
            )?;
        } else {
            lines.sub(what, format_args!("{}", figure.observed))?;
        }
    }
    lines.sub(
        "rate",
        format_args!("{}pps, {}bit/s", Scale(summary.mean_rate_pps), Scale(summary.mean_rate_bps)),
    )?;
    let sizes = summary.frame_len;
    lines.sub(
        "frame size",
        format_args!(
            "min {} mean {:.0} p50 {} p90 {} p99 {} max {}",
            sizes.min, sizes.mean, sizes.p50, sizes.p90, sizes.p99, sizes.max
        ),
    )?;
    let handshakes = summary.rtt.handshake_us;
    if handshakes.count > 0 {
        lines.sub(
            "handshake",
            format_args!(
                "{} measured, p50 {} µs, p99 {} µs",
                handshakes.count, handshakes.p50, handshakes.p99
            ),
        )?;
    }
    top(lines, "services", &summary.services)?;
    top(lines, "hosts", &summary.hosts)?;
    top(lines, "pairs", &summary.pairs)
}

fn top(lines: &mut Lines<'_, '_>, what: &str, table: &TopTable) -> fmt::Result {
    for (place, row) in table.rows.iter().take(TOP_ROWS).enumerate() {
        let label = if place == 0 { what } else { "" };
        let error = if row.bytes_error > 0.0 {
            format!(", at most {}B too many", Scale(row.bytes_error))
        } else {
            String::new()
        };
        lines.sub(
            label,
            format_args!("{}: {}B in {:.0} packets{error}", row.key, Scale(row.bytes), row.packets),
        )?;
    }
    Ok(())
}

/// `label      text`, labels in a column of their own.
struct Lines<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Lines<'_, '_> {
    fn line(&mut self, label: &str, text: fmt::Arguments<'_>) -> fmt::Result {
        writeln!(self.0, "{label:<12}{text}")
    }

    fn sub(&mut self, label: &str, text: fmt::Arguments<'_>) -> fmt::Result {
        writeln!(self.0, "  {label:<12}{text}")
    }
}

/// `ipv4 12, tcp 9`.
fn list(counts: impl Iterator<Item = (&'static str, u64)>) -> String {
    let mut text = String::new();
    for (name, count) in counts {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{name} {count}");
    }
    text
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// A figure with three digits and a decimal prefix: `12.3 M`, with the unit to follow.
struct Scale(f64);

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0;
        for prefix in ["", "k", "M", "G", "T"] {
            // 999.5 would be shown as 1000.
            if value < 999.5 || prefix == "T" {
                let digits = if prefix.is_empty() && value.fract() == 0.0 || value >= 99.95 {
                    0
                } else if value >= 9.995 {
                    1
                } else {
                    2
                };
                return write!(f, "{value:.digits$} {prefix}");
            }
            value /= 1000.0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_prefix() {
        for (value, text) in [
            (0.0, "0 B"),
            (7.0, "7 B"),
            (7.25, "7.25 B"),
            (999.0, "999 B"),
            (1000.0, "1.00 kB"),
            (12_345.0, "12.3 kB"),
            (999_600.0, "1.00 MB"),
            (123_456_789.0, "123 MB"),
            (5e15, "5000 TB"),
        ] {
            assert_eq!(format!("{}B", Scale(value)), text);
        }
    }
}
