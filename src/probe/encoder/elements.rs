//! The elements of a GStreamer encoder, as its tracer tells them: those named in the configuration each, the others of a
//! kind together.

use super::metrics::CADENCE;
use super::settings::Plan;
use crate::base::label::Label;
use crate::metric::book::Series;
use crate::metric::desc::{Desc, Unit};
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;
use crate::wire::tracer::{self, Kind, Numbers};

const ELEMENT: [&str; 3] = ["encoder_id", "camera_id", "element"];

pub(super) static IN: Desc<3> = Desc::counter(
    "encoder_element_in_buffers_total",
    Unit::Count,
    ELEMENT,
    "Buffers pushed into these GStreamer elements",
);
pub(super) static OUT: Desc<3> = Desc::counter(
    "encoder_element_out_buffers_total",
    Unit::Count,
    ELEMENT,
    "Buffers they pushed on; of a video encoder coded pictures",
);
pub(super) static IN_BYTES: Desc<3> =
    Desc::counter("encoder_element_in_bytes_total", Unit::Bytes, ELEMENT, "Bytes pushed into them");
pub(super) static OUT_BYTES: Desc<3> =
    Desc::counter("encoder_element_out_bytes_total", Unit::Bytes, ELEMENT, "Bytes they pushed on");
pub(super) static KEYS: Desc<3> = Desc::counter(
    "encoder_element_keyframes_total",
    Unit::Count,
    ELEMENT,
    "Pictures of video encoders that stand alone",
);
pub(super) static PROCESSED: Desc<3> = Desc::counter(
    "encoder_element_qos_processed_total",
    Unit::Count,
    ELEMENT,
    "Buffers processed, as their last QoS message told",
);
pub(super) static DROPPED: Desc<3> = Desc::counter(
    "encoder_element_qos_dropped_total",
    Unit::Count,
    ELEMENT,
    "Buffers dropped for being late, as their last QoS message told",
);
pub(super) static LATENCY: Desc<3> = Desc::gauge(
    "encoder_element_latency_seconds",
    Unit::Seconds,
    ELEMENT,
    "Mean way of a picture through these video encoders since the datagram before; absent while none came through",
);
pub(super) static FULL: Desc<3> = Desc::gauge(
    "encoder_element_queue_ratio",
    Unit::Ratio,
    ELEMENT,
    "How full the fullest of these queues is, by the nearest of its limits in buffers, bytes and time",
);
pub(super) static IDLE: Desc<3> = Desc::gauge(
    "encoder_element_idle_seconds",
    Unit::Seconds,
    ELEMENT,
    "Longest time since something was pushed into one of them",
);
pub(super) static MESSAGES: Desc<4> = Desc::counter(
    "encoder_element_messages_total",
    Unit::Count,
    ["encoder_id", "camera_id", "element", "type"],
    "Messages that they posted: error, warning, eos; state: changes of state",
);

/// Elements that are not named in the configuration, by what they are.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Encoder,
    Sink,
    Queue,
}

impl Label for Role {
    const ALL: &'static [Self] = &[Role::Encoder, Role::Sink, Role::Queue];
    fn label(self) -> &'static str {
        match self {
            Role::Encoder => "encoder",
            Role::Sink => "sink",
            Role::Queue => "queue",
        }
    }
}

impl Role {
    /// A pipeline has none: it holds the others.
    pub(super) fn of(kind: Kind) -> Option<Role> {
        match kind {
            Kind::VideoEncoder | Kind::AudioEncoder => Some(Role::Encoder),
            Kind::Sink => Some(Role::Sink),
            Kind::Queue => Some(Role::Queue),
            Kind::Pipeline => None,
        }
    }
}

struct Element {
    in_buffers: Series,
    out_buffers: Series,
    in_bytes: Series,
    out_bytes: Series,
    keys: Series,
    processed: Series,
    dropped: Series,
    latency: Series,
    full: Series,
    idle: Series,
    /// Error, warning, eos, state.
    messages: [Series; 4],
}

