//! What is remembered from packet to packet, and what becomes of many matches.

/// A check or a change of what is remembered. Checks are done before the rest of the rule matches,
/// changes when it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StateOperation {
    FlowBits(FlowBits),
    FlowInt(FlowInt),
    XBits(XBits),
    HostBits(HostBits),
}

impl StateOperation {
    /// Whether it decides if the rule matches, rather than being done when it has.
    #[must_use]
    pub fn is_check(&self) -> bool {
        match self {
            StateOperation::FlowBits(bits) => bits.operation.is_check(),
            StateOperation::XBits(bits) => bits.operation.is_check(),
            StateOperation::HostBits(bits) => bits.operation.is_check(),
            StateOperation::FlowInt(int) => int.operation.is_check(),
        }
    }
}

/// What is done with a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitOperation {
    Set,
    Unset,
    Toggle,
    IsSet,
    IsNotSet,
}

impl BitOperation {
    #[must_use]
    pub const fn is_check(self) -> bool {
        matches!(self, BitOperation::IsSet | BitOperation::IsNotSet)
    }
}

/// `flowbits`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlowBits {
    pub operation: BitOperation,
    /// One; or several for `isset,a|b` (any of them is) and `isnotset,a|b` (any of them is not).
    pub names: Vec<Box<str>>,
}

/// `flowint`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlowInt {
    pub name: Box<str>,
    pub operation: FlowIntOperation,
}

/// What is done with a flow's number. Comparisons and `Add` need that it was set, but `Add` makes it 0
/// first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FlowIntOperation {
    Add(FlowIntOperand),
    Subtract(FlowIntOperand),
    Set(FlowIntOperand),
    Less(FlowIntOperand),
    LessOrEqual(FlowIntOperand),
    Equal(FlowIntOperand),
    NotEqual(FlowIntOperand),
    GreaterOrEqual(FlowIntOperand),
    Greater(FlowIntOperand),
    IsSet,
    IsNotSet,
}

impl FlowIntOperation {
    #[must_use]
    pub const fn is_check(&self) -> bool {
        use FlowIntOperation as O;
        !matches!(self, O::Add(_) | O::Subtract(_) | O::Set(_))
    }
}

/// A number, or another of the flow's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FlowIntOperand {
    Number(u32),
    Name(Box<str>),
}

/// `xbits`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct XBits {
    pub operation: BitOperation,
    pub name: Box<str>,
    pub track: XTrack,
    /// Seconds that it stays set; 30 if the rule says nothing.
    pub expire_s: u32,
}

/// What a bit is remembered of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XTrack {
    IpSource,
    IpDestination,
    IpPair,
    Transaction,
}

/// `hostbits`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostBits {
    pub operation: BitOperation,
    pub name: Box<str>,
    pub side: HostSide,
}

/// Whose bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostSide {
    #[default]
    Source,
    Destination,
    Both,
}

/// `threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Threshold {
    pub kind: ThresholdKind,
    pub track: Track,
    /// Above 0.
    pub count: u32,
    /// Above 0; of `Backoff` 0.
    pub seconds: u32,
}

/// Which of many matches are alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThresholdKind {
    /// Every `count`th within `seconds`.
    Threshold,
    /// The first `count` within `seconds`.
    Limit,
    /// One, at the `count`th, within `seconds`.
    Both,
    /// The `count`th, then the `count` × multiplier th, and so on.
    Backoff { multiplier: u32 },
}

/// `detection_filter`: matches only after `count` times within `seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DetectionFilter {
    pub track: Track,
    pub count: u32,
    pub seconds: u32,
}

/// Whose matches are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    BySource,
    ByDestination,
    ByBoth,
    ByRule,
    ByFlow,
}

/// `tag`: packets after the match are to be logged as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    pub kind: TagKind,
    pub count: u32,
    pub metric: TagMetric,
}

/// Whose packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TagKind {
    Session,
    /// Of the host that is the matching packet's source, else its destination.
    Host {
        source: bool,
    },
}

/// What `count` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TagMetric {
    Packets,
    Bytes,
    Seconds,
}
