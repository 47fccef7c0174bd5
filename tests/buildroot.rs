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
        if source.starts_with("target/") {
            continue; // built by the package itself
        }
        let shipped = source.trim_end_matches("*.yml");
        assert!(Path::new(shipped).exists(), "it installs {source}");
    }
    let spaced = mk.lines().find(|l| l.starts_with(' '));
    assert_eq!(spaced, None, "recipes are indented with tabs");
}

#[test]
fn the_group_that_may_ping_is_that_of_the_user() {
    let user = text("buildroot/package/vedette/vedette.mk");
    assert!(user.contains("\n\tvedette 790 vedette 790 "), "another number");
    assert!(text("buildroot/package/vedette/60-vedette.conf").ends_with("\nnet.ipv4.ping_group_range = 790 790\n"));
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
    assert!(
        text("gst/Cargo.toml").contains(&format!("\nversion = \"{VERSION}\"\n")),
        "gst/Cargo.toml is not {VERSION}"
    );
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
        "tests/busybox/rcS",
        "tests/busybox/story.sh",
    ];
    let out = Command::new("shellcheck").args(scripts).output().expect("shellcheck (Debian package shellcheck)");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

/// A root file system of BusyBox, the daemon under test and what it links, with the package's init script.
fn busybox_node() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("busybox");
    let _older = std::fs::remove_dir_all(&root);
    let daemon = Path::new(env!("CARGO_BIN_EXE_vedette"));
    let linked = Command::new("ldd").arg(daemon).output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    let linked = linked.split_whitespace().filter(|word| word.starts_with('/')).map(|path| (path, path));
    let (busybox, daemon) = ("/bin/busybox", daemon.to_str().unwrap());
    let files = [
        (busybox, busybox),
        (daemon, "/usr/bin/vedette"),
        ("config/starter.toml", "/etc/vedette/vedette.toml"),
        ("buildroot/package/vedette/S99vedette", "/etc/init.d/S99vedette"),
        ("tests/busybox/inittab", "/etc/inittab"),
        ("tests/busybox/rcS", "/etc/init.d/rcS"),
        ("tests/busybox/story.sh", "/story.sh"),
    ];
    for (from, to) in files.into_iter().chain(linked) {
        let to = root.join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let copied = Command::new("cp").args(["--dereference", "--reflink=auto", from]).arg(&to).status().unwrap();
        assert!(copied.success(), "{from}; `make setup` installs BusyBox");
    }
    for dir in ["proc", "run", "dev", "sbin", "usr/sbin", "var/lib", "var/log"] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    std::os::unix::fs::symlink("/run", root.join("var/run")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(root.join(name), text).unwrap();
    write("etc/passwd", "root:x:0:0::/:/bin/sh\nvedette:x:790:790::/var/lib/vedette:/bin/false\n");
    write("etc/group", "root:x:0:\nvedette:x:790:\n");
    for script in ["etc/init.d/S99vedette", "etc/init.d/rcS", "story.sh"] {
        assert!(Command::new("chmod").arg("+x").arg(root.join(script)).status().unwrap().success());
    }
    root
}

#[test]
fn a_busybox_node_starts_us_runs_us_again_after_a_crash_reloads_and_stops_us() {
    let root = busybox_node();
    let boot = "chroot \"$0\" /bin/busybox --install -s && exec chroot \"$0\" /sbin/init";
    let out = Command::new("timeout")
        .args(["--kill-after=5", "120", "unshare", "--mount", "--pid", "--kill-child", "--net", "--uts"])
        .args(["sh", "-c", boot])
        .arg(&root)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(said.lines().any(|line| line == "done"), "{said}");
    std::fs::remove_dir_all(&root).unwrap();
}
