//! Whole dialogues, by what rules and records see of them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{AppProto, Buffer, COMPLETE, Expected, Field, Heading, Parser, Switch};
use super::{Ftp, FtpConfig, REPLY};
use crate::events::Timestamp;

const NOW: Timestamp = Timestamp(0);
use Heading::{ToClient, ToServer};

/// `C:` before what the client says, `S:` before what the server does; lines end as they should.
fn dialogue(text: &str) -> Vec<(Heading, Vec<u8>)> {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (who, said) = line.split_at(2);
            (Heading::to_server_if(who == "C:"), format!("{said}\r\n").into_bytes())
        })
        .collect()
}

fn feed(ftp: &mut Ftp, said: &[(Heading, Vec<u8>)], cut: usize) {
    for (heading, bytes) in said {
        for part in bytes.chunks(cut) {
            if ftp.data(*heading, part, NOW).is_err() {
                return;
            }
        }
    }
}

fn parse(said: &[(Heading, Vec<u8>)], cut: usize) -> Ftp {
    let mut ftp = Ftp::new(FtpConfig::default());
    feed(&mut ftp, said, cut);
    ftp
}

fn assert_same(a: &Ftp, b: &Ftp) {
    assert_eq!((a.first(), a.next()), (b.first(), b.next()));
    assert_eq!(a.expected, b.expected);
    for number in a.first()..a.next() {
        let (a, b) = (a.transaction(number).unwrap(), b.transaction(number).unwrap());
        assert_eq!(a.record(), b.record());
        assert_eq!(a.events(), b.events());
        assert_eq!(a.progress(ToClient), b.progress(ToClient));
    }
}

/// Checked to be the same however cut.
fn said(text: &str) -> Ftp {
    let said = dialogue(text);
    let whole = parse(&said, usize::MAX);
    for cut in [1, 2, 3, 7, 50] {
        assert_same(&whole, &parse(&said, cut));
    }
    whole
}

fn record(ftp: &Ftp, number: u64) -> Value {
    Value::Object(ftp.transaction(number).unwrap().record())
}

/// Commands, codes and replies of all transactions.
fn short(ftp: &Ftp) -> Vec<(Value, Value, Value)> {
    let records = (ftp.first()..ftp.next()).map(|number| record(ftp, number));
    records
        .map(|r| (r["command"].clone(), r["completion_code"].clone(), r["reply"].clone()))
        .collect()
}

fn events(ftp: &Ftp, number: u64) -> &[&'static str] {
    ftp.transaction(number).unwrap().events()
}

const LOGIN: &str = "
    S:220 hello
    C:USER me
    S:331 more
    C:PASS x
    S:230-in
    S: welcome
    S:230 go
";

#[test]
fn a_command_with_its_replies_is_a_transaction() {
    let ftp = said(LOGIN);
    let greeting = json!({
        "completion_code": ["220"], "reply": ["hello"],
        "reply_received": "yes", "reply_truncated": false,
    });
    assert_eq!(record(&ftp, 0), greeting);
    let user = json!({
        "command": "USER", "command_data": "me", "command_truncated": false,
        "completion_code": ["331"], "reply": ["more"],
        "reply_received": "yes", "reply_truncated": false,
    });
    assert_eq!(record(&ftp, 1), user);
    assert_eq!(record(&ftp, 2)["completion_code"], json!(["230"]));
    assert_eq!(record(&ftp, 2)["reply"], json!(["230-in", " welcome", "go"]));
    let transaction = ftp.transaction(2).unwrap();
    let text = |buffer, heading, index| {
        let view = transaction.buffer(buffer, heading, index)?;
        Some(String::from_utf8_lossy(view.bytes).into_owned())
    };
    assert_eq!(text(Buffer::FtpCommand, ToServer, 0).as_deref(), Some("PASS"));
    assert_eq!(text(Buffer::FtpCommandData, ToServer, 0).as_deref(), Some("x\0"));
    assert_eq!(text(Buffer::FtpReply, ToClient, 2).as_deref(), Some("go"));
    assert_eq!(text(Buffer::FtpCompletionCode, ToClient, 0).as_deref(), Some("230"));
    assert_eq!(text(Buffer::FtpReply, ToClient, 3), None);
    assert_eq!(text(Buffer::FtpCommand, ToClient, 0), None);
}

