//! What a flow says, from its first byte to its transactions: recognition, then a parser.
//!
//! Until the protocol is known what was said is kept, in the order in which it came, and is given to the
//! parser at once when there is one. A flow that is nothing known, or whose parser gave up, costs nothing
//! from then on.

use super::dcerpc::Dcerpc;
use super::detect::{Carrier, Detector, HEAD, Origin, Verdict};
use super::dns::DnsParser;
use super::ftp::{Ftp, FtpConfig, FtpData};
use super::http::{HttpConfig, HttpParser};
use super::http2::{Http2Config, Http2Parser};
use super::smb::Smb;
use super::smtp::{Smtp, SmtpConfig};
use super::ssh::{Ssh, SshConfig};
use super::tls::{TlsConfig, TlsParser};
use super::{AppProto, Expected, Heading, Parser, Switch};
use crate::events::Timestamp;

/// What is kept of an unrecognised stream, bytes of both headings. Recognition gives up soon after.
const KEPT: usize = 128 << 10;

/// What parsers are made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConversationConfig {
    /// Of HTTP/1.
    pub http: HttpConfig,
    /// Of HTTP/2.
    pub http2: Http2Config,
    /// Of TLS.
    pub tls: TlsConfig,
    /// Of FTP.
    pub ftp: FtpConfig,
    /// Of SMTP.
    pub smtp: SmtpConfig,
    /// Of SSH.
    pub ssh: SshConfig,
}

/// One flow's application layer.
#[derive(Debug)]
pub struct Conversation {
    origin: Origin,
    detector: Detector,
    /// The beginning of each heading's stream, for the detector.
    heads: [Vec<u8>; 2],
    /// What came before the protocol was known, in order.
    kept: Vec<(Heading, Vec<u8>)>,
    kept_bytes: usize,
    total: [u64; 2],
    ended: [bool; 2],
    parser: Option<Box<dyn Parser>>,
    /// How many parsers there have been.
    parsers: u32,
    /// The parser gave up, or there is none for what was recognised.
    failed: bool,
    /// There was no memory for it.
    abandoned: bool,
    /// What the flow was before it was switched.
    original: Option<AppProto>,
    /// What it is to go on with from the next byte on.
    switch: Option<Switch>,
    /// The parser that announced a switch, until it is known what followed.
    before: Option<Box<dyn Parser>>,
    /// What a switch announced, until it is known whether that came.
    expected: Option<AppProto>,
    /// What it is because another connection announced it.
    announced: Option<AppProto>,
    /// Connections that it announced and that nobody was told of.
    announces: Vec<Expected>,
    /// Events of the layer as a whole, and at how many of them somebody has looked.
    events: Vec<&'static str>,
}

impl Conversation {
    /// Of a flow in which nothing was said yet.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            detector: Detector::new(),
            heads: Default::default(),
            kept: Vec::new(),
            kept_bytes: 0,
            total: [0; 2],
            ended: [false; 2],
            parser: None,
            parsers: 0,
            failed: false,
            abandoned: false,
            original: None,
            switch: None,
            before: None,
            expected: None,
            announced: None,
            announces: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Of a connection that another one announced.
    #[must_use]
    pub fn announced(origin: Origin, expected: Expected) -> Self {
        let protocol = expected.protocol;
        let parser: Option<Box<dyn Parser>> = match protocol {
            AppProto::FtpData => Some(Box::new(FtpData::new(expected))),
            _ => None,
        };
        Self { parser, announced: Some(protocol), ..Self::new(origin) }
    }

    /// Connections that were announced since this was asked last.
    pub fn take_announced(&mut self) -> Vec<Expected> {
        std::mem::take(&mut self.announces)
    }

    /// The next bytes of a stream, never empty, or a datagram.
    pub fn data(
        &mut self,
        heading: Heading,
        data: &[u8],
        now: Timestamp,
        config: &ConversationConfig,
    ) {
        if self.abandoned {
            return;
        }
        for (heading, data) in Heading::ALL.into_iter().zip(self.take_switch()) {
            if !data.is_empty() {
                self.take(heading, &data, now, config);
            }
        }
        self.take(heading, data, now, config);
    }

    fn take(&mut self, heading: Heading, data: &[u8], now: Timestamp, config: &ConversationConfig) {
        let total = &mut self.total[heading.index()];
        *total = total.saturating_add(data.len() as u64);
        if self.announced.is_some() {
            self.parse(heading, data, now);
        } else if self.parser.is_some() {
            if !self.detector.is_settled(heading) {
                self.recognise(heading, data);
            }
            self.parse(heading, data, now);
        } else if !self.failed {
            self.recognise(heading, data);
            self.keep(heading, data);
            self.decide(now, config);
        } else if !self.detector.is_settled(heading) {
            self.recognise(heading, data);
        }
    }

