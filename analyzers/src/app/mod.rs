//! Application layers: what is inside streams and datagrams.
//!
//! One folder per protocol, one [`Parser`] each. A parser is fed what a flow's two ends say, in order
//! and without holes (or with holes that it is told of), and makes [`Transaction`]s of it: an HTTP
//! request with its response, a DNS message, a TLS handshake. Rules look at a transaction's
//! [`Buffer`]s and numbers, outputs at its record. Parsers know neither.
//!
//! A parser holds on to what it needs of an unfinished message and bounds that; it never fails for good
//! on bad input where a real peer would go on, and says what was odd as [events](Transaction::events).
//! It must give the same transactions however the bytes were cut.

mod backlog;
mod buffer;
mod conversation;
pub mod dcerpc;
pub mod detect;
pub mod dns;
mod files;
pub mod ftp;
mod heading;
pub mod http;
pub mod http2;
pub mod smb;
pub mod smtp;
pub mod ssh;
mod text;
pub mod tls;

pub use buffer::Buffer;
pub use conversation::{Conversation, ConversationConfig};
pub use files::FILE_DATA_LIMIT;
pub use heading::Heading;

use std::net::IpAddr;

use crate::events::Timestamp;

/// Application protocols that have a name here. The names are Suricata's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppProto {
    /// HTTP/0.9 to 1.1; `http` in EVE and `http1` in rules.
    Http1,
    /// DNS over UDP or TCP.
    Dns,
    /// TLS and SSLv2/3.
    Tls,
    /// SSH.
    Ssh,
    /// SMTP.
    Smtp,
    /// The control connection.
    Ftp,
    /// A data connection that a control connection announced.
    FtpData,
    /// SMB 1 to 3.
    Smb,
    /// DCE/RPC without SMB.
    Dcerpc,
    /// HTTP/2.
    Http2,
    /// HTTP of any version: what rules mean with `http`. No flow is recognised as this.
    Http,
    // What follows is recognised at most, and not parsed.
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// RDP.
    Rdp,
    /// MQTT.
    Mqtt,
    /// QUIC, and what Google called so before.
    Quic,
    /// SIP.
    Sip,
    /// SNMP.
    Snmp,
    /// Kerberos 5.
    Krb5,
    /// NTP.
    Ntp,
    /// DHCP and BOOTP.
    Dhcp,
    /// TFTP.
    Tftp,
    /// NFS.
    Nfs,
    /// IKE.
    Ike,
    /// RFB, which VNC speaks.
    Rfb,
    /// Telnet.
    Telnet,
    /// BitTorrent's distributed hash table.
    BittorrentDht,
    /// LDAP.
    Ldap,
    /// WebSocket.
    Websocket,
    /// Multicast DNS.
    Mdns,
    /// DNS over HTTP/2.
    Doh2,
    /// PostgreSQL.
    Pgsql,
    /// Modbus/TCP.
    Modbus,
    /// DNP3.
    Dnp3,
    /// EtherNet/IP.
    Enip,
}

impl AppProto {
    /// The word that EVE's `app_proto` uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            AppProto::Http1 | AppProto::Http => "http",
            AppProto::Dns => "dns",
            AppProto::Tls => "tls",
            AppProto::Ssh => "ssh",
            AppProto::Smtp => "smtp",
            AppProto::Ftp => "ftp",
            AppProto::FtpData => "ftp-data",
            AppProto::Smb => "smb",
            AppProto::Dcerpc => "dcerpc",
            AppProto::Http2 => "http2",
            AppProto::Imap => "imap",
            AppProto::Pop3 => "pop3",
            AppProto::Rdp => "rdp",
            AppProto::Mqtt => "mqtt",
            AppProto::Quic => "quic",
            AppProto::Sip => "sip",
            AppProto::Snmp => "snmp",
            AppProto::Krb5 => "krb5",
            AppProto::Ntp => "ntp",
            AppProto::Dhcp => "dhcp",
            AppProto::Tftp => "tftp",
            AppProto::Nfs => "nfs",
            AppProto::Ike => "ike",
            AppProto::Rfb => "rfb",
            AppProto::Telnet => "telnet",
            AppProto::BittorrentDht => "bittorrent-dht",
            AppProto::Ldap => "ldap",
            AppProto::Websocket => "websocket",
            AppProto::Mdns => "mdns",
            AppProto::Doh2 => "doh2",
            AppProto::Pgsql => "pgsql",
            AppProto::Modbus => "modbus",
            AppProto::Dnp3 => "dnp3",
            AppProto::Enip => "enip",
        }
    }

    /// Whether what rules say with this is true of a flow that was recognised as `known`.
    #[must_use]
    pub fn covers(self, known: Self) -> bool {
        self == known || self == Self::Http && matches!(known, Self::Http1 | Self::Http2)
    }
}

/// Why a flow's parser gave up: from then on the flow is only a stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ParseError {
    /// What was wrong, for the log.
    pub reason: &'static str,
}

/// Turns what a flow's two ends say into transactions.
pub trait Parser: Send + std::fmt::Debug {
    /// Which protocol.
    fn protocol(&self) -> AppProto;

