//! A run that never took place, with one of everything, for the tests of the page and of `compare`.

use std::collections::BTreeMap;

use crate::preflight::Preflight;
use crate::results::{
    Account, Better, Comparison, Curve, GoalPart, GoalResult, Latency, LatencySeries, Point,
    Protocol, Results, SCHEMA, Series, Side, Stage, Throughput,
};
use crate::stats::Estimate;

/// An interval that lies evenly around its median.
pub(crate) fn around(median: f64, half_width: f64) -> Estimate {
    Estimate { median, low: median - half_width, high: median + half_width }
}

fn side(label: &str, unit: &str, median: f64) -> Side {
    Side {
        label: label.to_owned(),
        config: serde_json::json!({"burst": 32}),
        samples: vec![median; 3],
        unit: unit.to_owned(),
        median,
    }
}

/// A comparison with an A/A interval of `resolution` to either side of 1.
pub(crate) fn comparison(
    id: &str,
    better: Better,
    estimate: Estimate,
    resolution: Option<f64>,
) -> Comparison {
    Comparison {
        id: id.to_owned(),
        goal: Some("P1".to_owned()),
        title: "Forwarding, shadow off".to_owned(),
        command: "umbra-bench forward --case null".to_owned(),
        unit: "ratio".to_owned(),
        better,
        a: side("umbra", "pps", 41.2e6),
        b: side("dpdk-testpmd io", "pps", 41.24e6),
        values: vec![estimate.median; 3],
        estimate,
        resolution: resolution.map(|r| around(1.0, r)),
    }
}

fn curve() -> Curve {
    let series = |label: &str, factor: f64| Series {
        label: label.to_owned(),
        points: [0.0, 0.1, 1.0, 10.0, 50.0, 100.0]
            .into_iter()
            .map(|x: f64| {
                let y = 41.0 / (1.0 + factor * x / 100.0);
                Point { x, y, low: y * 0.985, high: y * 1.01 }
            })
            .collect(),
    };
    Curve {
        id: "P2/sampling".to_owned(),
        title: "Forwarding over the share of packets that are sampled & mirrored".to_owned(),
        x_label: "sampled share (%)".to_owned(),
        y_label: "forwarded (Mpps)".to_owned(),
        log_x: true,
        series: vec![series("packet mode", 0.8), series("flow mode, software hash", 1.9)],
    }
}

fn latency() -> Latency {
    let series = |label: &str, scale: f64| LatencySeries {
        label: label.to_owned(),
        count: 1_000_000,
        lost: 0,
        late: 0,
        percentiles: [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 99.999, 100.0]
            .into_iter()
            .map(|p: f64| (p, (scale * (1.0 + 0.6 * -(1.0 - p / 100.0).max(5e-7).ln())) as u64))
            .collect(),
    };
    Latency {
        id: "P8/residence".to_owned(),
        title: "Residence in the worker, rx to tx".to_owned(),
        how: "half of the throughput".to_owned(),
        series: vec![series("shadow off", 1200.0), series("10 % sampled", 1260.0)],
    }
}

fn account() -> Account {
    let stage = |name: &str, cycles: f64| Stage {
        name: name.to_owned(),
        cycles: around(cycles, 0.75),
        note: format!("without the {name}"),
    };
    Account {
        id: "P3/64".to_owned(),
        title: "A mirrored packet of 64 B".to_owned(),
        how: "stages taken out one at a time".to_owned(),
        total: around(40.0, 1.5),
        stages: vec![stage("copy", 21.5), stage("claim", 9.25), stage("publish", 7.25)],
        residual: 2.0,
    }
}

/// One of everything.
pub(crate) fn results() -> Results {
    let p1 = comparison("P1/null/64", Better::Higher, around(0.999, 0.002), Some(0.0015));
    let bounds = |median, half| around(median, half);
    let p3 = |median: f64, limits| {
        GoalPart::new(bounds(median, 0.02), limits, Better::Lower, "ratio", "ring, live consumer")
    };
    let goals = BTreeMap::from([
        (
            "P1".to_owned(),
            BTreeMap::from([("null".to_owned(), GoalPart::of(&p1, (0.97, 1.0), "net_null pair"))]),
        ),
        (
            "P3".to_owned(),
            BTreeMap::from([
                ("64 B".to_owned(), p3(1.25, (2.0, 1.3))),
                ("1500 B".to_owned(), p3(1.2, (1.3, 1.05))),
            ]),
        ),
        ("P12".to_owned(), BTreeMap::from([("imix".to_owned(), p3(1.9, (1.6, 1.5)))])),
    ]);
    Results {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        command: ["umbra-bench", "goals", "--json", "a run.json"].map(str::to_owned).to_vec(),
        started_unix_s: 1_798_761_599,
        took_s: 754.0,
        machine: Preflight {
            tsc_hz: 2_100_000_000,
            cpu: "Example CPU".to_owned(),
            cores: 2,
            core_round_trip_cycles: 180.0,
            both_cores_slowdown: 1.02,
            steal_percent: 0.1,
        },
        protocol: Protocol {
            pairs: 11,
            seconds: 2.0,
            window_s: 0.05,
            steal_percent_max: 0.5,
            quick: false,
        },
        goals: goals
            .into_iter()
            .filter_map(|(name, parts)| Some((name, GoalResult::from_parts(parts)?)))
            .collect(),
        comparisons: vec![p1],
        curves: vec![curve()],
        latencies: vec![latency()],
        accounts: vec![account()],
        throughputs: vec![Throughput {
            id: "P1/rfc2544/64".to_owned(),
            title: "umbra, shadow off".to_owned(),
            how: "net_null".to_owned(),
            frames: "64".to_owned(),
            ndr_pps: [9.0e6, 9.1e6],
            pdr_pps: [9.5e6, 9.6e6],
            generator_pps: 20.0e6,
            trials: vec![(10e6, 20_000_000, 5), (9e6, 18_000_000, 0)],
        }],
        notes: vec!["P15 needs three cores".to_owned()],
    }
}

/// Whether all elements of an SVG are closed in order and no text holds markup: what a reader of
/// XML would refuse first.
pub(crate) fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    for piece in svg.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        assert!(!text.contains('>') && tag.matches('"').count() % 2 == 0, "{piece}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{piece:?}");
        for entity in piece.split('&').skip(1) {
            let name = entity.split(';').next().unwrap_or_default();
            assert!(["lt", "gt", "amp", "quot", "apos"].contains(&name), "&{entity}");
        }
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().unwrap_or_default()),
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
}
