//! What judging costs per tick: 2 000 series pushed, 200 rules evaluated; the tick is 5 s, so 1 % of a core is 50 ms.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use vedette::metric::labels::Labels;
use vedette::query::{Compat, Expr, NAME, Ring};

const FAMILIES: usize = 100;
const CAMERAS: usize = 20;
const TICK: i64 = 5000;
/// As much history as the rules look back.
const TICKS: i64 = 70;

fn rules() -> Vec<Expr> {
    (0..FAMILIES)
        .flat_map(|f| {
            [
                format!("rate(family_{f}_total{{camera_id=~\"cam.*\"}}[5m]) > 1000"),
                format!(
                    "sum by (site) (family_{f}_total) / count by (site) (family_{f}_total) < 0 and on (site) up == 0"
                ),
            ]
        })
        .map(|text| Expr::parse(&text, Compat::V3).expect("a rule of the bench"))
        .collect()
}

fn series() -> Vec<Labels> {
    let one = |f: usize, c: usize| {
        let (name, camera, site) = (format!("family_{f}_total"), format!("cam{c}"), format!("s{}", c % 4));
        Labels::new([(NAME, name), ("camera_id", camera), ("site", site), ("job", "vedette".to_owned())])
    };
    (0..FAMILIES).flat_map(|f| (0..CAMERAS).map(move |c| one(f, c))).collect()
}

fn tick(criterion: &mut Criterion) {
    let (rules, series) = (rules(), series());
    let mut ring = Ring::new(&rules);
    let mut now = 0;
    let mut push = |ring: &mut Ring| {
        now += TICK;
        ring.push(now, series.iter().map(|l| (l, (now / 100) as f64)));
        now
    };
    for _ in 0..TICKS {
        push(&mut ring);
    }
    println!("{:?}", ring.held());
    criterion.bench_function("push 2000 series", |b| b.iter(|| push(&mut ring)));
    let now = push(&mut ring);
    criterion.bench_function("judge 200 rules over 2000 series", |b| {
        b.iter(|| rules.iter().filter_map(|r| black_box(r.eval(&ring, now)).ok()).count())
    });
    criterion.bench_function("parse and check a rule", |b| {
        b.iter(|| Expr::parse(black_box("sum by (camera_id) (rate(a_total{x=~\"b.*\"}[5m])) > 0.05"), Compat::V3))
    });
}

criterion_group!(benches, tick);
criterion_main!(benches);
