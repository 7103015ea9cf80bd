//! The other side of R4: what a guest on virtio-user does, here a `dpdk-testpmd` that sends back out of one
//! port what came in by the other, so that a known number of frames goes round through the vhost ports.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::rig::Rig;
use crate::session::Dut;
use crate::testpmd::Testpmd;
use crate::traffic::{Sizes, Traffic};

/// Bursts of 32 that go round in each direction.
const BURSTS: u32 = 8;

/// A guest to be started once the vhost ports are there.
#[derive(Debug)]
pub(crate) struct Guest {
    dir: PathBuf,
    core: u16,
    size: u16,
}

impl Guest {
    /// For R4; the other rigs have none. Sockets of a former run are removed.
    pub(crate) fn for_rig(dut: &Dut) -> Result<Option<Guest>> {
        let Rig::Vhost { dir } = &dut.rig else { return Ok(None) };
        for i in 0..2 {
            let _ = std::fs::remove_file(socket(dir, i));
        }
        let size = match &dut.traffic {
            Traffic::Generated { sizes: Sizes::Fixed(size), .. } => *size,
            other => bail!("R4 takes frames of one size, not {other}"),
        };
        Ok(Some(Guest { dir: dir.clone(), core: dut.other_core, size }))
    }

    /// Waits for the sockets, connects, and sets the frames going.
    pub(crate) fn start(self) -> Result<Testpmd> {
        let end = Instant::now() + Duration::from_secs(20);
        while (0..2).any(|i| !socket(&self.dir, i).exists()) {
            if Instant::now() > end {
                bail!("no vhost socket in {:?} after 20 s", self.dir);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut args = vec![
            format!("--lcores=110@{0},111@{0}", self.core),
            "--main-lcore=110".to_owned(),
            "--no-pci".into(),
            "--no-huge".into(),
            "-m".into(),
            "256".into(),
            // Anonymous shared memory in one segment is what virtio-user hands over.
            "--single-file-segments".into(),
            "--no-telemetry".into(),
            format!("--file-prefix=umbra-guest-{}", std::process::id()),
        ];
        args.extend((0..2).map(|i| {
            format!(
                "--vdev=net_virtio_user{i},path={},queue_size=1024",
                socket(&self.dir, i).display()
            )
        }));
        args.extend(
            ["--", "-i", "--forward-mode=io", "--nb-cores=1", "--no-flush-rx"].map(str::to_owned),
        );
        args.push("--total-num-mbufs=8192".into());
        let mut guest = Testpmd::spawn(&args, 2)?;
        guest.say(&format!("set txpkts {}\n", self.size))?;
        guest.forward(BURSTS)?;
        Ok(guest)
    }
}

fn socket(dir: &Path, port: u16) -> PathBuf {
    dir.join(format!("vhost{port}.sock"))
}
