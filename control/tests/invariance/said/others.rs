//! SMTP, SSH, and what is no protocol that anybody knows.

use super::web::filler;
use crate::scene::Scene;

pub(crate) fn mail() -> Scene {
    let mut scene = Scene::default();
    let on = scene.tcp(("10.0.0.8", 42_000), ("192.0.2.25", 25));
    scene.talk(on, "S:220 mx ready\nC:EHLO me.example\nS:250-hello\nS:250 PIPELINING");
    scene.talk(
        on,
        "C:MAIL FROM:<evil@spam.example>\nS:250 ok\nC:RCPT TO:<you@example.org>\nS:250 ok",
    );
    scene.talk(on, "C:DATA\nS:354 go on");
    let mut message = "From: Evil <evil@spam.example>\r\nTo: you@example.org\r\n\
        Subject: Your invoice\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"edge\"\r\n\r\n\
        --edge\r\nContent-Type: text/plain\r\n\r\nSee http://phish.example/login\r\n\
        --edge\r\nContent-Type: application/pdf; name=\"invoice.pdf\"\r\n\
        Content-Disposition: attachment; filename=\"invoice.pdf\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n"
        .to_owned();
    let attached = [&filler(2000), &b"attachment-marker"[..], &filler(1000)].concat();
    for line in base64(&attached).as_bytes().chunks(76) {
        message.push_str(std::str::from_utf8(line).expect("ASCII"));
        message.push_str("\r\n");
    }
    message.push_str("--edge--\r\n.\r\n");
    scene.client(on, message);
    scene.talk(on, "S:250 queued\nC:QUIT\nS:221 bye");
    scene.close(on);
    scene
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place > three.len() { '=' } else { letter.into() });
        }
    }
    text
}

pub(crate) fn ssh() -> Scene {
    let record = |number: u8, body: &[u8]| {
        let len = body.len() as u32 + 6;
        [&len.to_be_bytes()[..], &[4, number], body, &[0; 4]].concat()
    };
    let proposal = |of: &str| {
        let mut body = vec![9; 16];
        for index in 0..10 {
            let name = format!("{of}-method-{index},other");
            body.extend((name.len() as u32).to_be_bytes());
            body.extend(name.bytes());
        }
        body.extend([0; 5]);
        record(20, &body)
    };
    let mut scene = Scene::default();
    let on = scene.tcp(("10.0.0.9", 42_100), ("192.0.2.22", 22));
    scene.server(on, [b"SSH-2.0-dropbear_2019.78\r\n", &proposal("server")[..]].concat());
    scene.client(on, [b"SSH-2.0-libssh2_1.4.3\r\n", &proposal("client")[..]].concat());
    scene.client(on, [record(30, b"exchange"), record(21, b"")].concat());
    scene.server(on, [record(31, b"exchange"), record(21, b"")].concat());
    scene.client(on, [0x77; 2000]);
    scene.server(on, [0x88; 2000]);
    scene.close(on);
    scene
}

/// Ports and bytes of no protocol.
pub(crate) fn raw() -> Scene {
    let mut scene = Scene::default();
    let on = scene.tcp(("10.0.0.10", 42_200), ("192.0.2.99", 9999));
    let mut said = b"\x01\x02HELLO-BEGIN ".to_vec();
    said.extend(filler(1200));
    said.extend(b"alpha-beta-gamma ");
    said.extend(filler(1500));
    said.extend(b"first----second");
    said.extend(filler(700));
    said.extend(b"key=1234;");
    said.extend(b"LEN\x00\x08........TARGET");
    said.extend(b"N\x07.......seven-on");
    said.extend(b"CaSeLeSs tail");
    said.extend(filler(4000));
    said.extend(b"early-part");
    said.extend(filler(1900));
    said.extend(b"late-part");
    said.extend(filler(20_000));
    scene.client(on, said);
    let mut answer = b"\x03\x04answer-is ".to_vec();
    for _ in 0..40 {
        answer.extend(filler(900));
        answer.extend(b"again-and-again");
    }
    scene.server(on, answer);
    scene.close(on);
    // Of a stream that nobody knows pieces of some size are looked at, or what there is at its end: what one end's
    // rules set, the other's find for certain where both are short.
    let on = scene.tcp(("10.0.0.10", 42_202), ("192.0.2.99", 9999));
    scene.client(on, b"\x01\x02short command: login-now");
    scene.server(on, b"\x03\x04short answer: granted-it");
    scene.client(on, b"\x01\x02short goodbye: leave-now");
    scene.close(on);
    // Both ends, over IPv6, and never closed.
    let on = scene.tcp(("2001:db8::10", 42_201), ("2001:db8::99", 9998));
    for number in 0..6 {
        scene.client(on, [&filler(500), format!("ask-{number}-six ").as_bytes()].concat());
        scene.server(on, [&filler(2500), format!("answer-{number}-six ").as_bytes()].concat());
    }
    scene
}

pub(crate) fn datagrams() -> Scene {
    let mut scene = Scene::default();
    let on = scene.udp(("10.0.0.11", 42_300), ("192.0.2.98", 9997));
    scene.client(on, [&filler(1000), &b"datagram-marker LEN\x00\x04....JUMP"[..]].concat());
    scene.server(on, [&filler(3500), &b"large-datagram"[..]].concat());
    let on = scene.udp(("2001:db8::11", 42_301), ("2001:db8::98", 9996));
    scene.client(on, [&filler(2600), &b"datagram-marker"[..], &filler(100)].concat());
    scene.server(on, b"small");
    scene
}
