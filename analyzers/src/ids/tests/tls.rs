//! TLS: hellos, certificates, fingerprints; and SSH.

use super::case::{Case, case, check};
use super::lab::talk::Talk;
use super::lab::tls::{
    TLS_1_0, TLS_1_2, certificate, certificates, client_hello, key_exchange, server_hello,
    server_hello_done,
};
use crate::testing::TestRecord;

/// The certificate is of 2023 and 2024, the conversation of May 2024.
fn handshake() -> Vec<TestRecord> {
    let chain = [
        certificate(
            "shop.example",
            "Test CA",
            ("230101000000Z", "250101000000Z"),
            &["alt.example"],
        ),
        certificate("Test CA", "Root", ("200101000000Z", "300101000000Z"), &[]),
    ];
    let greeting =
        [server_hello(TLS_1_2, &["h2"]), certificates(TLS_1_2, &chain), server_hello_done(TLS_1_2)];
    Talk::to(443)
        .client(client_hello(TLS_1_2, "www.Shop.example", &["h2", "http/1.1"]))
        .server(greeting.concat())
        .client(key_exchange(TLS_1_2))
        .end()
}

fn tls(about: &'static str, lines: &[(usize, &'static str)]) -> Case {
    let lines: Vec<_> = lines.iter().map(|&(times, options)| (times, "tls", options)).collect();
    case(about, handshake(), &lines)
}

fn hellos() -> Vec<Case> {
    vec![
        tls(
            "tls.sni tls_sni",
            &[
                (1, "tls.sni; content:\"www.Shop.example\"; bsize:16;"),
                (1, "tls_sni; content:\"shop\"; nocase;"),
                (0, "tls.sni; content:\"www.shop.example\";"),
                (0, "tls_sni; content:\"http/1.1\";"),
            ],
        ),
        tls(
            "tls.alpn",
            &[
                (1, "flow:to_server; tls.alpn; content:\"http/1.1\"; bsize:8;"),
                (2, "tls.alpn; content:\"h2\"; bsize:2;"),
                (0, "flow:to_client; tls.alpn; content:\"http/1.1\";"),
                (0, "tls.alpn; content:\"h3\";"),
            ],
        ),
        tls(
            "tls.random tls.random_time tls.random_bytes",
            &[
                (1, "tls.random; content:\"TIMEclient\"; startswith; bsize:32;"),
                (1, "flow:to_client; tls.random_bytes; content:\"server\"; startswith; bsize:28;"),
                (2, "tls.random_time; content:\"TIME\"; bsize:4;"),
                (0, "tls.random; content:\"Shop\";"),
                (0, "tls.random_bytes; content:\"TIME\";"),
                (0, "tls.random_time; content:\"client\";"),
            ],
        ),
        tls(
            "tls.version ssl_version",
            &[
                (1, "flow:to_server; tls.version:1.2; tls.sni; content:\"Shop\";"),
                (1, "flow:to_server; ssl_version:tls1.2; tls.sni; content:\"Shop\";"),
                (1, "flow:to_server; ssl_version:!tls1.0; tls.sni; content:\"Shop\";"),
                (0, "flow:to_server; tls.version:1.3; tls.sni; content:\"Shop\";"),
                (0, "flow:to_server; ssl_version:sslv3,tls1.0; tls.sni; content:\"Shop\";"),
            ],
        ),
        tls(
            "ssl_state",
            &[
                (1, "ssl_state:client_hello;"),
                (1, "ssl_state:server_hello;"),
                (1, "flow:to_client; ssl_state:client_keyx;"),
                (2, "ssl_state:!client_hello;"),
                (2, "ssl_state:client_hello,server_hello;"),
                // When the name is looked at the server has answered.
                (1, "ssl_state:server_hello; tls.sni; content:\"Shop\";"),
                (0, "ssl_state:client_hello; tls.sni; content:\"Shop\";"),
                (0, "ssl_state:server_keyx;"),
                (0, "ssl_state:unknown;"),
            ],
        ),
        case(
            "tls.version",
            Talk::to(443)
                .client(client_hello(TLS_1_0, "old.example", &[]))
                .server(server_hello(TLS_1_0, &[]))
                .end(),
            &[
                (1, "tls", "flow:to_client; tls.version:1.0;"),
                (0, "tls", "flow:to_client; tls.version:1.2;"),
            ],
        ),
        tls(
            "ja3.hash ja3_hash ja3.string ja3_string",
            &[
                (1, "ja3.string; content:\"771,49199-53,0-16,,\"; bsize:19;"),
                (1, "ja3_string; content:\"49199\";"),
                (1, "ja3.hash; content:\"3f56ae1529e9a9c4f8600def03809b13\"; bsize:32;"),
                (1, "ja3_hash; content:\"3f56ae1529e9a9c4f8600def03809b13\";"),
                (0, "ja3.string; content:\"770\";"),
                (0, "ja3_string; content:\"www\";"),
                (0, "ja3.hash; content:\"00000000000000000000000000000000\";"),
                (0, "ja3_hash; content:\"00000000000000000000000000000000\";"),
            ],
        ),
        tls(
            "ja3s.hash ja3s.string",
            &[
                (1, "ja3s.string; content:\"771,49199,16\"; bsize:12;"),
                (1, "ja3s.hash; content:\"896415616b22361262d7a961b6325cfd\"; bsize:32;"),
                (0, "ja3s.string; content:\"53\";"),
                (0, "ja3s.hash; content:\"00000000000000000000000000000000\";"),
            ],
        ),
        tls(
            "ja4.hash",
            &[
                (1, "ja4.hash; content:\"t12d0202h2_\"; startswith;"),
                (0, "ja4.hash; content:\"t13\"; startswith;"),
            ],
        ),
    ]
}

