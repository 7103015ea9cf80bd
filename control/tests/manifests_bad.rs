//! Bad manifests: one case each, with the whole message as it is printed in a snapshot.

use std::path::{Path, PathBuf};

use umbra_control::manifest::{Class, Diagnostics, LoadOptions, Manifest};

/// A manifest with nothing wrong in it; the cases add to it.
const GOOD: &str = r#"[appliance]
name = "edge-1"
[outputs]
[host]
eal = ["--no-pci", "--vdev=net_ring0", "--vdev=net_ring1"]
[[wire]]
name = "edge"
a = "net_ring0"
b = "net_ring1"
"#;

/// The same without `[host]` and `[outputs]`, for cases of those.
const EDGE: &str = r#"[appliance]
name = "edge-1"
[[wire]]
name = "edge"
a = "net_ring0"
b = "net_ring1"
"#;

fn load(files: &[(&str, &[u8])], eal_args: &[&str]) -> Result<(Manifest, String), Diagnostics> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|(name, content)| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("a file in a temporary folder");
            path
        })
        .collect();
    let eal_args: Vec<String> = eal_args.iter().map(|&argument| argument.to_owned()).collect();
    let options = LoadOptions { eal_args: &eal_args, ..LoadOptions::default() };
    let relative = |path: &mut PathBuf| {
        if let Ok(rest) = path.strip_prefix(folder.path()) {
            *path = rest.to_owned();
        }
    };
    match Manifest::load_with(&paths, &options) {
        Ok((manifest, mut warnings)) => {
            let mut text = String::new();
            for warning in &mut warnings {
                relative(&mut warning.place.file);
                if let Some((_, place)) = &mut warning.related {
                    relative(&mut place.file);
                }
                text += &warning.to_string();
            }
            Ok((manifest, text))
        }
        Err(mut diagnostics) => {
            let Diagnostics { errors, warnings } = &mut diagnostics;
            for diagnostic in errors.iter_mut().chain(warnings) {
                relative(&mut diagnostic.place.file);
                if let Some((_, place)) = &mut diagnostic.related {
                    relative(&mut place.file);
                }
                let prefix = format!("{}/", folder.path().display());
                diagnostic.message = diagnostic.message.replace(&prefix, "");
            }
            Err(diagnostics)
        }
    }
}

fn refused(files: &[(&str, &[u8])], eal_args: &[&str]) -> Diagnostics {
    match load(files, eal_args) {
        Err(diagnostics) => diagnostics,
        Ok((manifest, _)) => panic!("accepted: {manifest:#?}"),
    }
}

/// A test per case: what is refused, and the message.
macro_rules! refused {
    // Lines that follow a good manifest.
    ($($name:ident: $added:expr;)*) => {$(
        #[test]
        fn $name() {
            let text = format!("{GOOD}{}", $added);
            let diagnostics = refused(&[("edge.toml", text.as_bytes())], &[]);
            insta::assert_snapshot!(stringify!($name), diagnostics);
        }
    )*};
}

/// A test per case: the files as they are.
macro_rules! refused_whole {
    ($($name:ident: $($file:literal = $text:expr),+;)*) => {$(
        #[test]
        fn $name() {
            let diagnostics = refused(&[$(($file, AsRef::<[u8]>::as_ref($text))),+], &[]);
            insta::assert_snapshot!(stringify!($name), diagnostics);
        }
    )*};
}

// Not TOML at all, or not quite.
refused_whole! {
    syntax_string_without_end: "edge.toml" = "[appliance]\nname = \"edge\n";
    syntax_value_without_quotes: "edge.toml" = "[appliance]\nname = edge\n";
    syntax_header_without_end: "edge.toml" = "[appliance\nname = \"edge\"\n";
    syntax_key_without_value: "edge.toml" = "[appliance]\nname =\n";
    syntax_leading_zero: "edge.toml" = "[[wire]]\nmtu = 0900\n";
    syntax_several_errors_and_others_beside_them: "edge.toml" =
        "[appliance]\nname = edge\n[[wire]]\nmtu = 1\nburst =\n[shadowing]\nselekt = \"flow\"\n";
    syntax_bad_escape: "edge.toml" = "[outputs]\ndirectory = \"C:\\umbra\"\n";
    a_file_that_is_not_text: "edge.toml" = b"[appliance]\nname = \"\xff\"\n";
    an_empty_file: "edge.toml" = "";
    windows_line_ends_and_characters_of_several_bytes: "edge.toml" =
        "[appliance]\r\nname = \"édgé\"\r\n[[wire]]\r\nname = \"w\"\r\n\
         a = \"net_a0\"\r\nb = \"net_a1\"\r\n";
    control_characters_are_not_sent_to_the_terminal: "edge.toml" =
        "[appliance]\nname = \"\\u001b[31m\" # \u{7f}\n[[wire]]\n\"\\u001b\" = 1\n";
}

