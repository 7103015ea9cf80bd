//! Whole beginnings of connections, however cut.

use proptest::prelude::*;
use serde_json::json;

use super::super::{Buffer, COMPLETE, Heading, Parser, Transaction};
use super::{BANNER, PROPOSAL, Ssh, SshConfig};
use crate::events::Timestamp;

const NOW: Timestamp = Timestamp(0);
use Heading::{ToClient, ToServer};

const CLIENT: &[u8] = b"SSH-2.0-OpenSSH_9.0 of somebody\r\n";
const SERVER: &[u8] = b"SSH-1.99-dropbear_2019.78\n";
const NEWKEYS: u8 = 21;

fn record(number: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u32 + 6;
    [&len.to_be_bytes()[..], &[4, number], body, &[0; 4]].concat()
}

/// A proposal whose lists are named by who sends it and their places.
fn proposal(of: &str) -> Vec<u8> {
    let mut body = vec![9; 16];
    for index in 0..10 {
        let name = format!("{of}{index},x");
        body.extend((name.len() as u32).to_be_bytes());
        body.extend(name.bytes());
    }
    body.extend([0; 5]);
    record(20, &body)
}

fn parse(pieces: &[(Heading, &[u8])], cut: usize) -> Ssh {
    let mut ssh = Ssh::new(SshConfig { hassh: true });
    for (heading, bytes) in pieces {
        for part in bytes.chunks(cut) {
            if ssh.data(*heading, part, NOW).is_err() {
                return ssh;
            }
        }
    }
    ssh
}

fn assert_same(a: &Ssh, b: &Ssh) {
    assert_eq!((a.first(), a.next()), (b.first(), b.next()));
    assert_eq!(a.is_encrypted(), b.is_encrypted());
    let (Some(a), Some(b)) = (a.transaction(0), b.transaction(0)) else { return };
    assert_eq!(a.record(), b.record());
    assert_eq!(a.events(), b.events());
    for heading in Heading::ALL {
        assert_eq!(a.progress(heading), b.progress(heading));
    }
}

/// Checked to be the same however cut.
fn said(pieces: &[(Heading, &[u8])]) -> Ssh {
    let whole = parse(pieces, usize::MAX);
    for cut in [1, 2, 3, 7, 100] {
        assert_same(&whole, &parse(pieces, cut));
    }
    whole
}

fn text(ssh: &Ssh, buffer: Buffer, heading: Heading) -> Option<String> {
    let view = ssh.transaction(0)?.buffer(buffer, heading, 0)?;
    Some(String::from_utf8_lossy(view.bytes).into_owned())
}

#[test]
fn banners_proposals_and_the_end_of_what_can_be_read() {
    let client = [CLIENT, &proposal("c"), &record(30, b"e"), &record(NEWKEYS, b"")].concat();
    let server = [SERVER, &proposal("s"), &record(31, b"f"), &record(NEWKEYS, b"")].concat();
    let ssh = said(&[(ToServer, &client), (ToClient, &server)]);
    assert!(ssh.is_encrypted());
    assert_eq!(text(&ssh, Buffer::SshProto, ToServer).as_deref(), Some("2.0"));
    assert_eq!(text(&ssh, Buffer::SshSoftware, ToServer).as_deref(), Some("OpenSSH_9.0"));
    assert_eq!(text(&ssh, Buffer::SshProto, ToClient).as_deref(), Some("1.99"));
    let strings = ["c0,x;c2,x;c4,x;c6,x", "s0,x;s3,x;s5,x;s7,x"];
    assert_eq!(text(&ssh, Buffer::SshHasshString, ToServer).as_deref(), Some(strings[0]));
    assert_eq!(text(&ssh, Buffer::SshHasshServerString, ToClient).as_deref(), Some(strings[1]));
    assert_eq!(text(&ssh, Buffer::SshHassh, ToClient), None);
    let transaction = ssh.transaction(0).unwrap();
    assert!(transaction.events().is_empty());
    assert_eq!(transaction.progress(ToClient), COMPLETE);
    // printf %s 'c0,x;c2,x;c4,x;c6,x' | md5sum
    let hashes = ["39db10202b3ee7864930dd7720b47caf", "6a6fc52621b947a31a50fe61aef3fdd1"];
    let expected = json!({
        "client": {
            "proto_version": "2.0", "software_version": "OpenSSH_9.0",
            "hassh": { "hash": hashes[0], "string": strings[0] },
        },
        "server": {
            "proto_version": "1.99", "software_version": "dropbear_2019.78",
            "hassh": { "hash": hashes[1], "string": strings[1] },
        },
    });
    assert_eq!(serde_json::Value::Object(transaction.record()), expected);
}

