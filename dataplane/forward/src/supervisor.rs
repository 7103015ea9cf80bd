//! Looks after the ports while the workers forward: link state, its propagation through the wire,
//! and interfaces that are deleted and made again. One thread, never a worker.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};
use umbra_dpdk::{Eal, Mempool, Port, PortHandle};

use crate::dpdk_io::LaneChange;
use crate::io::TxLimits;
use crate::links::{Action, End, WireLinks};
use crate::netlink::{self, LinkWatch, NetDev, NetDevEvent};
use crate::wiring::{self, Wired};
use crate::worker::Command;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(10);
/// Time between two tries to make a port again.
const RETRY: Duration = Duration::from_millis(100);
/// Longest wait for the workers to give a port's queues back.
const QUEUES_LIMIT: Duration = Duration::from_secs(2);

/// What the supervisor tells everybody about one port.
#[derive(Debug, Default)]
pub struct PortStatus {
    /// Its link.
    pub up: AtomicBool,
    /// Taken down because the twin's link is lost.
    pub forced: AtomicBool,
    /// Its device is away.
    pub gone: AtomicBool,
    /// Times that its link changed.
    pub changes: AtomicU64,
    /// Times that its device was made again.
    pub replugs: AtomicU64,
    handle: Mutex<Option<PortHandle>>,
}

impl PortStatus {
    /// The port, while its device is there.
    pub fn handle(&self) -> Option<PortHandle> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_handle(&self, handle: Option<PortHandle>) {
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    }
}

/// Statuses of a wire's ports a and b.
pub type WireStatus = [Arc<PortStatus>; 2];

struct Away {
    end: End,
    retry_at: Instant,
    said: bool,
}

struct WireState {
    wired: Wired,
    links: WireLinks,
    status: WireStatus,
    away: Vec<Away>,
}

/// The supervisor, to be run on a thread of its own.
pub struct Supervisor {
    eal: Arc<Eal>,
    wires: Vec<WireState>,
    workers: Vec<Sender<Command<LaneChange>>>,
    displaced: Vec<Receiver<LaneChange>>,
    watch: Option<LinkWatch>,
    netdevs: HashMap<String, NetDev>,
    started: Instant,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("wires", &self.wires.len()).finish_non_exhaustive()
    }
}

fn index(end: End) -> usize {
    match end {
        End::A => 0,
        End::B => 1,
    }
}

impl Supervisor {
    /// A supervisor of `wires`, with the command and displaced-queue channels of each worker.
    pub fn new(
        eal: Arc<Eal>,
        wires: Vec<Wired>,
        workers: Vec<Sender<Command<LaneChange>>>,
        displaced: Vec<Receiver<LaneChange>>,
    ) -> Self {
        let wires = wires
            .into_iter()
            .map(|wired| {
                let status = wired.ports.each_ref().map(|port| {
                    let status = PortStatus::default();
                    status.set_handle(port.handle.clone());
                    Arc::new(status)
                });
                WireState {
                    links: WireLinks::new(wired.propagate_link),
                    wired,
                    status,
                    away: Vec::new(),
                }
            })
            .collect();
        let mut supervisor = Supervisor {
            eal,
            wires,
            workers,
            displaced,
            watch: None,
            netdevs: HashMap::new(),
            started: Instant::now(),
        };
        supervisor.relist();
        supervisor
    }

    /// Statuses by wire, for whoever reports them.
    pub fn status(&self) -> Vec<WireStatus> {
        self.wires.iter().map(|w| [Arc::clone(&w.status[0]), Arc::clone(&w.status[1])]).collect()
    }

    /// Looks after the ports until `stop`; then lets go of them and gives the wires back.
    pub fn run(mut self, stop: &AtomicBool) -> Vec<Wired> {
        while !stop.load(Ordering::Acquire) {
            self.tick();
            std::thread::sleep(PERIOD);
        }
        for wire in &mut self.wires {
            for end in [End::A, End::B] {
                // Nobody else would bring it up again.
                if wire.links.is_forced(end) {
                    set_link(&wire.wired, end, true, &self.netdevs);
                }
            }
            wire.status.iter().for_each(|s| s.set_handle(None));
        }
        self.wires.into_iter().map(|w| w.wired).collect()
    }

    /// One look at everything.
    pub fn tick(&mut self) {
        self.take_netlink();
        for wire in 0..self.wires.len() {
            for end in [End::A, End::B] {
                self.check_presence(wire, end);
            }
            self.check_links(wire);
        }
    }

    /// Lists all interfaces anew and watches from there on.
    fn relist(&mut self) {
        if !self.wires.iter().flat_map(|w| &w.wired.ports).any(|p| p.netdev.is_some()) {
            return;
        }
        // The watch first: what changes while listing is then seen twice rather than never.
        match LinkWatch::open() {
            Ok(watch) => self.watch = Some(watch),
            Err(e) => log::warn!("rtnetlink: links of kernel interfaces cannot be watched: {e}"),
        }
        match netlink::list() {
            Ok(devs) => self.netdevs = devs.into_iter().map(|d| (d.name.clone(), d)).collect(),
            Err(e) => log::warn!("rtnetlink: kernel interfaces cannot be listed: {e}"),
        }
    }