fn of_certificates() -> Vec<Case> {
    vec![
        tls(
            "tls.cert_subject tls_cert_subject tls.subject",
            &[
                (1, "tls.cert_subject; content:\"CN=shop.example\"; bsize:15;"),
                (1, "tls_cert_subject; content:\"shop\";"),
                (1, "tls.subject:\"CN=shop.example\";"),
                (0, "tls.cert_subject; content:\"Test CA\";"),
                (0, "tls_cert_subject; content:\"alt\";"),
                (0, "tls.subject:\"Test CA\";"),
            ],
        ),
        tls(
            "tls.cert_issuer tls_cert_issuer tls.issuerdn",
            &[
                (1, "tls.cert_issuer; content:\"CN=Test CA\"; bsize:10;"),
                (1, "tls_cert_issuer; content:\"CA\"; endswith;"),
                (1, "tls.issuerdn:\"CN=Test CA\";"),
                (0, "tls.cert_issuer; content:\"Root\";"),
                (0, "tls_cert_issuer; content:\"shop\";"),
                (0, "tls.issuerdn:\"Root\";"),
            ],
        ),
        tls(
            "tls.cert_serial tls_cert_serial",
            &[
                (1, "tls.cert_serial; content:\"0A:BC:DE\"; bsize:8;"),
                (1, "tls_cert_serial; content:\"0A:BC\"; startswith;"),
                // Contents are written as the buffer is.
                (1, "tls.cert_serial; content:\"0a:bc:de\";"),
                (0, "tls.cert_serial; content:\"0a:bc:df\";"),
                (0, "tls_cert_serial; content:\"DE:BC\";"),
            ],
        ),
        tls(
            "tls.cert_fingerprint tls_cert_fingerprint tls.fingerprint",
            &[
                (
                    1,
                    "tls.cert_fingerprint; content:\"9a:19:17:e4:1f:c9:53:28:25:ee:59:ad:39:ac:5c:b9:41:fd:9b:8f\"; bsize:59;",
                ),
                (
                    1,
                    "tls_cert_fingerprint; content:\"9a:19:17:e4:1f:c9:53:28:25:ee:59:ad:39:ac:5c:b9:41:fd:9b:8f\";",
                ),
                (
                    1,
                    "tls.fingerprint:\"9a:19:17:e4:1f:c9:53:28:25:ee:59:ad:39:ac:5c:b9:41:fd:9b:8f\";",
                ),
                (
                    0,
                    "tls.cert_fingerprint; content:\"00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00\";",
                ),
                (
                    0,
                    "tls_cert_fingerprint; content:\"00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00\";",
                ),
                (
                    0,
                    "tls.fingerprint:\"00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00\";",
                ),
            ],
        ),
        tls(
            "tls.certs tls.cert_chain_len",
            &[
                (1, "tls.certs; content:\"|30 81|\"; startswith; content:\"Root\";"),
                (1, "tls.cert_chain_len:2;"),
                (1, "tls.cert_chain_len:>1;"),
                (0, "tls.certs; content:\"shop\"; content:\"Root\";"),
                (0, "tls.cert_chain_len:<2;"),
            ],
        ),
        tls(
            "tls.subjectaltname",
            &[
                (1, "tls.subjectaltname; content:\"alt.example\"; bsize:11;"),
                (0, "tls.subjectaltname; content:\"shop\";"),
            ],
        ),
        tls(
            "tls_cert_notbefore tls_cert_notafter",
            &[
                (1, "tls_cert_notbefore:<2023-06;"),
                (1, "tls_cert_notbefore:2022-12-31<>2023-01-02;"),
                (1, "tls_cert_notafter:>2024-12;"),
                (0, "tls_cert_notbefore:>2023-06;"),
                (0, "tls_cert_notafter:<2024;"),
                (0, "tls_cert_notafter:2023<>2024;"),
            ],
        ),
        tls("tls_cert_valid tls_cert_expired", &[(1, "tls_cert_valid;"), (0, "tls_cert_expired;")]),
        case(
            "tls_cert_expired tls_cert_valid",
            Talk::to(443)
                .client(client_hello(TLS_1_2, "a.example", &[]))
                .server(
                    [
                        server_hello(TLS_1_2, &[]),
                        certificates(
                            TLS_1_2,
                            &[certificate("a", "b", ("200101000000Z", "220101000000Z"), &[])],
                        ),
                    ]
                    .concat(),
                )
                .end(),
            &[(1, "tls", "tls_cert_expired;"), (0, "tls", "tls_cert_valid;")],
        ),
    ]
}

