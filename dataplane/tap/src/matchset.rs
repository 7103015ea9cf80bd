//! Flows, hosts and prefixes that a frame is matched against: the escalation set and the block
//! table. Built by control, immutable, shared by `Arc`; 10⁵ entries cost a lookup what 10 do.
//!
//! Addresses are 128 bits, IPv4 as `::ffff:a.b.c.d`. A frame without IP has MAC addresses in their
//! place, in the low 48 bits: those match as hosts alone, never by a prefix, so that blocking `::/0`
//! leaves ARP and LLDP through. (A MAC address `ff:ff:…`, broadcast above all, cannot be told from an
//! IPv4 address in 255.255.0.0/16.) Attackers choose what is looked up, so every set hashes with a
//! random seed of its own.

use core::net::IpAddr;
use foldhash::fast::RandomState;
use hashbrown::HashSet;

type Set<T> = HashSet<T, RandomState>;

/// Bits before the IPv4 address in its 128-bit form.
const V4_PREFIX_BITS: u8 = 96;
const V4_PREFIX: u128 = 0xffff;

/// Why an entry was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MatchSetError {
    /// Longer than the address.
    #[error("prefix length {len} of {address} is out of range; legal is 0 to {max}")]
    PrefixTooLong {
        /// The address given.
        address: IpAddr,
        /// The length given, bits.
        len: u8,
        /// 32 or 128.
        max: u8,
    },
}

/// The 128-bit form of an address.
#[must_use]
pub fn address_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Prefixes of one length.
#[derive(Clone, Debug)]
struct PrefixesOfLength {
    mask: u128,
    networks: Set<u128>,
}

/// Flows by hash, hosts by address, prefixes by network.
#[derive(Clone, Debug, Default)]
pub struct MatchSet {
    flows: Set<u64>,
    hosts: Set<u128>,
    /// Lengths 0 to 127 of IPv6. IPv4-mapped addresses are not looked up here: `::/0` is all of IPv6
    /// and none of IPv4.
    v6: Vec<PrefixesOfLength>,
    /// Lengths 0 to 31 of IPv4, masks over 128 bits.
    v4: Vec<PrefixesOfLength>,
}

impl MatchSet {
    /// Starts an empty set.
    #[must_use]
    pub fn builder() -> MatchSetBuilder {
        MatchSetBuilder::default()
    }

    /// Whether nothing can match.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty() && !self.has_addresses()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        let prefixes: usize = self.v6.iter().chain(&self.v4).map(|set| set.networks.len()).sum();
        self.flows.len() + self.hosts.len() + prefixes
    }

    /// Whether the flow, or either address as a host or within a prefix, is in the set.
    #[inline]
    #[must_use]
    pub fn contains(&self, flow_hash: u64, a: u128, b: u128) -> bool {
        // `contains` of an empty hashbrown set does not hash.
        self.flows.contains(&flow_hash)
            || self.has_addresses() && (self.contains_address(a) || self.contains_address(b))
    }

    /// Whether an address is in the set, as a host or within a prefix.
    #[inline]
    #[must_use]
    pub fn contains_address(&self, address: u128) -> bool {
        let prefixes = match address >> 32 {
            V4_PREFIX => &self.v4[..],
            // A MAC address; of IPv6 only `::`, `::1` and the deprecated ::/96 look like that.
            0..V4_PREFIX => &[],
            _ => &self.v6[..],
        };
        self.hosts.contains(&address)
            || prefixes.iter().any(|set| set.networks.contains(&(address & set.mask)))
    }

    #[inline]
    fn has_addresses(&self) -> bool {
        !(self.hosts.is_empty() && self.v4.is_empty() && self.v6.is_empty())
    }
}

/// Collects the entries of a [`MatchSet`].
#[derive(Clone, Debug, Default)]
pub struct MatchSetBuilder {
    set: MatchSet,
}

impl MatchSetBuilder {
    /// Starts an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a flow by its symmetric hash.
    pub fn flow(&mut self, flow_hash: u64) -> &mut Self {
        self.set.flows.insert(flow_hash);
        self
    }

    /// Adds a host.
    pub fn host(&mut self, address: IpAddr) -> &mut Self {
        self.host_bits(address_bits(address))
    }

    /// Adds a host by the 128 bits of its address.
    pub fn host_bits(&mut self, address: u128) -> &mut Self {
        self.set.hosts.insert(address);
        self
    }

