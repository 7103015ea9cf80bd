//! What is said, as frames.

use umbra_wire::build::{self, Layer};

/// A frame with its time.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) at_ns: u64,
    pub(crate) data: Vec<u8>,
}

/// A host; those outside come through the router's MAC address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    pub(crate) mac: [u8; 6],
    pub(crate) ip: [u8; 4],
}

const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];

impl Host {
    pub(crate) fn inside(n: u8) -> Self {
        Self { mac: [2, 0, 0, 0, 0, n], ip: [10, 0, 0, n] }
    }

    /// Another device with the same address, later.
    pub(crate) fn of_batch(mut self, batch: u64) -> Self {
        self.mac[4] = batch as u8;
        self
    }

    pub(crate) fn outside(n: u64) -> Self {
        Self { mac: ROUTER, ip: [198, 18, (n / 250) as u8, (n % 250) as u8 + 1] }
    }
}

fn ip(from: Host, to: Host) -> build::Frame {
    build::Frame::ethernet(to.mac, from.mac).ipv4(from.ip, to.ip)
}

pub(crate) fn datagram(
    out: &mut Vec<Frame>,
    at_ns: u64,
    from: Host,
    source: u16,
    to: Host,
    destination: u16,
    payload: &[u8],
) {
    let data = ip(from, to).udp(source, destination).payload(payload).bytes();
    out.push(Frame { at_ns, data });
}

pub(crate) fn echo(out: &mut Vec<Frame>, at_ns: u64, from: Host, to: Host) {
    let data = ip(from, to).icmp(8, 0, 0x0001_0001).payload(&[0x61; 56]).bytes();
    out.push(Frame { at_ns, data });
}

pub(crate) const FIN: u16 = 1;
pub(crate) const SYN: u16 = 2;
pub(crate) const RST: u16 = 4;
pub(crate) const PSH: u16 = 8;
pub(crate) const ACK: u16 = 16;

/// An end of a connection with the port.
pub(crate) type End = (Host, u16);

pub(crate) fn segment(
    out: &mut Vec<Frame>,
    at_ns: u64,
    (from, source): End,
    (to, destination): End,
    flags: u16,
    (seq, ack): (u32, u32),
    payload: &[u8],
) {
    let tcp = build::Tcp { seq, ack, flags, ..build::Tcp::new(source, destination) };
    let data = ip(from, to).layer(Layer::Tcp(tcp)).payload(payload).bytes();
    out.push(Frame { at_ns, data });
}

/// One question and its answer, on a connection that is there all the time.
#[expect(clippy::too_many_arguments, reason = "who, where and what")]
pub(crate) fn exchange(
    out: &mut Vec<Frame>,
    at: u64,
    client: Host,
    port: u16,
    server: Host,
    service: u16,
    ask: &[u8],
    answer: &[u8],
) {
    let (c, s) = ((client, port), (server, service));
    let seq = (at / 1_000_000) as u32;
    segment(out, at, c, s, PSH | ACK, (seq, 1), ask);
    segment(out, at + 2_000_000, s, c, PSH | ACK, (1, seq.wrapping_add(ask.len() as u32)), answer);
    segment(out, at + 2_100_000, c, s, ACK, (seq.wrapping_add(ask.len() as u32), 1), b"");
}

