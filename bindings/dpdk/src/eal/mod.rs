//! The environment abstraction layer: started once per process, cleaned up when the last thing made
//! from it is gone.

mod error;
mod hotplug;
mod lcore;

use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use umbra_dpdk_sys as sys;

pub use error::EalError;
pub use hotplug::HotplugError;
pub use lcore::{LaunchError, Lcore, LcoreHandle, LcorePanic};

use crate::errno::Errno;
use crate::logging;

/// Where memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NumaNode {
    /// Wherever there is some.
    #[default]
    Any,
    /// This node (DPDK's socket).
    Node(u32),
}

impl NumaNode {
    pub(crate) fn from_socket(socket: i32) -> Self {
        u32::try_from(socket).map_or(NumaNode::Any, NumaNode::Node)
    }

    pub(crate) fn socket(self) -> i32 {
        match self {
            NumaNode::Any => sys::SHIM_SOCKET_ID_ANY,
            NumaNode::Node(node) => i32::try_from(node).unwrap_or(sys::SHIM_SOCKET_ID_ANY),
        }
    }
}

impl fmt::Display for NumaNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NumaNode::Any => f.write_str("any"),
            NumaNode::Node(node) => write!(f, "{node}"),
        }
    }
}

/// Version text of the library that was loaded, for example `DPDK 22.11.11`.
pub fn dpdk_version() -> String {
    // SAFETY: returns a static NUL-terminated string, before rte_eal_init too.
    unsafe { CStr::from_ptr(sys::rte_version()) }.to_string_lossy().into_owned()
}

/// A mempool whose owner is gone, waiting for its mbufs.
struct Orphan {
    pool: NonNull<sys::rte_mempool>,
    name: String,
}

// SAFETY: a mempool may be used and freed from any thread; the pointer is the only handle left.
unsafe impl Send for Orphan {}

/// What changes while EAL runs. One lock for all: nothing on a packet path takes it.
#[derive(Default)]
pub(crate) struct EalState {
    /// Lcores that run a closure of ours.
    running: HashSet<u32>,
    orphans: Vec<Orphan>,
    /// Names of ports by id that somebody holds.
    pub(crate) claimed: HashSet<u16>,
    /// Pools that live or are orphaned.
    pub(crate) pools: usize,
    /// The port that frees mbufs straight into the one pool, after which there can be no second.
    pub(crate) sealed_by: Option<String>,
}

pub(crate) struct EalCore {
    state: Mutex<EalState>,
    /// The thread that EAL took as its main lcore. Only it has a mempool cache beside the lcores.
    main_thread: ThreadId,
}

impl EalCore {
    pub(crate) fn lock(&self) -> MutexGuard<'_, EalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees the orphaned pools whose mbufs are all back.
    ///
    /// rte_mempool_avail_count() can count an mbuf twice while another thread with a mempool cache
    /// (an lcore) is putting it back, so it is believed only when no lcore runs and the caller is
    /// the main lcore itself. Threads without a cache put straight into the pool's ring, whose count
    /// never runs ahead.
    fn sweep(&self, state: &mut EalState) {
        if !state.running.is_empty() || thread::current().id() != self.main_thread {
            return;
        }
        let before = state.orphans.len();
        state.orphans.retain(|orphan| {
            // SAFETY: orphans are live pools: they are freed here only, and then leave the list.
            let (available, size) = unsafe {
                let pool = orphan.pool.as_ptr();
                (sys::rte_mempool_avail_count(pool), sys::shim_mempool_size(pool))
            };
            if available != size {
                return true;
            }
            // SAFETY: its owners are gone, every mbuf of it is back (see above), and without a
            // handle no more can be taken out.
            unsafe { sys::rte_mempool_free(orphan.pool.as_ptr()) };
            false
        });
        state.pools -= before - state.orphans.len();
    }

    pub(crate) fn sweep_pools(&self) {
        self.sweep(&mut self.lock());
    }

    /// Takes over a pool whose last handle was dropped.
    pub(crate) fn orphan_pool(&self, pool: NonNull<sys::rte_mempool>, name: String) {
        let mut state = self.lock();
        state.orphans.push(Orphan { pool, name });
        self.sweep(&mut state);
    }

