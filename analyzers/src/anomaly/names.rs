//! The numbers of what the profile finds: gid 1001.

use crate::events::Severity;

/// Who numbers the signatures of this profile.
pub(super) const GID: u32 = 1001;

/// What can be found. Numbers stay what they are: filters and rules of others refer to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub(super) enum Sid {
    /// A frame's fused score is beyond the budget.
    Unusual = 1,
    HorizontalScan = 10,
    VerticalScan = 11,
    SynFlood = 20,
    UdpFlood = 21,
    IcmpFlood = 22,
    Amplification = 23,
    BruteForce = 30,
    Beaconing = 40,
    DnsTunnel = 50,
    Exfiltration = 60,
    ArpSpoofing = 70,
    NewDevice = 80,
    WrongPort = 90,
}

impl Sid {
    #[cfg(test)]
    pub(super) const ALL: [Self; 14] = [
        Self::Unusual,
        Self::HorizontalScan,
        Self::VerticalScan,
        Self::SynFlood,
        Self::UdpFlood,
        Self::IcmpFlood,
        Self::Amplification,
        Self::BruteForce,
        Self::Beaconing,
        Self::DnsTunnel,
        Self::Exfiltration,
        Self::ArpSpoofing,
        Self::NewDevice,
        Self::WrongPort,
    ];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Unusual => "ANOMALY unusual traffic",
            Self::HorizontalScan => "ANOMALY scan of many hosts",
            Self::VerticalScan => "ANOMALY scan of many ports",
            Self::SynFlood => "ANOMALY SYN flood",
            Self::UdpFlood => "ANOMALY UDP flood",
            Self::IcmpFlood => "ANOMALY ICMP flood",
            Self::Amplification => "ANOMALY flood of reflected answers (amplification)",
            Self::BruteForce => "ANOMALY brute force against a service that asks for a password",
            Self::Beaconing => "ANOMALY beaconing",
            Self::DnsTunnel => "ANOMALY DNS tunnelling",
            Self::Exfiltration => "ANOMALY exfiltration",
            Self::ArpSpoofing => "ANOMALY address claimed by another device (ARP spoofing)",
            Self::NewDevice => "ANOMALY new device",
            Self::WrongPort => "ANOMALY protocol on the wrong port",
        }
    }

    pub(super) const fn severity(self) -> Severity {
        match self {
            Self::SynFlood
            | Self::UdpFlood
            | Self::Amplification
            | Self::BruteForce
            | Self::DnsTunnel
            | Self::Exfiltration
            | Self::ArpSpoofing => Severity::High,
            Self::Unusual
            | Self::HorizontalScan
            | Self::VerticalScan
            | Self::IcmpFlood
            | Self::Beaconing
            | Self::WrongPort => Severity::Medium,
            Self::NewDevice => Severity::Low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in the README is what filters are written by.
    #[test]
    fn the_readme_has_every_number_with_its_title() {
        let readme = include_str!("../../../README.md");
        for sid in Sid::ALL {
            let row = format!("| {} | {} |", sid as u32, sid.title());
            assert!(readme.contains(&row), "{row}");
        }
    }
}