/// A connection from its handshake to its end: the client says its first words, then the server so many octets again
/// and again, each answered by the client with `says`.
#[expect(clippy::too_many_arguments, reason = "who, where and what")]
pub(crate) fn connection(
    out: &mut Vec<Frame>,
    at: u64,
    client: Host,
    port: u16,
    server: Host,
    service: u16,
    first: &[u8],
    answers: &[usize],
    says: usize,
) {
    let (c, s) = ((client, port), (server, service));
    let (mut here, mut there, mut now) = (1000u32, 5000u32, at);
    let mut step = |by: u64| {
        now += by;
        now
    };
    segment(out, step(0), c, s, SYN, (here, 0), b"");
    segment(out, step(800_000), s, c, SYN | ACK, (there, here + 1), b"");
    (here, there) = (here + 1, there + 1);
    segment(out, step(100_000), c, s, ACK, (here, there), b"");
    segment(out, step(200_000), c, s, PSH | ACK, (here, there), first);
    here += first.len() as u32;
    for (n, answer) in answers.iter().enumerate() {
        let kind = first.first().copied().unwrap_or(0x61);
        let mut payload = vec![0x61; *answer];
        // The server answers in the protocol's manner.
        if kind == 0x16 {
            let record = if n == 0 { [0x16, 3, 3, 0, 90, 2] } else { [0x17, 3, 3, 1, 0, 9] };
            payload.splice(..6.min(*answer), record.into_iter().take(6.min(*answer)));
        } else if n == 0 && first.starts_with(b"SSH-") {
            payload = b"SSH-2.0-OpenSSH_9.2\r\n".to_vec();
        } else if n == 0 && first.starts_with(b"GET ") {
            payload.splice(..9, *b"HTTP/1.1 ");
        }
        segment(out, step(4_000_000), s, c, PSH | ACK, (there, here), &payload);
        there += payload.len() as u32;
        if says > 0 {
            let mut more = vec![0x62; says];
            if kind == 0x16 {
                more.splice(..5, [0x17, 3, 3, 0, 80]);
            }
            segment(out, step(2_000_000), c, s, PSH | ACK, (here, there), &more);
            here += more.len() as u32;
        } else {
            segment(out, step(100_000), c, s, ACK, (here, there), b"");
        }
    }
    segment(out, step(1_000_000), c, s, FIN | ACK, (here, there), b"");
    segment(out, step(500_000), s, c, FIN | ACK, (there, here + 1), b"");
    segment(out, step(100_000), c, s, ACK, (here + 1, there + 1), b"");
}

pub(crate) fn arp(out: &mut Vec<Frame>, at_ns: u64, to: [u8; 6], arp: build::Arp) {
    let data = build::Frame::ethernet(to, arp.sender_mac).layer(Layer::Arp(arp)).bytes();
    out.push(Frame { at_ns, data });
}

pub(crate) fn arp_request(out: &mut Vec<Frame>, at: u64, from: Host, whom: Host) {
    let request = build::Arp {
        operation: 1,
        sender_mac: from.mac,
        sender_ip: from.ip,
        target_mac: [0; 6],
        target_ip: whom.ip,
    };
    arp(out, at, [0xff; 6], request);
}

pub(crate) fn arp_reply(out: &mut Vec<Frame>, at: u64, from: Host, to: Host) {
    let reply = build::Arp {
        operation: 2,
        sender_mac: from.mac,
        sender_ip: from.ip,
        target_mac: to.mac,
        target_ip: to.ip,
    };
    arp(out, at, to.mac, reply);
}

pub(crate) fn dhcp(out: &mut Vec<Frame>, at: u64, host: Host) {
    let all = Host { mac: [0xff; 6], ip: [255; 4] };
    let nobody = Host { mac: host.mac, ip: [0; 4] };
    for (n, kind) in [1u8, 2, 3, 5].into_iter().enumerate() {
        let mut message = vec![0; 240];
        message.extend([53, 1, kind, 255]);
        message.extend([0; 60]);
        let at = at + n as u64 * 30_000_000;
        if n % 2 == 0 {
            datagram(out, at, nobody, 68, all, 67, &message);
        } else {
            datagram(
                out,
                at,
                Host::inside(2),
                67,
                Host { mac: host.mac, ip: host.ip },
                68,
                &message,
            );
        }
    }
    arp_request(out, at + 200_000_000, host, Host::inside(1));
    arp_reply(out, at + 200_300_000, Host::inside(1), host);
}

fn message(name: &str, id: u16, flags: u16, kind: u8) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend(flags.to_be_bytes());
    message.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, kind, 0, 1]);
    message
}

pub(crate) fn question(name: &str, id: u16) -> Vec<u8> {
    message(name, id, 0x0100, 1)
}

pub(crate) fn text_question(name: &str, id: u16) -> Vec<u8> {
    message(name, id, 0x0100, 16)
}

pub(crate) fn reply(name: &str, id: u16) -> Vec<u8> {
    let mut reply = message(name, id, 0x8180, 1);
    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 198, 18, 0, 1]);
    reply
}
