//! All rules, compiled and grouped: immutable, shared by all instances of a profile.
//!
//! Most rules say what bytes must be there. The best of those of each rule are looked for in all traffic at
//! once, with one database per carrier and heading for packets, one per heading for streams, and one per
//! buffer, heading and transforms for transactions. Only rules whose bytes were found are evaluated, and those
//! few that name none.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use umbra_hs::{HsError, Scratch};

use super::super::matching::{Datasets, FastLiteral, Transforms, fast_literal, strength};
use super::super::rule::ast::{AppCondition, Inspection, Protocol, Rule, Source, Transform};
use super::super::rule::{References, RuleError, RuleErrorKind};
use super::addresses::AddressRules;
use super::compiled::{CompiledRule, Kind};
use super::conditions::Ends;
use super::gate::Gate;
use super::names::Names;
use super::order;
use super::prefilter::{ByPorts, Literals, PortedLiterals, Prefilter};
use crate::app::{AppProto, Buffer, Heading};

/// Index of a rule; also its place in the order of evaluation.
pub(crate) type RuleIndex = u32;

/// What carries a packet's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadCarrier {
    Tcp,
    Udp,
    Other,
}

impl PayloadCarrier {
    const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Other];

    fn of(protocol: Protocol) -> &'static [Self] {
        match protocol {
            Protocol::Tcp | Protocol::TcpPacket | Protocol::TcpStream => &[Self::Tcp],
            Protocol::Udp => &[Self::Udp],
            Protocol::Icmp | Protocol::Icmpv4 | Protocol::Icmpv6 | Protocol::Sctp => &[Self::Other],
            Protocol::App(AppProto::Dns | AppProto::Dcerpc) => &[Self::Tcp, Self::Udp],
            Protocol::App(_) => &[Self::Tcp],
            Protocol::Ip | Protocol::Ipv4 | Protocol::Ipv6 | Protocol::PacketHeader => &Self::ALL,
        }
    }
}

/// A buffer that rules look at, with the literals that they look for in it.
#[derive(Debug)]
pub(crate) struct BufferGroup {
    pub(crate) buffer: Buffer,
    pub(crate) transforms: Option<Transforms>,
    pub(crate) prefilter: Prefilter,
}

/// What rules want of a protocol's transactions in one heading.
#[derive(Debug, Default)]
pub(crate) struct AppGroup {
    pub(crate) buffers: Vec<BufferGroup>,
    /// Rules that name no bytes.
    pub(crate) always: Vec<RuleIndex>,
}

/// Which part of a rule its prefilter is of.
enum Sought {
    App(Buffer, Option<Heading>, Vec<Transform>, FastLiteral),
    None,
}

/// All rules.
#[derive(Debug)]
pub(crate) struct RuleBase {
    pub(crate) rules: Vec<CompiledRule>,
    pub(crate) names: Names,
    /// Rules of addresses alone.
    pub(crate) ip_only: AddressRules,
    /// By rule.
    gates: Vec<Gate>,
    pub(crate) protocol_only: Vec<RuleIndex>,
    /// By carrier and heading.
    packet: [[ByPorts; 2]; 3],
    packet_always: [[Vec<RuleIndex>; 2]; 3],
    /// Rules that look at what is odd about packets that are otherwise left out.
    pub(crate) decode_events: Vec<RuleIndex>,
    stream: [ByPorts; 2],
    stream_always: [Vec<RuleIndex>; 2],
    /// By protocol and heading.
    app: HashMap<(AppProto, Heading), AppGroup>,
    /// To be cloned for each thread.
    scratch: Mutex<Option<Scratch>>,
}

impl RuleBase {
    /// Compiles rules. Those that do not compile are left out and told.
    ///
    /// # Errors
    ///
    /// If vectorscan cannot be used on this machine.
    pub(crate) fn new(
        mut rules: Vec<Rule>,
        references: &References,
        datasets: &mut Datasets,
    ) -> Result<(Self, Vec<RuleError>), HsError> {
        umbra_hs::supported()?;
        order::sort(&mut rules);
        let (mut names, mut errors) = (Names::default(), Vec::new());
        let mut compiled = Vec::with_capacity(rules.len());
        for rule in rules {
            let (file, line, sid) = (rule.file.clone(), rule.line, rule.sid);
            match CompiledRule::compile(rule, references, &mut names, datasets) {
                Ok(rule) => compiled.push(rule),
                Err(reason) => errors.push(RuleError {
                    file,
                    line,
                    sid: Some(sid),
                    kind: RuleErrorKind::Failed,
                    reason,
                }),
            }
        }
        Ok((Self::group(compiled, names)?, errors))
    }