fn ssh_record(number: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u32 + 6;
    [&len.to_be_bytes()[..], &[4, number], body, &[0; 4]].concat()
}

/// A proposal whose lists are named by who sends it and their places.
fn proposal(of: &str) -> Vec<u8> {
    let lists = (0..10).flat_map(|index| {
        let name = format!("{of}{index}");
        [&(name.len() as u32).to_be_bytes()[..], name.as_bytes()].concat()
    });
    let body: Vec<u8> = [9; 16].into_iter().chain(lists).chain([0; 5]).collect();
    ssh_record(20, &body)
}

fn ssh(about: &'static str, lines: &[(usize, &'static str)]) -> Case {
    let lines: Vec<_> = lines.iter().map(|&(times, options)| (times, "ssh", options)).collect();
    let capture = Talk::to(22)
        .server("SSH-1.99-OpenSSH_7.4 x\r\n")
        .client("SSH-2.0-libssh2_1.4.2\r\n")
        .client(proposal("c"))
        .server(proposal("s"))
        .client(ssh_record(21, b""))
        .server(ssh_record(21, b""))
        .end();
    case(about, capture, &lines)
}

fn of_ssh() -> Vec<Case> {
    vec![
        ssh(
            "ssh.proto ssh_proto",
            &[
                (1, "ssh.proto; content:\"2.0\"; bsize:3;"),
                (1, "flow:to_client; ssh_proto; content:\"1.99\"; bsize:4;"),
                (0, "flow:to_server; ssh.proto; content:\"1.99\";"),
                (0, "ssh_proto; content:\"SSH\";"),
            ],
        ),
        // Of the stream, banners are looked at for themselves, and then what follows.
        ssh(
            "content distance",
            &[
                (1, "flow:to_server; content:\"libssh2\";"),
                (1, "flow:to_server; content:\"c1\"; content:\"c9\"; distance:0;"),
                (0, "flow:to_server; content:\"libssh2\"; content:\"c1\"; distance:0;"),
            ],
        ),
        ssh(
            "ssh.software ssh_software",
            &[
                (1, "ssh.software; content:\"libssh2_1.4.2\"; bsize:13;"),
                (1, "flow:to_client; ssh_software; content:\"OpenSSH_7.4\"; bsize:11;"),
                (0, "flow:to_server; ssh.software; content:\"OpenSSH\";"),
                (0, "ssh_software; content:\"2.0\";"),
            ],
        ),
        ssh(
            "ssh.hassh ssh.hassh.string",
            &[
                (1, "ssh.hassh.string; content:\"c0|3b|c2|3b|c4|3b|c6\"; bsize:11;"),
                (1, "ssh.hassh; content:\"27c45f29552ef193cf8edb0875989cd4\"; bsize:32;"),
                (0, "ssh.hassh.string; content:\"c1\";"),
                (0, "ssh.hassh; content:\"00000000000000000000000000000000\";"),
            ],
        ),
        ssh(
            "ssh.hassh.server ssh.hassh.server.string",
            &[
                (1, "ssh.hassh.server.string; content:\"s0|3b|s3|3b|s5|3b|s7\"; bsize:11;"),
                (1, "ssh.hassh.server; content:\"6dc04bcac028ebd0bd4a5227b1f145d2\"; bsize:32;"),
                (0, "ssh.hassh.server.string; content:\"s2\";"),
                (0, "ssh.hassh.server; content:\"00000000000000000000000000000000\";"),
            ],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [hellos(), of_certificates(), of_ssh()].concat()
}

#[test]
fn parts_of_tls_and_ssh() {
    check("tls", &cases());
}
