//! IDS_Signature_Scan: the profile of the signature engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::detect::{Engine, EnginePlan, IdsCounters, RuleBase, RuleLimits};
use super::matching::Datasets;
use super::rule::{
    Classification, Loaded, References, RuleError, RuleSet, RuleWarning, ThresholdConfig, Variables,
};
use super::state::Shared;
use crate::app::{Buffer, ConversationConfig};
use crate::events::{AlertDetail, Event, FlowVariables, Timestamp};
use crate::flow::FlowId;
use crate::profile::{
    Batch, ConfigError, Findings, PacketView, Plan, Profile, ProfileConfig, ProfileFactory,
    ProfileKind, ProfileSummary, SettingInfo, SettingType, check_all,
};

/// Networks that are ours where nothing else is said: the private ones.
const PRIVATE: &str = "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]";

const SETTINGS: &[SettingInfo] = &[
    SettingInfo {
        key: "rules",
        ty: SettingType::Paths,
        default: "[]",
        help: "Files of rules, in order; * and ? stand for parts of a file's name.",
    },
    SettingInfo {
        key: "home_net",
        ty: SettingType::Text,
        default: "\"[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]\"",
        help: "What HOME_NET stands for in rules.",
    },
    SettingInfo {
        key: "external_net",
        ty: SettingType::Text,
        default: "\"!$HOME_NET\"",
        help: "What EXTERNAL_NET stands for in rules.",
    },
    SettingInfo {
        key: "classification",
        ty: SettingType::Path,
        default: "null",
        help: "classification.config; without it the one beside the first file of rules, else the stock classes.",
    },
    SettingInfo {
        key: "threshold_file",
        ty: SettingType::Path,
        default: "null",
        help: "threshold.config; without it the one beside the first file of rules, if there is one.",
    },
    SettingInfo {
        key: "alert_payload_bytes",
        ty: SettingType::Integer { min: 0, max: 1 << 20 },
        default: "0",
        help: "Bytes of payload that alerts carry; 0 for none.",
    },
    SettingInfo {
        key: "alert_packet",
        ty: SettingType::Boolean,
        default: "false",
        help: "Whether alerts carry the frame that triggered.",
    },
];

/// Makes profiles of kind `ids`.
#[derive(Clone, Copy, Debug)]
pub struct IdsFactory;

/// What came of loading rules.
#[derive(Clone, Debug, Default)]
pub struct RuleReport {
    /// Rules that are at work.
    pub loaded: usize,
    /// Rules that are not, and why.
    pub errors: Vec<RuleError>,
    /// Rules whose `requires` is not met.
    pub skipped: Vec<RuleError>,
    /// What is odd about rules that are at work.
    pub warnings: Vec<RuleWarning>,
    /// Rules that are commented out.
    pub disabled: usize,
    /// Lines of the classification and of the threshold file that could not be read.
    pub lines: Vec<String>,
    /// Bytes of the prefilters' databases.
    pub database_bytes: usize,
}

/// A validated configuration: rules, compiled.
#[derive(Debug)]
pub struct IdsPlan {
    engine: Arc<EnginePlan>,
    report: Arc<RuleReport>,
}

impl IdsPlan {
    /// What came of loading its rules.
    #[must_use]
    pub fn report(&self) -> &RuleReport {
        &self.report
    }

    /// The plan of an ids profile.
    #[must_use]
    pub fn of(plan: &Plan) -> Option<&Self> {
        plan.content()
    }
}

impl ProfileFactory for IdsFactory {
    fn kind(&self) -> ProfileKind {
        ProfileKind::Ids
    }

    fn settings(&self) -> &'static [SettingInfo] {
        SETTINGS
    }

    fn validate(&self, config: &ProfileConfig) -> Result<Plan, Vec<ConfigError>> {
        let errors = check_all(&config.settings, SETTINGS);
        if !errors.is_empty() {
            return Err(errors);
        }
        let plan = load(config).map_err(|error| vec![error])?;
        Ok(Plan::new(&config.id, ProfileKind::Ids, plan))
    }

    fn apart(&self, plan: &Plan) -> Plan {
        let IdsPlan { engine, report } = IdsPlan::of(plan).expect("the plan of an ids profile");
        let engine = EnginePlan {
            base: Arc::clone(&engine.base),
            limits: Arc::clone(&engine.limits),
            shared: Shared::default(),
            profile: Arc::clone(&engine.profile),
            detail: engine.detail,
        };
        let apart = IdsPlan { engine: Arc::new(engine), report: Arc::clone(report) };
        Plan::new(plan.id(), ProfileKind::Ids, apart)
    }

    fn build(&self, plan: &Plan) -> Box<dyn Profile> {
        let plan = IdsPlan::of(plan).expect("the plan of an ids profile");
        let engine = Engine::new(Arc::clone(&plan.engine)).expect("memory for a scratch");
        Box::new(Ids { engine })
    }
}

