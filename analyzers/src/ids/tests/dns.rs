//! Buffers and numbers of DNS.

use super::case::{Case, case, check};
use super::lab::dns::{A, CNAME, NS, TXT, message, name, query};
use super::lab::talk::{Datagrams, Talk};
use crate::testing::TestRecord;

/// One name leads to another, which has an address; somebody is responsible, and where that is stands behind.
fn answer(flags: u16) -> Vec<u8> {
    let (alias, server) = (name("cdn.Alias.net"), name("ns.boss.org"));
    let answers =
        [("www.Example.com", CNAME, alias.as_slice()), ("cdn.Alias.net", A, &[192, 0, 2, 80][..])];
    let authorities = [("zone.net", NS, server.as_slice())];
    let additionals = [("extra.boss.org", A, &[192, 0, 2, 53][..])];
    message(flags, &[("www.Example.com", A)], [&answers, &authorities, &additionals])
}

fn exchange() -> Vec<TestRecord> {
    Datagrams::to(53).client(query("www.Example.com", A)).server(answer(0x8180)).end()
}

fn dns(about: &'static str, lines: &[(usize, &'static str)]) -> Case {
    let lines: Vec<_> = lines.iter().map(|&(times, options)| (times, "dns", options)).collect();
    case(about, exchange(), &lines)
}

fn names() -> Vec<Case> {
    vec![
        dns(
            "dns.query dns_query",
            &[
                (1, "dns.query; content:\"www.Example.com\"; bsize:15;"),
                (1, "dns.query; content:\"example\"; nocase;"),
                (1, "dns_query; content:\".com\"; endswith;"),
                (0, "dns.query; content:\"www.example.com\";"),
                (0, "dns_query; content:\"Alias\";"),
                (0, "dns.query; content:\"|03|www\";"),
            ],
        ),
        dns(
            "dns.queries.rrname dns.query.name",
            &[
                (2, "dns.queries.rrname; content:\"www.Example.com\"; bsize:15;"),
                (1, "flow:to_client; dns.queries.rrname; content:\"www\"; startswith;"),
                (2, "dns.query.name; content:\"www.Example.com\"; bsize:15;"),
                (0, "dns.queries.rrname; content:\"Alias\";"),
                (0, "dns.query.name; content:\"Alias\";"),
            ],
        ),
        dns(
            "dns.answers.rrname dns.answer.name",
            &[
                (1, "dns.answers.rrname; content:\"www.Example.com\"; bsize:15;"),
                (1, "dns.answer.name; content:\"cdn.Alias.net\"; bsize:13;"),
                (0, "dns.answers.rrname; content:\"boss\";"),
                (0, "dns.answer.name; content:\"zone\";"),
                (0, "dns.answers.rrname; content:\"www\"; content:\"cdn\";"),
            ],
        ),
        dns(
            "dns.authorities.rrname dns.additionals.rrname",
            &[
                (1, "dns.authorities.rrname; content:\"zone.net\"; bsize:8;"),
                (1, "dns.additionals.rrname; content:\"extra.boss.org\"; bsize:14;"),
                (0, "dns.authorities.rrname; content:\"boss\";"),
                (0, "dns.additionals.rrname; content:\"zone\";"),
            ],
        ),
        dns(
            "dns.response.rrname",
            &[
                (1, "dns.response.rrname; content:\"ns.boss.org\"; bsize:11;"),
                (1, "dns.response.rrname; content:\"zone.net\";"),
                (1, "dns.response.rrname; content:\"www.Example.com\";"),
                (0, "dns.response.rrname; content:\"example\";"),
            ],
        ),
    ]
}

fn numbers() -> Vec<Case> {
    let notify = message(0x2000, &[("zone.net", 6)], [&[], &[], &[]]);
    let refused = message(0x8183, &[("www.none.net", TXT)], [&[], &[], &[]]);
    vec![
        case(
            "dns.opcode",
            Datagrams::to(53).client(notify).end(),
            &[
                (1, "dns", "dns.opcode:4;"),
                (1, "dns", "dns.opcode:!0;"),
                (1, "dns", "dns.opcode:3-5;"),
                (0, "dns", "dns.opcode:0;"),
                (0, "dns", "dns.opcode:>4;"),
            ],
        ),
        case(
            "dns.rcode",
            Datagrams::to(53).client(query("www.none.net", TXT)).server(refused).end(),
            &[
                (1, "dns", "dns.rcode:3;"),
                (1, "dns", "dns.rcode:NXDOMAIN;"),
                (1, "dns", "flow:to_client; dns.rcode:>2;"),
                (0, "dns", "dns.rcode:2;"),
                (0, "dns", "dns.rcode:REFUSED;"),
            ],
        ),
        dns(
            "dns.rrtype",
            &[
                (1, "flow:to_server; dns.rrtype:1;"),
                (1, "flow:to_client; dns.rrtype:CNAME;"),
                (0, "flow:to_server; dns.rrtype:5;"),
                (0, "dns.rrtype:TXT;"),
            ],
        ),
    ]
}

fn over_tcp() -> Vec<Case> {
    let framed = |bytes: Vec<u8>| [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
    let (ask, say) = (framed(query("www.Example.com", A)), framed(answer(0x8180)));
    vec![case(
        "",
        Talk::to(53).client([&ask[..], &ask[..9]].concat()).server(say).client(&ask[9..]).end(),
        &[
            (2, "dns", "dns.query; content:\"www.Example.com\";"),
            (1, "dns", "dns.answer.name; content:\"cdn.Alias.net\";"),
            (0, "dns", "dns.query; content:\"cdn\";"),
        ],
    )]
}

pub(super) fn cases() -> Vec<Case> {
    [names(), numbers(), over_tcp()].concat()
}

#[test]
fn parts_of_dns() {
    check("dns", &cases());
}
