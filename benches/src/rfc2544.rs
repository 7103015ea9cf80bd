//! Throughput as RFC 2544 means it, searched for as MLRsearch (RFC 9971 draft of the IETF's BMWG) does: the
//! highest rate without loss (NDR) and the highest at which at most 0.5 % is lost (PDR), from the
//! same trials. The device is umbra's worker in a process of its own, or with `--ports` whatever stands
//! between two ports of the tester.

mod search;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::args;
use crate::generator::Trial;
use crate::latency::device;
use crate::machine::MachineArgs;
use crate::ports;
use crate::results::{Protocol, Results, Throughput};
use crate::rig::Rig;
use crate::session::{self, Dut, Plan, Request, Session, Setting};
use crate::traffic::{SHORTEST, Sizes, Traffic};

pub(crate) use search::Search;

/// Bytes of an Ethernet FCS: RFC 2544 counts it, DPDK does not.
const FCS: u16 = 4;

/// `umbra-bench rfc2544`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Rfc2544Args {
    /// Frame lengths with FCS, as RFC 2544 has them, or imix
    #[arg(long, value_delimiter = ',', value_name = "BYTES,…", value_parser = length,
        default_value = "64,128,256,512,1024,1280,1518,9000")]
    sizes: Vec<Length>,
    /// Frames of a capture instead
    #[arg(long, value_name = "FILE", conflicts_with = "sizes")]
    pcap: Option<PathBuf>,
    /// Flows that the frames belong to
    #[arg(long, value_name = "N", default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..=65_536))]
    flows: u32,
    /// Sampled percentage; without it the shadow is off
    #[arg(long, value_name = "PERCENT", value_parser = args::percentage, conflicts_with = "ports")]
    percentage: Option<f64>,
    /// How frames are selected
    #[arg(long, value_name = "MODE", default_value = "flow", value_parser = ["flow", "host", "packet"])]
    select: String,
    /// Sends by TX and receives by RX, PCI addresses or vdevs with their arguments, and tests what is between them;
    /// without it, umbra's worker in this machine's memory
    #[arg(long, num_args = 2, value_names = ["TX", "RX"], value_parser = ports::parse)]
    ports: Option<Vec<String>>,
    /// Core of the tester
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    core: u16,
    /// Seconds of a trial [default: 0.5, with --quick 0.1]
    #[arg(long, value_parser = args::seconds)]
    seconds: Option<f64>,
    /// Width of the answer in percent of the rate [default: 0.5, with --quick 2]
    #[arg(long, value_name = "PERCENT", value_parser = args::width)]
    width_percent: Option<f64>,
    /// The first size only, with shorter trials and a wider answer
    #[arg(long)]
    quick: bool,
    /// Writes the results, for `report` and `compare`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArgs,
}

/// A length as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Length {
    /// With FCS.
    name: String,
    /// Without.
    sizes: Sizes,
}

fn length(text: &str) -> Result<Length, String> {
    let name = text.to_owned();
    if text == "imix" {
        return Ok(Length { name, sizes: Sizes::Imix });
    }
    let with_fcs: u16 = text.parse().unwrap_or(0);
    match with_fcs.checked_sub(FCS) {
        Some(size) if size >= SHORTEST && with_fcs <= 9018 => {
            Ok(Length { name, sizes: Sizes::Fixed(size) })
        }
        _ => Err(format!(
            "frame length {text:?}: legal are {} to 9018 bytes with FCS, or imix",
            SHORTEST + FCS
        )),
    }
}

