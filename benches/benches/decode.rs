//! Micro-benchmarks of the analyzers' decoder, frames per second. Checksums are verified, as in an instance
//! whose NIC says nothing of them; `nic` is what is left where it does.
//! `cargo bench -p umbra-bench --bench decode`

#[allow(dead_code, reason = "every benchmark uses some of it")]
mod common;

use std::hint::black_box;

use common::BURST;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use umbra_analyzers::decode::{ChecksumState, Checksums, Decoder, LinkType};

fn decode(criterion: &mut Criterion) {
    let verified = Checksums::default();
    let nic = Checksums { ip: ChecksumState::Good, l4: ChecksumState::Good };
    let kinds = [
        ("tcp_64", common::frames(BURST, 64, common::tcp), verified),
        ("tcp_1514", common::frames(BURST, 1514, common::tcp), verified),
        ("tcp_1514_nic", common::frames(BURST, 1514, common::tcp), nic),
        ("vlan_tcp_68", common::frames(BURST, 68, common::vlan), verified),
        ("vxlan_tcp_114", common::frames(BURST, 114, common::vxlan), verified),
        ("ipv6_tcp_78", common::frames(BURST, 78, common::tcp6), verified),
    ];
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(BURST as u64));
    for (name, frames, checksums) in kinds {
        let mut decoder = Decoder::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for frame in black_box(&frames) {
                    let len = frame.len() as u32;
                    black_box(&decoder.decode_checked(frame, len, LinkType::Ethernet, checksums));
                }
            });
        });
        assert_eq!(decoder.counters().invalid, 0, "{name}: the frames are in order");
    }
    group.finish();
}

criterion_group! { name = benches; config = common::config(); targets = decode }
criterion_main!(benches);
