//! Brings everything up in order, and down in the reverse order.
//!
//! The wire does not depend on the shadow: workers forward when an instance cannot be started and when
//! an output cannot be opened. Instances are made first only so that their rings are there for the
//! first frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, unbounded};
use umbra_dpdk::{Eal, EalError, LcoreHandle, LcorePanic, tsc};
use umbra_forward::clock::TscClock;
use umbra_forward::dpdk_io::{DpdkIo, LaneChange};
use umbra_forward::hashing::WireHasher;
use umbra_forward::idle::{Poll, half_fill_time};
use umbra_forward::knobs::{KnobBoard, Knobs, TapKnobs};
use umbra_forward::links::End;
use umbra_forward::shared::{Layout, WorkerShared};
use umbra_forward::supervisor::{Supervisor, WireStatus};
use umbra_forward::vdev::{self, Vdev};
use umbra_forward::wiring::{self, WireSpec, Wired, WiringOptions, WorkerLanes};
use umbra_forward::{TapConfig, Worker, WorkerLinks};
use umbra_tap::{Distribute, GeometricTable, LedgerSnapshot, MatchSet, TapSettings};
use umbra_wire::{KeyOptions, SymmetricHash};

use super::ports::PortView;
use super::shadow::{self, Shadow, Summary};
use super::telemetry;
use crate::api;
use crate::cli::Failure;
use crate::manager::{
    LaneName, Manager, ManagerOptions, WorkerBook, WorkerLink, default_hang_limit,
};
use crate::manifest::eal::CorePlan;
use crate::manifest::{self, Manifest};

/// Longest frame that is copied whole.
const WHOLE: u32 = u32::MAX;

/// A worker that runs.
struct RunningWorker {
    core: u16,
    shared: Arc<WorkerShared>,
    handle: Option<LcoreHandle<DpdkIo>>,
}

/// Everything that runs.
pub(super) struct Running {
    pub(super) manager: Manager<Summary>,
    pub(super) requests: Receiver<api::Pending>,
    pub(super) stats_interval: Option<Duration>,
    pub(super) ports: Vec<PortView>,
    pub(super) appliance: String,
    pub(super) bounds: (manifest::Percentage, manifest::Percentage),
    pub(super) started: Instant,
    pub(super) shadow: Shadow,
    workers: Vec<RunningWorker>,
    supervisor: Option<JoinHandle<Vec<Wired>>>,
    supervisor_stop: Arc<AtomicBool>,
    server: Option<api::Server>,
    tsc_hz: u64,
    /// Last: cleaned up when all else is gone.
    eal: Arc<Eal>,
}

