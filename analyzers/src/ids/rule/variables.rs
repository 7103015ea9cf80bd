//! Address and port variables, and the sets that rules make of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::ast::{AddressSet, PortSet};
use super::problem::{Problem, Result, fail};
use super::ranges::Ranges;

/// Names for addresses and ports, without the dollar sign, and what they stand for as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variables {
    addresses: HashMap<String, String>,
    ports: HashMap<String, String>,
}

/// How deep groups and variables may be in each other.
const MAX_DEPTH: u32 = 64;
/// How many addresses, ranges and names a group may expand to.
const MAX_PARTS: u32 = 200_000;

impl Default for Variables {
    /// Suricata's stock variables, with `HOME_NET` and `EXTERNAL_NET` any, as replays have it.
    fn default() -> Self {
        let addresses = [
            ("HOME_NET", "any"),
            ("EXTERNAL_NET", "any"),
            ("HTTP_SERVERS", "$HOME_NET"),
            ("SMTP_SERVERS", "$HOME_NET"),
            ("SQL_SERVERS", "$HOME_NET"),
            ("DNS_SERVERS", "$HOME_NET"),
            ("TELNET_SERVERS", "$HOME_NET"),
            ("AIM_SERVERS", "$EXTERNAL_NET"),
            ("DC_SERVERS", "$HOME_NET"),
            ("DNP3_SERVER", "$HOME_NET"),
            ("DNP3_CLIENT", "$HOME_NET"),
            ("MODBUS_CLIENT", "$HOME_NET"),
            ("MODBUS_SERVER", "$HOME_NET"),
            ("ENIP_CLIENT", "$HOME_NET"),
            ("ENIP_SERVER", "$HOME_NET"),
        ];
        let ports = [
            ("HTTP_PORTS", "80"),
            ("SHELLCODE_PORTS", "!80"),
            ("ORACLE_PORTS", "1521"),
            ("SSH_PORTS", "22"),
            ("DNP3_PORTS", "20000"),
            ("MODBUS_PORTS", "502"),
            ("FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"),
            ("FTP_PORTS", "21"),
            ("GENEVE_PORTS", "6081"),
            ("VXLAN_PORTS", "4789"),
            ("TEREDO_PORTS", "3544"),
            ("SIP_PORTS", "[5060,5061]"),
        ];
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Self { addresses: owned(&addresses), ports: owned(&ports) }
    }
}

impl Variables {
    /// The stock variables with these networks: `HOME_NET` and `EXTERNAL_NET`.
    #[must_use]
    pub fn with_networks(home: &str, external: &str) -> Self {
        let mut variables = Self::default();
        variables.set_address("HOME_NET", home);
        variables.set_address("EXTERNAL_NET", external);
        variables
    }

    /// What an address variable stands for.
    pub fn set_address(&mut self, name: &str, value: &str) {
        self.addresses.insert(name.to_owned(), value.to_owned());
    }

    /// What a port variable stands for.
    pub fn set_port(&mut self, name: &str, value: &str) {
        self.ports.insert(name.to_owned(), value.to_owned());
    }
}

