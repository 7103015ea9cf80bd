//! Protocols that speak in lines: SMTP with a mail, FTP, and the banners of SSH.

use umbra_analyzers::app::{Buffer, Heading};
use umbra_analyzers::ids::rule::ast::Source;

use super::{missing_payload, step, tcp};
use crate::rules::maker::{Maker, Skip, Style};
use crate::rules::solve::transform::base64;
use crate::rules::talk::{Step, Talk};

use Heading::{ToClient, ToServer};

fn text(maker: &mut Maker<'_>, buffer: Buffer) -> Result<Option<String>, Skip> {
    let bytes = maker.app_bytes(buffer, Style::letters())?;
    Ok(bytes.map(|bytes| bytes.iter().copied().map(char::from).collect()))
}

/// Latin-1, so that every byte of a buffer stays what it is.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| c as u8).collect()
}

/// A mail sent over SMTP (RFC 5321), a file attached where the rule wants one.
pub(super) fn smtp(maker: &mut Maker<'_>) -> Result<Talk, Skip> {
    let helo = text(maker, Buffer::SmtpHelo)?.unwrap_or_else(|| "client.example.test".to_owned());
    let from = text(maker, Buffer::SmtpMailFrom)?.unwrap_or_else(|| "a@example.test".to_owned());
    let rcpt = text(maker, Buffer::SmtpRcptTo)?.unwrap_or_else(|| "b@example.test".to_owned());
    let mut head = String::new();
    for (buffer, name) in [
        (Buffer::EmailReceived, "Received"),
        (Buffer::EmailFrom, "From"),
        (Buffer::EmailTo, "To"),
        (Buffer::EmailCc, "Cc"),
        (Buffer::EmailSubject, "Subject"),
        (Buffer::EmailDate, "Date"),
        (Buffer::EmailMessageId, "Message-ID"),
        (Buffer::EmailXMailer, "X-Mailer"),
    ] {
        if let Some(value) = text(maker, buffer)? {
            head += &format!("{name}: {value}\r\n");
        }
    }
    let mut body = "Good morning\r\n".to_owned();
    if let Some(url) = text(maker, Buffer::EmailUrl)? {
        body += &format!("http://{url}\r\n");
    }
    let file = maker.app_bytes(Buffer::FileData, Style::letters())?;
    let name = text(maker, Buffer::FileName)?;
    let mut mail = bytes(&if file.is_some() || name.is_some() {
        attached(
            &head,
            &body,
            &name.unwrap_or_else(|| "a.bin".to_owned()),
            &file.unwrap_or_default(),
        )
    } else {
        format!("{head}\r\n{body}")
    });
    let open = [
        (ToClient, "220 mail.example.test ESMTP\r\n".to_owned()),
        (ToServer, format!("EHLO {helo}\r\n")),
        (ToClient, "250 mail.example.test\r\n".to_owned()),
        (ToServer, format!("MAIL FROM:<{from}>\r\n")),
        (ToClient, "250 OK\r\n".to_owned()),
        (ToServer, format!("RCPT TO:<{rcpt}>\r\n")),
        (ToClient, "250 OK\r\n".to_owned()),
        (ToServer, "DATA\r\n".to_owned()),
        (ToClient, "354 go on\r\n".to_owned()),
    ];
    let mut steps: Vec<Step> = open.iter().map(|(h, t)| step(*h, bytes(t))).collect();
    if let Some(more) = said(maker, &steps, &mail)? {
        let greets = more.get(..4).is_some_and(|verb| {
            verb.eq_ignore_ascii_case(b"EHLO") || verb.eq_ignore_ascii_case(b"HELO")
        });
        if maker.heading() == ToClient {
            steps.insert(0, step(ToClient, more));
        } else if greets && let Some(greeting) = steps.get_mut(1) {
            greeting.bytes = more;
            if !greeting.bytes.ends_with(b"\n") {
                greeting.bytes.extend(b"\r\n");
            }
        } else if more.windows(2).any(|w| w == b"\r\n") && more.contains(&b':') {
            // Lines of a head, most likely.
            mail = [&more[..], b"\r\n", &mail].concat();
        } else {
            mail.extend(more);
            mail.extend(b"\r\n");
        }
    }
    mail.extend(b"\r\n.\r\n");
    steps.push(step(ToServer, mail));
    steps.push(step(ToClient, "250 OK\r\n"));
    steps.push(step(ToServer, "QUIT\r\n"));
    steps.push(step(ToClient, "221 bye\r\n"));
    Ok(tcp(steps))
}

