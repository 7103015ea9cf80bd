//! One parser, fed with a dialogue.
//!
//! Cut in another manner and looked at in between, what a stream says must give the same transactions, whose
//! stages and events only grow. What a parser holds stays below a fixed amount and a multiple of what it was
//! fed ([`Bound`]). Over datagrams only the looking differs.

use std::collections::BTreeMap;

use umbra_analyzers::app::dcerpc::{Dcerpc, DcerpcUdp};
use umbra_analyzers::app::dns::DnsParser;
use umbra_analyzers::app::ftp::{Ftp, FtpConfig, FtpData};
use umbra_analyzers::app::http::{HttpConfig, HttpParser};
use umbra_analyzers::app::http2::{Http2Config, Http2Parser};
use umbra_analyzers::app::smb::Smb;
use umbra_analyzers::app::smtp::{Smtp, SmtpConfig};
use umbra_analyzers::app::ssh::{Ssh, SshConfig};
use umbra_analyzers::app::tls::{TlsConfig, TlsParser};
use umbra_analyzers::app::{AppProto, Expected, Heading, Parser, Switch};
use umbra_analyzers::events::Timestamp;

use super::dialogue::{self, Owned, Step, steps};
use super::script::Dice;
use super::told::{Told, held};

/// What a parser may hold, bytes: `base` and `per_byte` times what it was fed, whatever that is. Beyond it
/// come the parser's own caps, which are too high to be met here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    base: usize,
    per_byte: usize,
}

impl Bound {
    pub(crate) fn check(self, held: usize, fed: usize) {
        let most = self.base + self.per_byte * fed;
        assert!(held <= most, "{held} bytes are held of {fed}; {most} would do");
    }
}

#[derive(Clone, Copy)]
struct Subject {
    make: fn() -> Box<dyn Parser>,
    stream: bool,
    bound: Bound,
}

const KIB: usize = 1 << 10;

/// A request of two bytes is a transaction of 2 KiB, a body one with layers of gzip.
pub(crate) fn http1(bytes: &[u8]) {
    let make = || Box::new(HttpParser::new(HttpConfig::default())) as Box<dyn Parser>;
    drive(
        bytes,
        Subject { make, stream: true, bound: Bound { base: 1024 * KIB, per_byte: 2 * KIB } },
    );
}

/// A frame of 13 bytes is a transaction, and a byte a header field; undoing brotli takes up to 8 MiB.
pub(crate) fn http2(bytes: &[u8]) {
    let make = || Box::new(Http2Parser::new(Http2Config::default(), None)) as Box<dyn Parser>;
    drive(
        bytes,
        Subject { make, stream: true, bound: Bound { base: 8192 * KIB, per_byte: 4 * KIB } },
    );
}

/// A record of twelve bytes may have a name of 1 KiB, by a pointer.
pub(crate) fn dns_udp(bytes: &[u8]) {
    let make = || Box::new(DnsParser::udp()) as Box<dyn Parser>;
    drive(bytes, Subject { make, stream: false, bound: Bound { base: 8 * KIB, per_byte: 128 } });
}

/// As over UDP.
pub(crate) fn dns_tcp(bytes: &[u8]) {
    let make = || Box::new(DnsParser::tcp()) as Box<dyn Parser>;
    let bound = Bound { base: 8 * KIB, per_byte: 128 };
    let lost = |step: &Step<'_>| matches!(step, Step::Lost(..));
    if steps(bytes).iter().any(lost) {
        // Behind a gap a message is looked for at the beginning of each piece.
        let steps = dialogue::of_streams(&steps(bytes));
        run(Subject { make, stream: true, bound }, &steps, None);
        return;
    }
    drive(bytes, Subject { make, stream: true, bound });
}

/// One transaction with two hellos.
pub(crate) fn tls(bytes: &[u8]) {
    let make = || {
        let config = TlsConfig { ja3: true, ja4: true, from_proto: None };
        Box::new(TlsParser::new(config)) as Box<dyn Parser>
    };
    drive(bytes, Subject { make, stream: true, bound: Bound { base: 8 * KIB, per_byte: 16 } });
}

