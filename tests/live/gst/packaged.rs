//! The Debian packages: what each holds and needs, and whether GStreamer finds the plugin where the package puts it. The
//! package lies over this machine's /usr in a namespace of the test's own, so that nothing is installed.

use crate::support::gst;
use std::path::{Path, PathBuf};
use std::process::Command;
use vedette::wire::tracer;

/// Builds the package of a crate out of what is compiled already.
fn package(krate: &str, dir: &Path) -> PathBuf {
    let file = dir.join(format!("{krate}.deb"));
    // The folder is named after the profile, but for that of development.
    let profile = gst::built().file_name().unwrap().to_str().unwrap().replace("debug", "dev");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["deb", "--locked", "--quiet", "--no-build", "--fast", "--profile", &profile]);
    cargo.args(["--package", krate, "--output"]).arg(&file).current_dir(env!("CARGO_MANIFEST_DIR"));
    if krate == "vedette-gst" {
        cargo.args(["--multiarch", "foreign"]); // as `make deb` has it: a plugin lies in its architecture's folder
    }
    output(&mut cargo);
    file
}

fn output(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; tests/setup installs it"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Names of the packages that must be there with it, or are there unless refused.
fn needs(package: &Path) -> Vec<String> {
    let field = |name| output(Command::new("dpkg-deb").arg("--field").arg(package).arg(name));
    let all = ["Pre-Depends", "Depends", "Recommends"].map(field).join(",");
    let names = all.split([',', '|']).map(|one| one.trim().split(' ').next().unwrap().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// Its files with mode, owner and path.
fn files(package: &Path) -> Vec<String> {
    let all = output(Command::new("dpkg-deb").arg("--contents").arg(package));
    let files = all.lines().filter(|line| !line.ends_with('/')).map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        format!("{} {} {}", words[0], words[1], words[5])
    });
    files.collect()
}

#[test]
fn gstreamer_comes_with_its_own_package_and_the_daemon_does_not_need_it() {
    let dir = tempfile::tempdir().unwrap();
    let (daemon, gst) = (package("vedette", dir.path()), package("vedette-gst", dir.path()));
    let gstreamer = |name: &String| ["gst", "glib", "vedette-gst"].iter().any(|word| name.contains(word));
    let needed = needs(&daemon);
    assert!(needed.iter().any(|name| name == "libc6"), "{needed:?}");
    assert!(!needed.iter().any(gstreamer), "{needed:?}");
    assert!(!files(&daemon).iter().any(gstreamer));

    let needed = needs(&gst);
    for name in ["libgstreamer1.0-0", "libglib2.0-0", "gstreamer1.0-plugins-good", "gstreamer1.0-plugins-bad"] {
        assert!(needed.iter().any(|n| n == name), "{name}: {needed:?}");
    }
    assert!(!needed.iter().any(|name| name == "vedette"), "an encoder may run where no daemon does");
    let triplet = output(Command::new("dpkg-architecture").args(["-q", "DEB_HOST_MULTIARCH"]));
    let mut held = files(&gst);
    held.sort_unstable();
    assert_eq!(
        held,
        [
            format!("-rw-r--r-- 0/0 ./usr/lib/{}/gstreamer-1.0/libgstvedette.so", triplet.trim()),
            "-rw-r--r-- 0/0 ./usr/share/doc/vedette-gst/copyright".to_owned(),
            "-rw-r--r-- 0/0 ./usr/share/doc/vedette-gst/examples/gstreamer-encoder.conf".to_owned(),
            "-rwxr-xr-x 0/0 ./usr/bin/vedette-gst".to_owned(),
        ]
    );
    // apt itself finds that this machine, on which tests/setup was run, has all that it needs.
    let plan = output(Command::new("apt-get").args(["--simulate", "--no-install-recommends", "install"]).arg(&gst));
    let installed: Vec<_> = plan.lines().filter(|line| line.starts_with("Inst ")).collect();
    assert!(installed.len() == 1 && installed[0].starts_with("Inst vedette-gst "), "{plan}");
}

#[test]
fn an_installed_package_is_found_by_gstreamer_and_in_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let unpacked = dir.path().join("unpacked");
    output(Command::new("dpkg-deb").arg("-x").arg(package("vedette-gst", dir.path())).arg(&unpacked));
    let socket = dir.path().join("gst.sock");
    let ear = gst::Ear::bind(&socket);
    let script = "set -e; mount -t overlay overlay -o lowerdir=\"$1/usr:/usr\" /usr; gst-inspect-1.0 vedette; \
        gst-launch-1.0 -q fakesrc num-buffers=7 ! fakesink; vedette-gst </dev/null | od -An -c";
    let said = output(
        Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
            .arg(&unpacked)
            .env_remove("GST_PLUGIN_PATH")
            .env("GST_REGISTRY", dir.path().join("registry.bin"))
            .env("GST_TRACERS", format!("vedette(socket={},encoder=installed)", socket.display())),
    );
    let place =
        said.lines().find_map(|line| line.trim().strip_prefix("Filename")).expect("where the plugin lies").trim();
    assert!(
        place.trim_start_matches("/usr").starts_with("/lib/") && place.ends_with("/gstreamer-1.0/libgstvedette.so"),
        "{place}"
    );
    assert!(said.contains("VedetteTracer"), "{said}");
    let told = ear.next();
    let (head, elements) = tracer::parse(&told).unwrap();
    assert_eq!((head.id, gst::of(&elements, "fakesink").numbers.in_buffers), ("installed", Some(7)));
    // The worker's last record: a fault, reason 0, that nobody asked for anything.
    assert!(said.trim_end().ends_with("\\0"), "{said}");
}