// Keys and sections that do not exist.
refused! {
    unknown_section: "[shadow]\nshadow_enabled = true\n";
    unknown_section_like_nothing: "[colours]\nblue = true\n";
    unknown_key_nearly_right: "mtuu = 1500\n";
    unknown_key_with_dashes: "rx-descriptors = 1024\n";
    unknown_key_of_another_section: "workers = [1]\n";
    unknown_key_like_nothing: "colour = \"blue\"\n";
    unknown_dotted_key: "[shadowing]\nshadow.enabled = true\n";
}
refused_whole! {
    key_in_no_section: "edge.toml" = "shadow_traffic_percentage = 1.0\n[appliance]\nname = \"a\"\n";
}

// Values of the wrong type.
refused! {
    wrong_type_string_for_number: "mtu = \"1500\"\n";
    wrong_type_number_for_string: "[shadowing]\nselect = 5\n";
    wrong_type_string_for_boolean: "promiscuous = \"true\"\n";
    wrong_type_fraction_for_whole_number: "queues = 2.0\n";
    wrong_type_scalar_for_array: "[shadowing]\nshadow_analysis_profiles = \"Fuzzing\"\n";
    wrong_type_item: "[shadowing]\nshadow_analysis_profiles = [\"Performance_Profiling\", 7]\n";
    wrong_type_date: "[shadowing]\nshadow_traffic_percentage = 2026-01-02\n";
    wrong_type_table_for_value: "[outputs.eve]\nfile = \"x\"\n";
    wrong_type_section_as_array: "[[shadowing]]\nselect = \"flows\"\n";
}
refused_whole! {
    wrong_type_section_as_value: "edge.toml" = "appliance = \"edge-1\"\n[[wire]]\nname = \"w\"\n\
         a = \"net_a0\"\nb = \"net_a1\"\n";
    wrong_type_wire_as_table: "edge.toml" = "[appliance]\nname = \"a\"\n[wire]\nname = \"w\"\n\
         a = \"net_a0\"\nb = \"net_a1\"\nmtu = 99999\n";
    wrong_type_wire_as_array_of_numbers: "edge.toml" = "wire = [1]\n[appliance]\nname = \"a\"\n";
}

// Values that are out of range.
refused! {
    range_percentage_above: "[shadowing]\nshadow_traffic_percentage = 150.0\n";
    range_percentage_below: "[shadowing]\nshadow_traffic_percentage = -0.1\n";
    range_percentage_not_a_number: "[shadowing]\nshadow_traffic_percentage = nan\n";
    range_percentage_too_fine: "[shadowing]\nshadow_traffic_percentage = 1e-9\n";
    range_mtu: "mtu = 67\n";
    range_mtu_hexadecimal: "mtu = 0xffff\n";
    range_beyond_64_bits: "mbufs = 99999999999999999999999\n";
    range_descriptors: "rx_descriptors = 63\ntx_descriptors = 65536\n";
    range_burst: "burst = 0\n";
    range_instances: "[shadowing]\nshadow_instance_count = 65\n";
    range_snaplen: "[shadowing]\nsnaplen = 32\n";
    range_ring_no_power_of_two: "[shadowing]\nring_kib = 5000\n";
    choice_unknown: "[shadowing]\nselect = \"flows\"\n";
    port_that_is_an_interface: "[[wire]]\nname = \"w\"\na = \"eth0\"\nb = \"0000:03:00\"\n";
    name_with_a_space: "[[wire]]\nname = \"my wire\"\na = \"net_ring2\"\nb = \"net_ring3\"\n";
}
refused_whole! {
    values_of_outputs: "edge.toml" = EDGE, "outputs.toml" =
        "[outputs]\ndirectory = \"\"\neve = \"\"\neve_types = []\nstats_interval_s = 0\n";
    range_cores: "host.toml" = "[host]\nworkers = [1, 1, 1024, -1]\nanalyzers = []\n\
        [appliance]\nname = \"a\"\n[[wire]]\nname = \"w\"\na = \"net_a0\"\nb = \"net_a1\"\n";
}