    fn take_netlink(&mut self) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        match watch.poll() {
            Ok(events) => {
                for event in events {
                    match event {
                        NetDevEvent::Changed(dev) => {
                            // A renamed interface leaves its old name.
                            self.netdevs
                                .retain(|name, d| d.index != dev.index || *name == dev.name);
                            self.netdevs.insert(dev.name.clone(), dev);
                        }
                        NetDevEvent::Deleted(dev) => {
                            self.netdevs.retain(|_, d| d.index != dev.index);
                        }
                    }
                }
            }
            Err(e) => {
                log::debug!("rtnetlink: {e}; listing anew");
                self.relist();
            }
        }
    }

    /// Takes the device of a deleted interface away and makes it again when the interface is back.
    fn check_presence(&mut self, wire: usize, end: End) {
        let state = &self.wires[wire];
        let port = state.wired.port(end);
        let (Some(netdev), Some(vdev)) = (&port.netdev, &port.vdev) else {
            return;
        };
        if vdev.netdev().is_none() {
            return;
        }
        let dev = self.netdevs.get(netdev);
        match (&port.handle, dev) {
            (Some(_), None) => self.unplug(wire, end),
            (Some(_), Some(dev)) if state.status[index(end)].gone.load(Ordering::Relaxed) => {
                // Unplugging had not succeeded; the interface is back under another index.
                log::debug!("interface {netdev} is back with index {}", dev.index);
                self.unplug(wire, end);
            }
            (None, Some(_)) => self.replug(wire, end),
            _ => {}
        }
    }

    fn unplug(&mut self, wire: usize, end: End) {
        let state = &mut self.wires[wire];
        let name = state.wired.name.clone();
        let port = state.wired.port_mut(end);
        port.link_up.store(false, Ordering::Release);
        let status = Arc::clone(&state.status[index(end)]);
        if !status.gone.swap(true, Ordering::Relaxed) {
            log::warn!(
                "wire {name}: interface {} of port {} is gone; forwarding resumes when it is back",
                port.netdev.as_deref().unwrap_or("?"),
                port.name
            );
        }
        for place in state.wired.lanes.clone() {
            let change = if place.from == end {
                LaneChange::Rx { lane: place.lane, queue: None }
            } else {
                LaneChange::Tx { lane: place.lane, queue: None, limits: TxLimits::NONE }
            };
            let _ = self.workers[place.worker].send(Command::Io(change));
        }
        // The queues come back within a housekeeping; dropping them is what lets the port stop.
        let Some(handle) = self.wires[wire].wired.port(end).handle.clone() else {
            return;
        };
        let limit = Instant::now() + QUEUES_LIMIT;
        while handle.live_queues() != (0, 0) && Instant::now() < limit {
            for displaced in &self.displaced {
                displaced.try_iter().for_each(drop);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let state = &mut self.wires[wire];
        let port = state.wired.port_mut(end);
        if let Err(e) = handle.close() {
            log::error!("wire {name}: {e}");
            return;
        }
        drop(handle);
        port.handle = None;
        status.set_handle(None);
        if let Err(e) = self.eal.hotplug_remove("vdev", &port.name) {
            // A driver may have removed the device with its port.
            log::debug!("wire {name}: {e}");
        }
        state.away.push(Away { end, retry_at: Instant::now(), said: false });
    }

    fn replug(&mut self, wire: usize, end: End) {
        let Some(away) = self.wires[wire].away.iter().position(|a| a.end == end) else {
            return;
        };
        if Instant::now() < self.wires[wire].away[away].retry_at {
            return;
        }
        let result = self.plug_in(wire, end);
        let state = &mut self.wires[wire];
        match result {
            Ok(()) => {
                state.away.swap_remove(away);
                let status = &state.status[index(end)];
                status.gone.store(false, Ordering::Relaxed);
                status.replugs.fetch_add(1, Ordering::Relaxed);
                let port = state.wired.port(end);
                log::info!("wire {}: port {} is back", state.wired.name, port.name);
            }
            Err(e) => {
                let name = &state.wired.name;
                let away = &mut state.away[away];
                away.retry_at = Instant::now() + RETRY;
                if std::mem::replace(&mut away.said, true) {
                    log::debug!("wire {name}: {e}");
                } else {
                    log::warn!("wire {name}: the port cannot be made again yet: {e}");
                }
            }
        }
    }

    fn plug_in(&mut self, wire: usize, end: End) -> Result<(), Box<dyn std::error::Error>> {
        let pool = self.pool_for(wire, end);
        let state = &mut self.wires[wire];
        let port = state.wired.port_mut(end);
        let Some(vdev) = &port.vdev else {
            return Ok(());
        };
        if let Some(netdev) = &port.netdev {
            wiring::bring_up(netdev);
        }
        if !Port::list(&self.eal).iter().any(|p| p.name == port.name) {
            self.eal.hotplug_add("vdev", &vdev.name, &vdev.args)?;
        }
        let claimed = Port::by_name(&self.eal, &port.name)?;
        let started = match claimed.configure(&port.config, &[pool]).and_then(|p| p.start()) {
            Ok(started) => started,
            Err(e) => {
                // From scratch the next time.
                let _ = self.eal.hotplug_remove("vdev", &vdev.name);
                return Err(e.into());
            }
        };
        port.handle = Some(started.port.clone());
        port.report = started.report;
        let limits = wiring::tx_limits(&port.info, &port.report);
        state.status[index(end)].set_handle(Some(started.port));
        let mut rx: Vec<_> = started.rx.into_iter().map(Some).collect();
        let mut tx: Vec<_> = started.tx.into_iter().map(Some).collect();
        for place in &state.wired.lanes {
            let queue = usize::from(place.queue);
            let change = if place.from == end {
                LaneChange::Rx { lane: place.lane, queue: rx.get_mut(queue).and_then(Option::take) }
            } else {
                let queue = tx.get_mut(queue).and_then(Option::take);
                LaneChange::Tx { lane: place.lane, queue, limits }
            };
            let _ = self.workers[place.worker].send(Command::Io(change));
        }
        Ok(())
    }

    /// A pool for a port that is made again. AF_XDP's driver keeps the mbufs of its fill ring when
    /// it is closed (seen with DPDK 22.11), so that the wire's own pool would run dry after a few
    /// times. Where there is no memory for another one, that has to do.
    fn pool_for(&self, wire: usize, end: End) -> Mempool {
        let state = &self.wires[wire];
        let port = state.wired.port(end);
        let time = state.status[index(end)].replugs.load(Ordering::Relaxed) + 1;
        let name = format!("umbra_w{wire}{}_{time}", if end == End::A { "a" } else { "b" });
        match wiring::pool_of_port(&self.eal, &name, port) {
            Ok(pool) => pool,
            Err(e) => {
                log::warn!(
                    "wire {}: {e}; port {} shares the wire's pool",
                    state.wired.name,
                    port.name
                );
                state.wired.pool.clone()
            }
        }
    }

    fn check_links(&mut self, wire: usize) {
        let now = self.started.elapsed();
        let state = &mut self.wires[wire];
        let up = [End::A, End::B].map(|end| {
            let port = state.wired.port(end);
            match (&port.handle, &port.netdev) {
                (None, _) => false,
                (Some(_), Some(netdev)) => self.netdevs.get(netdev).is_some_and(NetDev::is_running),
                (Some(handle), None) => handle.link().is_ok_and(|link| link.up),
            }
        });
        for action in state.links.observe(up[0], up[1], now) {
            match action {
                Action::Changed(end, up) => {
                    let port = state.wired.port(end);
                    let status = &state.status[index(end)];
                    port.link_up.store(up, Ordering::Release);
                    status.up.store(up, Ordering::Relaxed);
                    status.changes.fetch_add(1, Ordering::Relaxed);
                    let word = if up { "up" } else { "down" };
                    log::info!("wire {}: link of port {} is {word}", state.wired.name, port.name);
                }
                Action::Force(end) | Action::Release(end) => {
                    let up = matches!(action, Action::Release(_));
                    state.status[index(end)].forced.store(!up, Ordering::Relaxed);
                    set_link(&state.wired, end, up, &self.netdevs);
                }
            }
        }
    }
}

/// Takes a port's link up or down, because its twin's came or went.
fn set_link(wired: &Wired, end: End, up: bool, netdevs: &HashMap<String, NetDev>) {
    let port = wired.port(end);
    let twin = wired.port(end.twin());
    let word = if up { "up" } else { "down" };
    let result = match (&port.handle, &port.netdev) {
        (None, _) => return,
        (Some(_), Some(netdev)) => match netdevs.get(netdev) {
            Some(dev) => netlink::set_admin_up(dev.index, up).map_err(|e| e.to_string()),
            None => return,
        },
        (Some(handle), None) => {
            let set = if up { handle.set_link_up() } else { handle.set_link_down() };
            set.map_err(|e| e.to_string())
        }
    };
    match result {
        Ok(()) => log::info!(
            "wire {}: port {} taken {word}, as port {}'s link is {word}",
            wired.name,
            port.name,
            twin.name
        ),
        Err(e) => log::info!(
            "wire {}: link of port {} is {word}, but port {} cannot be taken {word}: {e}",
            wired.name,
            twin.name,
            port.name
        ),
    }
}
