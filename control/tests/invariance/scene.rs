//! What hosts say to each other, before anybody cuts it into frames.

use std::net::{IpAddr, SocketAddr};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// A connection, or a pair of ends that exchange datagrams.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) udp: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The handshake.
    Open(usize),
    /// Everything that one end says before the other answers.
    Say(usize, Side, Vec<u8>),
    /// Both FINs, the client's first.
    Close(usize),
    /// Nothing happens for so many seconds.
    Wait(u64),
}

/// Lines and what happens on them, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    pub(crate) lines: Vec<Line>,
    pub(crate) steps: Vec<Step>,
}

/// A line of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct On(usize);

fn end(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse::<IpAddr>().expect("an address"), port)
}

impl Scene {
    /// Opens a connection.
    pub(crate) fn tcp(&mut self, client: (&str, u16), server: (&str, u16)) -> On {
        let on = self.line(client, server, false);
        self.steps.push(Step::Open(on.0));
        on
    }

    pub(crate) fn udp(&mut self, client: (&str, u16), server: (&str, u16)) -> On {
        self.line(client, server, true)
    }

    fn line(&mut self, client: (&str, u16), server: (&str, u16), udp: bool) -> On {
        let (client, server) = (end(client.0, client.1), end(server.0, server.1));
        self.lines.push(Line { client, server, udp });
        On(self.lines.len() - 1)
    }

    pub(crate) fn client(&mut self, on: On, bytes: impl AsRef<[u8]>) {
        self.steps.push(Step::Say(on.0, Side::Client, bytes.as_ref().to_vec()));
    }

    pub(crate) fn server(&mut self, on: On, bytes: impl AsRef<[u8]>) {
        self.steps.push(Step::Say(on.0, Side::Server, bytes.as_ref().to_vec()));
    }

    /// Lines with `C:` before what the client says and `S:` before what the server does.
    pub(crate) fn talk(&mut self, on: On, said: &str) {
        for line in said.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            let (who, what) = line.split_at(2);
            let side = if who == "C:" { Side::Client } else { Side::Server };
            self.steps.push(Step::Say(on.0, side, format!("{what}\r\n").into_bytes()));
        }
    }

    pub(crate) fn close(&mut self, on: On) {
        self.steps.push(Step::Close(on.0));
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.steps.push(Step::Wait(seconds));
    }

    /// Another scene behind this one.
    pub(crate) fn then(mut self, other: Scene) -> Self {
        let by = self.lines.len();
        self.lines.extend(other.lines);
        self.steps.extend(other.steps.into_iter().map(|step| step.moved(by)));
        self
    }

    /// Scenes at the same time, a step of each in turn. An answer follows at once what it answers: a request is
    /// looked at in the next packet of its sender, so what comes of several flows' requests that wait for their
    /// answers depends on who happens to send something again.
    pub(crate) fn together(scenes: Vec<Scene>) -> Self {
        let mut all = Scene::default();
        let mut left = Vec::new();
        for scene in scenes {
            let by = all.lines.len();
            all.lines.extend(scene.lines);
            left.push(scene.steps.into_iter().map(move |step| step.moved(by)).peekable());
        }
        loop {
            let before = all.steps.len();
            for steps in &mut left {
                let Some(step) = steps.next() else { continue };
                let answer = steps.next_if(|next| next.answers(&step));
                all.steps.extend([step].into_iter().chain(answer));
            }
            if all.steps.len() == before {
                return all;
            }
        }
    }
}

impl Step {
    fn answers(&self, before: &Step) -> bool {
        match (before, self) {
            (Step::Say(asked, Side::Client, _), Step::Say(answered, Side::Server, _)) => {
                asked == answered
            }
            _ => false,
        }
    }

    fn moved(self, by: usize) -> Self {
        match self {
            Step::Open(on) => Step::Open(on + by),
            Step::Say(on, side, bytes) => Step::Say(on + by, side, bytes),
            Step::Close(on) => Step::Close(on + by),
            Step::Wait(seconds) => Step::Wait(seconds),
        }
    }
}
