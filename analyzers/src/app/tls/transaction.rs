//! A connection's handshake as a transaction.

use serde_json::{Map, Value, json};

use super::certificate::{Chain, Summary};
use super::hello::Hello;
use super::{TlsConfig, fingerprint, version};
use crate::app::{AppProto, Buffer, BufferView, COMPLETE, Field, Heading, Transaction};

/// The end's hello was read.
pub const HELLO: u8 = 1;
/// Its certificates were.
pub const CERTIFICATE: u8 = 2;
/// The server has nothing to add.
pub const HELLO_DONE: u8 = 3;
/// The end goes over to encryption.
pub const HANDSHAKE: u8 = 4;

/// What `ssl_state` asks for, as bits of [`Field::TlsState`].
pub mod state {
    pub const CLIENT_HELLO: u8 = 1;
    pub const SERVER_HELLO: u8 = 2;
    pub const CLIENT_KEYX: u8 = 4;
    pub const SERVER_KEYX: u8 = 8;
}

/// Bytes of time at the beginning of a random.
const TIME_LEN: usize = 4;

/// What one end said.
#[derive(Debug, Default)]
pub struct End {
    progress: u8,
    /// Of its hello, of its records before that; 0 where nothing was seen.
    pub version: u16,
    /// Its hello.
    pub hello: Option<Hello>,
    /// Its certificates.
    pub chain: Chain,
    ja3: Option<[String; 2]>,
    ja4: Option<String>,
}

/// A connection's handshake.
#[derive(Debug)]
pub struct TlsTransaction {
    ends: [End; 2],
    /// Of the messages that `ssl_state` knows the latest, of either end.
    state: u8,
    from_proto: Option<AppProto>,
    events: Vec<&'static str>,
    /// Which end's handshake is over.
    done: [bool; 2],
    /// Which end says nothing more.
    finished: [bool; 2],
}

impl TlsTransaction {
    pub(super) fn new(from_proto: Option<AppProto>) -> Self {
        Self {
            ends: Default::default(),
            state: 0,
            from_proto,
            events: Vec::new(),
            done: [false; 2],
            finished: [false; 2],
        }
    }

    /// An end's handshake is over.
    pub(super) fn handshake_done(&mut self, heading: Heading) {
        self.done[heading.index()] = true;
    }

    /// An end says nothing more: it is gone, or one of them gave up.
    pub(super) fn finish(&mut self, heading: Heading) {
        self.finished[heading.index()] = true;
        self.advance(heading, COMPLETE);
    }

    /// What was sent in a heading.
    #[must_use]
    pub fn end(&self, heading: Heading) -> &End {
        &self.ends[heading.index()]
    }

    fn end_mut(&mut self, heading: Heading) -> &mut End {
        &mut self.ends[heading.index()]
    }

    pub(super) fn event(&mut self, event: &'static str) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    pub(super) fn advance(&mut self, heading: Heading, stage: u8) {
        let end = self.end_mut(heading);
        end.progress = end.progress.max(stage);
    }

    /// A message came that `ssl_state` knows.
    pub(super) fn came(&mut self, message: u8) {
        self.state = message;
    }

    pub(super) fn record_version(&mut self, heading: Heading, version: u16) {
        let end = self.end_mut(heading);
        if end.hello.is_none() {
            end.version = version;
        }
    }

    pub(super) fn sslv2_hello(&mut self, heading: Heading, spoken: u16, config: &TlsConfig) {
        let end = self.end_mut(heading);
        end.version = spoken;
        if config.ja4 && heading == Heading::ToServer {
            // Nothing in it counts for this fingerprint, but it has one.
            end.ja4 = Some(fingerprint::ja4(&Hello::default()));
        }
    }

    /// A hello. When the server wants another one its client says it again: the first is what is kept, with
    /// the version of the last.
    pub(super) fn hello(
        &mut self,
        heading: Heading,
        client: bool,
        hello: Hello,
        config: &TlsConfig,
    ) {
        let end = self.end_mut(heading);
        end.version = hello.version;
        if end.hello.is_some() {
            return;
        }
        if config.ja3 {
            let string = if client { fingerprint::ja3(&hello) } else { fingerprint::ja3s(&hello) };
            end.ja3 = Some([fingerprint::md5_hex(&string), string]);
        }
        if config.ja4 && client {
            end.ja4 = Some(fingerprint::ja4(&hello));
        }
        end.hello = Some(hello);
    }

