//! Series in the shape of a page about many cameras.

#![allow(dead_code)] // each bench uses its part

use std::sync::Arc;
use vedette::base::clock::{Now, Window};
use vedette::metric::book::{Book, Hold, Series};
use vedette::metric::desc::{Desc, Unit};
use vedette::metric::latest::{Latest, Snapshot};
use vedette::metric::report::Report;

/// Cameras of which five families make 5 000 series.
pub const CAMERAS: usize = 1000;

pub static GAUGES: [Desc<1>; 3] = [
    Desc::gauge("camera_fps", Unit::PerSecond, ["camera_id"], "Frames over the last 10 s"),
    Desc::gauge("camera_bitrate", Unit::BitsPerSecond, ["camera_id"], "Bits over the last 10 s"),
    Desc::gauge("camera_jitter_seconds", Unit::Seconds, ["camera_id"], "Interarrival jitter"),
];
pub static COUNTERS: [Desc<1>; 2] = [
    Desc::counter("camera_frames_total", Unit::Count, ["camera_id"], "Frames"),
    Desc::counter("camera_received_bytes_total", Unit::Bytes, ["camera_id"], "Bytes"),
];

pub fn gauge(family: usize, camera: usize) -> f64 {
    [25.0, 4_012_345.678, 0.001_25][family] + camera as f64 / 7.0
}

pub fn counter(family: usize, camera: usize) -> f64 {
    [1_234_567.0, 98_765_432_100.0][family] + camera as f64
}

/// The series, open, and their newest values.
pub struct Sheet {
    latest: Latest,
    series: Vec<(Series, f64)>,
}

impl Sheet {
    /// Five series per camera.
    pub fn new(cameras: usize) -> Sheet {
        let book = Book::default();
        let mut series = Vec::new();
        for camera in 0..cameras {
            let id = format!("camera-{camera:04}");
            let gauges =
                GAUGES.iter().enumerate().map(|(n, desc)| (book.open(desc, [&id], Hold::Own), gauge(n, camera)));
            let counters =
                COUNTERS.iter().enumerate().map(|(n, desc)| (book.open(desc, [&id], Hold::Own), counter(n, camera)));
            series.extend(gauges.chain(counters));
        }
        Sheet { latest: Latest::new(book), series }
    }

    /// A tick at which every value is told anew.
    pub fn snapshot(&mut self, now: Now) -> Arc<Snapshot> {
        let mut report = Report::new(Window { from: now.boot, to: now.boot });
        for (series, value) in &mut self.series {
            report.value(*series, *value);
            *value += 1.0;
        }
        self.latest.apply(&report);
        Arc::new(self.latest.snapshot(now))
    }
}
