use proptest::prelude::*;
use umbra_wire::SymmetricHash;

use super::model::{Model, ModelRecord, TestPacket, host};
use super::packet::{ICMP6, TCP, UDP};
use super::tcp::flag::{ACK, FIN, RST, SYN};
use super::*;
use crate::events::{FlowEnd, FlowRecord, TcpState, Timestamp};

fn table(max_flows: u32) -> FlowTable {
    FlowTable::new(&FlowConfig { max_flows, ..FlowConfig::default() })
}

fn drain(table: &mut FlowTable) -> Vec<FlowRecord> {
    let records = table.ended().iter().map(|ended| ended.record.clone()).collect();
    table.release_ended();
    records
}

fn run(packets: &[TestPacket]) -> Vec<FlowRecord> {
    let mut table = table(1000);
    let mut records = Vec::new();
    for packet in packets {
        table.observe(&packet.view());
        records.append(&mut drain(&mut table));
    }
    while table.finish(table.now(), 7, FlowEnd::Shutdown) {}
    records.append(&mut drain(&mut table));
    records
}

const C: (u8, u16) = (1, 40_000);
const S: (u8, u16) = (2, 443);

fn handshake() -> Vec<TestPacket> {
    vec![
        TestPacket::tcp(0, C, S, SYN, 100, 0),
        TestPacket::tcp(10, S, C, SYN | ACK, 900, 101),
        TestPacket::tcp(35, C, S, ACK, 101, 901),
    ]
}

#[test]
fn a_finished_connection_is_one_record_with_its_round_trip() {
    let mut packets = handshake();
    packets.extend([
        TestPacket::tcp(40, C, S, ACK, 101, 901).with_payload(50),
        TestPacket::tcp(50, C, S, FIN | ACK, 151, 901),
        TestPacket::tcp(60, S, C, ACK, 901, 152),
        TestPacket::tcp(70, S, C, FIN | ACK, 901, 152),
        TestPacket::tcp(80, C, S, ACK, 152, 902),
    ]);
    let records = run(&packets);
    assert_eq!(records.len(), 1);
    let r = &records[0];
    assert_eq!((r.to_server.packets, r.to_client.packets), (5, 3));
    assert_eq!((r.to_server.bytes, r.to_client.bytes), (500, 300));
    assert_eq!((r.client_port, r.server_port), (40_000, 443));
    assert_eq!(r.performance.initial_rtt_us, Some(35_000));
    assert_eq!((r.state, r.reason), (FlowState::Closed, FlowEnd::Shutdown));
    let tcp = r.tcp.unwrap();
    assert_eq!((tcp.state, tcp.midstream), (TcpState::Closed, false));
    assert_eq!((tcp.flags_to_server, tcp.flags_to_client), (SYN | FIN | ACK, SYN | FIN | ACK));
}

#[test]
fn handshake_times_tell_both_sides_apart() {
    let mut table = table(100);
    let mut finished = None;
    for packet in handshake() {
        finished = finished.or(table.observe(&packet.view()).unwrap().handshake);
    }
    let handshake = finished.unwrap();
    assert_eq!(handshake.rtt_us(), 35_000);
    assert_eq!(handshake.server_side_us(), Some(10_000));
    assert_eq!(handshake.client_side_us(), Some(25_000));
}

