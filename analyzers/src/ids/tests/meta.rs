//! What a rule says of itself and of what it found, as alerts show it.

use std::net::{IpAddr, Ipv4Addr};

use super::super::{IdsFactory, IdsPlan};
use super::lab::Lab;
use super::lab::packets::{CLIENT, SERVER};
use super::lab::talk::Talk;
use crate::events::{Endpoint, SignatureAction, SignatureAlert};
use crate::profile::{ProfileConfig, ProfileFactory, ProfileKind};
use crate::testing::TestRecord;

const CLASSES: &str = "config classification: trojan-activity,A Network Trojan was detected,1\n\
    config classification: misc-activity,Misc activity,3\n";

fn capture() -> Vec<TestRecord> {
    Talk::to(9).client("evil").end()
}

/// The alert of a rule that has these options.
fn alert_of(header: &str, options: &str) -> SignatureAlert {
    let rules = format!("{header} any any -> any any (content:\"evil\"; {options})\n");
    let mut alerts = Lab::new(&rules).file("classification.config", CLASSES).alerts(&capture());
    assert_eq!(alerts.len(), 1, "{options}");
    alerts.remove(0)
}

/// How alerts differ with the keyword and without it.
type Shown =
    (&'static str, fn(&SignatureAlert) -> String, &'static str, &'static str, &'static str);

const SHOWN: &[Shown] = &[
    ("msg", |a| a.signature.msg.to_string(), "msg:\"one \\\"two\\\"\"; sid:1;", "one \"two\"", ""),
    ("sid", |a| a.signature.sid.to_string(), "sid:77;", "77", "1"),
    ("gid", |a| a.signature.gid.to_string(), "gid:3; sid:1;", "3", "1"),
    ("rev", |a| a.signature.rev.to_string(), "rev:9; sid:1;", "9", "0"),
    (
        "classtype",
        |a| format!("{} {}", a.signature.category, a.signature.severity),
        "classtype:trojan-activity; sid:1;",
        "A Network Trojan was detected 1",
        " 3",
    ),
    (
        "priority",
        |a| a.signature.severity.to_string(),
        "classtype:misc-activity; priority:2; sid:1;",
        "2",
        "3",
    ),
    (
        "reference",
        |a| a.signature.references.join(" "),
        "reference:cve,2024-1; reference:bugtraq,7; sid:1;",
        "http://cve.mitre.org/cgi-bin/cvename.cgi?name=2024-1 http://www.securityfocus.com/bid/7",
        "",
    ),
    (
        "metadata",
        |a| {
            let entries = a.signature.metadata.iter();
            entries.map(|entry| format!("{}={};", entry.key, entry.values.join("+"))).collect()
        },
        "metadata:created_at 2024_05_01, tag a; metadata:tag b; sid:1;",
        "created_at=2024_05_01;tag=b+a;",
        "",
    ),
    (
        "target",
        |a| format!("{:?}", a.attacker_and_target().map(|ends| ends.map(|end| end.port))),
        "target:dest_ip; sid:1;",
        "Some([40000, 9])",
        "None",
    ),
];

/// Keywords that show in alerts.
pub(super) fn shown() -> impl Iterator<Item = &'static str> {
    SHOWN.iter().map(|shown| shown.0)
}

#[test]
fn alerts_show_what_their_rules_say() {
    for (keyword, show, options, with, without) in SHOWN {
        assert_eq!(show(&alert_of("alert tcp", options)), *with, "with {keyword}");
        assert_eq!(show(&alert_of("alert tcp", "sid:1;")), *without, "without {keyword}");
    }
}

#[test]
fn the_target_is_an_end_of_the_packet() {
    let client = Endpoint { ip: IpAddr::V4(Ipv4Addr::from(CLIENT.0)), port: CLIENT.1 };
    let server = Endpoint { ip: IpAddr::V4(Ipv4Addr::from(SERVER)), port: 9 };
    let ends = |options| alert_of("alert tcp", options).attacker_and_target();
    assert_eq!(ends("target:src_ip; sid:1;"), Some([server, client]));
    assert_eq!(ends("target:dest_ip; sid:1;"), Some([client, server]));
}

#[test]
fn alerts_say_what_would_have_been_done() {
    for (word, action) in [
        ("alert", SignatureAction::Alert),
        ("drop", SignatureAction::Drop),
        ("reject", SignatureAction::Reject),
        ("rejectsrc", SignatureAction::RejectSrc),
        ("rejectdst", SignatureAction::RejectDst),
        ("rejectboth", SignatureAction::RejectBoth),
    ] {
        assert_eq!(alert_of(&format!("{word} tcp"), "sid:1;").signature.action, action);
    }
}

#[test]
fn an_alert_says_where_it_was_found() {
    let alert = alert_of("alert tcp", "sid:1;");
    let ends = alert.ends.unwrap();
    assert_eq!((ends.src_port, ends.dst_port, alert.to_server), (CLIENT.1, 9, true));
    let flow = alert.flow.unwrap();
    assert_eq!((flow.ends.dst_port, flow.to_server.packets), (9, 4));
    assert!(alert.in_stream);
}

/// Rules that need what is not there are left out, and that is said.
#[test]
fn requirements_decide_whether_a_rule_is_at_work() {
    let lab = Lab::new(
        "alert tcp any any -> any any (content:\"evil\"; requires:version >= 7.0.3 < 9; sid:1;)\n\
         alert tcp any any -> any any (content:\"evil\"; requires:version >= 9; sid:2;)\n\
         alert tcp any any -> any any (content:\"evil\"; requires:feature teleport; sid:3;)\n\
         alert tcp any any -> any any (content:\"evil\"; requires:keyword bsize, feature ja3; sid:4;)\n",
    );
    let config =
        ProfileConfig { settings: lab.settings(), ..ProfileConfig::standard(ProfileKind::Ids) };
    let plan = IdsFactory.validate(&config).unwrap();
    let report = IdsPlan::of(&plan).unwrap().report();
    let skipped: Vec<_> = report.skipped.iter().filter_map(|error| error.sid).collect();
    assert_eq!((report.loaded, skipped), (2, vec![2, 3]));
    let found = super::lab::events(
        &plan,
        crate::pipeline::PipelineConfig::offline(),
        &capture(),
        usize::MAX,
    );
    let mut sids = super::lab::sids(&super::lab::alerts(&found));
    sids.sort_unstable();
    assert_eq!(sids, [1, 4]);
}
