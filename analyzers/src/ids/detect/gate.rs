//! What a rule's header asks of ports and of the connection, small enough to be asked of every candidate before
//! anything else is.

use super::super::rule::ast::{Direction, FlowState, PortSet, Rule};
use super::conditions::Ends;
use crate::app::Heading;

/// Ports and state, wider than the rule's own where that would take more room: what it lets pass is still to be
/// held against the rule, what it stops need not be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    src: (u16, u16),
    dst: (u16, u16),
    established: Option<bool>,
}

impl Default for Gate {
    /// Lets everything pass.
    fn default() -> Self {
        Self { src: (0, u16::MAX), dst: (0, u16::MAX), established: None }
    }
}

impl Gate {
    pub(crate) fn of(rule: &Rule) -> Self {
        let (src, dst) = match rule.header.direction {
            Direction::OneWay => (span(&rule.header.src_ports), span(&rule.header.dst_ports)),
            Direction::Both | Direction::Transaction => ((0, u16::MAX), (0, u16::MAX)),
        };
        let established = match rule.flow.state {
            None | Some(FlowState::Stateless) => None,
            Some(FlowState::Established) => Some(true),
            Some(FlowState::NotEstablished) => Some(false),
        };
        Self { src, dst, established }
    }

    /// The server's port, from the first to the last, in packets of a heading.
    pub(crate) const fn server(&self, heading: Heading) -> (u16, u16) {
        match heading {
            Heading::ToServer => self.dst,
            Heading::ToClient => self.src,
        }
    }

    /// The same of the client.
    pub(crate) const fn client(&self, heading: Heading) -> (u16, u16) {
        match heading {
            Heading::ToServer => self.src,
            Heading::ToClient => self.dst,
        }
    }

    #[cfg(test)]
    pub(crate) const fn between(src: (u16, u16), dst: (u16, u16)) -> Self {
        Self { src, dst, established: None }
    }

    /// Whether the rule may hold for a packet between these ends; `established` says where its connection stands.
    #[inline]
    pub(crate) fn lets_pass(&self, ends: Option<&Ends>, established: bool) -> bool {
        self.is_between(ends) && self.established.is_none_or(|wanted| wanted == established)
    }

    /// The same of ports alone, for what is kept while the connection goes on.
    #[inline]
    pub(crate) fn is_between(&self, ends: Option<&Ends>) -> bool {
        let within = |(first, last): (u16, u16), port: u16| first <= port && port <= last;
        ends.is_none_or(|ends| within(self.dst, ends.dst_port) && within(self.src, ends.src_port))
    }
}

/// From the first port to the last.
fn span(ports: &PortSet) -> (u16, u16) {
    match (ports.ranges.first(), ports.ranges.last()) {
        (Some(&(first, _)), Some(&(_, last))) => (first, last),
        // It is not for a gate to say what no port at all means.
        _ => (0, u16::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::rule::{Classification, RuleSet, Variables};

    fn gate(rule: &str) -> Gate {
        let text = format!("alert {rule} sid:1;)");
        let (names, classes) = (Variables::default(), Classification::default());
        let loaded = RuleSet::load_text("test", text.as_bytes(), &names, &classes);
        assert_eq!(loaded.errors, [], "{text}");
        Gate::of(&loaded.rules[0])
    }

    fn passes(gate: &Gate, src_port: u16, dst_port: u16, established: bool) -> bool {
        let host = "192.0.2.1".parse().unwrap();
        let ends = Ends { src: host, dst: host, src_port, dst_port, protocol: 6 };
        gate.lets_pass(Some(&ends), established)
    }

    #[test]
    fn ports_and_states_are_held_against_packets() {
        let https = gate("tcp any 1024: -> any [80,443] (flow:established;");
        assert!(passes(&https, 1024, 443, true) && passes(&https, 65_535, 80, true));
        assert!(!passes(&https, 1023, 443, true));
        assert!(!passes(&https, 1024, 444, true));
        assert!(!passes(&https, 1024, 443, false));
        // Between two of its ports a gate does not look more closely.
        assert!(passes(&https, 1024, 81, true));
        let scan = gate("tcp any any -> any 22 (flow:not_established;");
        assert!(passes(&scan, 1, 22, false) && !passes(&scan, 1, 22, true));
    }

    #[test]
    fn what_may_be_turned_round_passes() {
        let both = gate("tcp any 7 <> any 9 (flow:stateless;");
        assert!(passes(&both, 7, 9, true) && passes(&both, 9, 7, false));
        assert!(gate("tcp any any -> any 80 (").lets_pass(None, false));
    }
}
