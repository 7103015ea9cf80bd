//! Which rules may match some bytes, by the literals that are in them.
//!
//! What is looked for in payloads and streams depends on the ports: a few ports have hundreds of rules of their own
//! (DNS, SMB, databases), which need not be looked for elsewhere.

use std::collections::{BTreeMap, HashMap};

use umbra_hs::{Database, HsError, Literal, Scratch};

use super::super::matching::FastLiteral;
use super::base::RuleIndex;
use super::conditions::Ends;
use super::gate::Gate;
use crate::app::Heading;

/// Ports with this many rules of their own have a database of their own. Those of fewer rules cost more when rules
/// are loaded than they save.
const FEW_RULES: usize = 100;
/// Ports with databases of their own, at most.
const MOST_GROUPS: usize = 8;
/// Clients' ports lie above.
const LAST_SERVICE: u16 = 1023;

/// Literals looked for together, and the rules that want each.
#[derive(Debug, Default)]
pub(crate) struct Prefilter {
    database: Option<Database>,
    rules: Vec<Vec<RuleIndex>>,
    longest: usize,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Literals {
    ids: HashMap<(Vec<u8>, bool), usize>,
    rules: Vec<Vec<RuleIndex>>,
}

impl Literals {
    pub(crate) fn add(&mut self, literal: FastLiteral, rule: RuleIndex) {
        let nocase = literal.nocase && literal.bytes.iter().any(u8::is_ascii_alphabetic);
        let bytes = if nocase { literal.bytes.to_ascii_lowercase() } else { literal.bytes };
        let next = self.rules.len();
        let id = *self.ids.entry((bytes, nocase)).or_insert(next);
        if id == next {
            self.rules.push(Vec::new());
        }
        if let Some(rules) = self.rules.get_mut(id)
            && rules.last() != Some(&rule)
        {
            rules.push(rule);
        }
    }

    pub(crate) fn build(self) -> Result<Prefilter, HsError> {
        if self.rules.is_empty() {
            return Ok(Prefilter::default());
        }
        let literals: Vec<_> = self
            .ids
            .iter()
            .map(|((bytes, nocase), &id)| Literal { id: id as u32, bytes, nocase: *nocase })
            .collect();
        let longest = literals.iter().map(|literal| literal.bytes.len()).max().unwrap_or(0);
        Ok(Prefilter { database: Some(Database::literals(&literals)?), rules: self.rules, longest })
    }
}

impl Prefilter {
    /// Calls `found` with rules whose literal is in `bytes`, and where it ends there.
    pub(crate) fn scan(
        &self,
        bytes: &[u8],
        scratch: &mut Scratch,
        mut found: impl FnMut(RuleIndex, usize),
    ) {
        let Some(database) = &self.database else { return };
        let scanned = database.scan(bytes, scratch, |id, end| {
            for &rule in self.rules.get(id as usize).map_or(&[][..], Vec::as_slice) {
                found(rule, end);
            }
            umbra_hs::Next::GoOn
        });
        debug_assert!(scanned.is_ok(), "{scanned:?}");
    }

    /// Length of the longest literal, bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    pub(crate) fn fit(&self, scratch: &mut Option<Scratch>) -> Result<(), HsError> {
        let Some(database) = &self.database else { return Ok(()) };
        match scratch {
            Some(scratch) => scratch.fit(database),
            None => {
                *scratch = Some(Scratch::for_database(database)?);
                Ok(())
            }
        }
    }

    /// Bytes of its database.
    pub(crate) fn database_bytes(&self) -> usize {
        self.database.as_ref().map_or(0, Database::memory_bytes)
    }
}

/// Literals, and what their rules ask of ports.
#[derive(Debug, Default)]
pub(crate) struct PortedLiterals(Vec<(FastLiteral, RuleIndex, Gate)>);

impl PortedLiterals {
    pub(crate) fn add(&mut self, literal: FastLiteral, rule: RuleIndex, gate: Gate) {
        self.0.push((literal, rule, gate));
    }