// What must be there.
refused_whole! {
    missing_appliance_and_wire: "host.toml" = "[host]\nworkers = [1]\n";
    missing_name_of_appliance: "edge.toml" = "[appliance]\n[[wire]]\nname = \"w\"\n\
        a = \"net_a0\"\nb = \"net_a1\"\n";
    missing_ends_of_a_wire: "edge.toml" = "[appliance]\nname = \"a\"\n[[wire]]\nmtu = 1500\n\
        [[wire]]\nname = \"w\"\na = \"net_a0\"\n";
}
refused! {
    missing_kind_of_a_profile: "[[profile]]\nid = \"P\"\n";
}

// Twice what may stand once.
refused! {
    duplicate_key: "mtu = 1500\nmtu = 9000\n";
    duplicate_section: "[appliance]\nname = \"edge-2\"\n";
    duplicate_wire_name: "[[wire]]\nname = \"edge\"\na = \"net_ring2\"\nb = \"net_ring3\"\n";
    duplicate_port: "[[wire]]\nname = \"w\"\na = \"net_ring1\"\nb = \"net_ring2\"\n";
    duplicate_port_in_another_spelling: "[[wire]]\nname = \"w\"\na = \"03:00.0\"\n\
                                         b = \"0000:03:00.0\"\n";
    duplicate_profile: "[[profile]]\nid = \"P\"\nkind = \"performance\"\n\
                        [[profile]]\nid = \"P\"\nkind = \"performance\"\n";
    duplicate_item: "[shadowing]\nshadow_analysis_profiles = [\"Performance_Profiling\", \
                     \"Performance_Profiling\"]\n";
}
refused_whole! {
    two_hosts_in_two_files: "a.toml" = GOOD, "b.toml" = "# the other\n[host]\nworkers = [1]\n";
    two_appliances_in_two_files: "a.toml" = GOOD, "b.toml" = "[appliance]\nname = \"edge-2\"\n";
    two_wires_of_one_name_in_two_files: "a.toml" = GOOD, "b.toml" =
        "[[wire]]\nname = \"edge\"\na = \"net_ring8\"\nb = \"net_ring1\"\n";
    errors_in_two_files: "a.toml" = "[appliance]\nname = \"\"\n", "b.toml" =
        "[[wire]]\nname = \"w\"\na = \"net_a0\"\nb = \"net_a0\"\nmtu = 1\n";
}

// Keys that contradict each other.
refused! {
    queues_without_workers: "queues = 4\n[[wire]]\nname = \"w\"\na = \"net_ring2\"\n\
                             b = \"net_ring3\"\n[governor]\nmin_percentage = 50.0\n\
                             max_percentage = 10.0\n";
    percentage_above_the_governors: "[shadowing]\nshadow_traffic_percentage = 30\n[governor]\n\
                                     max_percentage = 25.0\n";
    default_percentage_below_the_governors: "[governor]\nmin_percentage = 5.0\n";
    too_few_mbufs: "mbufs = 1024\nrx_descriptors = 1024\ntx_descriptors = 1024\n\
                    mbuf_cache = 512\n";
    pci_port_behind_no_pci: "[[wire]]\nname = \"w\"\na = \"0000:03:00.0\"\nb = \"net_ring2\"\n";
    standard_profile_of_another_kind: "[[profile]]\nid = \"Fuzzing\"\nkind = \"performance\"\n";
    unknown_profile: "[shadowing]\nshadow_analysis_profiles = [\"IDS_Signature_Scans\", \"Mine\"]\n";
}
refused_whole! {
    core_forwards_and_analyses: "host.toml" = "[host]\nworkers = [1, 2]\nanalyzers = [0, 1]\n\
        [appliance]\nname = \"a\"\n[[wire]]\nname = \"w\"\na = \"net_a0\"\nb = \"net_a1\"\n";
    more_queues_than_workers: "edge.toml" = "[host]\nworkers = [1]\n[appliance]\nname = \"a\"\n\
        [outputs]\n[[wire]]\nname = \"w\"\na = \"03:00.0\"\nb = \"03:00.1\"\nqueues = 4\n";
    pci_port_that_is_not_allowed: "edge.toml" = "[host]\neal = [\"-a\", \"03:00.0,x=1\", \
        \"-b\", \"0000:05:00.0\"]\n[appliance]\nname = \"a\"\n[outputs]\n[[wire]]\nname = \"w\"\n\
        a = \"03:00.0\"\nb = \"03:00.1\"\n[[wire]]\nname = \"v\"\na = \"04:00.0\"\n\
        b = \"05:00.0\"\n";
    eal_core_lists: "host.toml" = "[host]\neal = [\"-l\", \"0-3\", \"--lcores=0@0\", \"-c0xf\",\n    \
        \"--main-lcore\", \"2\", \"-S1\", \"--vdev=net_a0\", \"--lcor\", \"(0,1)@0\"]\n\
        [appliance]\nname = \"a\"\n[outputs]\n[[wire]]\nname = \"w\"\na = \"net_a0\"\nb = \"net_a1\"\n";
    eal_arguments_that_cannot_work: "host.toml" = "[host]\neal = [\"--no-pci --vdev=net_a0\", \
        \"--no-huge\", \"--in-memory\", \"net_a1\", \"--\", \"--help\", \"--proc-type=secondary\", \
        \"\", \"--vdev=net_a0\", \"--vdev=net_a0\", \"--vdevv=net_a1\", \"--vdev\"]\n\
        [appliance]\nname = \"a\"\n[outputs]\n[[wire]]\nname = \"w\"\na = \"net_a0\"\nb = \"net_a1\"\n";
}

