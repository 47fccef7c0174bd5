//! Made machines.

use std::path::Path;
use tempfile::TempDir;
use vedette::world::machine::Roots;

/// Makes a tree of files from a text: see `made-recorder/tree.txt`.
pub fn tree(text: &str) -> (TempDir, Roots) {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    for part in text.split("\n== ").skip(1) {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        if let Some((link, target)) = head.split_once(" -> ") {
            make(at(link).parent().unwrap());
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        } else if let Some(name) = head.strip_suffix('/') {
            make(&at(name));
        } else {
            make(at(head).parent().unwrap());
            std::fs::write(at(head), format!("{}\n", body.trim_end_matches('\n'))).unwrap();
        }
    }
    let roots = Roots { proc: at("proc"), sys: at("sys"), root: at("root"), udev: at("udev"), texts: at("texts") };
    (dir, roots)
}

fn make(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
}
