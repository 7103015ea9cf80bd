//! How long a frame is on its way through the device at a given load, with the shadow on and off. P8 is the ratio of
//! the two at half of what passes without loss; `umbra-bench latency` shows any one setting.

mod command;

use anyhow::{Result, bail};
use umbra_dpdk::DEFAULT_DATA_ROOM;

use crate::generator::Trial;
use crate::results::{Better, Comparison, Latency, LatencySeries, Protocol, Side};
use crate::rig::Rig;
use crate::session::{self, Answer, Dut, Memory, Plan, Request, Session, Setting};
use crate::stats::{estimate, median};
use crate::traffic::Traffic;

pub(crate) use command::{LatencyArgs, main};

/// Slots of the rings that stand for descriptors.
const SLOTS: u32 = 1024;
/// Percentiles of the goal.
const PERCENTILES: [f64; 3] = [50.0, 99.0, 99.9];

/// Frames of a size, sampled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) name: &'a str,
    pub(crate) size: u16,
    pub(crate) percentage: f64,
    /// flow, host or packet.
    pub(crate) select: &'a str,
}

/// The goal's: 10 % of short frames, by either mode; all of long ones.
pub(crate) const CASES: [Case<'_>; 3] = [
    Case { name: "10 % of 64 B, packet mode", size: 64, percentage: 10.0, select: "packet" },
    Case { name: "10 % of 64 B, flow mode", size: 64, percentage: 10.0, select: "flow" },
    Case { name: "100 % of 1500 B", size: 1500, percentage: 100.0, select: "flow" },
];

/// How much of the traffic is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// Percent of what passes without loss, with the shadow on or off, whichever is less.
    Percent(f64),
    /// Packets per second.
    Pps(f64),
}

/// A device between two ends of the tester.
pub(crate) fn device(size: u16, flows: u32, memory: Memory) -> Dut {
    let mut dut = Dut::new(Rig::Line { slots: SLOTS }, Traffic::fixed(flows, size));
    dut.frames = flows;
    dut.data_room = room(size);
    dut.memory = memory;
    dut
}

impl Dut {
    /// The same with other frames, as many as there are distinct ones.
    ///
    /// # Errors
    /// When a capture cannot be read.
    pub(crate) fn carrying(mut self, traffic: Traffic) -> Result<Self> {
        self.frames = traffic.distinct()?;
        self.data_room = room(traffic.longest()?);
        self.traffic = traffic;
        Ok(self)
    }
}

/// Every frame in one mbuf: a chain of them is another path through the driver.
fn room(longest: u16) -> Option<u16> {
    (longest > DEFAULT_DATA_ROOM).then_some(longest)
}

fn trial(rate_pps: Option<f64>, seconds: f64, timed: bool) -> Trial {
    Trial { rate_pps, seconds, timed }
}

/// What was seen of one case: per percentile a comparison at the rings and one in the worker, and the
/// distributions.
pub(crate) struct Seen {
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) latency: Latency,
    pub(crate) residence: Latency,
}

/// Trials of one setting with the shadow on, and of two with it off.
struct Measured {
    plan: Plan,
    answers: [Vec<Answer>; 3],
    /// Packets per second that were sent.
    rate_pps: f64,
}

/// Measures a case at a load.
fn measure(case: Case<'_>, load: Load, protocol: &Protocol, memory: Memory) -> Result<Measured> {
    let mut dut = device(case.size, 256, memory);
    dut.timed = true;
    let on = Setting::on(case.percentage, case.select);
    let plan = Plan {
        dut,
        settings: vec![on, Setting::off(), Setting::off()],
        rounds: 0,
        window_s: protocol.window_s,
        steal_percent_max: protocol.steal_percent_max,
        interactive: true,
    };
    let mut session = session::start(&plan)?;
    let seconds = protocol.window_s.max(0.05) * 3.0;
    let rate_pps = match load {
        Load::Pps(rate) => rate,
        Load::Percent(percent) => most(&mut session, seconds)? * percent / 100.0,
    };
    let trial = trial(Some(rate_pps), seconds, true);
    let mut answers: [Vec<Answer>; 3] = Default::default();
    for round in 0..protocol.pairs {
        let order = if round % 2 == 0 { [0, 1, 2] } else { [2, 1, 0] };
        for setting in order {
            let answer = protocol.undisturbed(|| session.ask(&Request { setting, trial }))?;
            answers[setting].push(answer);
        }
    }
    session.finish()?;
    Ok(Measured { plan, answers, rate_pps })
}

/// Load 100 %: the highest rate, in steps of a fifth down from what the tester can send, at which next to nothing
/// is lost and every copy finds room, with the shadow on and off. What passes when too much is sent says less:
/// a full mirror ring spares the worker the copies and makes it faster.
fn most(session: &mut Session, seconds: f64) -> Result<f64> {
    const STEPS: usize = 14;
    const LOSS_RATIO: f64 = 0.001;
    let full = session.ask(&Request { setting: 0, trial: trial(None, seconds, true) })?.outcome;
    let mut rate = full.received as f64 / full.seconds;
    for _ in 0..STEPS {
        let mut carried = true;
        for setting in [0, 1] {
            let answer =
                session.ask(&Request { setting, trial: trial(Some(rate), seconds, true) })?;
            carried &= answer.outcome.received != 0
                && answer.outcome.loss_ratio() <= LOSS_RATIO
                && answer.window.ring_full == 0;
        }
        if carried {
            return Ok(rate);
        }
        rate *= 0.8;
    }
    bail!("nothing came through the device unharmed, down to {rate:.0} packets per second")
}

