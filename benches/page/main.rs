//! How long 5 000 series take to be written, beside prometheus-client's own registry with the same series.

mod sheet;

use criterion::{Criterion, criterion_group, criterion_main};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sheet::{CAMERAS, COUNTERS, GAUGES, Sheet, counter, gauge};
use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use vedette::base::clock::Sim;
use vedette::sink::page::{Form, Format, Printed, print};

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
    let (snapshot, registry) = (Sheet::new(CAMERAS).snapshot(Sim::new().clock().now()), registry());
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
