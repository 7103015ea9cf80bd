//! `dataset` and `datarep`, with and without files.

use std::fs;

use super::rule;
use crate::ids::matching::{Datasets, MatchContext, Program, Transforms, View};
use crate::ids::rule::ast::Rule;

/// Programs of rules that share sets.
struct Sets {
    datasets: Datasets,
    context: MatchContext,
}

impl Sets {
    fn new(folder: Option<std::path::PathBuf>) -> Self {
        Self { datasets: Datasets::new(folder), context: MatchContext::new() }
    }

    fn compile(&mut self, options: &str) -> Result<Asked<'_>, String> {
        let rule: Rule = rule(options);
        let inspection = &rule.inspections[0];
        Ok(Asked {
            program: Program::compile(&rule, inspection, &mut self.datasets)?,
            transforms: Transforms::compile(&inspection.transforms)?,
            context: &mut self.context,
        })
    }
}

struct Asked<'a> {
    program: Program,
    transforms: Transforms,
    context: &'a mut MatchContext,
}

impl Asked<'_> {
    fn holds(&mut self, bytes: &[u8]) -> bool {
        let mut out = Vec::new();
        self.transforms.apply(bytes, &mut out);
        self.context.begin_rule(0);
        self.program.holds(&View { bytes: &out, complete: true, offset: 0 }, self.context)
    }
}

#[test]
fn set_holds_once_and_unset_undoes_it() {
    let mut sets = Sets::new(None);
    let mut set = sets.compile("http.uri; dataset:set,seen,type string;").unwrap();
    assert!(set.holds(b"a"));
    assert!(!set.holds(b"a"));
    assert!(!set.holds(b""));
    let mut is_set = sets.compile("http.uri; dataset:isset,seen,type string;").unwrap();
    assert!(is_set.holds(b"a"));
    assert!(!is_set.holds(b"b"));
    let mut unset = sets.compile("http.uri; dataset:unset,seen,type string;").unwrap();
    assert!(unset.holds(b"a"));
    assert!(!unset.holds(b"a"));
    let mut is_not = sets.compile("http.uri; dataset:isnotset,seen,type string;").unwrap();
    assert!(is_not.holds(b"a"));
}

#[test]
fn files_fill_sets_and_wrong_lines_are_told() {
    let folder = std::env::temp_dir().join(format!("umbra-sets-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("strings", "YWxwaGE=,7\r\n***\n\nYmV0YQ==,70000\nZ2FtbWE=\n");
    write("md5", "5D41402ABC4B2A76B9719D911017C592\n");
    write("ips", "10.0.0.1\n2001:db8::1\n10.0.0.0/8\n");
    write("four", "10.0.0.1\n");

    let mut sets = Sets::new(Some(folder.clone()));
    let asked = "http.uri; dataset:isset,strings,type string,load strings;";
    let mut strings = sets.compile(asked).unwrap();
    assert!(strings.holds(b"alpha"));
    assert!(strings.holds(b"gamma"));
    assert!(!strings.holds(b"beta"));
    let mut reputation =
        sets.compile("http.uri; datarep:strings,>,6,type string,load strings;").unwrap();
    assert!(reputation.holds(b"alpha"));
    assert!(!reputation.holds(b"gamma"));
    assert!(!reputation.holds(b"delta"));
    let mut md5 = sets.compile("http.uri; to_md5; dataset:isset,md5,type md5,load md5;").unwrap();
    assert!(md5.holds(b"hello"));
    assert!(!md5.holds(b"hallo"));
    let mut ips = sets.compile("ip.src; dataset:isset,ips,type ip,load ips;").unwrap();
    assert!(ips.holds(&[10, 0, 0, 1]));
    assert!(ips.holds(&"2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets()));
    assert!(!ips.holds(&[10, 0, 0, 2]));
    assert!(!ips.holds(b"10.0.0.1"));
    let mut four = sets.compile("ip.src; dataset:isset,four,type ipv4,load four;").unwrap();
    assert!(four.holds(&[10, 0, 0, 1]));
    assert!(!four.holds(&[0; 16]));

    let (problems, count) = sets.datasets.problems();
    assert_eq!((problems.len(), count), (3, 3));
    assert!(problems[0].ends_with("strings:2: it must be in base64, is \"***\""), "{problems:?}");
    assert!(problems[1].contains("strings:4: the reputation"), "{problems:?}");
    assert!(problems[2].contains("ips:3: it must be an IP address"), "{problems:?}");

    let failed = |options: &str| Sets::new(Some(folder.clone())).compile(options).err().unwrap();
    assert!(failed("http.uri; dataset:isset,x,type string,load none;").contains("cannot be read"));
    let full = "http.uri; dataset:isset,x,type string,load strings,memcap 70;";
    assert!(failed(full).contains("strings:5: the set x is full"), "{}", failed(full));
    // `state` is made when there is something to be saved.
    Sets::new(Some(folder.clone()))
        .compile("http.uri; dataset:isset,x,type string,state none;")
        .unwrap();
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn one_name_is_one_set() {
    let mut sets = Sets::new(None);
    sets.compile("http.uri; dataset:set,one,type string;").unwrap();
    let of_type = sets.compile("http.uri; dataset:isset,one,type md5;").err();
    assert_eq!(of_type.unwrap(), "the set one is of type string, this rule says md5");
    let of_file = sets.compile("http.uri; dataset:isset,one,type string,load x;").err();
    assert_eq!(of_file.unwrap(), "the set one is loaded from no file, this rule says x");
}

#[test]
fn a_full_set_takes_nothing_more() {
    let mut sets = Sets::new(None);
    let mut set = sets.compile("http.uri; dataset:set,small,type string,memcap 200;").unwrap();
    let added = (0..100u8).filter(|n| set.holds(&[*n])).count();
    assert_eq!(added, 3);
    let mut unset = sets.compile("http.uri; dataset:unset,small,type string;").unwrap();
    assert!(unset.holds(&[0]));
    let mut again = sets.compile("http.uri; dataset:set,small,type string;").unwrap();
    assert!(again.holds(&[99]));
}
