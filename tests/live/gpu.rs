//! The GPU probe in the real daemon, on a libnvidia-ml.so.1 of our own that does what a file says.

use crate::support::hang::{P99, p99};
use crate::support::prometheus::test_rules;
use crate::support::vedette::{START, Vedette};
use crate::support::{Kid, wait};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const UP: &str = "gpu_up{gpu=\"front\"}";
const DEGREES: &str = "gpu_temperature_celsius{gpu=\"front\"}";

/// The library, built by the profile of the tests. Nothing to do when it is.
fn library() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--quiet", "--example", "nvidia-ml"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_BIN_EXE_vedette")).parent().unwrap();
    cargo.arg("--target-dir").arg(folder.parent().unwrap());
    assert!(cargo.status().unwrap().success(), "cannot build the library");
    folder.join("examples/libnvidia_ml.so")
}

/// A card that is well.
fn well() -> Value {
    json!({
        "nvmlSystemGetDriverVersion": {"values": ["550.54.15"]},
        "nvmlDeviceGetCount_v2": {"values": [1]},
        "nvmlDeviceGetUUID": {"values": ["GPU-8d3c1f5e-0000-4c1b-9f6e-2b7f3a1d0c11"]},
        "nvmlDeviceGetName": {"values": ["Made T4"]},
        "nvmlDeviceGetUtilizationRates": {"values": [37, 12]},
        "nvmlDeviceGetEncoderUtilization": {"values": [81, 167_000]},
        "nvmlDeviceGetMemoryInfo_v2": {"values": [1_073_741_824_u64, 16_106_127_360_u64]},
        "nvmlDeviceGetTemperature": {"values": [67]},
        "nvmlDeviceGetPowerUsage": {"values": [45_250]},
        "nvmlDeviceGetClockInfo": {"values": [1590]},
        "nvmlDeviceGetPcieReplayCounter": {"values": [17]},
        "nvmlDeviceGetCurrPcieLinkWidth": {"values": [8]},
        "nvmlDeviceGetTotalEccErrors": {"values": [2]},
        "nvmlDeviceGetRetiredPages": {"values": [3]},
        "nvmlDeviceGetFieldValues": {"values": [[142, 1], [143, 0], [144, 1], [145, 0]]},
        "nvmlDeviceGetCurrentClocksThrottleReasons": {"values": [0x4 | 0x40]},
        "nvmlDeviceGetEncoderStats": {"values": [3, 24, 4100]},
        // The second one is AV1.
        "nvmlDeviceGetEncoderSessions": {"values": [
            [7, 4242, 0, 0, 1920, 1080, 25, 3900], [8, 4243, 0, 2, 1920, 1080, 12, 8000], [9, 4243, 0, 1, 640, 480, 25, 900]
        ]},
        "nvmlDeviceGetProcessUtilization": {"values": [[4242, 40]]},
        "nvmlDeviceRegisterEvents": {"values": []},
    })
}

struct Card {
    vedette: Vedette,
    script: PathBuf,
}

impl Card {
    /// With the library and a card that is well, under `config`.
    fn new(config: &str) -> Card {
        let vedette = Vedette::new(config);
        let lib = vedette.path("lib");
        std::fs::create_dir(&lib).unwrap();
        std::os::unix::fs::symlink(library(), lib.join("libnvidia-ml.so.1")).unwrap();
        let script = vedette.path("card.json");
        let card = Card { vedette, script };
        card.says(&well());
        card
    }

    fn start(&mut self) {
        let (lib, script) = (self.vedette.path("lib"), self.script.clone());
        self.vedette.start_with(|command| {
            command.env("LD_LIBRARY_PATH", lib).env("NVML_SCRIPT", script);
        });
        wait("the first snapshot", START, || {
            self.vedette.get("/readyz").filter(|answer| answer.starts_with("HTTP/1.1 200"))
        });
    }

    fn says(&self, script: &Value) {
        let new = self.script.with_extension("new");
        std::fs::write(&new, script.to_string()).unwrap();
        std::fs::rename(new, &self.script).unwrap();
    }

    /// The card is well, but for `call`.
    fn but(&self, call: &str, does: Value) {
        let mut script = well();
        script[call] = does;
        self.says(&script);
    }
}

const CONFIG: &str = "[node]\ntick = \"1s\"\n[[gpu]]\nid = \"front\"\nevery = \"1s\"\nsession_cap = 8\n";

