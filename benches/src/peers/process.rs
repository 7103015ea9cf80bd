//! Peers are processes of their own. None may outlive the harness: a forgotten poll-mode process
//! would falsify every figure after it.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::cores;

/// What is said of a failed process at most.
const LAST_LINES: usize = 12;

/// A process that is killed when this is dropped, and by the kernel when the thread that started it
/// ends, however it ends.
#[derive(Debug)]
pub(crate) struct Supervised {
    child: Child,
    what: &'static str,
    said: PathBuf,
}

/// `program` on `core`, where one is given; `dir` is where DPDK keeps what it shares with secondary
/// processes, instead of /var/run/dpdk.
pub(crate) fn command(program: impl AsRef<OsStr>, core: Option<u16>, dir: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(core) = core {
        command.args(["taskset", "-c", &core.to_string()]);
    }
    command.arg(program).env("RUNTIME_DIRECTORY", dir);
    command
}

impl Supervised {
    /// Starts a [`command`]; what it says on stderr goes to a file in `dir`, stdout and stdin where
    /// the command says.
    pub(crate) fn start(what: &'static str, mut command: Command, dir: &Path) -> Result<Self> {
        let said = dir.join(format!("{what}.stderr"));
        let child = command
            .stderr(File::create(&said)?)
            .spawn()
            .context("setpriv does not start; install it: apt-get install util-linux")?;
        Ok(Self { child, what, said })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Everything on stderr so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.said).unwrap_or_default()).into_owned()
    }

    /// The end of [`Self::said`], for a message.
    pub(crate) fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Fails where it has ended, with its last words.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended ({status}); its last words:\n{}", self.what, self.last_words());
        }
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no process id")?, signal)
            .with_context(|| format!("{} cannot be signalled", self.what))
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!(
                    "{} did not end within {limit:?}; its last words:\n{}",
                    self.what,
                    self.last_words()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a short command to its end and returns its stdout.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let result = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} does not start; install it: scripts/setup --bench"))?;
    if !result.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&result.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&result.stdout).into_owned())
}

/// The absolute path of `program`, which the package that is named brings.
pub(crate) fn find(program: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Root's directories too: they are not in everybody's PATH.
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
        .with_context(|| {
            format!("{program} is missing; install it: scripts/setup --bench (package {package})")
        })
}

/// Keeps a core as busy as the peer's helper would: what two cores share, boost and memory first, is
/// then shared in the windows without it too.
#[derive(Debug)]
pub(crate) struct Spinner {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Spinner {
    pub(crate) fn start(core: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            if let Err(error) = cores::pin(core) {
                // Anywhere else it would disturb what is measured.
                log::warn!("not kept busy: {error:#}");
                return;
            }
            let mut x = 1u64;
            while !stopping.load(Ordering::Relaxed) {
                x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