#[test]
fn tcp_states_follow_the_connection() {
    let cases: [(&[TestPacket], TcpState, FlowState); 9] = [
        (&handshake()[..1], TcpState::SynSent, FlowState::New),
        (&handshake()[..2], TcpState::SynRecv, FlowState::New),
        (&handshake(), TcpState::Established, FlowState::Established),
        (
            &[handshake(), vec![TestPacket::tcp(50, C, S, FIN | ACK, 101, 901)]].concat(),
            TcpState::CloseWait,
            FlowState::Established,
        ),
        (
            &[handshake(), vec![TestPacket::tcp(50, S, C, FIN | ACK, 901, 101)]].concat(),
            TcpState::FinWait1,
            FlowState::Established,
        ),
        (
            &[
                handshake(),
                vec![
                    TestPacket::tcp(50, S, C, FIN | ACK, 901, 101),
                    TestPacket::tcp(51, C, S, ACK, 101, 902),
                ],
            ]
            .concat(),
            TcpState::FinWait2,
            FlowState::Established,
        ),
        (
            &[handshake(), vec![TestPacket::tcp(50, S, C, RST | ACK, 901, 101)]].concat(),
            TcpState::Closed,
            FlowState::Closed,
        ),
        (&[TestPacket::tcp(0, C, S, ACK, 5, 6)], TcpState::None, FlowState::New),
        (
            &[TestPacket::tcp(0, C, S, ACK, 5, 6), TestPacket::tcp(1, C, S, ACK, 5, 6)],
            TcpState::Established,
            FlowState::Established,
        ),
    ];
    for (packets, tcp, state) in cases {
        let records = run(packets);
        assert_eq!(records[0].tcp.unwrap().state, tcp, "{packets:?}");
        assert_eq!(records[0].state, state, "{packets:?}");
    }
}

#[test]
fn the_client_is_who_opened_though_its_answer_comes_first() {
    let records = run(&[
        TestPacket::tcp(0, S, C, SYN | ACK, 900, 101),
        TestPacket::tcp(5, C, S, ACK, 101, 901),
    ]);
    assert_eq!(records[0].client_port, 40_000);
    assert_eq!((records[0].to_server.packets, records[0].to_client.packets), (1, 1));
    assert_eq!(records[0].state, FlowState::Established);
    assert_eq!(records[0].performance.initial_rtt_us, None);
    assert!(records[0].tcp.unwrap().midstream);
}

#[test]
fn a_forged_syn_does_not_cut_a_living_connection() {
    let mut packets = handshake();
    packets.push(TestPacket::tcp(40, C, S, SYN, 5_000, 0));
    packets.push(TestPacket::tcp(50, C, S, ACK, 101, 901));
    assert_eq!(run(&packets).len(), 1);
}

#[test]
fn a_syn_on_a_closed_or_silent_connection_begins_another() {
    let closed = [
        handshake(),
        vec![TestPacket::tcp(50, S, C, RST, 901, 0), TestPacket::tcp(60, C, S, SYN, 7_000, 0)],
    ]
    .concat();
    let records = run(&closed);
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].reason, FlowEnd::TcpReuse);
    assert_ne!(records[0].flow_id, records[1].flow_id);

    let silent = [handshake(), vec![TestPacket::tcp(61_000, C, S, SYN, 7_000, 0)]].concat();
    assert_eq!(run(&silent).len(), 2);
    let retry = [
        TestPacket::tcp(0, C, S, SYN, 100, 0),
        TestPacket::tcp(1, S, C, RST | ACK, 0, 101),
        TestPacket::tcp(500, C, S, SYN, 100, 0),
    ];
    assert_eq!(run(&retry).len(), 1, "the same SYN again is a retry");
}

#[test]
fn udp_is_established_by_an_answer_and_times_out_later_then() {
    let (a, b) = ((1, 5000), (2, 53));
    let records = run(&[
        TestPacket::udp(0, a, b),
        TestPacket::udp(29_999, a, b),
        TestPacket::udp(60_000, a, b),
        TestPacket::udp(60_001, b, a),
        TestPacket::udp(360_000, a, b),
        TestPacket::udp(660_000, a, b),
    ]);
    let counts: Vec<_> = records.iter().map(|r| (r.packets(), r.state, r.reason)).collect();
    assert_eq!(
        counts,
        [
            (2, FlowState::New, FlowEnd::Timeout),
            (3, FlowState::Established, FlowEnd::Timeout),
            (1, FlowState::New, FlowEnd::Shutdown),
        ]
    );
}

