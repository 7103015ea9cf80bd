//! Ports as they are named on the command line: PCI addresses (`0000:03:00.0`, `03:00.0`), or virtual devices with
//! their arguments (`net_virtio_user0,path=/run/x.sock`), as EAL takes them.

use anyhow::{Result, bail};

use crate::rig::Rig;

/// A port as EAL wants it: PCI addresses in full.
///
/// # Errors
/// Says what a port can be.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    let (name, arguments) = match text.split_once(',') {
        Some((name, arguments)) => (name, Some(arguments)),
        None => (text, None),
    };
    let name = match name {
        _ if is_pci_in_full(name) => name.to_lowercase(),
        _ if is_pci_in_full(&format!("0000:{name}")) => format!("0000:{}", name.to_lowercase()),
        _ if name.starts_with("net_") || name.starts_with("eth_") => name.to_owned(),
        _ => {
            return Err(format!(
                "port {text:?}: legal are a PCI address (0000:03:00.0; dpdk-devbind.py -s lists them) and a \
                 virtual device with its arguments (net_virtio_user0,path=/run/x.sock)"
            ));
        }
    };
    Ok(arguments.map_or_else(|| name.clone(), |arguments| format!("{name},{arguments}")))
}

/// Two ports that were [`parse`]d.
///
/// # Errors
/// When they are the same.
pub(crate) fn pair(ports: &[String]) -> Result<Rig> {
    let [a, b] = ports else { bail!("--ports takes two ports, not {}", ports.len()) };
    if name(a) == name(b) {
        bail!("--ports {a} {b}: both are port {}; name two", name(a));
    }
    Ok(Rig::Ports { a: a.clone(), b: b.clone() })
}

/// The name that DPDK gives it.
pub(crate) fn name(port: &str) -> &str {
    port.split_once(',').map_or(port, |(name, _)| name)
}

/// Whether it is on the PCI bus.
pub(crate) fn is_pci(port: &str) -> bool {
    is_pci_in_full(name(port))
}

/// Whether its driver hands EAL's memory to the other side.
pub(crate) fn shares_memory(port: &str) -> bool {
    port.starts_with("net_virtio_user")
}

/// The argument that gives it to EAL.
pub(crate) fn eal_argument(port: &str) -> String {
    if is_pci(port) { format!("--allow={port}") } else { format!("--vdev={port}") }
}

/// Domain, bus, device and function: `0000:03:00.0`.
fn is_pci_in_full(name: &str) -> bool {
    let hex = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let mut parts = name.split([':', '.']);
    let [domain, bus, device, function] = [(); 4].map(|()| parts.next().unwrap_or_default());
    let separators: String = name.chars().filter(|c| !c.is_ascii_alphanumeric()).collect();
    separators == "::."
        && hex(domain, 4..=8)
        && hex(bus, 2..=2)
        && hex(device, 2..=2)
        && matches!(function, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_pci_addresses_or_virtual_devices() {
        for (text, port, argument) in [
            ("0000:03:00.0", "0000:03:00.0", "--allow=0000:03:00.0"),
            ("3B:00.1", "0000:3b:00.1", "--allow=0000:3b:00.1"),
            ("03:00.0,x=1", "0000:03:00.0,x=1", "--allow=0000:03:00.0,x=1"),
            ("net_tap0,iface=a:b.0", "net_tap0,iface=a:b.0", "--vdev=net_tap0,iface=a:b.0"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(port));
            assert_eq!(eal_argument(port), argument);
        }
        for bad in ["", "eth0", "03:00.8", "03:00", "0000:03:00.0.0", "zz:00.0", "3:0.0", "/x"] {
            assert!(parse(bad).unwrap_err().contains("legal are a PCI address"), "{bad}");
        }
    }

    #[test]
    fn two_ports_are_two() {
        let ports = |a: &str, b: &str| pair(&[parse(a).unwrap(), parse(b).unwrap()]);
        assert!(ports("net_tap0,iface=a", "net_tap1,iface=b").is_ok());
        for (a, b) in [("net_tap0,iface=a", "net_tap0,iface=b"), ("03:00.0", "0000:03:00.0")] {
            let error = ports(a, b).unwrap_err().to_string();
            assert!(error.contains("name two"), "{error}");
        }
    }

    #[test]
    fn memory_is_one_file_for_virtio_user_alone() {
        let rig = |a: &str, b: &str| Rig::Ports { a: a.into(), b: b.into() };
        assert!(rig("0000:03:00.0", "net_virtio_user0,path=/x").shares_memory());
        assert!(!rig("net_tap0", "net_tap1").shares_memory());
        assert!(rig("0000:03:00.0", "net_tap0").wants_pci());
        assert!(!rig("net_tap0", "net_tap1").wants_pci());
    }
}
