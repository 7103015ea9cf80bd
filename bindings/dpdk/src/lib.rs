//! Safe wrapper of the part of DPDK that umbra uses: EAL and lcores, mempools and mbufs, ports and
//! their queues, rings, telemetry and pdump.
//!
//! What the types promise:
//! - An [`Mbuf`] has one owner and is freed when dropped. A [`Burst`] frees what is left in it with
//!   one call.
//! - Queues are moved out of [`ConfiguredPort::start`]; whoever holds one is the only one who polls
//!   it, and a port cannot stop while a queue of it exists.
//! - [`Eal`] outlives pools outlive mbufs. A pool that is dropped while mbufs of it are about is
//!   kept until they are back, and EAL is cleaned up only after the last pool.
//!
//! On the packet path nothing but the bursts and frees calls into C: fields of an mbuf are read
//! through offsets that the C compiler computed.

mod burst;
mod eal;
mod errno;
pub mod logging;
mod mbuf;
mod mempool;
pub mod pdump;
mod port;
mod ring;
pub mod telemetry;
mod tsc;

pub use burst::Burst;
pub use eal::{
    Eal, EalError, HotplugError, LaunchError, Lcore, LcoreHandle, LcorePanic, NumaNode,
    dpdk_version,
};
pub use errno::Errno;
pub use mbuf::{Mbuf, RxChecksum, Segments};
pub use mempool::{DEFAULT_DATA_ROOM, MAX_CACHE, MbufDemand, Mempool, MempoolError, mbufs_needed};
pub use port::{
    ConfigureError, ConfiguredPort, DescriptorLimits, Duplex, EthStats, Link, Note, Outcome, Port,
    PortConfig, PortError, PortHandle, PortInfo, PortKind, PortName, PortReport, Rss, RssReport,
    RxQueue, Segmentation, StartedPort, Subject, TxQueue,
};
pub use ring::{Ring, RingError, RingMode, eth_from_rings};
pub use tsc::{pause, tsc};
