//! Versions of the protocol, as numbers on the wire.

pub(super) const SSL2: u16 = 0x0002;
pub(super) const TLS12: u16 = 0x0303;
pub(super) const TLS13: u16 = 0x0304;

/// Those that can be spoken: SSLv3 to TLS 1.3, and its drafts.
pub(super) fn is_known(version: u16) -> bool {
    matches!(version, 0x0300..=0x0304) || is_draft(version)
}

/// Drafts of TLS 1.3, of the working group and of a large site.
fn is_draft(version: u16) -> bool {
    matches!(version, 0x7f01..=0x7f1c | 0xfb00..=0xfb1a)
}

/// Certificates are not to be seen from here on.
pub(super) fn is_13(version: u16) -> bool {
    version == TLS13 || is_draft(version)
}

/// As EVE writes it.
pub(super) fn name(version: u16) -> String {
    match version {
        0 => "UNDETERMINED".to_owned(),
        SSL2 => "SSLv2".to_owned(),
        0x0300 => "SSLv3".to_owned(),
        0x0301 => "TLSv1".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        TLS12 => "TLS 1.2".to_owned(),
        TLS13 => "TLS 1.3".to_owned(),
        0x7f01..=0x7f1c => format!("TLS 1.3 draft-{:02}", version & 0xff),
        _ => format!("0x{version:04x}"),
    }
}
