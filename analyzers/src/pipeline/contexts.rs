//! What is held of flows that are followed, by their places in the flow table, and how much that is.
//!
//! Application layers of all flows together have a cap: when they hold more, one that holds much is given
//! up, and from then on its flow is only a stream of bytes. Streams have another: when it is nearly reached what
//! is kept of inspected bytes goes first, and then one's streams, so that its packets speak for themselves.
//! Who that is is decided among a few whose turn it is and the one that has just grown, so that a flood of
//! flows that hold much costs those, and not a flow that holds little.

use crate::app::Conversation;
use crate::flow::FlowId;
use crate::profile::FlowContext;
use crate::stream::StreamPool;

/// So many flows that hold something are compared when one of them has to be given up.
const CANDIDATES: usize = 16;
/// And so many places are looked at for them.
const PLACES: usize = 256;
/// Flows whose streams are given up at most for one packet, which adds less than these hold.
const AT_ONCE: usize = 4;

umbra_tap::counter_set! {
    /// What was not followed to its end because there was no memory for it.
    pub struct FollowCounters {
        app_given_up: "flows", "Flows whose application layer was given up because all together held too much.";
        app_given_up_bytes: "bytes", "Bytes that those held.";
        app_given_up_transactions: "transactions", "Transactions that those held, most of them unfinished.";
        streams_given_up: "flows", "Flows whose streams were given up because all together held nearly too much.";
        streams_given_up_bytes: "bytes", "Bytes that those held.";
    }
}

type Slot = Option<(u32, Box<FlowContext>)>;

/// All of them. The generation tells flows apart that had the same place.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    slots: Vec<Slot>,
    live: usize,
    app_bytes: u64,
    /// Whose turn it is.
    hand: usize,
    counters: FollowCounters,
}

impl Contexts {
    pub(super) fn get(&self, id: FlowId) -> Option<&FlowContext> {
        match self.slots.get(id.index()) {
            Some(Some((generation, context))) if *generation == id.generation() => Some(context),
            _ => None,
        }
    }

    /// The context of a flow, made where there is none.
    pub(super) fn make(&mut self, pool: &mut StreamPool, id: FlowId) -> &mut FlowContext {
        if self.slots.len() <= id.index() {
            self.slots.resize_with(id.index() + 1, || None);
        }
        let old = self.slots[id.index()].as_ref().map(|(generation, _)| *generation);
        if old.is_some_and(|generation| generation != id.generation()) {
            self.clear(pool, id.index());
        }
        let Self { slots, live, .. } = self;
        let slot = &mut slots[id.index()];
        &mut slot
            .get_or_insert_with(|| {
                *live += 1;
                (id.generation(), Box::default())
            })
            .1
    }

    /// Forgets a flow.
    pub(super) fn release(&mut self, pool: &mut StreamPool, id: FlowId) {
        if self.get(id).is_some() {
            self.clear(pool, id.index());
        }
    }

    fn clear(&mut self, pool: &mut StreamPool, index: usize) {
        let slot = self.slots.get_mut(index).and_then(Option::take);
        let Some((_, mut context)) = slot else { return };
        self.live -= 1;
        self.app_bytes -= context.app_bytes;
        if let Some(mut session) = context.session.take() {
            session.release(pool);
        }
    }

    /// Takes note of what a flow's application layer holds now. Where all hold more than `most`, some are
    /// given up until they do not, or until enough was looked for who; that is the flow itself at the latest, so
    /// it is never more than what one packet adds.
    pub(super) fn account(&mut self, id: FlowId, most: u64) {
        let Some(Some((_, context))) = self.slots.get_mut(id.index()) else { return };
        let now = context.conversation.as_ref().map_or(0, Conversation::memory_bytes) as u64;
        self.app_bytes = self.app_bytes - context.app_bytes + now;
        context.app_bytes = now;
        while self.app_bytes > most
            && let Some(index) = self.largest(id.index(), |context| context.app_bytes)
        {
            self.give_up(index);
        }
    }

    /// Makes room for streams where there is hardly any left.
    pub(super) fn relieve(&mut self, id: FlowId, pool: &mut StreamPool) {
        for _ in 0..AT_ONCE {
            if !pool.is_short() {
                return;
            }
            let largest = self.largest(id.index(), |context| match &mut context.session {
                Some(session) if session.footprint() > 0 => {
                    session.squeeze(pool);
                    session.footprint()
                }
                _ => 0,
            });
            if let Some(at) = largest
                && pool.is_short()
                && let Some(Some((_, context))) = self.slots.get_mut(at)
                && let Some(session) = &mut context.session
            {
                self.counters.streams_given_up += 1;
                self.counters.streams_given_up_bytes += session.footprint();
                session.give_up(pool);
            }
        }
    }

    /// The one that holds most among those whose turn it is, and `own`. `None` where none holds anything.
    fn largest(
        &mut self,
        own: usize,
        mut held: impl FnMut(&mut FlowContext) -> u64,
    ) -> Option<usize> {
        let mut held = |slot: Option<&mut Slot>| match slot {
            Some(Some((_, context))) => held(context),
            _ => 0,
        };
        let mut best = (held(self.slots.get_mut(own)), own);
        let mut found = 0;
        for _ in 0..PLACES.min(self.slots.len()) {
            self.hand = if self.hand + 1 < self.slots.len() { self.hand + 1 } else { 0 };
            let bytes = held(self.slots.get_mut(self.hand));
            found += usize::from(bytes > 0);
            // Of equals not the one that has just grown.
            if bytes > 0 && bytes >= best.0 {
                best = (bytes, self.hand);
            }
            if found == CANDIDATES {
                break;
            }
        }
        (best.0 > 0).then_some(best.1)
    }

    fn give_up(&mut self, index: usize) {
        let Some(Some((_, context))) = self.slots.get_mut(index) else { return };
        if let Some(conversation) = &mut context.conversation {
            let held = conversation.parser().map_or(0, |parser| parser.next() - parser.first());
            self.counters.app_given_up_transactions += held;
            conversation.abandon();
        }
        self.counters.app_given_up += 1;
        self.counters.app_given_up_bytes += context.app_bytes;
        self.app_bytes -= context.app_bytes;
        context.app_bytes = 0;
        context.marks.clear();
    }

    pub(super) fn counters(&self) -> FollowCounters {
        self.counters
    }

    /// Bytes that application layers hold.
    pub(super) fn app_bytes(&self) -> u64 {
        self.app_bytes
    }

    /// Bytes that the contexts themselves take, with the sessions in them.
    pub(super) fn own_bytes(&self) -> u64 {
        let places = self.slots.capacity() * size_of::<Slot>();
        (places + self.live * size_of::<FlowContext>()) as u64
    }
}
