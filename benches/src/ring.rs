//! P3: what a mirrored packet costs the worker, against a bare `memcpy`. P6: the mirror ring against
//! rte_ring, rtrb and crossbeam.
//!
//! ```text
//! umbra-bench ring [--quick] [--json FILE]
//! ```

mod bare;
mod carrier;
mod measure;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use crossbeam::queue::ArrayQueue;
use serde_json::{Value, json};

use crate::preflight;
use crate::results::{Better, Comparison, GoalPart, GoalResult, Protocol, Results, Side};
use crate::stats::{estimate, median};
use carrier::{
    ArrayReceiver, ArraySender, BURST, BytesReceiver, BytesSender, CountingReceiver, Frames,
    RingReceiver, RingSender, RtrbReceiver, RtrbSender, TapSender,
};
use measure::{CONSUMER_CORE, PRODUCER_CORE, paced, ping, streamed};

/// Bytes of the ring: all of it in the level-2 cache of either core, as lines that the consumer owns
/// are.
const CAPACITY: usize = 256 << 10;
/// Records of the queues with slots: as many bytes of frame as the ring has.
const SLOTS: usize = CAPACITY / 64;
/// Runs that fail or are disturbed, in a row.
const TRIES: usize = 5;

/// `umbra-bench ring`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RingArgs {
    /// Fewer and shorter runs
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write the results to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// One of the two things compared.
struct Contender<'a> {
    label: &'a str,
    config: Value,
    run: Box<dyn Fn() -> Result<f64> + 'a>,
}

/// Runs until the hypervisor left the run alone.
fn undisturbed(protocol: &Protocol, run: &dyn Fn() -> Result<f64>) -> Result<f64> {
    for _ in 0..TRIES {
        let before = preflight::steal_and_total_jiffies();
        let value = run()?;
        if preflight::steal_percent_since(before) <= protocol.steal_percent_max {
            return Ok(value);
        }
    }
    bail!("{TRIES} runs in a row had more than {} % of stolen time", protocol.steal_percent_max)
}

/// Alternates A B B A; then B against itself.
fn compare(
    protocol: &Protocol,
    (id, goal, title): (&str, Option<&str>, &str),
    better: Better,
    a: &Contender<'_>,
    b: &Contender<'_>,
) -> Result<Comparison> {
    let measure = |side: &Contender<'_>| undisturbed(protocol, &*side.run);
    let (mut of_a, mut of_b, mut values, mut itself) = (vec![], vec![], vec![], vec![]);
    for pair in 0..protocol.pairs {
        let (x, y) = if pair % 2 == 0 {
            let x = measure(a)?;
            (x, measure(b)?)
        } else {
            let y = measure(b)?;
            (measure(a)?, y)
        };
        values.push(x / y);
        itself.push(measure(b)? / y);
        of_a.push(x);
        of_b.push(y);
    }
    let side = |contender: &Contender<'_>, samples: Vec<f64>| Side {
        label: contender.label.to_owned(),
        config: contender.config.clone(),
        unit: "cycles per record".to_owned(),
        median: median(&samples),
        samples,
    };
    let comparison = Comparison {
        id: id.to_owned(),
        goal: goal.map(str::to_owned),
        title: title.to_owned(),
        command: "umbra-bench ring".to_owned(),
        unit: "ratio of cycles".to_owned(),
        better,
        a: side(a, of_a),
        b: side(b, of_b),
        estimate: estimate(&values),
        values,
        resolution: Some(estimate(&itself)),
    };
    eprintln!(
        "  {id:<28} {:>7.1} / {:>7.1} cycles = {:.3} ({:.3}–{:.3})",
        comparison.a.median,
        comparison.b.median,
        comparison.estimate.median,
        comparison.estimate.low,
        comparison.estimate.high
    );
    Ok(comparison)
}

fn bursts(protocol: &Protocol, len: usize) -> usize {
    let bursts = if len > 256 { 1_500 } else { 3_000 };
    if protocol.quick { bursts / 2 } else { bursts }
}

fn records(protocol: &Protocol) -> usize {
    if protocol.quick { 500_000 } else { 2_000_000 }
}

fn setting(what: &str) -> Value {
    json!({
        "what": what, "burst": BURST, "capacity_bytes": CAPACITY, "slots": SLOTS,
        "producer_core": PRODUCER_CORE, "consumer_core": CONSUMER_CORE,
    })
}

/// A way to measure, without its parameters.
#[derive(Clone, Copy)]
enum Way {
    /// The producer's own cycles.
    Paced(usize),
    /// From core to core.
    Streamed(usize),
}

impl Way {
    fn run(
        self,
        sender: impl carrier::Sender,
        receiver: impl carrier::Receiver,
        frames: &Frames,
    ) -> Result<f64> {
        match self {
            Way::Paced(bursts) => paced(sender, receiver, frames, bursts),
            Way::Streamed(records) => streamed(sender, receiver, frames, records),
        }
    }
}

