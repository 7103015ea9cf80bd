//! Frames decoded once, for everyone behind: flows, streams and profiles.
//!
//! [`Decoder::decode`] goes from the link layer to the transport of the innermost IP datagram
//! and says what it met on the way, without allocating and without believing a length. What is
//! wrong with a packet is data: a set of [`DecodeFault`]s, counted by reason. Fragments stop at
//! IP; [`crate::defrag`] puts them together and [`Decoder::decode_ip`] goes on.
//!
//! What a capture cut off is not a fault: `frame_len` says how long the frame was on the wire, and
//! a header that reaches past the captured bytes but not past that is only `cut_short`.

mod counters;
mod cursor;
mod fault;
mod icmp;
mod link;
mod network;
mod options;
mod other;
mod transport;
mod tunnel;
mod types;
mod upper;
mod walk;

#[cfg(test)]
mod tests;

pub use counters::{DecodeCounters, Protocol};
pub use fault::{DecodeFault, Faults};
pub use link::LinkType;
pub use transport::{
    DccpInfo, EspInfo, IcmpInfo, IgmpInfo, Quoted, SackBlocks, SctpInfo, TcpInfo, Transport,
    UdpInfo,
};
pub use types::{
    ArpInfo, ChecksumState, Checksums, Decoded, ExtensionSet, Fragment, IpInfo, Ipv4OptionSet,
    MAX_TUNNELS, OuterIp, TunnelKind, TunnelLayer, TunnelStack, VlanStack,
};

use cursor::Cursor;
use walk::Walk;

/// Which checksums are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChecksumPolicy {
    /// Those of IPv4, TCP, UDP, SCTP, ICMP and ICMPv6, where the packet is whole.
    #[default]
    All,
    /// None; all are [`ChecksumState::Unchecked`].
    None,
}

/// How a [`Decoder`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    pub checksums: ChecksumPolicy,
    /// Most tunnels that are unpacked, 0..=[`MAX_TUNNELS`].
    pub max_tunnels: u8,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { checksums: ChecksumPolicy::All, max_tunnels: 4 }
    }
}

/// What the NIC said about the outermost IP header's checksum and the one of the transport behind
/// it; [`ChecksumState::Unchecked`] where it said nothing. `Good` and `Absent` are believed and
/// save the work; `Bad` is looked at again.
pub type NicChecksums = Checksums;

/// Decodes frames and counts what it meets.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    options: DecodeOptions,
    counters: DecodeCounters,
}

impl Decoder {
    #[must_use]
    pub fn new(options: DecodeOptions) -> Self {
        Self { options, counters: DecodeCounters::default() }
    }

    #[must_use]
    pub fn options(&self) -> DecodeOptions {
        self.options
    }

    /// Changes how checksums are treated, from the next frame on.
    pub fn set_checksums(&mut self, policy: ChecksumPolicy) {
        self.options.checksums = policy;
    }

    #[must_use]
    pub fn counters(&self) -> &DecodeCounters {
        &self.counters
    }

    /// Decodes a frame. `frame` is what was captured, `frame_len` the length on the wire in
    /// bytes (taken as at least `frame.len()`).
    #[must_use]
    pub fn decode<'f>(&mut self, frame: &'f [u8], frame_len: u32, link: LinkType) -> Decoded<'f> {
        self.decode_checked(frame, frame_len, link, NicChecksums::default())
    }

    /// As [`Self::decode`], with what the NIC said about checksums.
    #[must_use]
    pub fn decode_checked<'f>(
        &mut self,
        frame: &'f [u8],
        frame_len: u32,
        link: LinkType,
        nic: NicChecksums,
    ) -> Decoded<'f> {
        let frame_len = frame_len.max(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        let mut walk = Walk::new(&mut self.counters, self.options, nic, frame, frame_len, link);
        walk.link(Cursor::of_frame(frame, frame_len));
        let decoded = walk.finish();
        let counters = &mut self.counters;
        counters.packets += 1;
        counters.bytes += u64::from(frame_len);
        counters.max_pkt_size = counters.max_pkt_size.max(frame_len.into());
        counters.truncated += u64::from(decoded.is_truncated());
        counters.cut_short += u64::from(decoded.cut_short);
        counters.invalid += u64::from(decoded.is_invalid());
        counters.count_faults(decoded.faults);
        decoded
    }

    /// Decodes an IP datagram that was put together of fragments. Link fields are empty: the
    /// caller has those of the fragments.
    #[must_use]
    pub fn decode_ip<'f>(&mut self, datagram: &'f [u8]) -> Decoded<'f> {
        let len = u32::try_from(datagram.len()).unwrap_or(u32::MAX);
        let nic = NicChecksums::default();
        let link = LinkType::RawIp;
        let mut walk = Walk::new(&mut self.counters, self.options, nic, datagram, len, link);
        walk.ip(Cursor::of_frame(datagram, len));
        let decoded = walk.finish();
        self.counters.reassembled += 1;
        self.counters.invalid += u64::from(decoded.is_invalid());
        self.counters.count_faults(decoded.faults);
        decoded
    }

    /// Adds faults that a later stage found in a packet (the defragmenter) to the counters.
    pub fn count_faults(&mut self, faults: Faults) {
        self.counters.count_faults(faults);
    }
}
