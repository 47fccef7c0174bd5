//! How long 5 000 series take to be written, beside prometheus-client's own registry with the same series.

use criterion::{Criterion, criterion_group, criterion_main};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use vedette::base::clock::{Sim, Window};
use vedette::metric::book::{Book, Hold};
use vedette::metric::desc::{Desc, Unit};
use vedette::metric::latest::{Latest, Snapshot};
use vedette::metric::report::Report;
use vedette::sink::page::{Form, Format, Printed, print};

/// Five families of 1 000 cameras, the shape of a page.
const CAMERAS: usize = 1000;

static GAUGES: [Desc<1>; 3] = [
    Desc::gauge("camera_fps", Unit::PerSecond, ["camera_id"], "Frames over the last 10 s"),
    Desc::gauge("camera_bitrate", Unit::BitsPerSecond, ["camera_id"], "Bits over the last 10 s"),
    Desc::gauge("camera_jitter_seconds", Unit::Seconds, ["camera_id"], "Interarrival jitter"),
];
static COUNTERS: [Desc<1>; 2] = [
    Desc::counter("camera_frames_total", Unit::Count, ["camera_id"], "Frames"),
    Desc::counter("camera_received_bytes_total", Unit::Bytes, ["camera_id"], "Bytes"),
];

fn gauge(family: usize, camera: usize) -> f64 {
    [25.0, 4_012_345.678, 0.001_25][family] + camera as f64 / 7.0
}

fn counter(family: usize, camera: usize) -> f64 {
    [1_234_567.0, 98_765_432_100.0][family] + camera as f64
}

fn snapshot() -> Arc<Snapshot> {
    let (book, now) = (Book::default(), Sim::new().clock().now());
    let mut report = Report::new(Window { from: now.boot, to: now.boot });
    for camera in 0..CAMERAS {
        let id = format!("camera-{camera:04}");
        for (n, desc) in GAUGES.iter().enumerate() {
            report.value(book.open(desc, [&id], Hold::Own), gauge(n, camera));
        }
        for (n, desc) in COUNTERS.iter().enumerate() {
            report.value(book.open(desc, [&id], Hold::Own), counter(n, camera));
        }
    }
    let mut latest = Latest::new(book);
    latest.apply(&report);
    Arc::new(latest.snapshot(now))
}

/// The same series as a program would keep them that uses the library all the way.
fn registry() -> Registry {
    let mut registry = Registry::default();
    type Id = [(&'static str, String); 1];
    let id = |camera: usize| [("camera_id", format!("camera-{camera:04}"))];
    for (n, desc) in GAUGES.iter().enumerate() {
        let family: Family<Id, Gauge<f64, AtomicU64>> = Family::default();
        for camera in 0..CAMERAS {
            family.get_or_create(&id(camera)).set(gauge(n, camera));
        }
        registry.register(desc.name, desc.help, family);
    }
    for (n, desc) in COUNTERS.iter().enumerate() {
        let family: Family<Id, Counter<f64, AtomicU64>> = Family::default();
        for camera in 0..CAMERAS {
            family.get_or_create(&id(camera)).inc_by(counter(n, camera));
        }
        registry.register(desc.name.trim_end_matches("_total"), desc.help, family);
    }
    registry
}

fn page(c: &mut Criterion) {
    let (snapshot, registry) = (snapshot(), registry());
    let mut group = c.benchmark_group("page, 5000 series");
    group.bench_function("openmetrics", |b| b.iter(|| black_box(print(&snapshot, Format::OpenMetrics))));
    group.bench_function("text 0.0.4", |b| b.iter(|| black_box(print(&snapshot, Format::Text))));
    group.bench_function("openmetrics and gzip, first demand", |b| {
        let form = Form { format: Format::OpenMetrics, gzip: true };
        b.iter(|| black_box(Printed::new(snapshot.clone()).bytes(form)));
    });
    group.bench_function("peer: prometheus-client registry", |b| {
        b.iter(|| {
            let mut out = String::with_capacity(512 * 1024);
            prometheus_client::encoding::text::encode(&mut out, &registry).expect("a String takes all");
            black_box(out)
        });
    });
    group.finish();
}

criterion_group!(benches, page);
criterion_main!(benches);
