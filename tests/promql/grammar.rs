//! Random expressions over the supported grammar, well typed; data decide whether they have a value.

use crate::dice::Dice;

const NAMES: &[&str] = &["requests_total", "errors_total", "temp", "odd", "alive", "bytes_total", "latency_bucket"];
const LABELS: &[&str] = &["cam", "code", "site"];
const COMPARE: &[&str] = &["==", "!=", ">", "<", ">=", "<="];
const ARITHMETIC: &[&str] = &["+", "-", "*", "/"];
const EACH: &[&str] = &[
    "abs",
    "ceil",
    "floor",
    "round",
    "sgn",
    "sqrt",
    "exp",
    "ln",
    "log2",
    "log10",
    "deg",
    "rad",
    "atan",
    "tanh",
    "asinh",
    "acosh",
    "timestamp",
    "sort",
    "sort_desc",
];
/// Their argument is kept to what a date can be: Go leaves the rest to the machine.
const DATES: &[&str] =
    &["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"];
const OVER: &[&str] = &[
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "changes",
    "resets",
    "deriv",
    "avg_over_time",
    "sum_over_time",
    "count_over_time",
    "min_over_time",
    "max_over_time",
    "last_over_time",
    "present_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "rate",
    "increase",
    "rate",
    "increase",
];
const FOLDS: &[&str] = &["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "sum", "count"];

pub fn any(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => scalar(dice, 3),
        _ => vector(dice, 3),
    }
}

fn scalar(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return number(dice);
    }
    match dice.below(8) {
        0 => "time()".into(),
        1 => format!("scalar({})", vector(dice, depth - 1)),
        2 => format!("-{}", scalar(dice, depth - 1)),
        3 => format!("({})", scalar(dice, depth - 1)),
        4 => format!("{} {} bool {}", scalar(dice, depth - 1), dice.pick(COMPARE), scalar(dice, depth - 1)),
        5 => format!("{} {} {}", scalar(dice, depth - 1), dice.pick(ARITHMETIC), scalar(dice, depth - 1)),
        6 => powers(dice),
        _ => number(dice),
    }
}

/// `%` blows the last digit of what stands before it up to a whole number, so it gets exact operands.
fn powers(dice: &mut Dice) -> String {
    let n = |dice: &mut Dice| dice.pick(&["0", "1", "2", "3", "-2", "-1", "4 * 3"]);
    match dice.below(4) {
        0 => format!("{} ^ {} ^ {}", n(dice), n(dice), n(dice)),
        1 => format!("({} % {} * {})", n(dice), n(dice), n(dice)),
        2 => format!("({} + {} ^ {} % {})", n(dice), n(dice), n(dice), n(dice)),
        _ => format!("{} atan2 {} ^ {}", n(dice), n(dice), n(dice)),
    }
}

fn number(dice: &mut Dice) -> String {
    match dice.below(9) {
        0 => dice.pick(&["Inf", "NaN", "-Inf", "0x1F", "1e-3", "pi()", "2.5e3", ".5"]).into(),
        1 => format!("{}.{}", dice.below(100), dice.below(1000)),
        2 => format!("-{}", dice.below(100)),
        _ => dice.below(1000).to_string(),
    }
}

fn vector(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return selector(dice) + &offset(dice);
    }
    let d = depth - 1;
    match dice.below(26) {
        0..=2 => selector(dice) + &offset(dice),
        3..=6 => format!("{}({})", dice.pick(OVER), range(dice, d)),
        7..=9 => fold(dice, d),
        10 => format!("{}({})", dice.pick(EACH), vector(dice, d)),
        11 if dice.one_in(4) => format!("{}(temp)", dice.pick(&["sin", "cos", "tan", "cosh", "sinh"])),
        11 => format!("({})", vector(dice, d)),
        12 => format!("-{}", vector(dice, d)),
        13..=15 => with_scalar(dice, d),
        16..=18 => between(dice, d),
        19 | 20 => {
            let op = dice.pick(&["and", "or", "unless"]);
            format!("{} {op}{} {}", vector(dice, d), on(dice), vector(dice, d))
        }
        21 => format!("absent({})", if dice.one_in(2) { missing(dice) } else { vector(dice, d) }),
        22 => format!("absent_over_time({})", range(dice, d)),
        23 if dice.one_in(2) => format!("vector({})", scalar(dice, d)),
        23 => format!("{}({})", dice.pick(DATES), dice.pick(&["", "bytes_total * 977", "timestamp(temp)", "-temp"])),
        24 => with_arguments(dice, d),
        _ => labelled(dice, d),
    }
}

