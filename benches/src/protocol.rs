//! How two things that run in processes of their own are compared: A B B A, so that a drift of the
//! machine falls on both alike, each run repeated while the hypervisor takes time from it.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::preflight;
use crate::results::{Better, Comparison, Protocol, Side};
use crate::stats::{estimate, median};

/// Runs of one figure that may be thrown away.
const TRIES: usize = 5;

impl Protocol {
    /// Eleven pairs; with `quick` fewer and shorter ones.
    pub(crate) fn new(quick: bool) -> Self {
        if quick {
            Protocol { pairs: 3, seconds: 0.5, window_s: 0.04, steal_percent_max: 0.5, quick }
        } else {
            Protocol { pairs: 11, seconds: 0.7, window_s: 0.1, steal_percent_max: 0.5, quick }
        }
    }

    /// Runs until the hypervisor left the run alone.
    pub(crate) fn undisturbed<T>(&self, mut run: impl FnMut() -> Result<T>) -> Result<T> {
        for _ in 0..TRIES {
            let before = preflight::steal_and_total_jiffies();
            let value = run()?;
            if preflight::steal_percent_since(before) <= self.steal_percent_max {
                return Ok(value);
            }
        }
        bail!(
            "{TRIES} runs in a row had more than {} % of stolen time: measure later",
            self.steal_percent_max
        )
    }
}

/// One of two things compared: what it is, and a run of it.
pub(crate) struct Contender<'a> {
    pub(crate) label: String,
    pub(crate) config: Value,
    /// Unit of what `run` returns.
    pub(crate) unit: &'static str,
    pub(crate) run: Box<dyn FnMut() -> Result<f64> + 'a>,
}

/// What a comparison is called and means.
#[derive(Debug, Clone)]
pub(crate) struct About<'a> {
    pub(crate) id: String,
    pub(crate) goal: Option<&'a str>,
    pub(crate) title: String,
    /// The command that measures just this.
    pub(crate) command: String,
    pub(crate) unit: &'a str,
}

/// Measures `pairs` pairs of A ÷ B, and `b` against itself as often for the resolution if `with_twin`.
pub(crate) fn compare<'c>(
    protocol: &Protocol,
    about: About<'_>,
    better: Better,
    mut a: Contender<'c>,
    mut b: Contender<'c>,
    with_twin: bool,
) -> Result<Comparison> {
    let (mut of_a, mut of_b, mut of_twin) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..protocol.pairs {
        let mut run = |which: usize| -> Result<()> {
            let contender = if which == 0 { &mut a } else { &mut b };
            let value = protocol.undisturbed(&mut contender.run)?;
            [&mut of_a, &mut of_b, &mut of_twin][which].push(value);
            Ok(())
        };
        let mut order = if with_twin { vec![0, 1, 2] } else { vec![0, 1] };
        if pair % 2 == 1 {
            order.reverse();
        }
        order.into_iter().try_for_each(&mut run)?;
        log::info!(
            "{} pair {}: {:.3} and {:.3} {}: {:.4}",
            about.id,
            pair + 1,
            of_a[pair],
            of_b[pair],
            a.unit,
            of_a[pair] / of_b[pair],
        );
    }
    let ratios =
        |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a / b).collect() };
    let values = ratios(&of_a, &of_b);
    let resolution = with_twin.then(|| estimate(&ratios(&of_twin, &of_b)));
    let side = |of: Contender<'_>, samples: Vec<f64>| Side {
        label: of.label,
        config: of.config,
        median: median(&samples),
        samples,
        unit: of.unit.into(),
    };
    Ok(Comparison {
        id: about.id,
        goal: about.goal.map(Into::into),
        title: about.title,
        command: about.command,
        unit: about.unit.into(),
        better,
        a: side(a, of_a),
        b: side(b, of_b),
        estimate: estimate(&values),
        values,
        resolution,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn pairs_alternate_and_yield_their_ratio() {
        let order = RefCell::new(String::new());
        let contender = |name: &'static str, value: f64| Contender {
            label: name.into(),
            config: Value::Null,
            unit: "Mpps",
            run: Box::new({
                let order = &order;
                move || {
                    order.borrow_mut().push_str(name);
                    Ok(value)
                }
            }),
        };
        let protocol = Protocol { steal_percent_max: 100.0, ..Protocol::new(true) };
        let about = About {
            id: "x".into(),
            goal: None,
            title: String::new(),
            command: String::new(),
            unit: "ratio of Mpps",
        };
        let (a, b) = (contender("a", 3.0), contender("b", 2.0));
        let c = compare(&protocol, about, Better::Higher, a, b, true).unwrap();
        assert_eq!(order.into_inner(), "abbbbaabb");
        assert_eq!(c.values, [1.5; 3]);
        assert_eq!(c.resolution.unwrap().median, 1.0);
    }

    #[test]
    fn a_run_that_fails_ends_the_comparison() {
        let protocol = Protocol { steal_percent_max: 100.0, ..Protocol::new(true) };
        let error = protocol.undisturbed(|| -> Result<f64> { bail!("broken") }).unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }
}
