//! What a rule says, checked and resolved: variables are expanded, modifiers have found their
//! content, names of buffers are [`Buffer`](crate::app::Buffer)s.
//!
//! Nothing here knows how rules are looked for. Every keyword that decides whether a rule matches is
//! in one of [`Rule`]'s lists; a rule with a keyword that has no place here does not load.

mod app;
mod compare;
mod header;
mod inspect;
mod numbers;
mod packet;
mod state;

pub use app::{AppCondition, CertDate, DceInterface, FileDigests, HashKind, SslState, TlsVersions};
pub use compare::Compare;
pub use header::{
    AddressSet, Direction, FlowOptions, FlowState, FragmentPart, Header, Hook, PortSet, Protocol,
    StreamPart,
};
pub use inspect::Value;
pub use inspect::{
    Absent, Base64Decode, Base64Mode, Capture, CaptureKind, Content, Dataset, DatasetCommand,
    DatasetKind, Entropy, EntropyCompare, FastPattern, Inspection, IsDataAt, Match, PacketBuffer,
    Pcre, PcreFlags, Source, Transform, VarId,
};
pub use numbers::{
    ByteExtract, ByteJump, ByteMath, ByteTest, Encoding, Endian, JumpFrom, MathOperator, NumberAt,
    StringBase, TestOperator,
};
pub use packet::{
    Checksum, ChecksumLayer, FlagsModifier, FragBits, IpOption, PacketCondition, StreamSide,
    StreamSize, TcpFlags,
};
pub use state::{
    BitOperation, DetectionFilter, FlowBits, FlowInt, FlowIntOperand, FlowIntOperation, HostBits,
    HostSide, StateOperation, Tag, TagKind, TagMetric, Threshold, ThresholdKind, Track, XBits,
    XTrack,
};

use std::sync::Arc;

use crate::app::{AppProto, Heading};

/// One rule, ready to be compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Where it came from: the file as it was given, and the line (from 1) on which it begins.
    pub file: Arc<str>,
    pub line: u32,
    pub action: Action,
    pub gid: u32,
    pub sid: u32,
    pub rev: u32,
    pub msg: Box<str>,
    pub classtype: Option<Arc<ClassType>>,
    /// From `priority`, else of the class, else 3. Lower is worse; 1 to 255.
    pub priority: u8,
    /// Whether `priority` was said by the rule itself.
    pub explicit_priority: bool,
    pub references: Vec<Reference>,
    /// `metadata`, in order: key and value (empty where there was only a key).
    pub metadata: Vec<(Box<str>, Box<str>)>,
    /// Which end is the target, for the alert's `source` and `target`.
    pub target: Option<Target>,
    pub header: Header,
    pub flow: FlowOptions,
    /// The heading that packets must have, from `flow` or from buffers and keywords that there are in one
    /// heading only. `None` where both will do, and for rules of transactions (`=>`).
    pub heading: Option<Heading>,
    /// The flow must have been recognised as this: by the header, or because a buffer or keyword is of this
    /// protocol. `None` where it does not matter.
    pub app_protocol: Option<AppProto>,
    /// All must hold, of the packet.
    pub packet: Vec<PacketCondition>,
    /// `decode-event` was said: it is also about packets that cannot be decoded, which other rules do not see.
    pub decode_event: bool,
    /// All must hold, of the flow's application layer or of one transaction.
    pub app: Vec<AppCondition>,
    /// All must hold. In the order in which the rule names them first. What is in `payload`, in a packet's
    /// headers and in transactions can be told by [`Inspection::source`].
    pub inspections: Vec<Inspection>,
    /// `flowbits`, `flowint`, `xbits`, `hostbits`, in order: checks and changes.
    pub state: Vec<StateOperation>,
    pub threshold: Option<Threshold>,
    pub detection_filter: Option<DetectionFilter>,
    pub tags: Vec<Tag>,
    /// It matches without an alert.
    pub noalert: bool,
    /// `alert` was said: a rule that lets through alerts all the same.
    pub alert: bool,
    /// `filestore` was said: with its options as text (`response,flow`), empty for none.
    pub filestore: Option<Box<str>>,
    /// Names of the variables that `byte_extract` and `byte_math` set, by [`VarId`].
    pub variables: Vec<Box<str>>,
    /// `prefilter` was said: the number of the inspection or condition it stood behind is of no
    /// consequence for what matches.
    pub prefilter: bool,
}

impl Rule {
    /// The inspection of this source, where there is one.
    pub fn inspections_of(&self, source: Source) -> impl Iterator<Item = &Inspection> {
        self.inspections.iter().filter(move |inspection| inspection.source == source)
    }

    /// Whether anything is looked for in transactions.
    #[must_use]
    pub fn needs_transaction(&self) -> bool {
        self.inspections.iter().any(|i| matches!(i.source, Source::App(_)))
            || self.app.iter().any(AppCondition::is_of_transaction)
    }
}

/// What is to be done with what matches. In a shadow all but `Pass` is an alert with this word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Alert,
    /// Let through, and no alerts of rules that come after it.
    Pass,
    Drop,
    Reject,
    RejectSrc,
    RejectDst,
    RejectBoth,
    /// `accept` of firewall rules.
    Accept,
    /// `config`: no alert, only settings.
    Config,
}

/// A line of `classification.config`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClassType {
    pub name: Box<str>,
    pub description: Box<str>,
    pub priority: u8,
}

/// Where to read more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// `cve`, `url` and the like.
    pub system: Box<str>,
    pub id: Box<str>,
}

/// `target:src_ip` or `target:dest_ip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Source,
    Destination,
}
