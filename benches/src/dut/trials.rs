//! Interactive sessions: trials of the tester, one by one, as the parent asks for them.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use hdrhistogram::Histogram;
use umbra_dpdk::{Eal, LcoreHandle, Mempool};

use super::Running;
use crate::generator::{Line, Outcome, Tester, Trial, percentiles};
use crate::session::{Answer, Plan, Request};
use crate::timed::{Held, Residence};

/// The tester on its lcore.
pub(crate) struct Bench {
    trials: Sender<Trial>,
    outcomes: Receiver<Result<Outcome>>,
    handle: LcoreHandle<()>,
}

impl Bench {
    /// Starts it; between trials it takes what comes.
    pub(crate) fn start<L: Line + 'static>(
        eal: &Eal,
        lcore: u32,
        line: L,
        pool: Mempool,
        templates: Vec<Vec<u8>>,
        rings: Vec<umbra_tap::Consumer>,
    ) -> Result<Self> {
        let (trials, asked) = bounded::<Trial>(1);
        let (answers, outcomes) = bounded(1);
        let mut tester = Tester::new(line, pool, templates, rings, eal.tsc_hz());
        let handle = eal.launch(lcore, move || {
            loop {
                match asked.recv_timeout(Duration::from_micros(100)) {
                    Ok(trial) => {
                        if answers.send(tester.run(&trial)).is_err() {
                            break;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => tester.idle(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        })?;
        Ok(Bench { trials, outcomes, handle })
    }

    /// Runs a trial and waits for what comes of it.
    pub(crate) fn run(&self, trial: Trial) -> Result<Outcome> {
        self.trials.send(trial).context("the tester has ended")?;
        self.outcomes.recv().context("the tester has ended")?
    }

    /// Ends it.
    pub(crate) fn stop(self) -> Result<()> {
        drop(self.trials);
        self.handle.join().map_err(|p| anyhow::anyhow!("{p}"))
    }
}

/// Answers requests until the input ends.
pub(super) fn serve(
    plan: &Plan,
    running: &mut Running,
    tester: &Bench,
    residence: Option<&Residence>,
    tsc_hz: u64,
) -> Result<()> {
    let mut last = None;
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let Some(setting) = plan.settings.get(request.setting) else {
            bail!("setting {} of {}", request.setting, plan.settings.len());
        };
        if last != Some(request.setting) {
            running.apply(setting)?;
            last = Some(request.setting);
        }
        if let Some(Ok(mut held)) = residence.map(|r| r.lock()) {
            held.reset();
        }
        let (outcome, window) = running.during(|| tester.run(request.trial));
        // The worker publishes within a millisecond of the last frame.
        let held = residence.and_then(|r| r.lock().ok());
        let of = |which: fn(&Held) -> &Histogram<u64>| {
            held.as_ref().map(|held| percentiles(which(held))).unwrap_or_default()
        };
        let answer = Answer {
            outcome: outcome?,
            residence: of(|held| &held.all),
            residence_few: of(|held| &held.few),
            few: held.as_ref().map_or(0, |held| held.few.len()),
            window,
            tsc_hz,
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        out.flush()?;
    }
    Ok(())
}
