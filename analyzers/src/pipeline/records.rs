//! Finished transactions and files as events.

use crate::app::detect::Verdict;
use crate::app::{AppProto, Conversation, FileState, Heading, Transaction};
use crate::events::{
    AlertSource, AppFlow, AppLayers, AppObjects, AppProtoName, AppRecord, Event, FileInfo,
    FileRecord, FlowEnds, FlowVariables, Timestamp,
};
use crate::flow::FlowView;
use crate::profile::{Findings, FlowContext};

/// With what packet records are written.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) timestamp: Timestamp,
    pub(super) number: Option<u64>,
    pub(super) at_end: bool,
    /// Which way that packet goes.
    pub(super) heading: Heading,
    /// All is there that ever will be, of both headings.
    pub(super) all_came: bool,
    pub(super) defragmented: bool,
    /// What rules have noted about the flow; asked for only where a record is written.
    pub(super) variables: &'a dyn Fn() -> FlowVariables,
}

impl Origin<'_> {
    fn source(&self) -> AlertSource {
        match (self.at_end, self.defragmented) {
            (true, _) => AlertSource::StreamEnd,
            (false, true) => AlertSource::Defrag,
            (false, false) => AlertSource::Frame,
        }
    }
}

/// Writes records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recorder;

impl Recorder {
    /// Everything of a flow that is finished and was not written yet. At the flow's end all is finished.
    pub(super) fn write(
        self,
        context: &mut FlowContext,
        flow: &FlowView<'_>,
        origin: &Origin<'_>,
        findings: &mut Findings,
    ) {
        let Some(parser) = context.conversation.as_ref().and_then(Conversation::parser) else {
            return;
        };
        let protocol = parser.protocol();
        for (number, marks) in (context.first..).zip(&mut context.marks) {
            if marks.told {
                continue;
            }
            let Some(transaction) = parser.transaction(number) else { continue };
            let files = transaction.files();
            for file in files.iter().skip(marks.files) {
                // Written with the next packet in its own heading after it ended.
                let heading = Heading::to_server_if(file.to_server);
                let due = file.state != FileState::Open && heading == origin.heading;
                if !due && !origin.all_came {
                    break;
                }
                marks.files += 1;
                let ends = ends_of(flow);
                findings.emit(Event::File(Box::new(FileRecord {
                    timestamp: origin.timestamp,
                    number: origin.number,
                    source: origin.source(),
                    flow: app_flow(flow, context.parent, (origin.variables)()),
                    ends: if file.to_server { ends } else { ends.reversed() },
                    app_proto: protocol,
                    objects: objects(protocol, transaction),
                    file: FileInfo::of(file, number),
                })));
            }
            if !marks.logged && (transaction.is_ready() || origin.all_came) {
                marks.logged = true;
                if transaction.is_logged() {
                    // A message that went one way is its sender's.
                    let ends = ends_of(flow);
                    let of_client = transaction.is_looked_at(Heading::ToServer);
                    findings.emit(Event::App(Box::new(AppRecord {
                        timestamp: origin.timestamp,
                        number: origin.number,
                        source: origin.source(),
                        flow: app_flow(flow, context.parent, (origin.variables)()),
                        ends: if of_client { ends } else { ends.reversed() },
                        event_type: record_name(protocol),
                        // Streams have numbers of their own.
                        tx_id: (protocol != AppProto::Http2).then_some(number),
                        objects: objects(protocol, transaction),
                    })));
                }
            }
            marks.told = marks.logged && marks.files >= files.len();
        }
    }
}

/// What EVE calls the records of a protocol.
const fn record_name(protocol: AppProto) -> &'static str {
    match protocol {
        AppProto::FtpData => "ftp_data",
        AppProto::Http2 => "http",
        protocol => protocol.as_str(),
    }
}

/// A transaction's record under its protocol's name, and what stands beside it.
pub(crate) fn objects(protocol: AppProto, transaction: &dyn Transaction) -> AppObjects {
    let mut objects = AppObjects::new();
    objects.insert(record_name(protocol).to_owned(), transaction.record().into());
    for (name, companion) in transaction.companions() {
        objects.insert(name.to_owned(), companion.into());
    }
    objects
}

/// Both ends, from client to server.
pub(crate) fn ends_of(flow: &FlowView<'_>) -> FlowEnds {
    FlowEnds {
        src: flow.client(),
        dst: flow.server(),
        src_port: flow.client_port(),
        dst_port: flow.server_port(),
        protocol: flow.protocol(),
        icmp: None,
    }
}

/// What is known of a flow's application layer.
pub(crate) fn layers(conversation: &Conversation) -> AppLayers {
    let name = |verdict| match verdict {
        Verdict::Found(protocol) => Some(AppProtoName::Known(protocol)),
        Verdict::Failed => Some(AppProtoName::Failed),
        Verdict::Unknown => None,
    };
    let proto = name(conversation.verdict());
    // What one end says is told only beside what the flow is.
    let known = matches!(conversation.verdict(), Verdict::Found(_));
    let side =
        |heading| name(conversation.side(heading)).filter(|side| known && Some(*side) != proto);
    AppLayers {
        proto,
        to_server: side(Heading::ToServer),
        to_client: side(Heading::ToClient),
        original: conversation.original(),
        expected: conversation.expected(),
    }
}

pub(crate) fn app_flow(
    flow: &FlowView<'_>,
    parent_id: Option<u64>,
    variables: FlowVariables,
) -> AppFlow {
    AppFlow {
        flow_id: flow.flow_id(),
        wire: flow.wire(),
        vlans: flow.vlans(),
        sampling: flow.sampling(),
        parent_id,
        variables,
    }
}
