//! One rule, ready to be evaluated.

use std::sync::Arc;

use super::super::matching::{Datasets, Program, Transforms};
use super::super::rule::References;
use super::super::rule::ast::{
    Action, AppCondition, BitOperation, Direction, FlowIntOperand, FlowIntOperation, FlowOptions,
    HostSide, Match, PacketBuffer, PacketCondition, Protocol, Rule, Source, StateOperation,
    StreamPart, Target, XTrack,
};
use super::names::Names;
use crate::app::{AppProto, Buffer, Heading};
use crate::events::{MetadataEntry, Signature, SignatureAction, SignatureTarget};

/// At what a rule is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but addresses: once per flow and heading.
    IpOnly,
    /// Nothing but addresses and what the flow was recognised as: of TCP at the first packet of a heading behind
    /// that of which it became known, else at every packet.
    ProtocolOnly,
    /// Packets, and what their payload holds.
    Packet,
    /// Streams; segments only where they are in no stream.
    Stream,
    /// Streams, and segments as well.
    PacketAndStream,
    /// Transactions.
    Transaction,
}

impl Kind {
    pub(crate) const fn looks_at_streams(self) -> bool {
        matches!(self, Kind::Stream | Kind::PacketAndStream)
    }
}

/// An inspection of the payload or of a header.
#[derive(Debug)]
pub(crate) struct PacketPart {
    /// `None`: the payload.
    pub(crate) header: Option<PacketBuffer>,
    pub(crate) transforms: Option<Transforms>,
    pub(crate) program: Program,
}

/// An inspection of a transaction.
#[derive(Debug)]
pub(crate) struct AppPart {
    pub(crate) buffer: Buffer,
    /// Only what goes this way.
    pub(crate) heading: Option<Heading>,
    pub(crate) transforms: Option<Transforms>,
    pub(crate) program: Program,
}

/// A check or change of what is remembered, with names as numbers.
#[derive(Clone, Debug)]
pub(crate) enum StateOp {
    FlowBits { operation: BitOperation, bits: Vec<u32> },
    FlowInt { counter: u32, operation: FlowIntOperation, operand: Option<u32> },
    XBits { operation: BitOperation, bit: u32, track: XTrack, expire_s: u32 },
    HostBits { operation: BitOperation, bit: u32, side: HostSide },
}

/// A rule, compiled.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) rule: Rule,
    pub(crate) signature: Arc<Signature>,
    pub(crate) kind: Kind,
    pub(crate) packet_parts: Vec<PacketPart>,
    pub(crate) app_parts: Vec<AppPart>,
    /// In order.
    pub(crate) checks: Vec<StateOp>,
    pub(crate) changes: Vec<StateOp>,
    /// Looks at both headings of a transaction.
    pub(crate) both_headings: bool,
    /// Of a rule of transactions, what it wants of the stream is to be found before what it wants of the
    /// transaction. Either is found once.
    pub(crate) payload_first: bool,
    /// Asks for nothing but what frames say, which Suricata decides when it looks at a transaction in a
    /// heading for the first time: what comes later does not count.
    pub(crate) at_first_look: bool,
}

