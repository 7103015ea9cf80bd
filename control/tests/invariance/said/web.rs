//! HTTP: pipelined requests, chunks, gzip, multipart, and a body larger than what is looked at at once.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::scene::Scene;

/// Text without anything that rules look for.
pub(super) fn filler(len: usize) -> Vec<u8> {
    (0..len).map(|at| b"lorem ipsum dolor sit amet, "[(at * 7 + at / 28) % 28]).collect()
}

fn around(marker: &str, before: usize, behind: usize) -> Vec<u8> {
    [&filler(before), marker.as_bytes(), &filler(behind)].concat()
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut coded: Vec<u8> = body
        .chunks(size)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .collect();
    coded.extend(b"0\r\n\r\n");
    coded
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("in memory");
    encoder.finish().expect("in memory")
}

fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

pub(crate) fn pages() -> Scene {
    let form = [
        &b"--edge\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--edge\r\n"[..],
        b"Content-Disposition: form-data; name=\"file\"; filename=\"evil.exe\"\r\n",
        b"Content-Type: application/octet-stream\r\n\r\nMZ\x90\x00",
        &around("upload-marker", 2500, 900),
        b"\r\n--edge--\r\n",
    ]
    .concat();
    let requests = [
        b"GET /start?user=alice HTTP/1.1\r\nHost: www.example.org\r\n\
          User-Agent: curl/evil-agent\r\nCookie: session=abc\r\n\r\n"
            .to_vec(),
        b"GET /second/step.php?id=42 HTTP/1.1\r\nHost: www.example.org\r\n\
          X-Token: b64 YWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
            .to_vec(),
        with_body(
            "POST /upload HTTP/1.1\r\nHost: www.example.org\r\n\
             Content-Type: multipart/form-data; boundary=edge\r\n",
            &form,
        ),
    ];
    let responses = [
        [
            &b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
            &chunked(&around("chunk-marker", 2990, 2000), 333),
        ]
        .concat(),
        with_body(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n",
            &gzip(&around("gzip-marker", 4000, 3000)),
        ),
        with_body("HTTP/1.1 200 OK\r\nSet-Cookie: token=xyz\r\n", b"thanks for evil.exe"),
    ];
    let mut scene = Scene::default();
    let on = scene.tcp(("10.0.0.1", 40_001), ("192.0.2.1", 80));
    scene.client(on, requests.concat());
    scene.server(on, responses.concat());
    scene.client(on, "GET /last HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
    scene.server(on, with_body("HTTP/1.1 404 Not Found\r\n", b"no such page"));
    scene.close(on);
    // A response without a length, and one that nobody asked for twice.
    let on = scene.tcp(("2001:db8::1", 40_002), ("2001:db8::80", 8080));
    scene.client(on, "GET /v6/start HTTP/1.1\r\nHost: six.example.org\r\n\r\n");
    let head = &b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..];
    scene.server(on, [head, &around("until-the-end", 5000, 700)].concat());
    scene.close(on);
    scene
}

pub(crate) fn large() -> Scene {
    let mut body = around("deep-marker", 50_000, 9_000);
    body.extend(b"LEN\x00\x10");
    body.extend(around("behind-the-jump", 16, 0));
    body.extend(around("end-of-file", 3_000, 0));
    let mut scene = Scene::default();
    let on = scene.tcp(("10.0.0.2", 40_003), ("192.0.2.1", 80));
    scene.client(on, "GET /files/large.bin HTTP/1.1\r\nHost: files.example.org\r\n\r\n");
    scene.server(
        on,
        with_body("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n", &body),
    );
    scene.client(
        on,
        with_body("PUT /files/back.bin HTTP/1.1\r\nHost: files.example.org\r\n", &body),
    );
    scene.server(on, with_body("HTTP/1.1 201 Created\r\n", b""));
    scene.close(on);
    scene
}
