//! A flow's application layer from its first byte on: recognition, the parser, switches.
//!
//! The first byte chooses carrier and port, the rest is a dialogue. Where nothing was switched another cutting
//! gives the same protocol, events and transactions, except that a stream is recognised by what is
//! there: that depends on the cuts, so the two are compared only where both were recognised alike.

use umbra_analyzers::app::detect::{Carrier, HEAD, Origin, Verdict};
use umbra_analyzers::app::ssh::SshConfig;
use umbra_analyzers::app::tls::TlsConfig;
use umbra_analyzers::app::{AppProto, Conversation, ConversationConfig, Heading};
use umbra_analyzers::events::Timestamp;

use super::dialogue::{self, Owned, steps};
use super::script::{Dice, Script};
use super::told::{Told, held};

/// Ports that recognition knows, and one that it does not.
const PORTS: [u16; 16] =
    [80, 443, 53, 22, 25, 21, 445, 139, 135, 5060, 123, 2049, 161, 389, 5432, 40_000];

pub(crate) fn conversation(bytes: &[u8]) {
    let mut script = Script(bytes);
    let choice = script.byte();
    let carrier = if choice & 0x80 == 0 { Carrier::Tcp } else { Carrier::Udp };
    let server_port = PORTS[usize::from(choice & 0x7f) % PORTS.len()];
    let origin = Origin { carrier, server_port };
    let steps = steps(script.0);
    let steps = match carrier {
        Carrier::Tcp => dialogue::of_streams(&steps),
        Carrier::Udp => steps.into_iter().map(Owned::of).collect(),
    };
    let whole = run(origin, &steps, None);
    let mut dice = Dice::of(bytes);
    let manner = dice.below(4);
    let cut = run(origin, &steps, Some((dice, manner)));
    let lost = steps.iter().any(|step| matches!(step, Owned::Lost(..)));
    if lost && whole.verdicts[0] == Verdict::Found(AppProto::Dns) {
        // Behind a gap a message is looked for at the beginning of each piece.
        return;
    }
    if whole.switched || cut.switched || whole.verdicts != cut.verdicts {
        return;
    }
    Told::assert_same(&whole.told, &cut.told, "whole and in pieces");
    assert_eq!(whole.failed, cut.failed, "whole and in pieces");
}

struct Outcome {
    verdicts: [Verdict; 3],
    switched: bool,
    failed: bool,
    told: Vec<Told>,
}

fn run(origin: Origin, steps: &[Owned], cuts: Option<(Dice, usize)>) -> Outcome {
    let config = ConversationConfig {
        tls: TlsConfig { ja3: true, ja4: true, from_proto: None },
        ssh: SshConfig { hassh: true },
        ..ConversationConfig::default()
    };
    let (mut cuts, mut fed, mut told) = (cuts, 0, Vec::new());
    let mut conversation = Conversation::new(origin);
    let (mut events, mut ended) = (0, [false; 2]);
    for (step, second) in steps.iter().zip(1..) {
        let now = Timestamp::from_secs(second);
        match step {
            // Nobody speaks behind the end.
            Owned::Said(heading, _) | Owned::Lost(heading, _) if ended[heading.index()] => {}
            Owned::Said(heading, bytes) => {
                let pieces = match &mut cuts {
                    Some((dice, manner)) if origin.carrier == Carrier::Tcp => {
                        dice.cut(*manner, bytes)
                    }
                    _ => vec![bytes.as_slice()],
                };
                for piece in pieces {
                    conversation.data(*heading, piece, now, &config);
                    fed += piece.len() + 1;
                    // The most of any parser; KEPT and two heads are less.
                    let most = (8 << 20) + fed * (4 << 10);
                    assert!(conversation.memory_bytes() <= most, "memory");
                }
            }
            Owned::Lost(heading, len) if origin.carrier == Carrier::Tcp => {
                conversation.gap(*heading, *len, now);
            }
            Owned::Lost(..) => {}
            Owned::Ended(heading) => {
                ended[heading.index()] = true;
                conversation.end(*heading, now);
            }
            Owned::Released => release(&mut conversation, &mut told),
        }
        let raised = conversation.events().count();
        assert!(raised >= events, "events were taken back");
        events = raised;
        drop(conversation.take_announced());
    }
    for heading in Heading::ALL {
        conversation.end(heading, Timestamp::from_secs(1 << 20));
    }
    if let Some(parser) = conversation.parser() {
        told.extend(held(parser));
    }
    if conversation.is_deaf() && conversation.parser().is_none() {
        // What the other end says may still tell something, by its beginning.
        assert!(conversation.memory_bytes() <= HEAD, "nothing will be known and much is kept");
    }
    Outcome {
        verdicts: [
            conversation.verdict(),
            conversation.side(Heading::ToServer),
            conversation.side(Heading::ToClient),
        ],
        switched: conversation.original().is_some(),
        failed: conversation.has_failed(),
        told,
    }
}

/// Lets go of what is finished.
fn release(conversation: &mut Conversation, told: &mut Vec<Told>) {
    let Some(parser) = conversation.parser_mut() else { return };
    let done: Vec<_> = held(parser.as_ref()).into_iter().take_while(Told::is_complete).collect();
    if let Some(last) = done.last() {
        parser.release(last.number + 1);
    }
    told.extend(done);
}