    fn group(rules: Vec<CompiledRule>, names: Names) -> Result<Self, HsError> {
        let mut packet: [[PortedLiterals; 2]; 3] = Default::default();
        let mut packet_always: [[Vec<RuleIndex>; 2]; 3] = Default::default();
        let mut stream: [PortedLiterals; 2] = Default::default();
        let mut stream_always: [Vec<RuleIndex>; 2] = Default::default();
        let mut protocol_only = Vec::new();
        let mut decode_events = Vec::new();
        let mut app = AppLiterals::default();
        for (index, compiled) in (0..).zip(&rules) {
            let rule = &compiled.rule;
            match compiled.kind {
                // By address.
                Kind::IpOnly => {}
                Kind::ProtocolOnly => protocol_only.push(index),
                Kind::Transaction => app.add(index, compiled),
                Kind::Packet | Kind::Stream | Kind::PacketAndStream => {
                    if rule.decode_event {
                        decode_events.push(index);
                        continue;
                    }
                    let (literal, gate) = (payload_literal(rule), Gate::of(rule));
                    for heading in compiled.headings() {
                        let side = heading.index();
                        for &carrier in PayloadCarrier::of(rule.header.protocol) {
                            // Segments outside of streams are held against the stream's rules as well.
                            if carrier == PayloadCarrier::Tcp && compiled.kind == Kind::Stream {
                                continue;
                            }
                            match &literal {
                                Some(literal) => {
                                    packet[carrier as usize][side].add(
                                        literal.clone(),
                                        index,
                                        gate,
                                    );
                                }
                                None => packet_always[carrier as usize][side].push(index),
                            }
                        }
                        if compiled.kind.looks_at_streams() {
                            match &literal {
                                Some(literal) => stream[side].add(literal.clone(), index, gate),
                                None => stream_always[side].push(index),
                            }
                        }
                    }
                }
            }
        }
        let of_addresses = (0..).zip(&rules).filter(|(_, rule)| rule.kind == Kind::IpOnly);
        let mut base = Self {
            ip_only: AddressRules::new(
                of_addresses.map(|(index, rule)| (index, &rule.rule.header)),
            ),
            gates: rules.iter().map(|rule| Gate::of(&rule.rule)).collect(),
            rules,
            names,
            protocol_only,
            packet: Default::default(),
            packet_always,
            decode_events,
            stream: Default::default(),
            stream_always,
            app: app.build()?,
            scratch: Mutex::new(None),
        };
        let mut scratch = None;
        for (built, literals) in base.packet.iter_mut().zip(packet) {
            for ((built, literals), heading) in built.iter_mut().zip(literals).zip(Heading::ALL) {
                *built = literals.build(heading)?;
                built.fit(&mut scratch)?;
            }
        }
        for ((built, literals), heading) in base.stream.iter_mut().zip(stream).zip(Heading::ALL) {
            *built = literals.build(heading)?;
            built.fit(&mut scratch)?;
        }
        for group in base.app.values().flat_map(|group| &group.buffers) {
            group.prefilter.fit(&mut scratch)?;
        }
        base.scratch = Mutex::new(scratch);
        Ok(base)
    }

    /// What one thread scans with; `None` where there is nothing to scan for.
    pub(crate) fn scratch(&self) -> Result<Option<Scratch>, HsError> {
        let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        scratch.as_ref().map(Scratch::try_clone).transpose()
    }

    pub(crate) fn rule(&self, index: RuleIndex) -> Option<&CompiledRule> {
        self.rules.get(index as usize)
    }

    /// What stands before a rule.
    #[inline]
    pub(crate) fn gate(&self, rule: RuleIndex) -> Gate {
        self.gates.get(rule as usize).copied().unwrap_or_default()
    }

    /// What to look for in a packet's payload.
    pub(crate) fn packet(
        &self,
        carrier: PayloadCarrier,
        heading: Heading,
        ends: Option<&Ends>,
    ) -> &Prefilter {
        self.packet[carrier as usize][heading.index()].of(ends)
    }

    pub(crate) fn packet_always(&self, carrier: PayloadCarrier, heading: Heading) -> &[RuleIndex] {
        &self.packet_always[carrier as usize][heading.index()]
    }

    /// What to look for in a stream.
    pub(crate) fn stream(&self, heading: Heading, ends: Option<&Ends>) -> &Prefilter {
        self.stream[heading.index()].of(ends)
    }

    pub(crate) fn stream_always(&self, heading: Heading) -> &[RuleIndex] {
        &self.stream_always[heading.index()]
    }

    pub(crate) fn app(&self, protocol: AppProto, heading: Heading) -> Option<&AppGroup> {
        self.app.get(&(protocol, heading))
    }

