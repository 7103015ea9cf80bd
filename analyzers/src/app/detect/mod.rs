//! Which protocol a flow speaks, by what its two ends say first.
//!
//! As Suricata 8 does it with its stock configuration: patterns at the beginning of what each end
//! says, on any port; where no pattern fits, probes that belong to the server's port. Each heading is
//! decided on its own. One that is decided decides for the flow; where the two disagree, the first
//! one has the say and that is an [event](Detector::events). A heading whose beginning can no longer be
//! anything known is given up; when both are, the flow is, and also when one end has said a great
//! deal and nothing was recognised.
//!
//! Streams are looked at from their beginning, of which [`HEAD`] bytes are enough; datagrams as they
//! come, until one was decided in that heading.

mod asn1;
mod dns;
mod patterns;
mod ports;
mod remote;
mod text;
mod transport;

#[cfg(test)]
mod tests;

use super::{AppProto, Heading};

/// What of a stream's beginning has to be given. More does no harm.
pub const HEAD: usize = 1024;

/// So many bytes of one end without anything recognised, and there will be nothing.
const GIVE_UP_BYTES: u64 = 100_000;

/// Both ends said something else: `applayer_mismatch_protocol_both_directions`.
pub const MISMATCH: &str = "applayer_mismatch_protocol_both_directions";
/// The end that must not speak first in this protocol did.
pub const WRONG_DIRECTION: &str = "applayer_wrong_direction_first_data";
/// What one end says is known, what the other says is not.
pub const ONE_DIRECTION: &str = "applayer_detect_protocol_only_one_direction";
/// Much was said and nothing recognised.
pub const SKIPPED: &str = "applayer_proto_detection_skipped";
/// STARTTLS was agreed on and something else than TLS followed.
pub const NO_TLS: &str = "applayer_no_tls_after_starttls";
/// Something else followed than what was announced.
pub const UNEXPECTED: &str = "applayer_unexpected_protocol";

/// What carries a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A stream for each heading.
    Tcp,
    /// Datagrams.
    Udp,
}

/// What is known of a flow before anything is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What carries it.
    pub carrier: Carrier,
    /// Port of the server. Probes go by this one only.
    pub server_port: u16,
}

/// What is known so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// More has to be seen.
    Unknown,
    /// This one.
    Found(AppProto),
    /// None that is known here.
    Failed,
}

impl Verdict {
    /// The word that EVE's `app_proto` uses, where it says anything.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Verdict::Unknown => None,
            Verdict::Found(protocol) => Some(protocol.as_str()),
            Verdict::Failed => Some("failed"),
        }
    }
}

/// What a pattern or a probe says to bytes that it looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// That is it.
    Yes,
    /// So it is, but the ends are the other way round: what should go to the client goes to the server.
    Turned,
    /// It may be, more has to be seen.
    More,
    /// It is not.
    No,
}

impl Look {
    const fn yes_if(yes: bool) -> Self {
        if yes { Look::Yes } else { Look::No }
    }
}

/// One flow's recognition. 32 bytes; what was said is not kept here.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    sides: [Verdict; 2],
    flow: Verdict,
    seen: [u64; 2],
    first: Option<Heading>,
    reversed: bool,
    raised: [bool; RAISABLE.len()],
}

