//! What the differential test cannot show: refusals by name, Prometheus 3, stale markers in a ring, hostile input.

use super::*;
use proptest::prelude::*;

/// Name, labels, and values every 10 s from 0; `_` is a hole, `x` a stale marker.
type Line<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

struct Table(Vec<(Labels, Vec<Sample>)>);

impl Table {
    fn new(lines: &[Line<'_>]) -> Table {
        let line = |(name, labels, values): &Line<'_>| {
            let labels = Labels::new(labels.iter().copied().chain([(NAME, *name)]));
            let sample = |(i, said): (usize, &str)| {
                let value = if said == "x" { f64::from_bits(STALE) } else { said.parse().ok()? };
                Some(Sample { at: i as i64 * 10_000, value })
            };
            (labels, values.split(' ').enumerate().filter_map(sample).collect())
        };
        Table(lines.iter().map(line).collect())
    }
}

impl Source for Table {
    fn select(&self, matchers: &Matchers, from: i64, to: i64) -> Result<Vec<Stretch<'_>>, EvalError> {
        let inside = |samples: &'_ [Sample]| {
            let start = samples.partition_point(|s| s.at < from);
            start..samples.partition_point(|s| s.at <= to).max(start)
        };
        let wanted = self.0.iter().filter(|(labels, _)| matchers.accept(labels));
        Ok(wanted.map(|(labels, samples)| Stretch { labels, samples: &samples[inside(samples)] }).collect())
    }
}

/// `{labels} value` per element, sorted, or what went wrong.
fn answer(source: &dyn Source, text: &str, at: i64, compat: Compat) -> String {
    let expr = Expr::parse(text, compat).unwrap_or_else(|e| panic!("{text}: {e}"));
    match expr.eval(source, at) {
        Err(error) => error.to_string(),
        Ok(Value::Scalar(v)) => v.to_string(),
        Ok(Value::Text(t)) => t,
        Ok(Value::Vector(points)) => {
            let mut all: Vec<_> = points.iter().map(|p| format!("{:?} {}", p.labels, p.value)).collect();
            all.sort();
            all.join(", ")
        }
    }
}

fn check(source: &dyn Source, at: i64, cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(answer(source, text, at, Compat::V3), *wanted, "{text}");
    }
}

#[test]
fn what_is_not_evaluated_here_is_refused_by_name() {
    for (text, what) in [
        ("rate(x[5m] @ 100)", "the @ modifier"),
        ("x @ start()", "the @ modifier"),
        ("max_over_time(rate(x[1m])[5m:] )", "a subquery without a step ([range:])"),
        ("histogram_avg(x)", "histogram_avg()"),
        ("double_exponential_smoothing(x[5m], 0.5, 0.5)", "double_exponential_smoothing()"),
        ("holt_winters(x[5m], 0.5, 0.5)", "holt_winters()"),
        ("sum(limitk(3, x))", "limitk()"),
        ("x + on (a) group_left fill (0) y", "the fill modifier"),
        ("mad_over_time(x[5m])", "mad_over_time()"),
        ("x{a=\"1\" or b=\"2\"}", "`or` between label matchers"),
        ("x{a=~\"\\\\Ba\"}", "\\B in the regular expression \"\\\\Ba\""),
        ("sum_over_time(x[1d:1s])", "a subquery of more than 11000 steps"),
    ] {
        let refused = Expr::parse(text, Compat::V3).unwrap_err();
        assert_eq!(refused, Refused::Unsupported { what: what.into() }, "{text}");
    }
}

#[test]
fn what_no_prometheus_would_take_is_broken() {
    for text in [
        "",
        "rate(x)",
        "abs(x[5m])",
        "x and 1",
        "1 > 2",
        "x[5m]",
        "x[5m] + 1",
        "sum(1)",
        "x +",
        "nosuch(x)",
        "x{a=~\"(\"}",
        "exp(1)",
        "ln(Inf)",
        "{a=\"\"}",
        "x * on (a) group_left (a) y",
        "label_replace(x, \"1a\", \"\", \"b\", \"\")",
        "x[0s]",
        "topk(\"a\", x)",
    ] {
        let refused = Expr::parse(text, Compat::V3).expect_err(text);
        assert!(matches!(refused, Refused::Broken { .. }), "{text}: {refused:?}");
    }
}