#[test]
fn pings_of_one_identifier_are_one_flow_and_of_two_are_two() {
    let packets = [
        TestPacket::icmp(0, 1, 2, 8, 77),
        TestPacket::icmp(1, 2, 1, 0, 77),
        TestPacket::icmp(2, 1, 2, 8, 77),
        TestPacket::icmp(3, 1, 2, 8, 78),
    ];
    let records = run(&packets);
    assert_eq!(records.len(), 2);
    let icmp = records[0].icmp.unwrap();
    assert_eq!((icmp.first, icmp.response), ((8, 0), Some((0, 0))));
    assert_eq!((records[0].client_port, records[0].server_port), (0, 0));

    let config = FlowConfig { icmp_id_in_key: false, ..FlowConfig::default() };
    let mut together = FlowTable::new(&config);
    packets.iter().for_each(|packet| {
        together.observe(&packet.view());
    });
    assert_eq!(together.live(), 1);
    together.finish(together.now(), 10, FlowEnd::Shutdown);
    assert_eq!(together.live(), 0);
}

#[test]
fn an_icmp_error_is_counted_in_the_flow_that_it_quotes() {
    let quoted =
        QuotedTuple { src: host(1), dst: host(2), src_port: 5000, dst_port: 53, protocol: UDP };
    // From a router (9) to the client.
    let error = TestPacket { quoted: Some(quoted), ..TestPacket::icmp(5, 9, 1, 3, 0) };
    let records = run(&[TestPacket::udp(0, (1, 5000), (2, 53)), error.clone()]);
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].to_client.packets, records[0].icmp_errors), (1, 1));
    assert_eq!(records[0].state, FlowState::New, "an error is no answer");

    let config = FlowConfig { lone_icmp_errors: false, ..FlowConfig::default() };
    assert_eq!(FlowTable::new(&config).observe(&error.view()), None);
    let alone = run(&[error]);
    assert_eq!((alone.len(), alone[0].protocol), (1, 1));
    assert_eq!(alone[0].icmp.unwrap().first, (3, 0));
}

#[test]
fn an_icmpv6_error_is_a_flow_of_its_own_where_suricata_is_the_measure() {
    let quoted =
        QuotedTuple { src: host(1), dst: host(2), src_port: 5000, dst_port: 53, protocol: UDP };
    let error =
        TestPacket { quoted: Some(quoted), protocol: ICMP6, ..TestPacket::icmp(5, 9, 1, 1, 0) };
    for (config, live) in [(FlowConfig::default(), 1), (FlowConfig::like_suricata(), 2)] {
        let mut table = FlowTable::new(&config);
        table.observe(&TestPacket::udp(0, (1, 5000), (2, 53)).view());
        table.observe(&error.view());
        assert_eq!(table.live(), live);
    }
}

#[test]
fn ended_flows_can_be_read_until_they_are_released() {
    let mut table = table(100);
    let first = table.observe(&TestPacket::udp(0, (1, 1), (2, 2)).view()).unwrap().id;
    let second = table.observe(&TestPacket::udp(40_000, (1, 1), (2, 2)).view()).unwrap().id;
    assert_ne!(first, second);
    assert_eq!(table.get(first).unwrap().to_server().packets, 1);
    table.mark_alerted(first);
    assert!(table.ended()[0].record.alerted);
    table.release_ended();
    assert!(table.get(first).is_none());
    assert!(!table.get(second).unwrap().is_alerted());
}