/// Events that recognition itself finds.
const RAISABLE: [&str; 4] = [MISMATCH, WRONG_DIRECTION, ONE_DIRECTION, SKIPPED];

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// Of a flow in which nothing was said yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sides: [Verdict::Unknown; 2],
            flow: Verdict::Unknown,
            seen: [0; 2],
            first: None,
            reversed: false,
            raised: [false; RAISABLE.len()],
        }
    }

    /// What is there of a stream from its beginning on, each time from the beginning, at least
    /// [`HEAD`] bytes where there are that many, and `total`, how many came in all; or a datagram, whole.
    /// `heading` is the flow's, also where it is [reversed](Self::is_reversed).
    ///
    /// Returns what is known of the flow. After [`Verdict::Found`] it is worth calling for the other
    /// heading as well, once that says something, for the events; a verdict does not change any more, except
    /// that a heading of datagrams that failed does not prevent that the other one is recognised.
    pub fn data(&mut self, heading: Heading, head: &[u8], total: u64, origin: &Origin) -> Verdict {
        let side = heading.index();
        let nothing = head.is_empty() && origin.carrier == Carrier::Tcp;
        if nothing || self.sides[side] != Verdict::Unknown {
            return self.flow;
        }
        self.first.get_or_insert(heading);
        self.seen[side] = self.seen[side].max(total);
        match origin.carrier {
            Carrier::Udp => self.datagram(heading, head, origin),
            Carrier::Tcp if self.flow == Verdict::Failed => {}
            Carrier::Tcp => self.stream(heading, head, origin),
        }
        self.flow
    }

    fn datagram(&mut self, heading: Heading, head: &[u8], origin: &Origin) {
        let side = heading.index();
        match recognise(heading, head, origin) {
            (Some(protocol), turned) => {
                self.found(heading, protocol);
                self.reversed |= turned && self.seen[1 - side] == 0;
            }
            // A datagram is all there is to see.
            (None, _) => {
                self.sides[side] = Verdict::Failed;
                if self.flow == Verdict::Unknown {
                    self.flow = Verdict::Failed;
                }
            }
        }
    }

    fn stream(&mut self, heading: Heading, head: &[u8], origin: &Origin) {
        let (side, other) = (heading.index(), heading.opposite().index());
        let result = look(heading, head, origin);
        match result {
            Progress::Found(protocol, _) => {
                if needs_client_first(protocol) && self.first == Some(Heading::ToClient) {
                    self.sides[side] = Verdict::Found(protocol);
                    if heading == Heading::ToClient {
                        self.raise(WRONG_DIRECTION);
                    }
                    self.flow = Verdict::Failed;
                    return;
                }
                // A server that spoke before an HTTP request did so in another protocol.
                let spoke_before = self.first == Some(heading.opposite());
                if protocol == AppProto::Http1
                    && spoke_before
                    && heading == Heading::ToServer
                    && self.sides[other] == Verdict::Unknown
                    && self.seen[other] >= patterns::depth(Heading::ToClient) as u64
                {
                    self.sides[other] = Verdict::Failed;
                    self.raise(ONE_DIRECTION);
                }
                self.found(heading, protocol);
            }
            Progress::Exhausted => {
                if let Verdict::Found(_) = self.flow {
                    self.sides[side] = Verdict::Failed;
                    self.raise(ONE_DIRECTION);
                } else {
                    // Kept as unknown where the other end may still decide.
                    self.sides[side] = Verdict::Failed;
                    if self.sides[other] == Verdict::Failed {
                        self.flow = Verdict::Failed;
                    } else {
                        self.consider_size(heading);
                    }
                }
            }
            Progress::More => self.consider_size(heading),
        }
    }

    /// Bytes came in a heading that was given up: they count towards giving up the flow.
    pub fn count(&mut self, heading: Heading, total: u64) -> Verdict {
        let side = heading.index();
        self.seen[side] = self.seen[side].max(total);
        if self.flow == Verdict::Unknown {
            self.consider_size(heading);
        }
        self.flow
    }

    fn consider_size(&mut self, heading: Heading) {
        if self.flow == Verdict::Unknown && self.seen[heading.index()] > GIVE_UP_BYTES {
            self.flow = Verdict::Failed;
            self.raise(SKIPPED);
        }
    }

    fn found(&mut self, heading: Heading, protocol: AppProto) {
        let verdict = Verdict::Found(protocol);
        self.sides[heading.index()] = verdict;
        match self.flow {
            Verdict::Found(known) if known != protocol => self.raise(MISMATCH),
            Verdict::Found(_) => {}
            Verdict::Unknown | Verdict::Failed => self.flow = verdict,
        }
    }

    fn raise(&mut self, event: &str) {
        for (name, raised) in RAISABLE.iter().zip(&mut self.raised) {
            *raised |= *name == event;
        }
    }

    /// What is known of the flow.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.flow
    }

    /// What is known of a heading: `app_proto_ts` and `app_proto_tc` where it differs from the flow's.
    #[must_use]
    pub const fn side(&self, heading: Heading) -> Verdict {
        self.sides[heading.index()]
    }

    /// The sender of the first datagram is the server: it sent an answer.
    #[must_use]
    pub const fn is_reversed(&self) -> bool {
        self.reversed
    }

    /// Nothing that comes in this heading can change anything.
    #[must_use]
    pub fn is_settled(&self, heading: Heading) -> bool {
        self.sides[heading.index()] != Verdict::Unknown
            || (self.flow == Verdict::Failed && self.seen[0] > 0 && self.seen[1] > 0)
    }

    /// What was odd, under Suricata's names.
    pub fn events(&self) -> impl Iterator<Item = &'static str> + '_ {
        RAISABLE.iter().zip(self.raised).filter(|(_, raised)| *raised).map(|(name, _)| *name)
    }

    /// The flow is something else from now on, as after CONNECT: from the beginning again.
    pub fn restart(&mut self) {
        *self = Self::new();
    }

    /// What `expected` announced (TLS behind STARTTLS) and what came instead, once something came.
    #[must_use]
    pub fn unmet(&self, expected: AppProto) -> &'static [&'static str] {
        match self.flow {
            Verdict::Unknown => &[],
            Verdict::Found(protocol) if protocol == expected => &[],
            _ if expected == AppProto::Tls => &[UNEXPECTED, NO_TLS],
            _ => &[UNEXPECTED],
        }
    }
}

/// How far the looking at a stream's beginning has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Found(AppProto, bool),
    More,
    Exhausted,
}

/// In one direction without regard to the other: patterns first, then the port's probes.
fn look(heading: Heading, head: &[u8], origin: &Origin) -> Progress {
    let mut pending = origin.carrier == Carrier::Tcp && head.len() < patterns::depth(heading);
    for pattern in patterns::of(origin.carrier, heading) {
        match pattern.look(head) {
            Look::Yes => return Progress::Found(pattern.protocol, false),
            Look::Turned => return Progress::Found(pattern.protocol, true),
            Look::More => pending = true,
            Look::No => {}
        }
    }
    for probe in ports::of(origin) {
        match (probe.look)(heading, head) {
            Look::Yes => return Progress::Found(probe.protocol, false),
            Look::Turned => return Progress::Found(probe.protocol, true),
            Look::More => pending = true,
            Look::No => {}
        }
    }
    // What needs more than this to be told is not what it seems.
    if pending && head.len() < HEAD { Progress::More } else { Progress::Exhausted }
}

fn recognise(heading: Heading, head: &[u8], origin: &Origin) -> (Option<AppProto>, bool) {
    match look(heading, head, origin) {
        Progress::Found(protocol, turned) => (Some(protocol), turned),
        Progress::More | Progress::Exhausted => (None, false),
    }
}

/// Protocols in which a server that speaks first cannot be right.
const fn needs_client_first(protocol: AppProto) -> bool {
    matches!(protocol, AppProto::Tls)
}
