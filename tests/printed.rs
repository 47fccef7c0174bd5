//! What is said once in the code and printed: the committed copies are what the program prints.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::path::Path;
use std::process::{Command, Output};

fn vedette(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vedette")).args(arguments).output().unwrap()
}

fn printed(what: &str) -> String {
    let out = vedette(&["print", what]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn same(committed: &str, printed: &str) {
    let there = std::fs::read_to_string(committed).unwrap_or_default();
    assert!(there == printed, "{committed} is not what the program prints; `make print` writes it anew");
}

#[test]
fn the_committed_full_configuration_is_the_printed_one_and_valid() {
    same("config/full.toml", &printed("config"));
    let out = vedette(&["check", "config/full.toml"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

/// `#key = value` is a commented key; `# text` is prose.
fn uncommented(line: &str) -> &str {
    match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => key,
        _ => line,
    }
}

#[test]
fn every_key_of_the_full_configuration_is_known_when_it_is_uncommented() {
    let text = printed("config");
    let bare: Vec<_> = text.lines().map(uncommented).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("full.toml");
    std::fs::write(&path, bare.join("\n")).unwrap();
    let out = vedette(&["check", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&out.stdout);
    // All keys at once name some things twice; anything else is a key or a default that the program does not know.
    let twice = ["without TLS", "the password is given twice", "cannot open", "cannot read"];
    let wrong: Vec<_> = said.lines().filter(|l| l.contains("error") && !twice.iter().any(|t| l.contains(t))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_committed_metrics_page_is_the_printed_one() {
    same("METRICS.md", &printed("metrics"));
}

#[test]
fn the_committed_dashboard_is_the_printed_one() {
    same("config/grafana/recording-node.json", &printed("dashboard"));
}

#[test]
fn the_committed_rule_files_are_the_printed_ones() {
    let dir = tempfile::tempdir().unwrap();
    assert!(vedette(&["print", "rules", "--dir", dir.path().to_str().unwrap()]).status.success());
    let names = |dir: &Path| {
        let mut all: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        all.sort();
        all
    };
    assert_eq!(names(dir.path()), names(Path::new("config/rules")), "`make print` writes them anew");
    for name in names(dir.path()) {
        let printed = std::fs::read_to_string(dir.path().join(&name)).unwrap();
        same(&format!("config/rules/{}", name.to_str().unwrap()), &printed);
    }
}

#[test]
fn the_starter_configuration_is_short_and_valid() {
    let text = std::fs::read_to_string("config/starter.toml").unwrap();
    assert!(text.lines().count() <= 15);
    let out = vedette(&["check", "config/starter.toml"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn every_verb_explains_itself_with_examples() {
    for verb in ["run", "check", "print", "status", "export"] {
        let help = String::from_utf8(vedette(&[verb, "--help"]).stdout).unwrap();
        assert!(help.contains("Examples:") && help.contains(&format!("vedette {verb}")), "{verb}: {help}");
    }
}

#[test]
fn a_relative_path_is_taken_from_the_directory_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let camera = |file: &str| {
        format!(
            "[alerts]\nrules = [\"rules.yml\"]\n[[camera]]\nid = \"yard\"\nurl = \"rtsp://yard/\"\nusername = \"u\"\n\
             password_file = \"{file}\"\n"
        )
    };
    write("rules.yml", "groups: []\n");
    write("secret", "canary\n");
    write("good.toml", &camera("secret"));
    write("bad.toml", &camera("secrets/yard"));
    let check = |name: &str| vedette(&["check", dir.path().join(name).to_str().unwrap()]);
    let out = check("good.toml");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    let out = check("bad.toml");
    let said = String::from_utf8(out.stdout).unwrap();
    let looked = dir.path().join("secrets/yard");
    assert!(!out.status.success() && said.contains(&format!("cannot open {}", looked.display())), "{said}");
}

#[test]
fn check_reports_all_mistakes_at_once_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vedette.toml");
    let text = "[node]\ntick = \"5x\"\n[[camera]]\nid = \"a b\"\nurl = \"http://h/\"\npasword_file = \"x\"\n[wbe]\n";
    std::fs::write(&path, text).unwrap();
    let out = vedette(&["check", path.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8(out.stdout).unwrap();
    for wanted in [
        ":2:8: error: `node.tick` is \"5x\"",
        ":4:6: error: `camera[0].id` is \"a b\"",
        ":5:7: error:",
        ":6:1: error: unknown key `camera[0].pasword_file`; did you mean `password_file`?",
        ":7:2: error: unknown key `wbe`; did you mean `web`?",
    ] {
        assert!(said.contains(wanted), "no {wanted:?} in:\n{said}");
    }
}