#[test]
fn stages_rise_with_what_was_said() {
    let mut ssh = Ssh::new(SshConfig { hassh: true });
    let mut progress = Vec::new();
    for piece in [&CLIENT[..5], &CLIENT[5..], &proposal("c"), &record(NEWKEYS, b"")] {
        ssh.data(ToServer, piece, NOW).unwrap();
        progress.push(ssh.transaction(0).unwrap().progress(ToServer));
    }
    assert_eq!(progress, [0, BANNER, PROPOSAL, COMPLETE]);
    assert!(!ssh.is_encrypted());
}

#[test]
fn without_fingerprints_no_proposal_is_kept() {
    let mut ssh = Ssh::new(SshConfig::default());
    ssh.data(ToServer, CLIENT, NOW).unwrap();
    let mut huge = record(20, &[0; 100]);
    huge[..4].copy_from_slice(&1_000_000u32.to_be_bytes());
    ssh.data(ToServer, &huge, NOW).unwrap();
    assert!(ssh.memory_bytes() < 1000);
    assert!(ssh.transaction(0).unwrap().events().is_empty());
    assert_eq!(text(&ssh, Buffer::SshHassh, ToServer), None);
}

#[test]
fn a_proposal_that_is_too_long_is_an_event_and_skipped() {
    let mut huge = record(20, &[0; 70_000]);
    huge.extend(record(NEWKEYS, b""));
    let ssh = said(&[(ToServer, CLIENT), (ToServer, &huge)]);
    let transaction = ssh.transaction(0).unwrap();
    assert_eq!(transaction.events(), ["ssh.long_kex_record"]);
    assert_eq!(transaction.progress(ToServer), COMPLETE);
}

#[test]
fn what_has_no_contents_is_no_record() {
    let bad = [CLIENT, &[0, 0, 0, 1]].concat();
    let ssh = said(&[(ToServer, &bad)]);
    assert_eq!(ssh.transaction(0).unwrap().events(), ["ssh.invalid_record"]);
}

#[test]
fn a_banner_that_is_too_long_is_cut() {
    let long = [b"SSH-2.0-", [b'a'; 300].as_slice(), b"\r\n", &proposal("c")].concat();
    let ssh = said(&[(ToServer, &long)]);
    let transaction = ssh.transaction(0).unwrap();
    assert_eq!(transaction.events(), ["ssh.long_banner"]);
    assert_eq!(text(&ssh, Buffer::SshSoftware, ToServer).unwrap().len(), 300);
    assert_eq!(transaction.progress(ToServer), PROPOSAL);
    let shown = format!("{}[truncated 44 additional bytes]", "a".repeat(256));
    assert_eq!(transaction.record()["client"]["software_version"], shown);
    let endless = [b"SSH-2.0-", [b'a'; 9000].as_slice()].concat();
    let ssh = said(&[(ToServer, &endless)]);
    assert_eq!(text(&ssh, Buffer::SshSoftware, ToServer).unwrap().len(), 2040);
    let mut ssh = said(&[(ToServer, &endless[..300])]);
    assert_eq!(ssh.transaction(0).unwrap().events(), ["ssh.long_banner"]);
    ssh.end(ToServer, NOW);
    assert_eq!(text(&ssh, Buffer::SshSoftware, ToServer).unwrap().len(), 292);
}