fn with_arguments(dice: &mut Dice, d: usize) -> String {
    match dice.below(8) {
        0 => format!("clamp({}, {}, {})", vector(dice, d), scalar(dice, d), scalar(dice, d)),
        1 => format!("clamp_min({}, {})", vector(dice, d), scalar(dice, d)),
        2 => format!("clamp_max({}, {})", vector(dice, d), scalar(dice, d)),
        3 => format!("round({}, {})", vector(dice, d), number(dice)),
        4 => format!("quantile_over_time({}, {})", quantile(dice), range(dice, d)),
        5 => format!("predict_linear({}, {})", range(dice, d), number(dice)),
        6 => format!("histogram_quantile({}, rate(latency_bucket[{}]))", quantile(dice), length(dice)),
        _ => format!("histogram_quantile({}, {})", quantile(dice), vector(dice, d)),
    }
}

fn labelled(dice: &mut Dice, d: usize) -> String {
    if dice.one_in(3) {
        return format!("label_join({}, \"place\", \"-\", \"cam\", \"site\")", vector(dice, d));
    }
    let pattern = dice.pick(&["(.)(.*)", "y.*", "", "([a-z]+)|(5..)"]);
    let with = dice.pick(&["$2$1", "", "x", "${1}s", "$1s"]);
    let (to, from) = (dice.pick(&["cam", "new", "site"]), dice.pick(LABELS));
    format!("label_replace({}, {to:?}, {with:?}, {from:?}, {pattern:?})", vector(dice, d))
}

fn fold(dice: &mut Dice, d: usize) -> String {
    let by = match dice.below(4) {
        0 => String::new(),
        1 => format!(" without ({})", dice.some(LABELS).join(", ")),
        _ => format!(" by ({})", dice.some(LABELS).join(", ")),
    };
    if dice.one_in(12) {
        // It turns the last digit into a label. Prometheus 2.42 mixes up three labels in `by` over several steps.
        let of = dice.pick(&["alive", "odd", "temp", "changes(alive[1m])"]);
        return format!("count_values by ({}) (\"n\", {of})", dice.some(&["cam", "site"]).join(", "));
    }
    let of = vector(dice, d);
    let (op, inside) = match dice.below(10) {
        0 => ("quantile", format!("({}, {of})", quantile(dice))),
        // Which of equal elements stay is an accident of Prometheus' heap: choose among values that differ.
        1 => (dice.pick(&["topk", "bottomk"]), format!("({}, temp)", dice.below(4))),
        _ => (dice.pick(FOLDS), format!("({of})")),
    };
    if dice.one_in(2) { format!("{op}{by}{inside}") } else { format!("{op}{inside}{by}") }
}

fn quantile(dice: &mut Dice) -> &'static str {
    dice.pick(&["0", "0.5", "0.9", "0.99", "1", "-1", "2", "NaN"])
}

fn with_scalar(dice: &mut Dice, d: usize) -> String {
    let (v, s) = (vector(dice, d), scalar(dice, d));
    if dice.one_in(6) {
        let (v, op) = (selector(dice), dice.pick(&["%", "^", "atan2"]));
        return if dice.one_in(2) {
            format!("{v} {op} {}", number(dice))
        } else {
            format!("{} {op} {v}", number(dice))
        };
    }
    let op = match dice.below(4) {
        0 => format!("{} bool", dice.pick(COMPARE)),
        1 | 2 => dice.pick(COMPARE).to_owned(),
        _ => dice.pick(ARITHMETIC).to_owned(),
    };
    if dice.one_in(3) { format!("{s} {op} {v}") } else { format!("{v} {op} {s}") }
}

