//! Which checksums are looked at, and what is said of them.

use umbra_wire::build::{Ipv4, Udp};
use umbra_wire::number::protocol;

use super::*;

const GOOD: ChecksumState = ChecksumState::Good;
const BAD: ChecksumState = ChecksumState::Bad;
const UNCHECKED: ChecksumState = ChecksumState::Unchecked;
const ABSENT: ChecksumState = ChecksumState::Absent;

fn transports() -> Vec<(&'static str, Frame)> {
    let lite = Udp { src: 5, dst: 6, lite: true, no_checksum: false };
    vec![
        ("tcp.checksum_invalid", ip4().tcp(5, 6)),
        ("tcp.checksum_invalid", ip6().tcp(5, 6)),
        ("udp.checksum_invalid", ip4().udp(5, 6)),
        ("udp.checksum_invalid", ip6().udp(5, 6)),
        ("udp.checksum_invalid", ip4().layer(lite)),
        ("sctp.checksum_invalid", ip4().sctp(5, 6)),
        ("sctp.checksum_invalid", ip6().sctp(5, 6)),
        ("icmpv4.checksum_invalid", ip4().icmp(8, 0, 1)),
        ("icmpv6.checksum_invalid", ip6().icmp(128, 0, 1)),
    ]
}

#[test]
fn a_flipped_bit_of_the_payload_is_found_by_every_transport() {
    for (event, frame) in transports() {
        for payload in [&b"even"[..], b"odd"] {
            let mut frame = frame.clone().payload(payload).bytes();
            assert_eq!(decode(&frame).checksums.l4, GOOD, "{event}");
            *frame.last_mut().unwrap() ^= 0x10;
            let decoded = decode(&frame);
            assert_eq!((decoded.checksums.l4, events(&decoded)), (BAD, vec![event]));
            assert!(!decoded.is_invalid() && decoded.checksums.any_bad());
        }
    }
}

#[test]
fn a_wrong_address_is_found_by_the_ip_header_and_the_pseudo_header() {
    let mut frame = ip4().tcp(5, 6).bytes();
    frame[14 + 12] ^= 1;
    let decoded = decode(&frame);
    assert_eq!(decoded.checksums, Checksums { ip: BAD, l4: BAD });
    assert_eq!(events(&decoded), ["ipv4.checksum_invalid", "tcp.checksum_invalid"]);
}

#[test]
fn udp_without_a_checksum_is_fine_over_ipv4_only() {
    let none = || Udp { src: 5, dst: 6, lite: false, no_checksum: true };
    assert_eq!(decode(&ip4().layer(none()).bytes()).checksums.l4, ABSENT);
    assert_eq!(decode(&ip6().layer(none()).bytes()).checksums.l4, BAD);
}

#[test]
fn the_policy_none_looks_at_nothing() {
    let mut frame = ip4().tcp(5, 6).payload(b"x").bytes();
    frame[14 + 8] ^= 1;
    frame[14 + 40] ^= 1;
    let options = DecodeOptions { checksums: ChecksumPolicy::None, ..DecodeOptions::default() };
    let mut decoder = Decoder::new(options);
    let len = frame.len() as u32;
    let decoded = decoder.decode(&frame, len, LinkType::Ethernet);
    assert_eq!(decoded.checksums, Checksums::default());
    assert!(decoded.faults.is_empty());
    decoder.set_checksums(ChecksumPolicy::All);
    let decoded = decoder.decode(&frame, len, LinkType::Ethernet);
    assert_eq!(decoded.checksums, Checksums { ip: BAD, l4: BAD });
}

#[test]
fn what_the_capture_cut_off_is_not_checked() {
    for (event, frame) in transports() {
        let frame = frame.payload(&[7; 100]).bytes();
        let cut = &frame[..frame.len() - 1];
        let len = frame.len() as u32;
        let decoded = Decoder::default().decode(cut, len, LinkType::Ethernet);
        assert_eq!(decoded.checksums.l4, UNCHECKED, "{event}");
        assert!(decoded.faults.is_empty() && decoded.is_truncated(), "{event}");
    }
}

#[test]
fn the_nics_good_word_is_taken_and_its_bad_word_looked_at_again() {
    let right = ip4().tcp(5, 6).payload(b"x").bytes();
    let mut wrong = right.clone();
    *wrong.last_mut().unwrap() ^= 1;
    for (word, frame, expected) in [
        (GOOD, &wrong, GOOD),
        (ABSENT, &wrong, ABSENT),
        (BAD, &right, GOOD),
        (BAD, &wrong, BAD),
        (UNCHECKED, &right, GOOD),
    ] {
        let nic = NicChecksums { ip: UNCHECKED, l4: word };
        let len = frame.len() as u32;
        let decoded = Decoder::default().decode_checked(frame, len, LinkType::Ethernet, nic);
        assert_eq!(decoded.checksums.l4, expected, "the NIC says {word:?}");
        assert_eq!(decoded.checksums.ip, GOOD);
    }
}

#[test]
fn the_nic_speaks_for_the_outside_of_a_tunnel_only() {
    let mut frame = ip4().gre().ipv4(SRC, DST).tcp(5, 6).payload(b"x").bytes();
    *frame.last_mut().unwrap() ^= 1;
    let nic = NicChecksums { ip: GOOD, l4: GOOD };
    let len = frame.len() as u32;
    let decoded = Decoder::default().decode_checked(&frame, len, LinkType::Ethernet, nic);
    assert_eq!(decoded.checksums.l4, BAD);
}

#[test]
fn behind_a_routing_header_the_last_address_counts() {
    let last = [0x20; 16];
    // Built towards the last address, so that the checksum is over that.
    let body = [&[0, 1, 0, 0, 0, 0][..], &last].concat();
    let frame = eth().ipv6(V, last).extension(protocol::ROUTING, &body).udp(5, 6);
    let mut frame = frame.payload(b"x").bytes();
    frame[14 + 24..14 + 40].copy_from_slice(&W);
    assert_eq!(decode(&frame).checksums.l4, GOOD);
    // An unknown type with segments left cannot be judged.
    frame[14 + 40 + 2] = 9;
    assert_eq!(decode(&frame).checksums.l4, UNCHECKED);
}

#[test]
fn a_fragment_has_a_header_checksum_and_no_other() {
    let ip = Ipv4 { more_fragments: true, ..Ipv4::new(SRC, DST) };
    let frame = eth().layer(ip).udp(5, 6).payload(&[1; 16]).bytes();
    assert_eq!(decode(&frame).checksums, Checksums { ip: GOOD, l4: UNCHECKED });
}
