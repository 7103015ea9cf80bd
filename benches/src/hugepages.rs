//! Huge pages of 2 MiB for as long as a peer runs that needs a secondary process or wants to be at
//! its best: added to what the machine has, taken away again. The twin of scripts/lib/hugepages.sh,
//! and takes the same lock.

use std::fs::{File, OpenOptions, read_to_string, write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

const NR: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

/// Reserved pages and a hugetlbfs of their own, which takes the files with it that EAL leaves.
/// Dropping it gives everything back, so it is dropped after the processes that use it.
#[derive(Debug)]
pub(crate) struct HugePages {
    pages: u64,
    mounted: bool,
    dir: TempDir,
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
        let dir = tempfile::Builder::new().prefix("umbra-huge-").tempdir()?;
        let mut this = Self { pages: 0, mounted: false, dir };
        let asked = i64::try_from(pages).context("more huge pages than there are numbers")?;
        this.pages = change(asked)?;
        if this.pages < pages {
            bail!(
                "only {} of {pages} huge pages of 2 MiB could be had: memory is too small or too \
                 fragmented; free some, or reserve them at boot with hugepages={pages} on the \
                 kernel's command line",
                this.pages
            );
        }
        let status = Command::new("mount")
            .args(["-t", "hugetlbfs", "-o", "pagesize=2M", "umbra-bench"])
            .arg(this.dir.path())
            .status()
            .context("mount does not start; install it: apt-get install mount")?;
        ensure!(
            status.success(),
            "hugetlbfs cannot be mounted here (a container without CAP_SYS_ADMIN?); try: mount -t \
             hugetlbfs -o pagesize=2M none {}",
            this.dir.path().display()
        );
        this.mounted = true;
        Ok(this)
    }

    /// Where they are mounted, for `--huge-dir`.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        if self.mounted {
            let unmount = |lazy: &[&str]| {
                Command::new("umount")
                    .args(lazy)
                    .arg(self.dir.path())
                    .status()
                    .is_ok_and(|s| s.success())
            };
            // Busy for a moment longer where a process was killed.
            if !unmount(&[]) && !unmount(&["-l"]) {
                log::warn!("{} stays mounted; umount it", self.dir.path().display());
            }
        }
        let given_back = i64::try_from(self.pages).map_or(Ok(0), |pages| change(-pages));
        if let Err(error) = given_back {
            log::warn!("{} huge pages stay reserved: {error:#}", self.pages);
        }
    }
}

/// Makes them `by` more or fewer than there are now; by how many they became more. Others may do the
/// same meanwhile, so it is a difference and not a number.
fn change(by: i64) -> Result<u64> {
    let _lock = lock()?;
    let before = count()?;
    let wanted = before.saturating_add_signed(by);
    write(NR, wanted.to_string())
        .with_context(|| format!("{NR} cannot be written; try: echo {wanted} | sudo tee {NR}"))?;
    Ok(count()?.saturating_sub(before))
}

fn count() -> Result<u64> {
    let text = read_to_string(NR)
        .with_context(|| format!("{NR}: no huge pages of 2 MiB in this kernel"))?;
    text.trim().parse().with_context(|| format!("{NR} says {text:?}"))
}

/// Held until dropped.
fn lock() -> Result<File> {
    let path = std::env::temp_dir().join("umbra-hugepages.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    file.lock().with_context(|| path.display().to_string())?;
    Ok(file)
}
