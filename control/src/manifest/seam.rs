//! Words that belong to the tap and to the wire, as a manifest uses them.

/// A percentage from 0.0 to 100.0.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percentage(pub f64);

/// What is selected together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select {
    /// Both directions of a flow.
    Flow,
    /// All traffic of a host.
    Host,
    /// Each packet for itself.
    Packet,
}

/// Which header of a tunnel the flow is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnel {
    /// The innermost.
    Inner,
    /// The outermost.
    Outer,
}

/// What makes a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowKeyMode {
    /// Addresses, ports and protocol.
    FiveTuple,
    /// Addresses and protocol.
    Hosts,
}

impl Percentage {
    /// Checks the range.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=100.0).contains(&value).then_some(Self(value))
    }

    /// Reads a decimal number.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new)
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}
