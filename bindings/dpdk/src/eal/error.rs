//! Why EAL did not start, and what to do about it.

use crate::errno::Errno;

/// EAL did not start.
#[derive(Debug, thiserror::Error)]
pub enum EalError {
    /// It was started before in this process, or tried and failed.
    #[error("EAL was already started in this process; it starts once per process")]
    AlreadyStarted,
    /// An argument holds a NUL.
    #[error("EAL argument {argument:?} holds a NUL character")]
    NulInArgument { argument: String },
    /// An argument makes EAL print and leave the process.
    #[error("EAL argument {argument} prints and exits; leave it out, or give it to dpdk-testpmd")]
    PrintsAndExits { argument: String },
    /// No or too few huge pages.
    #[error(
        "EAL found no huge pages to use: {log}. Make some: echo 1024 > \
         /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages && mkdir -p /dev/hugepages && mount \
         -t hugetlbfs none /dev/hugepages; or run without: --no-huge -m 512"
    )]
    NoHugePages { errno: Errno, log: String },
    /// The process may not.
    #[error(
        "EAL lacks a permission: {log} ({errno}). Run as root, or grant: setcap \
         cap_ipc_lock,cap_net_admin,cap_net_raw,cap_sys_nice,cap_dac_override+ep on the program, and \
         make the vfio device and the hugetlbfs mount writable for this user"
    )]
    Permission { errno: Errno, log: String },
    /// A core that is not there.
    #[error("EAL refused the cores: {log}. There are cores {available}; see --lcores and nproc")]
    NoSuchCore { log: String, available: String },
    /// Another process holds the same prefix.
    #[error(
        "another DPDK process runs with the same file prefix: {log}. Give this one its own: \
         --file-prefix=NAME"
    )]
    PrefixInUse { log: String },
    /// A device of --vdev or -a could not be made.
    #[error("EAL could not make a device: {log} ({errno}). Check its --vdev or -a argument")]
    Device { errno: Errno, log: String },
    /// An argument that EAL does not know or cannot use.
    #[error("EAL refused its arguments: {log} ({errno})")]
    Arguments { errno: Errno, log: String },
    /// Anything else.
    #[error("EAL did not start: {log} ({errno})")]
    Init { errno: Errno, log: String },
}

impl EalError {
    /// Sorts a failure by what EAL logged on its way out: its errno alone says little (EACCES for
    /// missing huge pages, for one).
    pub(super) fn from_init(errno: Errno, complaints: Vec<String>) -> Self {
        let log = if complaints.is_empty() { "no message".into() } else { complaints.join("; ") };
        let text = log.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
        if has(&["cannot create lock on", "is another primary process running"]) {
            EalError::PrefixInUse { log }
        } else if has(&["permission denied", "operation not permitted"]) {
            EalError::Permission { errno, log }
        } else if has(&["hugepage", "hugetlbfs", "cannot init memory", "not enough memory"]) {
            EalError::NoHugePages { errno, log }
        } else if has(&["lcore", "core list", "coremask", "invalid core"]) {
            EalError::NoSuchCore { log, available: allowed_cores() }
        } else if has(&["probe", "vdev", "parse device", "cannot plug", "devargs"]) {
            EalError::Device { errno, log }
        } else if errno.number() == libc::EINVAL {
            EalError::Arguments { errno, log }
        } else {
            EalError::Init { errno, log }
        }
    }
}

/// Cores that this process may run on, as the kernel writes them.
pub(super) fn allowed_cores() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .map_or_else(|| "unknown".to_owned(), |list| list.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(log: &str, errno: i32) -> EalError {
        EalError::from_init(Errno::from_rc(-errno), vec![log.to_owned()])
    }

    #[test]
    fn failures_are_sorted_by_what_eal_said_and_name_the_fix() {
        let error = sorted("Cannot get hugepage information.", libc::EACCES);
        assert!(matches!(error, EalError::NoHugePages { .. }), "{error:?}");
        assert!(error.to_string().contains("nr_hugepages"));
        let error = sorted("Cannot create lock on '/var/run/dpdk/x/config'.", libc::EAGAIN);
        assert!(error.to_string().contains("--file-prefix="));
        let error = sorted("lcore 77 unavailable", libc::EINVAL);
        assert!(matches!(error, EalError::NoSuchCore { .. }), "{error:?}");
        let error = sorted("open /dev/vfio/7: Permission denied", libc::EACCES);
        assert!(error.to_string().contains("setcap"));
        assert!(matches!(
            sorted("Invalid 'command line' arguments.", libc::EINVAL),
            EalError::Arguments { .. }
        ));
    }
}
