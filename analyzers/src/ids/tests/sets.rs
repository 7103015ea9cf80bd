//! Sets of values, and sizes of buffers.

use super::case::{Case, case, check};
use super::lab::dns::{A, query};
use super::lab::packets::Ip4;
use super::lab::talk::{Datagrams, frame};

/// `echo -n evil.example | base64`, and `echo -n bad.example | base64`.
const NAMES: &str = "ZXZpbC5leGFtcGxl\nYmFkLmV4YW1wbGU=\n";

pub(super) fn cases() -> Vec<Case> {
    let asked = || {
        let (bad, good) = (query("evil.example", A), query("good.example", A));
        Datagrams::to(53).client(bad).client(good).end()
    };
    vec![
        case(
            "dataset",
            asked(),
            &[
                (1, "dns", "dns.query; dataset:isset,names,type string,load names.lst;"),
                (1, "dns", "dns.query; dataset:isnotset,names;"),
                (
                    1,
                    "dns",
                    "dns.query; to_sha256; dataset:isset,hashes,type sha256,load hashes.lst;",
                ),
                (1, "dns", "dns.query; to_md5; dataset:isset,sums,type md5,load sums.lst;"),
                (0, "dns", "dns.query; content:\"good\"; dataset:isset,names;"),
                (0, "dns", "dns.query; content:\"evil\"; dataset:isnotset,names;"),
                (0, "dns", "dns.query; dotprefix; dataset:isset,names;"),
            ],
        )
        .with("names.lst", NAMES)
        .with("hashes.lst", "9c180de0cd699ee78897c47cfdb3e7ee1d75906e31b7746a4747dea536909837\n")
        .with("sums.lst", "96119eb3210daa472225fbad69fa9770\n"),
        // What was set is there from then on.
        case(
            "dataset",
            {
                let (one, two) = (query("first.example", A), query("second.example", A));
                Datagrams::to(53).client(&one).client(&two).client(&one).end()
            },
            &[
                (2, "dns", "dns.query; dataset:set,seen,type string;"),
                (0, "dns", "dns.query; content:\"second\"; dataset:unset,seen; content:\"third\";"),
            ],
        ),
        case(
            "dataset",
            frame(Ip4::default().udp((1, 9), b"x")),
            &[
                (1, "udp", "ip.src; dataset:isset,hosts,type ip,load hosts.lst;"),
                (1, "udp", "ip.src; dataset:isset,hosts4,type ipv4,load hosts.lst;"),
                (0, "udp", "ip.dst; dataset:isset,hosts;"),
            ],
        )
        .with("hosts.lst", "10.0.0.1\n10.0.0.7\n"),
        case(
            "datarep",
            asked(),
            &[
                (1, "dns", "dns.query; datarep:reps,>,50,type string,load reps.lst;"),
                (1, "dns", "dns.query; datarep:reps,<,50;"),
                (1, "dns", "dns.query; datarep:reps,==,99;"),
                (0, "dns", "dns.query; datarep:reps,>,99;"),
                (0, "dns", "dns.query; datarep:reps,<,10;"),
            ],
        )
        .with("reps.lst", "ZXZpbC5leGFtcGxl,99\nZ29vZC5leGFtcGxl,10\n"),
        case(
            "bsize",
            asked(),
            &[
                (2, "dns", "dns.query; bsize:12;"),
                (2, "dns", "dns.query; bsize:>11;"),
                (1, "dns", "dns.query; content:\"evil\"; bsize:10<>14;"),
                (0, "dns", "dns.query; bsize:11;"),
                (0, "dns", "dns.query; bsize:<12;"),
                (0, "dns", "dns.query; bsize:12<>20;"),
            ],
        ),
    ]
}

#[test]
fn sets_and_sizes() {
    check("sets", &cases());
}