// Known, but not built yet.
refused! {
    not_built_profiles: "[shadowing]\nshadow_analysis_profiles = [\
                         \"Performance_Profiling\", \"Fuzzing\"]\n";
    not_built_kind: "[[profile]]\nid = \"Mine\"\nkind = \"fuzzing\"\n\
                     [shadowing]\nshadow_analysis_profiles = [\"Mine\"]\n";
    not_built_isolation: "[shadowing]\nisolation = \"process\"\n";
    not_built_governor: "[governor]\npolicy = \"predictive\"\n";
    not_built_remediation: "[remediation]\nmode = \"enforce\"\n";
    not_built_external_shadow: "[external_shadow]\nkind = \"qemu\"\ncount = 2\n";
}

refused_whole! {
    unknown_eve_types: "edge.toml" = EDGE, "outputs.toml" =
        "[outputs]\neve_types = [\"flow\", \"dns\", \"tls\", \"netflow\"]\n";
}

#[test]
fn rules_start_at_the_folder_of_the_manifest() {
    let text = format!(
        "{GOOD}[[profile]]\nid = \"Mine\"\nkind = \"ids\"\nrules = [\"rules/*.rules\"]\n\
         [shadowing]\nshadow_analysis_profiles = [\"Mine\"]\n"
    );
    let diagnostics = refused(&[("edge.toml", text.as_bytes())], &[]);
    let [error] = &diagnostics.errors[..] else { panic!("{diagnostics}") };
    assert!(error.message.contains("of a folder that cannot be read"), "{diagnostics}");
    assert!(
        error
            .found
            .as_deref()
            .is_some_and(|f| f.starts_with("\"/") && f.ends_with("rules/*.rules\""))
    );
}

#[test]
fn all_errors_of_all_files_come_at_once() {
    let a = "[host]\neal = [\"-l\", \"0\"]\nworkers = [\"1\"]\npol = \"busy\"\n[appliance]\n\
             name = \"edge 1\"\n";
    let b = "[[wire]]\nname = \"w\"\na = \"eth0\"\nmtu = 0\n[shadowing]\n\
             shadow_traffic_percentage = 101\nshadow_instance_count = -1\n\
             shadow_analysis_profiles = [\"Fuzzing\", \"IDS\"]\n[governor]\npolicy = \"pid\"\n";
    let diagnostics = refused(&[("a.toml", a.as_bytes()), ("b.toml", b.as_bytes())], &[]);
    assert_eq!(diagnostics.errors.len(), 12, "{diagnostics}");
    insta::assert_snapshot!(diagnostics);
}

#[test]
fn arguments_of_the_command_line_are_shown_like_a_file() {
    let diagnostics =
        refused(&[("edge.toml", GOOD.as_bytes())], &["--log-level=8", "-l", "0-1", "--vdev"]);
    insta::assert_snapshot!(diagnostics);
}

#[test]
fn long_lines_are_cut_around_what_is_wrong() {
    let vdevs: String = (0..40).map(|n| format!("\"--vdev=net_ring{n}\", ")).collect();
    let text =
        GOOD.replace("\"--no-pci\", \"--vdev=net_ring0\", ", &format!("{vdevs}\"-c\", \"f\", "));
    let diagnostics = refused(&[("edge.toml", text.as_bytes())], &[]);
    insta::assert_snapshot!(diagnostics);
}