#[test]
fn prometheus_3_leaves_the_oldest_instant_out_and_2_does_not() {
    let table = Table::new(&[("m", &[], "1 2 3 4 5 6 7"), ("old", &[], "1")]);
    for (text, at, two, three) in [
        ("count_over_time(m[20s])", 60_000, "{} 3", "{} 2"),
        ("old", 300_000, "{__name__=\"old\"} 1", ""),
        ("old", 299_999, "{__name__=\"old\"} 1", "{__name__=\"old\"} 1"),
        ("rate(m[10s])", 60_000, "{} 0.1", ""),
        ("count_over_time(m[30s:10s])", 60_000, "{} 4", "{} 3"),
    ] {
        assert_eq!(answer(&table, text, at, Compat::V2), two, "{text}");
        assert_eq!(answer(&table, text, at, Compat::V3), three, "{text}");
    }
}

/// The first sample is 30 s after the start of the range, 3 mean intervals: "the series starts inside". Growth 30 in
/// 30 s from 10.5: the zero point is 10.5 s back, within 1.1 intervals.
#[test]
fn the_zero_point_is_weighed_before_the_threshold_in_2_and_after_it_in_3() {
    let table = Table::new(&[("c", &[], "_ _ _ 10.5 20.5 30.5 40.5")]);
    assert_eq!(answer(&table, "increase(c[1m])", 60_000, Compat::V2), "{} 40.5");
    assert_eq!(answer(&table, "increase(c[1m])", 60_000, Compat::V3), "{} 35");
}

#[test]
fn a_stale_marker_ends_a_series_for_selectors_and_is_no_sample_for_ranges() {
    let table = Table::new(&[("m", &[("a", "1")], "1 2 x"), ("m", &[("a", "2")], "1 x 3")]);
    check(
        &table,
        25_000,
        &[
            ("m", "{__name__=\"m\",a=\"2\"} 3"),
            ("count_over_time(m[1m])", "{a=\"1\"} 2, {a=\"2\"} 2"),
            ("m offset 10s", "{__name__=\"m\",a=\"1\"} 2"),
            ("absent(m{a=\"1\"})", "{a=\"1\"} 1"),
            ("absent(m{a=\"2\"})", ""),
        ],
    );
}

#[test]
fn names_go_and_stay_as_in_prometheus() {
    let table = Table::new(&[
        ("a", &[("x", "1")], "4"),
        ("b", &[("x", "1")], "2"),
        ("b", &[("x", "2")], "3"),
        ("c", &[("x", "1"), ("y", "1")], "7"),
    ]);
    check(
        &table,
        0,
        &[
            ("a > 3", "{__name__=\"a\",x=\"1\"} 4"),
            ("3 < a", "{__name__=\"a\",x=\"1\"} 4"),
            ("a > bool 3", "{x=\"1\"} 1"),
            ("a + 1", "{x=\"1\"} 5"),
            ("-a", "{x=\"1\"} -4"),
            ("a > b", "{__name__=\"a\",x=\"1\"} 4"),
            ("a > on (x) b", "{x=\"1\"} 4"),
            ("a / b", "{x=\"1\"} 2"),
            ("c / on (x) group_left () a", "{x=\"1\",y=\"1\"} 1.75"),
            ("a * on (x) group_right () c", "{x=\"1\",y=\"1\"} 28"),
            ("a * on (x) group_left (y) c", "{x=\"1\",y=\"1\"} 28"),
            ("a and b", "{__name__=\"a\",x=\"1\"} 4"),
            ("b unless a", "{__name__=\"b\",x=\"2\"} 3"),
            ("a or b", "{__name__=\"a\",x=\"1\"} 4, {__name__=\"b\",x=\"2\"} 3"),
            ("last_over_time(a[1m])", "{__name__=\"a\",x=\"1\"} 4"),
            ("sum_over_time(a[1m])", "{x=\"1\"} 4"),
            ("1 / 0 > bool 1", "1"),
            ("a / 0", "{x=\"1\"} inf"),
            ("vector(1)", "{} 1"),
            ("2 ^ 3 ^ 2 - -1", "513"),
            ("\"text\"", "text"),
        ],
    );
    assert!(answer(&table, "a + on () b", 0, Compat::V3).contains("many-to-many"));
    assert!(answer(&table, "b + on () a", 0, Compat::V3).contains("many-to-one"));
    assert!(answer(&table, "abs({__name__=~\"a|b\"})", 0, Compat::V3).contains("same labelset"));
    assert!(answer(&table, "topk(1e30, a)", 0, Compat::V3).contains("overflows int64"));
}