/// Measures a case of P8.
pub(crate) fn p8(case: Case<'_>, protocol: &Protocol, memory: Memory) -> Result<Seen> {
    let measured = measure(case, Load::Percent(50.0), protocol, memory)?;
    let Measured { plan, answers, rate_pps } = &measured;
    let how = format!(
        "open loop, {:.2} Mpps of {} B, half of what passes without loss",
        rate_pps / 1e6,
        case.size
    );
    let mut comparisons = Vec::new();
    for percentile in PERCENTILES {
        for place in [Place::Rings, Place::Worker] {
            comparisons.push(comparison(case, place, percentile, plan, answers, &how));
        }
    }
    let [latency, residence] = measured.distributions("P8", case.name, &how);
    Ok(Seen { comparisons, latency, residence })
}

impl Measured {
    /// At the rings and in the worker.
    fn distributions(&self, id: &str, name: &str, how: &str) -> [Latency; 2] {
        let labels = ["shadow on", "shadow off"];
        let of = |place: Place, remark: &'static str| {
            labels
                .iter()
                .zip(&self.answers)
                .map(move |(label, answers)| series(&format!("{label}{remark}"), place, answers))
        };
        [Place::Rings, Place::Worker].map(|place| Latency {
            id: format!("{id}/{}/{name}", place.name()),
            title: format!("{}, {name}", place.title()),
            how: how.to_owned(),
            series: match place {
                Place::Worker => {
                    of(place, "").chain(of(Place::WorkerFew, ", bursts of 1 to 4")).collect()
                }
                _ => of(place, "").collect(),
            },
        })
    }
}

/// Between which two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// From the rx ring's far end to the tx ring's.
    Rings,
    /// From the return of rx to the return of tx.
    Worker,
    /// The same of bursts of a few frames.
    WorkerFew,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::Rings => "rings",
            Place::Worker | Place::WorkerFew => "worker",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Place::Rings => "Into the rx ring to out of the tx ring",
            Place::Worker | Place::WorkerFew => "In the worker's hands, rx to tx",
        }
    }

    fn frames(self, answer: &Answer) -> u64 {
        match self {
            Place::Rings | Place::Worker => answer.outcome.received,
            Place::WorkerFew => answer.few,
        }
    }

    fn of(self, answer: &Answer) -> &[(f64, u64)] {
        match self {
            Place::Rings => &answer.outcome.percentiles,
            Place::Worker => &answer.residence,
            Place::WorkerFew => &answer.residence_few,
        }
    }
}

fn at(answer: &Answer, place: Place, percentile: f64) -> f64 {
    let of = place.of(answer).iter().find(|(p, _)| (p - percentile).abs() < 1e-9);
    of.map_or(0.0, |&(_, cycles)| cycles as f64 * 1e9 / answer.tsc_hz as f64)
}

fn comparison(
    case: Case<'_>,
    place: Place,
    percentile: f64,
    plan: &Plan,
    answers: &[Vec<Answer>; 3],
    how: &str,
) -> Comparison {
    let samples = |setting: usize| -> Vec<f64> {
        answers[setting].iter().map(|a| at(a, place, percentile)).collect()
    };
    let ratios = |a: &[f64], b: &[f64]| -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| a / b.max(1e-9)).collect()
    };
    let side = |setting: usize| Side {
        label: plan.settings[setting].label.clone(),
        config: serde_json::json!({ "dut": plan.dut, "setting": plan.settings[setting], "how": how }),
        median: median(&samples(setting)),
        samples: samples(setting),
        unit: "ns".into(),
    };
    let values = ratios(&samples(0), &samples(1));
    Comparison {
        id: format!("P8/{}/{}/p{percentile}", place.name(), case.name),
        goal: Some("P8".into()),
        title: format!("{}, {}, p{percentile}: shadow on ÷ off", place.title(), case.name),
        command: "umbra-bench goals P8".into(),
        unit: "ratio of ns".into(),
        better: Better::Lower,
        a: side(0),
        b: side(1),
        estimate: estimate(&values),
        values,
        resolution: Some(estimate(&ratios(&samples(2), &samples(1)))),
    }
}

/// The rounds' distributions as one: the median of each percentile over the rounds.
fn series(label: &str, place: Place, answers: &[Answer]) -> LatencySeries {
    let percentiles = answers.first().map(|first| {
        place.of(first).iter().map(|&(p, _)| {
            let over: Vec<f64> = answers.iter().map(|a| at(a, place, p)).collect();
            (p, median(&over).round() as u64)
        })
    });
    LatencySeries {
        label: label.into(),
        count: answers.iter().map(|a| place.frames(a)).sum(),
        lost: answers.iter().map(|a| a.outcome.lost()).sum(),
        late: answers.iter().map(|a| a.outcome.late).sum(),
        percentiles: percentiles.into_iter().flatten().collect(),
    }
}
