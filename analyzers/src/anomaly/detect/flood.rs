//! Floods: more for one host in a second than it gets in usual times, for several seconds, and unanswered.

use umbra_wire::tcp::flag;

use super::{Detection, Seen};
use crate::anomaly::hash::Key;
use crate::anomaly::names::Sid;
use crate::anomaly::table::Table;
use crate::decode::Transport;
use crate::events::Evidence;

/// Seconds in a row.
const SECONDS: u32 = 3;
/// Times the usual rate of the host.
const TIMES: f64 = 10.0;
/// The usual rate moves by this part a second.
const STEP: f64 = 0.02;
/// A flood is answered by less than this part: what is wanted is answered or acknowledged.
const ANSWERED: f64 = 0.2;

/// UDP services whose answers are much larger than their questions: CISA alert TA14-017A.
const REFLECTORS: [u16; 14] =
    [17, 19, 53, 69, 111, 123, 137, 161, 389, 520, 1900, 5353, 11211, 3702];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Syn,
    Udp,
    Icmp,
    Reflected,
}

impl Kind {
    /// Packets a second below which nothing is a flood, whatever is usual: what a small server sees of its users
    /// on a busy day.
    const fn least(self) -> f64 {
        match self {
            Self::Syn | Self::Icmp | Self::Reflected => 100.0,
            Self::Udp => 1000.0,
        }
    }

    const fn sid(self) -> Sid {
        match self {
            Self::Syn => Sid::SynFlood,
            Self::Udp => Sid::UdpFlood,
            Self::Icmp => Sid::IcmpFlood,
            Self::Reflected => Sid::Amplification,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Target {
    second: i64,
    packets: f64,
    answers: f64,
    bytes: f64,
    usual: f64,
    /// Seconds in a row that were too many.
    high: u32,
}

/// Targets by host and kind.
#[derive(Clone, Debug)]
pub(super) struct Floods {
    targets: Table<Target>,
}

impl Floods {
    pub(super) fn new(capacity: usize) -> Self {
        Self { targets: Table::new(capacity) }
    }

    pub(super) fn look(&mut self, seen: &Seen<'_>, found: &mut Vec<Detection>) {
        let packet = seen.packet;
        let to_server = packet.to_server;
        // The kind, and whether the packet is one of the flood or answers it.
        let (kind, counts) = match &packet.decoded.transport {
            Transport::Tcp(tcp) => {
                let handshake = tcp.flags & (flag::SYN | flag::ACK);
                if handshake == flag::SYN {
                    (Kind::Syn, true)
                } else if packet.handshake.is_some() {
                    // The client's last word of the handshake: this SYN was meant.
                    let target = self.target(seen, Kind::Syn, true);
                    target.answers += seen.weight;
                    return;
                } else {
                    return;
                }
            }
            Transport::Udp(udp) => {
                // An answer without a question: the flow begins with it, from a reflector's port.
                let reflected = to_server && REFLECTORS.contains(&udp.src_port);
                (if reflected { Kind::Reflected } else { Kind::Udp }, to_server)
            }
            Transport::Icmp4(_) | Transport::Icmp6(_) => (Kind::Icmp, to_server),
            _ => return,
        };
        if counts && !seen.is_unicast() {
            return;
        }
        let length = f64::from(packet.meta.frame_len);
        let second = seen.now.floor() as i64;
        let target = self.target(seen, kind, counts);
        if target.second != second {
            let ended = target.end(second, kind);
            if let Some(ended) = ended {
                found.push(detection(seen, kind, &ended, counts));
            }
        }
        if counts {
            target.packets += seen.weight;
            target.bytes += seen.weight * length;
        } else {
            target.answers += seen.weight;
        }
    }

    fn target(&mut self, seen: &Seen<'_>, kind: Kind, forward: bool) -> &mut Target {
        let party = if forward { seen.keys.destination } else { seen.keys.source };
        self.targets.entry(Key::new(party.key(), kind as u64).get()).0
    }
}

impl Target {
    /// The second is over. What it was, if it was too many and so were those before.
    fn end(&mut self, second: i64, kind: Kind) -> Option<Self> {
        let ended = *self;
        let high = ended.packets > kind.least().max(TIMES * ended.usual)
            && ended.answers < ANSWERED * ended.packets;
        let adjacent = second == ended.second + 1;
        self.high = if high { ended.high + 1 } else { 0 };
        if !high {
            // Seconds without packets count too.
            let quiet = (second - ended.second - 1).clamp(0, 10_000) as i32;
            self.usual += STEP * (ended.packets - self.usual);
            self.usual *= (1.0 - STEP).powi(quiet);
        }
        let told = self.high >= SECONDS;
        if told || !adjacent {
            self.high = 0;
        }
        (self.second, self.packets, self.answers, self.bytes) = (second, 0.0, 0.0, 0.0);
        told.then_some(ended)
    }
}

fn detection(seen: &Seen<'_>, kind: Kind, ended: &Target, forward: bool) -> Detection {
    let victim = if forward { seen.keys.destination } else { seen.keys.source };
    Detection {
        sid: kind.sid(),
        about: victim.key(),
        evidence: vec![
            Evidence::new("target", victim.to_string()),
            Evidence::new("rate_pps", ended.packets.round()),
            Evidence::new("rate_bps", (ended.bytes * 8.0).round()),
            Evidence::new("usual_pps", ended.usual),
            Evidence::new("answered_pps", ended.answers.round()),
            Evidence::new("latest_subject", seen.keys.subject.to_string()),
        ],
    }
}
