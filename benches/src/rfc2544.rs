//! Throughput as RFC 2544 means it, searched for as MLRsearch (RFC 9971 draft of the IETF's BMWG) does: the
//! highest rate without loss (NDR) and the highest at which at most 0.5 % is lost (PDR), from the
//! same trials. A rate counts as lossy when two trials at it both lose more than is allowed.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::generator::{Outcome, Trial};
use crate::hugepages::HugePages;
use crate::latency::device;
use crate::results::{Protocol, Throughput};
use crate::rig::Rig;
use crate::session::{self, Dut, Memory, Plan, Request, Session, Setting};
use crate::traffic::{SHORTEST, Sizes, Traffic};

/// PDR's loss ratio, as FD.io CSIT has it.
const PDR_LOSS_RATIO: f64 = 0.005;
/// Trials of one search at most.
const TRIALS_MAX: usize = 60;
/// Bytes of an Ethernet FCS: RFC 2544 counts it, DPDK does not.
const FCS: u16 = 4;

/// `umbra-bench rfc2544`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Rfc2544Args {
    /// Frame lengths with FCS, as RFC 2544 has them, or imix
    #[arg(long, value_delimiter = ',', default_value = "64,128,256,512,1024,1280,1518,9000")]
    sizes: Vec<String>,
    /// Frames of a capture instead
    #[arg(long, value_name = "FILE", conflicts_with = "sizes")]
    pcap: Option<PathBuf>,
    /// Flows that the frames belong to
    #[arg(long, default_value_t = 256)]
    flows: u32,
    /// Sampled percentage; without it the shadow is off
    #[arg(long)]
    percentage: Option<f64>,
    /// flow, host or packet
    #[arg(long, default_value = "flow")]
    select: String,
    /// Sends by the first and receives by the second port: PCI addresses, or vdevs with their arguments.
    /// What is between them is the device under test; without ports it is umbra's worker in this process
    #[arg(long, num_args = 2, value_names = ["TX", "RX"])]
    ports: Option<Vec<String>>,
    /// Seconds of a trial
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// Width of the answer, in percent of the rate
    #[arg(long, default_value_t = 0.5)]
    width_percent: f64,
    /// Ends within two minutes: 64 bytes only, trials of 0.1 s, a width of 2 %
    #[arg(long)]
    quick: bool,
    /// Writes the results to FILE
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What a search aims at and how closely.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    pub(crate) seconds: f64,
    pub(crate) width: f64,
}

/// An open interval that holds the rate sought: nothing lost more than allowed at `low`, too much at `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bounds {
    loss_ratio: f64,
    low: f64,
    high: f64,
}

impl Bounds {
    fn note(&mut self, rate: f64, loss_ratio: f64) {
        if loss_ratio <= self.loss_ratio {
            self.low = self.low.max(rate);
        } else {
            self.high = self.high.min(rate);
        }
    }

    fn is_narrow(&self, width: f64) -> bool {
        self.high - self.low <= self.high * width
    }

    /// Where to look next: the geometric middle, for errors are relative; near the top at first.
    fn next(&self) -> f64 {
        if self.low == 0.0 { self.high / 2.0 } else { (self.low * self.high).sqrt() }
    }
}

/// Searches both rates; `run` sends at a rate, or as fast as it can.
fn search(
    settings: Search,
    mut run: impl FnMut(Option<f64>) -> Result<Outcome>,
) -> Result<(Bounds, Bounds, f64, Vec<(f64, u64, u64)>)> {
    let mut trials = Vec::new();
    let mut tried = |rate: Option<f64>| -> Result<Outcome> {
        let outcome = run(rate)?;
        trials.push((outcome.offered_pps(), outcome.offered, outcome.lost()));
        Ok(outcome)
    };
    let full = tried(None)?;
    let most = full.offered_pps();
    if full.offered == 0 {
        bail!("the tester could send nothing: is the link up?");
    }
    let mut ndr = Bounds { loss_ratio: 0.0, low: 0.0, high: most * 1.000_001 };
    let mut pdr = Bounds { loss_ratio: PDR_LOSS_RATIO, ..ndr };
    for bounds in [&mut ndr, &mut pdr] {
        bounds.note(most, full.loss_ratio());
    }
    // What passes when everything is sent is a good guess for both.
    let mut guess = Some(full.received as f64 / full.seconds);
    for _ in 0..TRIALS_MAX {
        let open = [ndr, pdr].into_iter().find(|b| !b.is_narrow(settings.width));
        let Some(open) = open else { break };
        let rate = guess.take().filter(|g| *g > open.low && *g < open.high).unwrap_or(open.next());
        let mut loss = tried(Some(rate))?.loss_ratio();
        if loss > open.loss_ratio {
            loss = loss.min(tried(Some(rate))?.loss_ratio());
        }
        ndr.note(rate, loss);
        pdr.note(rate, loss);
    }
    // More may pass with more loss allowed, never less.
    pdr.low = pdr.low.max(ndr.low);
    Ok((ndr, pdr, most, trials))
}

/// One search in a session that is open.
pub(crate) fn throughput(
    session: &mut Session,
    id: &str,
    title: &str,
    frames: &str,
    settings: Search,
) -> Result<Throughput> {
    let (ndr, pdr, most, trials) = search(settings, |rate_pps| {
        let trial = Trial { rate_pps, seconds: settings.seconds, timed: false };
        Ok(session.ask(&Request { setting: 0, trial })?.outcome)
    })?;
    Ok(Throughput {
        id: id.into(),
        title: title.into(),
        how: format!(
            "umbra-bench rfc2544: trials of {} s, to {} %",
            settings.seconds,
            settings.width * 100.0
        ),
        frames: frames.into(),
        ndr_pps: [ndr.low, ndr.high.min(most)],
        pdr_pps: [pdr.low, pdr.high.min(most)],
        generator_pps: most,
        trials,
    })
}