    /// The next bytes of a stream, never empty; or a datagram, whole. All of it is taken.
    ///
    /// # Errors
    ///
    /// When nothing more can be made of this flow. What transactions there are stay.
    fn data(&mut self, heading: Heading, data: &[u8], now: Timestamp) -> Result<(), ParseError>;

    /// Bytes of a stream that will never come. By default that is the end of parsing.
    ///
    /// # Errors
    ///
    /// As for [`data`](Self::data).
    fn gap(&mut self, _heading: Heading, _len: u64, _now: Timestamp) -> Result<(), ParseError> {
        Err(ParseError { reason: "a gap in the stream" })
    }

    /// Nothing will follow in this heading: the stream was closed, reset or timed out.
    fn end(&mut self, heading: Heading, now: Timestamp);

    /// Number of the first transaction that is still held.
    fn first(&self) -> u64;

    /// Number of the transaction that will be made next: those in `first()..next()` are held.
    fn next(&self) -> u64;

    /// A transaction that is held.
    fn transaction(&self, number: u64) -> Option<&dyn Transaction>;

    /// Every transaction before `number` has been inspected and logged: forget them.
    fn release(&mut self, number: u64);

    /// This one has, while others before it have not: it need not be held any longer.
    fn forget(&mut self, _number: u64) {}

    /// The stream goes on in another protocol: CONNECT, STARTTLS, an upgrade.
    fn switch(&mut self) -> Option<Switch> {
        None
    }

    /// What was given to it and belongs to what it [switched](Self::switch) to, by heading.
    fn left_over(&mut self) -> [Vec<u8>; 2] {
        Default::default()
    }

    /// The request that an upgrade to HTTP/2 answers.
    fn upgraded(&mut self) -> Option<Upgraded> {
        None
    }

    /// What it said the stream would [switch](Self::switch) to did not follow; it goes on as before.
    fn switch_failed(&mut self) {}

    /// A connection that was announced and not yet told of.
    fn expected(&mut self) -> Option<Expected> {
        None
    }

    /// Whether [`ended_messages`](Self::ended_messages) says when rules are to look at the streams, rather than that
    /// a transaction ended.
    fn tells_messages(&self) -> bool {
        false
    }

    /// In which headings a message ended since this was asked last.
    fn ended_messages(&mut self) -> [bool; 2] {
        [false; 2]
    }

    /// How many of the bytes that it was given last in a heading belong to a message that is not over; `None` if
    /// it does not know.
    fn unfinished(&self, _heading: Heading) -> Option<u64> {
        None
    }

    /// Both ends encrypt from here on: the bytes of the streams are of no interest any more.
    fn is_encrypted(&self) -> bool {
        false
    }

    /// Bytes held, for the accounts of memory.
    fn memory_bytes(&self) -> usize;
}

/// What a stream goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// This one, from the next byte on in both headings.
    To(AppProto),
    /// It is to be recognised again, as at its beginning.
    Detect,
}

/// A request of HTTP/1 that is answered in HTTP/2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgraded {
    /// As sent.
    pub method: Vec<u8>,
    /// As sent.
    pub uri: Vec<u8>,
    /// Names and values of its header fields.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A connection between the same two hosts that one of them announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Where it goes to, as said; behind address translation that may be another one than the host's.
    pub address: Option<IpAddr>,
    /// The port it goes to.
    pub port: u16,
    /// Which way its first packet goes in terms of the connection that it was announced on.
    pub opens: Heading,
    /// Which way its contents go in its own terms.
    pub heading: Heading,
    /// What it carries.
    pub protocol: AppProto,
    /// What it is for: `RETR`.
    pub command: &'static str,
    /// The file's name, where it is a file.
    pub file_name: Option<Vec<u8>>,
}

/// One exchange, or one message where a protocol has no exchanges.
pub trait Transaction {
    /// How far it has come in a heading: 0 nothing yet, up to [`COMPLETE`]. The stages between are the
    /// protocol's; they only rise. A buffer can be looked at from its
    /// [`stage`](Self::stage) on.
    fn progress(&self, heading: Heading) -> u8;

    /// Whether rules look at it in a heading: a message that went one way is nothing in the other.
    fn is_looked_at(&self, _heading: Heading) -> bool {
        true
    }

    /// From which stage on a buffer is worth looking at. Of buffers that grow (bodies, files) the first at
    /// which there may be something.
    fn stage(&self, buffer: Buffer, heading: Heading) -> u8;

    /// The `index`th of a buffer in a heading; `None` where there are not that many, or it is not there
    /// yet. Of those that are not [multiple](Buffer::is_multiple) there is only index 0.
    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>>;

    /// A number that rules can compare: `dns.opcode`.
    fn number(&self, _field: Field, _heading: Heading) -> Option<u64> {
        None
    }

    /// The interfaces that a DCE/RPC request goes to, for `dcerpc.iface`: those that the server accepted
    /// under the number that the request names. At most a few; none in what is no request.
    fn interfaces(&self) -> &[dcerpc::Interface] {
        &[]
    }