impl Running {
    pub(super) fn start(
        manifest: &Manifest,
        plan: &CorePlan,
        eal_args: &[String],
    ) -> Result<Self, Failure> {
        let vdevs = Vdev::from_eal_args(eal_args);
        for device in &vdevs {
            match vdev::clear_stale_socket(device) {
                Ok(true) => log::info!("{}: removed a stale socket", device.name),
                Ok(false) => {}
                Err(e) => return Err(Failure::setup(e)),
            }
        }
        // The first is the program's name, which the wrapper gives itself.
        let eal = Arc::new(Eal::init(&eal_args[1..]).map_err(eal_failure)?);
        if let Err(e) = umbra_dpdk::pdump::init(&eal) {
            log::info!("dpdk-dumpcap cannot attach: {e}");
        }
        let adaptive = manifest.host.poll == manifest::Poll::Adaptive;
        let burst = manifest.wires.iter().map(|w| w.burst_frames).max().unwrap_or(32);
        let seed = SymmetricHash::from_os_entropy();
        let options = WiringOptions {
            workers: plan.workers.len(),
            adaptive,
            burst,
            vdevs,
            rss_key: (0..52u128).map(|i| seed.host(i) as u8).collect(),
        };
        let specs: Vec<WireSpec> = manifest.wires.iter().map(wire_spec).collect();
        let wired = wiring::wire_up(&eal, &specs, &options).map_err(Failure::setup)?;
        for wire in &wired.wires {
            for end in [End::A, End::B] {
                log::info!("{}", wiring::describe(wire, end));
                for note in &wire.port(end).report.notes {
                    log::debug!("port {}: {note}", wire.port(end).name);
                }
            }
        }
        let poll = if adaptive {
            let bound = half_fill_time(u32::from(wired.rx_descriptors_min), wired.speed_max_mbps);
            log::info!(
                "adaptive polling: idle workers sleep for at most {} µs, half the time in which {} \
                 descriptors fill at {} Mbit/s",
                bound.as_micros(),
                wired.rx_descriptors_min,
                wired.speed_max_mbps
            );
            Poll::Adaptive { bound }
        } else {
            Poll::Busy
        };

        let tsc_hz = eal.tsc_hz();
        let key =
            KeyOptions { tunnel: manifest.shadowing.tunnel, flow_key: manifest.shadowing.flow_key };
        let hasher = WireHasher::new(seed, key);
        let settings = tap_settings(manifest);
        let board = KnobBoard::new(Knobs {
            taps: vec![TapKnobs { settings, hasher: hasher.clone() }],
            block: Arc::new(MatchSet::default()),
            hasher,
            clock: TscClock::calibrate(tsc_hz, tsc),
        });
        let instances = instance_count(manifest);
        let wire_names: Vec<String> = wired.wires.iter().map(|w| w.name.clone()).collect();
        let prepare = Prepare { plan, board: &board, instances, burst, poll };
        let Prepared { workers, links, books, displaced } =
            prepare.workers(wired.workers, &wire_names);
        let commands = links.iter().map(|l: &WorkerLink| l.commands.clone()).collect();

        // The instances before the workers: the rings are then taken up in a worker's first
        // housekeeping, before its first frame, and a short capture is not over before they exist.
        let shadow = Shadow::start(manifest, &wire_names);
        let options = ManagerOptions {
            appliance: Arc::from(manifest.appliance.name.as_str()),
            instances,
            ring_bytes: manifest.shadowing.ring_bytes,
            cores: plan.analyzers.iter().map(|core| usize::from(core.0)).collect(),
            build: shadow.builder(manifest),
            on_crash: shadow::crash_saver(manifest.outputs.directory.clone()),
            hang_limit: default_hang_limit(),
        };
        let mut manager = Manager::new(options, links, books, board);
        manager.start();
        let workers = launch(&eal, workers)?;

        let ports = wired.wires.iter().flat_map(PortView::of_wire).collect::<Vec<_>>();
        let supervisor = Supervisor::new(Arc::clone(&eal), wired.wires, commands, displaced);
        let statuses = supervisor.status();
        let ports = PortView::with_status(ports, &statuses);
        let supervisor_stop = Arc::new(AtomicBool::new(false));
        let supervisor = spawn_supervisor(supervisor, &supervisor_stop, plan)?;

        let (requester, requests) = api::requests();
        let server = serve(manifest, &requester);
        telemetry::register(&requester);
        let running = Running {
            manager,
            requests,
            stats_interval: shadow.stats_interval(manifest),
            ports,
            appliance: manifest.appliance.name.as_str().to_owned(),
            bounds: (manifest.governor.min_percentage, manifest.governor.max_percentage),
            started: Instant::now(),
            shadow,
            workers,
            supervisor: Some(supervisor),
            supervisor_stop,
            server,
            tsc_hz,
            eal,
        };
        log::info!(
            "forwarding {} wire(s) on core(s) {}; {} shadow instance(s), {} % of the traffic",
            wire_names.len(),
            manifest::eal::core_list(plan.workers.iter().copied()),
            instances,
            running.manager.percentage(),
        );
        Ok(running)
    }

    pub(super) fn calibrated_clock(&self) -> TscClock {
        TscClock::calibrate(self.tsc_hz, tsc)
    }

