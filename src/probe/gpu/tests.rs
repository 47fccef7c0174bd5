//! A card on a scripted world.

use super::KIND;
use crate::base::clock::{Sim, Window};
use crate::base::settings;
use crate::metric::book::Book;
use crate::metric::latest::Latest;
use crate::metric::ledger::Ledger;
use crate::metric::report::NoData;
use crate::metric::roster::Roster;
use crate::metric::uses::Use;
use crate::probe::Kit;
use crate::probe::gpu::watch::Watch;
use crate::probe::poll::Poll;
use crate::world::World;
use crate::world::gpu::{About, Engine, Field, Look, Reason, Script, Seen, Session, Throttle, Work};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(5);

struct Bench {
    sim: Sim,
    script: Script,
    roster: Roster,
    watch: Watch,
    latest: Latest,
}

impl Bench {
    fn new(text: &str) -> Bench {
        let (sim, script, book, roster) = (Sim::new(), Script::default(), Book::default(), Roster::default());
        let world = World { gpus: Arc::new(script.clone()), ..World::scripted(sim.clock()) };
        let mut kit = Kit::new(world, book.clone(), roster.clone(), Ledger::default());
        let (settings, mistakes) = settings::read(text, |table| super::settings::read(&table));
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let watch = Watch::open(settings.unwrap(), &mut kit);
        Bench { sim, script, roster, watch, latest: Latest::new(book) }
    }

    fn look(&mut self, look: Look) -> BTreeMap<String, f64> {
        self.sim.advance(EVERY);
        let at = self.sim.clock().boot();
        self.script.then(look);
        let seen = (self.watch.look())();
        let report = self.watch.fold(Window { from: at, to: at }, seen);
        self.latest.apply(&report);
        let rows = self.latest.standing(at);
        rows.iter().map(|row| (format!("{}{}", row.meta.family.name, row.meta.labels), row.value)).collect()
    }
}

fn seen(readings: &[(Field, Result<f64, NoData>)]) -> Seen {
    let none = NoData::Unsupported;
    let about = About { vendor: "nvidia", model: "T4".into(), uuid: "GPU-1".into(), ..About::default() };
    Seen {
        about,
        readings: readings.to_vec(),
        throttle: Err(none),
        sessions: Err(none),
        encoding: Err(none),
        work: Err(none),
    }
}

fn look(seen: Seen) -> Look {
    Look { xids: Ok(Vec::new()), seen: Ok(seen) }
}

#[test]
fn what_a_card_tells_is_on_the_page_and_what_it_cannot_tell_is_counted_once() {
    let mut bench = Bench::new("id = \"front\"\nsession_cap = 3\n");
    let readings = [(Field::Temperature, Ok(67.0)), (Field::Sessions, Ok(2.0)), (Field::Fan, Err(NoData::Unsupported))];
    let mut first = seen(&readings);
    first.throttle = Ok(vec![Throttle::HwThermal]);
    first.sessions = Ok(vec![
        Session { pid: 7, fps: 25.0, latency: 0.004 },
        Session { pid: 8, fps: 12.0, latency: 0.040 },
        Session { pid: 8, fps: 24.0, latency: 0.004 },
    ]);
    first.encoding = Ok(vec![(7, 0.25)]);
    let page = bench.look(look(first.clone()));
    assert_eq!(page["gpu_temperature_celsius{gpu=\"front\"}"], 67.0);
    assert_eq!(page["gpu_encoder_sessions_free{gpu=\"front\"}"], 1.0);
    assert_eq!(page["gpu_encoder_slowest_session_fps{gpu=\"front\"}"], 12.0);
    assert_eq!(page["gpu_throttle_active{gpu=\"front\",reason=\"hw_thermal\"}"], 1.0);
    assert_eq!(page["gpu_throttle_active{gpu=\"front\",reason=\"idle\"}"], 0.0);
    assert!(!page.contains_key("gpu_fan_speed_ratio{gpu=\"front\"}"));
    let counted = bench.latest.no_data(NoData::Unsupported);
    bench.look(look(first));
    assert_eq!(bench.latest.no_data(NoData::Unsupported), counted, "a card does not learn");
    let now = bench.sim.clock().boot();
    let of = |pid| bench.roster.uses().of(pid, now).unwrap();
    assert_eq!(of(7), Use { share: Some(0.25), sessions: Some(1), fps: Some(25.0), latency: Some(0.004) });
    assert_eq!(of(8), Use { share: Some(0.0), sessions: Some(2), fps: Some(12.0), latency: Some(0.040) });
    assert_eq!(of(9), Use { share: Some(0.0), sessions: Some(0), fps: None, latency: None });
}