#[test]
fn banners_by_their_parts_and_ends() {
    for (banner, software) in [
        (&b"SSH-2.0-a\r"[..], Some("a")),
        (b"SSH-2.0-a\n", Some("a")),
        (b"SSH-2.0-a\tb c\r\n", Some("a\tb")),
        (b"SSH-2.0- a b\r\n", Some(" a b")),
        (b"SSH-2.0-\r\n", None),
    ] {
        let ssh = said(&[(ToServer, &[banner, &proposal("c")].concat())]);
        assert_eq!(text(&ssh, Buffer::SshSoftware, ToServer).as_deref(), software);
        assert_eq!(ssh.transaction(0).unwrap().progress(ToServer), PROPOSAL);
    }
    for banner in [&b"SSH-2.0\r\n"[..], b"SSH--x\n", b"hello\n", &[b'x'; 300]] {
        let ssh = said(&[(ToServer, banner)]);
        let transaction = ssh.transaction(0).unwrap();
        assert_eq!(transaction.events(), ["ssh.invalid_banner"]);
        assert!(!transaction.is_logged());
    }
}

#[test]
fn holes_are_harmless_where_nothing_is_read() {
    let mut ssh = Ssh::new(SshConfig { hassh: true });
    let data = record(94, &[0; 50]);
    ssh.data(ToServer, &[CLIENT, &data[..20]].concat(), NOW).unwrap();
    ssh.gap(ToServer, data.len() as u64 - 20, NOW).unwrap();
    ssh.data(ToServer, &record(NEWKEYS, b""), NOW).unwrap();
    assert_eq!(ssh.transaction(0).unwrap().progress(ToServer), COMPLETE);
    ssh.gap(ToServer, 1 << 40, NOW).unwrap();
    ssh.gap(ToClient, 1, NOW).unwrap_err();
}

#[test]
fn one_transaction_that_can_be_released() {
    let mut ssh = said(&[(ToServer, CLIENT)]);
    assert_eq!((ssh.first(), ssh.next()), (0, 1));
    ssh.release(1);
    assert_eq!((ssh.first(), ssh.next()), (1, 1));
    assert!(ssh.transaction(0).is_none());
    ssh.data(ToClient, SERVER, NOW).unwrap();
    assert_eq!(ssh.next(), 1);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in prop::collection::vec(1usize..40, 1..30), of in "[a-z]{0,8}") {
        let whole = [CLIENT, &proposal(&of), &record(31, b"abc"), &record(NEWKEYS, b"")].concat();
        let mut ssh = Ssh::new(SshConfig { hassh: true });
        let (mut rest, mut cuts) = (whole.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (part, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            ssh.data(ToServer, part, NOW).unwrap();
            rest = behind;
        }
        assert_same(&parse(&[(ToServer, &whole)], usize::MAX), &ssh);
    }

    #[test]
    fn any_bytes_are_taken_in_bounded_memory(
        banner: bool,
        pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..400)), 0..20),
    ) {
        let mut ssh = Ssh::new(SshConfig { hassh: true });
        if banner {
            ssh.data(ToServer, CLIENT, NOW).unwrap();
        }
        for (to_server, piece) in &pieces {
            let heading = Heading::to_server_if(*to_server);
            // What follows an error is never given again.
            let _: Result<(), _> = ssh.data(heading, piece, NOW);
        }
        ssh.end(ToServer, NOW);
        ssh.end(ToClient, NOW);
        let transaction = ssh.transaction(0).map(Transaction::record);
        prop_assert!(transaction.is_none_or(|record| record.len() <= 2));
        prop_assert!(ssh.memory_bytes() < 300_000);
    }
}