fn text<'c>(settings: &'c Map<String, Value>, key: &str) -> Option<&'c str> {
    settings.get(key).and_then(Value::as_str)
}

fn error(key: &str, value: impl Into<String>, message: String, legal: &str) -> ConfigError {
    ConfigError { key: key.to_owned(), value: value.into(), legal: legal.to_owned(), message }
}

fn load(config: &ProfileConfig) -> Result<IdsPlan, ConfigError> {
    let settings = &config.settings;
    let mut files = Vec::new();
    for pattern in settings.get("rules").and_then(Value::as_array).into_iter().flatten() {
        files.extend(expand(pattern.as_str().unwrap_or_default())?);
    }
    let mut lines = Vec::new();
    let beside = |name: &str| files.first().map(|file| file.with_file_name(name));
    let classification = match text(settings, "classification") {
        Some(path) => Some(read("classification", Path::new(path))?),
        None => beside("classification.config").and_then(|path| std::fs::read(path).ok()),
    };
    let classification = match classification {
        None => Classification::default(),
        Some(content) => {
            let (classes, errors) = Classification::parse(&String::from_utf8_lossy(&content));
            lines
                .extend(errors.into_iter().map(|(n, e)| format!("classification.config:{n}: {e}")));
            classes
        }
    };
    let references = match beside("reference.config").and_then(|path| std::fs::read(path).ok()) {
        None => References::default(),
        Some(content) => {
            let (references, errors) = References::parse(&String::from_utf8_lossy(&content));
            lines.extend(errors.into_iter().map(|(n, e)| format!("reference.config:{n}: {e}")));
            references
        }
    };
    let home = text(settings, "home_net").unwrap_or(PRIVATE);
    let external = text(settings, "external_net").unwrap_or("!$HOME_NET");
    let variables = Variables::with_networks(home, external);
    let threshold = match text(settings, "threshold_file") {
        Some(path) => Some(read("threshold_file", Path::new(path))?),
        None => beside("threshold.config").and_then(|path| std::fs::read(path).ok()),
    };
    let threshold = match threshold {
        None => ThresholdConfig::default(),
        Some(content) => {
            let content = String::from_utf8_lossy(&content);
            let (config, errors) = ThresholdConfig::parse(&content, &variables);
            lines.extend(errors.into_iter().map(|(n, e)| format!("threshold.config:{n}: {e}")));
            config
        }
    };
    let Loaded { rules, mut errors, skipped, disabled, warnings, .. } =
        RuleSet::load(&files, &variables, &classification);
    let folder = files.first().and_then(|file| file.parent()).map(Path::to_owned);
    let mut datasets = Datasets::new(folder);
    let (base, more) = RuleBase::new(rules, &references, &mut datasets)
        .map_err(|e| error("rules", "…", e.to_string(), "rules that vectorscan can compile"))?;
    errors.extend(more);
    let (problems, left_out) = datasets.problems();
    lines.extend(problems.iter().cloned());
    if left_out > problems.len() {
        lines.push(format!("{} further lines of sets were left out", left_out - problems.len()));
    }
    let limits = base.rules.iter().map(|rule| RuleLimits::of(&rule.rule, &threshold)).collect();
    let report = RuleReport {
        loaded: base.rules.len(),
        errors,
        skipped,
        warnings,
        disabled,
        lines,
        database_bytes: base.database_bytes(),
    };
    let payload_bytes =
        settings.get("alert_payload_bytes").and_then(Value::as_u64).unwrap_or_default();
    let detail = AlertDetail {
        payload_bytes: u32::try_from(payload_bytes).unwrap_or(u32::MAX),
        packet: settings.get("alert_packet").and_then(Value::as_bool).unwrap_or_default(),
        rule_text: false,
    };
    let engine = EnginePlan {
        base: Arc::new(base),
        limits,
        shared: Shared::default(),
        profile: config.id.as_str().into(),
        detail,
    };
    Ok(IdsPlan { engine: Arc::new(engine), report: Arc::new(report) })
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|e| {
        error(
            key,
            format!("{:?}", path.display().to_string()),
            format!("a file that cannot be read ({e})"),
            "a file that can be read",
        )
    })
}