/// Makes sets of texts. Most rules say the same, so what was made is kept.
#[derive(Debug)]
pub(super) struct Resolver<'a> {
    variables: &'a Variables,
    addresses: HashMap<Box<str>, Arc<AddressSet>>,
    ports: HashMap<Box<str>, Arc<PortSet>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(variables: &'a Variables) -> Self {
        Self { variables, addresses: HashMap::new(), ports: HashMap::new() }
    }

    pub(super) fn addresses(&mut self, text: &str) -> Result<Arc<AddressSet>> {
        if let Some(set) = self.addresses.get(text) {
            return Ok(Arc::clone(set));
        }
        let mut context = Context { parts: MAX_PARTS, negated: false };
        let set: Addresses = context.resolve(&self.variables.addresses, text, 0)?;
        let negated = context.negated;
        let set = Arc::new(AddressSet { v4: set.v4.0, v6: set.v6.0, negated });
        if set.is_empty() {
            fail!("{text:?} leaves no address: what it takes away is all that it has");
        }
        self.addresses.insert(text.into(), Arc::clone(&set));
        Ok(set)
    }

    pub(super) fn ports(&mut self, text: &str) -> Result<Arc<PortSet>> {
        if let Some(set) = self.ports.get(text) {
            return Ok(Arc::clone(set));
        }
        let mut context = Context { parts: MAX_PARTS, negated: false };
        let set: Ranges<u16> = context.resolve(&self.variables.ports, text, 0)?;
        let set = Arc::new(PortSet { ranges: set.0 });
        if set.ranges.is_empty() {
            fail!("{text:?} leaves no port: what it takes away is all that it has");
        }
        self.ports.insert(text.into(), Arc::clone(&set));
        Ok(set)
    }
}

/// What can be grouped.
trait Set: Clone + Default {
    fn all() -> Self;
    fn single(text: &str) -> Result<Self>;
    fn add(&mut self, other: &Self);
    fn take_away(&mut self, other: &Self);
    fn tidy(&mut self);
    fn is_none(&self) -> bool;
}

struct Context {
    /// How many more may be added, so that variables that name each other many times end.
    parts: u32,
    /// There was a `!`.
    negated: bool,
}

impl Context {
    fn resolve<S: Set>(
        &mut self,
        names: &HashMap<String, String>,
        text: &str,
        depth: u32,
    ) -> Result<S> {
        let (mut plus, mut minus) = (S::default(), S::default());
        self.collect(names, text, false, depth, &mut plus, &mut minus)?;
        plus.tidy();
        minus.tidy();
        if plus.is_none() && !minus.is_none() {
            plus = S::all();
        }
        plus.take_away(&minus);
        Ok(plus)
    }

    fn collect<S: Set>(
        &mut self,
        names: &HashMap<String, String>,
        text: &str,
        negated: bool,
        depth: u32,
        plus: &mut S,
        minus: &mut S,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            fail!("groups or variables are more than {MAX_DEPTH} deep in each other");
        }
        self.parts = self.parts.saturating_sub(1);
        if self.parts == 0 {
            fail!("the group has more than {MAX_PARTS} parts");
        }
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('!') {
            if rest.trim_start().starts_with('!') {
                fail!("{text:?} is negated twice");
            }
            self.negated = true;
            return self.collect(names, rest, !negated, depth + 1, plus, minus);
        }
        if let Some(group) = text.strip_prefix('[') {
            let Some(group) = group.strip_suffix(']') else {
                fail!("{text:?} has no closing bracket")
            };
            for part in split_group(group)? {
                self.collect(names, part, negated, depth + 1, plus, minus)?;
            }
            return Ok(());
        }
        let set = if let Some(name) = text.strip_prefix('$') {
            let Some(value) = names.get(name) else { fail!("there is no variable ${name}") };
            let set: S = self.resolve(names, value, depth + 1).map_err(|p| p.at(text))?;
            if set.is_none() {
                fail!("${name} leaves nothing");
            }
            set
        } else {
            S::single(text)?
        };
        if negated {
            minus.add(&set)
        } else {
            plus.add(&set)
        }
        Ok(())
    }
}

/// At commas that are in no inner bracket.
fn split_group(group: &str) -> Result<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0u32, 0);
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 0 => fail!("a closing bracket too many in {group:?}"),
            b']' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(group.get(start..at).unwrap_or(""));
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        fail!("a closing bracket is missing in {group:?}");
    }
    parts.push(group.get(start..).unwrap_or(""));
    if parts.iter().any(|part| part.trim().is_empty()) {
        fail!("an empty place in the group [{group}]");
    }
    Ok(parts)
}

#[derive(Clone, Debug, Default)]
struct Addresses {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl Set for Addresses {
    fn all() -> Self {
        Self { v4: Ranges::all(), v6: Ranges::all() }
    }

