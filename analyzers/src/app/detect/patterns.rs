//! What streams and datagrams of a protocol begin with, on whatever port.

use super::Look::{self, More, No, Yes};
use super::{Carrier, remote, text, transport};
use crate::app::{AppProto, Heading};

/// Bytes at a fixed place, and what is to be said once they are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern {
    pub(super) protocol: AppProto,
    offset: usize,
    bytes: &'static [u8],
    nocase: bool,
    /// Looks at all of it once the bytes were found; what it wants more of, it gets.
    check: Option<fn(&[u8]) -> Look>,
}

impl Pattern {
    const fn new(protocol: AppProto, bytes: &'static [u8]) -> Self {
        Self { protocol, offset: 0, bytes, nocase: false, check: None }
    }

    const fn nocase(protocol: AppProto, bytes: &'static [u8]) -> Self {
        Self { nocase: true, ..Self::new(protocol, bytes) }
    }

    const fn at(self, offset: usize) -> Self {
        Self { offset, ..self }
    }

    const fn check(self, check: fn(&[u8]) -> Look) -> Self {
        Self { check: Some(check), ..self }
    }

    pub(super) fn look(&self, head: &[u8]) -> Look {
        let there = head.get(self.offset..).unwrap_or_default();
        let len = there.len().min(self.bytes.len());
        let (there, wanted) = (&there[..len], &self.bytes[..len]);
        let equal = if self.nocase { there.eq_ignore_ascii_case(wanted) } else { there == wanted };
        match self.check {
            _ if !equal => No,
            _ if len < self.bytes.len() => More,
            None => Yes,
            Some(check) => check(head),
        }
    }
}

/// From so many bytes on no pattern can begin to fit any more, unless its check wants more.
pub(super) const fn depth(heading: Heading) -> usize {
    match heading {
        Heading::ToServer => 17,
        Heading::ToClient => 10,
    }
}

use AppProto::{BittorrentDht, Dcerpc, Ftp, Http1, Http2, Imap, Rfb, Sip, Smb, Smtp, Ssh, Tls};

/// Either way.
const BOTH: &[Pattern] = &[
    Pattern::nocase(Ssh, b"SSH-"),
    Pattern::new(Rfb, b"RFB "),
    Pattern::new(Smb, b"\xffSMB").at(4).check(remote::smb),
    Pattern::new(Smb, b"\xfeSMB").at(4).check(remote::smb),
    Pattern::new(Smb, b"\xfdSMB").at(4).check(remote::smb),
    Pattern::new(Dcerpc, b"\x05\x00").check(remote::dcerpc),
    Pattern::new(Tls, b"\x16\x03\x00"),
    Pattern::new(Tls, b"\x16\x03\x01"),
    Pattern::new(Tls, b"\x16\x03\x02"),
    Pattern::new(Tls, b"\x16\x03\x03"),
];

/// Methods that no other protocol has, as they are in requests: with a space or a tab behind.
const METHODS: &[&[u8]] = &[
    b"GET",
    b"PUT",
    b"POST",
    b"HEAD",
    b"TRACE",
    b"OPTIONS",
    b"CONNECT",
    b"DELETE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"CHECKOUT",
    b"UNCHECKOUT",
    b"CHECKIN",
    b"UPDATE",
    b"LABEL",
    b"REPORT",
    b"MKWORKSPACE",
    b"MKACTIVITY",
    b"MERGE",
    b"INVALID",
    b"VERSION-CONTROL",
    b"BASELINE-CONTROL",
];

const fn sip(method: &'static [u8]) -> Pattern {
    Pattern::new(Sip, method)
}

/// SIP shares these methods with others, so its version has to stand in the line.
const fn sip_shared(method: &'static [u8]) -> Pattern {
    Pattern::new(Sip, method).check(text::sip_request)
}

const SIP_TO_SERVER: &[Pattern] = &[
    sip(b"INVITE"),
    sip(b"BYE"),
    sip(b"CANCEL"),
    sip(b"MESSAGE"),
    sip(b"PRACK"),
    sip(b"PUBLISH"),
    sip(b"REFER"),
    sip(b"REGISTER"),
    sip_shared(b"ACK "),
    sip_shared(b"INFO "),
    sip_shared(b"NOTIFY "),
    sip_shared(b"OPTIONS "),
    sip_shared(b"SUBSCRIBE "),
    sip_shared(b"UPDATE "),
];

