//! Where flows live: 128 bytes each, in chunks that never move.
//!
//! Growing a vector of ten million flows would copy more than a gigabyte at one unlucky packet;
//! chunks are added one at a time instead and kept. What only TCP, tunnelled, truncated or quoted
//! flows need stands in a second slab of the same kind.

use umbra_tap::Direction;

use crate::decode::{TunnelStack, VlanStack};
use crate::events::{FlowState, TcpState, Timestamp};

/// No place.
pub(super) const NIL: u32 = u32::MAX;

/// Flows per chunk: 128 KiB.
const CHUNK: usize = 1024;

/// A flow. Addresses and ports are the client's and the server's, index 0 and 1.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub address: [u128; 2],
    /// The sampler's hash of the first packet.
    pub flow_hash: u64,
    pub start: Timestamp,
    pub last: Timestamp,
    /// To server, to client.
    pub bytes: [u64; 2],
    /// To server, to client; modulo 2^32, the carry is in [`Extra`].
    pub packets: [u32; 2],
    pub vlans: VlanStack,
    pub port: [u16; 2],
    /// TCP: flags to server, flags to client, state, unused. ICMP: type and code of the first packet
    /// and of the answer.
    pub l4: [u8; 4],
    /// Neighbours in a list of the wheel; `next` also links free places.
    pub previous: u32,
    pub next: u32,
    pub generation: u32,
    /// Place in the slab of extras, or `NIL`.
    pub extra: u32,
    pub fraction_ppb: u32,
    pub wire: u16,
    pub epoch: u16,
    pub bits: u16,
    pub protocol: u8,
    pub state: FlowState,
}

/// Flags of [`Flow::bits`].
pub(super) mod bit {
    pub(crate) const V6: u16 = 1;
    pub(crate) const FIRST_B_TO_A: u16 = 1 << 1;
    pub(crate) const MIDSTREAM: u16 = 1 << 2;
    pub(crate) const ESCALATED: u16 = 1 << 3;
    pub(crate) const FRACTION_CHANGED: u16 = 1 << 4;
    pub(crate) const ALERTED: u16 = 1 << 5;
    /// The server sent something that is no ICMP error.
    pub(crate) const ANSWERED: u16 = 1 << 6;
    /// In the index and the wheel. Without it the place is free or its flow has just ended.
    pub(crate) const LIVE: u16 = 1 << 7;
    /// Ended, and not yet released.
    pub(crate) const ENDED: u16 = 1 << 8;
}

const _: () = assert!(size_of::<Flow>() == 128, "the flow core is what P10 counts");

impl Flow {
    fn free() -> Self {
        Flow {
            address: [0; 2],
            flow_hash: 0,
            start: Timestamp::ZERO,
            last: Timestamp::ZERO,
            bytes: [0; 2],
            packets: [0; 2],
            vlans: VlanStack::default(),
            port: [0; 2],
            l4: [0; 4],
            previous: NIL,
            next: NIL,
            generation: 0,
            extra: NIL,
            fraction_ppb: 0,
            wire: 0,
            epoch: 0,
            bits: 0,
            protocol: 0,
            state: FlowState::New,
        }
    }

    #[inline]
    pub(super) fn has(&self, bit: u16) -> bool {
        self.bits & bit != 0
    }

    pub(super) fn first_direction(&self) -> Direction {
        if self.has(bit::FIRST_B_TO_A) { Direction::BtoA } else { Direction::AtoB }
    }

    pub(super) fn tcp_state(&self) -> TcpState {
        TcpState::from_number(self.l4[2])
    }
}

/// What not every flow needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    /// Times of the handshake's packets, 0 where not seen: SYN (the latest), SYN/ACK, ACK.
    pub handshake: [u64; 3],
    /// Time of the first segment of either side with ACK and without SYN, 0 before.
    pub first_ack: u64,
    /// Initial sequence numbers, client's and server's.
    pub isn: [u32; 2],
    /// Sequence number behind the FIN, client's and server's.
    pub fin_end: [u32; 2],
    /// Which of the above are known: bits 0, 1 ISN; bits 2, 3 FIN.
    pub known: u8,
    /// What the packet counters carried over, in units of 2^32.
    pub packets_carry: [u32; 2],
    pub truncated_packets: u32,
    pub icmp_errors: u32,
    pub tunnels: Option<Box<TunnelStack>>,
    next_free: u32,
}

impl Extra {
    pub(super) fn isn(&self, side: usize) -> Option<u32> {
        (self.known >> side & 1 == 1).then(|| self.isn[side])
    }

    pub(super) fn set_isn(&mut self, side: usize, seq: u32) {
        self.isn[side] = seq;
        self.known |= 1 << side;
    }

    pub(super) fn fin_end(&self, side: usize) -> Option<u32> {
        (self.known >> (side + 2) & 1 == 1).then(|| self.fin_end[side])
    }

