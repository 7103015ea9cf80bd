//! FTP and SMTP.

use super::case::{Case, case, check};
use super::lab::packets::SERVER;
use super::lab::talk::{Talk, then};
use crate::app::Heading::ToClient;
use crate::testing::{End, TestRecord};

const FTP: &str = "
    S:220 ftpd ready
    C:USER anonymous
    S:331 password?
    C:PASS guest@
    S:230 in
    C:RETR secret.txt
    S:550 no such file
    C:PORT 10,0,0,9,4,1
    S:200 PORT ok
    C:QUIT
";

fn ftp(about: &'static str, lines: &[(usize, &'static str)]) -> Case {
    let lines: Vec<_> = lines.iter().map(|&(times, options)| (times, "ftp", options)).collect();
    case(about, Talk::to(21).lines(FTP).end(), &lines)
}

/// A file that the client asks for, on a connection that the server names.
fn passive() -> Vec<TestRecord> {
    let said = "
        S:220 ready
        C:USER me
        S:230 in
        C:PASV
        S:227 Entering Passive Mode (192,0,2,1,4,1)
        C:RETR a.bin
        S:150 here it comes
    ";
    let client: End = ([10, 0, 0, 1], 40_001);
    let data = Talk::between(client, (SERVER, 1025)).server("the contents").ended_by(ToClient);
    then(Talk::to(21).lines(said).open_end(), 0, data)
}

fn of_ftp() -> Vec<Case> {
    vec![
        ftp(
            "ftp.command ftp.command_data",
            &[
                (1, "ftp.command; content:\"USER\"; bsize:4;"),
                (
                    1,
                    "ftp.command; content:\"RETR\"; ftp.command_data; content:\"secret.txt|00|\"; bsize:11;",
                ),
                (1, "ftp.command_data; content:\"guest@\";"),
                (0, "ftp.command; content:\"anonymous\";"),
                (0, "ftp.command; content:\"STOR\";"),
                (0, "ftp.command; content:\"USER\"; ftp.command_data; content:\"secret\";"),
                (0, "ftp.command_data; content:\"RETR\";"),
            ],
        ),
        ftp(
            "ftp.reply ftp.completion_code",
            &[
                (1, "ftp.reply; content:\"password?\";"),
                (1, "ftp.completion_code; content:\"331\"; bsize:3;"),
                (1, "ftp.completion_code; content:\"550\"; ftp.reply; content:\"no such\";"),
                (0, "ftp.reply; content:\"anonymous\";"),
                (0, "ftp.completion_code; content:\"530\";"),
                (0, "ftp.completion_code; content:\"331\"; ftp.reply; content:\"no such\";"),
            ],
        ),
        ftp(
            "ftp.reply_received",
            &[
                (1, "ftp.reply_received:yes; ftp.reply; content:\"password?\";"),
                (1, "ftp.reply_received:no;"),
                (0, "ftp.reply_received:no; ftp.reply; content:\"password?\";"),
            ],
        ),
        ftp("ftpbounce", &[(1, "ftpbounce;"), (0, "ftpbounce; content:\"4,2\";")]),
        case(
            "ftpbounce",
            Talk::to(21)
                .lines(
                    "
                S:220 a
                C:USER b
                S:230 in
                C:PORT 10,0,0,1,4,1
                S:200 fine
                C:PORT 10,0,0,9,4,1
                S:200 fine
            ",
                )
                .end(),
            &[(1, "ftp", "ftpbounce;"), (0, "ftp", "ftpbounce; content:\"10,0,0,1\";")],
        ),
        case(
            "ftp.dynamic_port",
            passive(),
            &[
                (1, "ftp", "flow:to_client; ftp.dynamic_port:1025;"),
                (1, "ftp", "flow:to_client; ftp.dynamic_port:>1024;"),
                (0, "ftp", "flow:to_client; ftp.dynamic_port:1024;"),
            ],
        ),
        case(
            "ftpdata_command",
            passive(),
            &[
                (1, "ftp-data", "ftpdata_command:retr; file.data; content:\"the contents\";"),
                (0, "ftp-data", "ftpdata_command:stor; file.data; content:\"the contents\";"),
            ],
        ),
    ]
}