#[test]
fn replies_find_their_commands() {
    let ftp = said(
        "
        C:PWD\nC:CWD /x\nC:RETR f\nS:257 a\nS:250 b\nS:150 c\nS:226 d\nS:250 extra\nC:SYST\nS:215 e
    ",
    );
    let all = [
        (json!("PWD"), json!(["257"]), json!(["a"])),
        (json!("CWD"), json!(["250"]), json!(["b"])),
        (json!("RETR"), json!(["150", "226"]), json!(["c", "d"])),
        (Value::Null, json!(["250"]), json!(["extra"])),
        (json!("SYST"), json!(["215"]), json!(["e"])),
    ];
    assert_eq!(short(&ftp), all);
}

#[test]
fn replies_of_many_lines_and_odd_ones() {
    let ftp = said("
        C:HELP\nS:214-a\nS:215 b\nS:214-c\nS: 214 d\nS:214 e
        C:PWD\nS:257\nC:PWD\nS:257  x \nC:PWD\nS:257x\nC:PWD\nS:hello\nS:257 y\nC:PWD\nS:\nC:QUIT\nS:221 z
    ");
    let all = [
        (json!("HELP"), json!(["215", "214"]), json!(["214-a", "b", "214-c", " 214 d", "e"])),
        (json!("PWD"), json!(["257"]), Value::Null),
        (json!("PWD"), json!(["257"]), json!([" x"])),
        (json!("PWD"), Value::Null, json!(["257x"])),
        (json!("PWD"), json!(["257"]), json!(["hello", "y"])),
        (json!("PWD"), Value::Null, Value::Null),
        (json!("QUIT"), json!(["221"]), json!(["z"])),
    ];
    assert_eq!(short(&ftp), all);
    assert_eq!(record(&ftp, 5)["reply_received"], "yes");
    let ftp = said("C:RETR x\nS:150-a\nS:150 b\nS:226 c\n");
    let retr = (json!("RETR"), json!(["150"]), json!(["150-a", "b"]));
    assert_eq!(short(&ftp), [retr, (Value::Null, json!(["226"]), json!(["c"]))]);
    // A reply that is never ended does not take all that follow.
    let ftp = said("C:FEAT\nS:211-a\nC:PWD\nS:257 b\nC:SYST\nS:215 c");
    assert_eq!(
        short(&ftp)[1..],
        [
            (json!("PWD"), json!(["257"]), json!(["b"])),
            (json!("SYST"), json!(["215"]), json!(["c"])),
        ]
    );
}

#[test]
fn stages_and_numbers() {
    let mut ftp = Ftp::new(FtpConfig::default());
    let received = |ftp: &Ftp| {
        let transaction = ftp.transaction(0).unwrap();
        (transaction.progress(ToClient), transaction.number(Field::FtpReplyReceived, ToClient))
    };
    let mut seen = Vec::new();
    for piece in dialogue("C:LIST\nS:150 a\nS:226 b") {
        feed(&mut ftp, &[piece], usize::MAX);
        seen.push(received(&ftp));
    }
    assert_eq!(seen, [(0, None), (REPLY, Some(0)), (COMPLETE, Some(1))]);
    assert_eq!(ftp.transaction(0).unwrap().progress(ToServer), COMPLETE);
    let mut ftp = said("C:PWD");
    ftp.end(ToClient, NOW);
    assert_eq!(received(&ftp), (COMPLETE, Some(0)));
    assert_eq!(record(&ftp, 0)["reply_received"], "no");
}

fn expected(text: &str) -> Expected {
    let mut ftp = said(text);
    let expected = ftp.expected().unwrap();
    assert_eq!(ftp.expected(), None);
    assert_eq!(expected.protocol, AppProto::FtpData);
    expected
}

#[test]
fn data_connections_are_announced() {
    let passive = "C:PASV\nS:227 ok (10,0,0,2,5,1).\nC:TYPE I\nS:200 x\n";
    let retr = expected(&[passive, "C:RETR dir/a b.txt\n"].concat());
    let v4 = Some([10, 0, 0, 2].into());
    assert_eq!((retr.address, retr.port), (v4, 1281));
    assert_eq!((retr.opens, retr.heading), (ToServer, ToClient));
    assert_eq!((retr.command, retr.file_name), ("RETR", Some(b"dir/a b.txt".to_vec())));
    let stor = expected("C:EPSV\nS:229 ok (|||1290|)\nC:STOR up\n");
    assert_eq!((stor.address, stor.port), (None, 1290));
    assert_eq!((stor.opens, stor.heading), (ToServer, ToServer));
    let stor = expected("C:EPRT |2|::1|1031|\nS:200 ok\nC:APPE up\n");
    assert_eq!((stor.address, stor.port), (Some("::1".parse().unwrap()), 1031));
    assert_eq!((stor.opens, stor.heading), (ToClient, ToClient));
    let retr = expected("C:PORT 10,0,0,2,5,1\nS:200 ok\nC:RETR x\n");
    assert_eq!((retr.opens, retr.heading), (ToClient, ToServer));
    let list = expected(&[passive, "C:LIST -la\n"].concat());
    assert_eq!((list.command, list.file_name, list.heading), ("LIST", None, ToClient));
    let stou = expected(&[passive, "C:STOU\n"].concat());
    assert_eq!(stou.file_name.as_deref(), Some(&b"<stou>"[..]));
    // Each only once.
    let mut ftp = said(&[passive, "C:RETR a\nS:550 x\nC:RETR b\n"].concat());
    assert_eq!(ftp.expected().unwrap().file_name, Some(b"a".to_vec()));
    assert_eq!(ftp.expected(), None);
    assert_eq!(events(&ftp, 3), ["ftp.file_before_port"]);
}

#[test]
fn ports_are_recorded() {
    let ftp = said(
        "
        C:PASV\nS:227 ok (10,0,0,2,5,1)\nC:PASV\nS:227 no\nC:EPSV\nS:500 (|||1|)
        C:PORT 10,0,0,1,4,1\nS:500 no\nC:PORT 1\nS:200 ok\nC:PWD\nS:227 (10,0,0,2,5,1)
    ",
    );
    let row = |number| {
        let r = record(&ftp, number);
        (r["mode"].clone(), r["dynamic_port"].clone(), r["reply"].clone())
    };
    assert_eq!(row(0), (json!("passive"), json!(1281), json!(["ok (10,0,0,2,5,1)"])));
    assert_eq!(row(1), (json!("passive"), Value::Null, json!(["no"])));
    assert_eq!(row(2), (json!("passive"), Value::Null, json!(["(|||1|)"])));
    assert_eq!(row(3), (json!("active"), json!(1025), json!(["no"])));
    assert_eq!(row(4), (json!("passive"), Value::Null, Value::Null));
    assert_eq!(record(&ftp, 4)["reply_received"], "yes");
    assert_eq!(row(5), (Value::Null, Value::Null, json!(["(10,0,0,2,5,1)"])));
    assert_eq!(ftp.transaction(3).unwrap().announced(), Some([10, 0, 0, 1].into()));
    assert_eq!(ftp.transaction(0).unwrap().announced(), None);
    let port = |heading| ftp.transaction(0).unwrap().number(Field::FtpDynamicPort, heading);
    assert_eq!((port(ToServer), port(ToClient)), (Some(1281), Some(1281)));
}

#[test]
fn transfers_without_a_port_or_a_name() {
    for (command, event) in [
        ("RETR x", Some("ftp.file_before_port")),
        ("RETR", Some("ftp.file_without_name")),
        ("STOU", Some("ftp.file_before_port")),
        ("MLSD", Some("ftp.file_before_port")),
        ("SIZE x", None),
    ] {
        assert_eq!(events(&said(&format!("C:{command}")), 0).first().copied(), event, "{command}");
    }
}

#[test]
fn lines_that_are_too_long_are_cut() {
    for (len, kept, cut) in [(4089, 4089, false), (4090, 4090, true), (9000, 4092, true)] {
        let ftp = said(&format!("C:CWD {0}\nS:250 {0}\nC:PWD\nS:257 x", "a".repeat(len)));
        let cwd = record(&ftp, 0);
        assert_eq!(cwd["command_data"].as_str().map(str::len), Some(kept));
        assert_eq!(cwd["reply"][0].as_str().map(str::len), Some(kept));
        assert_eq!(
            (&cwd["command_truncated"], &cwd["reply_truncated"]),
            (&json!(cut), &json!(cut))
        );
        let both = ["ftp.request_command_too_long", "ftp.response_command_too_long"];
        assert_eq!(events(&ftp, 0), if cut { &both[..] } else { &[] });
        assert_eq!(record(&ftp, 1)["reply"], json!(["x"]));
    }
}

#[test]
fn too_many_of_anything() {
    let ftp = said(&["C:RETR x\n", &"S:150 p\n".repeat(20), "S:226 done\n"].concat());
    assert!(events(&ftp, 0).contains(&"ftp.too_many_preliminary_responses"));
    assert_eq!(record(&ftp, 0)["reply"].as_array().map(Vec::len), Some(17));
    let mut ftp = Ftp::new(FtpConfig::default());
    let many = "NOOP\r\n".repeat(1025);
    ftp.data(ToServer, many.as_bytes(), NOW).unwrap_err();
    assert_eq!(ftp.next(), 1024);
    assert_eq!(events(&ftp, 0), ["ftp.too_many_transactions"]);
    assert_eq!(ftp.transaction(1023).unwrap().progress(ToClient), COMPLETE);
    ftp.release(1024);
    assert_eq!((ftp.first(), ftp.next()), (1024, 1024));
}

#[test]
fn going_over_to_tls() {
    let mut ftp = said("C:AUTH TLS\nS:234 go");
    assert_eq!(ftp.switch(), Some(Switch::To(AppProto::Tls)));
    ftp.data(ToServer, b"\x16\x03\x01\n", NOW).unwrap();
    assert_eq!(ftp.next(), 1);
    assert_eq!(said("C:AUTH TLS\nS:534 no\nC:PWD").switch(), None);
    assert_eq!(said("C:AUTH GSSAPI\nS:234 go\nC:PWD").switch(), None);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        cuts in prop::collection::vec(1usize..30, 1..30),
        lines in prop::collection::vec(prop_oneof![
            "C:(PASV|EPSV|LIST|RETR x|STOR|AUTH TLS|[A-Z]{3,4} [ -~]{0,10})",
            "S:[12345][0-9]{2}[ -][ -~]{0,20}",
            Just("S:227 x (1,2,3,4,5,6)".to_owned()),
            "S:[ -~]{0,20}",
        ], 0..40),
    ) {
        let all = dialogue(&lines.join("\n"));
        let mut ftp = Ftp::new(FtpConfig::default());
        let mut cuts = cuts.iter().cycle();
        for (heading, bytes) in &all {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (part, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                ftp.data(*heading, part, NOW).unwrap();
                rest = behind;
            }
        }
        assert_same(&parse(&all, usize::MAX), &ftp);
    }

    #[test]
    fn any_bytes_are_taken_in_bounded_memory(
        pieces in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(any::<u8>(), 1..300), 1usize..60), 0..20,
        ),
    ) {
        let mut ftp = Ftp::new(FtpConfig::default());
        for (to_server, piece, times) in &pieces {
            for _ in 0..*times {
                // What follows an error is never given again.
                let _: Result<(), _> = ftp.data(Heading::to_server_if(*to_server), piece, NOW);
            }
        }
        ftp.end(ToServer, NOW);
        ftp.end(ToClient, NOW);
        for number in ftp.first()..ftp.next() {
            let transaction = ftp.transaction(number).unwrap();
            prop_assert_eq!(transaction.progress(ToClient), COMPLETE);
            transaction.record();
        }
        prop_assert!(ftp.memory_bytes() < 8 << 20);
    }
}