impl CompiledRule {
    pub(crate) fn compile(
        rule: Rule,
        references: &References,
        names: &mut Names,
        datasets: &mut Datasets,
    ) -> Result<Self, String> {
        let (mut packet_parts, mut app_parts) = (Vec::new(), Vec::new());
        for inspection in &rule.inspections {
            let transforms = |list: &[_]| -> Result<_, String> {
                let compiled = Transforms::compile(list)?;
                Ok((!compiled.is_empty()).then_some(compiled))
            };
            let mut program = || Program::compile(&rule, inspection, datasets);
            match inspection.source {
                // The program of what was decoded runs it.
                Source::Base64Data => {}
                Source::Payload => packet_parts.push(PacketPart {
                    header: None,
                    transforms: transforms(&inspection.transforms)?,
                    program: program()?,
                }),
                Source::Packet(header) => packet_parts.push(PacketPart {
                    header: Some(header),
                    transforms: transforms(&inspection.transforms)?,
                    program: program()?,
                }),
                Source::App(buffer) => app_parts.push(AppPart {
                    buffer,
                    heading: inspection.heading.or_else(|| only_heading(buffer)),
                    transforms: transforms(&inspection.transforms)?,
                    program: program()?,
                }),
            }
        }
        let (checks, changes) =
            rule.state.iter().map(|op| state_op(op, names)).partition(|op: &StateOp| is_check(op));
        Ok(Self {
            signature: Arc::new(signature(&rule, references)),
            kind: kind(&rule),
            packet_parts,
            app_parts,
            checks,
            changes,
            both_headings: rule.header.direction == Direction::Transaction,
            payload_first: payload_is_fast(&rule),
            at_first_look: rule.inspections.is_empty()
                && !rule.app.is_empty()
                && rule.app.iter().all(
                    |c| matches!(c, AppCondition::Number { field, .. } if field.is_of_frame()),
                ),
            rule,
        })
    }

    /// Whether it also holds for what is left of a flow: it asks for nothing but where the
    /// flow goes and what it is.
    pub(crate) fn holds_at_end(&self) -> bool {
        let rule = &self.rule;
        let FlowOptions { heading: _, state, stream, fragments } = rule.flow;
        let flow = state.is_none() && stream.is_none() && fragments.is_none();
        rule.packet.is_empty()
            && rule.app.is_empty()
            && rule.inspections.is_empty()
            && self.checks.is_empty()
            && flow
    }

    /// Whether the flow's protocol is one that the rule is about.
    pub(crate) fn is_of(&self, protocol: Option<AppProto>) -> bool {
        match (self.rule.app_protocol, protocol) {
            (None, _) => true,
            (Some(wanted), Some(known)) => {
                wanted.covers(known) || wanted == AppProto::Dcerpc && known == AppProto::Smb
            }
            (Some(_), None) => false,
        }
    }

    /// Protocols whose transactions it looks at.
    pub(crate) fn protocols(&self) -> Vec<AppProto> {
        match self.rule.app_protocol {
            Some(AppProto::Dcerpc) => vec![AppProto::Dcerpc, AppProto::Smb],
            Some(AppProto::Http) => vec![AppProto::Http1, AppProto::Http2],
            Some(protocol) => vec![protocol],
            None => CARRIERS_OF_FILES.to_vec(),
        }
    }

    /// Headings that its packets can have.
    pub(crate) fn headings(&self) -> impl Iterator<Item = Heading> + use<> {
        let wanted = self.rule.heading;
        Heading::ALL.into_iter().filter(move |&heading| wanted.is_none_or(|w| w == heading))
    }
}

/// Protocols that a rule without one may be about: those whose transactions carry files.
const CARRIERS_OF_FILES: &[AppProto] = &[
    AppProto::Http1,
    AppProto::Http2,
    AppProto::Smtp,
    AppProto::Smb,
    AppProto::FtpData,
    AppProto::Ftp,
    AppProto::Dns,
    AppProto::Tls,
    AppProto::Ssh,
    AppProto::Dcerpc,
];

/// Whether Suricata's prefilter would look for a content of the payload: one that the rule names, or any if there
/// is none but in buffers that say little.
fn payload_is_fast(rule: &Rule) -> bool {
    let of = |app: bool| {
        let inspections =
            rule.inspections.iter().filter(move |i| matches!(i.source, Source::App(_)) == app);
        inspections.flat_map(|inspection| {
            inspection.matches.iter().filter_map(|found| match found {
                Match::Content(content) => Some((inspection.source, content)),
                _ => None,
            })
        })
    };
    let says_little = |source| {
        matches!(
            source,
            Source::App(
                Buffer::HttpMethod
                    | Buffer::HttpStatCode
                    | Buffer::HttpStatMsg
                    | Buffer::HttpProtocol
            )
        )
    };
    let named = |app| of(app).any(|(_, content)| content.fast_pattern.is_some());
    named(false)
        || !named(true)
            && of(false).any(|(_, content)| !content.negated)
            && of(true).all(|(source, content)| content.negated || says_little(source))
}