    /// Lets go of everything, because there is no memory for it: what was recognised is all that stays known.
    pub fn abandon(&mut self) {
        self.give_up();
        self.abandoned = true;
        (self.parser, self.before) = (None, None);
        self.switch = None;
        self.heads = Default::default();
        self.announces = Vec::new();
    }

    /// Bytes of a stream that will never come.
    pub fn gap(&mut self, heading: Heading, len: u64, now: Timestamp) {
        self.total[heading.index()] = self.total[heading.index()].saturating_add(len);
        match &mut self.parser {
            Some(parser) if !self.failed => {
                let result = parser.gap(heading, len, now);
                self.failed |= result.is_err();
                self.note_switch();
            }
            Some(_) => {}
            // Nothing that begins with a hole is recognised.
            None => self.give_up(),
        }
    }

    /// Nothing will follow in this heading.
    pub fn end(&mut self, heading: Heading, now: Timestamp) {
        if std::mem::replace(&mut self.ended[heading.index()], true) {
            return;
        }
        if let Some(parser) = &mut self.parser
            && !self.failed
        {
            parser.end(heading, now);
        }
    }

    fn recognise(&mut self, heading: Heading, data: &[u8]) {
        let total = self.total[heading.index()];
        if self.origin.carrier == Carrier::Udp {
            self.detector.data(heading, data, total, &self.origin);
        } else {
            let head = &mut self.heads[heading.index()];
            let room = HEAD.saturating_sub(head.len());
            if room > 0 || !self.detector.is_settled(heading) {
                head.extend_from_slice(data.get(..room).unwrap_or(data));
                self.detector.data(heading, head, total, &self.origin);
            } else {
                self.detector.count(heading, total);
            }
            if self.detector.is_settled(heading) {
                self.heads[heading.index()] = Vec::new();
            }
        }
    }

    fn keep(&mut self, heading: Heading, data: &[u8]) {
        match self.kept.last_mut() {
            Some((last, bytes)) if *last == heading && self.origin.carrier == Carrier::Tcp => {
                bytes.extend_from_slice(data);
            }
            _ => self.kept.push((heading, data.to_vec())),
        }
        self.kept_bytes += data.len();
    }

    /// Makes the parser once the protocol is known, and gives it what was kept.
    fn decide(&mut self, now: Timestamp, config: &ConversationConfig) {
        if let Some(expected) = self.expected
            && self.detector.verdict() != Verdict::Unknown
        {
            self.raise(self.detector.unmet(expected));
            self.expected = None;
        }
        match self.detector.verdict() {
            Verdict::Found(protocol) => self.begin(protocol, now, config),
            // Datagrams of the other heading may still be recognised; they need nothing kept.
            Verdict::Failed if self.origin.carrier == Carrier::Udp => self.forget(),
            Verdict::Failed if self.before.is_some() => {
                self.parser = self.before.take();
                if let Some(parser) = &mut self.parser {
                    parser.switch_failed();
                }
                self.give_up();
            }
            Verdict::Failed => self.give_up(),
            Verdict::Unknown if self.kept_bytes > KEPT => self.give_up(),
            Verdict::Unknown => {}
        }
    }

    fn begin(&mut self, protocol: AppProto, now: Timestamp, config: &ConversationConfig) {
        self.parser = self.parser_of(protocol, config);
        self.before = None;
        self.parsers = self.parsers.saturating_add(1);
        if self.parser.is_none() {
            self.give_up();
            return;
        }
        self.kept_bytes = 0;
        for (heading, data) in std::mem::take(&mut self.kept) {
            self.parse(heading, &data, now);
        }
        for heading in Heading::ALL {
            if self.ended[heading.index()]
                && let Some(parser) = &mut self.parser
            {
                parser.end(heading, now);
            }
        }
    }

    fn parse(&mut self, heading: Heading, data: &[u8], now: Timestamp) {
        let heading = self.said(heading);
        let Some(parser) = &mut self.parser else { return };
        if self.failed || (data.is_empty() && self.origin.carrier == Carrier::Tcp) {
            return;
        }
        self.failed = parser.data(heading, data, now).is_err();
        self.note_switch();
    }

