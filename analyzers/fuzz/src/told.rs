//! Everything that a transaction tells, to be compared.

use std::net::IpAddr;

use serde_json::{Map, Value};
use umbra_analyzers::app::{
    Buffer, COMPLETE, Field, File, FileState, Heading, Parser, Transaction,
};

const FIELDS: [Field; 20] = [
    Field::DnsOpcode,
    Field::DnsRcode,
    Field::DnsRrtype,
    Field::TlsVersion,
    Field::TlsCertNotBefore,
    Field::TlsCertNotAfter,
    Field::TlsCertChainLen,
    Field::SmbVersion,
    Field::DceOpnum,
    Field::FtpDynamicPort,
    Field::FtpReplyReceived,
    Field::TlsState,
    Field::Http2FrameType,
    Field::Http2ErrorCode,
    Field::Http2Priority,
    Field::Http2Window,
    Field::Http2SizeUpdate,
    Field::Http2Setting(1),
    Field::Http2Setting(3),
    Field::Http2Setting(4),
];
/// More of one buffer or number than this is no list any more.
const MOST: usize = 100_000;

/// A buffer's bytes, their offset, and whether they are all.
type View = (Vec<u8>, u64, bool);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) number: u64,
    progress: [u8; 2],
    looked_at: [bool; 2],
    events: Vec<&'static str>,
    record: Map<String, Value>,
    companions: Vec<(&'static str, Map<String, Value>)>,
    logged: bool,
    ready: bool,
    announced: Option<IpAddr>,
    stage_names: [Option<&'static str>; 2],
    files: Vec<File>,
    buffers: Vec<(Buffer, Heading, usize, View)>,
    numbers: Vec<(Field, Heading, Vec<u64>)>,
    little_endian: bool,
    interfaces: String,
}

impl Told {
    pub(crate) fn of(number: u64, transaction: &dyn Transaction) -> Self {
        let mut told = Self {
            number,
            progress: Heading::ALL.map(|heading| transaction.progress(heading)),
            looked_at: Heading::ALL.map(|heading| transaction.is_looked_at(heading)),
            events: transaction.events().to_vec(),
            record: transaction.record(),
            companions: transaction.companions(),
            logged: transaction.is_logged(),
            ready: transaction.is_ready(),
            announced: transaction.announced(),
            stage_names: Heading::ALL.map(|heading| transaction.progress_name(heading)),
            files: transaction.files().to_vec(),
            buffers: Vec::new(),
            numbers: Vec::new(),
            little_endian: transaction.is_little_endian(),
            interfaces: format!("{:?}", transaction.interfaces()),
        };
        for heading in Heading::ALL {
            for &buffer in Buffer::ALL {
                let _: u8 = transaction.stage(buffer, heading);
                let all = (0..MOST).map_while(|index| transaction.buffer(buffer, heading, index));
                for (index, view) in all.enumerate() {
                    assert!(index + 1 < MOST, "{buffer:?} without an end");
                    assert!(index == 0 || buffer.is_multiple(), "{buffer:?} several times");
                    let view = (view.bytes.to_vec(), view.offset, view.complete);
                    told.buffers.push((buffer, heading, index, view));
                }
            }
            for field in FIELDS {
                let all = (0..MOST).map_while(|at| transaction.number_at(field, heading, at));
                let all: Vec<u64> = all.collect();
                assert!(all.len() < MOST, "{field:?} without an end");
                told.numbers.push((field, heading, all));
            }
        }
        told
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.progress == [COMPLETE; 2]
    }

    /// Stages and events only grow, files are not taken back, and a buffer that was whole stays as it is.
    pub(crate) fn check_follows(&self, before: &Told) {
        assert_eq!(self.number, before.number);
        for (now, then) in self.progress.iter().zip(before.progress) {
            assert!(*now >= then, "progress fell from {then} to {now}: {before:#?}");
        }
        assert!(self.events.starts_with(&before.events), "{:?} {:?}", before.events, self.events);
        assert!(self.files.len() >= before.files.len(), "files are gone");
        for (now, then) in self.files.iter().zip(&before.files) {
            let same = then.state == FileState::Open || now.state == then.state;
            assert!(same, "a file was {:?} and is {:?}", then.state, now.state);
            assert!(now.size >= then.size, "a file shrank");
        }
        for whole in before.buffers.iter().filter(|(.., (_, _, complete))| *complete) {
            let (buffer, heading, index, view) = whole;
            let now =
                self.buffers.iter().find(|(b, h, i, _)| (b, h, i) == (buffer, heading, index));
            let same = now.is_none_or(|(.., now)| now == view);
            assert!(
                same || may_change(*buffer) || self.may_change(*buffer),
                "{buffer:?} {heading:?} {index} was {view:?} and is {now:?}"
            );
        }
    }

    /// A mail that the server did not want is replaced by the next one.
    fn may_change(&self, buffer: Buffer) -> bool {
        buffer.keyword().starts_with("email.")
            && self.events.contains(&"smtp.data_command_rejected")
    }

    /// Says what differs first.
    pub(crate) fn assert_same(left: &[Told], right: &[Told], what: &str) {
        for (a, b) in left.iter().zip(right) {
            if a == b {
                continue;
            }
            let n = a.number;
            assert_eq!(a.progress, b.progress, "{what}: progress of transaction {n}");
            assert_eq!(a.events, b.events, "{what}: events of transaction {n}");
            assert_eq!(a.record, b.record, "{what}: record of transaction {n}");
            assert_eq!(a.files, b.files, "{what}: files of transaction {n}");
            let mut buffers = a.buffers.iter().zip(&b.buffers);
            if let Some((x, y)) = buffers.find(|(x, y)| x != y) {
                panic!("{what}: transaction {n}: {x:?} and {y:?}");
            }
            assert_eq!(a, b, "{what}");
        }
        let numbers = |told: &[Told]| told.iter().map(|told| told.number).collect::<Vec<_>>();
        assert_eq!(numbers(left), numbers(right), "{what}: which transactions there are");
    }
}

/// What is made of header fields changes when trailers come, and a response's line when the one before was an
/// interim one. A share becomes a pipe when the server says so: then it is gone, which all buffers may be.
fn may_change(buffer: Buffer) -> bool {
    use Buffer as B;
    let fixed = [
        B::HttpUri,
        B::HttpUriRaw,
        B::HttpMethod,
        B::HttpRequestLine,
        B::HttpRequestBody,
        B::HttpResponseBody,
    ];
    buffer.keyword().starts_with("http.") && !fixed.contains(&buffer)
}

/// What all transactions tell that a parser holds.
pub(crate) fn held(parser: &dyn Parser) -> Vec<Told> {
    (parser.first()..parser.next())
        .filter_map(|number| Some(Told::of(number, parser.transaction(number)?)))
        .collect()
}