#[test]
fn a_card_that_is_lost_leaves_nothing_but_the_reason_and_comes_back() {
    let mut bench = Bench::new("id = \"front\"\n");
    let there = || look(seen(&[(Field::Temperature, Ok(40.0))]));
    assert_eq!(bench.look(there())["gpu_up{gpu=\"front\"}"], 1.0);
    let lost = Look { xids: Ok(vec![79, 79, 31, 9999, 65, 154]), seen: Err(Reason::Lost.into()) };
    let page = bench.look(lost);
    assert_eq!(page["gpu_up{gpu=\"front\"}"], 0.0);
    assert_eq!(page["gpu_failures_total{gpu=\"front\",reason=\"lost\"}"], 1.0);
    let counts = [("device", 2.0), ("application", 1.0), ("video", 1.0), ("other", 2.0), ("memory", 0.0)];
    for (class, count) in counts {
        assert_eq!(page[&format!("gpu_xid_errors_total{{class=\"{class}\",gpu=\"front\"}}")], count, "{class}");
    }
    assert!(page.contains_key("gpu_xid_last_timestamp_seconds{gpu=\"front\"}"));
    let gone = ["gpu_temperature", "gpu_info", "gpu_throttle", "gpu_encoder"];
    assert!(!page.keys().any(|series| gone.iter().any(|gone| series.starts_with(gone))), "{page:?}");
    assert_eq!(bench.roster.uses().of(7, bench.sim.clock().boot()), None);
    let page = bench.look(there());
    assert_eq!((page["gpu_up{gpu=\"front\"}"], page["gpu_temperature_celsius{gpu=\"front\"}"]), (1.0, 40.0));
}

#[test]
fn what_a_card_is_leaves_the_page_with_its_numbers_while_looks_hang() {
    let mut bench = Bench::new("id = \"front\"\n");
    let there = || look(seen(&[(Field::Temperature, Ok(40.0))]));
    assert!(bench.look(there()).keys().any(|series| series.starts_with("gpu_info")));
    bench.sim.advance(EVERY.mul_f64(2.6));
    let standing = bench.latest.standing(bench.sim.clock().boot());
    let told: Vec<_> =
        standing.iter().map(|row| &*row.meta.family.name).filter(|name| !name.ends_with("_total")).collect();
    assert_eq!(told, [""; 0]);
    assert!(bench.look(there()).keys().any(|series| series.starts_with("gpu_info")));
}

#[test]
fn without_a_cap_there_is_no_headroom() {
    let page = Bench::new("id = \"front\"\n").look(look(seen(&[(Field::Sessions, Ok(2.0))])));
    assert_eq!(page["gpu_encoder_sessions{gpu=\"front\"}"], 2.0);
    assert!(!page.keys().any(|series| series.contains("cap") || series.contains("free")), "{page:?}");
}

#[test]
fn a_card_that_the_kernel_accounts_for_is_as_busy_as_its_clients_made_it() {
    let mut bench = Bench::new("id = \"igpu\"\ndevice = \"0000:00:02.0\"\n");
    let work =
        |client, pid, engine, secs: u64, capacity| Work { client, pid, engine, nanos: secs * 1_000_000_000, capacity };
    let looks = |work| look(Seen { work: Ok(work), ..seen(&[]) });
    let page = bench.look(looks(vec![work(1, 7, Engine::Video, 100, 2), work(1, 7, Engine::Render, 50, 1)]));
    assert!(!page.contains_key("gpu_video_utilization_ratio{gpu=\"igpu\"}"), "one reading is no rate");
    let page = bench.look(looks(vec![
        work(1, 7, Engine::Video, 104, 2),
        work(1, 7, Engine::Render, 51, 1),
        work(2, 8, Engine::Video, 1, 2),
    ]));
    assert_eq!(page["gpu_video_utilization_ratio{gpu=\"igpu\"}"], 0.5);
    assert_eq!(page["gpu_utilization_ratio{gpu=\"igpu\"}"], 0.2);
    assert!(!page.contains_key("gpu_encoder_utilization_ratio{gpu=\"igpu\"}"), "it has no engine for that alone");
    let use_of_7 = bench.roster.uses().of(7, bench.sim.clock().boot()).unwrap();
    assert_eq!((use_of_7.share, use_of_7.sessions), (Some(0.4), None));
    let denied = Look { xids: Err(NoData::Unsupported), seen: Ok(Seen { work: Err(NoData::Denied), ..seen(&[]) }) };
    assert!(!bench.look(denied).contains_key("gpu_utilization_ratio{gpu=\"igpu\"}"));
    assert!(bench.latest.no_data(NoData::Denied) >= 1);
}

#[test]
fn a_machine_without_a_card_says_why_and_nothing_else() {
    let mut bench = Bench::new("id = \"front\"\n");
    let page = bench.look(Look { xids: Err(NoData::NotPresent), seen: Err(Reason::NoLibrary.into()) });
    let values: Vec<_> = page.iter().filter(|(_, value)| **value != 0.0).map(|(series, _)| series.as_str()).collect();
    assert_eq!(values, ["gpu_failures_total{gpu=\"front\",reason=\"no_library\"}"]);
    assert!(!page.keys().any(|series| series.starts_with("gpu_xid")), "{page:?}");
    assert_eq!(KIND.name, "gpu");
}
