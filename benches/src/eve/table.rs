//! What came of it, as JSON and as tables.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::compare::Place;

/// How a field differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    Differs,
    UmbraOnly,
    PeerOnly,
}

impl How {
    const fn as_str(self) -> &'static str {
        match self {
            How::Differs => "differs",
            How::UmbraOnly => "umbra only",
            How::PeerOnly => "peer only",
        }
    }
}

/// Counts of one kind of record.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Counts {
    /// Records.
    pub(super) umbra: usize,
    pub(super) peer: usize,
    pub(super) fields: usize,
    pub(super) equal: usize,
    /// Without those in which the peer's own runs differ.
    pub(super) steady_fields: usize,
    pub(super) steady_equal: usize,
    /// Of the peer's further runs against its first.
    pub(super) itself_fields: usize,
    pub(super) itself_equal: usize,
}

/// A field that differs, in some records of a kind.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Difference {
    pub(super) kind: String,
    /// Its path, places in lists left out: `dns.answers[].ttl`.
    pub(super) field: String,
    pub(super) how: How,
    pub(super) count: usize,
    /// Of these, those in which the peer's own runs differ.
    pub(super) varying: usize,
    /// In how many records of which capture.
    pub(super) captures: BTreeMap<String, usize>,
    /// Where it was first, and what both say.
    pub(super) example: String,
}

/// All that was counted.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) captures: usize,
    pub(super) peer_runs: u8,
    pub(super) kinds: BTreeMap<String, Counts>,
    pub(super) all: Counts,
    differences: Vec<Difference>,
    #[serde(skip)]
    index: BTreeMap<(String, String, How), usize>,
}

impl Report {
    pub(super) fn new(kinds: &[String], peer_runs: u8) -> Self {
        let kinds = kinds.iter().map(|kind| (kind.clone(), Counts::default())).collect();
        Self { kinds, peer_runs, ..Self::default() }
    }

    fn count(&mut self, kind: &str, change: impl Fn(&mut Counts)) {
        change(&mut self.all);
        change(self.kinds.entry(kind.to_owned()).or_default());
    }

    pub(super) fn record(&mut self, kind: &str, umbra: bool, peer: bool) {
        self.count(kind, |counts| {
            counts.umbra += usize::from(umbra);
            counts.peer += usize::from(peer);
        });
    }

    pub(super) fn itself(&mut self, kind: &str, fields: usize, equal: usize) {
        self.count(kind, |counts| {
            counts.itself_fields += fields;
            counts.itself_equal += equal;
        });
    }

    /// A record that one side has alone.
    pub(super) fn whole_record(
        &mut self,
        place: &Place<'_>,
        how: How,
        fields: usize,
        varies: bool,
    ) {
        self.count(&place.subject.kind, |counts| {
            counts.fields += fields;
            counts.steady_fields += if varies { 0 } else { fields };
        });
        self.note(place, "(record)", how, varies, String::new());
    }

    /// A field as umbra and the peer have it.
    pub(super) fn field(
        &mut self,
        place: &Place<'_>,
        path: &str,
        (ours, theirs): (Option<&Value>, Option<&Value>),
        varies: bool,
    ) {
        let equal = ours == theirs;
        self.count(&place.subject.kind, |counts| {
            counts.fields += 1;
            counts.equal += usize::from(equal);
            counts.steady_fields += usize::from(!varies);
            counts.steady_equal += usize::from(!varies && equal);
        });
        if equal {
            return;
        }
        let how = match (ours, theirs) {
            (Some(_), None) => How::UmbraOnly,
            (None, Some(_)) => How::PeerOnly,
            _ => How::Differs,
        };
        let said = |value: Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
        let values = format!(": umbra {}, peer {}", said(ours), said(theirs));
        self.note(place, &without_places(path), how, varies, values);
    }

    fn note(&mut self, place: &Place<'_>, field: &str, how: How, varies: bool, values: String) {
        let kind = &place.subject.kind;
        let next = self.differences.len();
        let at = *self.index.entry((kind.clone(), field.to_owned(), how)).or_insert(next);
        if at == next {
            self.differences.push(Difference {
                kind: kind.clone(),
                field: field.to_owned(),
                how,
                count: 0,
                varying: 0,
                captures: BTreeMap::new(),
                example: format!("{}, {}{values}", place.capture, place.subject),
            });
        }
        if let Some(difference) = self.differences.get_mut(at) {
            difference.count += 1;
            difference.varying += usize::from(varies);
            *difference.captures.entry(place.capture.to_owned()).or_default() += 1;
        }
    }

    /// By kind, the most frequent first.
    pub(super) fn differences(&self) -> Vec<&Difference> {
        let mut all: Vec<_> = self.differences.iter().collect();
        all.sort_by(|a, b| {
            let key =
                |d: &Difference| (d.kind.clone(), std::cmp::Reverse(d.count), d.field.clone());
            key(a).cmp(&key(b))
        });
        all
    }

    /// Both tables.
    pub(super) fn markdown(&self) -> String {
        let mut out =
            format!("{} captures, {} runs of the peer\n\n", self.captures, self.peer_runs);
        out.push_str(
            "| records | umbra | peer | fields | equal | | steady fields | equal | | peer with itself |\n|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for (kind, counts) in &self.kinds {
            row(&mut out, kind, counts);
        }
        row(&mut out, "all", &self.all);
        out.push_str(
            "\nSteady are fields in which the peer's runs do not differ.\n\n| records | field | | times | not steady | captures | first |\n|---|---|---|---|---|---|---|\n",
        );
        for difference in self.differences() {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                difference.kind,
                difference.field,
                difference.how.as_str(),
                difference.count,
                difference.varying,
                difference.captures.len(),
                shortened(&difference.example.replace('|', "\\|")),
            );
        }
        out
    }
}

fn row(out: &mut String, name: &str, c: &Counts) {
    let percent = |part: usize, of: usize| match of {
        0 => "-".to_owned(),
        of => format!("{:.2} %", 100.0 * part as f64 / of as f64),
    };
    let _ = writeln!(
        out,
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        c.umbra,
        c.peer,
        c.fields,
        c.equal,
        percent(c.equal, c.fields),
        c.steady_fields,
        c.steady_equal,
        percent(c.steady_equal, c.steady_fields),
        percent(c.itself_equal, c.itself_fields),
    );
}

/// `answers[3].ttl` and `answers[0].ttl` are both `answers[].ttl`.
fn without_places(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|&c| {
            inside = (inside || c == '[') && c != ']';
            c == '[' || !inside
        })
        .collect()
}

fn shortened(text: &str) -> String {
    const MOST: usize = 240;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_lists_are_left_out_of_names() {
        assert_eq!(without_places("dns.answers[12].ttl"), "dns.answers[].ttl");
        assert_eq!(without_places("a[0][1].b"), "a[][].b");
        assert_eq!(without_places("flow.start"), "flow.start");
    }

    #[test]
    fn long_examples_are_cut_between_characters() {
        assert_eq!(shortened("äb"), "äb");
        assert_eq!(shortened(&"ä".repeat(300)).chars().count(), 241);
    }

    #[test]
    fn a_table_says_nothing_of_what_was_not_there() {
        let report = Report::new(&["dns".to_owned()], 1);
        assert!(report.markdown().contains("| dns | 0 | 0 | 0 | 0 | - | 0 | 0 | - | - |"));
    }
}
