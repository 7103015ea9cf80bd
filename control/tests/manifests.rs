//! Manifests as files: the examples are valid, by umbra's own check and by the schema that it prints;
//! what merges and defaults come to; and nothing that a file can hold makes reading it panic.

use std::path::PathBuf;

use proptest::prelude::*;
use umbra_control::eve::AlertOptions;
use umbra_control::manifest::{
    Core, Distribute, EveType, LoadOptions, Manifest, Percentage, Poll, Purpose, Select,
};

fn configs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../configs")
}

fn examples() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(configs())
        .expect("configs/ is there")
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    files
}

/// Writes `texts` into files of their own and loads them together.
fn load(texts: &[&str]) -> (Manifest, Vec<String>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files: Vec<PathBuf> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| {
            let path = folder.path().join(format!("{n}.toml"));
            std::fs::write(&path, text).expect("a file in a temporary folder");
            path
        })
        .collect();
    match Manifest::load(&files) {
        Ok((manifest, warnings)) => {
            (manifest, warnings.into_iter().map(|warning| warning.message).collect())
        }
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

const APPLIANCE: &str = "[appliance]\nname = \"edge-1\"\n[outputs]\n";
const WIRE: &str = "[[wire]]\nname = \"edge\"\na = \"net_ring0\"\nb = \"net_ring1\"\n";

#[test]
fn every_example_is_valid_and_warns_of_nothing() {
    for file in examples() {
        match Manifest::load(std::slice::from_ref(&file)) {
            Ok((_, warnings)) => assert!(warnings.is_empty(), "{}: {warnings:?}", file.display()),
            Err(diagnostics) => panic!("{diagnostics}"),
        }
    }
}

#[test]
fn profiles_of_one_file_are_run_by_another() {
    let profiles = "[[profile]]\nid = \"Bottlenecks\"\nkind = \"performance\"\n";
    let shadowing = "[shadowing]\nshadow_analysis_profiles = [\"Bottlenecks\", \
                     \"Performance_Profiling\"]\n";
    let (manifest, warnings) = load(&[APPLIANCE, profiles, WIRE, shadowing]);
    assert_eq!(warnings, [""; 0]);
    let ids: Vec<_> = manifest.profiles.iter().map(|profile| profile.id.as_str()).collect();
    assert_eq!(ids, ["Bottlenecks", "Performance_Profiling"]);
    assert_eq!(manifest.profiles[0].config.id, "Bottlenecks");
}

#[test]
fn every_example_satisfies_the_schema() {
    let validator = jsonschema::validator_for(&umbra_control::schema::schema()).expect("a schema");
    for file in examples() {
        let text = std::fs::read_to_string(&file).expect("an example");
        let value: toml::Value = toml::from_str(&text).expect("TOML");
        let value = serde_json::to_value(value).expect("JSON");
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(errors, [""; 0], "{}", file.display());
    }
}

#[test]
fn the_schema_is_one_of_draft_2020_12() {
    let schema = umbra_control::schema::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
}

#[test]
fn the_schema_and_the_check_agree_on_single_values() {
    let validator = jsonschema::validator_for(&umbra_control::schema::schema()).expect("a schema");
    // Section, key = value, and whether it is legal.
    for (section, line, legal) in [
        ("[host]", "workers = [0, 1]", true),
        ("[host]", "workers = [0, 0]", false),
        ("[host]", "workers = []", false),
        ("[host]", "workers = [1024]", false),
        ("[host]", "poll = \"adaptive\"", true),
        ("[host]", "poll = \"sometimes\"", false),
        ("[host]", "cores = [1]", false),
        ("[host]", "eal = [\"--no-pci\", 1]", false),
        ("[shadowing]", "shadow_traffic_percentage = 100", true),
        ("[shadowing]", "shadow_traffic_percentage = 0.5", true),
        ("[shadowing]", "shadow_traffic_percentage = 100.1", false),
        ("[shadowing]", "shadow_traffic_percentage = -1", false),
        ("[shadowing]", "shadow_traffic_percentage = \"1\"", false),
        ("[shadowing]", "shadow_instance_count = 65", false),
        ("[shadowing]", "shadow_enabled = 1", false),
        ("[shadowing]", "snaplen = 0", true),
        ("[shadowing]", "snaplen = 63", false),
        ("[shadowing]", "ring_kib = 1024", true),
        ("[shadowing]", "ring_kib = 1000", false),
        ("[shadowing]", "isolation = \"process\"", false),
        ("[governor]", "policy = \"aimd\"", false),
        ("[outputs]", "eve = false", true),
        ("[outputs]", "eve = \"events.json\"", true),
        ("[outputs]", "eve = 1", false),
        ("[outputs]", "eve_types = [\"flow\"]", true),
        ("[outputs]", "eve_types = [\"dns\"]", true),
        ("[outputs]", "eve_types = [\"gopher\"]", false),
        ("[outputs]", "eve_alert_payload_bytes = 0", false),
        ("[external_shadow]", "count = 1", false),
        ("[no_such_section]", "key = 1", false),
        ("[[profile]]", "id = \"x\"\nkind = \"performance\"", true),
        ("[[profile]]", "id = \"x\"\nkind = \"performance\"\nno_such_key = 1", false),
        ("[[profile]]", "id = \"x\"", false),
        ("[[profile]]", "id = \"x\"\nkind = \"ids\"", true),
        ("[[profile]]", "id = \"x\"\nkind = \"fuzzing\"", false),
        ("[[profile]]", "id = \"x\"\nkind = \"anomaly\"\nalarms_per_day = 2.5", true),
        ("[[wire]]", "name = \"w\"\na = \"net_a0\"\nb = \"03:00.1\"\nqueues = \"auto\"", true),
        ("[[wire]]", "name = \"w\"\na = \"net_a0\"\nb = \"eth0\"", false),
        ("[[wire]]", "name = \"w\"\na = \"net_a0\"", false),
        ("[[wire]]", "name = \"w w\"\na = \"net_a0\"\nb = \"net_a1\"", false),
        ("[[wire]]", "name = \"w\"\na = \"net_a0\"\nb = \"net_a1\"\nqueues = \"many\"", false),
    ] {
        let text = format!("{section}\n{line}\n");
        let value: toml::Value = toml::from_str(&text).expect("TOML");
        let value = serde_json::to_value(value).expect("JSON");
        assert_eq!(validator.is_valid(&value), legal, "schema: {text}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("m.toml");
        std::fs::write(&file, &text).expect("a file in a temporary folder");
        let options = LoadOptions { purpose: Purpose::Replay, ..LoadOptions::default() };
        let loaded = Manifest::load_with(&[file], &options);
        assert_eq!(loaded.is_ok(), legal, "check: {text}{loaded:?}");
    }
}

#[test]
fn what_is_absent_has_its_default() {
    let (manifest, warnings) = load(&[&format!("{APPLIANCE}{WIRE}")]);
    assert_eq!(warnings, [""; 0]);
    assert_eq!(manifest.host, umbra_control::manifest::Host::default());
    let wire = &manifest.wires[0];
    assert_eq!((wire.mtu_bytes, wire.burst_frames, wire.queues), (1500, 32, None));
    assert!(wire.promiscuous && wire.propagate_link);
    let shadowing = &manifest.shadowing;
    assert!(shadowing.shadow_enabled);
    assert_eq!(shadowing.shadow_instance_count, 1);
    assert_eq!(shadowing.shadow_traffic_percentage.percent(), 1.0);
    assert_eq!((shadowing.select, shadowing.distribute), (Select::Flow, Distribute::Shard));
    assert_eq!((shadowing.snaplen_bytes, shadowing.ring_bytes), (None, 4 << 20));
    assert_eq!(manifest.profiles[0].id.as_str(), "Performance_Profiling");
    assert_eq!(manifest.governor.max_percentage, Percentage::FULL);
    let outputs = &manifest.outputs;
    assert_eq!(outputs.eve.as_deref(), Some("/var/log/umbra/eve.json".as_ref()));
    assert!(!outputs.eve_types.contains(&EveType::Anomaly), "a record for every faulty frame");
    assert_eq!(outputs.eve_types.len(), EveType::ALL.len() - 1);
    assert_eq!(outputs.eve_types, EveType::usual());
    assert_eq!(outputs.eve_alert, AlertOptions::default());
    assert!(!outputs.eve_community_id);
}

#[test]
fn alerts_say_what_is_asked_for() {
    let outputs = "[outputs]\neve_types = [\"alert\", \"http\"]\neve_alert_payload = true\n\
                   eve_alert_payload_printable = true\neve_alert_payload_bytes = 65536\n\
                   eve_alert_payload_length = true\n\
                   eve_alert_packet = true\neve_alert_rule = true\n\
                   eve_alert_references = true\neve_community_id = true\n";
    let (manifest, _) = load(&["[appliance]\nname = \"edge-1\"\n", WIRE, outputs]);
    let outputs = &manifest.outputs;
    assert_eq!(outputs.eve_types, [EveType::Alert, EveType::Http].into());
    let all = AlertOptions {
        payload: true,
        payload_length: true,
        payload_printable: true,
        payload_bytes: 65_536,
        packet: true,
        rule: true,
        references: true,
    };
    assert_eq!((outputs.eve_alert, outputs.eve_community_id), (all, true));
    assert_eq!(all.detail().payload_bytes, 65_536);
    assert_eq!(AlertOptions::default().detail().payload_bytes, 0, "nothing is copied unasked");
}

#[test]
fn what_is_given_is_taken_over_and_files_are_merged_in_order() {
    let host = "[host]\neal = [\"--vdev=net_ring0\", \"--vdev=net_ring1\", \"--no-huge\", \
                \"--vdev=net_null0\"]\nworkers = [1, 0]\nanalyzers = [3]\npoll = \"adaptive\"\n\
                control_socket = \"ctl.sock\"\n";
    let second = "[[wire]]\nname = \"w2\"\na = \"net_null0\"\nb = \"0000:3:00.1\"\nmtu = 9000\n\
                  queues = 2\nburst = 64\nmbufs = \"auto\"\nmbuf_cache = 0\npromiscuous = false\n\
                  propagate_link = false\ntx_retries = 0\nnuma = 1\n[outputs]\n\
                  directory = \"logs\"\neve = false\n";
    let shadowing = "[shadowing]\nshadow_instance_count = 3\nshadow_traffic_percentage = 37.5\n\
                     select = \"packet\"\ndistribute = \"replicate\"\nsnaplen = 128\n\
                     ring_kib = 64\n[governor]\nmin_percentage = 1\nmax_percentage = 50.0\n";
    let (manifest, warnings) =
        load(&["[appliance]\nname = \"a\"\n", host, WIRE, second, shadowing]);
    assert_eq!(warnings, [""; 0]);
    assert_eq!(manifest.host.workers.as_deref(), Some(&[Core(1), Core(0)][..]));
    assert_eq!(manifest.host.poll, Poll::Adaptive);
    let names: Vec<_> = manifest.wires.iter().map(|wire| wire.name.as_str()).collect();
    assert_eq!(names, ["edge", "w2"]);
    let wire = &manifest.wires[1];
    assert_eq!(wire.b.to_string(), "0000:03:00.1");
    assert_eq!((wire.queues, wire.mbufs, wire.mbuf_cache), (Some(2), None, Some(0)));
    assert_eq!((wire.tx_retries, wire.numa_node), (0, Some(1)));
    assert!(!wire.promiscuous && !wire.propagate_link);
    let shadowing = &manifest.shadowing;
    assert_eq!(shadowing.shadow_traffic_percentage.fraction_ppb(), 375_000_000);
    assert_eq!((shadowing.snaplen_bytes, shadowing.ring_bytes), (Some(128), 64 << 10));
    // Relative paths start at the folder of their file.
    let folder = manifest.sources[0].parent().expect("a folder");
    assert_eq!(manifest.host.control_socket, Some(folder.join("ctl.sock")));
    assert_eq!(manifest.outputs.directory, Some(folder.join("logs")));
    assert_eq!(manifest.outputs.eve, None);
    assert_eq!(manifest.sources.len(), 5);
}

#[test]
fn arguments_of_the_command_line_stand_behind_those_of_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("m.toml");
    let host = "[host]\neal = [\"--no-pci\"]\n";
    std::fs::write(&file, format!("{host}{APPLIANCE}{WIRE}")).expect("a file");
    let eal_args = ["--vdev=net_ring0".to_owned(), "--vdev=net_ring1".to_owned()];
    let options = LoadOptions { eal_args: &eal_args, ..LoadOptions::default() };
    let (manifest, warnings) = Manifest::load_with(&[file], &options).expect("valid");
    assert_eq!(warnings, []);
    assert_eq!(manifest.host.eal, ["--no-pci", "--vdev=net_ring0", "--vdev=net_ring1"]);
}

#[test]
fn a_capture_is_replayed_without_appliance_and_wire() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("m.toml");
    std::fs::write(&file, "").expect("a file");
    let options = LoadOptions { purpose: Purpose::Replay, ..LoadOptions::default() };
    let (manifest, warnings) = Manifest::load_with(&[file], &options).expect("valid");
    assert_eq!((manifest.appliance.name.as_str(), manifest.wires.len()), ("replay", 0));
    assert_eq!(warnings, []);
}