    /// The error of a worker that has ended without being asked.
    pub(super) fn dead_worker(&mut self) -> Option<anyhow::Error> {
        let dead = self.workers.iter_mut().find(|w| {
            w.handle.as_ref().is_some_and(LcoreHandle::is_finished) && !w.shared.is_stopping()
        })?;
        let core = dead.core;
        let panic = dead.handle.take().and_then(|handle| handle.join().err());
        let message = panic.as_ref().map_or("no reason", LcorePanic::message);
        Some(anyhow::anyhow!("worker on core {core} ended: {message}"))
    }

    pub(super) fn reopen_logs(&self) {
        self.shadow.reopen();
        log::info!("SIGUSR1: output files are opened anew");
    }

    /// Worker counters, by core.
    pub(super) fn worker_cores(&self) -> impl Iterator<Item = (u16, &Arc<WorkerShared>)> {
        self.workers.iter().map(|w| (w.core, &w.shared))
    }

    /// Stops everything in order. Returns the final ledger and the final port counters as text.
    pub(super) fn stop(mut self) -> (LedgerSnapshot, String) {
        telemetry::unregister();
        self.server = None;
        // The supervisor first: it would hand queues to workers that are gone.
        self.supervisor_stop.store(true, Ordering::Release);
        let wires = self.supervisor.take().and_then(|thread| thread.join().ok());
        for worker in &self.workers {
            worker.shared.stop();
        }
        let mut queues = Vec::new();
        for worker in &mut self.workers {
            match worker.handle.take().map(LcoreHandle::join) {
                Some(Ok(io)) => queues.push(io),
                Some(Err(panic)) => log::error!("{panic}"),
                None => {}
            }
        }
        let ports = super::report::final_ports(wires.as_deref().unwrap_or_default());
        if self.stats_interval.is_some() {
            // While the instances still answer.
            self.emit_stats();
        }
        let ledger = self.manager.drain();
        self.shadow.finish();
        // Queues, then ports, then pools, then EAL.
        drop(queues);
        self.ports.clear();
        drop(wires);
        drop(self.eal);
        (ledger, ports)
    }
}

fn eal_failure(error: EalError) -> Failure {
    Failure::setup(error)
}

fn instance_count(manifest: &Manifest) -> usize {
    if manifest.shadowing.shadow_enabled {
        usize::from(manifest.shadowing.shadow_instance_count)
    } else {
        0
    }
}

fn tap_settings(manifest: &Manifest) -> TapSettings {
    let shadowing = &manifest.shadowing;
    TapSettings {
        enabled: shadowing.shadow_enabled,
        gaps: Arc::new(GeometricTable::new(shadowing.shadow_traffic_percentage)),
        select: shadowing.select,
        distribute: match shadowing.distribute {
            manifest::Distribute::Shard => Distribute::Shard,
            manifest::Distribute::Replicate => Distribute::Replicate,
        },
        snaplen: shadowing.snaplen_bytes.map_or(WHOLE, u32::from),
        escalation: Arc::new(MatchSet::default()),
        epoch: 0,
    }
}

fn wire_spec(wire: &manifest::Wire) -> WireSpec {
    WireSpec {
        name: wire.name.as_str().to_owned(),
        a: wire.a.to_string(),
        b: wire.b.to_string(),
        mtu_bytes: wire.mtu_bytes,
        rx_descriptors: wire.rx_descriptors,
        tx_descriptors: wire.tx_descriptors,
        queues: wire.queues,
        mbufs: wire.mbufs,
        mbuf_cache: wire.mbuf_cache.map(u32::from),
        promiscuous: wire.promiscuous,
        propagate_link: wire.propagate_link,
        tx_retries: u32::from(wire.tx_retries),
        numa_node: wire.numa_node,
    }
}

struct Prepare<'a> {
    plan: &'a CorePlan,
    board: &'a Arc<KnobBoard>,
    instances: usize,
    burst: u16,
    poll: Poll,
}