    /// The databases of packets in one heading.
    pub(crate) fn build(self, heading: Heading) -> Result<ByPorts, HsError> {
        // Rules whose server's port is one of few belong to those alone.
        let mut own: BTreeMap<u16, usize> = BTreeMap::new();
        for (_, _, gate) in &self.0 {
            let (first, last) = gate.server(heading);
            if usize::from(last - first) < MOST_GROUPS {
                for port in first..=last {
                    *own.entry(port).or_default() += 1;
                }
            }
        }
        own.retain(|_, rules| *rules >= FEW_RULES);
        let mut ports: Vec<(usize, u16)> = own.into_iter().map(|(port, n)| (n, port)).collect();
        ports.sort_unstable_by_key(|&(rules, port)| (std::cmp::Reverse(rules), port));
        ports.truncate(MOST_GROUPS);
        let mut ports: Vec<u16> = ports.into_iter().map(|(_, port)| port).collect();
        ports.sort_unstable();

        let mut by = ByPorts { heading: Some(heading), ports, ..ByPorts::default() };
        let mut known: HashMap<Vec<RuleIndex>, usize> = HashMap::new();
        for at in 0..=by.ports.len() {
            for client in [0..=LAST_SERVICE, LAST_SERVICE + 1..=u16::MAX] {
                let wanted = |gate: &Gate| {
                    let (first, last) = gate.server(heading);
                    let of_client = gate.client(heading);
                    let server = match by.ports.get(at) {
                        Some(port) => (first..=last).contains(port),
                        // Whether any of its ports has no database of its own.
                        None => {
                            let own = by.ports.iter().filter(|&port| (first..=last).contains(port));
                            own.count() <= usize::from(last - first)
                        }
                    };
                    server && of_client.0 <= *client.end() && of_client.1 >= *client.start()
                };
                let here = self.0.iter().filter(|(_, _, gate)| wanted(gate));
                let rules: Vec<RuleIndex> = here.clone().map(|(_, rule, _)| *rule).collect();
                let index = match known.get(&rules) {
                    Some(&index) => index,
                    None => {
                        let mut literals = Literals::default();
                        for (literal, rule, _) in here {
                            literals.add(literal.clone(), *rule);
                        }
                        by.prefilters.push(literals.build()?);
                        known.insert(rules, by.prefilters.len() - 1);
                        by.prefilters.len() - 1
                    }
                };
                by.groups.push(index);
            }
        }
        Ok(by)
    }
}

/// Prefilters by the server's port, and by whether the client's is one of a service too.
#[derive(Debug, Default)]
pub(crate) struct ByPorts {
    heading: Option<Heading>,
    /// Those with databases of their own, sorted.
    ports: Vec<u16>,
    /// For each of the ports, then for all others: the prefilter of low client ports and that of the rest.
    groups: Vec<usize>,
    prefilters: Vec<Prefilter>,
}

/// Of what has no rules.
static NOTHING: Prefilter = Prefilter { database: None, rules: Vec::new(), longest: 0 };

impl ByPorts {
    /// What to look for between these ends.
    pub(crate) fn of(&self, ends: Option<&Ends>) -> &Prefilter {
        let (server, client) = match (ends, self.heading) {
            (Some(ends), Some(Heading::ToClient)) => (ends.src_port, ends.dst_port),
            (Some(ends), _) => (ends.dst_port, ends.src_port),
            (None, _) => (0, 0),
        };
        let at = self.ports.binary_search(&server).unwrap_or(self.ports.len());
        let index = self.groups.get(2 * at + usize::from(client > LAST_SERVICE));
        index.and_then(|&index| self.prefilters.get(index)).unwrap_or(&NOTHING)
    }

    /// Each once.
    pub(crate) fn prefilters(&self) -> impl Iterator<Item = &Prefilter> {
        self.prefilters.iter()
    }

    pub(crate) fn fit(&self, scratch: &mut Option<Scratch>) -> Result<(), HsError> {
        self.prefilters().try_for_each(|prefilter| prefilter.fit(scratch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(src_port: u16, dst_port: u16) -> Ends {
        let host = "192.0.2.1".parse().unwrap();
        Ends { src: host, dst: host, src_port, dst_port, protocol: 17 }
    }

    /// Rules of which each wants its own number as a text, of these servers' ports.
    fn built(heading: Heading, servers: &[(u16, u16)]) -> ByPorts {
        let mut all = PortedLiterals::default();
        for (rule, &server) in (0..).zip(servers) {
            let any = (0, u16::MAX);
            let gate = match heading {
                Heading::ToServer => Gate::between(any, server),
                Heading::ToClient => Gate::between(server, any),
            };
            let literal = FastLiteral {
                bytes: format!("<{rule}>").into_bytes(),
                nocase: false,
                match_index: 0,
            };
            all.add(literal, rule, gate);
        }
        all.build(heading).unwrap()
    }

    fn found(by: &ByPorts, ends: Ends, bytes: &[u8]) -> Vec<RuleIndex> {
        let mut scratch = None;
        by.fit(&mut scratch).unwrap();
        let mut found = Vec::new();
        by.of(Some(&ends)).scan(bytes, &mut scratch.unwrap(), |rule, _| found.push(rule));
        found.sort_unstable();
        found
    }

    #[test]
    fn ports_of_many_rules_are_looked_through_for_those() {
        for heading in Heading::ALL {
            // Many of port 53, one of any, one of a range around it, one of 53 and 54.
            let mut servers = vec![(53, 53); FEW_RULES];
            servers.extend([(0, u16::MAX), (50, 60), (53, 54)]);
            let by = built(heading, &servers);
            assert_eq!((by.ports.as_slice(), by.prefilters.len()), (&[53][..], 2));
            let said = b"<3><100><101><102>";
            let at = |port| match heading {
                Heading::ToServer => found(&by, ends(40_000, port), said),
                Heading::ToClient => found(&by, ends(port, 40_000), said),
            };
            assert_eq!(at(53), [3, 100, 101, 102]);
            // What these may not hold for the rules' own ports say.
            assert_eq!(at(54), [100, 101, 102]);
            assert_eq!(at(9), [100, 101, 102]);
        }
    }
}
