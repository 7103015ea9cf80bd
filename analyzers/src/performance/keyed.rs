//! How well it goes, by server, by the clients' network, by service, by VLAN and by wire.
//!
//! A table per kind of key, at most [`MOST`] keys each. A key weighs what happened with it; when a table is
//! full the median weight is taken off all and those at or below it go (as in [`super::top`]), so who comes and
//! goes, such as forged addresses, does not push out who stays. A key is about 3 KB once it has all its
//! histograms, a kind of key at most 2 MB.

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::names;
use super::spread::Spread;
use super::tcp::{Measured, Verdicts};
use super::units::Parties;
use crate::events::{ConnectFailure, KeyRow};

/// Keys of each kind.
const MOST: usize = 512;

/// What figures are added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// The server of flows.
    Server,
    /// The client's network: /24, /48.
    ClientNetwork,
    /// Protocol and port of the server.
    Service,
    /// Outermost VLAN id; absent without one.
    Vlan,
    Wire,
}

impl Kind {
    const ALL: [Kind; 5] =
        [Kind::Server, Kind::ClientNetwork, Kind::Service, Kind::Vlan, Kind::Wire];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Kind::Server => "server",
            Kind::ClientNetwork => "client_network",
            Kind::Service => "service",
            Kind::Vlan => "vlan",
            Kind::Wire => "wire",
        }
    }

    /// The key of this kind that a flow has.
    fn of(self, parties: &Parties) -> Option<u128> {
        match self {
            Kind::Server => Some(parties.server),
            Kind::ClientNetwork => {
                let mapped = parties.client >> 32 == 0xffff;
                Some(parties.client & if mapped { !0xff } else { !((1 << 80) - 1) })
            }
            Kind::Service => {
                Some(u128::from(parties.protocol) << 16 | u128::from(parties.server_port))
            }
            Kind::Vlan => parties.vlan.map(u128::from),
            Kind::Wire => Some(parties.wire.into()),
        }
    }

    pub(super) fn name(self, key: u128) -> String {
        match self {
            Kind::Server => names::host(key),
            Kind::ClientNetwork if key >> 32 == 0xffff => format!("{}/24", names::host(key)),
            Kind::ClientNetwork => format!("{}/48", names::host(key)),
            Kind::Service => {
                format!("{}/{}", names::transport((key >> 16) as u8), key & 0xffff)
            }
            Kind::Vlan | Kind::Wire => key.to_string(),
        }
    }
}

/// What is known of one key. Counts are of the sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    weight: f64,
    pub server_side: Spread,
    pub client_side: Spread,
    pub response: Spread,
    /// Payload segments.
    pub segments: u64,
    pub retransmissions: u64,
    pub fast: u64,
    pub spurious: u64,
    pub out_of_order: u64,
    pub zero_windows: u64,
    pub resets: u64,
    pub acked_unseen: u64,
    pub connected: u64,
    pub refused: u64,
    pub unanswered: u64,
    pub one_sided: u64,
}

impl Figures {
    fn merge(&mut self, other: &Self) {
        self.weight += other.weight;
        self.server_side.merge(&other.server_side);
        self.client_side.merge(&other.client_side);
        self.response.merge(&other.response);
        self.segments += other.segments;
        self.retransmissions += other.retransmissions;
        self.fast += other.fast;
        self.spurious += other.spurious;
        self.out_of_order += other.out_of_order;
        self.zero_windows += other.zero_windows;
        self.resets += other.resets;
        self.acked_unseen += other.acked_unseen;
        self.connected += other.connected;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.one_sided += other.one_sided;
    }

    fn verdicts(&mut self, verdicts: Verdicts) {
        let set = |verdict| u64::from(verdicts.has(verdict));
        self.retransmissions += set(Verdicts::RETRANSMISSION);
        self.fast += set(Verdicts::FAST_RETRANSMISSION);
        self.spurious += set(Verdicts::SPURIOUS_RETRANSMISSION);
        self.out_of_order += set(Verdicts::OUT_OF_ORDER);
        self.zero_windows += set(Verdicts::ZERO_WINDOW);
        self.resets += set(Verdicts::RESET);
        self.acked_unseen += set(Verdicts::ACKED_UNSEEN);
    }

    fn row(&self, kind: Kind, key: u128) -> KeyRow {
        KeyRow {
            kind: kind.as_str(),
            key: kind.name(key),
            server_side_us: self.server_side.distribution(),
            client_side_us: self.client_side.distribution(),
            response_us: self.response.distribution(),
            segments: self.segments,
            retransmissions: self.retransmissions,
            fast_retransmissions: self.fast,
            spurious_retransmissions: self.spurious,
            out_of_order: self.out_of_order,
            zero_windows: self.zero_windows,
            resets: self.resets,
            connected: self.connected,
            refused: self.refused,
            unanswered: self.unanswered,
            one_sided: self.one_sided,
        }
    }
}

type Table = HashMap<u128, Figures, RandomState>;

/// Figures by key, of all kinds.
#[derive(Clone, Debug, Default)]
pub(super) struct Keyed {
    tables: [Table; 5],
}

