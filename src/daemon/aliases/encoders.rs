//! What is said of encoders: by camera, several encoders added up; and of all of them.

use super::{Fold, Line, Standing, Told};
use crate::base::label::Label;
use crate::metric::desc::{Desc, Unit};
use crate::metric::labels::Labels;
use crate::wire::fflog::Meaning;
use std::collections::BTreeMap;

static CPU: Desc<1> = Desc::gauge(
    "ffmpeg_process_cpu_percent",
    Unit::Percent,
    ["camera_id"],
    "CPU of the camera's encoders over the last 10 s; 100 is one core, so it goes above",
);
static MEMORY: Desc<1> = Desc::gauge(
    "ffmpeg_process_memory_mb",
    Unit::Count,
    ["camera_id"],
    "Resident memory of the camera's encoders, in 10^6 bytes",
);
static UPTIME: Desc<1> = Desc::gauge(
    "ffmpeg_process_uptime_seconds",
    Unit::Seconds,
    ["camera_id"],
    "Since the youngest of the camera's encoders started",
);
static RESTARTS: Desc<1> = Desc::counter(
    "ffmpeg_process_restarts_total",
    Unit::Count,
    ["camera_id"],
    "Restarts of the camera's encoders, as encoder_restarts_total",
);
static SESSIONS: Desc<2> = Desc::gauge(
    "encoding_sessions_active",
    Unit::Count,
    ["encoder_type", "resolution"],
    "Encoders that run and advance; where nothing tells whether they advance, that write",
);
static ERRORS: Desc<2> = Desc::counter(
    "encoding_errors_total",
    Unit::Count,
    ["error_type", "service"],
    "Log lines that mean an error, ERROR messages of GStreamer (pipeline), abrupt ends (exit) and stalls, by encoder",
);

pub(super) static LINES: &[Line] = &[
    Line { family: CPU.family(), make: || by_camera(&CPU, "encoder_process_cpu_ratio", 100.0) },
    Line { family: MEMORY.family(), make: || by_camera(&MEMORY, "encoder_process_resident_memory_bytes", 1e-6) },
    Line { family: UPTIME.family(), make: uptime },
    Line { family: RESTARTS.family(), make: || by_camera(&RESTARTS, "encoder_restarts_total", 1.0) },
    Line { family: SESSIONS.family(), make: sessions },
    Line { family: ERRORS.family(), make: errors },
];

