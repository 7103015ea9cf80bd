//! Huge pages of 2 MiB for as long as a peer runs that needs a secondary process or wants to be at
//! its best: added to what the machine has, taken away again. The twin of scripts/lib/hugepages.sh,
//! and takes the same lock.

use std::fs::{File, OpenOptions, read_to_string, write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

const NR: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

/// Gives back what was taken as soon as its stdin ends, which it does however the harness ends:
/// half a gigabyte should not be gone after an interrupted run. Arguments: directory, pages, lock, NR.
/// Unmounting is busy for a moment longer where a process was killed, hence lazy.
const KEEPER: &str = r#"
while read -r _; do :; done
if mountpoint -q "$1"; then umount "$1" 2>/dev/null || umount -l "$1"; fi
rmdir "$1"
exec 9>"$3"
flock 9
echo $(($(cat "$4") - $2)) >"$4"
"#;

/// Reserved pages and a hugetlbfs of their own, which takes the files with it that EAL leaves.
/// Dropping it gives everything back, so it is dropped after the processes that use it.
#[derive(Debug)]
pub(crate) struct HugePages {
    dir: PathBuf,
    keeper: Child,
}

impl HugePages {
    /// Adds `pages` pages of 2 MiB and mounts them.
    ///
    /// # Errors
    ///
    /// Without root, where memory is too fragmented or too small, and where mounting is refused.
    pub(crate) fn reserve(pages: u64) -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "this peer needs {pages} huge pages of 2 MiB, and reserving them needs root: run it with sudo"
        );
        let added = add(pages)?;
        let this = Self::keep(added).inspect_err(|_| {
            log::warn!("{added} huge pages stay reserved; see {NR}");
        })?;
        ensure!(
            added >= pages,
            "only {added} of {pages} huge pages of 2 MiB could be had: memory is too small or too \
             fragmented; free some, or reserve them at boot with hugepages={pages} on the kernel's \
             command line"
        );
        let status = Command::new("mount")
            .args(["-t", "hugetlbfs", "-o", "pagesize=2M", "umbra-bench"])
            .arg(&this.dir)
            .status()
            .context("mount does not start; install it: apt-get install mount")?;
        ensure!(
            status.success(),
            "hugetlbfs cannot be mounted here (a container without CAP_SYS_ADMIN?); try: mount -t \
             hugetlbfs -o pagesize=2M none {}",
            this.dir.display()
        );
        Ok(this)
    }

    fn keep(added: u64) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("umbra-huge-").tempdir()?.keep();
        // A session of its own: the terminal's interrupt is for the harness alone.
        let keeper = Command::new("setsid")
            .args(["sh", "-c", KEEPER, "keeper"])
            .arg(&dir)
            .arg(added.to_string())
            .arg(lock_path())
            .arg(NR)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("setsid does not start; install it: apt-get install util-linux")?;
        Ok(Self { dir, keeper })
    }

    /// Where they are mounted, for `--huge-dir`.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        if !self.keeper.wait().is_ok_and(|status| status.success()) {
            log::warn!("huge pages may stay reserved; see {NR} and {}", self.dir.display());
        }
    }
}

/// Makes them `pages` more than there are now; by how many they became more. Others may do the same
/// meanwhile, so it is a difference and not a number.
fn add(pages: u64) -> Result<u64> {
    let _lock = lock()?;
    let before = count()?;
    let wanted = before + pages;
    write(NR, wanted.to_string())
        .with_context(|| format!("{NR} cannot be written; try: echo {wanted} | sudo tee {NR}"))?;
    Ok(count()?.saturating_sub(before))
}

fn count() -> Result<u64> {
    let text = read_to_string(NR)
        .with_context(|| format!("{NR}: no huge pages of 2 MiB in this kernel"))?;
    text.trim().parse().with_context(|| format!("{NR} says {text:?}"))
}

fn lock_path() -> PathBuf {
    std::env::temp_dir().join("umbra-hugepages.lock")
}

/// Held until dropped.
fn lock() -> Result<File> {
    let path = lock_path();
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    file.lock().with_context(|| path.display().to_string())?;
    Ok(file)
}
