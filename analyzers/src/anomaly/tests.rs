use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::decode::LinkType;
use crate::events::{Event, EventContext, Finding};
use crate::pipeline::{Pipeline, PipelineConfig};
use crate::testing::{TestRecord, arp, records, tcp, traffic, udp};

const SECOND: u64 = 1_000_000_000;

/// Keeps scores, as text so that runs can be compared to the last digit.
#[derive(Debug, Default)]
struct Scores(Mutex<Vec<(u64, f64, String)>>);

impl ScoreSink for Scores {
    fn score(&self, row: &ScoreRow<'_>) {
        self.0.lock().unwrap().push((row.number, row.score, row.key.to_string()));
    }
}

fn plan(settings: &serde_json::Value) -> Plan {
    let mut config = ProfileConfig::standard(ProfileKind::Anomaly);
    config.settings = settings.as_object().unwrap().clone();
    AnomalyFactory.validate(&config).unwrap()
}

fn run(plan: &Plan, frames: &[TestRecord], batch: usize) -> Vec<Finding> {
    let mut pipeline =
        Pipeline::new(PipelineConfig::offline(), std::slice::from_ref(plan)).unwrap();
    let (mut events, context) = (Vec::new(), EventContext::whole("test", None));
    let records: Vec<_> = records(frames).collect();
    for batch in records.chunks(batch) {
        pipeline.process(batch.iter().copied(), LinkType::Ethernet, &mut events, &context);
    }
    pipeline.finish(&mut events, &context);
    events
        .into_iter()
        .filter_map(|event| match event {
            Event::Finding(finding) => Some(*finding),
            _ => None,
        })
        .collect()
}

/// Two hosts ask a server over and over, another asks a name server.
fn usual(from_s: u64, count: u64) -> Vec<TestRecord> {
    let mut frames = Vec::new();
    for n in 0..count {
        let at = |ms: u64, data| TestRecord::new((from_s + n) * SECOND + ms * 1_000_000, data);
        let client = ([10, 0, 0, 1 + (n % 2) as u8], 40_000 + (n % 500) as u16);
        let server = ([10, 0, 0, 9], 502);
        let read = [0, n as u8, 0, 0, 0, 6, 1, 3, 0, 100, 0, 2];
        frames.push(at(0, tcp(client, server, 0x02, 100, 0, b"")));
        frames.push(at(1, tcp(server, client, 0x12, 900, 101, b"")));
        frames.push(at(2, tcp(client, server, 0x18, 101, 901, &read)));
        frames.push(at(
            3,
            tcp(server, client, 0x18, 901, 113, &[0, n as u8, 0, 0, 0, 5, 1, 3, 2, 0, 7]),
        ));
        frames.push(at(500, udp(([10, 0, 0, 3], 5000), ([10, 0, 0, 8], 53), &[n as u8; 40])));
        if n % 10 == 0 {
            frames.push(at(700, arp()));
        }
    }
    frames
}

fn learned(frames: &[TestRecord]) -> Arc<Model> {
    let (learning, learned) = AnomalyPlan::learning(&plan(&json!({}))).unwrap();
    assert_eq!(run(&learning, frames, 64), [], "learning alerts nothing");
    Arc::new(learned.take().unwrap())
}

fn scores(model: &Arc<Model>, frames: &[TestRecord], batch: usize) -> Vec<(u64, f64, String)> {
    let sink = Arc::new(Scores::default());
    let dynamic: Arc<dyn ScoreSink> = Arc::clone(&sink) as _;
    let plan = AnomalyPlan::equipped(&plan(&json!({})), Some(model), Some(&dynamic));
    run(&plan, frames, batch);
    std::mem::take(&mut *sink.0.lock().unwrap())
}

