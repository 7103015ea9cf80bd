//! What clients say, word by word (RFC 5321, RFC 3030, RFC 3207).

/// A command as far as it matters here. Only beginnings are compared, as Suricata does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// HELO or EHLO with the client's name.
    Hello(&'a [u8]),
    MailFrom(&'a [u8]),
    RcptTo(&'a [u8]),
    Data,
    /// Length of the chunk, and whether it is the last.
    Bdat(Option<(u32, bool)>),
    StartTls,
    Reset,
    Quit,
    Other,
}

impl<'a> Command<'a> {
    pub(super) fn read(line: &'a [u8]) -> Self {
        let is = |word: &[u8]| {
            line.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
        };
        if is(b"starttls") {
            Command::StartTls
        } else if is(b"data") {
            Command::Data
        } else if is(b"bdat") {
            Command::Bdat(line.get(4..).and_then(chunk))
        } else if is(b"helo") || is(b"ehlo") {
            Command::Hello(parameter(line, 4))
        } else if is(b"mail from") {
            Command::MailFrom(parameter(line, 9))
        } else if is(b"rcpt to") {
            Command::RcptTo(parameter(line, 7))
        } else if is(b"rset") {
            Command::Reset
        } else if is(b"quit") {
            Command::Quit
        } else {
            Command::Other
        }
    }
}

/// The first word behind a command of `len` bytes and one that separates.
fn parameter(line: &[u8], len: usize) -> &[u8] {
    let rest = line.get(len + 1..).unwrap_or_default();
    let start = rest.iter().position(|&byte| byte != b' ').unwrap_or(rest.len());
    let rest = rest.get(start..).unwrap_or_default();
    rest.split(|&byte| byte == b' ').next().unwrap_or_default()
}

/// `10`, `10 LAST`.
fn chunk(argument: &[u8]) -> Option<(u32, bool)> {
    let argument = argument.strip_prefix(b" ")?;
    let mut words = argument.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let len = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    match words.next() {
        None => Some((len, false)),
        Some(last) => last.eq_ignore_ascii_case(b"last").then_some((len, true)),
    }
}

/// Whether a server may say this: codes that some standard or server has.
pub(super) fn is_code(digits: [u8; 3]) -> bool {
    matches!(
        &digits,
        b"211"
            | b"214"
            | b"220"
            | b"221"
            | b"235"
            | b"250"
            | b"251"
            | b"252"
            | b"334"
            | b"354"
            | b"401"
            | b"402"
            | b"421"
            | b"435"
            | b"450"
            | b"451"
            | b"452"
            | b"454"
            | b"455"
            | b"500"
            | b"501"
            | b"502"
            | b"503"
            | b"504"
            | b"511"
            | b"521"
            | b"522"
            | b"525"
            | b"530"
            | b"534"
            | b"535"
            | b"541"
            | b"543"
            | b"550"
            | b"551"
            | b"552"
            | b"553"
            | b"554"
            | b"555"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_their_parameters() {
        for (line, command) in [
            (&b"EHLO me.example"[..], Command::Hello(b"me.example")),
            (b"helo   a b", Command::Hello(b"a")),
            (b"HELO", Command::Hello(b"")),
            (b"MAIL FROM:<a@x> SIZE=1", Command::MailFrom(b"<a@x>")),
            (b"mail from: a@x", Command::MailFrom(b"a@x")),
            (b"MAIL  FROM:<a>", Command::Other),
            (b"RCPT TO", Command::RcptTo(b"")),
            (b"DATA", Command::Data),
            (b"StartTLS", Command::StartTls),
            (b"RSET", Command::Reset),
            (b"QUIT", Command::Quit),
            (b" QUIT", Command::Other),
            (b"", Command::Other),
            (b"BDAT 10", Command::Bdat(Some((10, false)))),
            (b"bdat  +10 last", Command::Bdat(Some((10, true)))),
            (b"BDAT 4294967296", Command::Bdat(None)),
            (b"BDAT 5x", Command::Bdat(None)),
            (b"BDAT -5", Command::Bdat(None)),
            (b"BDAT5", Command::Bdat(None)),
            (b"BDAT 5 FIRST", Command::Bdat(None)),
            (b"BDAT", Command::Bdat(None)),
        ] {
            assert_eq!(Command::read(line), command, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn codes() {
        assert!(is_code(*b"250") && is_code(*b"354") && !is_code(*b"299") && !is_code(*b"25x"));
    }
}