    fn single(text: &str) -> Result<Self> {
        if text.eq_ignore_ascii_case("any") {
            return Ok(Self::all());
        }
        let bad = || {
            Problem::Failed(format!("{text:?} is no address, network, range, group or variable"))
        };
        let mut set = Self::default();
        let mut push = |low: IpAddr, high: IpAddr| match (low, high) {
            (IpAddr::V4(low), IpAddr::V4(high)) if low <= high => {
                set.v4.push(low.into(), high.into());
                Ok(())
            }
            (IpAddr::V6(low), IpAddr::V6(high)) if low <= high => {
                set.v6.push(low.into(), high.into());
                Ok(())
            }
            _ => Err(bad()),
        };
        if let Some((low, high)) = text.split_once('-') {
            let parse = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| bad());
            push(parse(low)?, parse(high)?)?;
        } else if let Some((address, len)) = text.split_once('/') {
            let address: IpAddr = address.trim().parse().map_err(|_| bad())?;
            let (low, high) = network(address, len.trim()).ok_or_else(bad)?;
            push(low, high)?;
        } else {
            let address: IpAddr = text.parse().map_err(|_| bad())?;
            push(address, address)?;
        }
        Ok(set)
    }

    fn add(&mut self, other: &Self) {
        self.v4.0.extend_from_slice(&other.v4.0);
        self.v6.0.extend_from_slice(&other.v6.0);
    }

    fn take_away(&mut self, other: &Self) {
        self.v4.take_away(&other.v4);
        self.v6.take_away(&other.v6);
    }

    fn tidy(&mut self) {
        self.v4.tidy();
        self.v6.tidy();
    }

    fn is_none(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }
}

/// First and last address of a network, given by the length of its prefix or, in IPv4, by its mask.
fn network(address: IpAddr, len: &str) -> Option<(IpAddr, IpAddr)> {
    match address {
        IpAddr::V4(address) => {
            let host = match len.parse::<u32>() {
                Ok(len) if len <= 32 => u32::MAX.checked_shr(len).unwrap_or(0),
                Ok(_) => return None,
                Err(_) => {
                    let mask = u32::from(len.parse::<std::net::Ipv4Addr>().ok()?);
                    // A mask has its ones in front.
                    (mask.leading_ones() + mask.trailing_zeros() >= 32).then_some(!mask)?
                }
            };
            let low = u32::from(address) & !host;
            Some((IpAddr::V4(low.into()), IpAddr::V4((low | host).into())))
        }
        IpAddr::V6(address) => {
            let len = len.parse::<u32>().ok().filter(|len| *len <= 128)?;
            let host = u128::MAX.checked_shr(len).unwrap_or(0);
            let low = u128::from(address) & !host;
            Some((IpAddr::V6(low.into()), IpAddr::V6((low | host).into())))
        }
    }
}

impl Set for Ranges<u16> {
    fn all() -> Self {
        Ranges::all()
    }