#[test]
fn a_card_is_on_the_page_without_any_number_that_is_none() {
    let mut card = Card::new(CONFIG);
    card.start();
    card.vedette.wait_value(DEGREES, SOON, |v| v == 67.0);
    let page = card.vedette.page();
    let value = |series: &str| crate::support::vedette::value(&page, series);
    for (series, wanted) in [
        ("gpu_up{gpu=\"front\"}", 1.0),
        ("gpu_utilization_ratio{gpu=\"front\"}", 0.37),
        ("gpu_encoder_utilization_ratio{gpu=\"front\"}", 0.81),
        ("gpu_memory_used_bytes{gpu=\"front\"}", 1_073_741_824.0),
        ("gpu_power_watts{gpu=\"front\"}", 45.25),
        ("gpu_clock_hertz{clock=\"video\",gpu=\"front\"}", 1.59e9),
        ("gpu_pcie_replays_total{gpu=\"front\"}", 17.0),
        ("gpu_ecc_errors_total{gpu=\"front\",kind=\"uncorrected\"}", 2.0),
        ("gpu_retired_pages{cause=\"double_bit\",gpu=\"front\"}", 3.0),
        ("gpu_remapped_rows{gpu=\"front\",kind=\"correctable\"}", 1.0),
        ("gpu_remapped_rows_pending{gpu=\"front\"}", 1.0),
        ("gpu_throttle_active{gpu=\"front\",reason=\"hw_thermal\"}", 1.0),
        ("gpu_throttle_active{gpu=\"front\",reason=\"power_cap\"}", 1.0),
        ("gpu_throttle_active{gpu=\"front\",reason=\"idle\"}", 0.0),
        ("gpu_encoder_sessions{gpu=\"front\"}", 3.0),
        ("gpu_encoder_sessions_free{gpu=\"front\"}", 5.0),
        ("gpu_encoder_session_latency_seconds{gpu=\"front\"}", 0.0041),
        ("gpu_encoder_slowest_session_fps{gpu=\"front\"}", 12.0),
        ("gpu_xid_errors_total{class=\"device\",gpu=\"front\"}", 0.0),
    ] {
        assert!(value(series).is_some_and(|v| (v - wanted).abs() < 1e-9), "{series}: {:?}\n{page}", value(series));
    }
    let info = page.lines().find(|line| line.starts_with("gpu_info{")).unwrap();
    assert!(info.contains("model=\"Made T4\"") && info.contains("driver=\"550.54.15\""), "{info}");
    assert!(!page.contains("gpu_fan_speed_ratio{"), "not supported");
    assert!(page.contains("vedette_no_data_total{reason=\"unsupported\"}"));

    // No number is on the page where the library says that it has none.
    for none in [u64::from(u32::MAX), u64::MAX, i64::MAX as u64] {
        card.but("nvmlDeviceGetMemoryInfo_v2", json!({"values": [none, none]}));
        wait("no memory", SOON, || (!card.vedette.page().contains("gpu_memory_used_bytes{")).then_some(()));
        card.says(&well());
        card.vedette.wait_value("gpu_memory_used_bytes{gpu=\"front\"}", SOON, |v| v == 1_073_741_824.0);
    }
    let mut none = well();
    for call in ["Temperature", "PowerUsage", "PcieReplayCounter", "EncoderUtilization", "EncoderStats"] {
        none[format!("nvmlDeviceGet{call}")] = json!({"values": [u32::MAX, u32::MAX, u32::MAX]});
    }
    card.says(&none);
    let page = wait("no temperature", SOON, || Some(card.vedette.page()).filter(|page| !page.contains(DEGREES)));
    assert!(!page.contains("4294967295") && !page.contains("4.294967295e9"), "{page}");
    assert!(!page.contains("gpu_power_watts{") && !page.contains("gpu_encoder_sessions_free{"), "{page}");

    // XIDs are counted by class, also those of a card that is lost.
    let mut lost = well();
    lost["*"] = json!({"error": 15});
    lost["nvmlEventSetWait_v2"] = json!({"values": [79, 31, 31]});
    card.says(&lost);
    card.vedette.wait_value("gpu_xid_errors_total{class=\"application\",gpu=\"front\"}", SOON, |v| v == 2.0);
    assert_eq!(card.vedette.value("gpu_xid_errors_total{class=\"device\",gpu=\"front\"}"), Some(1.0));
}

