//! What must make no difference: how records come in batches, streams in segments, flows in instances.

use proptest::prelude::*;

use super::lab::packets::SERVER;
use super::lab::talk::{Datagrams, Talk, then};
use super::lab::{Lab, alerts, events, sids};
use crate::decode::LinkType;
use crate::events::{Event, EventContext, SignatureAlert};
use crate::pipeline::{Pipeline, PipelineConfig};
use crate::profile::Plan;
use crate::testing::{End, TestRecord, records};

const RULES: &str = "\
alert tcp any any -> any any (content:\"needle\"; sid:1;)
alert tcp any any -> any any (content:\"hay\"; content:\"needle\"; distance:0; within:40; sid:2;)
alert tcp any any -> any any (pcre:\"/n[e]{2}dle(s?) in/\"; sid:3;)
alert tcp any any -> any any (content:\"needles\"; sid:4;)
alert http any any -> any any (http.uri; content:\"needle\"; sid:5;)
alert http any any -> any any (http.request_body; content:\"needle\"; isdataat:4,relative; sid:6;)
alert http any any -> any any (http.response_body; content:\"needle in a haystack\"; sid:7;)
alert http any any -> any any (http.header; content:\"X-Hay|3a 20|needle|0d 0a|\"; sid:8;)
alert http any any -> any any (file.data; content:\"needle\"; flow:to_client; sid:9;)
alert http any any -> any any (http.stat_code; content:\"404\"; sid:10;)
";

const REQUEST: &str = "POST /hay/needle?in=it HTTP/1.1\r\nHost: a\r\nX-Hay: needle\r\n\
    Content-Length: 20\r\n\r\nneedle in a haystack";
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\nhay, and needle in a haystack";

fn sorted(alerts: &[SignatureAlert]) -> Vec<u32> {
    let mut sids = sids(alerts);
    sids.sort_unstable();
    sids.dedup();
    sids
}

#[test]
fn needles_are_found_across_any_border() {
    let lab = Lab::new(RULES);
    let plan = lab.plan();
    for size in 1..64 {
        let talk = Talk::to(80)
            .says_in(crate::app::Heading::ToServer, REQUEST.as_bytes(), size)
            .says_in(crate::app::Heading::ToClient, RESPONSE.as_bytes(), size);
        let found = events(&plan, PipelineConfig::offline(), &talk.end(), usize::MAX);
        assert_eq!(sorted(&alerts(&found)), [1, 2, 3, 5, 6, 7, 8, 9], "segments of {size}");
    }
}

/// What an alert says, but for what differs with the run.
fn said(alerts: &[SignatureAlert]) -> Vec<SignatureAlert> {
    let plain = alerts.iter().cloned().map(|mut alert| {
        alert.flow = alert.flow.map(|flow| crate::events::AlertFlow { flow_id: 0, ..flow });
        alert
    });
    plain.collect()
}

/// Conversations of several kinds, mixed.
fn mixed() -> Vec<TestRecord> {
    let clients = (0..6u16).map(|n| -> End { ([10, 0, 0, n as u8 + 1], 5000 + n) });
    let mut all = Vec::new();
    for (n, client) in clients.enumerate() {
        all.extend(match n % 3 {
            0 => Talk::between(client, (SERVER, 80)).client(REQUEST).server(RESPONSE).end(),
            1 => Talk::between(client, (SERVER, 99)).client("needle in").server("hay").open_end(),
            _ => Datagrams::between(client, (SERVER, 53)).client("needle").server("x").end(),
        });
    }
    all.sort_by_key(|record| record.meta.timestamp_ns);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn alerts_do_not_depend_on_the_batches(batch in 1usize..50) {
        let more = "alert ip any any -> any any (sid:11;)\n\
            alert tcp any any -> any any (content:\"needle\"; threshold:type limit,track by_dst,count 2,seconds 9; sid:12;)\n\
            alert tcp any any -> any any (content:\"hay\"; xbits:set,hay,track ip_src; sid:13;)\n\
            alert ip any any -> any any (xbits:isset,hay,track ip_src; dsize:>0; sid:14;)\n";
        let lab = Lab::new(&format!("{RULES}{more}"));
        let capture = mixed();
        let run = |batch| {
            said(&alerts(&events(&lab.plan(), PipelineConfig::offline(), &capture, batch)))
        };
        let whole = run(usize::MAX);
        prop_assert!(whole.len() > 30, "{}", whole.len());
        prop_assert_eq!(whole, run(batch));
    }
}

/// Captures that are looked at by an instance each, one record of each in turn, with one plan.
fn instances(plan: &Plan, captures: &[Vec<TestRecord>]) -> Vec<SignatureAlert> {
    let context = EventContext::whole("test", Some(0));
    let mut found: Vec<Event> = Vec::new();
    let mut pipelines: Vec<_> = captures
        .iter()
        .map(|_| Pipeline::new(PipelineConfig::offline(), std::slice::from_ref(plan)).unwrap())
        .collect();
    let mut order: Vec<_> = captures
        .iter()
        .enumerate()
        .flat_map(|(at, capture)| records(capture).map(move |record| (at, record)))
        .collect();
    order.sort_by_key(|(_, record)| record.meta.timestamp_ns);
    for (at, record) in order {
        pipelines[at].process([record], LinkType::Ethernet, &mut found, &context);
    }
    for pipeline in &mut pipelines {
        pipeline.finish(&mut found, &context);
    }
    alerts(&found)
}

/// What is said of hosts and of rules as a whole is known to all instances of a profile.
#[test]
fn instances_share_what_they_remember_of_hosts() {
    let rules = "\
alert udp any any -> any any (content:\"set\"; xbits:set,x,track ip_src,expire 60; sid:1;)
alert udp any any -> any any (content:\"ask\"; xbits:isset,x,track ip_src; sid:2;)
alert udp any any -> any any (content:\"set\"; hostbits:set,h; sid:3;)
alert udp any any -> any any (content:\"ask\"; hostbits:isset,h; sid:4;)
alert udp any any -> any any (content:\"s\"; threshold:type limit,track by_src,count 2,seconds 60; sid:5;)
alert udp any any -> any any (content:\"s\"; detection_filter:track by_dst,count 3,seconds 60; sid:6;)
alert udp any any -> any any (content:\"s\"; threshold:type both,track by_rule,count 4,seconds 60; sid:7;)
alert udp any any -> any any (content:\"set\"; flowbits:set,f; sid:8;)
alert udp any any -> any any (content:\"ask\"; flowbits:isset,f; sid:9;)
";
    let client = |port: u16| Datagrams::between(([10, 0, 0, 1], port), (SERVER, 9));
    let one = client(1).client("set").client("ask").end();
    let two = then(one.clone(), 1, client(2).client("ask").client("ask").end()).split_off(2);
    let lab = Lab::new(rules);
    let together = sids(&instances(&lab.plan(), &[[one.clone(), two.clone()].concat()]));
    let apart = sids(&instances(&lab.plan(), &[one, two]));
    assert_eq!(together, apart);
    let count = |sid| apart.iter().filter(|known| **known == sid).count();
    let counts: Vec<_> = (1..=9).map(count).collect();
    assert_eq!(counts, [1, 3, 1, 3, 2, 1, 1, 1, 1]);
}
