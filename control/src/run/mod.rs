//! `umbra run`: forward and shadow until told to stop.
//!
//! Threads: one worker per worker core (EAL lcores), the control thread (this one, EAL's main lcore,
//! which drives the Shadow Manager), one supervisor of ports, one thread per shadow instance, the EVE
//! writer, and those of the control socket. Only workers touch mbufs.

mod answers;
mod ports;
mod report;
mod setup;
mod shadow;
mod telemetry;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use umbra_tap::LedgerSnapshot;

use crate::api;
use crate::check;
use crate::cli::{self, Exit, Failure, Outcome, RunArgs};
use crate::manifest::eal::{self, Machine};
use crate::manifest::{LoadOptions, Manifest, Purpose};

use setup::Running;

/// Longest wait of the control loop for a request, and so the time between two looks at the
/// instances.
const PERIOD: Duration = Duration::from_millis(5);
/// Time between two adjustments of the workers' clock to the wall clock.
const CLOCK_PERIOD: Duration = Duration::from_secs(10);

/// Runs the command.
///
/// # Errors
/// Exit code 2 for a bad manifest, 3 when EAL or a port cannot be set up, 1 for what fails later.
pub fn main(args: &RunArgs) -> Outcome {
    let options = LoadOptions { purpose: Purpose::Run, eal_args: &args.eal_args };
    let (manifest, warnings) = Manifest::load_with(&args.files, &options)?;
    for warning in &warnings {
        eprint!("{warning}");
    }
    let plan = eal::plan_cores(&manifest.host, &manifest.wires, &Machine::detect())
        .map_err(Failure::usage)?;
    for note in &plan.notes {
        log::info!("{note}");
    }
    let eal_args = eal::arguments(&manifest.host, &plan);
    if args.dry_run {
        let lcores: Vec<String> =
            plan.workers.iter().zip(&plan.worker_lcores).map(|(c, l)| format!("{l}@{c}")).collect();
        let text = format!(
            "{}workers    {} (lcore@core)\nanalyzers  {}\nEAL        {}\n",
            check::summary(&manifest),
            lcores.join(", "),
            eal::core_list(plan.analyzers.iter().copied()),
            eal_args[1..].join(" "),
        );
        return cli::print(&text);
    }
    let signals = Signals::install().map_err(anyhow::Error::from)?;
    let running = Running::start(&manifest, &plan, &eal_args)?;
    run(running, args, &signals)
}

struct Signals {
    stop: Arc<AtomicBool>,
    reopen: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down and puts it up, the second finds it
            // up and ends the process at once, whatever hangs.
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        let flag = |signal| -> std::io::Result<Arc<AtomicBool>> {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            Ok(flag)
        };
        Ok(Signals { stop, reopen: flag(SIGUSR1)?, reload: flag(SIGHUP)? })
    }
}

fn run(mut running: Running, args: &RunArgs, signals: &Signals) -> Outcome {
    let started = Instant::now();
    let mut next_stats = args.stats_period.map(|period| started + period);
    let mut next_eve = running.stats_interval.map(|interval| started + interval);
    let mut next_clock = started + CLOCK_PERIOD;
    let mut rates = report::Rates::default();
    let mut failed = None;
    loop {
        // Telemetry and the control socket keep the other end: only a time-out comes otherwise.
        if let Ok(pending) = running.requests.recv_timeout(PERIOD) {
            answer(&mut running, pending);
        }
        running.manager.tick();
        if signals.reopen.swap(false, Ordering::AcqRel) {
            running.reopen_logs();
        }
        if signals.reload.swap(false, Ordering::AcqRel) {
            log::warn!("SIGHUP: reload is not built yet; restart umbra to take up a new manifest");
        }
        let now = Instant::now();
        if now >= next_clock {
            next_clock = now + CLOCK_PERIOD;
            running.adjust_clock();
        }
        if let (Some(at), Some(period)) = (next_stats, args.stats_period)
            && now >= at
        {
            next_stats = Some(now + period);
            cli::print(&rates.table(&mut running))?;
        }
        if let (Some(at), Some(interval)) = (next_eve, running.stats_interval)
            && now >= at
        {
            next_eve = Some(now + interval);
            running.emit_stats();
        }
        if let Some(error) = running.dead_worker() {
            failed = Some(error);
            break;
        }
        let over = args.run_for.is_some_and(|limit| started.elapsed() >= limit);
        if over || signals.stop.load(Ordering::Acquire) {
            break;
        }
    }
    log::info!("stopping: workers finish their bursts, instances drain their rings");
    let (ledger, eth) = running.stop();
    finish(&ledger, &eth)?;
    match failed {
        Some(error) => Err(Failure::failed(error)),
        None if ledger.is_exact() => Ok(()),
        None => {
            log::error!(
                "the ledger has residuals: packets are not accounted for; please report it"
            );
            Err(Failure::reported(Exit::Failed))
        }
    }
}

fn finish(ledger: &LedgerSnapshot, eth: &str) -> Outcome {
    cli::print(&format!("\nFinal ledger\n{ledger}\n{eth}"))
}

fn answer(running: &mut Running, pending: api::Pending) {
    let command = pending.command.clone();
    pending.answer(answers::answer(running, &command));
}

impl Running {
    fn adjust_clock(&mut self) {
        let clock = self.calibrated_clock();
        self.manager.set_clock(clock);
    }
}