impl Keyed {
    /// Changes the figures of all keys of a flow, which weigh `weight` more.
    fn each(&mut self, parties: &Parties, weight: f64, change: impl Fn(&mut Figures)) {
        for (kind, table) in Kind::ALL.into_iter().zip(&mut self.tables) {
            if let Some(key) = kind.of(parties) {
                let figures = table.entry(key).or_default();
                figures.weight += weight;
                change(figures);
                if table.len() > MOST {
                    purge(table);
                }
            }
        }
    }

    /// What segments of a flow were, or what they completed.
    pub(super) fn segment(
        &mut self,
        parties: &Parties,
        verdicts: Verdicts,
        measured: [Option<Measured>; 2],
    ) {
        self.each(parties, 1.0, |figures| {
            figures.verdicts(verdicts);
            for measured in measured.into_iter().flatten() {
                match measured {
                    Measured::ServerSide(us) => figures.server_side.add(us),
                    Measured::ClientSide(us) => figures.client_side.add(us),
                    Measured::Response(us) => figures.response.add(us),
                }
            }
        });
    }

    /// Payload segments of a flow in an interval.
    pub(super) fn sent(&mut self, parties: &Parties, segments: u64) {
        if segments > 0 {
            self.each(parties, segments as f64, |figures| figures.segments += segments);
        }
    }

    /// A handshake was finished.
    pub(super) fn connected(&mut self, parties: &Parties) {
        self.each(parties, 1.0, |figures| figures.connected += 1);
    }

    /// A flow ended.
    pub(super) fn ended(
        &mut self,
        parties: &Parties,
        connect: Option<ConnectFailure>,
        one_sided: bool,
    ) {
        if connect.is_none() && !one_sided {
            return;
        }
        self.each(parties, 1.0, |figures| {
            figures.one_sided += u64::from(one_sided);
            match connect {
                Some(ConnectFailure::Refused) => figures.refused += 1,
                Some(ConnectFailure::Unanswered) => figures.unanswered += 1,
                None => {}
            }
        });
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (table, theirs) in self.tables.iter_mut().zip(&other.tables) {
            for (key, figures) in theirs {
                table.entry(*key).or_default().merge(figures);
            }
            if table.len() > MOST {
                purge(table);
            }
        }
    }

    /// All keys of a kind, in the order of keys.
    pub(super) fn sorted(&self, kind: Kind) -> Vec<(u128, &Figures)> {
        let mut all: Vec<_> = self
            .tables
            .get(kind as usize)
            .into_iter()
            .flatten()
            .map(|(key, f)| (*key, f))
            .collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    /// The heaviest `rows` of each kind.
    pub(super) fn rows(&self, rows: usize) -> Vec<KeyRow> {
        let kinds = Kind::ALL.into_iter().flat_map(|kind| {
            let mut all = self.sorted(kind);
            all.sort_by(|a, b| b.1.weight.total_cmp(&a.1.weight));
            all.into_iter().take(rows).map(move |(key, figures)| figures.row(kind, key))
        });
        kinds.collect()
    }
}

/// Takes the median weight off all, or as much more as brings the table down to its bound.
fn purge(table: &mut Table) {
    let mut weights: Vec<f64> = table.values().map(|figures| figures.weight).collect();
    let excess = weights.len().saturating_sub(MOST);
    let at = (weights.len() / 2).max(excess.saturating_sub(1)).min(weights.len() - 1);
    let (_, taken, _) = weights.select_nth_unstable_by(at, f64::total_cmp);
    let taken = *taken;
    table.retain(|_, figures| {
        figures.weight -= taken;
        figures.weight > 0.0
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parties(client: u32, server: u32) -> Parties {
        let mapped = |host: u32| 0xffff_u128 << 32 | u128::from(host);
        Parties {
            client: mapped(client),
            server: mapped(server),
            server_port: 443,
            protocol: 6,
            vlan: Some(7),
            wire: 0,
        }
    }

    #[test]
    fn a_flow_counts_for_its_server_its_clients_network_service_vlan_and_wire() {
        let mut keyed = Keyed::default();
        let flow = parties(0x0a01_0203, 0xc000_0201);
        keyed.segment(&flow, Verdicts::default(), [Some(Measured::Response(800)), None]);
        keyed.ended(&flow, Some(ConnectFailure::Refused), false);
        let rows = keyed.rows(5);
        let names: Vec<_> = rows.iter().map(|row| (row.kind, row.key.as_str())).collect();
        assert_eq!(
            names,
            [
                ("server", "192.0.2.1"),
                ("client_network", "10.1.2.0/24"),
                ("service", "tcp/443"),
                ("vlan", "7"),
                ("wire", "0"),
            ]
        );
        assert!(rows.iter().all(|row| row.response_us.max == 800 && row.refused == 1));
    }

    #[test]
    fn forged_addresses_push_out_nobody_who_stays() {
        let mut keyed = Keyed::default();
        for round in 0..200_000u32 {
            keyed.ended(&parties(round << 8, 2 + round), Some(ConnectFailure::Unanswered), false);
            if round % 10 == 0 {
                keyed.connected(&parties(5 << 8, 1));
            }
            assert!(keyed.tables.iter().all(|table| table.len() <= MOST));
        }
        assert!(keyed.sorted(Kind::Server).iter().any(|(key, _)| *key & 0xffff_ffff == 1));
        assert_eq!(keyed.rows(1)[0].key, "0.0.0.1");
    }
}