/// One transaction with two banners and proposals.
pub(crate) fn ssh(bytes: &[u8]) {
    let make = || Box::new(Ssh::new(SshConfig { hassh: true })) as Box<dyn Parser>;
    drive(bytes, Subject { make, stream: true, bound: Bound { base: 8 * KIB, per_byte: 16 } });
}

/// A line of one byte is a transaction.
pub(crate) fn smtp(bytes: &[u8]) {
    let make = || Box::new(Smtp::new(SmtpConfig::default())) as Box<dyn Parser>;
    drive(bytes, Subject { make, stream: true, bound: Bound { base: 16 * KIB, per_byte: 256 } });
}

/// A line of one byte is a transaction.
pub(crate) fn ftp(bytes: &[u8]) {
    let make = || Box::new(Ftp::new(FtpConfig::default())) as Box<dyn Parser>;
    drive(bytes, Subject { make, stream: true, bound: Bound { base: 16 * KIB, per_byte: 512 } });
}

/// One file.
pub(crate) fn ftp_data(bytes: &[u8]) {
    let make = || {
        Box::new(FtpData::new(Expected {
            address: None,
            port: 2000,
            opens: Heading::ToServer,
            heading: Heading::ToClient,
            protocol: AppProto::FtpData,
            command: "RETR",
            file_name: Some(b"name".to_vec()),
        })) as Box<dyn Parser>
    };
    drive(bytes, Subject { make, stream: true, bound: Bound { base: 8 * KIB, per_byte: 4 } });
}

/// A message of 36 bytes is a transaction.
pub(crate) fn smb(bytes: &[u8]) {
    let make = || Box::new(Smb::new()) as Box<dyn Parser>;
    drive(bytes, Subject { make, stream: true, bound: Bound { base: 64 * KIB, per_byte: 64 } });
}

/// A unit of 16 bytes is a transaction.
pub(crate) fn dcerpc(bytes: &[u8]) {
    let make = || Box::new(Dcerpc::new()) as Box<dyn Parser>;
    drive(bytes, Subject { make, stream: true, bound: Bound { base: 8 * KIB, per_byte: 64 } });
}

/// A unit of 80 bytes is a transaction.
pub(crate) fn dcerpc_udp(bytes: &[u8]) {
    let make = || Box::new(DcerpcUdp::new()) as Box<dyn Parser>;
    drive(bytes, Subject { make, stream: false, bound: Bound { base: 8 * KIB, per_byte: 64 } });
}

/// What came of a dialogue.
#[derive(Debug, PartialEq)]
struct Outcome {
    failed: bool,
    switches: Vec<Switch>,
    expected: Vec<Expected>,
    encrypted: bool,
    told: Vec<Told>,
}

fn drive(bytes: &[u8], subject: Subject) {
    let steps = steps(bytes);
    let steps = match subject.stream {
        true => dialogue::of_streams(&steps),
        false => steps.into_iter().map(Owned::of).collect(),
    };
    let whole = run(subject, &steps, None);
    let mut dice = Dice::of(bytes);
    let manner = dice.below(4);
    let cut = run(subject, &steps, Some((dice, manner)));
    let what = "whole and in pieces";
    Told::assert_same(&whole.told, &cut.told, what);
    assert_eq!(whole, cut, "{what}");
}

fn run(subject: Subject, steps: &[Owned], cuts: Option<(Dice, usize)>) -> Outcome {
    let mut feeding = Feeding::new(subject);
    let mut cuts = cuts;
    for (step, second) in steps.iter().zip(1..) {
        let now = Timestamp::from_secs(second);
        match step {
            Owned::Said(heading, bytes) => {
                let pieces = match &mut cuts {
                    Some((dice, manner)) if subject.stream => dice.cut(*manner, bytes),
                    _ => vec![bytes.as_slice()],
                };
                for piece in pieces {
                    feeding.said(*heading, piece, now);
                    if let Some((dice, _)) = &mut cuts
                        && dice.below(8) == 0
                    {
                        feeding.watch();
                    }
                }
            }
            Owned::Lost(heading, len) => feeding.lost(*heading, *len, now),
            Owned::Ended(heading) => feeding.end(*heading, now),
            Owned::Released => feeding.release(),
        }
        // What was said together with what brought about the switch was fed; the rest is another's.
        feeding.stopped = !feeding.switches.is_empty();
    }
    feeding.stopped = false;
    for heading in Heading::ALL {
        feeding.end(heading, Timestamp::from_secs(1 << 20));
    }
    feeding.finish()
}

