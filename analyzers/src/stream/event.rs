//! What rules can match with `stream-event`.

macro_rules! events {
    ($($name:ident $text:literal;)*) => {
        /// Something odd about a segment or a stream. The names are Suricata's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum StreamEvent { $(#[doc = concat!("`stream.", $text, "`")] $name,)* }

        impl StreamEvent {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The event of a name that rules use, with or without the layer.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                let name = match name.strip_prefix("stream.").unwrap_or(name) {
                    "3whs_synack_resend_with_diff_ack" => "3whs_synack_resend_with_different_ack",
                    "est_synack_resend_with_diff_ack" => "est_synack_resend_with_different_ack",
                    name => name,
                };
                let bare = |event: &Self| event.as_str().strip_prefix("stream.") == Some(name);
                Self::ALL.iter().copied().find(bare)
            }

            /// The name as rules write it, with the layer.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => concat!("stream.", $text),)* }
            }
        }
    };
}

events! {
    HsAckInWrongDir "3whs_ack_in_wrong_dir";
    HsAsyncWrongSeq "3whs_async_wrong_seq";
    HsRightSeqWrongAckEvasion "3whs_right_seq_wrong_ack_evasion";
    HsSynackInWrongDirection "3whs_synack_in_wrong_direction";
    HsSynackResendWithDifferentAck "3whs_synack_resend_with_different_ack";
    HsSynackResendWithDiffSeq "3whs_synack_resend_with_diff_seq";
    HsSynackToserverOnSynRecv "3whs_synack_toserver_on_syn_recv";
    HsSynackWithWrongAck "3whs_synack_with_wrong_ack";
    HsSynackFlood "3whs_synack_flood";
    HsSynFlood "3whs_syn_flood";
    HsSynResendDiffSeqOnSynRecv "3whs_syn_resend_diff_seq_on_syn_recv";
    HsSynToclientOnSynRecv "3whs_syn_toclient_on_syn_recv";
    HsWrongSeqWrongAck "3whs_wrong_seq_wrong_ack";
    HsAckDataInject "3whs_ack_data_inject";
    HsSynackTfoDataIgnored "3whs_synack_tfo_data_ignored";
    Hs4SynackWithWrongAck "4whs_synack_with_wrong_ack";
    Hs4SynackWithWrongSyn "4whs_synack_with_wrong_syn";
    Hs4WrongSeq "4whs_wrong_seq";
    Hs4InvalidAck "4whs_invalid_ack";
    CloseWaitAckOutOfWindow "closewait_ack_out_of_window";
    CloseWaitFinOutOfWindow "closewait_fin_out_of_window";
    CloseWaitPktBeforeLastAck "closewait_pkt_before_last_ack";
    CloseWaitInvalidAck "closewait_invalid_ack";
    ClosingAckWrongSeq "closing_ack_wrong_seq";
    ClosingInvalidAck "closing_invalid_ack";
    EstPacketOutOfWindow "est_packet_out_of_window";
    EstPktBeforeLastAck "est_pkt_before_last_ack";
    EstSynackResend "est_synack_resend";
    EstSynackResendWithDifferentAck "est_synack_resend_with_different_ack";
    EstSynackResendWithDiffSeq "est_synack_resend_with_diff_seq";
    EstSynackToserver "est_synack_toserver";
    EstSynResend "est_syn_resend";
    EstSynResendDiffSeq "est_syn_resend_diff_seq";
    EstSynToclient "est_syn_toclient";
    EstInvalidAck "est_invalid_ack";
    EstAckZwpData "est_ack_zwp_data";
    FinInvalidAck "fin_invalid_ack";
    Fin1AckWrongSeq "fin1_ack_wrong_seq";
    Fin1FinWrongSeq "fin1_fin_wrong_seq";
    Fin1InvalidAck "fin1_invalid_ack";
    Fin2AckWrongSeq "fin2_ack_wrong_seq";
    Fin2FinWrongSeq "fin2_fin_wrong_seq";
    Fin2InvalidAck "fin2_invalid_ack";
    FinButNoSession "fin_but_no_session";
    FinOutOfWindow "fin_out_of_window";
    FinSyn "fin_syn";
    LastAckAckWrongSeq "lastack_ack_wrong_seq";
    LastAckInvalidAck "lastack_invalid_ack";
    RstButNoSession "rst_but_no_session";
    TimeWaitAckWrongSeq "timewait_ack_wrong_seq";
    TimeWaitInvalidAck "timewait_invalid_ack";
    ShutdownSynResend "shutdown_syn_resend";
    PktInvalidTimestamp "pkt_invalid_timestamp";
    PktInvalidAck "pkt_invalid_ack";
    PktBrokenAck "pkt_broken_ack";
    RstInvalidAck "rst_invalid_ack";
    RstWithData "rst_with_data";
    PktRetransmission "pkt_retransmission";
    PktSpuriousRetransmission "pkt_spurious_retransmission";
    PktBadWindowUpdate "pkt_bad_window_update";
    SuspectedRstInject "suspected_rst_inject";
    WrongThread "wrong_thread";
    SegmentBeforeBaseSeq "reassembly_segment_before_base_seq";
    NoSegment "reassembly_no_segment";
    SeqGap "reassembly_seq_gap";
    OverlapDifferentData "reassembly_overlap_different_data";
    DepthReached "reassembly_depth_reached";
    InsertMemcap "reassembly_insert_memcap";
    InsertLimit "reassembly_insert_limit";
    InsertInvalid "reassembly_insert_invalid";
    UrgentOobLimit "reassembly_urgent_oob_limit_reached";
}

/// Events of one segment.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EventSet(u128);

impl EventSet {
    /// Adds one.
    #[inline]
    pub fn insert(&mut self, event: StreamEvent) {
        self.0 |= 1 << (event as u8);
    }

    #[must_use]
    pub const fn contains(self, event: StreamEvent) -> bool {
        self.0 & (1 << (event as u8)) != 0
    }

    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names as rules write them: `stream.pkt_invalid_ack`.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        self.events().map(StreamEvent::as_str)
    }

    /// The events.
    pub fn events(self) -> impl Iterator<Item = StreamEvent> {
        StreamEvent::ALL.iter().copied().filter(move |event| self.contains(*event))
    }
}

impl std::fmt::Debug for EventSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

const _: () = assert!(StreamEvent::ALL.len() <= 128);