    /// Which way it goes for the parser: a flow that was seen from an answer on is turned round.
    fn said(&self, heading: Heading) -> Heading {
        if self.detector.is_reversed() { heading.opposite() } else { heading }
    }

    fn note_switch(&mut self) {
        let Some(parser) = &mut self.parser else { return };
        if let Some(switch) = parser.switch() {
            self.switch = Some(switch);
        }
        self.announces.extend(std::iter::from_fn(|| parser.expected()));
    }

    /// The parser is replaced when something follows: until then its transactions can be looked at. Gives
    /// back what it was given of what follows.
    fn take_switch(&mut self) -> [Vec<u8>; 2] {
        let Some(switch) = self.switch.take() else { return Default::default() };
        self.original = self.protocol();
        self.expected = match switch {
            Switch::To(protocol) => Some(protocol),
            Switch::Detect => None,
        };
        let raised: Vec<_> = self.detector.events().collect();
        self.raise(&raised);
        self.detector.restart();
        self.before = self.parser.take();
        self.failed = false;
        self.total = [0; 2];
        self.heads = Default::default();
        self.before.as_mut().map(|parser| parser.left_over()).unwrap_or_default()
    }

    fn raise(&mut self, events: &[&'static str]) {
        for event in events {
            if !self.events.contains(event) {
                self.events.push(event);
            }
        }
    }

    fn give_up(&mut self) {
        self.failed = true;
        self.forget();
    }

    fn forget(&mut self) {
        self.kept = Vec::new();
        self.kept_bytes = 0;
    }

    fn parser_of(
        &mut self,
        protocol: AppProto,
        config: &ConversationConfig,
    ) -> Option<Box<dyn Parser>> {
        Some(match protocol {
            AppProto::Http1 => {
                let server_port = Some(self.origin.server_port);
                Box::new(HttpParser::new(HttpConfig { server_port, ..config.http }))
            }
            AppProto::Http2 => {
                let upgraded = self.before.as_mut().and_then(|parser| parser.upgraded());
                Box::new(Http2Parser::new(config.http2, upgraded))
            }
            AppProto::Dns if self.origin.carrier == Carrier::Udp => Box::new(DnsParser::udp()),
            AppProto::Dns => Box::new(DnsParser::tcp()),
            AppProto::Tls => {
                let from_proto = self.original;
                Box::new(TlsParser::new(TlsConfig { from_proto, ..config.tls }))
            }
            AppProto::Ftp => Box::new(Ftp::new(config.ftp)),
            AppProto::Smtp => Box::new(Smtp::new(config.smtp)),
            AppProto::Ssh => Box::new(Ssh::new(config.ssh)),
            AppProto::Smb => Box::new(Smb::new()),
            AppProto::Dcerpc => Box::new(Dcerpc::new()),
            _ => return None,
        })
    }

    /// What the flow was recognised as; also where there is no parser for it, or it gave up.
    #[must_use]
    pub fn protocol(&self) -> Option<AppProto> {
        match self.verdict() {
            Verdict::Found(protocol) => Some(protocol),
            Verdict::Unknown | Verdict::Failed => None,
        }
    }

    /// The same with whether recognising failed.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.announced.map_or(self.detector.verdict(), Verdict::Found)
    }

    /// What one heading was recognised as.
    #[must_use]
    pub fn side(&self, heading: Heading) -> Verdict {
        self.announced.map_or(self.detector.side(heading), Verdict::Found)
    }

    /// What it was before it was switched.
    #[must_use]
    pub fn original(&self) -> Option<AppProto> {
        self.original
    }

    /// What the flow was told to go on with, until that came.
    #[must_use]
    pub fn expected(&self) -> Option<AppProto> {
        self.expected
    }

    /// The sender of the first datagram is the server.
    #[must_use]
    pub fn is_reversed(&self) -> bool {
        self.detector.is_reversed()
    }

    /// The parser, with its transactions; also after it gave up.
    #[must_use]
    pub fn parser(&self) -> Option<&dyn Parser> {
        self.parser.as_deref().or(self.before.as_deref())
    }

    /// Rises when the parser is another one, which counts its transactions from 0 again.
    #[must_use]
    pub fn parser_number(&self) -> u32 {
        self.parsers
    }

    /// The same, to release transactions.
    pub fn parser_mut(&mut self) -> Option<&mut Box<dyn Parser>> {
        self.parser.as_mut().or(self.before.as_mut())
    }

    /// Whether anything came in a heading.
    #[must_use]
    pub fn has_said(&self, heading: Heading) -> bool {
        self.total[heading.index()] > 0
    }

