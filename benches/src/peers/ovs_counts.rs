//! What Open vSwitch says of itself: the statistics of its PMD thread, the counters of its ports.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// Frames between the counter of the sink and that of the mirror: a burst that is not flushed.
const IN_FLIGHT: u64 = 64;

/// Frames that ports were given.
#[derive(Debug, Clone, Copy)]
pub(super) struct PortCounts {
    pub(super) sink_before: u64,
    pub(super) mirror: u64,
    pub(super) sink_after: u64,
}

/// The traffic never rests, so the mirror's count is compared with the least and the most that the
/// sink can have been given between the mirror's two readings.
pub(super) fn check_mirrored(mirror: bool, before: PortCounts, after: PortCounts) -> Result<()> {
    let mirrored = after.mirror.saturating_sub(before.mirror);
    if !mirror {
        ensure!(mirrored == 0, "{mirrored} frames reached the mirror port without a mirror");
        return Ok(());
    }
    let least = after.sink_before.saturating_sub(before.sink_after).saturating_sub(IN_FLIGHT);
    let most = after.sink_after.saturating_sub(before.sink_before) + IN_FLIGHT;
    ensure!(
        (least..=most).contains(&mirrored),
        "{mirrored} frames reached the mirror port while {least} to {most} were forwarded"
    );
    Ok(())
}

/// From `           tx pkts=70785664, bytes=…`.
pub(super) fn tx_packets(shown: &str) -> Option<u64> {
    let (_, rest) = shown.split_once("tx pkts=")?;
    rest.split(',').next()?.trim().parse().ok()
}

/// A block of `pmd-stats-show`: `  name: value` below the line of a thread.
#[derive(Debug)]
pub(super) struct PmdStats<'a> {
    fields: BTreeMap<&'a str, &'a str>,
}

impl<'a> PmdStats<'a> {
    /// The block of the first thread whose line holds `of`.
    pub(super) fn parse(shown: &'a str, of: &str) -> Result<Self> {
        let fields = shown
            .lines()
            .skip_while(|line| !line.contains(of))
            .skip(1)
            .take_while(|line| line.starts_with(' '))
            .filter_map(|line| line.trim().split_once(": "))
            .collect();
        let this = Self { fields };
        ensure!(!this.fields.is_empty(), "no PMD thread in:\n{shown}");
        Ok(this)
    }

    fn field(&self, name: &str) -> Result<&'a str> {
        // Without a packet OVS leaves the averages out.
        self.fields.get(name).copied().with_context(|| format!("pmd-stats-show has no {name:?}"))
    }

    pub(super) fn number(&self, name: &str) -> Result<u64> {
        let text = self.field(name)?;
        text.parse().with_context(|| format!("{name}: {text}"))
    }

    /// From `112.53 (2611512020/23207072)`, of which the quotient is the exact one.
    pub(super) fn ratio(&self, name: &str) -> Result<f64> {
        let text = self.field(name)?;
        let quotient = || {
            let (dividend, divisor) =
                text.split_once('(')?.1.trim_end_matches(')').split_once('/')?;
            Some(dividend.parse::<f64>().ok()? / divisor.parse::<f64>().ok()?)
        };
        quotient().with_context(|| format!("{name}: {text}"))
    }

    /// From `2611512020 (100.00%)`.
    pub(super) fn percent(&self, name: &str) -> Result<f64> {
        let text = self.field(name)?;
        let percent = || text.split_once('(')?.1.trim_end_matches("%)").parse().ok();
        percent().with_context(|| format!("{name}: {text}"))
    }

    pub(super) fn hits(&self) -> BTreeMap<String, u64> {
        self.fields
            .iter()
            .filter_map(|(name, value)| {
                Some((name.strip_suffix(" hits")?.to_owned(), value.parse().ok()?))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "pmd thread numa_id 0 core_id 1:
  packets received: 23207072
  packet recirculations: 0
  avg. datapath passes per packet: 1.00
  simple match hits: 23207000
  emc hits: 72
  megaflow hits: 0
  avg. subtable lookups per megaflow hit: 0.00
  miss with success upcall: 0
  miss with failed upcall: 0
  idle cycles: 261151202 (10.00%)
  processing cycles: 2350360818 (90.00%)
  avg cycles per packet: 112.53 (2611512020/23207072)
  avg processing cycles per packet: 101.28 (2350360818/23207072)
main thread:
  packets received: 7
";

    #[test]
    fn the_statistics_of_the_pmd_are_read_and_not_those_of_the_main_thread() {
        let stats = PmdStats::parse(SHOWN, "core_id").unwrap();
        assert_eq!(stats.number("packets received").unwrap(), 23_207_072);
        assert_eq!(stats.hits()["simple match"], 23_207_000);
        assert_eq!(stats.hits()["emc"], 72);
        assert_eq!(stats.percent("idle cycles").unwrap(), 10.0);
        assert!((stats.ratio("avg cycles per packet").unwrap() - 112.531).abs() < 0.001);
        assert!(stats.number("no such").is_err());
        assert!(PmdStats::parse("main thread:\n", "core_id").is_err());
    }

    #[test]
    fn a_mirror_that_misses_frames_is_told_from_one_that_does_not() {
        let at =
            |sink: u64, mirror| PortCounts { sink_before: sink, mirror, sink_after: sink + 100 };
        assert!(check_mirrored(true, at(0, 50), at(10_000, 10_040)).is_ok());
        assert!(check_mirrored(true, at(0, 50), at(10_000, 9_000)).is_err());
        assert!(check_mirrored(true, at(0, 50), at(10_000, 20_000)).is_err());
        assert!(check_mirrored(false, at(0, 50), at(10_000, 50)).is_ok());
        assert!(check_mirrored(false, at(0, 50), at(10_000, 51)).is_err());
    }

    #[test]
    fn the_counter_of_a_port_is_read() {
        let shown = "OFPST_PORT reply (xid=0x4): 1 ports\n  port  sink: rx pkts=0, bytes=0, drop=0, errs=0, frame=?, over=?, crc=?\n           tx pkts=70785664, bytes=4247139840, drop=0, errs=0, coll=?\n";
        assert_eq!(tx_packets(shown), Some(70_785_664));
        assert_eq!(tx_packets("nothing"), None);
    }
}
