//! What mails hold.

use super::*;

const MIXED: &str = "Content-Type: multipart/mixed; boundary=\"B\"";

/// A part with its header.
fn part<'a>(header: &[&'a str], body: &[&'a str]) -> Vec<&'a str> {
    [&["--B"][..], header, &[""], body].concat()
}

fn parts(all: &[Vec<&str>]) -> Smtp {
    mail(&[&["From: f", MIXED, "", "preamble"][..], &all.concat(), &["--B--", "behind"]].concat())
}

/// The only part's name, where it has one.
fn named(header: &[&str]) -> Option<String> {
    let smtp = parts(&[part(header, &["x"])]);
    assert!(events(&smtp).is_empty());
    files(&smtp).pop().map(|(name, contents)| {
        assert_eq!(contents, "x");
        name
    })
}

#[test]
fn parts_with_names_are_files() {
    let smtp = parts(&[
        part(&[], &["text"]),
        part(&["Content-Type: text/plain; name=\"a.txt\""], &["one", "", "two"]),
        part(
            &[
                "Content-Disposition: attachment; filename=b.bin",
                "Content-Transfer-Encoding: base64",
            ],
            &["QUJD", "REVG"],
        ),
        part(
            &["Content-Type: a/b; name=c", "Content-Transfer-Encoding: quoted-printable"],
            &["a=3D=", "b", ""],
        ),
    ]);
    let expected =
        [file("a.txt", "one\r\n\r\ntwo"), file("b.bin", "ABCDEF"), file("c", "a=b\r\n\r\n")];
    assert_eq!(files(&smtp), expected);
    assert_eq!(email(&smtp)["attachment"], json!(["a.txt", "b.bin", "c"]));
    assert_eq!(text(&smtp, Buffer::FileName, 1).as_deref(), Some("b.bin"));
    let view = smtp.transaction(0).unwrap().buffer(Buffer::FileData, ToServer, 1);
    assert_eq!(view, Some(BufferView::whole(b"ABCDEF")));
}

#[test]
fn names() {
    let ct = "Content-Type: text/plain; name=\"n.txt\"";
    let cd = "Content-Disposition: attachment; filename=\"d.txt\"";
    assert_eq!(named(&[ct, cd]).as_deref(), Some("n.txt"));
    assert_eq!(named(&[cd, ct]).as_deref(), Some("d.txt"));
    assert_eq!(named(&["Content-Disposition: attachment"]), None);
    assert_eq!(named(&["Content-Disposition: inline;", "\tfilename=f"]).as_deref(), Some("f"));
    let encoded = "Content-Disposition: attachment; filename*=utf-8''a%20b";
    assert_eq!(named(&[encoded]).as_deref(), Some("a b"));
    let smtp = parts(&[part(&["Content-Disposition: attachment; filename=\"\""], &["x"])]);
    assert!(files(&smtp).is_empty());
    assert_eq!(email(&smtp)["attachment"], json!([""]));
    let long = format!("Content-Disposition: attachment; filename={}", "n".repeat(256));
    let smtp = parts(&[part(&[&long], &["x"])]);
    assert_eq!(events(&smtp), ["smtp.mime_long_filename"]);
    assert_eq!(files(&smtp), [file(&"n".repeat(255), "x")]);
}

#[test]
fn a_mail_without_parts_can_be_a_file() {
    let smtp = mail(&["Content-Type: a/b; name=x", "", "one", "..two", "", ""]);
    assert_eq!(files(&smtp), [file("x", "one\r\n..two\r\n\r\n")]);
    let smtp = mail(&["Content-Type: a/b; name=x", ""]);
    assert_eq!(files(&smtp), [file("x", "")]);
}

#[test]
fn parts_within_parts() {
    let inner = ["Content-Type: multipart/alternative; boundary=BC", ""];
    let a = ["--BC", "Content-Type: a/b; name=a", "", "1"];
    let nested = [&inner[..], &a, &["--BC--"]].concat();
    let outer = part(&["Content-Type: a/b; name=o"], &["2"]);
    let both = [file("a", "1"), file("o", "2")];
    assert_eq!(files(&parts(&[[&["--B"][..], &nested].concat(), outer.clone()])), both);
    // The inner one ends with the outer.
    assert_eq!(files(&parts(&[[&["--B"][..], &inner, &a].concat(), outer.clone()])), both);
    let message = ["--B", "Content-Type: message/rfc822; name=m", "", "Subject: inner"];
    let message = [&message[..], &["Content-Type: text/plain; name=d", "", "http://u"]].concat();
    let smtp = parts(&[message, outer]);
    assert_eq!(files(&smtp), [file("d", "http://u"), file("o", "2")]);
    assert_eq!(email(&smtp)["attachment"], json!(["m", "d", "o"]));
    assert_eq!(text(&smtp, Buffer::EmailSubject, 0), None);
    // Parts behind the last one are parts.
    let late = part(&["Content-Type: a/b; name=l"], &["3"]);
    assert_eq!(files(&parts(&[vec!["--B--"], late])), [file("l", "3")]);
}

#[test]
fn fields() {
    let smtp = mail(&[
        " folded first",
        "From:  f  ",
        "Received: r1",
        "no field",
        "Received: r2",
        "\tmore",
        "  and more",
        "subject: s1",
        "Subject: s2",
        "Message-Id: <1>",
        "X-Mailer: m",
        "Date:",
        "",
        "body",
    ]);
    for (buffer, index, value) in [
        (Buffer::EmailFrom, 0, Some("f  ")),
        (Buffer::EmailReceived, 0, Some("r1")),
        (Buffer::EmailReceived, 1, Some("r2more and more")),
        (Buffer::EmailReceived, 2, None),
        (Buffer::EmailSubject, 0, Some("s1")),
        (Buffer::EmailMessageId, 0, Some("<1>")),
        (Buffer::EmailXMailer, 0, Some("m")),
        (Buffer::EmailDate, 0, Some("")),
        (Buffer::EmailCc, 0, None),
    ] {
        assert_eq!(text(&smtp, buffer, index).as_deref(), value, "{}", buffer.keyword());
    }
    assert!(events(&smtp).is_empty());
    // A header that is not over says nothing.
    let smtp = mail(&["From: f", "Subject: s"]);
    assert_eq!(email(&smtp), json!({"status": "PARSE_DONE"}));
    assert_eq!(text(&smtp, Buffer::EmailFrom, 0), None);
}

#[test]
fn what_is_too_long_is_told() {
    for (line, event) in [
        (format!("{}: v", "X".repeat(76)), Some("smtp.mime_long_header_name")),
        (format!("{}: v", "X".repeat(75)), None),
        (format!("X: {}", "v".repeat(995)), None),
        (format!("X: {}", "v".repeat(996)), Some("smtp.mime_long_line")),
    ] {
        assert_eq!(events(&mail(&[&line, ""])).first().copied(), event);
    }
    let value = format!("Subject: {}", "v".repeat(2001));
    let smtp = mail(&[&value, ""]);
    assert_eq!(events(&smtp), ["smtp.mime_long_line", "smtp.mime_long_header_value"]);
    assert_eq!(text(&smtp, Buffer::EmailSubject, 0).unwrap().len(), 2001);
    let huge = format!("Subject: {}", "v".repeat(9000));
    let smtp = mail(&[&huge, "From: f", ""]);
    assert!(events(&smtp).contains(&"smtp.truncated_line"));
    assert_eq!(text(&smtp, Buffer::EmailFrom, 0).as_deref(), Some("f"));
    let boundary = format!("Content-Type: multipart/mixed; boundary={}", "B".repeat(255));
    assert_eq!(events(&mail(&[&boundary, ""])), ["smtp.mime_long_boundary"]);
    let (coding, named) = ("Content-Transfer-Encoding: base64", "Content-Type: a/b; name=n");
    let line = "QUJD".repeat(3000);
    let smtp = mail(&[named, coding, "", &line]);
    assert_eq!(events(&smtp), ["smtp.mime_long_line", "smtp.mime_long_enc_line"]);
    assert_eq!(files(&smtp), [file("n", &"ABC".repeat(3000))]);
    let plain = "x".repeat(12_000);
    assert_eq!(files(&mail(&[named, "", &plain, "y"])), [file("n", &format!("{plain}\r\ny"))]);
}

#[test]
fn what_is_encoded_badly_is_told() {
    let named = "Content-Type: a/b; name=n";
    let smtp = mail(&[named, "Content-Transfer-Encoding: base64", "", "====", "QU!JD"]);
    assert_eq!(events(&smtp), ["smtp.mime_invalid_base64"]);
    assert_eq!(files(&smtp), [file("n", "ABC")]);
    let smtp = mail(&[named, "Content-Transfer-Encoding: quoted-printable", "", "a=ZZb=c3=a9"]);
    assert_eq!(events(&smtp), ["smtp.mime_invalid_qp"]);
    assert_eq!(files(&smtp), [file("n", "abé\r\n")]);
    for coding in ["x-uuencode", "base64;", "base64 (x)"] {
        let coding = format!("Content-Transfer-Encoding: {coding}");
        assert_eq!(files(&mail(&[named, &coding, "", "QUJD"])), [file("n", "QUJD")]);
    }
}

#[test]
fn addresses_in_texts() {
    let urls = |header: &[&str], body: &[&str]| -> Value {
        email(&mail(&[header, &[""], body].concat()))["url"].clone()
    };
    let body = ["see http://a/1 and HTTP://B/2", "http://a/1"];
    assert_eq!(urls(&[], &body), json!(["a/1\r\n", "B/2\r\n", "a/1"]));
    assert_eq!(urls(&["Content-Type: text/HTML; charset=x"], &body).as_array().unwrap().len(), 3);
    assert_eq!(urls(&["Content-Type: text/calendar"], &body), Value::Null);
    let long = format!("{} http://a/1 {}http://b x", "x".repeat(4080), "y".repeat(4090));
    assert_eq!(urls(&[], &[&long]), json!(["b", "a/1"]));
    let base64 = ["Content-Type: text/plain", "Content-Transfer-Encoding: base64"];
    // "http://a/1\nhttp://b"
    assert_eq!(urls(&base64, &["aHR0cDov", "L2EvMQpodHRwOi8vYg=="]), json!(["b", "a/1"]));
    let parts = parts(&[part(&[], &["http://in "]), vec!["--B--", "http://behind"]]);
    assert_eq!(email(&parts)["url"], json!(["in"]));
}

#[test]
fn large_files_are_counted_and_kept_from_their_beginning() {
    let line = "x".repeat(900);
    let lines = [&["Content-Type: a/b; name=n", ""][..], &vec![line.as_str(); 200]].concat();
    let smtp = mail(&lines);
    let file = &smtp.transaction(0).unwrap().files()[0];
    assert_eq!((file.size, file.data.len()), (200 * 902 - 2, 100_000));
    assert_eq!(file.state, FileState::Closed);
    assert!(smtp.memory_bytes() < 300_000);
}

#[test]
fn files_whose_end_does_not_come() {
    let begun = [HELLO, ENVELOPE, "C: Content-Type: a/b; name=n\nC:\nC: abc\nC: d\n"].concat();
    let mut smtp = said(&begun);
    smtp.end(ToServer, NOW);
    let file = &smtp.transaction(0).unwrap().files()[0];
    assert_eq!((file.data.as_slice(), file.state), (&b"abc\r\nd"[..], FileState::Truncated));
    let mut smtp = said(&begun);
    smtp.gap(ToServer, 10, NOW).unwrap_err();
    assert_eq!(smtp.transaction(0).unwrap().files()[0].state, FileState::Truncated);
}