    /// Adds a prefix of `len` bits. Bits of `address` beyond it are ignored. An IPv4 prefix has 0 to
    /// 32 bits; an IPv6 prefix of an IPv4-mapped network (`::ffff:0:0/96` and longer) is the IPv4
    /// prefix.
    ///
    /// # Errors
    ///
    /// [`MatchSetError::PrefixTooLong`].
    pub fn prefix(&mut self, address: IpAddr, len: u8) -> Result<&mut Self, MatchSetError> {
        let (max, offset) = if address.is_ipv4() { (32, V4_PREFIX_BITS) } else { (128, 0) };
        if len > max {
            return Err(MatchSetError::PrefixTooLong { address, len, max });
        }
        let (bits, len) = (address_bits(address), len + offset);
        if len == 128 {
            return Ok(self.host_bits(bits));
        }
        let mask = if len == 0 { 0 } else { u128::MAX << (128 - len) };
        let mapped = len >= V4_PREFIX_BITS && bits >> 32 == V4_PREFIX;
        let sets = if mapped { &mut self.set.v4 } else { &mut self.set.v6 };
        let index = sets.iter().position(|set| set.mask == mask).unwrap_or_else(|| {
            sets.push(PrefixesOfLength { mask, networks: Set::default() });
            sets.len() - 1
        });
        sets[index].networks.insert(bits & mask);
        Ok(self)
    }

