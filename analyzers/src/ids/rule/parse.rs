//! One rule's text to a [`Rule`].

use std::path::Path;
use std::sync::Arc;

use super::ast::{Action, Direction, FlowOptions, Header, Hook, Protocol, Rule};
use super::builder::Builder;
use super::config::{Classification, DEFAULT_PRIORITY};
use super::keyword;
use super::problem::{Result, fail, unsupported};
use super::split;
use super::variables::Resolver;
use crate::app::{AppProto, Heading};

/// Most options that a rule may have.
const MAX_OPTIONS: usize = 4096;

/// Where a rule stands, and what it may refer to.
pub(super) struct Context<'a> {
    pub(super) file: Arc<str>,
    pub(super) folder: Option<&'a Path>,
    pub(super) classification: &'a Classification,
}

/// A rule, and what is odd about it.
pub(super) struct Parsed {
    pub(super) rule: Rule,
    pub(super) warnings: Vec<String>,
}

/// Reads a rule.
pub(super) fn parse(
    text: &str,
    line: u32,
    context: &Context<'_>,
    resolver: &mut Resolver<'_>,
) -> Result<Parsed> {
    let parts = split::parts(text)?;
    let action = action(parts.action)?;
    let options = split::options(parts.options)?;
    if options.len() > MAX_OPTIONS {
        fail!("it has {} options, {MAX_OPTIONS} are allowed", options.len());
    }
    for option in options.iter().filter(|option| option.name == "requires") {
        keyword::requires(option.value.unwrap_or("")).map_err(|problem| problem.at("requires"))?;
    }
    let (protocol, hook) = protocol(parts.protocol)?;
    let direction = match parts.direction {
        "->" => Direction::OneWay,
        "<>" => Direction::Both,
        "=>" => Direction::Transaction,
        other => fail!("the direction {other:?} must be ->, <> or =>"),
    };
    let mut end = |what: &str, address: &str, port: &str| {
        let addresses =
            resolver.addresses(address).map_err(|p| p.at(&format!("{what} address")))?;
        let ports = resolver.ports(port).map_err(|p| p.at(&format!("{what} port")))?;
        Ok((addresses, ports))
    };
    let (src, src_ports) = end("source", parts.src, parts.src_ports)?;
    let (dst, dst_ports) = end("destination", parts.dst, parts.dst_ports)?;
    let header = Header { protocol, hook, src, src_ports, direction, dst, dst_ports };
    let rule = empty(Arc::clone(&context.file), line, action, header);
    let mut builder = Builder::new(rule, context.classification, context.folder);
    for option in options {
        keyword::read(&mut builder, option)?;
    }
    let warnings = std::mem::take(&mut builder.warnings);
    let (mut rule, wanted) = builder.finish()?;
    if !rule.explicit_priority {
        rule.priority = rule.classtype.as_ref().map_or(DEFAULT_PRIORITY, |class| class.priority);
    }
    super::validate::validate(&mut rule, wanted)?;
    Ok(Parsed { rule, warnings })
}

/// The `sid` of a rule that may be wrong elsewhere.
pub(super) fn sid_of(text: &str) -> Option<u32> {
    let options = text.split_once('(').map_or("", |(_, options)| options);
    let after = options.rsplit(';').find_map(|option| option.trim().strip_prefix("sid"))?;
    let number = after.trim_start().strip_prefix(':')?;
    number.trim().parse().ok().filter(|sid| *sid > 0)
}

fn empty(file: Arc<str>, line: u32, action: Action, header: Header) -> Rule {
    Rule {
        file,
        line,
        action,
        gid: 1,
        sid: 0,
        rev: 0,
        msg: "".into(),
        classtype: None,
        priority: DEFAULT_PRIORITY,
        explicit_priority: false,
        references: Vec::new(),
        metadata: Vec::new(),
        target: None,
        header,
        flow: FlowOptions::default(),
        heading: None,
        app_protocol: None,
        packet: Vec::new(),
        decode_event: false,
        app: Vec::new(),
        inspections: Vec::new(),
        state: Vec::new(),
        threshold: None,
        detection_filter: None,
        tags: Vec::new(),
        noalert: false,
        alert: false,
        filestore: None,
        variables: Vec::new(),
        prefilter: false,
    }
}

