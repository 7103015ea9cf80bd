//! What becomes of matches: passes, thresholds, the limit per packet, and the alerts themselves.

use std::sync::Arc;

use super::super::rule::ast::Action;
use super::compiled::{Kind, plain};
use super::engine::{Engine, Matched, Sight};
use super::flow_state::FlowState;
use crate::app::{Conversation, Heading};
use crate::decode::{Transport, TunnelKind};
use crate::events::{
    AlertFlow, AlertPacket, AlertPayload, AlertSource, AlertTransaction, Event, FileInfo, FlowEnds,
    FlowInt, FlowVariables, SignatureAlert, TaggedPacket, Variable,
};
use crate::pipeline::{app_flow, ends_of, layers, objects};
use crate::profile::{Findings, Packet, PacketView};

/// The most alerts that one packet may cause: `packet-alert-max` of Suricata's stock configuration.
const MOST_ALERTS: usize = 15;

impl Engine {
    /// Makes alerts of what matched for this packet.
    pub(crate) fn finish(
        &mut self,
        sight: &Sight<'_>,
        state: &mut FlowState,
        findings: &mut Findings,
    ) {
        if self.matched.is_empty() {
            return;
        }
        let mut matched = std::mem::take(&mut self.matched);
        matched.sort_by_key(|matched| (matched.rule, matched.transaction));
        let plan = Arc::clone(&self.plan);
        let mut taken = 0;
        for matched in &matched {
            let Some(rule) = plan.base.rule(matched.rule) else { continue };
            let passes = rule.rule.action == Action::Pass;
            let silent = rule.rule.noalert || rule.rule.action == Action::Config;
            if (passes && !rule.rule.alert) || (silent && !passes) {
                if passes {
                    state.passed |= passes_flow(rule.kind, matched, sight);
                    break;
                }
                continue;
            }
            if taken == MOST_ALERTS {
                self.counters.overflow += 1;
                continue;
            }
            taken += 1;
            let limits = plan.limits.get(matched.rule as usize);
            if let Some(limits) = limits.filter(|limits| !limits.is_empty()) {
                let flow_id = sight.view.flow.map(|flow| flow.flow_id());
                let ids = (rule.rule.gid, rule.rule.sid);
                let counts = &plan.shared.limits;
                if !limits.pass(ids, sight.ends.as_ref(), flow_id, sight.now(), counts) {
                    self.counters.suppressed += 1;
                    continue;
                }
            }
            self.counters.alerts += 1;
            let alert = self.alert(matched, sight, state);
            findings.alert(sight.view.flow_id, alert);
            for tag in &rule.rule.tags {
                self.tags.begin(tag, sight.ends.as_ref(), &mut state.tag, sight.now());
            }
            if passes {
                state.passed |= passes_flow(rule.kind, matched, sight);
                break;
            }
        }
        matched.clear();
        self.matched = matched;
    }

    /// A packet that a rule asked for.
    pub(crate) fn tagged(&self, sight: &Sight<'_>, state: &FlowState, findings: &mut Findings) {
        let view = sight.view;
        let Some(packet) = view.packet else { return };
        findings.emit(Event::Tagged(Box::new(TaggedPacket {
            timestamp: view.timestamp,
            packet: alert_packet(view, packet, true),
            source: source_of(view),
            ends: ends_of_packet(sight),
            vlans: packet.decoded.vlans,
            flow: view.flow.map(|flow| {
                let parent = view.context.and_then(|context| context.parent);
                app_flow(&flow, parent, self.variables(state, &self.packet_captures))
            }),
        })));
    }

    fn alert(&self, matched: &Matched, sight: &Sight<'_>, state: &FlowState) -> SignatureAlert {
        let view = sight.view;
        let detail = &self.plan.detail;
        let signature = self.plan.base.rule(matched.rule).map(|rule| Arc::clone(&rule.signature));
        let conversation = view.conversation();
        SignatureAlert {
            timestamp: view.timestamp,
            profile: Arc::clone(&self.plan.profile),
            signature: signature.unwrap_or_default(),
            packet: view.packet.map(|packet| alert_packet(view, packet, detail.packet)),
            source: source_of(view),
            ends: ends_of_packet(sight),
            vlans: match (view.packet, view.flow) {
                (Some(packet), _) => packet.decoded.vlans,
                (None, Some(flow)) => flow.vlans(),
                (None, None) => Default::default(),
            },
            tunnel: None,
            flow: view.flow.map(|flow| AlertFlow {
                flow_id: flow.flow_id(),
                start: flow.start(),
                ends: ends_of(&flow),
                to_server: flow.to_server(),
                to_client: flow.to_client(),
                sampling: flow.sampling(),
                parent_id: view.context.and_then(|context| context.parent),
            }),
            to_server: view.heading == Heading::ToServer,
            app: conversation.map(layers).unwrap_or_default(),
            transaction: conversation
                .and_then(|c| transaction(c, matched.transaction, view.heading)),
            in_stream: matched.in_stream,
            variables: self.variables(state, &self.packet_captures),
            payload: (detail.payload_bytes > 0)
                .then(|| self.payload(matched, sight, detail.payload_bytes))
                .flatten(),
        }
    }

