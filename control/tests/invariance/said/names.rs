//! DNS over UDP and TCP, and TLS up to where it is encrypted.

use crate::scene::Scene;

fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> =
        labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

/// A question for an address, or its answer with so much text beside it.
pub(super) fn message(id: u16, response: bool, of: &str, text: usize) -> Vec<u8> {
    let flags = if response { 0x8180 } else { 0x0100 };
    let mut bytes = [id, flags, 1, u16::from(response) * 2, 0, 0].map(u16::to_be_bytes).concat();
    bytes.extend([&name(of)[..], &[0, 1, 0, 1]].concat());
    if response {
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 77]);
        let texts: Vec<u8> =
            vec![b't'; text].chunks(255).flat_map(|t| [&[t.len() as u8], t].concat()).collect();
        bytes.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
        bytes.extend((texts.len() as u16).to_be_bytes());
        bytes.extend(texts);
    }
    bytes
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

pub(crate) fn dns() -> Scene {
    let mut scene = Scene::default();
    let on = scene.udp(("10.0.0.3", 50_001), ("192.0.2.53", 53));
    for (id, of) in (1..).zip(["data.tunnel.example", "www.example.net", "x.tunnel.example"]) {
        scene.client(on, message(id, false, of, 0));
        scene.server(on, message(id, true, of, 1200));
    }
    let on = scene.udp(("2001:db8::3", 50_002), ("2001:db8::53", 53));
    scene.client(on, message(9, false, "six.tunnel.example", 0));
    scene.server(on, message(9, true, "six.tunnel.example", 2000));
    let on = scene.tcp(("10.0.0.3", 50_003), ("192.0.2.53", 53));
    let of = ["big.tunnel.example", "small.example.net"];
    let all = |response, text| of.map(|of| framed(&message(3, response, of, text))).concat();
    scene.client(on, all(false, 0));
    scene.server(on, all(true, 3000));
    scene.close(on);
    scene
}

fn prefixed<const N: usize>(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes()[4 - N..], content].concat()
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &prefixed::<2>(content)].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &prefixed::<3>(body)].concat()
}

fn extension(number: u16, body: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &prefixed::<2>(body)].concat()
}

fn client_hello(sni: &str) -> Vec<u8> {
    let name = [&[0], &prefixed::<2>(sni.as_bytes())[..]].concat();
    let extensions = [
        extension(0, &prefixed::<2>(&name)),
        extension(16, &prefixed::<2>(&[prefixed::<1>(b"h2"), prefixed::<1>(b"http/1.1")].concat())),
        extension(10, &prefixed::<2>(&[0, 29])),
        extension(11, &[1, 0]),
    ];
    let body = [
        vec![3, 3],
        vec![7; 32],
        vec![0],
        prefixed::<2>(&[0xc0, 0x2f, 0x00, 0x35]),
        vec![1, 0],
        prefixed::<2>(&extensions.concat()),
    ];
    handshake(1, &body.concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let head = match content.len() {
        len @ 0..128 => vec![tag, len as u8],
        len @ 128..256 => vec![tag, 0x81, len as u8],
        len => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    [&head, content].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

fn common_name(name: &str) -> Vec<u8> {
    let pair = sequence(&[der(6, &[0x55, 4, 3]), der(0x0c, name.as_bytes())]);
    sequence(&[der(0x31, &pair)])
}

/// With a key and a signature that are no such things.
fn certificate(subject: &str, issuer: &str) -> Vec<u8> {
    let rsa =
        |last| sequence(&[der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, last]), der(5, &[])]);
    let dates = sequence(&[der(0x17, b"240101000000Z"), der(0x17, b"340101000000Z")]);
    let body = sequence(&[
        der(0xa0, &der(2, &[2])),
        der(2, &[0x0a, 0xbc]),
        rsa(11),
        common_name(issuer),
        dates,
        common_name(subject),
        sequence(&[rsa(1), der(3, &[&[0], &[0x11; 260][..]].concat())]),
    ]);
    sequence(&[body, rsa(11), der(3, &[&[0], &[0x22; 256][..]].concat())])
}

pub(crate) fn tls() -> Scene {
    let server_hello =
        [vec![3, 3], vec![8; 32], vec![0], vec![0xc0, 0x2f, 0], prefixed::<2>(&[])].concat();
    let chain = [certificate("evil.example", "Honest CA"), certificate("Honest CA", "Root CA")]
        .map(|certificate| prefixed::<3>(&certificate));
    // Messages that do not end where records do.
    let said = [
        handshake(2, &server_hello),
        handshake(11, &prefixed::<3>(&chain.concat())),
        handshake(14, &[]),
    ]
    .concat();
    let server: Vec<u8> = said.chunks(700).flat_map(|part| record(22, part)).collect();
    let mut scene = Scene::default();
    let on = scene.tcp(("10.0.0.4", 40_010), ("192.0.2.4", 443));
    scene.client(on, record(22, &client_hello("www.bad.example")));
    scene.server(on, server);
    let key = [record(22, &handshake(16, &[7; 64])), record(20, &[1]), record(22, &[9; 40])];
    scene.client(on, key.concat());
    scene.server(on, [record(20, &[1]), record(22, &[9; 40])].concat());
    scene.client(on, record(23, &[0x5a; 3000]));
    scene.server(on, record(23, &[0xa5; 5000]));
    scene.close(on);
    scene
}