    /// Whether some rule looks at such a buffer.
    pub(crate) fn looks_at(&self, wanted: impl Fn(Buffer) -> bool) -> bool {
        self.rules.iter().flat_map(|rule| &rule.app_parts).any(|part| wanted(part.buffer))
    }

    /// Bytes of all databases.
    pub(crate) fn database_bytes(&self) -> usize {
        let packet = self.packet.iter().flatten();
        let app = self.app.values().flat_map(|g| g.buffers.iter().map(|b| &b.prefilter));
        packet
            .chain(&self.stream)
            .flat_map(ByPorts::prefilters)
            .chain(app)
            .map(Prefilter::database_bytes)
            .sum()
    }
}

type BufferKey = (AppProto, Heading, Buffer, Vec<Transform>);

#[derive(Default)]
struct AppLiterals {
    buffers: HashMap<BufferKey, Literals>,
    always: HashMap<(AppProto, Heading), Vec<RuleIndex>>,
}

impl AppLiterals {
    fn add(&mut self, index: RuleIndex, compiled: &CompiledRule) {
        let rule = &compiled.rule;
        let gate = app_literal(rule);
        for protocol in compiled.protocols() {
            for heading in compiled.headings() {
                match &gate {
                    Sought::App(buffer, only, transforms, literal)
                        if has(*buffer, heading) && only.is_none_or(|only| only == heading) =>
                    {
                        let key = (protocol, heading, *buffer, transforms.clone());
                        self.buffers.entry(key).or_default().add(literal.clone(), index);
                    }
                    // It looks at nothing in this heading that its literal could be in.
                    Sought::App(..) => {}
                    Sought::None => {
                        self.always.entry((protocol, heading)).or_default().push(index);
                    }
                }
            }
        }
    }

    fn build(self) -> Result<HashMap<(AppProto, Heading), AppGroup>, HsError> {
        let mut groups: HashMap<(AppProto, Heading), AppGroup> = HashMap::new();
        for (key, always) in self.always {
            groups.entry(key).or_default().always = always;
        }
        let mut buffers: Vec<_> = self.buffers.into_iter().collect();
        buffers.sort_by_key(|((_, _, buffer, transforms), _)| (*buffer, transforms.len()));
        for ((protocol, heading, buffer, transforms), literals) in buffers {
            let transforms = match Transforms::compile(&transforms) {
                Ok(transforms) if transforms.is_empty() => None,
                Ok(transforms) => Some(transforms),
                // The rule itself did not compile, either.
                Err(_) => continue,
            };
            groups.entry((protocol, heading)).or_default().buffers.push(BufferGroup {
                buffer,
                transforms,
                prefilter: literals.build()?,
            });
        }
        Ok(groups)
    }
}

fn has(buffer: Buffer, heading: Heading) -> bool {
    let (to_server, to_client) = buffer.headings();
    if heading == Heading::ToServer { to_server } else { to_client }
}

/// The best literal of inspections, or the one that the rule names.
fn best<'r>(
    inspections: impl Iterator<Item = &'r Inspection>,
) -> Option<(&'r Inspection, FastLiteral)> {
    let mut best: Option<(&Inspection, FastLiteral, bool)> = None;
    for inspection in inspections {
        let Some((literal, explicit)) = fast_literal(inspection) else { continue };
        let better = match &best {
            None => true,
            Some((_, _, true)) => false,
            Some((_, known, false)) => explicit || strength(&literal) > strength(known),
        };
        if better {
            best = Some((inspection, literal, explicit));
        }
    }
    best.map(|(inspection, literal, _)| (inspection, literal))
}

/// Of a payload without transforms: what is looked for stands in it as it is.
fn payload_literal(rule: &Rule) -> Option<FastLiteral> {
    let plain = rule.inspections_of(Source::Payload).filter(|i| i.transforms.is_empty());
    best(plain).map(|(_, literal)| literal)
}

fn app_literal(rule: &Rule) -> Sought {
    let of_app = rule.inspections.iter().filter(|i| match i.source {
        Source::App(_) => true,
        Source::Payload | Source::Packet(_) | Source::Base64Data => false,
    });
    // In a rule of both headings any part may come first; the one with the literal waits for the others.
    match best(of_app) {
        Some((inspection, literal)) => match inspection.source {
            Source::App(buffer) => {
                Sought::App(buffer, inspection.heading, inspection.transforms.clone(), literal)
            }
            _ => Sought::None,
        },
        None => Sought::None,
    }
}

/// Whether anything about a rule is decided by files.
pub(crate) fn is_of_files(rule: &Rule) -> bool {
    rule.inspections
        .iter()
        .any(|i| matches!(i.source, Source::App(Buffer::FileData | Buffer::FileName)))
        || rule
            .app
            .iter()
            .any(|c| matches!(c, AppCondition::FileSize(_) | AppCondition::FileHash { .. }))
}