    /// The first chain of an end.
    pub(super) fn chain(&mut self, heading: Heading, chain: Chain) {
        let end = self.end_mut(heading);
        if end.chain.certificates.is_empty() {
            end.chain = chain;
        }
    }

    /// Drops what is large; versions are still needed.
    pub(super) fn forget(&mut self) {
        for end in &mut self.ends {
            *end = End { progress: end.progress, version: end.version, ..End::default() };
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let ends = self.ends.iter();
        ends.map(|end| {
            let certificates: usize = end.chain.certificates.iter().map(Vec::capacity).sum();
            let hello = end.hello.as_ref().map_or(0, |hello| {
                2 * (hello.ciphers.len() + hello.extensions.len())
                    + hello.alpn.iter().map(Vec::len).sum::<usize>()
                    + hello.server_name.as_ref().map_or(0, Vec::len)
            });
            certificates + hello + end.ja3.iter().flatten().map(String::len).sum::<usize>()
        })
        .sum()
    }

    /// The session goes on from an earlier one: it has the server's old number, or the client knows tickets
    /// and the server shows no certificate.
    fn is_resumed(&self) -> bool {
        let [client, server] = &self.ends;
        let Some(answer) = &server.hello else { return false };
        let same = client.hello.as_ref().is_some_and(|hello| {
            hello.ticket || (!hello.session_id.is_empty() && hello.session_id == answer.session_id)
        });
        same && server.chain.first.is_none() && !version::is_13(server.version)
    }
}

fn summary(end: &End) -> Option<&Summary> {
    end.chain.first.as_ref()
}

impl Transaction for TlsTransaction {
    fn progress(&self, heading: Heading) -> u8 {
        self.end(heading).progress
    }

    fn stage(&self, buffer: Buffer, _heading: Heading) -> u8 {
        match buffer {
            Buffer::TlsCertSubject
            | Buffer::TlsCertIssuer
            | Buffer::TlsCertSerial
            | Buffer::TlsCertFingerprint
            | Buffer::TlsCerts
            | Buffer::TlsSubjectaltname => CERTIFICATE,
            _ => HELLO,
        }
    }

    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        let end = self.end(heading);
        let (hello, certificate) = (end.hello.as_ref(), summary(end));
        let to_server = heading == Heading::ToServer;
        let bytes: &[u8] = match buffer {
            Buffer::TlsCerts => end.chain.certificates.get(index)?,
            Buffer::TlsSubjectaltname => certificate?.names.get(index)?.as_bytes(),
            Buffer::TlsAlpn => hello?.alpn.get(index)?,
            _ if index > 0 => return None,
            Buffer::TlsSni if to_server => hello?.server_name.as_ref()?,
            Buffer::TlsCertSubject => certificate?.subject.as_bytes(),
            Buffer::TlsCertIssuer => certificate?.issuer.as_bytes(),
            Buffer::TlsCertSerial => certificate?.serial.as_bytes(),
            Buffer::TlsCertFingerprint => end.chain.fingerprint.as_ref()?.as_bytes(),
            Buffer::TlsRandom => &hello?.random,
            Buffer::TlsRandomTime => hello?.random.get(..TIME_LEN)?,
            Buffer::TlsRandomBytes => hello?.random.get(TIME_LEN..)?,
            Buffer::Ja3Hash if to_server => end.ja3.as_ref()?[0].as_bytes(),
            Buffer::Ja3String if to_server => end.ja3.as_ref()?[1].as_bytes(),
            Buffer::Ja3sHash if !to_server => end.ja3.as_ref()?[0].as_bytes(),
            Buffer::Ja3sString if !to_server => end.ja3.as_ref()?[1].as_bytes(),
            Buffer::Ja4Hash if to_server => end.ja4.as_ref()?.as_bytes(),
            _ => return None,
        };
        Some(BufferView::whole(bytes))
    }

    fn number(&self, field: Field, heading: Heading) -> Option<u64> {
        let end = self.end(heading);
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        match field {
            Field::TlsVersion => (end.version != 0).then_some(end.version.into()),
            Field::TlsCertNotBefore => summary(end).map(|s| seconds(s.not_before)),
            Field::TlsCertNotAfter => summary(end).map(|s| seconds(s.not_after)),
            Field::TlsCertChainLen if heading == Heading::ToClient => {
                (end.progress >= CERTIFICATE).then_some(end.chain.certificates.len() as u64)
            }
            Field::TlsState => Some(self.state.into()),
            _ => None,
        }
    }