    /// Whether the parser gave up, or was.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.abandoned || (self.failed && self.parser.is_some())
    }

    /// Nothing more can come of what is said: the stream's bytes need not be put together for it.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        self.abandoned || (self.failed && self.verdict() != Verdict::Unknown)
    }

    /// Both ends encrypt.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.parser.as_ref().is_some_and(|parser| parser.is_encrypted())
    }

    /// What was odd about the layer as a whole, under the names of `app-layer-event`. Only grows.
    pub fn events(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.events.iter().copied().chain(self.detector.events())
    }

    /// Bytes held.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.kept_bytes
            + self.kept.capacity() * size_of::<(Heading, Vec<u8>)>()
            + self.heads.iter().map(Vec::len).sum::<usize>()
            + self
                .parser
                .iter()
                .chain(&self.before)
                .map(|parser| parser.memory_bytes())
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: Origin = Origin { carrier: Carrier::Tcp, server_port: 80 };

    fn said(parts: &[(Heading, &[u8])]) -> Conversation {
        let mut conversation = Conversation::new(WEB);
        for (heading, data) in parts {
            conversation.data(*heading, data, Timestamp(1), &ConversationConfig::default());
        }
        conversation
    }

    #[test]
    fn a_request_cut_anywhere_is_a_transaction() {
        let request = b"GET /index.html HTTP/1.1\r\nHost: example.org\r\n\r\n";
        for at in 1..request.len() {
            let (a, b) = request.split_at(at);
            let conversation = said(&[(Heading::ToServer, a), (Heading::ToServer, b)]);
            assert_eq!(conversation.protocol(), Some(AppProto::Http1), "cut at {at}");
            assert_eq!(conversation.parser().map(|p| p.next()), Some(1), "cut at {at}");
        }
    }

    #[test]
    fn what_is_nothing_known_costs_nothing() {
        let noise = [0xa5u8; 1400];
        let mut conversation = Conversation::new(WEB);
        for _ in 0..200 {
            for heading in Heading::ALL {
                conversation.data(heading, &noise, Timestamp(1), &ConversationConfig::default());
            }
        }
        assert_eq!(conversation.verdict(), Verdict::Failed);
        assert!(conversation.is_deaf());
        assert_eq!(conversation.memory_bytes(), 0);
    }

    #[test]
    fn events_stay_when_the_protocol_is_another() {
        let request = b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n";
        let mut conversation = said(&[
            (Heading::ToServer, request),
            (Heading::ToClient, b"\xff\xfe\xfd no response at all, of nothing that is known"),
        ]);
        let before: Vec<_> = conversation.events().collect();
        assert!(!before.is_empty());
        conversation.switch = Some(Switch::Detect);
        let config = ConversationConfig::default();
        conversation.data(Heading::ToServer, b"x", Timestamp(1), &config);
        assert_eq!(conversation.original(), Some(AppProto::Http1));
        assert!(conversation.events().collect::<Vec<_>>().starts_with(&before));
    }

    #[test]
    fn a_tunnel_is_recognised_again() {
        let connect = b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n";
        let hello = b"GET / HTTP/1.1\r\nHost: inner\r\n\r\n";
        let conversation = said(&[
            (Heading::ToServer, connect),
            (Heading::ToClient, b"HTTP/1.1 200 OK\r\n\r\n"),
            (Heading::ToServer, hello),
        ]);
        assert_eq!(conversation.original(), Some(AppProto::Http1));
        assert_eq!(conversation.protocol(), Some(AppProto::Http1));
        assert_eq!(conversation.parser().map(|p| p.next()), Some(1));
    }

    #[test]
    fn an_upgrade_goes_on_with_what_came_with_its_answer() {
        let request = b"GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n\
            \0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x88";
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        for at in 50..answer.len() {
            let (a, b) = answer.split_at(at);
            let conversation = said(&[
                (Heading::ToServer, request),
                (Heading::ToClient, a),
                (Heading::ToClient, b),
                (Heading::ToServer, preface),
            ]);
            assert_eq!(conversation.original(), Some(AppProto::Http1), "cut at {at}");
            assert_eq!(conversation.protocol(), Some(AppProto::Http2), "cut at {at}");
            let transaction = conversation.parser().and_then(|parser| parser.transaction(0));
            let record = transaction.map(|transaction| transaction.record()).unwrap_or_default();
            assert_eq!((&record["url"], &record["status"]), (&"/up".into(), &200.into()));
        }
    }
}