fn action(word: &str) -> Result<Action> {
    Ok(match word {
        "alert" => Action::Alert,
        "pass" => Action::Pass,
        "drop" => Action::Drop,
        "reject" => Action::Reject,
        "rejectsrc" => Action::RejectSrc,
        "rejectdst" => Action::RejectDst,
        "rejectboth" => Action::RejectBoth,
        "config" => Action::Config,
        "accept" => unsupported!("the action accept"),
        other => fail!(
            "the action {other:?} must be alert, pass, drop, reject, rejectsrc, rejectdst, rejectboth or config"
        ),
    })
}

fn protocol(word: &str) -> Result<(Protocol, Option<Hook>)> {
    let (name, hook) = match word.split_once(':') {
        Some((name, hook)) => (name, Some(hook)),
        None => (word, None),
    };
    let protocol = match name.to_ascii_lowercase().as_str() {
        "ip" => Protocol::Ip,
        "ipv4" | "ip4" => Protocol::Ipv4,
        "ipv6" | "ip6" => Protocol::Ipv6,
        "tcp" => Protocol::Tcp,
        "tcp-pkt" => Protocol::TcpPacket,
        "tcp-stream" => Protocol::TcpStream,
        "udp" => Protocol::Udp,
        "icmp" => Protocol::Icmp,
        "icmpv4" => Protocol::Icmpv4,
        "icmpv6" => Protocol::Icmpv6,
        "sctp" => Protocol::Sctp,
        "pkthdr" => Protocol::PacketHeader,
        other => match keyword::app_protocol(other) {
            Some(protocol) => Protocol::App(protocol),
            None if keyword::app_protocol_is_known(other) => unsupported!("the protocol {other}"),
            None => fail!("there is no protocol {other:?}"),
        },
    };
    let hook = hook.map(|hook| hook_of(protocol, hook)).transpose()?;
    Ok((protocol, hook))
}

/// Where in a packet's or transaction's life a rule may be evaluated.
fn hook_of(protocol: Protocol, hook: &str) -> Result<Hook> {
    const PACKET: [&str; 4] = ["flow_start", "pre_flow", "pre_stream", "all"];
    let generic = ["request_started", "request_complete", "response_started", "response_complete"];
    let own: &[&str] = match protocol {
        Protocol::App(AppProto::Http1) => &[
            "request_line",
            "request_headers",
            "request_body",
            "request_trailer",
            "response_line",
            "response_headers",
            "response_body",
            "response_trailer",
        ],
        Protocol::App(AppProto::Tls) => &[
            "client_in_progress",
            "client_hello_done",
            "client_cert_done",
            "client_handshake_done",
            "client_finished",
            "server_in_progress",
            "server_hello",
            "server_cert_done",
            "server_hello_done",
            "server_handshake_done",
            "server_finished",
        ],
        Protocol::App(AppProto::Ssh) => &[
            "request_in_progress",
            "request_banner_wait_eol",
            "request_banner_done",
            "request_finished",
            "response_in_progress",
            "response_banner_wait_eol",
            "response_banner_done",
            "response_finished",
        ],
        _ => &[],
    };
    let known = match protocol {
        Protocol::App(_) => generic.contains(&hook) || own.contains(&hook),
        _ => PACKET.contains(&hook),
    };
    if !known {
        fail!("the protocol has no hook {hook:?}");
    }
    let to_server = ["request", "client"].iter().any(|side| hook.starts_with(side));
    let heading = matches!(protocol, Protocol::App(_)).then(|| Heading::to_server_if(to_server));
    Ok(Hook { name: hook.into(), heading })
}
