//! Addresses in EVE's spelling.

use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

/// Dotted IPv4, and IPv6 with all eight groups of four digits, as Suricata writes it.
#[derive(Clone, Copy)]
pub(super) struct Address(pub(super) IpAddr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => {
                for (at, group) in address.segments().into_iter().enumerate() {
                    write!(f, "{}{group:04x}", if at == 0 { "" } else { ":" })?;
                }
                Ok(())
            }
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// EVE's `ip_v`.
pub(super) fn ip_version(address: IpAddr) -> u8 {
    if address.is_ipv4() { 4 } else { 6 }
}

/// Whether Suricata writes `src_port` and `dest_port` for the protocol; for others they are written where
/// there are any.
pub(super) fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 132)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_is_written_in_full() {
        for (address, text) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::", "0000:0000:0000:0000:0000:0000:0000:0000"),
            ("2001:db8::a:1", "2001:0db8:0000:0000:0000:0000:000a:0001"),
            ("::ffff:192.0.2.1", "0000:0000:0000:0000:0000:ffff:c000:0201"),
        ] {
            assert_eq!(Address(address.parse().expect("address")).to_string(), text);
        }
    }
}