/// The series of a family by camera, put together with `join`.
fn cameras<'a>(
    standing: &Standing<'a>,
    family: &str,
    join: fn(f64, f64) -> f64,
) -> impl Iterator<Item = (&'a str, f64)> + use<'a> {
    let mut all: BTreeMap<&str, f64> = BTreeMap::new();
    for (labels, value) in standing.of(family) {
        if let Some(camera) = labels.get("camera_id") {
            all.entry(camera).and_modify(|sum| *sum = join(*sum, value)).or_insert(value);
        }
    }
    all.into_iter()
}

fn by_camera(desc: &'static Desc<1>, family: &'static str, scale: f64) -> Fold {
    Box::new(move |standing, told| {
        for (camera, sum) in cameras(standing, family, |a, b| a + b) {
            told.say(desc, [camera], sum * scale);
        }
    })
}

fn uptime() -> Fold {
    Box::new(|standing, told| {
        for (camera, youngest) in cameras(standing, "encoder_process_start_time_seconds", f64::max) {
            told.say(&UPTIME, [camera], (standing.now.wall.as_secs_f64() - youngest).max(0.0));
        }
    })
}

fn sessions() -> Fold {
    Box::new(|standing, told| {
        let by_encoder = |family| -> BTreeMap<&str, f64> {
            standing.of(family).filter_map(|(labels, value)| Some((labels.get("encoder_id")?, value))).collect()
        };
        let (advancing, writing) = (by_encoder("encoder_advancing"), by_encoder("encoder_writing"));
        let mut active: BTreeMap<[&str; 2], f64> = BTreeMap::new();
        for (labels, _) in standing.of("encoder_info") {
            let [Some(id), Some(kind), Some(size)] =
                ["encoder_id", "encoder_type", "resolution"].map(|name| labels.get(name))
            else {
                continue;
            };
            // Both are there only while its process is.
            *active.entry([kind, size]).or_default() += advancing.get(id).or(writing.get(id)).copied().unwrap_or(0.0);
        }
        for (labels, n) in active {
            told.say(&SESSIONS, labels, n);
        }
    })
}

fn errors() -> Fold {
    Box::new(|standing, told| {
        let say = |told: &mut Told<'_>, kind: &'static str, labels: &Labels, value: f64| {
            if let Some(id) = labels.get("encoder_id") {
                told.say(&ERRORS, [kind, id], value);
            }
        };
        for meaning in Meaning::ALL.iter().filter(|meaning| meaning.is_error()) {
            let lines = standing.of("encoder_log_lines_total");
            for (labels, n) in lines.filter(|(labels, _)| labels.get("meaning") == Some(meaning.label())) {
                say(told, meaning.label(), labels, n);
            }
        }
        let messages = standing.of("encoder_pipeline_messages_total");
        for (labels, n) in messages.filter(|(labels, _)| labels.get("type") == Some("error")) {
            say(told, "pipeline", labels, n);
        }
        for (labels, n) in standing.of("encoder_ends_total").filter(|(labels, _)| labels.get("how") == Some("abrupt")) {
            say(told, "exit", labels, n);
        }
        for (labels, n) in standing.of("encoder_stalls_total") {
            say(told, "stall", labels, n);
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::base::clock::{Sim, Window};
    use crate::daemon::aliases::Aliases;
    use crate::metric::book::{Book, Hold};
    use crate::metric::desc::{Desc, Unit};
    use crate::metric::latest::Latest;
    use crate::metric::report::Report;

    static MEMORY: Desc<2> =
        Desc::gauge("encoder_process_resident_memory_bytes", Unit::Bytes, ["encoder_id", "camera_id"], "");
    static START: Desc<2> =
        Desc::gauge("encoder_process_start_time_seconds", Unit::Seconds, ["encoder_id", "camera_id"], "");
    static INFO: Desc<4> = Desc::info("encoder_info", ["encoder_id", "camera_id", "encoder_type", "resolution"], "");
    static ADVANCING: Desc<2> = Desc::gauge("encoder_advancing", Unit::Count, ["encoder_id", "camera_id"], "");
    static LOG: Desc<3> =
        Desc::counter("encoder_log_lines_total", Unit::Count, ["encoder_id", "camera_id", "meaning"], "");
    static RATIO: Desc<2> = Desc::gauge("encoder_process_cpu_ratio", Unit::Ratio, ["encoder_id", "camera_id"], "");
    static RESTARTS: Desc<2> = Desc::counter("encoder_restarts_total", Unit::Count, ["encoder_id", "camera_id"], "");
    static ENDS: Desc<3> = Desc::counter("encoder_ends_total", Unit::Count, ["encoder_id", "camera_id", "how"], "");
    static MESSAGES: Desc<3> =
        Desc::counter("encoder_pipeline_messages_total", Unit::Count, ["encoder_id", "camera_id", "type"], "");
    static STALLS: Desc<2> = Desc::counter("encoder_stalls_total", Unit::Count, ["encoder_id", "camera_id"], "");

    #[test]
    fn several_encoders_of_one_camera_are_added_and_the_youngest_gives_the_uptime() {
        let (sim, book) = (Sim::new(), Book::default());
        let (mut latest, mut aliases) = (Latest::new(book.clone()), Aliases::new(book.clone()));
        let now = sim.clock().now();
        let mut report = Report::new(Window { from: now.boot, to: now.boot });
        let (one, two) = (["a", "yard"], ["b", "yard"]);
        let open = |desc: &'static Desc<2>, labels| book.open(desc, labels, Hold::Own);
        report.value(open(&MEMORY, one), 3e6).value(open(&MEMORY, two), 4e6);
        let wall = now.wall.as_secs_f64();
        report.value(open(&START, one), wall - 600.0).value(open(&START, two), wall - 5.0);
        report.value(open(&ADVANCING, one), 1.0).value(open(&ADVANCING, two), 0.0);
        for labels in [one, two] {
            let [id, camera] = labels;
            let slot = book.open_slot(&INFO, &[id, camera], Hold::Own);
            report.info(slot, Some(vec!["ffmpeg".into(), "1920x1080".into()]));
        }
        for (meaning, n) in [("write_failed", 3.0), ("timestamps_back", 9.0)] {
            report.value(book.open(&LOG, ["a", "yard", meaning], Hold::Own), n);
        }
        report.value(open(&STALLS, two), 2.0);
        report.value(open(&RATIO, one), 0.5).value(open(&RATIO, two), 0.75);
        report.value(open(&RESTARTS, one), 2.0).value(open(&RESTARTS, two), 1.0);
        for (how, n) in [("clean", 1.0), ("abrupt", 4.0)] {
            report.value(book.open(&ENDS, ["a", "yard", how], Hold::Own), n);
        }
        for (kind, n) in [("error", 6.0), ("warning", 7.0)] {
            report.value(book.open(&MESSAGES, ["b", "yard", kind], Hold::Own), n);
        }
        latest.apply(&report);
        let told = aliases.tell(&latest.standing(now.boot), &now);
        latest.apply(&told);
        let rows = latest.snapshot(now).rows;
        let of = |series: &str| {
            rows.iter().find(|r| format!("{}{}", r.meta.family.name, r.meta.labels) == series).map(|r| r.value)
        };
        assert_eq!(of("ffmpeg_process_memory_mb{camera_id=\"yard\"}"), Some(7.0));
        assert!((of("ffmpeg_process_uptime_seconds{camera_id=\"yard\"}").unwrap() - 5.0).abs() < 1e-6);
        assert_eq!(of("ffmpeg_process_cpu_percent{camera_id=\"yard\"}"), Some(125.0));
        assert_eq!(of("ffmpeg_process_restarts_total{camera_id=\"yard\"}"), Some(3.0));
        assert_eq!(of("encoding_errors_total{error_type=\"exit\",service=\"a\"}"), Some(4.0));
        assert_eq!(of("encoding_errors_total{error_type=\"pipeline\",service=\"b\"}"), Some(6.0));
        let sessions = "encoding_sessions_active{encoder_type=\"ffmpeg\",resolution=\"1920x1080\"}";
        assert_eq!(of(sessions), Some(1.0));
        assert_eq!(of("encoding_errors_total{error_type=\"write_failed\",service=\"a\"}"), Some(3.0));
        assert_eq!(of("encoding_errors_total{error_type=\"timestamps_back\",service=\"a\"}"), None, "odd, no error");
        assert_eq!(of("encoding_errors_total{error_type=\"stall\",service=\"b\"}"), Some(2.0));
    }
}