#[test]
fn a_card_that_is_lost_a_driver_that_is_upgraded_and_a_library_that_is_gone_are_told_apart_and_come_back() {
    let mut card = Card::new(CONFIG);
    std::fs::remove_file(card.vedette.path("lib/libnvidia-ml.so.1")).unwrap();
    card.start();
    let failures = |reason: &str| format!("gpu_failures_total{{gpu=\"front\",reason=\"{reason}\"}}");
    card.vedette.wait_value(&failures("no_library"), SOON, |v| v >= 1.0);
    assert_eq!((card.vedette.value(UP), card.vedette.value(DEGREES)), (Some(0.0), None));
    std::os::unix::fs::symlink(library(), card.vedette.path("lib/libnvidia-ml.so.1")).unwrap();
    card.vedette.wait_value(DEGREES, SOON, |v| v == 67.0);

    for (reason, call, code) in [
        ("lost", "*", 15),
        ("version_mismatch", "*", 18),
        ("no_gpu", "nvmlDeviceGetCount_v2", 6),
        ("denied", "nvmlDeviceGetUUID", 4),
        ("other", "nvmlDeviceGetUUID", 999),
    ] {
        card.but(call, json!({"error": code}));
        card.vedette.wait_value(&failures(reason), SOON, |v| v >= 1.0);
        wait(reason, SOON, || {
            (card.vedette.value(UP) == Some(0.0) && card.vedette.value(DEGREES).is_none()).then_some(())
        });
        card.says(&well());
        card.vedette.wait_value(DEGREES, SOON, |v| v == 67.0);
    }
    // The library is opened anew, and refuses until module and library fit again.
    let mut upgraded = well();
    upgraded["*"] = json!({"error": 18});
    upgraded["nvmlInit_v2"] = json!({"error": 18});
    let before = card.vedette.value(&failures("version_mismatch")).unwrap();
    card.says(&upgraded);
    card.vedette.wait_value(&failures("version_mismatch"), SOON, |v| v >= before + 3.0);
    card.says(&well());
    card.vedette.wait_value(DEGREES, SOON, |v| v == 67.0);
    assert!(card.vedette.stop().success());
}

#[test]
fn a_call_that_hangs_costs_its_card_and_nobody_else() {
    let rear = "[[uplink]]\nid = \"wan\"\nevery = \"1s\"\ntimeout = \"500ms\"\ntcp = [\"127.0.0.1:9\"]\n";
    let mut card = Card::new(&format!("{CONFIG}{rear}"));
    card.start();
    card.vedette.wait_value(DEGREES, SOON, |v| v == 67.0);
    let rounds = "uplink_check_failures_total{check=\"tcp\",reason=\"refused\",uplink=\"wan\"}";
    let healthy = p99(&card.vedette, |_| {});
    card.but("nvmlDeviceGetTemperature", json!({"sleep_ms": 15_000}));
    let before = card.vedette.wait_value(rounds, SOON, |v| v >= 1.0);
    let hanging = p99(&card.vedette, |_| {});
    eprintln!("p99 {healthy:?} and with a call that hangs {hanging:?}");
    assert!(hanging < P99, "{hanging:?}, {healthy:?} before");
    let restarts = "vedette_probe_restarts_total{probe=\"gpu\",target=\"front\"}";
    card.vedette.wait_value(restarts, SOON, |v| v >= 1.0);
    wait("the old numbers to leave", SOON, || card.vedette.value(DEGREES).is_none().then_some(()));
    // At least 5 s went by until the look was given up.
    let after = card.vedette.value(rounds).unwrap();
    assert!(after >= before + 4.0, "the uplink is on cadence: {before} to {after}");
    assert!(card.vedette.log().contains("\"reason\":\"timeout\""), "{}", card.vedette.log());

    // Once what hung has come back, so does the card.
    card.says(&well());
    card.vedette.wait_value(DEGREES, 2 * SOON, |v| v == 67.0);
    // What hangs does not hold up the end.
    let before = card.vedette.value(restarts).unwrap();
    card.but("nvmlDeviceGetTemperature", json!({"sleep_ms": 3_600_000}));
    card.vedette.wait_value(restarts, SOON, |v| v > before);
    assert!(card.vedette.stop().success());
}

#[test]
fn an_encoder_shows_what_its_process_has_of_the_card() {
    let encoder = "[[encoder]]\nid = \"yard-hd\"\ncamera = \"yard\"\nprocess = \"sleep\"\noutput = \"86399.5\"\n";
    let mut card = Card::new(&format!("{CONFIG}{encoder}"));
    let process = Kid::spawn(Command::new("sleep").arg("86399.5"));
    let pid = process.0.id();
    let mut script = well();
    script["nvmlDeviceGetEncoderSessions"] = json!({"values": [[7, pid, 0, 0, 1920, 1080, 24, 3900]]});
    script["nvmlDeviceGetProcessUtilization"] = json!({"values": [[pid, 40]]});
    card.says(&script);
    card.start();
    let of = |family: &str| format!("{family}{{camera_id=\"yard\",encoder_id=\"yard-hd\"}}");
    card.vedette.wait_value(&of("encoder_gpu_session_fps"), SOON, |v| v == 24.0);
    card.vedette.wait_value(&of("encoder_gpu_utilization_ratio"), SOON, |v| (v - 0.4).abs() < 1e-9);
    assert_eq!(card.vedette.value(&of("encoder_gpu_sessions")), Some(1.0));
    assert!(!card.vedette.page().contains(&format!("=\"{pid}\"")), "a pid is no label");
    script["nvmlDeviceGetEncoderSessions"] = json!({"values": []});
    card.says(&script);
    card.vedette.wait_value(&of("encoder_gpu_sessions"), SOON, |v| v == 0.0);
    assert_eq!(card.vedette.value(&of("encoder_gpu_session_fps")), None);
}

#[test]
fn the_rules_fire_when_they_should() {
    test_rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/gpu/testdata/rules_test.yml"));
}
