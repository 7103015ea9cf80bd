//! What of the events is written.

use std::collections::BTreeSet;

use umbra_analyzers::events::AlertDetail;

use crate::manifest::{EveType, Outputs};

/// What does not change between records.
#[derive(Debug, Clone)]
pub struct EveOptions {
    /// Names of the wires by their index, for `in_iface`; empty in a replay, which has none.
    pub wires: Vec<String>,
    /// Which records are written.
    pub types: BTreeSet<EveType>,
    /// What alerts say beside what they always say.
    pub alert: AlertOptions,
    /// Every record of a flow has its `community_id`.
    pub community_id: bool,
}

impl Default for EveOptions {
    /// Records of all types without anything that has to be asked for, wires without names.
    fn default() -> Self {
        Self {
            wires: Vec::new(),
            types: EveType::ALL.into(),
            alert: AlertOptions::default(),
            community_id: false,
        }
    }
}

impl EveOptions {
    /// What `[outputs]` asks for.
    pub fn of_manifest(outputs: &Outputs, wires: &[String]) -> Self {
        Self {
            wires: wires.to_vec(),
            types: outputs.eve_types.clone(),
            alert: outputs.eve_alert,
            community_id: outputs.eve_community_id,
        }
    }

    /// What is written where there is no manifest.
    pub fn usual() -> Self {
        Self { types: EveType::usual(), ..Self::default() }
    }
}

/// What has to be asked for in alerts. Nothing is by default, as in Suricata's stock configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertOptions {
    /// `payload`: in Base64.
    pub payload: bool,
    /// `payload_length`: how long it is, also where it was cut.
    pub payload_length: bool,
    /// `payload_printable`: what is printable of it, dots for the rest.
    pub payload_printable: bool,
    /// Bytes of a payload that are written at most.
    pub payload_bytes: u32,
    /// `packet`: the frame in Base64, and `packet_info`.
    pub packet: bool,
    /// `alert.rule`: the rule itself.
    pub rule: bool,
    /// `alert.references`.
    pub references: bool,
}

impl Default for AlertOptions {
    fn default() -> Self {
        Self {
            payload: false,
            payload_length: false,
            payload_printable: false,
            payload_bytes: 4096,
            packet: false,
            rule: false,
            references: false,
        }
    }
}

impl AlertOptions {
    /// Whether anything is said of payloads, `stream` included.
    pub(super) fn wants_payload(&self) -> bool {
        self.payload || self.payload_printable || self.payload_length
    }

    /// What the analysis has to copy for it.
    pub fn detail(&self) -> AlertDetail {
        AlertDetail {
            payload_bytes: if self.wants_payload() { self.payload_bytes } else { 0 },
            packet: self.packet,
            rule_text: self.rule,
        }
    }
}
