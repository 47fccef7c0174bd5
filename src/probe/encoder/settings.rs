//! An `[[encoder]]` table, read. Holds no secret.

use crate::base::label::Label;
use crate::base::settings::Table;
use crate::wire::tracer::SOCKET;
use crate::world::inflow::Place;
use crate::world::process::Wanted;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Without an advance for this long an encoder is stalled: FFmpeg reports twice a second unless told otherwise.
const STALL: Duration = Duration::from_secs(2);
/// Elements with series of their own.
const ELEMENTS: usize = 16;
/// Streams that one encoder sends.
const STREAMS: usize = 16;

/// Which program encodes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Program {
    #[default]
    Ffmpeg,
    GStreamer,
}

impl Label for Program {
    const ALL: &'static [Self] = &[Program::Ffmpeg, Program::GStreamer];
    fn label(self) -> &'static str {
        match self {
            Program::Ffmpeg => "ffmpeg",
            Program::GStreamer => "gstreamer",
        }
    }
}

/// One encoder to watch. Its Debug is what a reload compares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) camera: String,
    pub(super) program: Program,
    /// Where its reports come from: progress, or the tracer's datagrams.
    pub(super) reports: Option<Place>,
    pub(super) log: Option<Place>,
    /// `None` where the tracer tells the pid.
    pub(super) wanted: Option<Wanted>,
    pub(super) stall: Duration,
    /// Of its main output, as a label; "unknown" without.
    pub(super) resolution: String,
    /// The `[[stream]]`s that it sends.
    pub(super) streams: Vec<String>,
    /// Names of GStreamer elements that get series of their own.
    pub(super) elements: Vec<String>,
}

impl Plan {
    pub(super) fn read(table: &Table<'_>) -> Option<Plan> {
        let second = Duration::from_secs(1);
        let id = table.need_id("id");
        let camera = if table.has("camera") { table.need_id("camera") } else { id.clone() };
        let program = table.choice("kind").unwrap_or_default();
        let stall = table.duration("stall", second / 2..=300 * second).unwrap_or(STALL);
        let resolution = table.text("resolution");
        if resolution.as_deref().is_some_and(|text| !is_resolution(text)) {
            table.mistake("resolution", "`resolution` is no width and height", "write such as \"1920x1080\"");
        }
        let streams = table.texts("streams");
        let id_like = |id: &String| {
            (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        if streams.len() > STREAMS || !streams.iter().all(id_like) {
            table.mistake("streams", "`streams` are no ids", format!("at most {STREAMS} ids of [[stream]] tables"));
        }
        let mut wanted = wanted(table);
        let (mut log, mut elements) = (None, Vec::new());
        let reports = match program {
            Program::Ffmpeg => {
                log = table.text("log").and_then(|text| log_place(table, &text));
                let progress = table.text("progress");
                let place = progress.as_deref().map(|text| progress_place(table, text));
                // A process that names the port or the file that is ours alone is the one that is meant.
                if let (None, Some(text)) = (&wanted, &progress) {
                    wanted = Some(Wanted { arguments: vec![text.clone()], ..Wanted::default() });
                }
                if wanted.is_none() {
                    table.mistake(
                        "id",
                        "nothing says which process this encoder is",
                        "set progress, or one of unit, environment, output, input",
                    );
                }
                place.flatten()
            }
            Program::GStreamer => {
                elements = element_names(table);
                Some(Place::Unix(table.path("socket").unwrap_or_else(|| PathBuf::from(SOCKET))))
            }
        };
        let command = table.text("process");
        if let Some(wanted) = &mut wanted {
            wanted.command = command.unwrap_or_else(|| match program {
                Program::Ffmpeg => "ffmpeg".to_owned(),
                Program::GStreamer => "gst-launch-1.0".to_owned(),
            });
        } else if command.is_some() {
            table.mistake("process", "a name alone does not tell one encoder from the next", "add unit or output");
        }
        let resolution = resolution.unwrap_or_else(|| "unknown".to_owned());
        Some(Plan { id: id?, camera: camera?, program, reports, log, wanted, stall, resolution, streams, elements })
    }
}

/// What is said of the process; `None` when nothing is.
fn wanted(table: &Table<'_>) -> Option<Wanted> {
    let unit = table.text("unit");
    let environment = table.text("environment").and_then(|text| {
        let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
        if pair.is_none() {
            table.mistake("environment", "`environment` is no NAME=value", "write such as \"CAMERA_ID=yard\"");
        }
        pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    let output = table.text("output");
    let input = table.text("input");
    let login = |text: &String| Url::parse(text).is_ok_and(|u| !u.username().is_empty() || u.password().is_some());
    if input.as_ref().is_some_and(login) {
        table.mistake(
            "input",
            "a password in the URL can be read by everyone who reads this file",
            "leave the login out",
        );
    }
    if [&unit, &output, &input].into_iter().flatten().any(String::is_empty) {
        table.mistake("id", "an empty text fits every process", "write what tells this one from the others");
    }
    let arguments: Vec<_> = output.into_iter().chain(input).collect();
    let said = unit.is_some() || environment.is_some() || !arguments.is_empty();
    said.then(|| Wanted { unit, environment, arguments, ..Wanted::default() })
}

fn progress_place(table: &Table<'_>, text: &str) -> Option<Place> {
    if let Some(address) = text.strip_prefix("udp://") {
        let local = address.strip_prefix("127.0.0.1:").or(address.strip_prefix("localhost:"));
        let port = local.and_then(|port| port.split(['?', '/']).next()?.parse().ok()).filter(|port| *port > 0);
        if port.is_none() {
            table.mistake(
                "progress",
                "`progress` is no port of this machine",
                "write such as \"udp://127.0.0.1:9801\"",
            );
        }
        return port.map(Place::Udp);
    }
    if text.contains("://") || text.starts_with("pipe:") {
        table.mistake(
            "progress",
            "reports over this protocol can hold up the encoder",
            "use udp://127.0.0.1:PORT, which cannot, or a file",
        );
        return None;
    }
    table.path("progress").map(Place::File)
}

fn log_place(table: &Table<'_>, text: &str) -> Option<Place> {
    match text.strip_prefix("journal:") {
        Some(unit) if unit.is_empty() || unit.starts_with('-') || unit.contains(char::is_whitespace) => {
            table.mistake("log", "`log` names no unit", "write such as \"journal:recorder@yard.service\"");
            None
        }
        Some(unit) => Some(Place::Journal(unit.to_owned())),
        None => table.path("log").map(Place::File),
    }
}

fn element_names(table: &Table<'_>) -> Vec<String> {
    let names = table.texts("elements");
    let plain = |name: &String| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
    };
    let role = |name: &String| super::elements::Role::ALL.iter().any(|role| role.label() == name);
    if names.len() > ELEMENTS || !names.iter().all(plain) || names.iter().any(role) {
        table.mistake(
            "elements",
            "`elements` cannot be used",
            format!("at most {ELEMENTS} names of elements; encoder, sink and queue stand for all others of their kind"),
        );
    }
    names
}

/// `1920x1080`
fn is_resolution(text: &str) -> bool {
    let number = |n: &str| (1..=5).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit());
    text.split_once('x').is_some_and(|(width, height)| number(width) && number(height))
}
