//! The peer of P5: Open vSwitch with DPDK, which forwards from a net_pcap source to a sink by one
//! rule, without and with a mirror to a third port.
//!
//! ```text
//! net_pcap0, infinite_rx=1 ── src ─▶ in_port=1,actions=output:2 ─▶ sink ── net_null0, no-rx=1
//!                                            └ mirror, select-all ─▶ mirror ── net_null1, no-rx=1
//! ```
//!
//! What favours the peer, wherever there was a choice:
//! - A rule instead of MAC learning: the datapath then needs nothing of a frame but the port and the
//!   type, which 3.1 finds by its simple match, cheaper than the exact-match cache.
//! - The sink and the mirror drop what they are given without a look at it.
//! - Huge pages, a core for the PMD, everything else on the other one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::ovs_counts::{PmdStats, PortCounts, check_mirrored, tx_packets};
use super::process::{self, Supervised};
use super::{capture, pairs, wanted_attached};
use crate::hugepages::HugePages;
use crate::preflight;

const HUGE_PAGES: u64 = 256;
/// Debian keeps the variant with DPDK here and chooses by update-alternatives, which is not touched.
pub(super) const VSWITCHD: &str = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
const PACKAGE: &str = "openvswitch-switch-dpdk";
const BRIDGE: &str = "br0";
/// OpenFlow numbers of the ports.
const SOURCE: u32 = 1;
const SINK: u32 = 2;
const MIRROR: u32 = 3;
/// Between a change and measuring: the flow is set up again and the caches are warm.
const SETTLE: Duration = Duration::from_millis(400);
/// One frame in so many may go the slow way; more, and a window measures something else.
const UPCALLS_ONE_IN: u64 = 10_000;

/// What is forwarded, and where.
#[derive(Debug, Clone)]
pub(crate) struct OvsOptions {
    /// Frames that the source receives again and again.
    pub(crate) pcap: PathBuf,
    /// Core of the PMD thread.
    pub(crate) core: u16,
    /// Core of everything else.
    pub(crate) other_core: u16,
}

/// One window.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OvsWindow {
    /// Whether the mirror was set.
    pub(crate) mirror: bool,
    /// Received by the PMD.
    pub(crate) packets: u64,
    /// All cycles of the PMD over its packets, polls of idle ports included.
    pub(crate) cycles_per_packet: f64,
    /// Those that OVS itself calls processing.
    pub(crate) processing_cycles_per_packet: f64,
    /// Iterations of the PMD that found no packet.
    pub(crate) idle_percent: f64,
    /// Frames that the sink and the mirror took between the same two moments, about the window.
    pub(crate) forwarded: u64,
    pub(crate) mirrored: u64,
    /// Packets by what found their flow: simple match, EMC, SMC, megaflow.
    pub(crate) hits: BTreeMap<String, u64>,
    /// Packets that had to go the slow way.
    pub(crate) upcalls: u64,
    pub(crate) seconds: f64,
    /// Stolen time during the window.
    pub(crate) steal_percent: f64,
}

/// Cycles that the mirror adds to a packet.
pub(crate) fn cycles_added(without: &OvsWindow, with: &OvsWindow) -> f64 {
    with.cycles_per_packet - without.cycles_per_packet
}

/// `windows` pairs of windows of `window_s` seconds, in the order without, with, with, without.
///
/// # Errors
///
/// Where a prerequisite is missing, where as many frames did not reach the mirror as the sink, and
/// where the slow path carried more than a trace of the traffic.
pub(crate) fn measure(
    options: &OvsOptions,
    windows: usize,
    window_s: f64,
) -> Result<Vec<OvsWindow>> {
    let mut rig = OvsRig::start(options)?;
    let mut measured = Vec::new();
    for index in 0..2 * windows {
        measured.push(rig.window(wanted_attached(index), window_s)?);
    }
    rig.finish()?;
    Ok(measured)
}

/// [`cycles_added`] of every pair in what [`measure`] returns.
pub(crate) fn costs(windows: &[OvsWindow]) -> Vec<f64> {
    pairs(windows, |window| window.mirror)
        .into_iter()
        .map(|(without, with)| cycles_added(without, with))
        .collect()
}

/// A switch of its own: database, sockets, logs and huge pages in directories that go with it.
#[derive(Debug)]
pub(crate) struct OvsRig {
    mirror: bool,
    vswitchd: Supervised,
    ovsdb: Supervised,
    dir: TempDir,
    // Dropped last: the processes live in them.
    _huge: HugePages,
}