/// An interactive session with one setting.
pub(crate) fn open(dut: Dut, setting: Setting, protocol: &Protocol) -> Result<Session> {
    session::start(&Plan {
        dut,
        settings: vec![setting],
        rounds: 0,
        window_s: protocol.window_s,
        steal_percent_max: protocol.steal_percent_max,
        interactive: true,
    })
}

fn length(text: &str) -> Result<Sizes> {
    if text == "imix" {
        return Ok(Sizes::Imix);
    }
    let with_fcs: u16 = text.parse().unwrap_or(0);
    match with_fcs.checked_sub(FCS) {
        Some(size) if size >= SHORTEST && with_fcs <= 9018 => Ok(Sizes::Fixed(size)),
        _ => bail!(
            "frame length {text:?}: legal are {} to 9018 bytes with FCS, or imix",
            SHORTEST + FCS
        ),
    }
}

/// Runs the searches and prints a table.
pub(crate) fn main(args: &Rfc2544Args) -> Result<()> {
    let protocol = Protocol::new(args.quick);
    let search = if args.quick {
        Search { seconds: 0.1, width: 0.02 }
    } else {
        Search { seconds: args.seconds, width: args.width_percent / 100.0 }
    };
    let pages = HugePages::reserve(512)
        .inspect_err(|e| log::warn!("on pages of 4 KiB, which cost more: {e:#}"))
        .ok();
    let memory = if pages.is_some() { Memory::Huge(960) } else { Memory::Small(960) };
    let setting = match args.percentage {
        Some(percentage) => Setting::on(percentage, &args.select),
        None => Setting::off(),
    };
    let traffics: Vec<(String, Traffic)> = match &args.pcap {
        Some(file) => vec![(
            file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Traffic::Capture { file: file.clone() },
        )],
        None => args
            .sizes
            .iter()
            .take(if args.quick { 1 } else { usize::MAX })
            .map(|text| {
                Ok((text.clone(), Traffic::Generated { flows: args.flows, sizes: length(text)? }))
            })
            .collect::<Result<_>>()?,
    };
    let mut results = crate::results::Results::new(crate::preflight::look(), protocol.clone());
    println!("| frames | NDR Mpps | PDR Mpps | tester Mpps | trials |");
    println!("|---|---|---|---|---|");
    for (name, traffic) in traffics {
        let mut dut = device(64, args.flows, memory);
        dut.traffic = traffic;
        if let Some(ports) = &args.ports {
            dut.rig = Rig::Ports { a: ports[0].clone(), b: ports[1].clone() };
        }
        let mut session = open(dut, setting.clone(), &protocol)?;
        let title = format!("{name} B with FCS, {}", setting.label);
        let t = throughput(&mut session, &format!("rfc2544/{name}"), &title, &name, search)?;
        session.finish()?;
        println!(
            "| {} | {:.3} to {:.3} | {:.3} to {:.3} | {:.3} | {} |",
            t.frames,
            t.ndr_pps[0] / 1e6,
            t.ndr_pps[1] / 1e6,
            t.pdr_pps[0] / 1e6,
            t.pdr_pps[1] / 1e6,
            t.generator_pps / 1e6,
            t.trials.len()
        );
        results.throughputs.push(t);
    }
    if let Some(path) = &args.json {
        results.write(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that passes so many frames per second of those that it is offered.
    fn device_of(capacity: f64, generator: f64) -> impl FnMut(Option<f64>) -> Result<Outcome> {
        move |rate| {
            let offered = rate.unwrap_or(generator);
            Ok(Outcome {
                offered: offered as u64,
                received: offered.min(capacity) as u64,
                seconds: 1.0,
                ..Outcome::default()
            })
        }
    }

    #[test]
    fn both_rates_are_found_to_the_width_asked_for() {
        let settings = Search { seconds: 1.0, width: 0.005 };
        let (ndr, pdr, most, trials) = search(settings, device_of(3e6, 10e6)).unwrap();
        assert!(ndr.low <= 3e6 && 3e6 <= ndr.high && ndr.is_narrow(0.005), "{ndr:?}");
        let partial = 3e6 / (1.0 - PDR_LOSS_RATIO);
        assert!(pdr.low <= partial && partial <= pdr.high && pdr.is_narrow(0.005), "{pdr:?}");
        assert_eq!(most, 10e6);
        assert!(trials.len() < TRIALS_MAX, "{}", trials.len());
    }

    #[test]
    fn a_device_faster_than_the_tester_ends_the_search_at_once() {
        let settings = Search { seconds: 1.0, width: 0.005 };
        let (ndr, pdr, most, trials) = search(settings, device_of(30e6, 10e6)).unwrap();
        assert_eq!(trials.len(), 1);
        assert_eq!((ndr.low, pdr.low), (most, most));
    }

    #[test]
    fn a_dead_link_is_said() {
        let settings = Search { seconds: 1.0, width: 0.005 };
        let error = search(settings, |_| Ok(Outcome::default())).unwrap_err();
        assert!(error.to_string().contains("link"), "{error}");
    }

    #[test]
    fn lengths_are_those_of_the_rfc() {
        assert_eq!(length("64").unwrap(), Sizes::Fixed(60));
        assert_eq!(length("imix").unwrap(), Sizes::Imix);
        for bad in ["57", "9019", "", "x"] {
            assert!(length(bad).unwrap_err().to_string().contains("58 to 9018"), "{bad}");
        }
    }
}
