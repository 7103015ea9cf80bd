//! Lcores and closures that run on them.

use std::any::Any;
use std::ffi::c_void;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use umbra_dpdk_sys as sys;

use super::{Eal, EalCore, NumaNode};
use crate::errno::{Errno, check};

/// An lcore: a pinned thread of EAL's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lcore {
    /// EAL's number.
    pub id: u32,
    /// The core that it is pinned to; the first one where there are several.
    pub cpu: Option<u32>,
    /// NUMA node of that core.
    pub node: NumaNode,
    /// True for the thread that started EAL, which takes no closures.
    pub is_main: bool,
}

/// A closure could not be started on an lcore.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// EAL has no such lcore.
    #[error("there is no lcore {asked}; workers can run on {available}. See --lcores")]
    NoSuchLcore { asked: u32, available: String },
    /// The main lcore is the thread that started EAL.
    #[error(
        "lcore {asked} is the main lcore, which takes no worker; workers can run on {available}"
    )]
    MainLcore { asked: u32, available: String },
    /// It runs something.
    #[error("lcore {asked} is busy; join what runs there first")]
    Busy { asked: u32 },
    /// Refused by EAL.
    #[error("cannot launch on lcore {asked}: {errno}")]
    Refused { asked: u32, errno: Errno },
}

/// A closure on an lcore panicked.
pub struct LcorePanic {
    lcore: u32,
    payload: Box<dyn Any + Send + 'static>,
}

impl LcorePanic {
    /// Where it happened.
    pub fn lcore(&self) -> u32 {
        self.lcore
    }

    /// The message, where the payload is one.
    pub fn message(&self) -> &str {
        let payload = &*self.payload;
        payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a payload that is no text")
    }

    /// What was passed to `panic_any`.
    pub fn into_payload(self) -> Box<dyn Any + Send + 'static> {
        self.payload
    }
}

impl fmt::Debug for LcorePanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LcorePanic {{ lcore: {}, message: {:?} }}", self.lcore, self.message())
    }
}

impl fmt::Display for LcorePanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the closure on lcore {} panicked: {}", self.lcore, self.message())
    }
}

impl std::error::Error for LcorePanic {}

struct SlotState<T> {
    result: Option<thread::Result<T>>,
    done: bool,
    /// Nobody will ask for the result.
    detached: bool,
}

struct Slot<T> {
    state: Mutex<SlotState<T>>,
    finished: Condvar,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, SlotState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A closure that was launched. Dropping it leaves the closure running and discards its result.
pub struct LcoreHandle<T> {
    lcore: u32,
    slot: Arc<Slot<T>>,
}

impl<T> fmt::Debug for LcoreHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LcoreHandle").field("lcore", &self.lcore).finish_non_exhaustive()
    }
}

impl<T> LcoreHandle<T> {
    /// Where it runs.
    pub fn lcore(&self) -> u32 {
        self.lcore
    }

    /// True when [`join`](Self::join) would not wait.
    pub fn is_finished(&self) -> bool {
        self.slot.lock().done
    }

    /// The result if there is one, else the handle again.
    pub fn try_join(self) -> Result<Result<T, LcorePanic>, Self> {
        if self.is_finished() { Ok(self.join()) } else { Err(self) }
    }

