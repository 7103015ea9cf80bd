//! Simulated days: who talks when, as frames in the order of time.

pub(crate) mod attack;
mod talk;

pub(crate) use talk::Frame;
use talk::{Host, arp_reply, arp_request, connection, datagram, dhcp, question, reply};

/// Random numbers (`SplitMix64`).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// How many events a Poisson process of this mean has.
    fn poisson(&mut self, mean: f64) -> u64 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.unit(), 0);
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Heavy-tailed, from 1 up.
    fn pareto(&mut self, shape: f64, most: f64) -> f64 {
        (1.0 - self.unit()).powf(-1.0 / shape).min(most)
    }

    /// By popularity: the first are asked for most.
    fn zipf(&mut self, count: u64) -> u64 {
        let x = (count as f64).powf(self.unit());
        (x as u64).clamp(1, count) - 1
    }
}

const MINUTE_NS: u64 = 60_000_000_000;
/// Monday, 00:00.
const BEGIN_NS: u64 = 1_767_571_200_000_000_000;

/// The office and its plant.
pub(crate) struct Days {
    random: Random,
    minute: u64,
    clients: Vec<Host>,
    joined: u64,
    port: u16,
}

impl Days {
    pub(crate) fn new(seed: u64) -> Self {
        let clients = (0..60).map(|n| Host::inside(50 + n)).collect();
        Self { random: Random::new(seed), minute: 0, clients, joined: 0, port: 32_768 }
    }

    pub(crate) fn now_s(&self) -> f64 {
        self.minute as f64 * 60.0
    }

    pub(crate) fn hour(&mut self) -> Vec<Frame> {
        self.minutes(60)
    }

    pub(crate) fn minutes(&mut self, count: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        for _ in 0..count {
            self.one_minute(&mut frames);
        }
        frames.sort_by_key(|frame| frame.at_ns);
        frames
    }

    /// How busy the office is: little at night, most at eleven and three.
    fn activity(&self) -> f64 {
        let hour = (self.minute / 60 % 24) as f64 + (self.minute % 60) as f64 / 60.0;
        let bump = |at: f64| (-((hour - at) / 2.2).powi(2)).exp();
        0.06 + 0.9 * bump(10.8) + 0.8 * bump(15.2)
    }

    fn port(&mut self) -> u16 {
        self.port = if self.port >= 60_999 { 32_768 } else { self.port + 1 };
        self.port
    }

    fn one_minute(&mut self, frames: &mut Vec<Frame>) {
        let begin = BEGIN_NS + self.minute * MINUTE_NS;
        let activity = self.activity();
        self.plant(begin, frames);
        self.machines(begin, frames);
        // About one host in three hours joins, in the day rather than at night.
        if self.random.unit() < activity / 130.0 {
            self.join(begin, frames);
        }
        let sessions = self.random.poisson(14.0 * activity);
        for _ in 0..sessions {
            let at = begin + self.random.below(MINUTE_NS);
            let client = self.clients[self.random.zipf(self.clients.len() as u64) as usize];
            match self.random.below(100) {
                0..60 => self.web(at, client, frames),
                60..75 => self.mail(at, client, frames),
                75..97 => self.files(at, client, frames),
                _ => self.printer(at, client, frames),
            }
        }
        if self.random.unit() < activity / 60.0 {
            let (port, at) = (self.port(), begin + self.random.below(MINUTE_NS));
            let server = Host::inside(10 + self.random.below(4) as u8);
            let says = [21, 700, 90, 60, 60, 60, 80];
            connection(
                frames,
                at,
                Host::inside(40),
                port,
                server,
                22,
                b"SSH-2.0-OpenSSH_9.2\r\n",
                &says,
                180,
            );
        }
        self.minute += 1;
    }

    /// The controller polls six units every two seconds; an operator writes now and then.
    fn plant(&mut self, begin: u64, frames: &mut Vec<Frame>) {
        let controller = Host::inside(20);
        for unit in 0..6u8 {
            let server = Host::inside(21 + unit);
            let port = 20_000 + u16::from(unit);
            for poll in 0..6u64 {
                let at = begin
                    + poll * 10_000_000_000
                    + u64::from(unit) * 40_000_000
                    + self.random.below(3_000_000);
                let read = [0, poll as u8, 0, 0, 0, 6, 1, 3, 0, 100, 0, 10];
                let mut answer = vec![0, poll as u8, 0, 0, 0, 23, 1, 3, 20];
                answer.extend([0; 20].map(|_: u8| self.random.next() as u8));
                talk::exchange(frames, at, controller, port, server, 502, &read, &answer);
            }
        }
        if self.random.unit() < 0.02 {
            let server = Host::inside(21 + self.random.below(6) as u8);
            let write = [0, 1, 0, 0, 0, 6, 1, 5, 0, self.random.below(4) as u8, 0xff, 0];
            let at = begin + self.random.below(MINUTE_NS);
            talk::exchange(frames, at, controller, 20_100, server, 502, &write, &write);
        }
    }