const TCP_TO_SERVER: &[Pattern] = &[
    Pattern::nocase(Http1, b"").check(method),
    Pattern::nocase(Smtp, b"EHLO"),
    Pattern::nocase(Smtp, b"HELO"),
    Pattern::nocase(Smtp, b"QUIT"),
    Pattern::new(Ftp, b"USER "),
    Pattern::new(Ftp, b"PASS "),
    Pattern::new(Ftp, b"PORT "),
    Pattern::new(Ftp, b"FEAT"),
    Pattern::new(Http2, b"PRI * HTTP/2.0\r\n"),
    Pattern::new(Imap, b"").check(text::imap_capability),
    Pattern::new(Tls, b"\x01\x00\x02").at(2).check(transport::sslv2),
];

const TCP_TO_CLIENT: &[Pattern] = &[
    Pattern::nocase(Http1, b"HTTP/0.9"),
    Pattern::nocase(Http1, b"HTTP/1.0"),
    Pattern::nocase(Http1, b"HTTP/1.1"),
    Pattern::new(Ftp, b"220 ("),
    Pattern::new(Sip, b"SIP/2.0 "),
    Pattern::nocase(Imap, b"* OK "),
    Pattern::nocase(Imap, b"* NO "),
    Pattern::nocase(Imap, b"* BAD "),
    Pattern::nocase(Imap, b"* LIST "),
    Pattern::nocase(Imap, b"* ESEARCH "),
    Pattern::nocase(Imap, b"* STATUS "),
    Pattern::nocase(Imap, b"* FLAGS "),
    Pattern::new(Tls, b"\x15\x03\x00"),
    Pattern::new(Tls, b"\x15\x03\x01"),
    Pattern::new(Tls, b"\x15\x03\x02"),
    Pattern::new(Tls, b"\x15\x03\x03"),
    Pattern::new(Tls, b"\x17\x03\x00"),
    Pattern::new(Tls, b"\x17\x03\x01"),
    Pattern::new(Tls, b"\x17\x03\x02"),
    Pattern::new(Tls, b"\x17\x03\x03"),
];

const UDP_BOTH: &[Pattern] = &[
    Pattern::new(BittorrentDht, b"d1:ad2:id20:"),
    Pattern::new(Dcerpc, b"\x04\x00").check(remote::dcerpc_datagram),
];

const UDP_TO_CLIENT: &[Pattern] = &[Pattern::new(Sip, b"SIP/2.0 ")];

const NONE: &[Pattern] = &[];

/// In the order in which they are tried: SIP before HTTP, whose methods some of SIP's are.
pub(super) fn of(carrier: Carrier, heading: Heading) -> impl Iterator<Item = &'static Pattern> {
    let lists = match (carrier, heading) {
        (Carrier::Tcp, Heading::ToServer) => [SIP_TO_SERVER, TCP_TO_SERVER, BOTH],
        (Carrier::Tcp, Heading::ToClient) => [TCP_TO_CLIENT, BOTH, NONE],
        (Carrier::Udp, Heading::ToServer) => [SIP_TO_SERVER, UDP_BOTH, NONE],
        (Carrier::Udp, Heading::ToClient) => [UDP_TO_CLIENT, UDP_BOTH, NONE],
    };
    lists.into_iter().flatten()
}

fn method(head: &[u8]) -> Look {
    let len = head.iter().take(depth(Heading::ToServer)).take_while(|&&b| b != b' ' && b != b'\t');
    let word = &head[..len.count()];
    if word.len() < head.len() {
        return Look::yes_if(METHODS.iter().any(|method| method.eq_ignore_ascii_case(word)));
    }
    let may_be = |method: &&[u8]| {
        method.len() >= word.len() && method[..word.len()].eq_ignore_ascii_case(word)
    };
    if METHODS.iter().any(may_be) { More } else { No }
}