/// A parser with what its owner would know of it.
struct Feeding {
    parser: Box<dyn Parser>,
    bound: Bound,
    fed: usize,
    /// With what was lost.
    came: u64,
    failed: bool,
    stopped: bool,
    ended: [bool; 2],
    switches: Vec<Switch>,
    expected: Vec<Expected>,
    told: Vec<Told>,
    watched: BTreeMap<u64, Told>,
}

impl Feeding {
    fn new(subject: Subject) -> Self {
        Self {
            parser: (subject.make)(),
            bound: subject.bound,
            fed: 0,
            came: 0,
            failed: false,
            stopped: false,
            ended: [false; 2],
            switches: Vec::new(),
            expected: Vec::new(),
            told: Vec::new(),
            watched: BTreeMap::new(),
        }
    }

    fn said(&mut self, heading: Heading, piece: &[u8], now: Timestamp) {
        if self.failed || self.stopped || self.ended[heading.index()] {
            return;
        }
        self.fed += piece.len() + 1;
        self.came += piece.len() as u64;
        self.failed = self.parser.data(heading, piece, now).is_err();
        self.after();
    }

    fn lost(&mut self, heading: Heading, len: u64, now: Timestamp) {
        if !self.failed && !self.stopped && !self.ended[heading.index()] {
            self.came += len;
            self.failed = self.parser.gap(heading, len, now).is_err();
            self.after();
        }
    }

    fn end(&mut self, heading: Heading, now: Timestamp) {
        let ended = &mut self.ended[heading.index()];
        if !self.failed && !self.stopped && !std::mem::replace(ended, true) {
            self.parser.end(heading, now);
            self.after();
        }
    }

    fn after(&mut self) {
        self.switches.extend(self.parser.switch());
        while let Some(expected) = self.parser.expected() {
            self.expected.push(expected);
            assert!(
                self.expected.len() <= self.fed + 2,
                "connections are announced without an end"
            );
        }
        self.bound.check(self.parser.memory_bytes(), self.fed);
        let (first, next) = (self.parser.first(), self.parser.next());
        assert!(first <= next, "transactions from {first} to {next}");
        let _: [bool; 2] = self.parser.ended_messages();
        for heading in Heading::ALL {
            let unfinished = self.parser.unfinished(heading).unwrap_or(0);
            assert!(unfinished <= self.came, "{unfinished} unfinished of {}", self.came);
        }
    }

    /// Looks at all transactions, as rules do while they come.
    fn watch(&mut self) {
        for told in held(self.parser.as_ref()) {
            if let Some(before) = self.watched.remove(&told.number) {
                told.check_follows(&before);
            }
            self.watched.insert(told.number, told);
        }
    }

    /// Lets go of what is finished: of what has something unfinished before it, if the parser can.
    fn release(&mut self) {
        let mut before = self.parser.first();
        for told in held(self.parser.as_ref()).into_iter().filter(Told::is_complete) {
            let number = told.number;
            if number == before {
                before += 1;
                self.parser.release(before);
                assert!(self.parser.first() > number, "released and still there");
            } else {
                self.parser.forget(number);
            }
            if self.parser.transaction(number).is_none() {
                self.told.push(told);
            }
        }
    }

    fn finish(mut self) -> Outcome {
        if !self.watched.is_empty() {
            self.watch();
        }
        let encrypted = self.parser.is_encrypted();
        self.told.extend(held(self.parser.as_ref()));
        let next = self.parser.next();
        self.parser.release(next);
        assert_eq!(self.parser.first(), next, "released and still there");
        assert!(held(self.parser.as_ref()).is_empty());
        let Self { failed, switches, expected, told, .. } = self;
        Outcome { failed, switches, expected, encrypted, told }
    }
}
