//! `uname`, `os` and `selinux`: what runs here.

use super::sheet::{Collector, Missed, Sheet, if_there, must};
use crate::metric::desc::{Desc, Unit};
use crate::world::machine::{Machine, Under};
use std::collections::HashMap;

static UNAME_INFO: Desc<6> = Desc::info(
    "node_uname_info",
    ["sysname", "release", "version", "machine", "nodename", "domainname"],
    "Kernel and host name, uname(2)",
);

pub static UNAME: Collector = Collector {
    name: "uname",
    families: &[UNAME_INFO.family()],
    collect: |machine, sheet| {
        let n = machine.uname()?;
        let labels = [&n.sysname, &n.release, &n.version, &n.machine, &n.nodename, &n.domainname];
        sheet.put(&UNAME_INFO, labels.map(String::as_str), 1.0);
        Ok(())
    },
};

static OS_INFO: Desc<12> = Desc::info(
    "node_os_info",
    [
        "build_id",
        "id",
        "id_like",
        "image_id",
        "image_version",
        "name",
        "pretty_name",
        "variant",
        "variant_id",
        "version",
        "version_codename",
        "version_id",
    ],
    "The distribution, os-release(5)",
);
static OS_VERSION: Desc<3> = Desc::gauge(
    "node_os_version",
    Unit::Count,
    ["id", "id_like", "name"],
    "Major and minor version of the distribution as one number",
);

pub static OS: Collector =
    Collector { name: "os", families: &[OS_INFO.family(), OS_VERSION.family()], collect: os_release };

fn os_release(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    let text = match if_there(machine.text(Under::Root, "etc/os-release"))? {
        Some(text) => text,
        None => machine.text(Under::Root, "usr/lib/os-release")?,
    };
    let unquoted = |value: &str| {
        let inner = |quote: char| value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote));
        inner('"').or_else(|| inner('\'')).unwrap_or(value).to_owned()
    };
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.trim().split_once('='));
    let said: HashMap<_, _> = lines.map(|(name, value)| (name.to_ascii_lowercase(), unquoted(value))).collect();
    let of = |name: &str| said.get(name).map_or("", String::as_str);
    sheet.put(&OS_INFO, OS_INFO.labels.map(of), 1.0);
    let mut parts = of("version_id").splitn(3, '.');
    let (major, minor) = (parts.next().unwrap_or(""), parts.next());
    let version = minor.map_or(major.to_owned(), |minor| format!("{major}.{minor}")).parse::<f64>();
    if let Some(version) = version.ok().filter(|v| *v > 0.0) {
        sheet.put(&OS_VERSION, [of("id"), of("id_like"), of("name")], version);
    }
    Ok(())
}

static ENABLED: Desc<0> = Desc::gauge("node_selinux_enabled", Unit::Count, [], "1 if SELinux is at work, else 0");
static MODE: Desc<0> =
    Desc::gauge("node_selinux_current_mode", Unit::Count, [], "1 if SELinux enforces, 0 if it only warns");

/// The mode that the next boot will have stands in a file that only some distributions have, and is left out.
pub static SELINUX: Collector = Collector {
    name: "selinux",
    families: &[ENABLED.family(), MODE.family()],
    collect: |machine, sheet| {
        let enforce = if_there(machine.text(Under::Sys, "fs/selinux/enforce"))?;
        sheet.put(&ENABLED, [], f64::from(enforce.is_some()));
        if let Some(mode) = enforce {
            sheet.put(&MODE, [], must(Some(&mode), "enforce")?);
        }
        Ok(())
    },
};
