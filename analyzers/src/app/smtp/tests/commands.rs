//! What is said around mails.

use super::*;

const BODY_LINES: &str = "
    C: From: A <a@x.example>
    C: To: b@y.example, \"C, D\" <c@y.example>
    C: Cc: e@z.example
    C: Subject: one
    C:  two
    C:
    C: see http://www.example/a?b=c and so on
    C: .
    S: 250 taken
";
const QUIT: &str = "C: QUIT\nS: 221 bye\n";

#[test]
fn a_mail_is_a_transaction() {
    let smtp = said(&[HELLO, ENVELOPE, BODY_LINES, QUIT].concat());
    assert_eq!(smtp.next(), 1);
    let expected = json!({
        "helo": "me.example", "mail_from": "<a@x.example>",
        "rcpt_to": ["<b@y.example>", "<c@y.example>"],
    });
    assert_eq!(record(&smtp, 0), expected);
    let expected = json!({
        "from": "A <a@x.example>", "to": ["b@y.example", "\"C, D\" <c@y.example>"],
        "cc": ["e@z.example"], "status": "PARSE_DONE", "url": ["www.example/a?b=c"],
    });
    assert_eq!(email(&smtp), expected);
    assert!(events(&smtp).is_empty());
    for (buffer, index, value) in [
        (Buffer::SmtpHelo, 0, Some("me.example")),
        (Buffer::SmtpMailFrom, 0, Some("<a@x.example>")),
        (Buffer::SmtpRcptTo, 1, Some("<c@y.example>")),
        (Buffer::SmtpRcptTo, 2, None),
        (Buffer::EmailSubject, 0, Some("onetwo")),
        (Buffer::EmailTo, 0, Some("b@y.example, \"C, D\" <c@y.example>")),
        (Buffer::EmailUrl, 0, Some("www.example/a?b=c")),
        (Buffer::EmailDate, 0, None),
    ] {
        assert_eq!(text(&smtp, buffer, index).as_deref(), value, "{}", buffer.keyword());
    }
}

#[test]
fn stages_rise_with_what_was_said() {
    let mut smtp = Smtp::new(SmtpConfig::default());
    let mut progress = Vec::new();
    let mut said = dialogue(&[HELLO, ENVELOPE].concat());
    said.extend(dialogue(BODY_LINES));
    for piece in said {
        feed(&mut smtp, &[piece], usize::MAX);
        if let Some(transaction) = smtp.transaction(0) {
            progress.push((transaction.progress(ToServer), transaction.progress(ToClient)));
        }
    }
    progress.dedup();
    let all = [(COMMANDS, 0), (BODY, 0), (COMPLETE, 0), (COMPLETE, COMPLETE)];
    assert_eq!(progress, all);
}

#[test]
fn each_mail_is_one_and_the_name_is_said_once() {
    let again = "C: EHLO other\nS: 250 ok\n";
    let smtp = said(&[HELLO, ENVELOPE, BODY_LINES, again, ENVELOPE, BODY_LINES, QUIT].concat());
    assert_eq!(smtp.next(), 2);
    assert_eq!(record(&smtp, 0), record(&smtp, 1));
    assert_eq!(smtp.transaction(1).unwrap().events(), ["smtp.duplicate_fields"]);
}

#[test]
fn reset_and_quit_end_a_transaction_and_begin_none() {
    let reset = "C: RSET\nS: 250 ok\n";
    let begun = "C: MAIL FROM:<q@q>\nS: 250 ok\n";
    let smtp = said(&[HELLO, begun, reset, reset, ENVELOPE, BODY_LINES, QUIT].concat());
    assert_eq!(smtp.next(), 2);
    assert_eq!(record(&smtp, 0), json!({"helo": "me.example", "mail_from": "<q@q>"}));
    assert_eq!(record(&smtp, 1)["mail_from"], "<a@x.example>");
    let refused = "C: RSET\nS: 500 no\n";
    let smtp = said(&[HELLO, begun, refused, ENVELOPE].concat());
    assert_eq!(smtp.next(), 1);
    assert_eq!(events(&smtp), ["smtp.duplicate_fields"]);
    let smtp = said(&["S: 220 x\n", QUIT].concat());
    assert_eq!((smtp.next(), record(&smtp, 0)), (1, json!({})));
    assert_eq!(smtp.transaction(0).unwrap().progress(ToClient), COMPLETE);
}

#[test]
fn what_is_said_before_its_turn() {
    let pipelining = "S: 220 x\nC: EHLO me\nS: 250-x\nS: 250 PIPELINING\n";
    let ahead = "C: MAIL FROM:<a>\nC: RCPT TO:<b>\nC: DATA\n";
    let replies = "S: 250 ok\nS: 250 ok\nS: 354 go\n";
    let smtp = said(&[pipelining, ahead, replies, BODY_LINES].concat());
    assert!(events(&smtp).is_empty());
    assert_eq!(email(&smtp)["from"], "A <a@x.example>");
    let body: String =
        BODY_LINES.lines().filter(|line| !line.contains("S:")).collect::<Vec<_>>().join("\n");
    let taken = "S: 250 taken\n";
    let again = [ENVELOPE, BODY_LINES, QUIT].concat();
    let smtp = said(&[pipelining, ahead, &body, "\n", replies, taken, &again].concat());
    assert_eq!((smtp.next(), record(&smtp, 1)["mail_from"].as_str()), (2, Some("<a@x.example>")));
    assert_eq!(events(&smtp), ["smtp.invalid_pipelined_sequence"]);
    assert_eq!(email(&smtp)["from"], "A <a@x.example>");
    assert_eq!(smtp.transaction(0).unwrap().progress(ToClient), COMPLETE);
    // A server that did not say that it can takes a mail for commands.
    let smtp = said(&[HELLO, ahead, &body, "\n", replies].concat());
    assert_eq!(events(&smtp), ["smtp.invalid_pipelined_sequence"]);
    assert_eq!(email(&smtp), json!({"status": "PARSE_DONE"}));
}