    /// The stream that was looked at, or the packet.
    fn payload(&self, matched: &Matched, sight: &Sight<'_>, most: u32) -> Option<AlertPayload> {
        let of_stream = sight.window.map(|window| window.bytes).filter(|_| matched.in_stream);
        let bytes = of_stream.or(sight.payload)?;
        let kept = bytes.get(..most as usize).unwrap_or(bytes);
        Some(AlertPayload { data: kept.into(), len: bytes.len() as u64 })
    }

    pub(crate) fn variables(
        &self,
        state: &FlowState,
        packet_captures: &[(Arc<str>, Vec<u8>)],
    ) -> FlowVariables {
        let names = &self.plan.base.names;
        let variable = |(name, value): &(Arc<str>, Vec<u8>)| Variable {
            name: Arc::clone(name),
            value: value.as_slice().into(),
        };
        FlowVariables {
            flowbits: state
                .vars
                .bits()
                .iter()
                .filter_map(|&bit| names.name(bit))
                .map(plain)
                .collect(),
            flowints: state
                .vars
                .ints()
                .iter()
                .filter_map(|&(counter, value)| {
                    Some(FlowInt { name: plain(names.name(counter)?), value })
                })
                .collect(),
            flowvars: state.captures.iter().map(variable).collect(),
            pktvars: packet_captures.iter().map(variable).collect(),
        }
    }
}

/// Whether a pass rule lets more through than this packet: all the rest of the flow.
fn passes_flow(kind: Kind, matched: &Matched, sight: &Sight<'_>) -> bool {
    let of_flow = matches!(kind, Kind::IpOnly | Kind::ProtocolOnly | Kind::Transaction);
    sight.view.flow_id.is_some() && (matched.in_stream || of_flow)
}

fn alert_packet(view: &PacketView<'_>, packet: &Packet<'_>, with_data: bool) -> AlertPacket {
    AlertPacket {
        number: view.number,
        wire: packet.meta.wire,
        direction: packet.meta.direction,
        data: with_data.then(|| packet.decoded.frame.into()),
        link_type: 1,
    }
}

fn ends_of_packet(sight: &Sight<'_>) -> Option<FlowEnds> {
    let ends = sight.ends?;
    Some(FlowEnds {
        src: ends.src,
        dst: ends.dst,
        src_port: ends.src_port,
        dst_port: ends.dst_port,
        protocol: ends.protocol,
        icmp: sight.view.packet.and_then(|packet| match &packet.decoded.transport {
            Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => Some((icmp.kind, icmp.code)),
            _ => None,
        }),
    })
}

fn source_of(view: &PacketView<'_>) -> AlertSource {
    let Some(packet) = view.packet else { return AlertSource::StreamEnd };
    if packet.counted_len != packet.meta.frame_len {
        return AlertSource::Defrag;
    }
    match packet.decoded.tunnels.iter().last().map(|tunnel| tunnel.kind) {
        None | Some(TunnelKind::Mpls | TunnelKind::Pppoe | TunnelKind::GtpU) => AlertSource::Frame,
        Some(TunnelKind::Gre) => AlertSource::GreTunnel,
        Some(TunnelKind::Vxlan) => AlertSource::Vxlan,
        Some(TunnelKind::Geneve) => AlertSource::Geneve,
        Some(TunnelKind::Ipv4InIpv4 | TunnelKind::Ipv6InIpv4) => AlertSource::Ipv4Tunnel,
        Some(TunnelKind::Ipv4InIpv6 | TunnelKind::Ipv6InIpv6) => AlertSource::Ipv6Tunnel,
    }
}

/// The transaction that matched.
fn transaction(
    conversation: &Conversation,
    number: Option<u64>,
    heading: Heading,
) -> Option<AlertTransaction> {
    let parser = conversation.parser()?;
    let number = number?;
    let transaction = parser.transaction(number)?;
    let to_server = heading == Heading::ToServer;
    Some(AlertTransaction {
        tx_id: number,
        guessed: false,
        progress_to_server: transaction.progress_name(Heading::ToServer),
        progress_to_client: transaction.progress_name(Heading::ToClient),
        objects: objects(parser.protocol(), transaction),
        files: transaction
            .files()
            .iter()
            .filter(|file| file.to_server == to_server)
            .map(|file| FileInfo::of(file, number))
            .collect(),
    })
}