/// A mail in two parts (RFC 2045).
fn attached(head: &str, body: &str, name: &str, file: &[u8]) -> String {
    let coded = base64(file);
    let lines: Vec<&str> =
        coded.chunks(76).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!(
        "{head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_part\"\r\n\r\n\
         --=_part\r\nContent-Type: text/plain\r\n\r\n{body}\r\n\
         --=_part\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{}\r\n--=_part--",
        lines.join("\r\n")
    )
}

/// What the rule wants of the stream, if what is said in its heading has it not yet.
fn said(maker: &mut Maker<'_>, steps: &[Step], last: &[u8]) -> Result<Option<Vec<u8>>, Skip> {
    let heading = maker.heading();
    let mut all: Vec<u8> =
        steps.iter().filter(|s| s.heading == heading).flat_map(|s| s.bytes.clone()).collect();
    all.extend(last);
    missing_payload(maker, &all)
}

/// A login to FTP (RFC 959), and a command or reply of the rule's.
pub(super) fn ftp(maker: &mut Maker<'_>) -> Result<Talk, Skip> {
    let mut steps = vec![
        step(ToClient, "220 ready\r\n"),
        step(ToServer, "USER someone\r\n"),
        step(ToClient, "331 password\r\n"),
        step(ToServer, "PASS secret\r\n"),
        step(ToClient, "230 welcome\r\n"),
    ];
    let command = text(maker, Buffer::FtpCommand)?;
    let data = text(maker, Buffer::FtpCommandData)?;
    if command.is_some() || data.is_some() {
        let command = command.unwrap_or_else(|| "CWD".to_owned());
        let line = format!("{command} {}\r\n", data.unwrap_or_else(|| "abc".to_owned()));
        steps.push(step(ToServer, bytes(&line)));
        steps.push(step(ToClient, "200 fine\r\n"));
    }
    let reply = text(maker, Buffer::FtpReply)?;
    let code = text(maker, Buffer::FtpCompletionCode)?;
    if reply.is_some() || code.is_some() {
        let code = code.unwrap_or_else(|| "200".to_owned());
        let line = format!("{code} {}\r\n", reply.unwrap_or_else(|| "fine".to_owned()));
        steps.push(step(ToServer, "STAT\r\n"));
        steps.push(step(ToClient, bytes(&line)));
    }
    let heading = maker.heading();
    if let Some(mut more) = said(maker, &steps, b"")? {
        let fits = maker.rule.inspections_of(Source::Payload).all(|i| {
            i.matches.iter().all(|m| !matches!(m, umbra_analyzers::ids::rule::ast::Match::Size(_)))
        });
        if !more.ends_with(b"\n") && fits {
            more.extend(b"\r\n");
        }
        steps.push(step(heading, more));
        steps.push(step(
            heading.opposite(),
            match heading {
                ToServer => "200 fine\r\n",
                ToClient => "NOOP\r\n",
            },
        ));
    }
    Ok(tcp(steps))
}

/// Both banners (RFC 4253).
pub(super) fn ssh(maker: &mut Maker<'_>) -> Result<Talk, Skip> {
    for buffer in [Buffer::SshHassh, Buffer::SshHasshServer] {
        if maker.wants_app(buffer) {
            return Err(Skip::OneWay(buffer.keyword()));
        }
    }
    let proto = text(maker, Buffer::SshProto)?.unwrap_or_else(|| "2.0".to_owned());
    let software = text(maker, Buffer::SshSoftware)?.unwrap_or_else(|| "example_1".to_owned());
    let heading = maker.heading();
    let mut own = bytes(&format!("SSH-{proto}-{software}\r\n"));
    let mut message = None;
    if let Some(more) = missing_payload(maker, &own)? {
        if more.starts_with(b"SSH-") {
            own = more;
            if !own.contains(&b'\n') {
                own.extend(b"\r\n");
            }
        } else {
            message = Some(packet(&more));
        }
    }
    let mut steps = vec![step(heading, own), step(heading.opposite(), "SSH-2.0-other_2\r\n")];
    if heading == ToClient {
        steps.rotate_left(1);
    }
    let greeting = if message.is_some() { steps.len() } else { 0 };
    steps.extend(message.map(|message| step(heading, message)));
    Ok(Talk { greeting, ..tcp(steps) })
}

/// A message as a packet that is not encrypted (RFC 4253, 6).
fn packet(message: &[u8]) -> Vec<u8> {
    const PADDING: [u8; 6] = [0; 6];
    let len = (1 + message.len() + PADDING.len()) as u32;
    [&len.to_be_bytes()[..], &[PADDING.len() as u8], message, &PADDING].concat()
}