fn ours(way: Way, frames: &Frames) -> Contender<'_> {
    let run = move || {
        let (producer, consumer) = umbra_tap::ring(CAPACITY)?;
        way.run(RingSender::new(producer), RingReceiver(consumer), frames)
    };
    let config = setting("Producer: push, set_verdict, publish");
    Contender { label: "mirror ring", config, run: Box::new(run) }
}

fn tap(way: Way, frames: &Frames) -> Contender<'_> {
    let run = move || {
        let (producer, consumer) = umbra_tap::ring(CAPACITY)?;
        let consumed = Arc::default();
        let sender = TapSender::new(producer, Arc::clone(&consumed));
        way.run(sender, CountingReceiver { inner: RingReceiver(consumer), consumed }, frames)
    };
    let config = setting("Tap: mirror, resolve; packet mode at 100 %, one instance, hash for free");
    Contender { label: "tap", config, run: Box::new(run) }
}

fn floor(way: Way, frames: &Frames) -> Contender<'_> {
    let run = move || {
        let (writer, reader) = bare::lines(CAPACITY);
        way.run(writer, reader, frames)
    };
    let config = setting("memcpy per frame, one release store per burst");
    Contender { label: "memcpy", config, run: Box::new(run) }
}

fn rtrb_elements(way: Way, frames: &Frames) -> Contender<'_> {
    let run = move || {
        let (producer, consumer) = rtrb::RingBuffer::new(SLOTS);
        way.run(RtrbSender(producer), RtrbReceiver(consumer), frames)
    };
    let config = setting("RingBuffer of 80-byte elements, chunks of 32");
    Contender { label: "rtrb, elements", config, run: Box::new(run) }
}

fn rtrb_bytes(way: Way, frames: &Frames) -> Contender<'_> {
    let run = move || {
        let (producer, consumer) = rtrb::RingBuffer::new(SLOTS * carrier::BYTES_RECORD);
        way.run(BytesSender::new(producer), BytesReceiver(consumer), frames)
    };
    let config = setting("RingBuffer of bytes, a burst of 80-byte records written at once");
    Contender { label: "rtrb, bytes", config, run: Box::new(run) }
}

fn array_queue(way: Way, frames: &Frames) -> Contender<'_> {
    // A tenth as long: five times as slow.
    let way = match way {
        Way::Streamed(records) => Way::Streamed(records / 10),
        Way::Paced(bursts) => Way::Paced(bursts / 2),
    };
    let run = move || {
        let queue = Arc::new(ArrayQueue::new(SLOTS));
        way.run(ArraySender(Arc::clone(&queue)), ArrayReceiver(queue), frames)
    };
    let config = setting("ArrayQueue of 80-byte elements");
    Contender { label: "crossbeam ArrayQueue", config, run: Box::new(run) }
}

