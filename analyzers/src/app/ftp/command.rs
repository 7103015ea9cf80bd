//! What clients say (RFC 959, RFC 2228, RFC 2428, RFC 3659).

/// Commands that have a name here; Suricata's.
const NAMES: &[&str] = &[
    "ABOR", "ACCT", "ALLO", "APPE", "CDUP", "CWD", "DELE", "EPRT", "EPSV", "HELP", "LIST", "MDTM",
    "MKD", "MLSD", "MODE", "NLST", "NOOP", "PASS", "PASV", "PORT", "PWD", "QUIT", "REIN", "REST",
    "RETR", "RMD", "RNFR", "RNTO", "SITE", "SIZE", "SMNT", "STAT", "STOR", "STOU", "STRU", "SYST",
    "TYPE", "USER",
];

/// A command as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Command<'a> {
    /// Upper case.
    pub(super) name: Option<&'static str>,
    /// What stands behind it and one that separates.
    pub(super) data: Option<&'a [u8]>,
    pub(super) is_auth: bool,
}

impl<'a> Command<'a> {
    /// Of a line without its end. As in Suricata the first name that is anywhere in the line counts, so
    /// that XPWD is PWD; but the data is cut off by the name's length from the line's beginning.
    pub(super) fn read(line: &'a [u8]) -> Self {
        let line = line.trim_ascii_end();
        let name = (1..=line.len()).find_map(|end| {
            let head = line.get(..end)?;
            let ends = |name: &&&str| {
                let tail = head.len().checked_sub(name.len()).and_then(|at| head.get(at..));
                tail.is_some_and(|tail| tail.eq_ignore_ascii_case(name.as_bytes()))
            };
            NAMES.iter().find(ends).copied()
        });
        let data = name.and_then(|name| line.get(name.len() + 1..));
        let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let is_auth = words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"AUTH"))
            && words.next().is_some_and(|kind| {
                let kind = kind.get(..3).unwrap_or_default();
                kind.eq_ignore_ascii_case(b"TLS") || kind.eq_ignore_ascii_case(b"SSL")
            });
        Self { name, data, is_auth }
    }
}

/// Whether a command has its contents on a connection of its own, and which way they go.
pub(super) fn transfer(name: &str) -> Option<Transfer> {
    Some(match name {
        "RETR" => Transfer { is_upload: false, file: Naming::Must },
        "STOR" | "APPE" => Transfer { is_upload: true, file: Naming::Must },
        "STOU" => Transfer { is_upload: true, file: Naming::May },
        "LIST" | "NLST" | "MLSD" => Transfer { is_upload: false, file: Naming::None },
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transfer {
    pub(super) is_upload: bool,
    pub(super) file: Naming,
}

/// Whether the contents are a file, and whether the command names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    Must,
    May,
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_data() {
        for (line, name, data) in [
            ("RETR a b ", Some("RETR"), Some("a b")),
            ("retr  x", Some("RETR"), Some(" x")),
            ("CWD/x", Some("CWD"), Some("x")),
            ("PWD", Some("PWD"), None),
            ("CWD ", Some("CWD"), None),
            ("XMKD x", Some("MKD"), Some(" x")),
            ("  PWD", Some("PWD"), Some("D")),
            ("SITE PWD x", Some("SITE"), Some("PWD x")),
            ("XPWD", Some("PWD"), Some("")),
            ("FEAT", None, None),
            ("PW", None, None),
            ("", None, None),
        ] {
            let command = Command::read(line.as_bytes());
            let expected = (name, data.map(str::as_bytes), false);
            assert_eq!((command.name, command.data, command.is_auth), expected, "{line}");
        }
        assert!(Command::read(b"auth  tls-c").is_auth && !Command::read(b"AUTH GSSAPI").is_auth);
    }
}