fn only_heading(buffer: Buffer) -> Option<Heading> {
    match buffer.headings() {
        (true, false) => Some(Heading::ToServer),
        (false, true) => Some(Heading::ToClient),
        _ => None,
    }
}

fn is_check(op: &StateOp) -> bool {
    match op {
        StateOp::FlowBits { operation, .. }
        | StateOp::XBits { operation, .. }
        | StateOp::HostBits { operation, .. } => operation.is_check(),
        StateOp::FlowInt { operation, .. } => operation.is_check(),
    }
}

fn state_op(op: &StateOperation, names: &mut Names) -> StateOp {
    // Bits of flows, hosts and pairs do not mix: each kind has names of its own.
    match op {
        StateOperation::FlowBits(bits) => StateOp::FlowBits {
            operation: bits.operation,
            bits: bits.names.iter().map(|name| names.number(&format!("f/{name}"))).collect(),
        },
        StateOperation::FlowInt(int) => {
            use FlowIntOperation as O;
            let operand = match &int.operation {
                O::Add(o)
                | O::Subtract(o)
                | O::Set(o)
                | O::Less(o)
                | O::LessOrEqual(o)
                | O::Equal(o)
                | O::NotEqual(o)
                | O::GreaterOrEqual(o)
                | O::Greater(o) => match o {
                    FlowIntOperand::Name(name) => Some(names.number(&format!("i/{name}"))),
                    FlowIntOperand::Number(_) => None,
                },
                O::IsSet | O::IsNotSet => None,
            };
            StateOp::FlowInt {
                counter: names.number(&format!("i/{}", int.name)),
                operation: int.operation.clone(),
                operand,
            }
        }
        StateOperation::XBits(bits) => StateOp::XBits {
            operation: bits.operation,
            bit: names.number(&format!("x/{}", bits.name)),
            track: bits.track,
            expire_s: bits.expire_s,
        },
        StateOperation::HostBits(bits) => StateOp::HostBits {
            operation: bits.operation,
            bit: names.number(&format!("h/{}", bits.name)),
            side: bits.side,
        },
    }
}

/// The name as a rule writes it, of a name that [`state_op`] made.
pub(crate) fn plain(name: &Arc<str>) -> Arc<str> {
    name.get(2..).unwrap_or(name).into()
}

/// At what a rule is evaluated, as Suricata decides it.
fn kind(rule: &Rule) -> Kind {
    if rule.needs_transaction() {
        return Kind::Transaction;
    }
    let payload = rule.inspections_of(Source::Payload).next().is_some();
    if !payload {
        return if is_of_addresses(rule) {
            Kind::IpOnly
        } else if is_of_protocols(rule) {
            Kind::ProtocolOnly
        } else {
            Kind::Packet
        };
    }
    let tcp = matches!(
        rule.header.protocol,
        Protocol::Tcp | Protocol::TcpPacket | Protocol::TcpStream | Protocol::Ip | Protocol::App(_)
    );
    if !tcp {
        return Kind::Packet;
    }
    let of_packets = rule.header.protocol == Protocol::TcpPacket
        || rule.flow.stream == Some(StreamPart::Never)
        || rule.packet.iter().any(is_packet_bound);
    let of_stream =
        rule.header.protocol == Protocol::TcpStream || rule.flow.stream == Some(StreamPart::Only);
    let anchored = rule
        .inspections_of(Source::Payload)
        .flat_map(|i| &i.matches)
        .any(|found| matches!(found, Match::Content(c) if c.offset.is_some() || c.depth.is_some()));
    let sized = rule.packet.iter().any(|c| matches!(c, PacketCondition::StreamSize(_)));
    match (of_packets, of_stream) {
        (true, false) => Kind::Packet,
        (false, true) => Kind::Stream,
        (true, true) => Kind::PacketAndStream,
        (false, false) if anchored || sized => Kind::PacketAndStream,
        (false, false) => Kind::Stream,
    }
}