#[test]
fn mails_that_the_server_does_not_want() {
    let refused = "C: MAIL FROM:<a>\nS: 250 ok\nC: DATA\nS: 554 no\n";
    let smtp = said(&[HELLO, refused, QUIT].concat());
    assert_eq!(events(&smtp), ["smtp.data_command_rejected"]);
    let smtp = said(&[HELLO, refused, "C: DATA\nS: 354 go\n", BODY_LINES].concat());
    assert_eq!(events(&smtp), ["smtp.data_command_rejected", "smtp.unparsable_content"]);
    assert_eq!(email(&smtp)["from"], "A <a@x.example>");
    let smtp = said(&[HELLO, "C: DATA\nC: DATA\nS: 354 go\n", BODY_LINES].concat());
    assert_eq!(events(&smtp), ["smtp.unparsable_content"]);
    assert_eq!(email(&smtp)["from"], "A <a@x.example>");
}

#[test]
fn servers_that_are_none() {
    let smtp = said(&["S: 554 no\n", HELLO.trim_start().split_once('\n').unwrap().1].concat());
    assert_eq!(events(&smtp), ["smtp.no_server_welcome_message"]);
    for reply in ["S: xyz\n", "S: 25\n", "S:  250 ok\n", "S: 299 ok\n", "S:\n"] {
        let smtp = said(&[HELLO, "C: NOOP\n", reply, ENVELOPE].concat());
        assert_eq!(events(&smtp), ["smtp.invalid_reply"], "{reply}");
        assert_eq!(record(&smtp, 0), json!({"helo": "me.example"}));
    }
    let smtp = said(&[HELLO, "S: 250 extra\nC: NOOP\nS: 250\nS: 250x\n", ENVELOPE].concat());
    assert!(events(&smtp).is_empty());
}

#[test]
fn lines_that_are_too_long_are_cut() {
    let long = "a".repeat(5000);
    let said_ = format!("{HELLO}C: EXPN {long}\nS: 250-{long}\nS: 250 ok\n{ENVELOPE}");
    let smtp = said(&said_);
    assert_eq!(events(&smtp), ["smtp.truncated_line"]);
    assert_eq!(record(&smtp, 0)["mail_from"], "<a@x.example>");
    let just = "a".repeat(4093);
    assert!(events(&said(&format!("{HELLO}C: {just}\nS: 250 ok\n"))).is_empty());
    let smtp = said(&format!("{HELLO}C: {just}a\nS: 250 ok\n"));
    assert_eq!(events(&smtp), ["smtp.truncated_line"]);
}

#[test]
fn chunks_are_passed_over() {
    let begun = "C: MAIL FROM:<a>\nS: 250 ok\n";
    let chunks = "C: BDAT 8\nC: QUIT\nC:\nS: 250 ok\nC: BDAT 5 LAST\nC: abc\nS: 250 taken\n";
    let smtp = said(&[HELLO, begun, chunks, begun].concat());
    assert_eq!(smtp.next(), 2);
    assert!(events(&smtp).is_empty() && smtp.transaction(0).unwrap().companions().is_empty());
    let smtp = said(&[HELLO, begun, "C: BDAT x\nS: 500 no\n", QUIT].concat());
    assert_eq!(events(&smtp), ["smtp.invalid_bdat"]);
    assert_eq!(smtp.transaction(0).unwrap().progress(ToClient), COMPLETE);
}

#[test]
fn going_over_to_tls() {
    let mut smtp = said(&[HELLO, "C: STARTTLS\nS: 220-go\nS: 220 go\n"].concat());
    assert_eq!(smtp.switch(), Some(Switch::To(AppProto::Tls)));
    assert_eq!(smtp.switch(), None);
    smtp.data(ToServer, b"\x16\x03\x01", NOW).unwrap();
    smtp.data(ToClient, b"\x16\x03\x01", NOW).unwrap();
    assert_eq!((smtp.next(), events(&smtp).len()), (1, 0));
    let mut smtp = said(&[HELLO, "C: STARTTLS\nS: 454 no\n", ENVELOPE, BODY_LINES].concat());
    assert_eq!(smtp.switch(), None);
    assert_eq!(events(&smtp), ["smtp.tls_rejected"]);
    assert_eq!(email(&smtp)["from"], "A <a@x.example>");
}

#[test]
fn what_is_no_text_is_not_recorded() {
    let mut said = dialogue("S: 220 x");
    said.push((ToServer, b"EHLO \xff\r\nRCPT TO:<\xfe>\r\n".to_vec()));
    let smtp = parse(&said, usize::MAX);
    assert_eq!(record(&smtp, 0), json!({}));
    let helo = smtp.transaction(0).unwrap().buffer(Buffer::SmtpHelo, ToServer, 0);
    assert_eq!(helo, Some(BufferView::whole(b"\xff")));
}

#[test]
fn too_many_transactions_end_it() {
    let mut smtp = parse(&dialogue(HELLO), usize::MAX);
    let mail = dialogue("C: MAIL FROM:<a>\nC: RSET\nS: 250 ok\nS: 250 ok\n");
    for _ in 0..300 {
        feed(&mut smtp, &mail, usize::MAX);
    }
    assert_eq!(smtp.next(), 256);
    let mut smtp = parse(&dialogue(HELLO), usize::MAX);
    for _ in 0..300 {
        feed(&mut smtp, &mail, usize::MAX);
        smtp.release(smtp.next() - 1);
    }
    assert_eq!(smtp.next(), 300);
    assert_eq!(smtp.first(), 299);
}
