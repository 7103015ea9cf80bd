//! The shared rules through the parser: what loads, what does not, and whether Suricata agrees.
//!
//! Runs where the shared data lie beside the repository.

#[expect(dead_code, reason = "only the folder is wanted here")]
mod captures;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use umbra_analyzers::ids::rule::{Classification, Loaded, RuleErrorKind, RuleSet, Variables};

fn load(files: &[PathBuf]) -> Loaded {
    RuleSet::load(files, &Variables::default(), &Classification::default())
}

fn print_errors(loaded: &Loaded, most: usize) {
    let mut reasons: BTreeMap<(bool, String), (usize, Option<u32>)> = BTreeMap::new();
    for error in &loaded.errors {
        let place = reasons
            .entry((error.kind == RuleErrorKind::Unsupported, error.reason.clone()))
            .or_insert((0, error.sid));
        place.0 += 1;
    }
    for ((unsupported, reason), (count, sid)) in reasons.into_iter().take(most) {
        let kind = if unsupported { "unsupported" } else { "failed" };
        println!("  {count:5} {kind}, as sid {sid:?}: {reason}");
    }
}

fn rules_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "rules"))
        .collect();
    files.sort();
    files
}

#[test]
fn emerging_threats_rules_load() {
    let Some(data) = captures::shared_data() else { return };
    let files = rules_in(&data.join("et-open"));
    if files.is_empty() {
        return;
    }
    let begin = Instant::now();
    let loaded = load(&files);
    println!("et-open in {:?}: {}", begin.elapsed(), loaded.summary());
    print_errors(&loaded, 200);
    let all = loaded.rules.len() + loaded.errors.len();
    assert!(all >= 14_000, "{all} rules");
    assert!(loaded.rules.len() as f64 >= 0.995 * all as f64);
    // They negate HOME_NET, which is any here; Suricata does not load them, either.
    let failed: Vec<_> = loaded
        .errors
        .iter()
        .filter(|e| e.kind == RuleErrorKind::Failed && !e.reason.contains("leaves no"))
        .map(|e| e.sid)
        .collect();
    assert_eq!(failed, [], "Suricata loads these");
}

/// `UMBRA_RULES` names a file, to see what of it does not load.
#[test]
fn rules_of_the_environment_are_reported() {
    let Some(file) = std::env::var_os("UMBRA_RULES") else { return };
    let begin = Instant::now();
    let loaded = load(&[PathBuf::from(file)]);
    println!("in {:?}: {}", begin.elapsed(), loaded.summary());
    print_errors(&loaded, 1000);
}

/// Suricata's own count of what it loaded is in the corpus. What is only unsupported here may load there,
/// or need a file or a protocol that is off there.
#[test]
fn the_same_rules_fail_as_in_suricata() {
    let Some(data) = captures::shared_data() else { return };
    let folder = data.join("suricata-verify");
    let Ok(corpus) = std::fs::read(folder.join("corpus.json")) else { return };
    let corpus: serde_json::Value = serde_json::from_slice(&corpus).unwrap();
    let (mut same, mut cases, mut rules, mut total) = (0, 0, 0, [0u64; 3]);
    let mut bad = Vec::new();
    for case in corpus.as_array().unwrap() {
        let Some(file) = case["rules"].as_str() else { continue };
        let loaded = load(&[folder.join(file)]);
        let peer = |what: &str| case["peer_rules"][what].as_u64().unwrap_or(0);
        let ours = [
            (loaded.rules.len() + loaded.replaced) as u64,
            loaded.failed() as u64,
            loaded.unsupported() as u64,
        ];
        cases += 1;
        rules += ours.iter().sum::<u64>();
        total.iter_mut().zip(ours).for_each(|(total, n)| *total += n);
        let agree = ours[0] + ours[2] >= peer("loaded")
            && ours[0] <= peer("loaded")
            && ours[1] <= peer("failed")
            && loaded.skipped.len() as u64 >= peer("skipped");
        same += usize::from(agree);
        if !agree {
            println!(
                "{}: here {} loaded, {} failed, {} unsupported, {} skipped; there {}",
                case["test"],
                ours[0],
                ours[1],
                ours[2],
                loaded.skipped.len(),
                case["peer_rules"]
            );
            print_errors(&loaded, 20);
            bad.push(case["test"].clone());
        }
    }
    println!(
        "{same} of {cases} cases agree; {rules} rules: {} loaded, {} failed, {} unsupported",
        total[0], total[1], total[2]
    );
    assert_eq!(bad, Vec::<serde_json::Value>::new());
}