/// One search in a session that is open.
pub(crate) fn throughput(
    session: &mut Session,
    id: &str,
    title: &str,
    frames: &str,
    settings: Search,
) -> Result<(Throughput, Vec<String>)> {
    let found = search::search(settings, |rate_pps| {
        let trial = Trial { rate_pps, seconds: settings.seconds, timed: false };
        Ok(session.ask(&Request { setting: 0, trial })?.outcome)
    })?;
    let mut notes: Vec<String> = found.short.map(|s| format!("{id}: {s}")).into_iter().collect();
    if found.foreign != 0 {
        notes.push(format!(
            "{id}: in {} trials more came back than was sent; frames of others hide losses",
            found.foreign
        ));
    }
    if found.ndr.low >= found.most {
        notes.push(format!(
            "{id}: all that the tester could send came through; the device may do more"
        ));
    }
    let throughput = Throughput {
        id: id.into(),
        title: title.into(),
        how: format!(
            "umbra-bench rfc2544: trials of {} s, to {} %",
            settings.seconds,
            settings.width * 100.0
        ),
        frames: frames.into(),
        ndr_pps: [found.ndr.low, found.ndr.high.min(found.most)],
        pdr_pps: [found.pdr.low, found.pdr.high.min(found.most)],
        generator_pps: found.most,
        trials: found.trials,
    };
    Ok((throughput, notes))
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

impl Rfc2544Args {
    /// Frames by their name.
    fn traffics(&self) -> Vec<(String, Traffic)> {
        if let Some(file) = &self.pcap {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return vec![(name, Traffic::Capture { file: file.clone() })];
        }
        let count = if self.quick { 1 } else { self.sizes.len() };
        let generated = |l: &Length| Traffic::Generated { flows: self.flows, sizes: l.sizes };
        self.sizes.iter().take(count).map(|l| (format!("{} B", l.name), generated(l))).collect()
    }

    /// A search for one kind of frames.
    fn measure(
        &self,
        (name, traffic): (&str, Traffic),
        rig: Option<&Rig>,
        results: &mut Results,
        base: &Dut,
    ) -> Result<Throughput> {
        let search = Search {
            seconds: self.seconds.unwrap_or(if self.quick { 0.1 } else { 0.5 }),
            width: self.width_percent.unwrap_or(if self.quick { 2.0 } else { 0.5 }) / 100.0,
        };
        let setting = match self.percentage {
            Some(percentage) => Setting::on(percentage, &self.select),
            None => Setting::off(),
        };
        let mut dut = base.clone().carrying(traffic)?;
        let mut title = format!("{name} with FCS, {}", setting.label);
        if let Some(rig) = rig {
            dut.rig = rig.clone();
            dut.cores = Vec::new();
            title = format!("{name} with FCS, {rig}");
        }
        let mut session = open(dut, setting, &results.protocol)?;
        let id = format!("rfc2544/{name}");
        let (throughput, notes) = throughput(&mut session, &id, &title, name, search)?;
        session.finish()?;
        notes.iter().for_each(|note| eprintln!("{note}"));
        results.notes.extend(notes);
        results.throughputs.push(throughput.clone());
        Ok(throughput)
    }
}

/// Runs the searches and prints a table. A kind of frames that cannot be measured does not keep the others from it.
pub(crate) fn main(args: &Rfc2544Args) -> Result<()> {
    let rig = args.ports.as_deref().map(ports::pair).transpose()?;
    let traffics = args.traffics();
    for (_, traffic) in &traffics {
        traffic.distinct()?;
    }
    let reserved = args.machine.reserve();
    let protocol = args.machine.protocol(args.quick);
    let mut results = Results::new(crate::preflight::look(), protocol);
    let mut base = device(64, args.flows, reserved.memory);
    base.other_core = args.core;
    let mut failed = Vec::new();
    println!("| frames | NDR Mpps | PDR Mpps | tester Mpps | trials |");
    println!("|---|---|---|---|---|");
    for (name, traffic) in traffics {
        match args.measure((&name, traffic), rig.as_ref(), &mut results, &base) {
            Ok(t) => println!(
                "| {} | {:.3} to {:.3} | {:.3} to {:.3} | {:.3} | {} |",
                t.frames,
                t.ndr_pps[0] / 1e6,
                t.ndr_pps[1] / 1e6,
                t.pdr_pps[0] / 1e6,
                t.pdr_pps[1] / 1e6,
                t.generator_pps / 1e6,
                t.trials.len()
            ),
            Err(why) => {
                println!("| {name} | not measured | | | |");
                failed.push(format!("{name}: {why:#}"));
            }
        }
    }
    results.notes.extend(failed.iter().cloned());
    if let Some(path) = &args.json {
        results.write(path).context("the results are lost")?;
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join("\n"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_rfc() {
        assert_eq!(length("64").unwrap().sizes, Sizes::Fixed(60));
        assert_eq!(length("imix").unwrap().sizes, Sizes::Imix);
        for bad in ["57", "9019", "", "x"] {
            assert!(length(bad).unwrap_err().contains("58 to 9018"), "{bad}");
        }
    }
}