/// The files that a pattern stands for, sorted. Only the last part of the path may be a pattern.
fn expand(pattern: &str) -> Result<Vec<PathBuf>, ConfigError> {
    let path = Path::new(pattern);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains(['*', '?']) {
        return Ok(vec![path.to_owned()]);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let quoted = format!("{pattern:?}");
    let entries = std::fs::read_dir(folder).map_err(|e| {
        error(
            "rules",
            quoted.clone(),
            format!("of a folder that cannot be read ({}: {e})", folder.display()),
            "a folder that can be read",
        )
    })?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|known| fits(name.as_bytes(), known.to_string_lossy().as_bytes()))
        })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(error(
            "rules",
            quoted,
            "a pattern that no file fits".into(),
            "a pattern that some file fits",
        ));
    }
    Ok(files)
}

/// Whether a name is what a pattern with `*` and `?` says.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            fits(rest, name) || name.split_first().is_some_and(|(_, more)| fits(pattern, more))
        }
        (Some((b'?', rest)), Some((_, more))) => fits(rest, more),
        (Some((a, rest)), Some((b, more))) => a == b && fits(rest, more),
        _ => false,
    }
}

/// The profile at work.
#[derive(Debug)]
struct Ids {
    engine: Engine,
}

impl Profile for Ids {
    fn follows_streams(&self) -> bool {
        true
    }

    fn configure(&self, config: &mut ConversationConfig) {
        let base = &self.engine.plan.base;
        config.tls.ja3 |= base.looks_at(|buffer| {
            use Buffer as B;
            matches!(buffer, B::Ja3Hash | B::Ja3String | B::Ja3sHash | B::Ja3sString)
        });
        config.tls.ja4 |= base.looks_at(|buffer| buffer == Buffer::Ja4Hash);
        config.ssh.hassh |= base.looks_at(|buffer| {
            use Buffer as B;
            matches!(
                buffer,
                B::SshHassh | B::SshHasshString | B::SshHasshServer | B::SshHasshServerString
            )
        });
    }

    fn on_packet(&mut self, view: &PacketView<'_>, findings: &mut Findings) {
        self.engine.inspect(view, findings);
    }

    fn on_batch(&mut self, _batch: &Batch<'_>, _findings: &mut Findings) {}

    fn forget(&mut self, flow: FlowId) {
        self.engine.forget(flow);
    }

    fn variables_of(&self, flow: FlowId) -> Option<FlowVariables> {
        self.engine.variables_of(flow)
    }

    fn on_tick(&mut self, _now: Timestamp, _findings: &mut Findings) {}

    fn memory_bytes(&self) -> usize {
        self.engine.memory_bytes()
    }

    fn finish(&mut self, _now: Timestamp, _findings: &mut Findings) {}

    fn summary(&self) -> Option<Box<dyn ProfileSummary>> {
        let plan = &self.engine.plan;
        Some(Box::new(IdsSummary {
            rules: plan.base.rules.len() as u64,
            counters: self.engine.counters,
        }))
    }
}

/// What the engine has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdsSummary {
    /// Rules at work.
    pub rules: u64,
    /// Over all instances.
    pub counters: IdsCounters,
}

impl ProfileSummary for IdsSummary {
    fn merge(&mut self, other: &dyn ProfileSummary) {
        if let Some(other) = other.as_any().downcast_ref::<Self>() {
            self.rules = self.rules.max(other.rules);
            self.counters += other.counters;
        }
    }

    fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("rules".into(), self.rules.into());
        for (info, value) in self.counters.iter() {
            map.insert(info.name.into(), value.into());
        }
        map.into()
    }

    fn to_event(&self) -> Option<Event> {
        None
    }

    fn boxed_clone(&self) -> Box<dyn ProfileSummary> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        assert!(fits(b"*.rules", b"a.rules") && fits(b"?.rules", b"a.rules"));
        assert!(!fits(b"*.rules", b"a.rule") && !fits(b"?.rules", b".rules"));
        assert!(fits(b"a*b*c", b"a--b--c") && !fits(b"a*b*c", b"a--c--b"));
    }
}
