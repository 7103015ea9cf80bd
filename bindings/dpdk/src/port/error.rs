//! Errors of ports, with their fixes.

use crate::errno::Errno;
use crate::mempool::MempoolError;

/// A port cannot be had or does not obey.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// No port of this name.
    #[error("there is no port {asked}; there are: {available}. {fix}")]
    NotFound { asked: String, available: String, fix: String },
    /// Somebody holds it.
    #[error("port {port} is in use already; name it in one wire only")]
    Claimed { port: String },
    /// A queue of it exists.
    #[error(
        "port {port} cannot stop or close while {rx} rx and {tx} tx queues of it exist; stop its \
         workers and drop their queues first"
    )]
    QueuesAlive { port: String, rx: usize, tx: usize },
    /// It was closed.
    #[error("port {port} is closed")]
    Closed { port: String },
    /// Not in the state for it.
    #[error("port {port} is not stopped")]
    NotStopped { port: String },
    /// The driver said no.
    #[error("cannot {operation} port {port}: {errno}")]
    Refused { port: String, operation: &'static str, errno: Errno },
    /// The link stayed down.
    #[error("port {port} has no link after {waited_ms} ms; check cable and peer")]
    NoLink { port: String, waited_ms: u64 },
}

impl PortError {
    pub(super) fn not_found(asked: &str, available: &[&str]) -> Self {
        let available = if available.is_empty() { "none".to_owned() } else { available.join(", ") };
        let fix = if is_pci_address(asked) {
            format!(
                "Bind it: modprobe vfio-pci && dpdk-devbind.py -b vfio-pci {asked}; and leave out \
                 --no-pci and give -a {asked} if devices are allowed one by one"
            )
        } else {
            format!("Make a virtual device with --vdev={asked},… or see dpdk-devbind.py -s")
        };
        PortError::NotFound { asked: asked.to_owned(), available, fix }
    }
}

fn is_pci_address(name: &str) -> bool {
    let Some((bus, function)) = name.rsplit_once('.') else {
        return false;
    };
    let hex = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_hexdigit());
    hex(function) && bus.contains(':') && bus.split(':').all(hex)
}

/// A port cannot be configured or started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// No queue in one direction.
    #[error("port {port} needs at least one rx and one tx queue")]
    NoQueues { port: String },
    /// Neither one pool nor one per queue.
    #[error("port {port} needs one pool, or one per rx queue: {queues}; there are {pools}")]
    Pools { port: String, queues: u16, pools: usize },
    /// MTU out of the device's range.
    #[error("MTU {asked} is out of range for port {port} ({driver}): {min} to {max}")]
    Mtu { port: String, driver: String, asked: u16, min: u16, max: u16 },
    /// Data room too small for the driver.
    #[error(
        "pool {pool} has a data room of {data_room} bytes; {driver} of port {port} needs at least {min}"
    )]
    DataRoom { port: String, driver: String, pool: String, data_room: u16, min: u32 },
    /// The driver refused the whole.
    #[error(
        "cannot configure port {port} ({driver}) with {rx_queues} rx and {tx_queues} tx queues: {errno}"
    )]
    Refused { port: String, driver: String, rx_queues: u16, tx_queues: u16, errno: Errno },
    /// The driver refused a queue.
    #[error(
        "cannot set up {direction} queue {queue} of port {port} with {descriptors} descriptors: {errno}"
    )]
    Queue { port: String, direction: &'static str, queue: u16, descriptors: u16, errno: Errno },
    /// It did not start.
    #[error("cannot start port {port}: {errno}")]
    Start { port: String, errno: Errno },
    /// The port itself.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A pool.
    #[error(transparent)]
    Mempool(#[from] MempoolError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_port_names_what_there_is_and_how_to_bind() {
        let error = PortError::not_found("0000:03:00.0", &["net_null0"]).to_string();
        assert!(error.contains("dpdk-devbind.py -b vfio-pci 0000:03:00.0"), "{error}");
        assert!(error.contains("there are: net_null0"), "{error}");
        let error = PortError::not_found("net_pcap0", &[]).to_string();
        assert!(error.contains("--vdev=net_pcap0") && error.contains("none"), "{error}");
        assert!(is_pci_address("03:00.0") && !is_pci_address("net.0") && !is_pci_address("eth0"));
    }
}