impl OvsRig {
    /// Starts the database and the switch, and sets ports and rule up; no mirror yet.
    pub(crate) fn start(options: &OvsOptions) -> Result<Self> {
        for (path, package) in [(VSWITCHD, PACKAGE), (SCHEMA, "openvswitch-common")] {
            ensure!(
                std::path::Path::new(path).is_file(),
                "{path} is missing; install it: scripts/setup --bench (package {package})"
            );
        }
        capture::read_source(&options.pcap)?;
        let huge = HugePages::reserve(HUGE_PAGES)?;
        let dir = tempfile::Builder::new().prefix("umbra-ovs-").tempdir()?;
        let path = |name: &str| dir.path().join(name);
        let file_prefix = format!("umbra-ovs-{}", std::process::id());
        let ours = |command: &mut Command| {
            for name in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
                command.env(name, dir.path());
            }
            command.stdin(Stdio::null()).stdout(Stdio::null());
        };
        let database = path("conf.db");
        process::output(Command::new(process::find("ovsdb-tool", PACKAGE)?).args([
            OsStr::new("create"),
            database.as_os_str(),
            OsStr::new(SCHEMA),
        ]))?;
        let socket = path("db.sock");
        let mut command = process::command(
            process::find("ovsdb-server", PACKAGE)?,
            Some(options.other_core),
            dir.path(),
        );
        command
            .arg(&database)
            .arg(format!("--remote=punix:{}", socket.display()))
            .arg(format!("--unixctl={}", path("db.ctl").display()));
        ours(&mut command);
        let mut ovsdb = Supervised::start("ovsdb-server", command, dir.path())?;
        wait_for(&socket, &mut ovsdb)?;
        let settings = [
            "dpdk-init=true".to_owned(),
            format!("dpdk-lcore-mask={:#x}", 1u64 << options.other_core),
            format!("pmd-cpu-mask={:#x}", 1u64 << options.core),
            format!("dpdk-hugepage-dir={}", huge.dir().display()),
            // With a limit, or it would take what others have reserved.
            "dpdk-socket-mem=448".to_owned(),
            "dpdk-socket-limit=448".to_owned(),
            format!("dpdk-extra=--no-pci --no-telemetry --file-prefix={file_prefix}"),
        ];
        let mut init = vsctl(&dir)?;
        init.args(["--no-wait", "--", "init", "--", "set", "Open_vSwitch", "."]);
        init.args(settings.map(|setting| {
            let (key, value) = setting.split_once('=').unwrap_or((&setting, ""));
            format!("other_config:{key}=\"{value}\"")
        }));
        process::output(&mut init)?;
        let mut command = process::command(VSWITCHD, Some(options.other_core), dir.path());
        command
            .arg(format!("unix:{}", socket.display()))
            .arg(format!("--unixctl={}", path("vswitchd.ctl").display()));
        ours(&mut command);
        let mut vswitchd = Supervised::start("ovs-vswitchd", command, dir.path())?;
        wait_for(&path("vswitchd.ctl"), &mut vswitchd)?;
        let mut this = Self { mirror: false, vswitchd, ovsdb, dir, _huge: huge };
        this.set_up(options).with_context(|| {
            format!("the switch is not set up; its last words:\n{}", this.vswitchd.last_words())
        })?;
        Ok(this)
    }

    fn set_up(&mut self, options: &OvsOptions) -> Result<()> {
        self.vsctl(&[
            "add-br",
            BRIDGE,
            "--",
            "set",
            "bridge",
            BRIDGE,
            "datapath_type=netdev",
            "fail-mode=secure",
        ])?;
        let source = format!("net_pcap0,rx_pcap={},infinite_rx=1", options.pcap.display());
        let ports = [
            ("src", source.as_str(), SOURCE),
            ("sink", "net_null0,no-rx=1", SINK),
            ("mirror", "net_null1,no-rx=1", MIRROR),
        ];
        for (name, devargs, number) in ports {
            self.vsctl(&[
                "add-port",
                BRIDGE,
                name,
                "--",
                "set",
                "Interface",
                name,
                "type=dpdk",
                &format!("options:dpdk-devargs=\"{devargs}\""),
                &format!("ofport_request={number}"),
            ])?;
            let error = self.vsctl(&["get", "Interface", name, "error"])?;
            ensure!(error.trim() == "[]", "port {name} ({devargs}): {}", error.trim());
        }
        self.ofctl("del-flows", &[])?;
        self.ofctl("add-flow", &[&format!("in_port={SOURCE},actions=output:{SINK}")])?;
        std::thread::sleep(SETTLE);
        Ok(())
    }

    /// Measures one window, after setting or removing the mirror where that is wanted.
    pub(crate) fn window(&mut self, mirror: bool, seconds: f64) -> Result<OvsWindow> {
        self.vswitchd.check_alive()?;
        self.ovsdb.check_alive()?;
        if mirror != self.mirror {
            self.set_mirror(mirror)?;
        }
        let steal = preflight::steal_and_total_jiffies();
        let before = self.port_counts()?;
        self.appctl("dpif-netdev/pmd-stats-clear")?;
        let began = Instant::now();
        std::thread::sleep(Duration::from_secs_f64(seconds));
        let shown = self.appctl("dpif-netdev/pmd-stats-show")?;
        let took = began.elapsed();
        let after = self.port_counts()?;
        let stats = PmdStats::parse(&shown, "core_id")?;
        let window = OvsWindow {
            mirror,
            packets: stats.number("packets received")?,
            cycles_per_packet: stats.ratio("avg cycles per packet")?,
            processing_cycles_per_packet: stats.ratio("avg processing cycles per packet")?,
            idle_percent: stats.percent("idle cycles")?,
            forwarded: after.sink_before.saturating_sub(before.sink_before),
            mirrored: after.mirror.saturating_sub(before.mirror),
            hits: stats.hits(),
            upcalls: stats.number("miss with success upcall")?
                + stats.number("miss with failed upcall")?,
            seconds: took.as_secs_f64(),
            steal_percent: preflight::steal_percent_since(steal),
        };
        ensure!(window.packets > 0, "the PMD received nothing:\n{shown}");
        ensure!(
            window.upcalls <= window.packets / UPCALLS_ONE_IN,
            "{} of {} packets went the slow way: too many flows for the caches, or none is kept\n{shown}",
            window.upcalls,
            window.packets
        );
        check_mirrored(mirror, before, after)?;
        Ok(window)
    }

    fn set_mirror(&mut self, mirror: bool) -> Result<()> {
        if mirror {
            self.vsctl(&[
                "--",
                "--id=@port",
                "get",
                "port",
                "mirror",
                "--",
                "--id=@mirror",
                "create",
                "mirror",
                "name=all",
                "select-all=true",
                "output-port=@port",
                "--",
                "set",
                "bridge",
                BRIDGE,
                "mirrors=@mirror",
            ])?;
        } else {
            self.vsctl(&["clear", "bridge", BRIDGE, "mirrors"])?;
        }
        // The rule's actions change only where the flow is set up anew: 3.1 was seen to leave a flow
        // that never rests as it was for seconds, its frames unmirrored.
        self.appctl("revalidator/purge")?;
        std::thread::sleep(SETTLE);
        self.mirror = mirror;
        Ok(())
    }

    /// Stops it where it is, the core free for something else, until [`Self::resume`].
    pub(crate) fn pause(&self) -> Result<()> {
        self.vswitchd.signal(Signal::STOP)
    }

    /// What was stopped within an iteration of the PMD is in no window, each begins at zero.
    pub(crate) fn resume(&self) -> Result<()> {
        self.vswitchd.signal(Signal::CONT)
    }

    /// Ends it in an orderly way.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.appctl("exit")?;
        self.vswitchd.wait(Duration::from_secs(10))?;
        self.ovsdb.signal(Signal::TERM)?;
        self.ovsdb.wait(Duration::from_secs(10)).map(drop)
    }

    fn vsctl(&self, arguments: &[&str]) -> Result<String> {
        process::output(vsctl(&self.dir)?.args(["-t", "20"]).args(arguments))
    }

    fn appctl(&self, command: &str) -> Result<String> {
        let socket = self.dir.path().join("vswitchd.ctl");
        let program = process::find("ovs-appctl", PACKAGE)?;
        process::output(Command::new(program).arg("-T20").arg("-t").arg(socket).arg(command))
    }

    fn ofctl(&self, command: &str, arguments: &[&str]) -> Result<String> {
        let socket = self.dir.path().join(format!("{BRIDGE}.mgmt"));
        let program = process::find("ovs-ofctl", PACKAGE)?;
        let bridge = format!("unix:{}", socket.display());
        process::output(Command::new(program).arg("-t20").arg(command).arg(bridge).args(arguments))
    }

    /// The mirror's counter between two of the sink's.
    fn port_counts(&self) -> Result<PortCounts> {
        let transmitted = |port: u32| -> Result<u64> {
            let shown = self.ofctl("dump-ports", &[&port.to_string()])?;
            tx_packets(&shown).with_context(|| format!("no tx counter of port {port} in:\n{shown}"))
        };
        Ok(PortCounts {
            sink_before: transmitted(SINK)?,
            mirror: transmitted(MIRROR)?,
            sink_after: transmitted(SINK)?,
        })
    }
}

fn vsctl(dir: &TempDir) -> Result<Command> {
    let mut command = Command::new(process::find("ovs-vsctl", PACKAGE)?);
    command.arg(format!("--db=unix:{}", dir.path().join("db.sock").display()));
    Ok(command)
}

fn wait_for(socket: &std::path::Path, process: &mut Supervised) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while !socket.exists() {
        process.check_alive()?;
        if Instant::now() > end {
            bail!("{} does not come; {}", socket.display(), process.last_words());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
