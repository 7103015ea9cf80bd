//! Text for the terminal: statistics in testpmd's manner, and the last words about the ports.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Instant;

use umbra_dpdk::EthStats;
use umbra_forward::links::End;
use umbra_forward::wiring::Wired;

use super::setup::Running;

/// Port counters of the previous table, for rates.
#[derive(Debug, Default)]
pub(super) struct Rates {
    last: HashMap<String, (Instant, EthStats)>,
}

impl Rates {
    /// The statistics table: ports, then the shadow.
    pub(super) fn table(&mut self, running: &mut Running) -> String {
        let mut out = String::new();
        for (index, port) in running.ports.iter().enumerate() {
            let stats = port.stats();
            let now = Instant::now();
            let (pps, bps) = self.rates(&port.name, now, stats);
            let title = format!(
                "NIC statistics for port {index} ({}, wire {}.{})",
                port.name, port.wire, port.end
            );
            let _ = writeln!(out, "\n  {:#^78}", format!(" {title} "));
            let _ = writeln!(
                out,
                "  RX-packets: {:<12} RX-missed: {:<10} RX-bytes:  {}\n  RX-errors: {:<13} RX-nombuf:  {:<9} Link:      {}",
                stats.ipackets,
                stats.imissed,
                stats.ibytes,
                stats.ierrors,
                stats.rx_nombuf,
                port.link_word()
            );
            let _ = writeln!(
                out,
                "  TX-packets: {:<12} TX-errors: {:<10} TX-bytes:  {}",
                stats.opackets, stats.oerrors, stats.obytes
            );
            let _ = writeln!(
                out,
                "\n  Throughput (since last show)\n  Rx-pps: {:>14.0}  Rx-bps: {:>16.0}\n  Tx-pps: {:>14.0}  Tx-bps: {:>16.0}",
                pps.0, bps.0, pps.1, bps.1
            );
            let _ = writeln!(out, "  {:#<78}", "");
        }
        let ledger = running.manager.ledger();
        let selected: u64 = ledger.wires.iter().map(|w| w.counters.selected).sum();
        let enqueued: u64 = ledger.taps.iter().map(|t| t.counters.enqueued).sum();
        let full: u64 = ledger.taps.iter().map(|t| t.counters.ring_full).sum();
        let none: u64 = ledger.taps.iter().map(|t| t.counters.no_instance).sum();
        let analysed: u64 = ledger.behind.iter().map(|b| b.analysed).sum();
        let exact = if ledger.is_exact() { "exact" } else { "NOT EXACT" };
        let _ = writeln!(
            out,
            "  Shadow: {} % sampled; selected {selected}, enqueued {enqueued}, ring_full {full}, no_instance {none}, analysed {analysed}; ledger {exact}",
            running.manager.percentage()
        );
        for instance in running.manager.instances() {
            let _ = writeln!(
                out,
                "  Instance {}: {}, {:.1} % busy, {} start(s), {} crash(es), {} hang(s)",
                instance.instance,
                instance.state,
                instance.busy_percent,
                instance.starts,
                instance.crashes,
                instance.hangs
            );
        }
        out
    }

    /// (rx, tx) packets and bits per second since the port was last shown.
    fn rates(&mut self, port: &str, now: Instant, stats: EthStats) -> ((f64, f64), (f64, f64)) {
        let Some((then, before)) = self.last.insert(port.to_owned(), (now, stats)) else {
            return ((0.0, 0.0), (0.0, 0.0));
        };
        let seconds = now.duration_since(then).as_secs_f64().max(1e-9);
        // A port that was made again starts from zero.
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
        (
            (rate(stats.ipackets, before.ipackets), rate(stats.opackets, before.opackets)),
            (rate(stats.ibytes, before.ibytes) * 8.0, rate(stats.obytes, before.obytes) * 8.0),
        )
    }
}

/// The ports' own counters beside the final ledger, reconciled by whoever reads them:
/// `tx` of the ledger is what drivers accepted, `opackets + oerrors` what they did with it.
pub(super) fn final_ports(wires: &[Wired]) -> String {
    let mut out = String::from("Ports (ethdev counters)\n");
    for wire in wires {
        for end in [End::A, End::B] {
            let port = wire.port(end);
            let stats = port.handle.as_ref().and_then(|p| p.stats().ok()).unwrap_or_default();
            let _ = writeln!(
                out,
                "  {}.{} {}: ipackets {} opackets {} imissed {} ierrors {} oerrors {} rx_nombuf {}",
                wire.name,
                if end == End::A { "a" } else { "b" },
                port.name,
                stats.ipackets,
                stats.opackets,
                stats.imissed,
                stats.ierrors,
                stats.oerrors,
                stats.rx_nombuf
            );
        }
    }
    out
}