    /// The order of bytes that the sender of a DCE/RPC unit announced, for numbers of rules with `dce`.
    fn is_little_endian(&self) -> bool {
        true
    }

    /// The `index`th of a number that there can be several of: types of records. A rule wants one of them.
    fn number_at(&self, field: Field, heading: Heading, index: usize) -> Option<u64> {
        if index == 0 { self.number(field, heading) } else { None }
    }

    /// The address that FTP's PORT announced, for `ftpbounce`: it should be the client's.
    fn announced(&self) -> Option<IpAddr> {
        None
    }

    /// Rises when something came that is no stage, no part of a body and no event.
    fn revision(&self) -> u64 {
        0
    }

    /// What was odd, under Suricata's `app-layer-event` names such as `http.missing_host_header`. Only
    /// ever grows.
    fn events(&self) -> &[&'static str];

    /// The object of its EVE record, Suricata's keys and shape, once it is finished (or as far as it
    /// came, for an alert's `http` object and the like).
    fn record(&self) -> serde_json::Map<String, serde_json::Value>;

    /// Objects that stand beside its own in EVE records, under their keys: `email` beside `smtp`.
    fn companions(&self) -> Vec<(&'static str, serde_json::Map<String, serde_json::Value>)> {
        Vec::new()
    }

    /// How far it has come in a heading, in the words of EVE (`ts_progress`, `tc_progress`) and of rules'
    /// hooks, for protocols that have such.
    fn progress_name(&self, _heading: Heading) -> Option<&'static str> {
        None
    }

    /// Whether its record can be written: most often once both headings are complete. What comes later is
    /// not in it.
    fn is_ready(&self) -> bool {
        Heading::ALL.iter().all(|&heading| self.progress(heading) == COMPLETE)
    }

    /// Whether its record is written once it is ready. There are those that only rules look at.
    fn is_logged(&self) -> bool {
        true
    }

    /// Files that are carried, in order of their beginning.
    fn files(&self) -> &[File] {
        &[]
    }
}

/// The last stage of [`Transaction::progress`].
pub const COMPLETE: u8 = u8::MAX;

/// Bytes of a buffer as far as they are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferView<'a> {
    /// What can be looked at.
    pub bytes: &'a [u8],
    /// Where `bytes` begins in the whole; above 0 where the beginning was dropped.
    pub offset: u64,
    /// Nothing will be added.
    pub complete: bool,
}

impl<'a> BufferView<'a> {
    /// A buffer that is whole.
    #[must_use]
    pub const fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, complete: true }
    }
}

/// Numbers of transactions that rules can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `dns.opcode`
    DnsOpcode,
    /// `dns.rcode`
    DnsRcode,
    /// `dns.rrtype` of the query.
    DnsRrtype,
    /// `tls.version` as on the wire: 0x0303.
    TlsVersion,
    /// `tls_cert_notbefore`, seconds since 1970.
    TlsCertNotBefore,
    /// `tls_cert_notafter`, seconds since 1970.
    TlsCertNotAfter,
    /// `ssl_state`: the latest of the messages that it knows.
    TlsState,
    /// `tls.cert_chain_len`
    TlsCertChainLen,
    /// `ssh.proto` and the like need none; `smb.version`: 1 or 2.
    SmbVersion,
    /// `dcerpc.opnum` of the request.
    DceOpnum,
    /// `ftp.dynamic_port`
    FtpDynamicPort,
    /// `ftp.reply_received`: 0 or 1.
    FtpReplyReceived,
    /// `http2.frametype` of any frame.
    Http2FrameType,
    /// `http2.errorcode` of RST_STREAM or GOAWAY.
    Http2ErrorCode,
    /// `http2.priority`: weight as on the wire, 0 to 255.
    Http2Priority,
    /// `http2.window`: increment of WINDOW_UPDATE.
    Http2Window,
    /// `http2.size_update`: size of the table of header fields.
    Http2SizeUpdate,
    /// `http2.settings`: the value of this parameter.
    Http2Setting(u16),
}

impl Field {
    /// Whether it is of a frame of HTTP/2.
    #[must_use]
    pub const fn is_of_frame(self) -> bool {
        matches!(
            self,
            Self::Http2FrameType
                | Self::Http2ErrorCode
                | Self::Http2Priority
                | Self::Http2Window
                | Self::Http2SizeUpdate
                | Self::Http2Setting(_)
        )
    }
}

/// A file that a transaction carries, as far as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Name, as sent.
    pub name: Vec<u8>,
    /// What is kept of the beginning, decoded and decompressed, for rules.
    pub data: Vec<u8>,
    /// Bytes in all, kept or not.
    pub size: u64,
    /// Which way it went; false to the client.
    pub to_server: bool,
    /// Where it stands.
    pub state: FileState,
    /// A part of it was lost.
    pub gaps: bool,
    /// It is this part of a whole: first and last byte there.
    pub range: Option<(u64, u64)>,
}

/// Where a file stands. The words are Suricata's, in capitals in EVE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileState {
    /// More may come.
    #[default]
    Open,
    /// All came.
    Closed,
    /// It ended before its end.
    Truncated,
    /// It could not be followed.
    Error,
}