    /// The set.
    #[must_use]
    pub fn build(self) -> MatchSet {
        self.set
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn bits(text: &str) -> u128 {
        address_bits(ip(text))
    }

    fn of_prefix(address: &str, len: u8) -> MatchSet {
        let mut builder = MatchSet::builder();
        builder.prefix(ip(address), len).unwrap();
        builder.build()
    }

    #[test]
    fn empty_set_matches_nothing() {
        let set = MatchSet::default();
        assert!(set.is_empty());
        assert!(!set.contains(0, 0, 0));
        assert_eq!(set.len(), 0);
    }

    #[test]
    fn a_flow_matches_by_its_hash_alone() {
        let mut builder = MatchSetBuilder::new();
        builder.flow(7);
        let set = builder.build();
        assert!(!set.is_empty());
        assert!(set.contains(7, 1, 2));
        assert!(!set.contains(8, 7, 7));
    }

    #[test]
    fn a_host_matches_on_either_side() {
        let mut builder = MatchSetBuilder::new();
        builder.host(ip("10.0.0.1")).host(ip("2001:db8::1"));
        let set = builder.build();
        assert!(set.contains(0, bits("10.0.0.1"), bits("10.0.0.2")));
        assert!(set.contains(0, bits("10.0.0.2"), bits("10.0.0.1")));
        assert!(set.contains(0, bits("::"), bits("2001:db8::1")));
        assert!(!set.contains(0, bits("10.0.0.2"), bits("2001:db8::2")));
        assert_eq!(set.len(), 2);
    }

    #[test]
    fn prefix_borders_are_exact() {
        let set = of_prefix("192.168.4.77", 22);
        for (address, inside) in [
            ("192.168.3.255", false),
            ("192.168.4.0", true),
            ("192.168.7.255", true),
            ("192.168.8.0", false),
            ("::192.168.4.0", false),
            ("::ffff:192.168.4.0", true),
        ] {
            assert_eq!(set.contains_address(bits(address)), inside, "{address}");
        }
        let set = of_prefix("2001:db8::", 33);
        assert!(set.contains_address(bits("2001:db8:7fff::")));
        assert!(!set.contains_address(bits("2001:db8:8000::")));
    }

    #[test]
    fn zero_length_is_the_whole_family_and_not_the_other() {
        let (v4, v6) = (of_prefix("0.0.0.0", 0), of_prefix("::", 0));
        for address in ["0.0.0.0", "255.255.255.255", "10.1.2.3"] {
            assert!(v4.contains_address(bits(address)) && !v6.contains_address(bits(address)));
        }
        for address in ["2001:db8::1", "fe80::1", "ff02::1", "0:0:0:0:1::"] {
            assert!(!v4.contains_address(bits(address)) && v6.contains_address(bits(address)));
        }
    }

    #[test]
    fn a_mac_address_matches_as_a_host_and_by_no_prefix() {
        let mac = 0x0242_ac11_0002u128;
        let mut builder = MatchSet::builder();
        builder.prefix(ip("::"), 0).unwrap().prefix(ip("0.0.0.0"), 0).unwrap();
        assert!(!builder.clone().build().contains(0, mac, mac + 1));
        builder.host_bits(mac);
        assert!(builder.build().contains(0, mac + 1, mac));
    }

    #[test]
    fn full_length_is_one_host() {
        let set = of_prefix("10.0.0.1", 32);
        assert!(set.contains_address(bits("10.0.0.1")));
        assert!(!set.contains_address(bits("10.0.0.0")));
        let set = of_prefix("2001:db8::1", 128);
        assert!(set.contains_address(bits("2001:db8::1")));
        assert!(!set.contains_address(bits("2001:db8::")));
    }

    #[test]
    fn a_mapped_ipv6_prefix_is_the_ipv4_prefix() {
        let set = of_prefix("::ffff:10.0.0.0", 104);
        assert!(set.contains_address(bits("10.200.0.1")));
        assert!(!set.contains_address(bits("11.0.0.1")));
    }

    #[test]
    fn too_long_a_prefix_is_refused_with_the_range() {
        let mut builder = MatchSetBuilder::new();
        let error = builder.prefix(ip("10.0.0.0"), 33).unwrap_err();
        assert_eq!(
            error.to_string(),
            "prefix length 33 of 10.0.0.0 is out of range; legal is 0 to 32"
        );
        assert!(builder.prefix(ip("::"), 129).is_err());
        assert!(builder.build().is_empty());
    }

    #[test]
    fn a_hundred_thousand_entries_are_all_found() {
        let mut builder = MatchSetBuilder::new();
        for n in 0..100_000u32 {
            builder.flow(u64::from(n) << 32).host(IpAddr::V4((0x0a00_0000 + n).into()));
        }
        let set = builder.build();
        assert_eq!(set.len(), 200_000);
        for n in 0..100_000u32 {
            assert!(set.contains(u64::from(n) << 32, 0, 0));
            let host = address_bits(IpAddr::V4((0x0a00_0000 + n).into()));
            assert!(set.contains(1, 0, host));
        }
        assert!(!set.contains(1, 0, bits("10.1.134.160")));
    }

    /// Few distinct bits, so that entries and queries meet often.
    fn any_address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0u32..16, 0u32..32)
                .prop_map(|(value, shift)| IpAddr::V4(value.wrapping_shl(shift).into())),
            (0u128..16, 0u32..128)
                .prop_map(|(value, shift)| IpAddr::V6(value.wrapping_shl(shift).into())),
        ]
    }

    /// The definition: compare bit by bit from the front, within the family.
    fn in_prefix(address: IpAddr, (network, len): (IpAddr, u8)) -> bool {
        if matches!(address, IpAddr::V6(v6) if v6.to_bits() >> 48 == 0) && len < 128 {
            return false;
        }
        let (x, y, width) = match (address.to_canonical(), network) {
            (IpAddr::V4(x), IpAddr::V4(y)) => (u128::from(x.to_bits()), y.to_bits().into(), 32),
            (IpAddr::V6(x), IpAddr::V6(y)) => (x.to_bits(), y.to_bits(), 128),
            _ => return false,
        };
        (0..u32::from(len)).all(|bit| (x ^ y) >> (width - 1 - bit) & 1 == 0)
    }

    proptest! {
        #[test]
        fn agrees_with_a_linear_search(
            flows in prop::collection::vec(0u64..20, 0..4),
            hosts in prop::collection::vec(any_address(), 0..6),
            prefixes in prop::collection::vec((any_address(), 0u8..=128), 0..8),
            queries in prop::collection::vec((0u64..20, any_address(), any_address()), 32),
        ) {
            let mut builder = MatchSetBuilder::new();
            flows.iter().for_each(|&flow| { builder.flow(flow); });
            hosts.iter().for_each(|&host| { builder.host(host); });
            let prefixes: Vec<_> = prefixes
                .into_iter()
                .map(|(address, len)| (address, if address.is_ipv4() { len % 33 } else { len }))
                .collect();
            for &(address, len) in &prefixes {
                builder.prefix(address, len).unwrap();
            }
            let set = builder.build();
            for (flow, a, b) in queries {
                let linear = flows.contains(&flow) || [a, b].into_iter().any(|address| {
                    hosts.iter().any(|&host| address_bits(host) == address_bits(address))
                        || prefixes.iter().any(|&prefix| in_prefix(address, prefix))
                });
                prop_assert_eq!(set.contains(flow, address_bits(a), address_bits(b)), linear);
            }
        }
    }
}