    /// Time, leases, neighbours, the backup.
    fn machines(&mut self, begin: u64, frames: &mut Vec<Frame>) {
        for n in 0..self.clients.len() {
            let client = self.clients[n];
            // Each host has its own minute of the quarter of an hour.
            if (self.minute + n as u64).is_multiple_of(17) {
                let at = begin + self.random.below(MINUTE_NS);
                datagram(frames, at, client, 123, Host::inside(2), 123, &[0x23; 48]);
                datagram(frames, at + 400_000, Host::inside(2), 123, client, 123, &[0x24; 48]);
            }
            if (self.minute + n as u64).is_multiple_of(29) {
                let at = begin + self.random.below(MINUTE_NS);
                arp_request(frames, at, client, Host::inside(1));
                arp_reply(frames, at + 200_000, Host::inside(1), client);
            }
        }
        let hour = self.minute / 60 % 24;
        if hour == 2 && self.minute % 60 < 20 {
            let port = self.port();
            let server = Host::inside(10 + (self.minute % 4) as u8);
            let says = vec![1400; 200];
            connection(
                frames,
                begin,
                server,
                port,
                Host::inside(5),
                873,
                b"@RSYNCD: 31.0\n",
                &says,
                60,
            );
        }
    }

    /// A new host: a lease, then it works like the others; another goes home.
    fn join(&mut self, begin: u64, frames: &mut Vec<Frame>) {
        self.joined += 1;
        let host = Host::inside((110 + self.joined % 130) as u8).of_batch(self.joined / 130 + 1);
        dhcp(frames, begin, host);
        if self.clients.len() > 58 {
            let at = self.random.below(self.clients.len() as u64) as usize;
            self.clients[at] = host;
        } else {
            self.clients.push(host);
        }
    }

    fn web(&mut self, at: u64, client: Host, frames: &mut Vec<Frame>) {
        let site = self.random.zipf(2000);
        let port = self.port();
        let name = format!("www.site{site}.example");
        datagram(frames, at, client, port, Host::inside(2), 53, &question(&name, site as u16));
        datagram(
            frames,
            at + 3_000_000,
            Host::inside(2),
            53,
            client,
            port,
            &reply(&name, site as u16),
        );
        let parts = self.random.pareto(1.2, 60.0) as usize;
        let answers: Vec<usize> =
            (0..=parts).map(|_| 200 + self.random.below(1200) as usize).collect();
        let server = Host::outside(site);
        let (port, tls) = (self.port(), self.random.unit() < 0.9);
        if tls {
            let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 500]].concat();
            connection(frames, at + 5_000_000, client, port, server, 443, &hello, &answers, 400);
        } else {
            let get = format!("GET /{site} HTTP/1.1\r\nHost: {name}\r\n\r\n");
            connection(
                frames,
                at + 5_000_000,
                client,
                port,
                server,
                80,
                get.as_bytes(),
                &answers,
                0,
            );
        }
    }

    fn mail(&mut self, at: u64, client: Host, frames: &mut Vec<Frame>) {
        let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 300]].concat();
        let port = self.port();
        let answers: Vec<usize> = (0..4).map(|_| 100 + self.random.below(900) as usize).collect();
        connection(frames, at, client, port, Host::inside(3), 993, &hello, &answers, 300);
    }

    fn files(&mut self, at: u64, client: Host, frames: &mut Vec<Frame>) {
        let negotiate = [&[0, 0, 0, 100, 0xfe, b'S', b'M', b'B', 64, 0][..], &[0; 94]].concat();
        let port = self.port();
        let parts = self.random.pareto(1.1, 80.0) as usize;
        let answers: Vec<usize> =
            (0..=parts).map(|_| 150 + self.random.below(1250) as usize).collect();
        connection(frames, at, client, port, Host::inside(4), 445, &negotiate, &answers, 200);
    }

    fn printer(&mut self, at: u64, client: Host, frames: &mut Vec<Frame>) {
        let port = self.port();
        connection(
            frames,
            at,
            client,
            port,
            Host::inside(6),
            9100,
            b"\x1b%-12345X@PJL JOB\r\n",
            &[20],
            1200,
        );
    }
}