    fn clean_up(&self) {
        let mut state = self.lock();
        self.sweep(&mut state);
        let reason = if thread::current().id() != self.main_thread {
            "the last handle was dropped on another thread than the one that started it".to_owned()
        } else if let Some(lcore) = state.running.iter().next() {
            format!("lcore {lcore} still runs")
        } else if let Some(orphan) = state.orphans.first() {
            format!("mbufs of pool {} are still about", orphan.name)
        } else {
            // SAFETY: the main lcore calls it; no lcore runs, no pool and with it no mbuf, port
            // or ring is left, for each of those holds a reference to EAL.
            let rc = unsafe { sys::rte_eal_cleanup() };
            if rc < 0 {
                log::warn!("EAL clean-up failed: {}", Errno::from_rc(rc));
            }
            return;
        };
        log::warn!("EAL is left to the end of the process instead of cleaned up: {reason}");
    }
}

/// Dropped with the last thing that needs EAL.
struct Token(&'static EalCore);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.clean_up();
    }
}

/// Keeps EAL alive; held by everything made from it.
#[derive(Clone)]
pub(crate) struct EalRef(Arc<Token>);

impl std::ops::Deref for EalRef {
    type Target = EalCore;

    fn deref(&self) -> &EalCore {
        self.0.0
    }
}

impl EalRef {
    pub(crate) fn core(&self) -> &'static EalCore {
        self.0.0
    }
}

static STARTED: AtomicBool = AtomicBool::new(false);

/// EAL, running. Clean-up happens when it and all pools, ports, queues and rings made from it are
/// gone; EAL cannot be started a second time in a process.
pub struct Eal {
    pub(crate) inner: EalRef,
    args: Vec<String>,
}

impl fmt::Debug for Eal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eal").field("args", &self.args).finish_non_exhaustive()
    }
}

impl Eal {
    /// Starts EAL with these arguments (without a program name), for example
    /// `["--no-huge", "--no-pci", "-m", "512"]`. DPDK's log goes to the `log` crate.
    ///
    /// EAL takes the calling thread as its main lcore and pins it; threads started by it later
    /// inherit that mask.
    ///
    /// # Errors
    /// The second call in a process, an argument with a NUL in it or one that prints and exits,
    /// and whatever EAL refuses, with the fix.
    pub fn init<S: AsRef<str>>(args: &[S]) -> Result<Eal, EalError> {
        let args: Vec<String> = args.iter().map(|a| a.as_ref().to_owned()).collect();
        let argv = c_arguments(&args)?;
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(EalError::AlreadyStarted);
        }
        logging::install();
        let complaints = logging::Recorder::start();
        let argc = i32::try_from(argv.len() - 1).unwrap_or(i32::MAX);
        // EAL permutes the vector and keeps pointers to the texts: it gets them for good.
        let argv = Vec::leak(argv).as_mut_ptr();
        // SAFETY: called once (STARTED); argv has argc writable NUL-terminated strings and a NULL
        // at its end, and lives as long as the process.
        let rc = unsafe { sys::rte_eal_init(argc, argv) };
        let complaints = complaints.finish();
        if rc < 0 {
            return Err(EalError::from_init(Errno::last(), complaints));
        }
        let core: &'static EalCore = Box::leak(Box::new(EalCore {
            state: Mutex::default(),
            main_thread: thread::current().id(),
        }));
        Ok(Eal { inner: EalRef(Arc::new(Token(core))), args })
    }

    /// Frequency of [`crate::tsc`].
    pub fn tsc_hz(&self) -> u64 {
        // SAFETY: EAL has calibrated the counter in rte_eal_init.
        unsafe { sys::rte_get_tsc_hz() }
    }

    /// Number of NUMA nodes with memory of EAL's.
    pub fn numa_nodes(&self) -> u32 {
        // SAFETY: reads EAL's configuration, which exists while `self` does.
        unsafe { sys::rte_socket_count() }
    }

    /// The arguments that EAL was started with.
    pub fn args(&self) -> &[String] {
        &self.args
    }
}

/// A NULL-terminated argv with a program name; the texts are leaked, once per process.
fn c_arguments(args: &[String]) -> Result<Vec<*mut c_char>, EalError> {
    let mut texts = vec![c"umbra".to_owned()];
    for arg in args {
        if matches!(arg.as_str(), "-h" | "--help" | "-v" | "--version") {
            return Err(EalError::PrintsAndExits { argument: arg.clone() });
        }
        let text = CString::new(arg.as_str())
            .map_err(|_| EalError::NulInArgument { argument: arg.replace('\0', "\\0") })?;
        texts.push(text);
    }
    let mut argv: Vec<*mut c_char> = texts.into_iter().map(CString::into_raw).collect();
    argv.push(std::ptr::null_mut());
    Ok(argv)
}