    pub(super) fn set_fin_end(&mut self, side: usize, seq: u32) {
        self.fin_end[side] = seq;
        self.known |= 4 << side;
    }
}

/// Flows and extras by place.
#[derive(Debug)]
pub(super) struct Slab {
    chunks: Vec<Box<[Flow]>>,
    free: u32,
    extra_chunks: Vec<Box<[Extra]>>,
    extra_free: u32,
}

impl Slab {
    pub(super) fn new() -> Self {
        Self { chunks: Vec::new(), free: NIL, extra_chunks: Vec::new(), extra_free: NIL }
    }

    /// Bytes held, for flows that are there and for later ones.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Flow>()
            + self.extra_chunks.len() * CHUNK * size_of::<Extra>()
    }

    /// Places that there are.
    pub(super) fn places(&self) -> u32 {
        u32::try_from(self.chunks.len() * CHUNK).unwrap_or(u32::MAX)
    }

    #[inline]
    pub(super) fn get(&self, place: u32) -> &Flow {
        &self.chunks[place as usize / CHUNK][place as usize % CHUNK]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> &mut Flow {
        &mut self.chunks[place as usize / CHUNK][place as usize % CHUNK]
    }

    /// A place for a new flow. Its generation stands, everything else is as in a fresh one.
    pub(super) fn allocate(&mut self) -> u32 {
        if self.free == NIL {
            let first = self.places();
            let mut chunk = vec![Flow::free(); CHUNK].into_boxed_slice();
            for (i, flow) in chunk.iter_mut().enumerate() {
                flow.next = if i + 1 < CHUNK { first + i as u32 + 1 } else { NIL };
            }
            self.chunks.push(chunk);
            self.free = first;
        }
        let place = self.free;
        let flow = self.get_mut(place);
        let (next, generation) = (flow.next, flow.generation);
        *flow = Flow { generation, ..Flow::free() };
        self.free = next;
        place
    }

    /// Gives a place back. Its generation goes on, so that ids of the flow that was there are stale.
    pub(super) fn release(&mut self, place: u32) {
        let next = self.free;
        let flow = self.get_mut(place);
        let extra = flow.extra;
        let generation = flow.generation.wrapping_add(1);
        *flow = Flow { generation, next, ..Flow::free() };
        self.free = place;
        if extra != NIL {
            let next_free = self.extra_free;
            *self.extra_at(extra) = Extra { next_free, ..Extra::default() };
            self.extra_free = extra;
        }
    }

    /// The extra of a flow, if it has one.
    #[inline]
    pub(super) fn extra(&self, flow: &Flow) -> Option<&Extra> {
        (flow.extra != NIL)
            .then(|| &self.extra_chunks[flow.extra as usize / CHUNK][flow.extra as usize % CHUNK])
    }

    fn extra_at(&mut self, place: u32) -> &mut Extra {
        &mut self.extra_chunks[place as usize / CHUNK][place as usize % CHUNK]
    }

    /// The flow and its extra, which is made if there is none.
    pub(super) fn with_extra(&mut self, place: u32) -> (&mut Flow, &mut Extra) {
        if self.get(place).extra == NIL {
            if self.extra_free == NIL {
                let first = (self.extra_chunks.len() * CHUNK) as u32;
                let chunk = (0..CHUNK as u32).map(|i| Extra {
                    next_free: if i + 1 < CHUNK as u32 { first + i + 1 } else { NIL },
                    ..Extra::default()
                });
                self.extra_chunks.push(chunk.collect());
                self.extra_free = first;
            }
            let extra = self.extra_free;
            self.extra_free = self.extra_at(extra).next_free;
            self.get_mut(place).extra = extra;
        }
        let flow = &mut self.chunks[place as usize / CHUNK][place as usize % CHUNK];
        let extra = flow.extra as usize;
        (flow, &mut self.extra_chunks[extra / CHUNK][extra % CHUNK])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_under_another_generation() {
        let mut slab = Slab::new();
        let first = slab.allocate();
        slab.with_extra(first).1.icmp_errors = 7;
        let generation = slab.get(first).generation;
        slab.release(first);
        let second = slab.allocate();
        assert_eq!(second, first);
        assert_ne!(slab.get(second).generation, generation);
        assert_eq!(slab.with_extra(second).1.icmp_errors, 0);
    }

    #[test]
    fn memory_follows_the_largest_number_of_flows() {
        let mut slab = Slab::new();
        let places: Vec<_> = (0..3000).map(|_| slab.allocate()).collect();
        let bytes = slab.bytes();
        places.into_iter().for_each(|place| slab.release(place));
        (0..3000).for_each(|_| {
            slab.allocate();
        });
        assert_eq!(slab.bytes(), bytes);
        assert_eq!(bytes, 3 * 1024 * 128);
    }
}
