//! Two engines' records of a capture, field by field.

use std::collections::BTreeSet;

use super::records::{Fields, Records, Subject};
use super::table::{How, Report};

/// Holds umbra's records against the first run of a peer. What differs among the runs of the peer is noted apart.
pub(super) fn compare(capture: &str, ours: &Records, peers: &[Records], report: &mut Report) {
    report.captures += 1;
    let Some((peer, others)) = peers.split_first() else { return };
    let subjects: BTreeSet<&Subject> = ours.0.keys().chain(peer.0.keys()).collect();
    for subject in subjects {
        let of = |records: &Records| records.0.get(subject).cloned().unwrap_or_default();
        let (mut ours, mut theirs) = (of(ours), of(peer));
        let others: Vec<Vec<Fields>> = others.iter().map(of).collect();
        let len = ours.len().max(theirs.len());
        ours.resize_with(len, Fields::new);
        theirs.resize_with(len, Fields::new);
        for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let again: Vec<Option<&Fields>> = others.iter().map(|run| run.get(at)).collect();
            let place = Place { capture, subject };
            record(&place, ours, theirs, &again, report);
        }
    }
    for other in others {
        with_itself(peer, other, report);
    }
}

/// Whose fields they are.
pub(super) struct Place<'a> {
    pub(super) capture: &'a str,
    pub(super) subject: &'a Subject,
}

fn record(
    place: &Place<'_>,
    ours: &Fields,
    theirs: &Fields,
    again: &[Option<&Fields>],
    report: &mut Report,
) {
    let kind = &place.subject.kind;
    let varies = |path: &String| {
        again.iter().any(|run| run.is_none_or(|run| run.get(path) != theirs.get(path)))
    };
    report.record(kind, !ours.is_empty(), !theirs.is_empty());
    let only = match (ours.is_empty(), theirs.is_empty()) {
        (false, true) => Some((How::UmbraOnly, ours)),
        (true, false) => Some((How::PeerOnly, theirs)),
        _ => None,
    };
    if let Some((how, fields)) = only {
        // A record of which one run of the peer knows nothing either is a matter of luck.
        let by_luck = match how {
            How::UmbraOnly => again.iter().any(Option::is_some),
            _ => again.iter().any(Option::is_none),
        };
        report.whole_record(place, how, fields.len(), by_luck);
        return;
    }
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for path in paths {
        let pair = (ours.get(path), theirs.get(path));
        report.field(place, path, pair, varies(path));
    }
}

/// Two runs of the peer: the most that anybody could agree with it.
fn with_itself(first: &Records, second: &Records, report: &mut Report) {
    let subjects: BTreeSet<&Subject> = first.0.keys().chain(second.0.keys()).collect();
    for subject in subjects {
        let of = |records: &Records| records.0.get(subject).cloned().unwrap_or_default();
        let (mut a, mut b) = (of(first), of(second));
        let len = a.len().max(b.len());
        a.resize_with(len, Fields::new);
        b.resize_with(len, Fields::new);
        for (a, b) in a.iter().zip(&b) {
            let paths: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let equal = paths.iter().filter(|path| a.get(**path) == b.get(**path)).count();
            report.itself(&subject.kind, paths.len(), equal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(port: u16, reason: &str, more: &str) -> String {
        format!(
            r#"{{"event_type":"flow","timestamp":"1","src_ip":"a","src_port":{port},"dest_ip":"b","dest_port":80,
            "proto":"TCP","flow":{{"start":"0","reason":"{reason}"{more}}}}}"#
        )
    }

    fn compared(ours: &[String], peers: &[&[String]]) -> Report {
        let kinds: Vec<_> = super::super::TYPES.split(',').map(str::to_owned).collect();
        let runs = u8::try_from(peers.len()).unwrap();
        let mut report = Report::new(&kinds, runs);
        let of =
            |lines: &[String]| Records::of(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let peers: Vec<_> = peers.iter().map(|lines| of(lines)).collect();
        compare("c.pcap", &of(ours), &peers, &mut report);
        report
    }

    #[test]
    fn the_same_records_agree_in_any_order() {
        let lines = [flow(1, "timeout", ""), flow(2, "shutdown", "")];
        let turned = [lines[1].clone(), lines[0].clone()];
        let report = compared(&lines, &[&turned]);
        let flows = &report.kinds["flow"];
        assert_eq!((flows.fields, flows.equal, flows.umbra, flows.peer), (18, 18, 2, 2));
        assert!(report.differences().is_empty());
    }

    #[test]
    fn fields_that_differ_or_that_one_side_has_alone_are_counted_by_name() {
        let report = compared(
            &[flow(1, "timeout", r#","list":[1,2]"#)],
            &[&[flow(1, "shutdown", r#","tx_cnt":3"#)]],
        );
        let flows = &report.kinds["flow"];
        assert_eq!((flows.fields, flows.equal), (12, 8));
        let found: Vec<_> =
            report.differences().iter().map(|d| (d.field.clone(), d.how, d.count)).collect();
        assert_eq!(
            found,
            [
                ("flow.list[]".to_owned(), How::UmbraOnly, 2),
                ("flow.reason".to_owned(), How::Differs, 1),
                ("flow.tx_cnt".to_owned(), How::PeerOnly, 1),
            ]
        );
    }

    #[test]
    fn a_record_of_one_side_alone_counts_with_all_its_fields() {
        let report = compared(&[], &[&[flow(1, "timeout", "")]]);
        let flows = &report.kinds["flow"];
        assert_eq!((flows.fields, flows.equal, flows.umbra, flows.peer), (9, 0, 0, 1));
        let all = report.differences();
        assert_eq!(
            (all[0].field.as_str(), all[0].how, all[0].count),
            ("(record)", How::PeerOnly, 1)
        );
    }

    #[test]
    fn what_depends_on_the_peers_run_is_told_apart_and_not_hidden() {
        let (timeout, shutdown) = ([flow(1, "timeout", "")], [flow(1, "shutdown", "")]);
        let report = compared(&timeout, &[&shutdown, &timeout, &shutdown]);
        let flows = &report.kinds["flow"];
        assert_eq!((flows.fields, flows.equal), (9, 8));
        assert_eq!((flows.steady_fields, flows.steady_equal), (8, 8));
        assert_eq!((flows.itself_fields, flows.itself_equal), (18, 17));
        assert_eq!(report.differences()[0].varying, 1);
        // Where the peer is steady so is the difference.
        let report = compared(&timeout, &[&shutdown, &shutdown]);
        let flows = &report.kinds["flow"];
        assert_eq!((flows.steady_fields, flows.steady_equal), (9, 8));
        assert_eq!(report.differences()[0].varying, 0);
    }

    #[test]
    fn a_record_that_one_run_of_the_peer_lacks_is_not_steady() {
        let lines = [flow(1, "timeout", "")];
        let report = compared(&[], &[&lines, &[]]);
        let flows = &report.kinds["flow"];
        assert_eq!((flows.fields, flows.steady_fields), (9, 0));
    }
}