    fn events(&self) -> &[&'static str] {
        &self.events
    }

    fn record(&self) -> Map<String, Value> {
        let [client, server] = &self.ends;
        let mut object = Map::new();
        put_certificate(&mut object, server);
        if self.is_resumed() {
            put(&mut object, "session_resumed", json!(true));
        }
        let name = client.hello.as_ref().and_then(|hello| hello.server_name.as_ref());
        if let Some(name) = name {
            put(&mut object, "sni", json!(text(name)));
        }
        let spoken = if server.version == 0 { client.version } else { server.version };
        put(&mut object, "version", json!(version::name(spoken)));
        for (key, end) in [("ja3", client), ("ja3s", server)] {
            if let Some([hash, string]) = &end.ja3 {
                put(&mut object, key, json!({ "hash": hash, "string": string }));
            }
        }
        if let Some(ja4) = &client.ja4 {
            put(&mut object, "ja4", json!(ja4));
        }
        for (key, end) in [("client_alpns", client), ("server_alpns", server)] {
            let alpn = end.hello.iter().flat_map(|hello| &hello.alpn);
            let protocols: Vec<String> = alpn.map(|protocol| text(protocol)).collect();
            if !protocols.is_empty() {
                put(&mut object, key, json!(protocols));
            }
        }
        let mut own = Map::new();
        put_certificate(&mut own, client);
        if !own.is_empty() {
            put(&mut object, "client", Value::Object(own));
        }
        if let Some(from) = self.from_proto {
            put(&mut object, "from_proto", json!(from.as_str()));
        }
        object
    }

    fn progress_name(&self, heading: Heading) -> Option<&'static str> {
        const NAMES: [[&str; 5]; 2] = [
            [
                "client_in_progress",
                "client_hello_done",
                "client_cert_done",
                "client_handshake_done",
                "client_finished",
            ],
            [
                "server_in_progress",
                "server_hello",
                "server_cert_done",
                "server_handshake_done",
                "server_finished",
            ],
        ];
        let end = self.end(heading);
        let at = match &end.hello {
            _ if self.finished[heading.index()] => 4,
            _ if self.done[heading.index()] => 3,
            Some(_) if !end.chain.certificates.is_empty() => 2,
            hello => usize::from(hello.is_some()),
        };
        Some(NAMES[heading.index()][at])
    }

    /// Once both handshakes are over.
    fn is_ready(&self) -> bool {
        self.done == [true; 2] || self.finished == [true; 2]
    }

    /// There is something to tell: a certificate, a resumed session or the wish for one, or one that hides its
    /// certificates.
    fn is_logged(&self) -> bool {
        let [client, server] = &self.ends;
        summary(server).is_some()
            || version::is_13(server.version)
            || self.is_resumed()
            || client.hello.as_ref().is_some_and(|hello| hello.ticket)
    }
}

fn put(object: &mut Map<String, Value>, key: &str, value: Value) {
    object.insert(key.to_owned(), value);
}

fn put_certificate(object: &mut Map<String, Value>, end: &End) {
    let Some(certificate) = summary(end) else { return };
    put(object, "subject", json!(certificate.subject));
    put(object, "issuerdn", json!(certificate.issuer));
    if !certificate.names.is_empty() {
        put(object, "subjectaltname", json!(certificate.names));
    }
    put(object, "serial", json!(certificate.serial));
    if let Some(fingerprint) = &end.chain.fingerprint {
        put(object, "fingerprint", json!(fingerprint));
    }
    put(object, "notbefore", json!(iso(certificate.not_before)));
    put(object, "notafter", json!(iso(certificate.not_after)));
}

/// Seconds since 1970 as `2019-12-17T01:17:28`, by the calendar that goes on for ever in both ways.
fn iso(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years that begin in March have their odd day at the end; 400 of them have always as many days.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + carry;
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}", second % 60)
}

/// UTF-8 as it is; of anything else the bytes beyond ASCII as `\xff`.
fn text(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let render = |&byte: &u8| match byte.is_ascii() {
        true => char::from(byte).to_string(),
        false => format!("\\x{byte:02x}"),
    };
    bytes.iter().map(render).collect()
}
