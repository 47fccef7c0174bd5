//! Debian's exporters alive, beside a Prometheus that asks them itself.

use super::{SOON, debian, target};
use crate::support::prometheus::{Prometheus, Samples};
use crate::support::vedette::Vedette;
use crate::support::wait;
use std::collections::{BTreeMap, BTreeSet};
use vedette::metric::labels::Labels;

/// Seconds of samples on both sides that are held against each other.
const SPAN: u32 = 10;

#[test]
fn debians_exporters_are_read_judged_and_missed() {
    let mut exporters = debian::all();
    let targets: String = exporters
        .iter()
        .map(|e| target(e.id, e.server.port, "/metrics", "every = \"1s\"\nfamilies = [\"redis_*\", \"pg_up\"]\n"))
        .collect();
    let mut vedette = Vedette::new(&format!("[node]\ntick = \"1s\"\n{targets}"));
    vedette.rules("groups: [{name: g, interval: 1s, rules: [{alert: RedisDown, expr: redis_up == 0}]}]\n");
    vedette.start();
    let mut config = Prometheus::job("vedette", vedette.port, "");
    for debian::Exporter { id, server, .. } in &exporters {
        config += Prometheus::job(id, server.port, "").strip_prefix("scrape_configs:\n").unwrap();
    }
    let prometheus = Prometheus::start(&config, &[]);
    for debian::Exporter { id, .. } in &exporters {
        prometheus.value(&format!("count_over_time(up{{job=\"{id}\"}}[{SPAN}s]) > 8"), SOON, |_| true);
        let page = vedette.page();
        let counts =
            page.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.strip_suffix(" counter")).map(str::to_owned);
        let (counts, mut rounds) = (counts.collect(), 0);
        let Compared { series, apart, still, twitched } = wait(id, SOON, || {
            let compared = compare(&prometheus, id, &counts);
            rounds += 1;
            (compared.alike() || rounds == 60).then_some(compared)
        });
        assert!(rounds < 60, "{id}: {series} series, {apart:?}, {still} still, {twitched:?}");
        eprintln!("{id}: {series} series alike, {still} gauges stood still, of which {} did not", twitched.len());
        assert!(series > 30, "{id}");
    }

    vedette.wait_value("redis_up{scrape_id=\"redis\"}", SOON, |up| up == 1.0);
    assert_eq!(vedette.value("vedette_alerts_active{phase=\"firing\"}"), Some(0.0));
    let exporter = |id| exporters.iter().position(|e: &debian::Exporter| e.id == id).unwrap();
    let (redis, postgres) = (exporter("redis"), exporter("postgres"));
    exporters[redis].watched = None;
    exporters[postgres].watched = None;
    vedette.wait_value("vedette_alerts_active{phase=\"firing\"}", SOON, |n| n == 1.0);
    // It takes longer than Prometheus would wait to say that its server is away.
    wait("postgres away", SOON, || {
        let late = vedette.value("scrape_failures_total{reason=\"timeout\",scrape_id=\"postgres\"}").unwrap() > 0.0;
        let said = vedette.value("pg_up{scrape_id=\"postgres\"}") == Some(0.0);
        (late || said).then_some(())
    });
    exporters.remove(redis);
    vedette.wait_value("scrape_failures_total{reason=\"unreachable\",scrape_id=\"redis\"}", SOON, |n| n >= 1.0);
    wait("the end of its series", SOON, || (!vedette.page().contains("redis_up{")).then_some(()));
    prometheus.value("scrape_up{scrape_id=\"redis\"}", SOON, |up| up == 0.0);
    assert_eq!(prometheus.query("redis_up{job=\"vedette\"}"), [], "a stale marker ended it");
    // Of a series that is gone nothing is judged, and the alarm ends as in Prometheus.
    vedette.wait_value("vedette_alerts_active{phase=\"firing\"}", SOON, |n| n == 0.0);
}

/// Series of an exporter with the samples of the last seconds. Names of ours are left out.
fn samples(prometheus: &Prometheus, matchers: &str) -> BTreeMap<Labels, Samples> {
    let found = prometheus.range(&format!("{{{matchers},__name__!~\"up|scrape_.*|process_.*|node_.*\"}}[{SPAN}s]"));
    found
        .into_iter()
        .map(|(labels, all)| (Labels::new(labels).without(&["job", "instance", "scrape_id"]), all))
        .collect()
}

/// Of a comparison: how many series, and what of them is not alike.
#[derive(Default)]
struct Compared {
    series: usize,
    apart: Vec<String>,
    /// Gauges that stood still for the exporter itself; some twitch between two looks.
    still: usize,
    twitched: Vec<String>,
}

impl Compared {
    fn alike(&self) -> bool {
        self.series > 0 && self.apart.is_empty() && self.twitched.len() * 4 <= self.still
    }
}

/// A sample that came through us was read from the exporter less than two seconds earlier, so a count stands between what
/// the exporter itself said before and after, and a gauge that stood still is the same. Of other gauges the names and labels
/// are compared.
fn compare(prometheus: &Prometheus, id: &str, counts: &BTreeSet<String>) -> Compared {
    let theirs = samples(prometheus, &format!("job=\"{id}\""));
    let ours = samples(prometheus, &format!("job=\"vedette\",scrape_id=\"{id}\""));
    let mut compared = Compared { series: theirs.len(), ..Compared::default() };
    for (series, said) in &theirs {
        let Some(through) = ours.get(series) else {
            compared.apart.push(format!("{series} is not on our page"));
            continue;
        };
        let (first, last) = (said[0], said[said.len() - 1]);
        let counts = counts.contains(series.get("__name__").unwrap());
        let still = said.iter().all(|(_, value)| value.to_bits() == first.1.to_bits());
        compared.still += usize::from(!counts && still);
        let of_then = |(at, _): &&(f64, f64)| first.0 + 3.0 <= *at && *at <= last.0;
        // Some are not a number, and stay that.
        let between = |v: &f64| first.1.total_cmp(v).is_le() && v.total_cmp(&last.1).is_le();
        let outside = |(_, value): &&(f64, f64)| (counts || still) && !between(value);
        if let Some(one) = through.iter().filter(of_then).find(outside) {
            let list = if counts { &mut compared.apart } else { &mut compared.twitched };
            list.push(format!("{series} {one:?}, not from {first:?} to {last:?}"));
        }
    }
    let more = ours.keys().filter(|series| !theirs.contains_key(series));
    compared.apart.extend(more.map(|series| format!("{series} is ours only")));
    compared
}