impl Element {
    fn open(kit: &mut Kit, labels: [&str; 3]) -> Element {
        let [id, camera, name] = labels;
        let kinds = ["error", "warning", "eos", "state"];
        Element {
            in_buffers: kit.read(&IN, labels, CADENCE),
            out_buffers: kit.read(&OUT, labels, CADENCE),
            in_bytes: kit.read(&IN_BYTES, labels, CADENCE),
            out_bytes: kit.read(&OUT_BYTES, labels, CADENCE),
            keys: kit.read(&KEYS, labels, CADENCE),
            processed: kit.read(&PROCESSED, labels, CADENCE),
            dropped: kit.read(&DROPPED, labels, CADENCE),
            latency: kit.read(&LATENCY, labels, CADENCE),
            full: kit.read(&FULL, labels, CADENCE),
            idle: kit.read(&IDLE, labels, CADENCE),
            messages: kinds.map(|kind| kit.read(&MESSAGES, [id, camera, name, kind], CADENCE)),
        }
    }
}

/// The series of all elements of one encoder.
pub(super) struct Elements(Vec<Named>);

/// The elements behind one value of the label.
struct Named {
    name: String,
    role: Option<Role>,
    series: Element,
    /// Sum and number of the timed ways of the datagram before.
    timed: Option<(u64, u64)>,
}

impl Elements {
    pub(super) fn open(kit: &mut Kit, plan: &Plan) -> Elements {
        let mut open = |name: &str, role| {
            let series = Element::open(kit, [&plan.id, &plan.camera, name]);
            Named { name: name.to_owned(), role, series, timed: None }
        };
        let named: Vec<_> = plan.elements.iter().map(|name| open(name, None)).collect();
        Elements(named.into_iter().chain(Role::ALL.iter().map(|role| open(role.label(), Some(*role)))).collect())
    }

    /// A datagram came.
    pub(super) fn fill(&mut self, report: &mut Report, elements: &[tracer::Element<'_>]) {
        let names: Vec<_> = self.0.iter().filter(|n| n.role.is_none()).map(|n| n.name.clone()).collect();
        for named in &mut self.0 {
            let fits = |element: &&tracer::Element<'_>| match named.role {
                None => element.name == named.name,
                Some(role) => Role::of(element.kind) == Some(role) && !names.iter().any(|name| name == element.name),
            };
            let numbers: Vec<_> = elements.iter().filter(fits).map(|element| element.numbers).collect();
            named.fill(report, &numbers);
        }
    }
}

impl Named {
    fn fill(&mut self, report: &mut Report, all: &[Numbers]) {
        let sum = |of: fn(&Numbers) -> Option<u64>| all.iter().filter_map(of).reduce(u64::saturating_add);
        // Without such an element nothing is told, and nothing is missed.
        let mut tell = |series: Series, value: Option<f64>| {
            if let Some(value) = value {
                report.value(series, value);
            }
        };
        let count = |n: Option<u64>| n.map(|n| n as f64);
        let series = &self.series;
        tell(series.in_buffers, count(sum(|n| n.in_buffers)));
        tell(series.out_buffers, count(sum(|n| n.out_buffers)));
        tell(series.in_bytes, count(sum(|n| n.in_bytes)));
        tell(series.out_bytes, count(sum(|n| n.out_bytes)));
        tell(series.keys, count(sum(|n| n.keys)));
        tell(series.processed, count(sum(|n| n.qos_processed)));
        tell(series.dropped, count(sum(|n| n.qos_dropped)));
        tell(series.full, all.iter().filter_map(fullness).reduce(f64::max));
        tell(series.idle, all.iter().filter_map(|n| n.in_age).max().map(|ns| ns as f64 / 1e9));
        let messages = [sum(|n| n.errors), sum(|n| n.warnings), sum(|n| n.eos), sum(|n| n.states)];
        for (series, n) in series.messages.into_iter().zip(messages) {
            tell(series, count(n));
        }
        let timed = sum(|n| n.timed_ns).zip(sum(|n| n.timed));
        if let (Some((ns, n)), Some((ns_before, before))) = (timed, self.timed) {
            let way = ns.checked_sub(ns_before).zip(n.checked_sub(before).filter(|n| *n > 0));
            let mean = way.map(|(ns, n)| ns as f64 / n as f64 / 1e9);
            report.maybe(series.latency, mean, NoData::NotPresent);
        }
        self.timed = timed;
    }
}

/// 0 to 1 and a little above: the largest share of a limit that is set.
fn fullness(n: &Numbers) -> Option<f64> {
    let share = |level: Option<u64>, most: Option<u64>| Some(level? as f64 / most.filter(|most| *most > 0)? as f64);
    let shares =
        [share(n.level_buffers, n.max_buffers), share(n.level_bytes, n.max_bytes), share(n.level_ns, n.max_ns)];
    shares.into_iter().flatten().reduce(f64::max)
}
