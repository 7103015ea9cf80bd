//! Attacks of each named kind, from a moment on.

use super::Random;
use super::talk::{
    ACK, Frame, Host, PSH, RST, SYN, arp_reply, connection, datagram, echo, segment, text_question,
};

/// Name, number of the detector that has to find it, and its frames.
pub(crate) type Attack = (&'static str, u32, fn(u64) -> Vec<Frame>);

pub(crate) const ALL: [Attack; 13] = [
    ("horizontal scan", 10, horizontal_scan),
    ("vertical scan", 11, vertical_scan),
    ("SYN flood", 20, syn_flood),
    ("UDP flood", 21, udp_flood),
    ("ICMP flood", 22, icmp_flood),
    ("DNS amplification", 23, amplification),
    ("brute force", 30, brute_force),
    ("beaconing", 40, beaconing),
    ("DNS tunnel", 50, tunnel),
    ("exfiltration", 60, exfiltration),
    ("ARP spoofing", 70, spoofing),
    ("new device", 80, device),
    ("wrong port", 90, wrong_port),
];

const MS: u64 = 1_000_000;

fn attacker() -> Host {
    Host::inside(60)
}

fn horizontal_scan(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    for n in 0..100u8 {
        let target = (Host::inside(150 + n), 445);
        segment(
            &mut out,
            at + u64::from(n) * 50 * MS,
            (attacker(), 41_000 + u16::from(n)),
            target,
            SYN,
            (1, 0),
            b"",
        );
    }
    out
}

fn vertical_scan(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    let scanner = Host::inside(61);
    for n in 0..300u16 {
        let at = at + u64::from(n) * 10 * MS;
        let (from, to) = ((scanner, 42_000 + n), (Host::inside(12), 1 + n * 7));
        segment(&mut out, at, from, to, SYN, (1, 0), b"");
        segment(&mut out, at + MS, to, from, RST | ACK, (0, 2), b"");
    }
    out
}

fn syn_flood(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    for n in 0..10_000u64 {
        let from = (Host::outside(n * 31 % 60_000), 1024 + (n % 60_000) as u16);
        segment(&mut out, at + n * MS, from, (Host::inside(10), 80), SYN, (n as u32, 0), b"");
    }
    out
}

fn udp_flood(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    for n in 0..20_000u64 {
        let from = Host::outside(n * 17 % 60_000);
        datagram(
            &mut out,
            at + n * MS / 2,
            from,
            1024 + (n % 60_000) as u16,
            Host::inside(10),
            27_015,
            &[0; 200],
        );
    }
    out
}

fn icmp_flood(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    for n in 0..5_000u64 {
        echo(&mut out, at + n * 2 * MS, Host::outside(n * 13 % 60_000), Host::inside(11));
    }
    out
}

fn amplification(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    for n in 0..5_000u64 {
        datagram(
            &mut out,
            at + n * 2 * MS,
            Host::outside(n % 3000),
            53,
            Host::inside(13),
            40_000,
            &[0x81; 1200],
        );
    }
    out
}

fn brute_force(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    for n in 0..120u64 {
        let port = 43_000 + n as u16;
        connection(
            &mut out,
            at + n * 1500 * MS,
            Host::inside(62),
            port,
            Host::inside(11),
            22,
            b"SSH-2.0-x\r\n",
            &[21, 300, 60],
            100,
        );
    }
    out
}

fn beaconing(at: u64) -> Vec<Frame> {
    let (mut out, mut random) = (Vec::new(), Random::new(3));
    for n in 0..18u64 {
        let noise = random.below(4000) * MS;
        let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 200]].concat();
        connection(
            &mut out,
            at + n * 60_000 * MS + noise,
            Host::inside(63),
            44_000 + n as u16,
            Host::outside(59_000),
            443,
            &hello,
            &[200],
            100,
        );
    }
    out
}

fn tunnel(at: u64) -> Vec<Frame> {
    let (mut out, mut random) = (Vec::new(), Random::new(4));
    for n in 0..600u64 {
        let name = format!(
            "{:016x}{:016x}{:016x}.t.evil.example",
            random.next(),
            random.next(),
            random.next()
        );
        datagram(
            &mut out,
            at + n * 200 * MS,
            Host::inside(64),
            45_000,
            Host::inside(2),
            53,
            &text_question(&name, n as u16),
        );
    }
    out
}

fn exfiltration(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    let (from, to) = ((Host::inside(65), 46_000), (Host::outside(59_500), 8443));
    for n in 0..30_000u32 {
        let at = at + u64::from(n) * 4 * MS;
        segment(&mut out, at, from, to, PSH | ACK, (1 + n * 1400, 1), &[0x17; 1400]);
        if n % 4 == 0 {
            segment(&mut out, at + MS, to, from, ACK, (1, 1 + n * 1400), b"");
        }
    }
    out
}

fn spoofing(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    let victim = Host::inside(70);
    for n in 0..30u64 {
        // The gateway says where it is, and the attacker says that it is the gateway.
        arp_reply(&mut out, at + n * 2000 * MS, Host::inside(1), victim);
        let claims = Host { mac: Host::inside(66).mac, ip: Host::inside(1).ip };
        arp_reply(&mut out, at + n * 2000 * MS + 500 * MS, claims, victim);
    }
    out
}

fn device(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    let rogue = Host { mac: [2, 0xbe, 0xef, 0, 0, 1], ip: [10, 0, 0, 249] };
    super::talk::arp_request(&mut out, at, rogue, Host::inside(1));
    out
}

fn wrong_port(at: u64) -> Vec<Frame> {
    let mut out = Vec::new();
    connection(
        &mut out,
        at,
        Host::inside(67),
        47_000,
        Host::outside(59_700),
        53,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        &[21, 300],
        100,
    );
    out
}