    fn single(text: &str) -> Result<Self> {
        if text.eq_ignore_ascii_case("any") {
            return Ok(Ranges::all());
        }
        let bad = || {
            Problem::Failed(format!(
                "{text:?} is no port (0 to 65535), range low:high, group or variable"
            ))
        };
        let port = |text: &str, default: u16| match text.trim() {
            "" => Ok(default),
            text if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse::<u16>().map_err(|_| bad())
            }
            _ => Err(bad()),
        };
        let mut set = Ranges::default();
        let (low, high) = match text.split_once(':') {
            Some((low, high)) if !(low.trim().is_empty() && high.trim().is_empty()) => {
                (port(low, 0)?, port(high, u16::MAX)?)
            }
            None if !text.is_empty() => (port(text, 0)?, port(text, 0)?),
            _ => return Err(bad()),
        };
        if low > high {
            fail!("the range of ports {text} ends before it begins");
        }
        set.push(low, high);
        Ok(set)
    }

    fn add(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    fn take_away(&mut self, other: &Self) {
        Ranges::take_away(self, other);
    }

    fn tidy(&mut self) {
        Ranges::tidy(self);
    }

    fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Result<Arc<AddressSet>> {
        let variables = Variables::with_networks("[10.0.0.0/8,fe80::/10]", "!$HOME_NET");
        Resolver::new(&variables).addresses(text)
    }

    fn ports(text: &str) -> Result<Vec<(u16, u16)>> {
        Resolver::new(&Variables::default()).ports(text).map(|set| set.ranges.clone())
    }

    #[test]
    fn address_groups_are_expanded_and_negated() {
        assert!(addresses("any").unwrap().is_any());
        let contains =
            |text: &str, address: &str| addresses(text).unwrap().contains(address.parse().unwrap());
        assert!(contains("$HOME_NET", "10.1.2.3") && contains("$HTTP_SERVERS", "fe80::1"));
        assert!(!contains("$EXTERNAL_NET", "10.1.2.3") && contains("$EXTERNAL_NET", "8.8.8.8"));
        assert!(contains("!$EXTERNAL_NET", "10.1.2.3"));
        assert!(contains("[10.0.0.0/8,!10.1.0.0/16]", "10.2.0.1"));
        assert!(!contains("[10.0.0.0/8, ![10.1.0.0/16, 10.3.0.1]]", "10.3.0.1"));
        assert!(contains("![1.1.1.1]", "2001::1"));
        assert!(contains("1.1.1.1-1.1.1.9", "1.1.1.9") && !contains("1.1.1.1-1.1.1.9", "1.1.1.10"));
        assert!(contains("192.168.0.0/255.255.0.0", "192.168.7.7"));
    }

    #[test]
    fn addresses_that_are_wrong_or_leave_nothing_fail() {
        for bad in [
            "!any",
            "[10.0.0.0/8,!10.0.0.0/8]",
            "1.1.1",
            "1.1.1.1/33",
            "::/129",
            "[1.1.1.1",
            "1.1.1.1]",
            "$NONE",
            "[]",
            "[1.1.1.1,]",
            "",
            "!!1.1.1.1",
            "1.1.1.9-1.1.1.1",
            "1.1.1.1-::1",
            "1.1.1.1/255.0.255.0",
        ] {
            assert!(addresses(bad).is_err(), "{bad}");
        }
        let any = Variables::default();
        assert!(Resolver::new(&any).addresses("!$HOME_NET").is_err());
    }

    #[test]
    fn variables_that_name_themselves_end() {
        let mut variables = Variables::default();
        variables.set_address("A", "[$B,$B,$B]");
        variables.set_address("B", "[$A,$A,$A]");
        assert!(Resolver::new(&variables).addresses("$A").is_err());
    }

    #[test]
    fn ports_are_expanded_and_negated() {
        assert_eq!(ports("any").unwrap(), [(0, 65535)]);
        assert_eq!(ports("80").unwrap(), [(80, 80)]);
        assert_eq!(ports(":1023").unwrap(), [(0, 1023)]);
        assert_eq!(ports("1024:").unwrap(), [(1024, 65535)]);
        assert_eq!(ports("[80,81:90,85:95]").unwrap(), [(80, 95)]);
        assert_eq!(ports("![80]").unwrap(), [(0, 79), (81, 65535)]);
        assert_eq!(ports("[1:100,!50]").unwrap(), [(1, 49), (51, 100)]);
        assert_eq!(ports("$FILE_DATA_PORTS").unwrap(), [(80, 80), (110, 110), (143, 143)]);
        assert_eq!(ports("[$SHELLCODE_PORTS,!81]").unwrap(), [(0, 79), (82, 65535)]);
        for bad in ["65536", "x", "90:80", ":", "!any", "[80,!80]", "[80", "$NONE", "-1", "80-90"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}