fn parse_all(text: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("m.toml");
    std::fs::write(&file, text).expect("a file in a temporary folder");
    match Manifest::load(&[file]) {
        Ok((_, warnings)) => warnings.iter().for_each(|warning| drop(warning.to_string())),
        Err(diagnostics) => {
            assert!(!diagnostics.errors.is_empty(), "{text:?}");
            drop(diagnostics.to_string());
            drop(serde_json::to_string(&diagnostics.errors).expect("JSON"));
        }
    }
}

/// A key that exists or nearly does.
fn word() -> impl Strategy<Value = String> {
    let keys: Vec<&str> = umbra_control::manifest::keys::SECTIONS
        .iter()
        .flat_map(|section| section.keys.iter().map(|key| key.name).chain([section.name]))
        .collect();
    prop_oneof![8 => prop::sample::select(keys).prop_map(str::to_owned), 1 => "[a-z_]{1,9}"]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (-10i64..70_000).prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:?}")),
        any::<bool>().prop_map(|b| b.to_string()),
        "[ -~é\u{1b}]{0,12}".prop_map(|text| format!("{text:?}")),
        prop::sample::select(vec![
            "\"auto\"",
            "\"flow\"",
            "\"replicate\"",
            "\"net_ring0\"",
            "\"03:00.0\"",
            "\"ids\"",
            "\"performance\"",
            "\"Fuzzing\"",
            "\"-l\"",
            "\"--vdev=net_ring0\"",
            "\"--vdev\"",
            "nan",
            "-inf",
            "0x7fffffffffffffff",
            "99999999999999999999",
            "1979-05-27",
            "'''\n\n'''",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(", "))),
            (word(), inner).prop_map(|(k, v)| format!("{{ {k} = {v} }}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,200}|[\\[\\]{}=\"'\\.a-z0-9\n\r\t\u{0}\u{feff}é# ]{0,200}") {
        parse_all(&text);
    }

    #[test]
    fn no_document_makes_reading_panic(
        lines in prop::collection::vec(
            prop_oneof![
                3 => (word(), value()).prop_map(|(key, value)| format!("{key} = {value}")),
                1 => word().prop_map(|section| format!("[{section}]")),
                1 => word().prop_map(|section| format!("[[{section}]]")),
                1 => (word(), word()).prop_map(|(a, b)| format!("{a}.{b} = 1")),
            ],
            0..30,
        )
    ) {
        parse_all(&lines.join("\n"));
    }

    #[test]
    fn no_arguments_make_reading_panic(
        arguments in prop::collection::vec("(--|-)?[a-z-]{0,12}(=[ -~é]{0,9})?", 0..8)
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("m.toml");
        std::fs::write(&file, APPLIANCE).expect("a file in a temporary folder");
        let options = LoadOptions { eal_args: &arguments, ..LoadOptions::default() };
        if let Err(diagnostics) = Manifest::load_with(&[file], &options) {
            drop(diagnostics.to_string());
        }
    }
}