#[test]
fn a_file_that_is_not_there_is_an_error_beside_the_others() {
    let diagnostics = Manifest::load(&[
        PathBuf::from("no/such/edge.toml"),
        PathBuf::from("no/such/edge.toml"),
        PathBuf::from("/"),
    ])
    .expect_err("no file is there");
    insta::assert_snapshot!(diagnostics);
}

#[test]
fn no_file_at_all_is_an_error() {
    insta::assert_snapshot!(Manifest::load(&[]).expect_err("no file"));
}

#[test]
fn a_file_without_end_is_refused() {
    let diagnostics = Manifest::load(&["/dev/zero".into()]).expect_err("endless");
    assert!(diagnostics.errors[0].message.contains("longer than 4 MiB"), "{diagnostics}");
}

#[test]
fn what_is_legal_but_odd_is_a_warning() {
    let text = "[appliance]\nname = \"a\"\nappliance_image = \"fw.qcow2\"\n[host]\n\
                eal = [\"--vdev=net_rimg0\", \"--new-option=1\"]\n[[wire]]\nname = \"w\"\n\
                a = \"net_ring0\"\nb = \"net_null0\"\n[shadowing]\ndistribute = \"replicate\"\n\
                shadow_analysis_profiles = []\n[[profile]]\nid = \"Unused\"\n\
                kind = \"performance\"\n[[profile]]\nid = \"Unused_2\"\nkind = \"performance\"\n";
    let (_, warnings) = load(&[("edge.toml", text.as_bytes())], &[]).expect("only warnings");
    insta::assert_snapshot!(warnings);
    let idle = format!("{GOOD}[shadowing]\nshadow_instance_count = 0\n");
    let (_, warnings) = load(&[("edge.toml", idle.as_bytes())], &[]).expect("only warnings");
    insta::assert_snapshot!("an_enabled_shadow_without_instances_is_a_warning", warnings);
}

#[test]
fn bursts_of_different_lengths_are_a_warning_about_the_shorter() {
    let second = "burst = 16\n[[wire]]\nname = \"w\"\na = \"03:00.0\"\nb = \"03:00.1\"\n";
    let text = format!("{GOOD}{second}").replace("\"--no-pci\", ", "");
    let (_, warnings) = load(&[("edge.toml", text.as_bytes())], &[]).expect("only warnings");
    insta::assert_snapshot!(warnings);
}

#[test]
fn what_is_not_built_has_a_class_of_its_own() {
    let text = format!("{GOOD}[shadowing]\nshadow_analysis_profiles = [\"Fuzzing\"]\n");
    let diagnostics = refused(&[("edge.toml", text.as_bytes())], &[]);
    assert_eq!(diagnostics.errors[0].class, Class::NotBuiltYet);
}

/// No snapshot: which keys are legal is the business of the kind's factory.
#[test]
fn an_unknown_key_of_a_profile_is_refused_with_those_of_its_kind() {
    let text = format!("{GOOD}[[profile]]\nid = \"P\"\nkind = \"performance\"\nrulez = []\n");
    let diagnostics = refused(&[("edge.toml", text.as_bytes())], &[]);
    let error = &diagnostics.errors[0];
    assert_eq!((error.class, error.key.as_str()), (Class::UnknownKey, "profile[0].rulez"));
    assert!(error.legal.as_deref().is_some_and(|legal| legal.starts_with("id, kind")), "{error}");
    assert_eq!(error.place.position.as_ref().map(|p| (p.line, p.column)), Some((13, 1)));
}

/// The answer to `umbra check --json`, which editors and scripts read.
#[test]
fn a_diagnostic_as_json_has_place_value_and_legal_range() {
    let text = format!("{GOOD}mtu = 99999\n");
    let diagnostics = refused(&[("edge.toml", text.as_bytes())], &[]);
    let json = serde_json::to_string_pretty(&diagnostics.errors).expect("JSON");
    insta::assert_snapshot!(json);
}

#[test]
fn no_snapshot_is_left_over() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let source = include_str!("manifests_bad.rs");
    for entry in std::fs::read_dir(folder).expect("snapshots") {
        let file = entry.expect("a directory entry").file_name().into_string().expect("UTF-8");
        let Some(rest) = file.strip_prefix("manifests_bad__") else { continue };
        let name = rest.strip_suffix(".snap").unwrap_or(rest);
        assert!(source.contains(name), "{file} belongs to no test");
    }
}
