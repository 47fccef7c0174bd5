//! Buildroot itself is not on every builder, so its tree is checked here for what it would refuse: symbols and paths that
//! do not exist, versions and hashes that are not ours, scripts with mistakes. By hand against a release: buildroot/README.md.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::process::Command;

const TREE: &str = "buildroot";
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn text(path: &str) -> String {
    read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn defconfigs() -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(format!("{TREE}/configs")).unwrap();
    let all: Vec<_> = entries.map(|e| e.unwrap().path()).map(|p| (p.clone(), read_to_string(&p).unwrap())).collect();
    assert!(!all.is_empty());
    all
}

/// The paths in `text` that follow `root`.
fn paths(text: &str, root: &str) -> Vec<String> {
    text.split(root).skip(1).map(|rest| rest.split(['"', ' ', '\n']).next().unwrap().to_owned()).collect()
}

#[test]
fn the_tree_names_itself_as_its_variables_do() {
    let desc = text("buildroot/external.desc");
    assert!(desc.starts_with("name: VEDETTE\ndesc: "), "{desc}");
    for file in ["Config.in", "external.mk"] {
        assert!(text(&format!("{TREE}/{file}")).contains("BR2_EXTERNAL_VEDETTE_PATH"), "{file}");
    }
}

#[test]
fn every_defconfig_checks_all_hashes_and_names_only_what_exists() {
    let declared = text("buildroot/package/vedette/Config.in");
    for (path, config) in defconfigs() {
        let path = path.display();
        assert!(config.lines().any(|l| l == "BR2_DOWNLOAD_FORCE_CHECK_HASHES=y"), "{path} does not force hashes");
        assert!(config.lines().any(|l| l == "BR2_PACKAGE_VEDETTE=y"), "{path} builds without us");
        for symbol in config.lines().filter(|l| l.starts_with("BR2_PACKAGE_VEDETTE")) {
            let symbol = symbol.split('=').next().unwrap();
            assert!(declared.lines().any(|l| l == format!("config {symbol}")), "{path}: {symbol} is declared nowhere");
        }
        for file in paths(&config, "$(BR2_EXTERNAL_VEDETTE_PATH)/") {
            assert!(Path::new(TREE).join(&file).exists(), "{path}: no {TREE}/{file}");
        }
    }
}

#[test]
fn the_package_has_our_version_and_installs_files_that_exist() {
    let mk = text("buildroot/package/vedette/vedette.mk");
    let head = format!("{0}\n#\n# vedette\n#\n{0}\n\n", "#".repeat(80));
    assert!(mk.starts_with(&head), "the header of a Buildroot makefile");
    assert!(mk.contains(&format!("\nVEDETTE_VERSION = {VERSION}\n")), "not version {VERSION}");
    assert!(mk.ends_with("\n\n$(eval $(cargo-package))\n"));
    let sources = paths(&mk, "$(@D)/");
    assert!(sources.len() >= 4, "{sources:?}");
    for source in sources {
        let shipped = source.trim_end_matches("*.yml");
        assert!(Path::new(shipped).exists(), "it installs {source}");
    }
    let spaced = mk.lines().find(|l| l.starts_with(' '));
    assert_eq!(spaced, None, "recipes are indented with tabs");
}

#[test]
fn the_licence_is_the_one_whose_hash_is_kept() {
    let hashes = text("buildroot/package/vedette/vedette.hash");
    let lines: Vec<Vec<_>> = hashes.lines().filter(|l| !l.starts_with('#')).map(|l| l.split("  ").collect()).collect();
    for line in &lines {
        assert!(line.len() == 3 && line[0] == "sha256" && line[1].len() == 64, "{line:?}: `sha256  HASH  FILE`");
    }
    let out = Command::new("sha256sum").arg("LICENSE").output().unwrap();
    let ours = String::from_utf8(out.stdout).unwrap();
    let kept = lines.iter().find(|l| l[2] == "LICENSE").expect("a hash of LICENSE");
    assert_eq!(ours.split(' ').next(), Some(kept[1]));
    for tarball in lines.iter().filter(|l| l[2] != "LICENSE") {
        assert_eq!(tarball[2], format!("vedette-{VERSION}-vendored.tar.gz"), "a hash of another release");
    }
}

#[test]
fn what_every_debian_package_and_image_installs_has_the_same_version() {
    let changelog = text("systemd/debian/changelog");
    assert!(changelog.starts_with(&format!("vedette ({VERSION}-1) ")), "systemd/debian/changelog is not {VERSION}");
}

#[test]
fn the_shell_scripts_of_packaging_have_no_mistakes() {
    let scripts = [
        "buildroot/release",
        "buildroot/board/vedette/post-build.sh",
        "buildroot/package/vedette/S99vedette",
        "systemd/debian/postinst",
        "systemd/debian/postrm",
        "tests/vm/image.sh",
        "tests/vm/install-qemu",
    ];
    let out = Command::new("shellcheck").args(scripts).output().expect("shellcheck (Debian package shellcheck)");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}
