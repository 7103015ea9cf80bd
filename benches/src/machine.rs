//! What a command takes from the machine: memory for EAL, and how much the hypervisor may take away.

use clap::Args;

use crate::hugepages::HugePages;
use crate::results::Protocol;
use crate::session::Memory;

/// MiB of small pages where huge ones cannot be had or are not wanted.
const SMALL_MIB: u32 = 960;
/// Huge pages that nobody uses.
const FREE: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
/// Pages that a process needs beside what EAL is told to take.
const SPARE_PAGES: u64 = 32;

/// Arguments that the commands share.
#[derive(Debug, Clone, Args)]
pub(crate) struct MachineArgs {
    /// MiB of huge pages, reserved for as long as it runs; 0: pages of 4 KiB, which cost more
    #[arg(long, value_name = "MIB", default_value_t = 960,
        value_parser = clap::value_parser!(u32).range(0..=65_536))]
    huge_mib: u32,
    /// A run from which the hypervisor stole more of the time is repeated
    #[arg(long, value_name = "PERCENT", default_value = "0.5", value_parser = crate::args::percentage)]
    pub(crate) steal_percent_max: f64,
}

/// Memory for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) memory: Memory,
    _pages: Option<HugePages>,
}

impl MachineArgs {
    /// Huge pages if they are wanted and can be had.
    pub(crate) fn reserve(&self) -> Reserved {
        if self.huge_mib == 0 {
            return Reserved { memory: Memory::Small(SMALL_MIB), _pages: None };
        }
        match HugePages::reserve(u64::from(self.huge_mib).div_ceil(2) + SPARE_PAGES) {
            Ok(pages) => Reserved { memory: Memory::Huge(self.huge_mib), _pages: Some(pages) },
            // Some may have been reserved at boot.
            Err(_) if free_mib() >= self.huge_mib => {
                Reserved { memory: Memory::Huge(self.huge_mib), _pages: None }
            }
            Err(why) => {
                log::warn!("on pages of 4 KiB, which cost more: {why:#}");
                Reserved { memory: Memory::Small(SMALL_MIB), _pages: None }
            }
        }
    }

    /// The usual protocol with this limit.
    pub(crate) fn protocol(&self, quick: bool) -> Protocol {
        Protocol { steal_percent_max: self.steal_percent_max, ..Protocol::new(quick) }
    }
}

fn free_mib() -> u32 {
    let pages = std::fs::read_to_string(FREE).ok().and_then(|text| text.trim().parse::<u32>().ok());
    pages.unwrap_or(0).saturating_mul(2)
}