/// rte_ring is a process of its own: `peers/ring_spsc.c`.
fn rte_ring<'a>(way: Way) -> Contender<'a> {
    let run = move || {
        let program = Path::new(env!("UMBRA_BENCH_PEERS")).join("ring_spsc");
        let (mode, records) = match way {
            Way::Paced(bursts) => ("paced", bursts * BURST),
            Way::Streamed(records) => ("stream", records),
        };
        let output = Command::new(&program)
            .arg(mode)
            .args([records, SLOTS, PRODUCER_CORE, CONSUMER_CORE].map(|n| n.to_string()))
            .output()
            .with_context(|| format!("{program:?} does not start; build it: cargo build"))?;
        if !output.status.success() {
            bail!("{program:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let result: Value = serde_json::from_slice(&output.stdout)?;
        result["cycles_per_record"].as_f64().context("ring_spsc prints cycles_per_record")
    };
    let config = setting("rte_ring SP/SC, bulk 32, rte_memcpy into 64-byte slots without header");
    Contender { label: "rte_ring", config, run: Box::new(run) }
}

const PACED: &str = "median over bursts of 32 of the producer's cycles, clock taken off; every burst \
     goes into lines that the consumer, on the other core, has read and given back";
const STREAMED: &str = "64-byte frames from core to core at full speed, every record's header and \
     every line of its frame read; cycles of the whole run over its records";

/// P3: cycles per mirrored packet with a live consumer ÷ a `memcpy` of the same bytes into lines that
/// the consumer owns.
///
/// # Errors
/// A core is missing, or runs are disturbed.
pub(crate) fn p3(protocol: &Protocol) -> Result<(GoalResult, Vec<Comparison>)> {
    let mut parts = BTreeMap::new();
    let mut comparisons = Vec::new();
    for (len, bounds) in [(64, (2.0, 1.3)), (1500, (1.3, 1.05))] {
        let frames = Frames::new(len);
        let way = Way::Paced(bursts(protocol, len));
        let title = format!("Mirroring {len}-byte frames to a live consumer against memcpy");
        let (mine, bare) = (ours(way, &frames), floor(way, &frames));
        let id = format!("P3/{len}");
        let head = (id.as_str(), Some("P3"), title.as_str());
        let comparison = compare(protocol, head, Better::Lower, &mine, &bare)?;
        let how = format!("{len} B, push + verdict + publish ÷ memcpy: {PACED}");
        parts.insert(format!("{len} B"), GoalPart::of(&comparison, bounds, how));
        comparisons.push(comparison);
        let whole = tap(way, &frames);
        let (id, title) = (format!("P3/tap/{len}"), format!("{title}, by way of the tap"));
        comparisons.push(compare(protocol, (&id, None, &title), Better::Lower, &whole, &bare)?);
    }
    let goal = GoalResult::from_parts(parts).context("P3 has parts")?;
    Ok((goal, comparisons))
}

/// P6: cycles per 64-byte record from core to core, ours ÷ rte_ring's, and rtrb's and crossbeam's ÷
/// ours.
///
/// # Errors
/// A core or the peer is missing, or runs are disturbed.
pub(crate) fn p6(protocol: &Protocol) -> Result<(GoalResult, Vec<Comparison>)> {
    let frames = Frames::new(64);
    let mut parts = BTreeMap::new();
    let mut comparisons = Vec::new();
    let stream = Way::Streamed(records(protocol));
    let pace = Way::Paced(bursts(protocol, 64));
    for (way, prefix, how) in [(stream, "P6", STREAMED), (pace, "P6/paced", PACED)] {
        let goal = matches!(way, Way::Streamed(_)).then_some("P6");
        let mine = ours(way, &frames);
        // Ours over theirs; then, how many times faster.
        let rte = rte_ring(way);
        let id = format!("{prefix}/rte_ring");
        let head = (id.as_str(), goal, "Mirror ring against rte_ring SPSC");
        let comparison = compare(protocol, head, Better::Lower, &mine, &rte)?;
        if goal.is_some() {
            let how = format!("ours ÷ rte_ring bulk 32 + rte_memcpy: {how}");
            parts.insert("rte_ring".to_owned(), GoalPart::of(&comparison, (1.0, 0.7), how));
        }
        comparisons.push(comparison);
        let others = [
            (array_queue(way, &frames), "crossbeam", (5.0, 10.0)),
            (rtrb_elements(way, &frames), "rtrb", (1.0, 1.5)),
            (rtrb_bytes(way, &frames), "rtrb_bytes", (1.0, 1.5)),
        ];
        for (other, name, bounds) in others {
            let id = format!("{prefix}/{name}");
            let title = format!("{} against the mirror ring", other.label);
            let head = (id.as_str(), goal, title.as_str());
            let comparison = compare(protocol, head, Better::Higher, &other, &mine)?;
            if goal.is_some() {
                let how = format!("{} ÷ ours: {how}", other.label);
                let part = GoalPart::of(&comparison, bounds, how);
                match parts.get(name.trim_end_matches("_bytes")) {
                    // Its better form counts.
                    Some(other) if other.value <= part.value => {}
                    _ => {
                        parts.insert(name.trim_end_matches("_bytes").to_owned(), part);
                    }
                }
            }
            comparisons.push(comparison);
        }
    }
    let goal = GoalResult::from_parts(parts).context("P6 has parts")?;
    Ok((goal, comparisons))
}

fn print(name: &str, goal: &GoalResult) {
    for (part, figure) in &goal.parts {
        println!(
            "| {name} {part} | {:.3} | {:.3}–{:.3} | {} | {} | {:?} |",
            figure.value, figure.ci[0], figure.ci[1], figure.match_, figure.goal, figure.verdict
        );
    }
}

/// Runs both and prints a table.
pub(crate) fn main(args: &RingArgs) -> Result<()> {
    let protocol = Protocol {
        pairs: if args.quick { 5 } else { 11 },
        seconds: 0.0,
        window_s: 0.0,
        steal_percent_max: 0.5,
        quick: args.quick,
    };
    let mut results = Results::new(crate::preflight::look(), protocol.clone());
    let started = std::time::Instant::now();
    // Tells what kind of neighbours the hypervisor has made of the cores for the time being.
    let near = ping()?;
    results.notes.push(format!("one way from core to core: {near:.0} cycles at the start"));
    eprintln!("one way from core to core: {near:.0} cycles");
    println!("| goal | value | 95 % interval | match | goal | verdict |");
    println!("|---|---|---|---|---|---|");
    for (name, run) in [("P3", p3 as fn(&Protocol) -> _), ("P6", p6)] {
        let (goal, comparisons): (GoalResult, Vec<Comparison>) = run(&protocol)?;
        print(name, &goal);
        results.goals.insert(name.to_owned(), goal);
        results.comparisons.extend(comparisons);
    }
    let near = ping()?;
    results.notes.push(format!("one way from core to core: {near:.0} cycles at the end"));
    eprintln!("one way from core to core: {near:.0} cycles");
    results.took_s = started.elapsed().as_secs_f64();
    if let Some(path) = &args.json {
        results.write(path)?;
    }
    Ok(())
}
