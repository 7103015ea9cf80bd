//! The end of a capture: flows end in an order that depends on the capture alone.
//!
//! What rules remember of hosts depends on what they looked at first, also at the end, so flows end there in
//! the order in which they were last heard of, over all instances: whoever reads the capture asks each for
//! [its next](Pipeline::next_ending) and lets the one that is due go on.

use super::{Pipeline, SWEEP_STEPS};
use crate::events::{EventContext, EventSink, FlowEnd, Timestamp};

/// When a flow's turn is: who was heard of last ends last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    last: Timestamp,
    start: Timestamp,
    /// Where the times are the same.
    flow_id: u64,
}

impl Pipeline {
    /// The capture is over: lists the flows that are left.
    pub fn list_leftover(&mut self) {
        let flows = &self.flows;
        let leftover = flows.living().filter_map(|id| {
            let flow = flows.get(id)?;
            let (last, start, flow_id) = (flow.last(), flow.start(), flow.flow_id());
            Some((Ending { last, start, flow_id }, id))
        });
        self.leftover = leftover.collect();
        self.leftover.sort_unstable_by_key(|&(ending, _)| std::cmp::Reverse(ending));
    }

    /// The turn of the first flow that is [listed](Self::list_leftover) and has not ended.
    #[must_use]
    pub fn next_ending(&self) -> Option<Ending> {
        self.leftover.last().map(|&(ending, _)| ending)
    }

    /// Ends listed flows up to another instance's turn, or all of them.
    pub fn finish_up_to(
        &mut self,
        turn: Option<Ending>,
        now: Timestamp,
        sink: &mut dyn EventSink,
        context: &EventContext,
    ) {
        let mut ended = 0;
        while let Some((_, id)) =
            self.leftover.pop_if(|(ending, _)| turn.is_none_or(|turn| *ending <= turn))
        {
            self.flows.finish_one(id, now, FlowEnd::Shutdown);
            ended += 1;
            if ended % SWEEP_STEPS == 0 {
                self.hand_on(sink, context);
            }
        }
        self.hand_on(sink, context);
    }
}