/// A worker that does not run yet.
struct PreparedWorker {
    core: u16,
    lcore: u16,
    shared: Arc<WorkerShared>,
    worker: Worker<DpdkIo>,
}

#[derive(Default)]
struct Prepared {
    workers: Vec<PreparedWorker>,
    links: Vec<WorkerLink>,
    books: Vec<WorkerBook>,
    displaced: Vec<Receiver<LaneChange>>,
}

impl Prepare<'_> {
    fn workers(&self, lanes: Vec<WorkerLanes>, wires: &[String]) -> Prepared {
        let mut prepared = Prepared::default();
        let cores = self.plan.workers.iter().zip(&self.plan.worker_lcores);
        for (index, (lanes, (core, &lcore))) in lanes.into_iter().zip(cores).enumerate() {
            let names: Vec<LaneName> = lanes
                .configs
                .iter()
                .map(|lane| LaneName {
                    wire: wires[usize::from(lane.origin.wire)].clone(),
                    direction: lane.origin.direction,
                })
                .collect();
            let layout = Layout { lanes: names.len(), taps: vec![self.instances] };
            let shared = Arc::new(WorkerShared::new(layout));
            let (commands, commands_rx) = unbounded();
            let (events_tx, events) = unbounded();
            let (displaced_tx, displaced) = unbounded();
            let links = WorkerLinks {
                shared: Arc::clone(&shared),
                board: Arc::clone(self.board),
                commands: commands_rx,
                events: events_tx,
                displaced: displaced_tx,
            };
            // Each worker draws its own gaps.
            let seed = SymmetricHash::from_os_entropy().host(index as u128);
            let io = DpdkIo::new(lanes.queues, self.burst);
            let tap = TapConfig { instances: self.instances, seed };
            let worker = Worker::new(io, lanes.configs, &[tap], links, self.poll, tsc);
            let core = core.0;
            prepared.workers.push(PreparedWorker {
                core,
                lcore,
                shared: Arc::clone(&shared),
                worker,
            });
            prepared.links.push(WorkerLink { commands, events });
            prepared.books.push(WorkerBook { core: u32::from(core), shared, lanes: names });
            prepared.displaced.push(displaced);
        }
        prepared
    }
}

fn launch(eal: &Eal, workers: Vec<PreparedWorker>) -> Result<Vec<RunningWorker>, Failure> {
    workers
        .into_iter()
        .map(|prepared| {
            let PreparedWorker { core, lcore, shared, worker } = prepared;
            let handle =
                eal.launch(u32::from(lcore), move || worker.run()).map_err(Failure::setup)?;
            Ok(RunningWorker { core, shared, handle: Some(handle) })
        })
        .collect()
}

fn spawn_supervisor(
    supervisor: Supervisor,
    stop: &Arc<AtomicBool>,
    plan: &CorePlan,
) -> Result<JoinHandle<Vec<Wired>>, Failure> {
    let stop = Arc::clone(stop);
    let core = plan.analyzers.first().map(|core| usize::from(core.0));
    std::thread::Builder::new()
        .name("umbra-ports".to_owned())
        .spawn(move || {
            if let Some(id) = core {
                core_affinity::set_for_current(core_affinity::CoreId { id });
            }
            supervisor.run(&stop)
        })
        .map_err(|e| {
            Failure::failed(anyhow::Error::from(e).context("the port supervisor's thread"))
        })
}

/// The control socket; without one umbra forwards all the same.
fn serve(manifest: &Manifest, requester: &api::Requester) -> Option<api::Server> {
    let path =
        manifest.host.control_socket.clone().unwrap_or_else(manifest::default_control_socket);
    match api::Server::start(&path, requester.clone()) {
        Ok(server) => {
            log::info!("control socket: {}", path.display());
            Some(server)
        }
        Err(e) => {
            log::error!("{e}; umbra runs without a control socket");
            None
        }
    }
}

/// Statuses by wire, as the supervisor shares them.
pub(super) type Statuses = [WireStatus];
