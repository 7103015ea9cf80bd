//! Any rules over any traffic: the rules, up to the first mark, then frames as [`super::frames`] has them.
//!
//! Rules that load match something or nothing, and the pipeline holds nothing when its run is over.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use umbra_analyzers::decode::LinkType;
use umbra_analyzers::events::{Event, EventContext};
use umbra_analyzers::ids::IdsFactory;
use umbra_analyzers::pipeline::{Pipeline, PipelineConfig, PipelineSummary};
use umbra_analyzers::profile::{Plan, ProfileConfig, ProfileFactory, ProfileKind};

use super::frames::{Captured, frames, records};

pub(crate) fn signatures(bytes: &[u8]) {
    let mark = bytes.iter().position(|byte| *byte == 0xf5).unwrap_or(bytes.len());
    let (rules, script) = bytes.split_at(mark);
    let frames = frames(script);
    // Compiling takes a hundred times as long as all the rest.
    if frames.is_empty() || !super::rules::any_loads(rules) {
        return;
    }
    let (_, summary) = run(&plan(rules), PipelineConfig::offline(), &frames, 16);
    check_empty(&summary);
}

/// A plan with these rules.
pub(crate) fn plan(rules: &[u8]) -> Plan {
    plan_beside(rules, &[])
}

/// The same with files beside them, by name.
pub(crate) fn plan_beside(rules: &[u8], files: &[(&str, &[u8])]) -> Plan {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("umbra-fuzz-{}-{number}", std::process::id());
    let folder: PathBuf = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("a folder for rules");
    let path = folder.join("fuzz.rules");
    std::fs::write(&path, rules).expect("a file of rules");
    for (name, content) in files {
        std::fs::write(folder.join(name), content).expect("a file beside the rules");
    }
    let mut config = ProfileConfig::standard(ProfileKind::Ids);
    config.settings.insert("rules".to_owned(), vec![path.display().to_string()].into());
    let plan = IdsFactory.validate(&config);
    std::fs::remove_dir_all(&folder).expect("the folder goes again");
    plan.unwrap_or_else(|errors| panic!("rules that loaded do not compile: {errors:?}"))
}

pub(crate) fn run(
    plan: &Plan,
    config: PipelineConfig,
    frames: &[Captured],
    batch: usize,
) -> (Vec<Event>, PipelineSummary) {
    let plans = std::slice::from_ref(plan);
    let mut pipeline = Pipeline::new(config, plans).expect("a kind that is built");
    let (mut events, context) = (Vec::new(), EventContext::whole("fuzz", None));
    let records: Vec<_> = records(frames).collect();
    for batch in records.chunks(batch) {
        pipeline.process(batch.iter().copied(), LinkType::Ethernet, &mut events, &context);
    }
    pipeline.finish(&mut events, &context);
    (events, pipeline.summary())
}

/// When a run is over its flows are, and with them what was held for them.
pub(crate) fn check_empty(summary: &PipelineSummary) {
    assert_eq!(summary.flows_live, 0, "flows are left");
    assert_eq!(summary.stream_memory_bytes, 0, "streams hold something");
    assert_eq!(summary.app_memory_bytes, 0, "application layers hold something");
    assert_eq!(summary.flow.opened, summary.counters.flows, "a flow, a record");
}
