//! Whole dialogues, by what rules and records see of them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{AppProto, Buffer, BufferView, COMPLETE, FileState, Heading, Parser, Switch};
use super::{BODY, COMMANDS, Smtp, SmtpConfig};
use crate::events::Timestamp;

const NOW: Timestamp = Timestamp(0);
use Heading::{ToClient, ToServer};

/// `C: ` before what the client says, `S: ` before what the server does; lines end as they should.
fn dialogue(text: &str) -> Vec<(Heading, Vec<u8>)> {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (who, said) = line.split_at(2);
            let said = said.strip_prefix(' ').unwrap_or(said);
            let heading = Heading::to_server_if(who == "C:");
            (heading, format!("{said}\r\n").into_bytes())
        })
        .collect()
}

const HELLO: &str = "
    S: 220 mx ESMTP
    C: EHLO me.example
    S: 250-mx
    S: 250-SIZE
    S: 250 8BITMIME
";
const ENVELOPE: &str = "
    C: MAIL FROM:<a@x.example> SIZE=1
    S: 250 ok
    C: RCPT TO:<b@y.example>
    S: 250 ok
    C: RCPT TO:<c@y.example>
    S: 250 ok
    C: DATA
    S: 354 go on
";

fn feed(smtp: &mut Smtp, said: &[(Heading, Vec<u8>)], cut: usize) {
    for (heading, bytes) in said {
        for part in bytes.chunks(cut) {
            if smtp.data(*heading, part, NOW).is_err() {
                return;
            }
        }
    }
}

fn parse(said: &[(Heading, Vec<u8>)], cut: usize) -> Smtp {
    let mut smtp = Smtp::new(SmtpConfig::default());
    feed(&mut smtp, said, cut);
    smtp
}

fn assert_same(a: &Smtp, b: &Smtp) {
    assert_eq!((a.first(), a.next()), (b.first(), b.next()));
    for number in a.first()..a.next() {
        let (a, b) = (a.transaction(number).unwrap(), b.transaction(number).unwrap());
        assert_eq!(a.record(), b.record());
        assert_eq!(a.companions(), b.companions());
        assert_eq!(a.events(), b.events());
        assert_eq!(a.files(), b.files());
        for heading in Heading::ALL {
            assert_eq!(a.progress(heading), b.progress(heading));
            for &buffer in Buffer::ALL {
                for index in 0..4 {
                    assert_eq!(a.buffer(buffer, heading, index), b.buffer(buffer, heading, index));
                }
            }
        }
    }
}

/// Checked to be the same however cut.
fn said(text: &str) -> Smtp {
    let said = dialogue(text);
    let whole = parse(&said, usize::MAX);
    for cut in [1, 2, 3, 7, 50] {
        assert_same(&whole, &parse(&said, cut));
    }
    whole
}

/// A mail, sent and taken.
fn mail(lines: &[&str]) -> Smtp {
    let lines: String = lines.iter().map(|line| format!("C: {line}\n")).collect();
    said(&[HELLO, ENVELOPE, &lines, "C: .\nS: 250 taken\n"].concat())
}

fn record(smtp: &Smtp, number: u64) -> Value {
    Value::Object(smtp.transaction(number).unwrap().record())
}

fn email(smtp: &Smtp) -> Value {
    let all = smtp.transaction(0).unwrap().companions();
    all.into_iter().find(|(key, _)| *key == "email").unwrap().1.into()
}

fn events(smtp: &Smtp) -> &[&'static str] {
    smtp.transaction(0).unwrap().events()
}

fn text(smtp: &Smtp, buffer: Buffer, index: usize) -> Option<String> {
    let view = smtp.transaction(0)?.buffer(buffer, ToServer, index)?;
    Some(String::from_utf8_lossy(view.bytes).into_owned())
}

/// Names and contents of the files, all of them closed.
fn files(smtp: &Smtp) -> Vec<(String, String)> {
    let utf8 = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let files = smtp.transaction(0).unwrap().files().iter();
    files
        .inspect(|file| assert_eq!(file.state, FileState::Closed))
        .map(|file| (utf8(&file.name), utf8(&file.data)))
        .collect()
}

fn file(name: &str, contents: &str) -> (String, String) {
    (name.to_owned(), contents.to_owned())
}

mod commands;
mod contents;

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        cuts in prop::collection::vec(1usize..30, 1..30),
        lines in prop::collection::vec(prop_oneof![
            Just("--B".to_owned()), Just("--B--".to_owned()), Just(String::new()),
            Just("Content-Type: multipart/mixed; boundary=B".to_owned()),
            Just("Content-Type: text/plain; name=n".to_owned()),
            Just("Content-Transfer-Encoding: base64".to_owned()),
            Just("Content-Transfer-Encoding: quoted-printable".to_owned()),
            "[A-Za-z0-9+/]{0,20}={0,3}", "[ -~]{0,50}",
        ], 0..30),
    ) {
        let lines: String = lines.iter().map(|line| format!("C: {line}\n")).collect();
        let all = dialogue(&[HELLO, ENVELOPE, &lines, "C: .\nS: 250 taken\n"].concat());
        let mut smtp = Smtp::new(SmtpConfig::default());
        let mut cuts = cuts.iter().cycle();
        for (heading, bytes) in &all {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (part, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                smtp.data(*heading, part, NOW).unwrap();
                rest = behind;
            }
        }
        assert_same(&parse(&all, usize::MAX), &smtp);
    }

    #[test]
    fn any_bytes_are_taken_in_bounded_memory(
        begin: bool,
        pieces in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(any::<u8>(), 1..300), 1usize..40), 0..20,
        ),
    ) {
        let mut smtp = Smtp::new(SmtpConfig::default());
        if begin {
            feed(&mut smtp, &dialogue(&[HELLO, ENVELOPE].concat()), 100);
        }
        for (to_server, piece, times) in &pieces {
            for _ in 0..*times {
                // What follows an error is never given again.
                let _: Result<(), _> = smtp.data(Heading::to_server_if(*to_server), piece, NOW);
            }
        }
        smtp.end(ToServer, NOW);
        smtp.end(ToClient, NOW);
        for number in smtp.first()..smtp.next() {
            let transaction = smtp.transaction(number).unwrap();
            prop_assert_eq!(transaction.progress(ToServer), COMPLETE);
            prop_assert!(transaction.files().iter().all(|file| file.state != FileState::Open));
            transaction.record();
            transaction.companions();
        }
        prop_assert!(smtp.memory_bytes() < 2 << 20);
    }
}