const MAIL: &str = "
    S:220 mx ready
    C:EHLO me.example
    S:250 hello
    C:MAIL FROM:<evil@spam.example>
    S:250 ok
    C:RCPT TO:<victim@corp.example>
    S:250 ok
    C:RCPT TO:<second@corp.example>
    S:250 ok
    C:DATA
    S:354 go
    C:Received: from relay.example by mx
    C:From: Evil <evil@spam.example>
    C:To: Victim <victim@corp.example>
    C:Cc: boss@corp.example
    C:Subject: Invoice 42
    C:Date: Wed, 1 May 2024 12:00:00 +0000
    C:Message-ID: <id42@spam.example>
    C:X-Mailer: SpamTool 1.0
    C:MIME-Version: 1.0
    C:Content-Type: multipart/mixed; boundary=\"zz\"
    C:
    C:--zz
    C:Content-Type: text/plain
    C:
    C:Click http://bad.example/click now
    C:--zz
    C:Content-Type: application/octet-stream; name=\"inv.exe\"
    C:Content-Disposition: attachment; filename=\"inv.exe\"
    C:Content-Transfer-Encoding: base64
    C:
    C:TVogdGhpcyBwcm9ncmFt
    C:--zz--
    C:.
    S:250 taken
    C:QUIT
    S:221 bye
";

fn mail(about: &'static str, lines: &[(usize, &'static str)]) -> Case {
    let lines: Vec<_> = lines.iter().map(|&(times, options)| (times, "smtp", options)).collect();
    case(about, Talk::to(25).lines(MAIL).end(), &lines)
}

fn of_smtp() -> Vec<Case> {
    vec![
        mail(
            "smtp.helo smtp.mail_from smtp.rcpt_to",
            &[
                (1, "smtp.helo; content:\"me.example\"; bsize:10;"),
                (1, "smtp.mail_from; content:\"<evil@spam.example>\"; bsize:19;"),
                (1, "smtp.rcpt_to; content:\"<second@corp.example>\"; bsize:21;"),
                (0, "smtp.helo; content:\"EHLO\";"),
                (0, "smtp.mail_from; content:\"victim\";"),
                (0, "smtp.rcpt_to; content:\"evil\";"),
                (0, "smtp.rcpt_to; content:\"victim\"; content:\"second\";"),
            ],
        ),
        mail(
            "email.from email.to email.cc email.subject email.date",
            &[
                (1, "email.from; content:\"Evil <evil@spam.example>\"; bsize:24;"),
                (1, "email.to; content:\"victim@corp.example\";"),
                (1, "email.cc; content:\"boss@corp.example\"; bsize:17;"),
                (1, "email.subject; content:\"Invoice 42\"; bsize:10;"),
                (1, "email.date; content:\"Wed, 1 May 2024\"; startswith;"),
                (0, "email.from; content:\"victim\";"),
                (0, "email.to; content:\"boss\";"),
                (0, "email.cc; content:\"victim\";"),
                (0, "email.subject; content:\"Subject\";"),
                (0, "email.date; content:\"Invoice\";"),
            ],
        ),
        mail(
            "email.message_id email.x_mailer email.url email.received",
            &[
                (1, "email.message_id; content:\"<id42@spam.example>\"; bsize:19;"),
                (1, "email.x_mailer; content:\"SpamTool 1.0\"; bsize:12;"),
                (1, "email.url; content:\"bad.example/click\"; endswith;"),
                (1, "email.received; content:\"from relay.example by mx\"; bsize:24;"),
                (0, "email.message_id; content:\"evil\";"),
                (0, "email.x_mailer; content:\"Invoice\";"),
                (0, "email.url; content:\"now\";"),
                (0, "email.received; content:\"spam\";"),
            ],
        ),
        mail(
            "file.data filename",
            &[
                (1, "file.data; content:\"MZ this program\"; bsize:15;"),
                (1, "file_data; content:\"MZ\"; startswith;"),
                (1, "filename:\"inv.exe\";"),
                (0, "file.data; content:\"TVog\";"),
                (0, "filename:\"invoice\";"),
            ],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [of_ftp(), of_smtp()].concat()
}

#[test]
fn parts_of_ftp_and_smtp() {
    check("lines", &cases());
}
