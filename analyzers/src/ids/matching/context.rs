//! What a run looks at, and what it remembers from one inspection of a rule to the next.

use std::sync::Arc;

use crate::ids::rule::ast::{CaptureKind, Value, VarId};

/// A buffer as it is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    /// Nothing more will come behind `bytes`.
    pub(crate) complete: bool,
    /// How far `bytes` begins behind the buffer's beginning, from which `offset` and `depth` count.
    pub(crate) offset: u64,
}

/// A group of an expression that a rule wants saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) kind: CaptureKind,
    pub(crate) name: Arc<str>,
    pub(crate) value: Vec<u8>,
}

/// Scratch of a thread, and the state of the rule that is being evaluated.
#[derive(Debug, Default)]
pub(crate) struct MatchContext {
    /// By [`VarId`].
    variables: Vec<u64>,
    /// What `base64_decode` made; its room is kept from rule to rule.
    base64: Vec<u8>,
    decoded: bool,
    /// The rule's inspections of `base64` have been found to hold.
    base64_holds: bool,
    captures: Vec<Captured>,
    dce_little_endian: bool,
}

impl MatchContext {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Forgets what the rule before left: variables, captures, what was decoded.
    pub(crate) fn begin_rule(&mut self, variables: usize) {
        self.variables.clear();
        self.variables.resize(variables, 0);
        self.base64.clear();
        self.decoded = false;
        self.base64_holds = false;
        self.captures.clear();
    }

    /// What the order `dce` means, from the header of the PDU.
    pub(crate) fn set_dce_little_endian(&mut self, little: bool) {
        self.dce_little_endian = little;
    }

    /// What `base64_decode` of this rule made.
    pub(crate) fn base64(&self) -> Option<&[u8]> {
        self.decoded.then_some(&self.base64[..])
    }

    /// What expressions saved since [`begin_rule`](Self::begin_rule).
    pub(crate) fn take_captures(&mut self) -> Vec<Captured> {
        std::mem::take(&mut self.captures)
    }

    pub(super) fn is_dce_little_endian(&self) -> bool {
        self.dce_little_endian
    }

    pub(super) fn variable(&self, id: VarId) -> u64 {
        self.variables.get(usize::from(id.0)).copied().unwrap_or(0)
    }

    pub(super) fn set_variable(&mut self, id: VarId, value: u64) {
        if let Some(variable) = self.variables.get_mut(usize::from(id.0)) {
            *variable = value;
        }
    }

    /// A number of the rule, or as much of a variable as fits: Suricata keeps the low 32 bits.
    pub(super) fn value<T: Copy + Into<i64>>(&self, value: Value<T>) -> i64 {
        match value {
            Value::Constant(n) => n.into(),
            Value::Variable(id) => i64::from(self.variable(id) as u32),
        }
    }

    /// The buffer for what is decoded, to be given back with [`set_base64`](Self::set_base64).
    pub(super) fn take_base64(&mut self) -> Vec<u8> {
        self.decoded = false;
        self.base64_holds = false;
        std::mem::take(&mut self.base64)
    }

    pub(super) fn set_base64(&mut self, bytes: Vec<u8>, decoded: bool, holds: bool) {
        self.base64 = bytes;
        self.decoded = decoded;
        self.base64_holds = holds;
    }

    pub(super) fn base64_holds(&self) -> bool {
        self.base64_holds
    }

    /// Saves a group; what was saved under the name before is replaced.
    pub(super) fn capture(&mut self, kind: CaptureKind, name: &Arc<str>, value: &[u8]) {
        let before = self.captures.iter_mut().find(|c| c.kind == kind && c.name == *name);
        match before {
            Some(captured) => {
                captured.value.clear();
                captured.value.extend_from_slice(value);
            }
            None => {
                let (name, value) = (Arc::clone(name), value.to_vec());
                self.captures.push(Captured { kind, name, value });
            }
        }
    }
}
