//! Micro-benchmarks of the flow table: packets of flows that are there, in tables of three sizes, and
//! packets that open a flow. `cargo bench -p umbra-bench --bench flow`

#[allow(dead_code, reason = "every benchmark uses some of it")]
mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use common::BURST;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use umbra_analyzers::decode::VlanStack;
use umbra_analyzers::events::FlowEnd;
use umbra_analyzers::flow::{FlowConfig, FlowPacket, FlowTable, L4, Segment};
use umbra_tap::{Checksum, Direction, RecordMeta};
use umbra_wire::SymmetricHash;

const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Between two bursts, so that the timer wheel has its work and nothing times out while it is measured: each
/// flow of a million is seen every second.
const NS_PER_BURST: u64 = 32_000;
/// Flows opened between two readings of the clock.
const OPENED: u32 = 256;
/// Flows at which the table is emptied again, outside of what is measured.
const FULL: u32 = 100_000;

const SERVER: u128 = 0xffff_c000_0201;

/// What the packets of a benchmark have in common.
#[derive(Clone, Copy)]
struct Kind {
    protocol: u8,
    l4: L4,
}

fn udp() -> Kind {
    Kind { protocol: UDP, l4: L4::None }
}

fn tcp(flags: u8) -> Kind {
    Kind { protocol: TCP, l4: L4::Tcp(Segment { flags, seq: 1, ack: 1, payload_len: 0 }) }
}

fn meta(timestamp_ns: u64) -> RecordMeta {
    RecordMeta {
        timestamp_ns,
        frame_len: 64,
        flow_hash: 0,
        fraction_ppb: 1_000_000_000,
        wire: 0,
        direction: Direction::AtoB,
        ip_checksum: Checksum::Unknown,
        l4_checksum: Checksum::Unknown,
        escalated: false,
        epoch: 0,
    }
}

/// A packet of a flow, from its client or to it.
fn packet(meta: &RecordMeta, kind: Kind, flow: u32, from_client: bool) -> FlowPacket<'_> {
    let client = (0xffff_0a00_0000 + u128::from(flow), 40_000);
    let server = (SERVER, 443);
    let ((src, src_port), (dst, dst_port)) =
        if from_client { (client, server) } else { (server, client) };
    FlowPacket {
        meta,
        frame_len: 64,
        src,
        dst,
        src_port,
        dst_port,
        protocol: kind.protocol,
        v6: false,
        truncated: false,
        l4: kind.l4,
        quoted: None,
        vlans: VlanStack::default(),
        tunnels: None,
    }
}

fn table(max_flows: u32) -> FlowTable {
    let config = FlowConfig { max_flows, ..FlowConfig::default() };
    FlowTable::with_hash(&config, SymmetricHash::new([1, 2, 3, 4]))
}

/// A table with flows in it, and the time of its last packet.
struct Filled {
    table: FlowTable,
    now_ns: u64,
}

impl Filled {
    /// `flows` flows of which both ends have spoken.
    fn both_ways(kind: Kind, flows: u32) -> Self {
        let mut table = table(flows + 1);
        let meta = meta(1);
        for flow in 0..flows {
            table.observe(&packet(&meta, kind, flow, true));
            table.observe(&packet(&meta, kind, flow, false));
        }
        Filled { table, now_ns: 1 }
    }
}

/// Packets of `flows` flows in an order that no prefetcher foresees, both directions alike.
fn hits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow_hit");
    group.throughput(Throughput::Elements(BURST as u64));
    for (name, kind) in [("udp", udp()), ("tcp", tcp(ACK))] {
        for flows in [1_000, 100_000, 1_000_000] {
            // Criterion calls the closure for every sample; filled once, and only where it is wanted.
            let mut filled = None;
            let mut random = 1u64;
            group.bench_function(BenchmarkId::new(name, flows), |bencher| {
                let Filled { table, now_ns } =
                    filled.get_or_insert_with(|| Filled::both_ways(kind, flows));
                bencher.iter(|| {
                    *now_ns += NS_PER_BURST;
                    let meta = meta(*now_ns);
                    for _ in 0..BURST {
                        // A linear congruential generator (Knuth's MMIX); its upper bits are good.
                        random = random
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        let flow = ((random >> 32) * u64::from(flows)) >> 32;
                        let packet = packet(&meta, kind, flow as u32, random & 1 << 31 == 0);
                        black_box(table.observe(&packet));
                    }
                });
                assert_eq!(table.live(), flows, "every packet was one of a flow that is there");
            });
        }
    }
    group.finish();
}

/// Ends all flows.
fn empty(table: &mut FlowTable) {
    let now = table.now();
    while table.finish(now, 1024, FlowEnd::Shutdown) {
        table.release_ended();
    }
    table.release_ended();
}

/// Packets that open a flow each, in a table that is emptied at 100,000 flows and so has its memory already.
fn inserts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow_insert");
    group.throughput(Throughput::Elements(OPENED.into()));
    for (name, kind) in [("udp", udp()), ("tcp", tcp(SYN))] {
        let mut filled = None;
        let mut flow = FULL;
        group.bench_function(name, |bencher| {
            let Filled { table, now_ns } =
                filled.get_or_insert_with(|| Filled::both_ways(udp(), FULL - 1));
            bencher.iter_custom(|iterations| {
                let mut taken = Duration::ZERO;
                for _ in 0..iterations {
                    if table.live() + OPENED > FULL {
                        empty(table);
                    }
                    *now_ns += NS_PER_BURST;
                    let meta = meta(*now_ns);
                    let start = Instant::now();
                    for _ in 0..OPENED {
                        black_box(table.observe(&packet(&meta, kind, flow, true)));
                        // Long after the flow that had this number has ended.
                        flow = flow.wrapping_add(1) & 0xff_ffff;
                    }
                    taken += start.elapsed();
                }
                taken
            });
            assert_eq!(table.counters().evicted, 0, "there was room for every flow");
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = common::config(); targets = hits, inserts }
criterion_main!(benches);
