//! The ladder, held by a test: a module names only lower floors, siblings never; each crate and each way to touch the
//! outside has its home; no file passes 500 lines; every probe folder is complete.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the ground up. Modules in one row are siblings.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["metric", "wire"],
    &["query", "world"],
    &["probe", "store", "alert"],
    &["sink"],
    &["daemon"],
    &["cli"],
];

/// Path prefix in code → the only modules (or files) that may write it.
const HOMES: &[(&str, &[&str])] = &[
    ("rusqlite::", &["store"]),
    ("retina::", &["world"]),
    ("nvml_wrapper::", &["world"]),
    ("rumqttc::", &["world"]),
    ("socket2::", &["world"]),
    ("procfs::", &["world"]),
    ("sysinfo::", &["world"]),
    ("libc::", &["world"]),
    ("tokio::net", &["world"]),
    ("std::net", &["world"]),
    ("std::process", &["world", "main.rs", "bin"]),
    ("std::fs", &["world", "store", "daemon/config", "cli"]),
    ("prometheus_client::", &["sink/page"]),
];

/// Modules whose sub-folders must not name each other.
const APART: &[&str] = &["probe", "sink"];

const MOST_LINES: usize = 500;

const PROBE_FILES: &[&str] = &["mod.rs", "metrics.rs", "rules.yml", "sample.toml", "README.md", "testdata"];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A line without its comment and without the contents of its string literals, well enough for looking for paths.
fn code(line: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => {
                chars.next();
            }
            '"' => quoted = !quoted,
            '/' if !quoted && chars.peek() == Some(&'/') => break,
            c if !quoted => out.push(c),
            _ => {}
        }
    }
    out
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|row| row.contains(&module))
}

/// The modules that a line names with `crate::`, one level deep, with the next level where there is one.
fn named(line: &str) -> Vec<(String, Option<String>)> {
    let word = |s: &str| -> String { s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut all = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let names = group.split('}').next().unwrap_or("").split(',').map(|n| word(n.trim()));
            all.extend(names.filter(|n| !n.is_empty()).map(|n| (n, None)));
            continue;
        }
        let first = word(rest);
        let second = rest[first.len()..].strip_prefix("::").map(word).filter(|s| !s.is_empty());
        all.push((first, second));
    }
    all
}

/// What is wrong with one line of `module` (`probe/camera/mod.rs`), if anything.
fn faults(file: &str, line: &str) -> Vec<String> {
    let line = code(line);
    let mut parts = file.split('/');
    let own = parts.next().unwrap_or("").trim_end_matches(".rs");
    let own_part = parts.next().map(|p| p.trim_end_matches(".rs"));
    let mut found = Vec::new();
    if let Some(floor) = floor_of(own) {
        for (name, part) in named(&line) {
            match floor_of(&name) {
                Some(_) if name == own => {
                    let apart = APART.contains(&own) && own_part != Some("mod");
                    if let (true, Some(part), Some(own_part)) = (apart, part, own_part)
                        && part != own_part
                        && Path::new("src").join(own).join(&part).is_dir()
                    {
                        found.push(format!("`{own}/{own_part}` names its sibling `{own}/{part}`"));
                    }
                }
                Some(other) if other >= floor => {
                    found.push(format!("`{own}` (floor {floor}) names `{name}` (floor {other})"));
                }
                _ => {}
            }
        }
    }
    for (prefix, homes) in HOMES {
        let mentioned = line
            .match_indices(prefix)
            .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
        let home = homes.iter().any(|h| file.starts_with(h));
        if mentioned && !home {
            found.push(format!("`{}` belongs in {}", prefix.trim_end_matches(':'), homes.join(", ")));
        }
    }
    found
}

#[test]
fn a_module_names_only_lower_floors_and_every_crate_stays_in_its_home() {
    let mut found = Vec::new();
    for path in sources(Path::new("src")) {
        let file = path.strip_prefix("src").unwrap().to_str().unwrap().to_owned();
        for (n, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            found.extend(faults(&file, line).into_iter().map(|f| format!("src/{file}:{}: {f}", n + 1)));
        }
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_checker_sees_what_it_is_for() {
    let sees = |file: &str, line: &str| !faults(file, line).is_empty();
    assert!(sees("metric/book.rs", "use crate::wire::rtp::Flow;"));
    assert!(sees("base/ring.rs", "use crate::{metric, base};"));
    assert!(sees("store/mod.rs", "    crate::alert::Judge"));
    assert!(sees("probe/camera/mod.rs", "use crate::probe::uplink::KIND;"));
    assert!(sees("alert/mod.rs", "use rusqlite::Connection;"));
    assert!(sees("sink/mqtt/run.rs", "let s = std::net::TcpStream::connect(a);"));
    assert!(sees("daemon/hub.rs", "std::fs::read(path)"));
    assert!(!sees("daemon/config.rs", "std::fs::read_to_string(path)"));
    assert!(!sees("sink/mqtt/run.rs", "// crate::daemon decides"));
    assert!(!sees("sink/mqtt/run.rs", "use crate::store::Events;"));
    assert!(!sees("probe/mod.rs", "use crate::probe::camera;"));
    assert!(!sees("world/clock.rs", "unsafe { libc::adjtimex(&mut t) }"));
}

#[test]
fn no_source_file_passes_five_hundred_lines() {
    let mut long = Vec::new();
    for dir in ["src", "gst", "tests", "benches", "hil-tests"] {
        for path in sources(Path::new(dir)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            if lines > MOST_LINES {
                long.push(format!("{} has {lines} lines; split it by what it knows", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "\n{}\n", long.join("\n"));
}

#[test]
fn every_probe_folder_is_complete_and_on_the_table() {
    let table = fs::read_to_string("src/probe/mod.rs").unwrap();
    let mut missing = Vec::new();
    for entry in fs::read_dir("src/probe").unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        if !table.contains(&format!("&{name}::KIND")) {
            missing.push(format!("{name} is not in KINDS; add `&{name}::KIND,` to src/probe/mod.rs"));
        }
        let absent = PROBE_FILES.iter().filter(|f| !path.join(f).exists());
        missing.extend(absent.map(|f| format!("{}/{f} is missing", path.display())));
    }
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
}
