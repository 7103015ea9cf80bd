//! Whose bytes count where segments overlap, and which RST counts.
//!
//! Systems differ, and an attacker who knows the one behind the wire can show an analyzer other bytes
//! than it (Ptacek & Newsham 1998; Paxson & Shankar, "Active Mapping", 2003; Novak & Sturges,
//! "Target-Based TCP Stream Reassembly", 2007). The names are those of Suricata's `host-os-policy`.

use std::ops::Range;

/// The system that a stream is put together like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OverlapPolicy {
    Bsd,
    BsdRight,
    OldLinux,
    Linux,
    OldSolaris,
    Solaris,
    Hpux10,
    Hpux11,
    Irix,
    MacOs,
    /// Windows before 2003, and what Suricata's stock configuration takes IPv4 hosts for.
    #[default]
    Windows,
    Windows2k3,
    Vista,
    /// The older segment's bytes always.
    First,
    /// The newer segment's bytes always.
    Last,
}

/// Which sequence numbers of a RST a system accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RstRule {
    /// The next one and no other.
    Exact,
    /// The next one or any behind it.
    Behind,
    /// Any inside of the window.
    Window,
}

impl OverlapPolicy {
    /// All of them.
    pub const ALL: [OverlapPolicy; 15] = [
        OverlapPolicy::Bsd,
        OverlapPolicy::BsdRight,
        OverlapPolicy::OldLinux,
        OverlapPolicy::Linux,
        OverlapPolicy::OldSolaris,
        OverlapPolicy::Solaris,
        OverlapPolicy::Hpux10,
        OverlapPolicy::Hpux11,
        OverlapPolicy::Irix,
        OverlapPolicy::MacOs,
        OverlapPolicy::Windows,
        OverlapPolicy::Windows2k3,
        OverlapPolicy::Vista,
        OverlapPolicy::First,
        OverlapPolicy::Last,
    ];

    /// The key in Suricata's `host-os-policy`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bsd => "bsd",
            Self::BsdRight => "bsd-right",
            Self::OldLinux => "old-linux",
            Self::Linux => "linux",
            Self::OldSolaris => "old-solaris",
            Self::Solaris => "solaris",
            Self::Hpux10 => "hpux10",
            Self::Hpux11 => "hpux11",
            Self::Irix => "irix",
            Self::MacOs => "macos",
            Self::Windows => "windows",
            Self::Windows2k3 => "windows2k3",
            Self::Vista => "vista",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    /// The policy of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == name)
    }

    /// Whether the bytes that two segments share are the newer one's.
    pub(super) const fn newer_wins(self, newer: &Range<u64>, older: &Range<u64>) -> bool {
        match self {
            Self::First | Self::Vista => false,
            Self::Last => true,
            Self::Bsd
            | Self::BsdRight
            | Self::Windows
            | Self::Windows2k3
            | Self::Hpux10
            | Self::Irix
            | Self::MacOs => newer.start < older.start,
            Self::Linux => {
                newer.start < older.start || newer.start == older.start && newer.end > older.end
            }
            Self::OldLinux => {
                newer.start < older.start || newer.start == older.start && newer.end >= older.end
            }
            Self::Solaris | Self::OldSolaris | Self::Hpux11 => {
                newer.end > older.end || newer.end == older.end && newer.start <= older.start
            }
        }
    }

    pub(super) const fn rst_rule(self) -> RstRule {
        match self {
            Self::Hpux11 => RstRule::Behind,
            Self::Linux | Self::OldLinux | Self::Solaris | Self::OldSolaris => RstRule::Window,
            _ => RstRule::Exact,
        }
    }
}