#[test]
fn flow_ids_are_stable_distinct_and_small() {
    let packets: Vec<_> =
        (0..200).map(|i| TestPacket::udp(i, (1, 1000 + i as u16), (2, 53))).collect();
    let ids = |records: Vec<FlowRecord>| {
        let mut ids: Vec<_> = records.iter().map(|r| r.flow_id).collect();
        ids.sort_unstable();
        ids
    };
    let (one, other) = (ids(run(&packets)), ids(run(&packets)));
    assert_eq!(one, other);
    assert!(one.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(one.iter().all(|id| (1..1 << 53).contains(id)));
}

#[test]
fn a_million_flows_stay_within_the_bound_and_all_are_recorded() {
    let mut table = table(65_536);
    let mut records = 0u64;
    let mut largest = 0;
    for i in 0..1_000_000u32 {
        let mut packet = TestPacket::udp(u64::from(i / 1000), (1, 1), (2, 53));
        packet.src = 0xffff_0000_0000 | u128::from(0x0b00_0000 + i);
        table.observe(&packet.view());
        assert!(table.live() <= 65_536);
        if i % 256 == 0 {
            records += table.ended().len() as u64;
            table.release_ended();
            largest = largest.max(table.memory_bytes());
        }
    }
    assert!(largest < 65_536 * 160, "{largest} bytes");
    let counters = table.counters();
    assert_eq!(counters.evicted, 1_000_000 - 65_536);
    assert!(table.is_emergency());
    while table.finish(table.now(), 10_000, FlowEnd::Shutdown) {}
    records += table.ended().len() as u64;
    assert_eq!(records, 1_000_000);
    assert_eq!(table.counters().flushed, 65_536);
}

#[test]
fn a_full_table_gives_up_idle_flows_before_busy_ones() {
    let mut table = table(100);
    let busy = TestPacket::tcp(0, C, S, SYN, 1, 0);
    table.observe(&busy.view());
    for i in 0..99u16 {
        table.observe(&TestPacket::udp(1, (3, i), (2, 53)).view());
    }
    // 12 s later the UDP flows are past the emergency time-out; the connection is kept alive.
    table.observe(&TestPacket::tcp(12_000, C, S, SYN, 1, 0).view());
    table.observe(&TestPacket::udp(12_001, (4, 1), (2, 53)).view());
    assert_eq!(table.counters().evicted, 0);
    assert!(table.counters().emergency_timed_out > 0);
    assert!(table.ended().iter().all(|ended| ended.record.protocol == UDP));
    assert_eq!(table.counters().emergencies, 1);
}

#[test]
fn a_table_full_of_connections_has_room_for_handshakes() {
    let mut table = table(128);
    let mut clock = 0;
    let mut send = |table: &mut FlowTable, port: u16, flags: u8| {
        clock += 1;
        let (src, dst) = ((1, port), (2, 80));
        let packet = match flags {
            SYN => TestPacket::tcp(clock, src, dst, SYN, 1, 0),
            ACK => TestPacket::tcp(clock, src, dst, ACK, 2, 2),
            _ => TestPacket::tcp(clock, dst, src, flags, 1, 2),
        };
        let observed = table.observe(&packet.view());
        table.release_ended();
        observed.unwrap()
    };
    for port in 0..128 {
        for flags in [SYN, SYN | ACK, ACK] {
            send(&mut table, port, flags);
        }
    }
    for port in (200..1000).step_by(2) {
        let (one, other) = (send(&mut table, port, SYN), send(&mut table, port + 1, SYN));
        assert!(one.opened && other.opened);
        for flags in [SYN | ACK, ACK] {
            assert_eq!(send(&mut table, port, flags).id, one.id, "{port} was evicted");
            assert_eq!(send(&mut table, port + 1, flags).id, other.id, "{} was evicted", port + 1);
        }
    }
    assert_eq!(table.counters().evicted, 800);
}

#[test]
fn the_sweep_ends_idle_flows_without_packets_in_bounded_steps() {
    let mut table = table(1000);
    for i in 0..500u16 {
        table.observe(&TestPacket::udp(0, (3, i), (2, 53)).view());
    }
    let now = Timestamp(1_700_000_040_000_000_000);
    let mut rounds = 0;
    while table.sweep(now, 50) {
        rounds += 1;
        assert!(table.ended().len() <= rounds * 50);
    }
    assert_eq!(table.live(), 0);
    assert!(rounds >= 10);
    assert!(table.ended().iter().all(|ended| ended.record.reason == FlowEnd::Timeout));
}

#[test]
fn lazy_timeouts_end_flows_only_when_they_must() {
    let config = FlowConfig { max_flows: 16, ..FlowConfig::like_suricata() };
    let mut table = FlowTable::new(&config);
    table.observe(&TestPacket::udp(0, (1, 1), (2, 53)).view());
    table.observe(&TestPacket::udp(0, (1, 2), (2, 53)).view());
    table.observe(&TestPacket::udp(50_000, (1, 2), (2, 53)).view());
    assert!(!table.sweep(table.now(), 100));
    // The tuple was used again.
    assert_eq!((table.live(), table.counters().timed_out), (2, 1));
    for port in 3..18 {
        table.observe(&TestPacket::udp(50_000, (1, port), (2, 53)).view());
    }
    // Room was needed: the flow that had timed out went first.
    assert_eq!((table.live(), table.counters().timed_out), (16, 2));
    assert_eq!(table.counters().evicted, 0);
    // What is silent for long enough has timed out, though nobody looked; the others are the run's.
    table.observe(&TestPacket::udp(110_000, (1, 17), (2, 53)).view());
    table.finish(table.now(), 100, FlowEnd::Shutdown);
    assert_eq!((table.counters().timed_out, table.counters().flushed), (18, 1));
}

#[test]
fn a_syn_flood_between_two_ports_is_one_flow() {
    let packets: Vec<_> =
        (0..50).map(|i| TestPacket::tcp(u64::from(i), C, S, SYN, i * 77, 0)).collect();
    assert_eq!(run(&packets).len(), 1);
    let mut table =
        FlowTable::new(&FlowConfig { attempts_apart: true, ..FlowConfig::like_suricata() });
    for packet in packets.iter().chain(&packets[49..]) {
        table.observe(&packet.view());
    }
    assert_eq!((table.live(), table.counters().reused), (1, 49), "apart where that is asked for");
}

#[test]
fn a_wild_timestamp_does_not_stop_the_sweep_for_good() {
    let mut table = table(1000);
    let mut wild = TestPacket::udp(0, (9, 9), (2, 53));
    wild.meta.timestamp_ns = u64::MAX / 2;
    table.observe(&wild.view());
    for i in 0..100u16 {
        table.observe(&TestPacket::udp(u64::from(i) * 1000, (3, i), (2, 53)).view());
    }
    assert_eq!(table.counters().clock_steps_back, 1);
    assert!(table.live() < 40, "{}", table.live());
}

#[test]
fn sampling_settings_are_kept_with_the_flow() {
    let mut first = TestPacket::udp(0, (1, 1), (2, 2));
    (first.meta.fraction_ppb, first.meta.epoch) = (10_000_000, 3);
    let mut second = TestPacket::udp(1, (2, 2), (1, 1));
    (second.meta.fraction_ppb, second.meta.escalated) = (50_000_000, true);
    let sampling = run(&[first, second])[0].sampling;
    assert_eq!((sampling.fraction_ppb, sampling.epoch), (10_000_000, 3));
    assert!(sampling.escalated && sampling.changed);
    assert!((sampling.percentage() - 1.0).abs() < 1e-12);
}

fn any_packet() -> impl Strategy<Value = TestPacket> {
    let host = 1u8..4;
    let port = 1u16..3;
    let flags = prop_oneof![
        3 => Just(SYN), 3 => Just(SYN | ACK), 6 => Just(ACK), 2 => Just(FIN | ACK),
        1 => Just(RST), 1 => Just(RST | ACK), 1 => Just(FIN), 1 => Just(0u8), 1 => any::<u8>(),
    ];
    // Mostly close together, sometimes long enough for time-outs.
    let gap = prop_oneof![6 => 0u64..500, 2 => 1_000u64..40_000, 1 => 50_000u64..400_000];
    (gap, (host.clone(), port.clone()), (host, port), 0u8..8, flags, 0u32..4, 0u32..5, 0u32..3)
        .prop_map(|(gap, src, dst, choice, flags, seq, ack, len)| match choice {
            0..5 => TestPacket::tcp(gap, src, dst, flags, seq, ack).with_payload(len),
            5 => TestPacket::udp(gap, src, dst),
            6 => TestPacket::icmp(gap, src.0, dst.0, [8, 0, 13, 5][seq as usize], dst.1),
            _ => TestPacket {
                quoted: Some(QuotedTuple {
                    src: super::model::host(dst.0),
                    dst: super::model::host(src.0),
                    src_port: dst.1,
                    dst_port: src.1,
                    protocol: [TCP, UDP][(len % 2) as usize],
                }),
                ..TestPacket::icmp(gap, src.0, dst.0, 3, 0)
            },
        })
}

fn as_model(record: &FlowRecord) -> ModelRecord {
    let bits = super::packet::address_bits;
    let tcp = record.tcp.unwrap_or_default();
    ModelRecord {
        client: (bits(record.client), record.client_port),
        server: (bits(record.server), record.server_port),
        protocol: record.protocol,
        packets: [record.to_server.packets, record.to_client.packets],
        bytes: [record.to_server.bytes, record.to_client.bytes],
        start: record.start.as_nanos(),
        end: record.end.as_nanos(),
        state: record.state,
        reason: record.reason,
        flags: [tcp.flags_to_server, tcp.flags_to_client],
        errors: record.icmp_errors,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_table_gives_the_records_of_the_naive_model(
        mut packets in prop::collection::vec(any_packet(), 1..120),
        seed: [u64; 4],
        jitter in prop::collection::vec(0u64..2_000_000_000, 120),
    ) {
        let mut at_ns = 1_700_000_000_000_000_000u64;
        for (packet, jitter) in packets.iter_mut().zip(jitter) {
            at_ns += packet.meta.timestamp_ns - 1_700_000_000_000_000_000;
            packet.meta.timestamp_ns = at_ns - jitter;
            packet.meta.frame_len = 60 + u32::from(packet.src_port);
        }
        let config = FlowConfig { max_flows: 4096, ..FlowConfig::default() };
        let mut model = Model::new(config);
        let mut table = FlowTable::with_hash(&config, SymmetricHash::new(seed));
        let mut records = Vec::new();
        for packet in &packets {
            model.observe(packet);
            table.observe(&packet.view());
            records.append(&mut drain(&mut table));
        }
        model.finish();
        while table.finish(table.now(), 3, FlowEnd::Shutdown) {}
        records.append(&mut drain(&mut table));
        let mut ours: Vec<_> = records.iter().map(as_model).collect();
        for (ours, record) in ours.iter_mut().zip(&records) {
            if record.icmp.is_some() {
                // The identifier is no port of the record.
                (ours.client.1, ours.server.1) = (0, 0);
            }
        }
        for record in &mut model.ended {
            if record.protocol == 1 {
                (record.client.1, record.server.1) = (0, 0);
            }
        }
        ours.sort();
        model.ended.sort();
        prop_assert_eq!(ours, model.ended);
        prop_assert_eq!(table.live(), 0);
    }

    #[test]
    fn no_packet_is_lost_or_counted_twice_however_small_the_table(
        packets in prop::collection::vec(any_packet(), 1..200),
    ) {
        let mut table = table(16);
        let mut at_ns = 1_700_000_000_000_000_000u64;
        let mut records = Vec::new();
        for packet in &packets {
            let mut packet = packet.clone();
            at_ns += packet.meta.timestamp_ns - 1_700_000_000_000_000_000;
            packet.meta.timestamp_ns = at_ns;
            let seen = table.observe(&packet.view()).unwrap();
            prop_assert!(table.get(seen.id).is_some());
            prop_assert!(table.live() <= 16);
            records.append(&mut drain(&mut table));
        }
        while table.finish(table.now(), 5, FlowEnd::Shutdown) {}
        records.append(&mut drain(&mut table));
        let counted: u64 = records.iter().map(FlowRecord::packets).sum();
        prop_assert_eq!(counted, packets.len() as u64);
        prop_assert_eq!(table.counters().opened, records.len() as u64);
    }
}
