use super::watch::{Missed, Watch};
use super::*;
use crate::base::clock::{Boot, Sim, Window};
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::report::NoData;
use crate::probe::Kit;
use crate::probe::poll::Poll;
use crate::wire::smart::{Disk, Field, Sheet, State};
use crate::world::World;
use crate::world::machine::Machine;

struct Bench {
    sim: Sim,
    latest: Latest,
    watch: Watch,
}

impl Bench {
    fn new() -> Bench {
        let (sim, book) = (Sim::new(), Book::default());
        let world = World { machine: Some(Machine::default()), ..World::scripted(sim.clock()) };
        let mut kit = Kit::new(world, book.clone(), Default::default(), Default::default());
        Bench { sim, latest: Latest::new(book), watch: Watch::open(&mut kit, EVERY) }
    }
    /// What stands after a look at this file, without the zeros of `disk_health_unknown`.
    fn look(&mut self, seen: Result<Sheet, Missed>) -> Vec<String> {
        let at = self.sim.clock().boot();
        let report = self.watch.fold(Window { from: at, to: at }, seen);
        self.latest.apply(&report);
        let rows = self.latest.standing(at);
        let row = rows.iter().map(|row| format!("{}{} {}", row.meta.family.name, row.meta.labels, row.value));
        let plain = |row: &String| !row.ends_with(" 0") || !row.contains("unknown") && !row.contains("status");
        row.filter(plain).filter(|row| !row.starts_with("disk_health_source")).collect()
    }
    fn value(&mut self, series: &str) -> Option<f64> {
        let rows = self.latest.standing(self.sim.clock().boot());
        rows.iter().find(|row| format!("{}{}", row.meta.family.name, row.meta.labels) == series).map(|row| row.value)
    }
}

fn disk(state: State, at: Boot) -> Disk {
    let numbers = match state {
        State::Known => [(Field::Wear, 0.5), (Field::Warnings, 2.0)].into(),
        _ => Default::default(),
    };
    let (asked, answered) = (at.as_millis(), (state == State::Known).then_some(at.as_millis()));
    let exit = Some(if state == State::Standby { 3 } else { 64 });
    Disk { device: "sda".to_owned(), state, asked, answered, exit, left: None, numbers }
}

const KNOWN: [&str; 10] = [
    r#"disk_critical_warning{device="sda",warning="backup_failed"} 0"#,
    r#"disk_critical_warning{device="sda",warning="persistent_memory"} 0"#,
    r#"disk_critical_warning{device="sda",warning="read_only"} 0"#,
    r#"disk_critical_warning{device="sda",warning="reliability"} 0"#,
    r#"disk_critical_warning{device="sda",warning="spare"} 0"#,
    r#"disk_critical_warning{device="sda",warning="temperature"} 1"#,
    r#"disk_health_age_seconds{device="sda"} 60"#,
    r#"disk_health_known{device="sda"} 1"#,
    r#"disk_smartctl_status{bit="error_log",device="sda"} 1"#,
    r#"disk_standby{device="sda"} 0"#,
];

#[test]
fn what_a_disk_told_is_on_the_page_with_its_age_until_it_sleeps_or_nobody_asks() {
    let mut bench = Bench::new();
    let at = bench.sim.clock().boot();
    bench.sim.advance(Duration::from_secs(60));
    let known = bench.look(Ok(Sheet::new(vec![disk(State::Known, at)])));
    assert_eq!(known[..10], KNOWN);
    assert_eq!(known[10..], [r#"disk_wear_ratio{device="sda"} 0.5"#]);

    let asleep = Disk { answered: Some(at.as_millis()), ..disk(State::Standby, bench.sim.clock().boot()) };
    assert_eq!(
        bench.look(Ok(Sheet::new(vec![asleep]))),
        [
            r#"disk_health_age_seconds{device="sda"} 60"#,
            r#"disk_health_known{device="sda"} 0"#,
            r#"disk_health_unknown{device="sda",reason="standby"} 1"#,
            r#"disk_standby{device="sda"} 1"#,
        ]
    );

    let told = disk(State::Known, at);
    bench.sim.advance(Duration::from_secs(19 * 60));
    assert!(
        bench.look(Ok(Sheet::new(vec![told.clone()]))).contains(&r#"disk_wear_ratio{device="sda"} 0.5"#.to_owned())
    );
    bench.sim.advance(Duration::from_secs(1));
    assert_eq!(
        bench.look(Ok(Sheet::new(vec![told]))),
        [
            r#"disk_health_age_seconds{device="sda"} 1201"#,
            r#"disk_health_known{device="sda"} 0"#,
            r#"disk_health_unknown{device="sda",reason="stale"} 1"#,
        ]
    );
    assert!(bench.latest.no_data(NoData::Stale) > 0);
}

#[test]
fn a_disk_that_failed_to_answer_shows_smartctls_bits_and_why() {
    let mut bench = Bench::new();
    let at = bench.sim.clock().boot();
    let denied = Disk { exit: Some(2), ..disk(State::Denied, at) };
    assert_eq!(
        bench.look(Ok(Sheet::new(vec![denied]))),
        [
            r#"disk_health_known{device="sda"} 0"#,
            r#"disk_health_unknown{device="sda",reason="denied"} 1"#,
            r#"disk_smartctl_status{bit="open_failed",device="sda"} 1"#,
        ]
    );
}

#[test]
fn without_the_file_nothing_is_said_of_disks_and_the_reason_is_counted() {
    let mut bench = Bench::new();
    let at = bench.sim.clock().boot();
    bench.look(Ok(Sheet::new(vec![disk(State::Known, at)])));
    assert_eq!(bench.value("disk_health_source_up"), Some(1.0));
    let bad = |text: &str| Err(Missed::from(Sheet::read(text).unwrap_err()));
    assert_eq!(bench.look(bad("{")), [""; 0]);
    assert_eq!(bench.value("disk_health_source_up"), Some(0.0));
    assert_eq!(bench.value("disk_health_source_failures_total{reason=\"malformed\"}"), Some(1.0));
    assert_eq!(bench.value("disk_health_source_failures_total{reason=\"denied\"}"), Some(0.0));
    let mut report = crate::metric::report::Report::new(Window { from: at, to: at });
    bench.watch.fallen(&mut report);
    bench.latest.apply(&report);
    assert_eq!(bench.value("disk_health_source_up"), None);
}