fn between(dice: &mut Dice, d: usize) -> String {
    let op = match dice.below(4) {
        0 => format!("{} bool", dice.pick(COMPARE)),
        1 => dice.pick(COMPARE).to_owned(),
        _ => dice.pick(ARITHMETIC).to_owned(),
    };
    if dice.one_in(2) {
        // Sides that do match.
        let labels = dice.pick(&["cam", "cam, code"]);
        let side = |dice: &mut Dice| format!("{} by ({labels}) ({})", dice.pick(FOLDS), vector(dice, d));
        return format!("{} {op} {}", side(dice), side(dice));
    }
    let mut on = on(dice);
    if !on.is_empty() && dice.one_in(2) {
        on += dice.pick(&[" group_left", " group_right"]);
        on += dice.pick(&["", "()", "(site)", "(code, zone)"]);
    }
    format!("{} {op}{on} ({})", vector(dice, d), vector(dice, d))
}

fn on(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 | 1 => String::new(),
        2 => format!(" on ({})", dice.pick(&["cam", "cam, site", "", "code", "cam, __name__"])),
        _ => format!(" ignoring ({})", dice.pick(&["code", "site", "code, site", "", "cam", "code, site, le"])),
    }
}

fn missing(dice: &mut Dice) -> String {
    dice.pick(&["nothing", "nothing{cam=\"x\"}", "temp{cam=\"x\",site!=\"a\"}", "(nothing{a=\"1\",a=\"2\",b=\"3\"})"])
        .into()
}

fn selector(dice: &mut Dice) -> String {
    let name = dice.pick(NAMES);
    let mut matchers: Vec<String> = Vec::new();
    while dice.one_in(3) && matchers.len() < 3 {
        let (label, value) = match dice.below(3) {
            0 => ("cam", dice.pick(&["yard", "gate", "hall", "roof", ""])),
            1 => ("code", dice.pick(&["200", "500", ""])),
            _ => ("site", dice.pick(&["a", "b", ""])),
        };
        let pattern = dice.pick(&["y.*|gate", "5..", ".+", ".*", "a|b", "", "[^h]*", "\\\\d+"]);
        matchers.push(match dice.below(4) {
            0 => format!("{label}={value:?}"),
            1 => format!("{label}!={value:?}"),
            2 => format!("{label}=~\"{pattern}\""),
            _ => format!("{label}!~\"{pattern}\""),
        });
    }
    if dice.one_in(15) {
        matchers.push(format!("__name__=~\"{}\"", dice.pick(&["temp|odd", "re.*", ".*_total"])));
        return format!("{{{}}}", matchers.join(","));
    }
    if matchers.is_empty() { name.into() } else { format!("{name}{{{}}}", matchers.join(",")) }
}

fn range(dice: &mut Dice, depth: usize) -> String {
    if depth > 0 && dice.one_in(8) {
        let step = dice.pick(&["10s", "30s", "7s", "1m"]);
        return format!("({})[{}:{step}]{}", exact(dice, depth - 1), length(dice), offset(dice));
    }
    format!("{}[{}]{}", selector(dice), length(dice), offset(dice))
}

/// Nothing from the mathematical library: a last digit that differs there becomes a counter reset, or all that is left
/// after a subtraction.
fn exact(dice: &mut Dice, depth: usize) -> String {
    match dice.below(6) {
        0 => selector(dice),
        1 | 2 => format!("{}({})", dice.pick(OVER), range(dice, depth)),
        3 => format!("{} by (cam) ({})", dice.pick(&["sum", "min", "max", "count", "avg"]), selector(dice)),
        4 => format!("{} {} {}", selector(dice), dice.pick(ARITHMETIC), number(dice)),
        _ => format!("{} {} {}", selector(dice), dice.pick(COMPARE), number(dice)),
    }
}

fn length(dice: &mut Dice) -> &'static str {
    dice.pick(&["5s", "10s", "15s", "30s", "1m", "2m", "5m", "90s", "10m", "2500ms"])
}

fn offset(dice: &mut Dice) -> String {
    if dice.one_in(8) {
        format!(" offset {}", dice.pick(&["5s", "30s", "2m", "5m", "-1m", "-5s", "1m30s"]))
    } else {
        String::new()
    }
}
