//! The commands about manifests as programs call them: what they print and how they exit.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn umbra(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_umbra"))
        .args(arguments)
        .env_remove("UMBRA_LOG")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output()
        .expect("umbra starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("JSON on standard output")
}

fn config(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../configs").join(name);
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// A file that is gone with the value.
fn manifest(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("a temporary file");
    file
}

#[test]
fn check_says_what_would_be_run_and_exits_0() {
    let output = umbra(&["check", &config("edge.toml")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn check_exits_0_for_every_example() {
    for name in ["edge", "lab-veth", "lab-virtio", "profiles", "replay-pcap"] {
        let output = umbra(&["check", &config(&format!("{name}.toml"))]);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{name}");
    }
}

#[test]
fn check_prints_all_errors_and_exits_2() {
    let file = manifest("[appliance]\nname = 1\n[[wire]]\nmtu = 1\n");
    let output = umbra(&["check", file.path().to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.starts_with("warning: there is no [outputs]"), "{text}");
    assert!(text.ends_with("5 errors\n"), "{text}");
    assert_eq!(stdout(&output), "");
}

#[test]
fn check_answers_in_json_on_standard_output_alone() {
    let good = umbra(&["check", "--json", &config("edge.toml")]);
    assert_eq!((good.status.code(), stderr(&good).as_str()), (Some(0), ""));
    let answer = json(&good);
    assert_eq!((&answer["ok"], &answer["errors"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(answer["manifest"]["wires"][0]["b"], "0000:03:00.1");
    let file = manifest("[appliance]\nname = 1\n");
    let bad = umbra(&["check", file.path().to_str().expect("UTF-8"), "--json"]);
    assert_eq!((bad.status.code(), stderr(&bad).as_str()), (Some(2), ""));
    let answer = json(&bad);
    assert_eq!((&answer["ok"], &answer["manifest"]), (&false.into(), &serde_json::Value::Null));
    let errors = answer["errors"].as_array().expect("an array");
    let wrong_type = errors.iter().find(|e| e["class"] == "wrong_type").expect("that error");
    assert_eq!((&wrong_type["line"], &wrong_type["key"]), (&2.into(), &"appliance.name".into()));
}

#[test]
fn every_rule_that_does_not_load_is_told_with_its_reason() {
    let file = manifest(
        "alert tcp any any -> any 80 (msg:\"good\"; content:\"a\"; sid:1;)\n\
         alert tcp any any -> any 80 (msg:\"bad\"; content:\"abc\"; depth:1; sid:2;)\n\
         alert tcp any any -> any 80 (msg:\"lua\"; lua:x.lua; sid:3;)\n",
    );
    let path = file.path().to_str().expect("UTF-8");
    let output = umbra(&["check", "--rules", path]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains(&format!("error: {path}:2: sid 2: ")), "{text}");
    assert!(text.contains(&format!("unsupported: {path}:3: sid 3: ")), "{text}");
    assert!(stdout(&output).starts_with("1 rules loaded, 1 failed, 1 unsupported"), "{text}");
    let output = umbra(&["check", "--rules", path, "--json"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(2), ""));
    let answer = json(&output);
    assert_eq!(answer["loaded"], 1);
    let failed = &answer["failed"][0];
    assert_eq!(
        (&failed["file"], &failed["line"], &failed["sid"]),
        (&path.into(), &2.into(), &2.into())
    );
    assert_eq!(answer["unsupported"][0]["sid"], 3);
}

#[test]
fn a_rules_file_that_is_not_there_is_an_error() {
    let output = umbra(&["check", "--rules", "no-such.rules", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let answer = json(&output);
    assert_eq!((&answer["loaded"], &answer["unsupported"]), (&0.into(), &serde_json::json!([])));
    assert_eq!(answer["failed"][0]["file"], "no-such.rules");
}

#[test]
fn bad_usage_exits_2() {
    for arguments in [
        &["check"][..],
        &["run"],
        &["no-such-command"],
        &["ctl", "percentage", "101"],
        &["run", "a.toml", "--stats-period", "-1"],
        &["run", "a.toml", "--for", "0"],
        &["replay"],
        &["replay", "-r", "a.pcap", "-k", "some"],
        &["check", "a.toml", "--rules", "a.rules"],
        &[],
    ] {
        let output = umbra(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn commands_that_are_not_built_say_so_and_exit_1() {
    for arguments in [&["top"][..], &["selftest", "--json", "verdicts.json"]] {
        let output = umbra(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).starts_with("error: not built yet: "), "{}", stderr(&output));
    }
}

#[test]
fn schema_completions_and_manual_are_printed() {
    let schema = umbra(&["schema"]);
    assert_eq!(json(&schema), umbra_control::schema::schema());
    let reference = stdout(&umbra(&["schema", "--markdown"]));
    for section in umbra_control::manifest::keys::SECTIONS {
        assert!(reference.contains(&format!("## `{}`", section.header())));
        for key in section.keys {
            assert!(reference.contains(&format!("| `{}` |", key.name)), "{}", key.name);
        }
    }
    for shell in ["bash", "zsh", "fish"] {
        let output = umbra(&["completions", shell]);
        assert!(stdout(&output).contains("percentage"), "{shell}");
    }
    let manual = stdout(&umbra(&["man"]));
    assert!(manual.contains(".TH umbra 1") && manual.contains("stats\\-period"), "{manual}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_umbra"))
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("umbra starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("umbra ends");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}