/// Nothing but addresses and ports, of which nothing is taken away, and what is asked of hosts.
fn is_of_addresses(rule: &Rule) -> bool {
    let state = rule.state.iter().all(|op| match op {
        StateOperation::HostBits(_) | StateOperation::XBits(_) => true,
        StateOperation::FlowBits(bits) => !bits.operation.is_check(),
        StateOperation::FlowInt(_) => false,
    });
    rule.app_protocol.is_none()
        && rule.app.is_empty()
        && rule.inspections.is_empty()
        && rule.flow == FlowOptions::default()
        && !rule.header.src.negated
        && !rule.header.dst.negated
        && rule.packet.iter().all(|condition| matches!(condition, PacketCondition::IpProto(_)))
        && state
}

/// Nothing but what the flow was recognised as.
fn is_of_protocols(rule: &Rule) -> bool {
    let state = rule.state.iter().all(|op| match op {
        StateOperation::FlowBits(bits) => bits.operation == BitOperation::Set,
        StateOperation::HostBits(_) | StateOperation::XBits(_) => true,
        StateOperation::FlowInt(_) => false,
    });
    let protocol = |condition: &PacketCondition| {
        matches!(condition, PacketCondition::AppProtocol { .. } | PacketCondition::IpProto(_))
    };
    rule.app_protocol.is_none()
        && rule.app.is_empty()
        && rule.inspections.is_empty()
        && rule.flow == FlowOptions { heading: rule.flow.heading, ..FlowOptions::default() }
        && rule.packet.iter().all(protocol)
        && rule.packet.iter().any(|c| matches!(c, PacketCondition::AppProtocol { .. }))
        && state
}

/// Conditions that only a packet can meet, so that its payload is what the rule is about.
fn is_packet_bound(condition: &PacketCondition) -> bool {
    !matches!(
        condition,
        PacketCondition::StreamSize(_)
            | PacketCondition::AppProtocol { .. }
            | PacketCondition::Variable { .. }
            | PacketCondition::FtpBounce
    )
}

fn signature(rule: &Rule, references: &References) -> Signature {
    Signature {
        gid: rule.gid,
        sid: rule.sid,
        rev: rule.rev,
        msg: rule.msg.clone(),
        category: rule.classtype.as_ref().map_or("".into(), |class| class.description.clone()),
        severity: rule.priority,
        action: match rule.action {
            Action::Alert | Action::Accept | Action::Config => SignatureAction::Alert,
            Action::Pass => SignatureAction::Pass,
            Action::Drop => SignatureAction::Drop,
            Action::Reject => SignatureAction::Reject,
            Action::RejectSrc => SignatureAction::RejectSrc,
            Action::RejectDst => SignatureAction::RejectDst,
            Action::RejectBoth => SignatureAction::RejectBoth,
        },
        metadata: MetadataEntry::group(rule.metadata.iter().map(|(key, value)| (&**key, &**value))),
        references: rule
            .references
            .iter()
            .map(|reference| {
                let url = references.url(&reference.system, &reference.id);
                url.unwrap_or_else(|| format!("undefined{}", reference.id)).into()
            })
            .collect(),
        target: rule.target.map(|target| match target {
            Target::Source => SignatureTarget::Source,
            Target::Destination => SignatureTarget::Destination,
        }),
        text: None,
    }
}

/// Whether a condition is a part of what an inspection of a transaction decides.
pub(crate) fn of_transaction(condition: &AppCondition) -> bool {
    condition.is_of_transaction()
}