#[test]
fn the_strange_scores_higher_than_all_that_is_usual() {
    let model = learned(&usual(1000, 300));
    let mut frames = usual(5000, 100);
    let normal = frames.len();
    // A write, a pair that never was, and a service that never was.
    let write = [0, 1, 0, 0, 0, 6, 1, 5, 0, 7, 0xff, 0];
    let at = 5101 * SECOND;
    let client = ([10, 0, 0, 1], 40_100);
    frames.push(TestRecord::new(at, tcp(client, ([10, 0, 0, 9], 502), 0x18, 1, 1, &write)));
    frames.push(TestRecord::new(at + 1, tcp(client, ([10, 0, 0, 3], 502), 2, 1, 0, b"")));
    frames.push(TestRecord::new(at + 2, tcp(client, ([10, 0, 0, 9], 22), 2, 1, 0, b"")));
    let scores = scores(&model, &frames, 32);
    assert_eq!(scores.len(), frames.len(), "a row for every frame");
    let most = scores[..normal].iter().map(|row| row.1).fold(0.0, f64::max);
    for row in &scores[normal..] {
        assert!(row.1 > most, "{row:?} against {most}");
    }
    assert_eq!(scores[normal + 2].2, "10.0.0.1>10.0.0.9 tcp/22");
}

#[test]
fn scores_depend_neither_on_batches_nor_on_the_run() {
    let (model, again) = (learned(&usual(1000, 100)), learned(&usual(1000, 100)));
    let mixed = traffic(60, 5000 * SECOND, 60 * SECOND);
    let first = scores(&model, &mixed, 1);
    assert!(first.iter().all(|row| row.1.is_finite() && row.1 >= 0.0));
    assert_eq!(first, scores(&model, &mixed, 97));
    assert_eq!(first, scores(&again, &mixed, 7));
}

#[test]
fn a_model_scores_the_same_after_it_was_saved_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    let model = learned(&usual(1000, 100));
    model.save(&path).unwrap();
    let loaded = Arc::new(Model::load(&path).unwrap());
    let mixed = traffic(30, 5000 * SECOND, 60 * SECOND);
    let (a, b) = (scores(&model, &mixed, 64), scores(&loaded, &mixed, 64));
    for (a, b) in a.iter().zip(&b) {
        assert!((a.1 - b.1).abs() < 1e-9, "{a:?} {b:?}");
    }
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing is left beside it");
}

#[test]
fn files_that_are_no_model_of_this_version_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    let error = |content: &str| {
        std::fs::write(&path, content).unwrap();
        Model::load(&path).unwrap_err().to_string()
    };
    assert!(error("{}").contains("not a model"));
    assert!(error(r#"{"format":"umbra-anomaly-model","version":99}"#).contains("version 99"));
    assert!(error(r#"{"format":"else","version":1}"#).contains("format"));
    let mut settings = ProfileConfig::standard(ProfileKind::Anomaly);
    settings.settings.insert("model".to_owned(), path.display().to_string().into());
    assert_eq!(AnomalyFactory.validate(&settings).unwrap_err().len(), 1);
}

#[test]
fn cold_start_learns_for_its_time_alerts_nothing_and_saves_what_it_learned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    let settings = json!({"learn_s": 100, "model": path});
    let mut frames = usual(1000, 100);
    frames.extend(traffic(60, 1050 * SECOND, 40 * SECOND));
    frames.sort_by_key(|frame| frame.meta.timestamp_ns);
    assert_eq!(run(&plan(&settings), &frames, 64), []);
    assert!(!path.exists());
    frames.extend(usual(1101, 5));
    run(&plan(&settings), &frames, 64);
    assert!(Model::load(&path).unwrap().frames() > 400);
}

#[test]
fn every_setting_has_a_default_that_fits_it() {
    for info in SETTINGS {
        let default: serde_json::Value = serde_json::from_str(info.default).unwrap();
        assert!(default.is_null() || info.check(&default).is_ok(), "{}", info.key);
    }
    assert_eq!(AnomalyFactory.settings(), SETTINGS);
}
