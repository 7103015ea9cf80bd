//! What became of a port's configuration.

use std::fmt;

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    RxQueues,
    TxQueues,
    RxDescriptors,
    TxDescriptors,
    Mtu,
    Scatter,
    MultiSegments,
    FastFree,
    Rss,
    Promiscuous,
    AllMulticast,
    FlowControl,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Subject::RxQueues => "rx queues",
            Subject::TxQueues => "tx queues",
            Subject::RxDescriptors => "rx descriptors",
            Subject::TxDescriptors => "tx descriptors",
            Subject::Mtu => "MTU",
            Subject::Scatter => "scattered rx",
            Subject::MultiSegments => "multi-segment tx",
            Subject::FastFree => "fast free",
            Subject::Rss => "RSS",
            Subject::Promiscuous => "promiscuous mode",
            Subject::AllMulticast => "all-multicast mode",
            Subject::FlowControl => "flow control",
        })
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// As asked.
    Enabled,
    /// Turned off, as asked.
    Disabled,
    /// Another value than asked.
    Adjusted,
    /// Not done.
    Refused,
}

/// One setting, with the reason where it is not as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub subject: Subject,
    pub outcome: Outcome,
    /// Empty where there is nothing to say.
    pub reason: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Enabled => "enabled",
            Outcome::Disabled => "disabled",
            Outcome::Adjusted => "adjusted",
            Outcome::Refused => "not enabled",
        };
        write!(f, "{} {outcome}", self.subject)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

/// How frames are spread over rx queues, and what the hash in an mbuf is worth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RssReport {
    /// No RSS, so no hash in the mbufs.
    #[default]
    Off,
    /// Symmetric by a key whose 16 bits repeat: both directions meet in one queue, but the hash has 16
    /// bits of entropy, known to all. Good to spread, not to sample.
    RepeatedKey,
    /// A symmetric function of the NIC's with the caller's key: good to sample.
    SymmetricFunction { key: Vec<u8> },
}

impl RssReport {
    /// True when the hash in the mbufs is symmetric and its key has full entropy.
    pub fn hash_is_samplable(&self) -> bool {
        matches!(self, RssReport::SymmetricFunction { .. })
    }
}

/// A port as it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortReport {
    pub name: String,
    pub driver: String,
    pub rx_queues: u16,
    pub tx_queues: u16,
    pub rx_desc: u16,
    pub tx_desc: u16,
    /// Bytes, as the driver has it; 0 where it does not say.
    pub mtu: u16,
    /// Names of the offloads that are on.
    pub rx_offloads: Vec<String>,
    /// Names of the offloads that are on.
    pub tx_offloads: Vec<String>,
    /// Frames longer than a data room arrive in segments.
    pub scatter: bool,
    /// The driver takes frames of several segments by contract. Some (pcap, ring) do without saying.
    pub multi_segs: bool,
    /// Sent mbufs go straight back to the one pool.
    pub fast_free: bool,
    /// Most segments of a frame that the device can send, where it says.
    pub tx_segments_max: Option<u16>,
    pub rss: RssReport,
    /// Everything that was asked, with what became of it.
    pub notes: Vec<Note>,
}

impl PortReport {
    pub(super) fn note(&mut self, subject: Subject, outcome: Outcome, reason: impl Into<String>) {
        self.notes.push(Note { subject, outcome, reason: reason.into() });
    }

    /// The note about a subject.
    pub fn about(&self, subject: Subject) -> Option<&Note> {
        self.notes.iter().find(|note| note.subject == subject)
    }

    /// Notes on what is not as asked.
    pub fn deviations(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(|n| matches!(n.outcome, Outcome::Adjusted | Outcome::Refused))
    }
}