    /// Waits for the closure and returns what it returned.
    ///
    /// # Errors
    /// [`LcorePanic`] when it panicked.
    pub fn join(self) -> Result<T, LcorePanic> {
        let mut state = self.slot.lock();
        loop {
            if state.done
                && let Some(result) = state.result.take()
            {
                drop(state);
                return result.map_err(|payload| LcorePanic { lcore: self.lcore, payload });
            }
            state = self.slot.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Drop for LcoreHandle<T> {
    fn drop(&mut self) {
        let mut state = self.slot.lock();
        state.detached = true;
        let result = state.result.take();
        drop(state);
        drop(result);
    }
}

struct Task<F, T> {
    closure: F,
    slot: Arc<Slot<T>>,
    eal: &'static EalCore,
    lcore: u32,
}

impl<F: FnOnce() -> T, T> Task<F, T> {
    fn run(self) {
        let Task { closure, slot, eal, lcore } = self;
        let result = catch_unwind(AssertUnwindSafe(closure));
        let mut state = slot.lock();
        let unwanted = if state.detached {
            Some(result)
        } else {
            state.result = Some(result);
            None
        };
        drop(state);
        // An unwanted result may hold mbufs, which must be back before the lcore counts as idle.
        if catch_unwind(AssertUnwindSafe(|| drop(unwanted))).is_err() {
            log::error!("dropping the result of the closure on lcore {lcore} panicked");
        }
        eal.lock().running.remove(&lcore);
        slot.lock().done = true;
        slot.finished.notify_all();
    }
}

unsafe extern "C" fn run_task<F: FnOnce() -> T, T>(task: *mut c_void) -> i32 {
    // SAFETY: launch() made this pointer of a Box of the same type and gives it to one run only.
    let task = unsafe { Box::from_raw(task.cast::<Task<F, T>>()) };
    task.run();
    0
}

impl Eal {
    /// All lcores, the main one among them.
    pub fn lcores(&self) -> Vec<Lcore> {
        let main = self.main_lcore();
        let mut lcores = Vec::new();
        let mut id = sys::SHIM_LCORE_ID_ANY;
        loop {
            // SAFETY: walks EAL's configuration, which exists while `self` does.
            id = unsafe { sys::shim_lcore_next(id) };
            if id >= sys::SHIM_MAX_LCORE {
                return lcores;
            }
            // SAFETY: id is below RTE_MAX_LCORE.
            let (cpu, socket) = unsafe {
                (
                    sys::rte_lcore_to_cpu_id(i32::try_from(id).unwrap_or(-1)),
                    sys::rte_lcore_to_socket_id(id),
                )
            };
            lcores.push(Lcore {
                id,
                cpu: u32::try_from(cpu).ok(),
                node: i32::try_from(socket).map_or(NumaNode::Any, NumaNode::from_socket),
                is_main: id == main,
            });
        }
    }

    /// The lcore of the thread that started EAL.
    pub fn main_lcore(&self) -> u32 {
        // SAFETY: reads EAL's configuration, which exists while `self` does.
        unsafe { sys::rte_get_main_lcore() }
    }

    /// NUMA node of an lcore; `None` when there is no such lcore.
    pub fn node_of(&self, lcore: u32) -> Option<NumaNode> {
        self.lcores().into_iter().find(|l| l.id == lcore).map(|l| l.node)
    }

    /// Runs a closure on an lcore other than the main one. A panic in it is caught and comes out of
    /// [`LcoreHandle::join`].
    ///
    /// # Errors
    /// [`LaunchError`]: no such lcore, the main one, or a busy one.
    pub fn launch<F, T>(&self, lcore: u32, closure: F) -> Result<LcoreHandle<T>, LaunchError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let lcores = self.lcores();
        let available = || {
            let workers: Vec<String> =
                lcores.iter().filter(|l| !l.is_main).map(|l| l.id.to_string()).collect();
            if workers.is_empty() { "none".to_owned() } else { workers.join(", ") }
        };
        match lcores.iter().find(|l| l.id == lcore) {
            None => {
                return Err(LaunchError::NoSuchLcore { asked: lcore, available: available() });
            }
            Some(l) if l.is_main => {
                return Err(LaunchError::MainLcore { asked: lcore, available: available() });
            }
            Some(_) => {}
        }
        let mut state = self.inner.lock();
        if !state.running.insert(lcore) {
            return Err(LaunchError::Busy { asked: lcore });
        }
        let slot = Arc::new(Slot {
            state: Mutex::new(SlotState { result: None, done: false, detached: false }),
            finished: Condvar::new(),
        });
        let task = Task { closure, slot: Arc::clone(&slot), eal: self.inner.core(), lcore };
        let task = Box::into_raw(Box::new(task)).cast::<c_void>();
        // A closure that is finished by our account may be about to leave its trampoline.
        // SAFETY: the lcore exists and is no main lcore; what ran on it no longer takes our lock.
        unsafe { sys::rte_eal_wait_lcore(lcore) };
        // SAFETY: run_task::<F, T> fits the pointer, which it alone takes back; F and T are Send
        // and 'static, and the core that Task refers to lives as long as the process.
        let rc = unsafe { sys::rte_eal_remote_launch(Some(run_task::<F, T>), task, lcore) };
        if let Err(errno) = check(rc) {
            state.running.remove(&lcore);
            drop(state);
            // SAFETY: the launch failed, so the pointer is still ours alone.
            drop(unsafe { Box::from_raw(task.cast::<Task<F, T>>()) });
            return Err(LaunchError::Refused { asked: lcore, errno });
        }
        Ok(LcoreHandle { lcore, slot })
    }
}
