//! What Suricata 8 says of rules and payloads.
//!
//! `verdicts.txt` has lines of a verdict (1: it alerts), the payload of a UDP packet in hexadecimal (`-` for none),
//! and a rule's options. `UMBRA_VERDICTS` names more such files, with commas between them.

use super::{Ready, try_rule};

/// Disagreements, each as a line.
fn disagreements(text: &str) -> Vec<String> {
    let mut last: Option<(&str, Result<Ready, String>)> = None;
    let mut wrong = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut parts = line.splitn(3, ' ');
        let (Some(verdict), Some(payload), Some(options)) =
            (parts.next(), parts.next(), parts.next())
        else {
            panic!("not a verdict, payload and options: {line}");
        };
        if last.as_ref().is_none_or(|(before, _)| *before != options) {
            let ready = try_rule(options).and_then(|rule| Ready::of(&rule));
            last = Some((options, ready));
        }
        let Some((_, ready)) = &mut last else { continue };
        match ready {
            Err(reason) => wrong.push(format!("{options}: {reason}")),
            Ok(ready) => {
                let payload = bytes(payload);
                if ready.holds(&payload) != (verdict == "1") {
                    wrong.push(format!("{line}\n    {}", payload.escape_ascii()));
                }
            }
        }
    }
    wrong
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap();
    let pairs = hex.strip_prefix('-').unwrap_or(hex).as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::try_from(digit(pair[0]) << 4 | digit(pair[1])).unwrap()).collect()
}

#[test]
fn agrees_with_suricata() {
    let wrong = disagreements(include_str!("verdicts.txt"));
    assert!(wrong.is_empty(), "{} verdicts differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn agrees_with_files_of_verdicts() {
    let Ok(files) = std::env::var("UMBRA_VERDICTS") else { return };
    for file in files.split(',') {
        let wrong = disagreements(&std::fs::read_to_string(file).unwrap());
        assert!(
            wrong.is_empty(),
            "{file}: {} verdicts differ:\n{}",
            wrong.len(),
            wrong[..wrong.len().min(40)].join("\n")
        );
    }
}

#[test]
fn a_wrong_verdict_is_seen() {
    assert_eq!(disagreements("0 61 content:\"a\";").len(), 1);
    assert_eq!(disagreements("1 61 content:\"a\";\n0 62 content:\"a\";").len(), 0);
}
