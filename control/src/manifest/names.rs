//! Names that a manifest gives to things: newtypes whose value has been checked.

use std::fmt;

/// The longest device name that DPDK keeps (`RTE_DEV_NAME_MAX_LEN` with its terminating zero).
pub(super) const DEVICE_NAME_MAX_LEN: usize = 63;
/// The longest name of an appliance, a wire or a profile.
pub(super) const NAME_MAX_LEN: usize = 63;
/// What a name may look like, in words; error messages quote it.
pub(super) const NAME_RULE: &str =
    "1 to 63 of the characters A-Z a-z 0-9 _ . -, the first a letter or a digit";
/// What a name may look like, as a regular expression for the JSON schema.
pub(super) const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$";
/// What a port may look like, in words.
pub(super) const PORT_RULE: &str =
    "a PCI address such as 0000:03:00.0, or a vdev's name such as net_pcap0";
/// What a port may look like, as a regular expression for the JSON schema.
pub(super) const PORT_PATTERN: &str = "^(([0-9A-Fa-f]{1,8}:)?[0-9A-Fa-f]{1,2}:[01][0-9A-Fa-f]\\.[0-7]\
                                |(net|eth)_[A-Za-z0-9_.@-]{1,59})$";

/// Name of an appliance or a wire. Also fit for a metric label and a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Checks `text` against [`NAME_RULE`].
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = text.bytes();
        let head = bytes.next()?.is_ascii_alphanumeric();
        let tail = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        (head && tail && text.len() <= NAME_MAX_LEN).then(|| Self(text.to_owned()))
    }

    /// The appliance of a replay that has no other.
    pub fn replay() -> Self {
        Self("replay".to_owned())
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Id of an analysis profile: one of the four standard ids, or a user's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileId(Name);

impl ProfileId {
    /// Checks `text` against [`NAME_RULE`].
    pub fn new(text: &str) -> Option<Self> {
        Name::new(text).map(Self)
    }

    /// The id as written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A processor core by the number that Linux gives it (`/proc/cpuinfo`: `processor`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Core(pub u16);

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A function on the PCI bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PciAddress {
    /// PCI domain.
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Device (slot), 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

impl PciAddress {
    /// Reads `DDDD:BB:DD.F` or `BB:DD.F` (domain 0), hexadecimal, as `lspci` prints them.
    pub fn new(text: &str) -> Option<Self> {
        let hex = |s: &str, max_len: usize| {
            let plain = !s.is_empty() && s.len() <= max_len;
            (plain && s.bytes().all(|b| b.is_ascii_hexdigit()))
                .then(|| u32::from_str_radix(s, 16).ok())
                .flatten()
        };
        let (rest, function) = text.rsplit_once('.')?;
        let (rest, device) = rest.rsplit_once(':')?;
        let (domain, bus) = rest.split_once(':').unwrap_or(("0", rest));
        let device = u8::try_from(hex(device, 2).filter(|_| device.len() == 2)?).ok()?;
        let function = u8::try_from(hex(function, 1)?).ok()?;
        let bus = u8::try_from(hex(bus, 2)?).ok()?;
        (device < 32 && function < 8).then_some(Self {
            domain: hex(domain, 8)?,
            bus,
            device,
            function,
        })
    }
}

impl fmt::Display for PciAddress {
    /// The long form, which is also the name that EAL gives the device.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{}", self.domain, self.bus, self.device, self.function)
    }
}

/// One end of a wire, by the name under which EAL knows the device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortName {
    /// A function on the PCI bus.
    Pci(PciAddress),
    /// A virtual device of `--vdev`: `net_pcap0`, `net_af_xdp0`, `eth_vhost0` …
    Vdev(String),
}

impl PortName {
    /// Checks `text` against [`PORT_RULE`].
    pub fn new(text: &str) -> Option<Self> {
        if let Some(pci) = PciAddress::new(text) {
            return Some(Self::Pci(pci));
        }
        let rest = text.strip_prefix("net_").or_else(|| text.strip_prefix("eth_"))?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'@' | b'-');
        (!rest.is_empty() && text.len() <= DEVICE_NAME_MAX_LEN && rest.bytes().all(plain))
            .then(|| Self::Vdev(text.to_owned()))
    }

    /// True for a device on the PCI bus.
    pub fn is_pci(&self) -> bool {
        matches!(self, Self::Pci(_))
    }

    /// What kind of device the name means: `PCI` or `vdev`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pci(_) => "PCI",
            Self::Vdev(_) => "vdev",
        }
    }
}

impl fmt::Display for PortName {
    /// The name to look the device up by (`rte_eth_dev_get_port_by_name`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(pci) => pci.fmt(f),
            Self::Vdev(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_are_read_in_both_forms_and_printed_in_the_long_one() {
        for (text, long) in [
            ("0000:03:00.0", "0000:03:00.0"),
            ("3:00.1", "0000:03:00.1"),
            ("10000:FF:1f.7", "10000:ff:1f.7"),
        ] {
            assert_eq!(PortName::new(text).map(|p| p.to_string()).as_deref(), Some(long));
        }
        for bad in
            ["", "03:00", "03:20.0", "03:00.8", "0000:03:0.0", "g3:00.0", "0:0:0:0.0", "+3:00.0"]
        {
            assert_eq!(PciAddress::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn vdev_names_need_a_driver_prefix_and_fit_the_device_name() {
        assert!(PortName::new("net_pcap0").is_some());
        assert!(PortName::new("eth_vhost0").is_some());
        assert!(PortName::new(&format!("net_{}", "x".repeat(59))).is_some());
        for bad in ["pcap0", "net_", "net_pcap0,rx_pcap=a", "eth0", "net_a b"] {
            assert_eq!(PortName::new(bad), None, "{bad}");
        }
        assert_eq!(PortName::new(&format!("net_{}", "x".repeat(60))), None);
    }

    #[test]
    fn names_are_fit_for_labels_and_files() {
        assert!(Name::new("edge-1").is_some());
        for bad in ["", "-a", ".a", "a b", "a/b", "é", &"x".repeat(64)] {
            assert_eq!(Name::new(bad), None, "{bad}");
        }
    }
}