#[test]
fn an_expression_tells_what_it_selects_and_how_far_back() {
    let expr = Expr::parse("rate(a[10m] offset 1h) > on () sum(b) or {job=\"x\"}", Compat::V3).unwrap();
    assert_eq!(expr.names().into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        expr.selectors().filter(|m| m.name().is_none()).map(Matchers::to_string).collect::<Vec<_>>(),
        ["{job=\"x\"}"]
    );
    assert_eq!(expr.reach(), Duration::from_secs(70 * 60));
    let nested = Expr::parse("max_over_time(rate(a[1m])[1h:1m] offset 5m)", Compat::V3).unwrap();
    assert_eq!(nested.reach(), Duration::from_secs(66 * 60));
    assert_eq!(Expr::parse("up offset -1h", Compat::V3).unwrap().reach(), Duration::ZERO);
}

#[test]
fn the_mean_of_numbers_whose_sum_overflows_is_right() {
    let table = Table::new(&[("m", &[], "1e308 1e308 1e308 1.5e308")]);
    check(&table, 30_000, &[("avg_over_time(m[1m])", &format!("{{}} {}", 1.125e308))]);
}

#[test]
fn an_absurdly_deep_text_is_refused_and_not_a_crash() {
    for text in [
        "(".repeat(8000) + "1" + &")".repeat(8000),
        "-".repeat(8000) + "x",
        "1 + ".repeat(4000) + "1",
        "abs(".repeat(3000) + "x" + &")".repeat(3000),
        "sum(".repeat(3000) + "x" + &")".repeat(3000),
        "x".repeat(100_000),
    ] {
        assert!(matches!(Expr::parse(&text, Compat::V3), Err(Refused::Unsupported { .. })), "{}", &text[..20]);
    }
}

#[test]
fn durations_and_instants_out_of_range_are_refused_and_not_a_crash() {
    for text in [
        "rate(x[1e30])",
        "x offset 1e30",
        "x offset -1e30",
        "x offset NaN",
        "rate(x[1e30:1s])",
        "rate(x[1h:1e30])",
        "rate(x[99999999999y])",
        "x offset 99999999y",
    ] {
        assert!(matches!(Expr::parse(text, Compat::V3), Err(Refused::Broken { .. })), "{text}");
    }
    let table = Table::new(&[("m", &[], "1 2")]);
    let expr = Expr::parse("sum_over_time(m[1m:10s]) + sum_over_time(m[1m] offset -1h)", Compat::V3).unwrap();
    for at in [i64::MIN, i64::MAX] {
        assert_eq!(expr.eval(&table, at), Ok(Value::Vector(Vec::new())));
    }
}

/// Bits of PromQL, thrown together.
fn salad() -> impl Strategy<Value = String> {
    let words = [
        "m",
        "rate",
        "sum",
        "by",
        "without",
        "(",
        ")",
        "[5m]",
        "[1m:10s]",
        "{a=\"1\"}",
        "{a=~\".\"}",
        "+",
        "-",
        "*",
        "/",
        "%",
        "^",
        ">",
        "==",
        "bool",
        "and",
        "or",
        "unless",
        "on",
        "ignoring",
        "group_left",
        "(a)",
        ",",
        "1",
        "0",
        "Inf",
        "NaN",
        "1e999",
        "\"s\"",
        "offset",
        "1h",
        "-5m",
        "@",
        "topk",
        "quantile",
        "absent",
        "abs",
        "count_values",
        "label_replace",
        "clamp",
        "scalar",
        "vector",
        "time()",
        "year",
        "histogram_quantile",
        "avg_over_time",
        "fill",
        "99999y",
        "9e18",
        "round",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 1..14).prop_map(|all| all.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![salad(), ".{0,40}", "[a-z({\"\\\\=~]{0,30}"]) {
        let table = Table::new(&[("m", &[("a", "1")], "1 x NaN inf -inf 1e308 0 5"), ("m", &[("a", "2")], "3 2 1")]);
        for compat in [Compat::V2, Compat::V3] {
            if let Ok(expr) = Expr::parse(&text, compat) {
                for at in [0, 65_000, i64::MAX, i64::MIN] {
                    let _any = expr.eval(&table, at);
                }
            }
        }
    }
}
