use super::*;

/// Every line as text; a fault ends it.
fn read(page: impl AsRef<[u8]>, format: Format) -> Vec<String> {
    let mut parser = Parser::new(page.as_ref(), format);
    let mut all = Vec::new();
    while let Some(line) = parser.next_line() {
        all.push(match line {
            Ok(Line::Type(name, kind)) => format!("type {name} {kind:?}"),
            Ok(Line::Help(name, text)) => format!("help {name} {text:?}"),
            Ok(Line::Sample(sample)) => {
                let labels: Vec<_> = parser.labels().iter().map(|(n, v)| format!("{n}={v:?}")).collect();
                format!("{} [{}] {}", sample.name, labels.join(" "), sample.value)
            }
            Err(fault) => fault.to_string(),
        });
    }
    assert!(parser.next_line().is_none());
    all
}

fn text(page: impl AsRef<[u8]>) -> Vec<String> {
    read(page, Format::Text)
}

fn openmetrics(page: impl AsRef<[u8]>) -> Vec<String> {
    read(page, Format::OpenMetrics)
}

#[test]
fn a_text_page_is_read_with_its_types_helps_labels_and_times() {
    let page = "# HELP http_requests_total The total\\n of \\\\ \"requests\".\n# TYPE http_requests_total counter\n\
                http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\n\
                # a remark\n#\n  \t\nbare 1e-3\nspaced \t { a = \"x\" , b=\"\", } \t -Inf \n\
                msdos{path=\"C:\\\\DIR\\\\F.TXT\",error=\"no \\n \\\"it\\\" \\q\"} NaN\n\
                # TYPE h histogram\nh_bucket{le=\"+Inf\"} +Inf";
    assert_eq!(
        text(page),
        [
            r#"help http_requests_total "The total\n of \\ \"requests\".""#,
            "type http_requests_total Counter",
            r#"http_requests_total [method="post" code="200"] 1027"#,
            "bare [] 0.001",
            r#"spaced [a="x" b=""] -inf"#,
            r#"msdos [path="C:\\DIR\\F.TXT" error="no \n \"it\" \\q"] NaN"#,
            "type h Histogram",
            r#"h_bucket [le="+Inf"] inf"#,
        ]
    );
}

#[test]
fn an_openmetrics_page_is_read_with_exemplars_units_and_created_times() {
    let page = "# TYPE foo_seconds counter\n# UNIT foo_seconds seconds\n# HELP foo_seconds say \\\"it\\\"\n\
                foo_seconds_total{a=\"b\"} 17.0 1520879607.789 # {trace_id=\"KOO5\"} 0.67 1520879607.1\n\
                foo_seconds_created{a=\"b\"} 1520430000.123\n# TYPE s stateset\ns{s=\"x\"} 1\n# TYPE g gaugehistogram\n\
                g_bucket{le=\"1\"} 4 # {} 0.5\n# EOF\n";
    assert_eq!(
        openmetrics(page),
        [
            "type foo_seconds Counter",
            r#"help foo_seconds "say \"it\"""#,
            r#"foo_seconds_total [a="b"] 17"#,
            r#"foo_seconds_created [a="b"] 1520430000.123"#,
            "type s StateSet",
            r#"s [s="x"] 1"#,
            "type g GaugeHistogram",
            r#"g_bucket [le="1"] 4"#,
        ]
    );
    assert_eq!(openmetrics("# EOF"), [""; 0]);
}

#[test]
fn a_fault_of_a_text_page_is_told_with_line_and_column() {
    for (page, fault) in [
        ("a 1\nb{x=1} 2", "2:5: here should be a label value in quotes"),
        ("a 1\n\nb{x=\"1} 2\n", "3:5: this label value does not end"),
        ("{a=\"b\"} 1", "1:1: here should be a metric name, a comment or an empty line"),
        ("a", "1:2: here should be a value"),
        ("a{b=\"c\"}\n", "1:9: here should be a value"),
        ("a one", "1:3: this is no number"),
        ("a 0x1p3", "1:3: this is no number"),
        ("a 1_000", "1:3: this is no number"),
        ("a 1e400", "1:3: this is no number"),
        ("a +NaN", "1:3: this is no number"),
        ("a 1 -5", "1:5: the line should end here"),
        ("a 1 99999999999999999999", "1:5: this is no timestamp"),
        ("a 1 5 # {} 1", "1:7: the line should end here"),
        ("a{1=\"b\"} 1", "1:3: here should be a label name or `}`"),
        ("a{b-c=\"b\"} 1", "1:4: here should be `=`"),
        ("a{b=\"c\",b=\"d\"} 1", "1:9: this label stands twice"),
        ("a{b=\"c\",__name__=\"a\"} 1", "1:9: this label stands twice"),
        ("a 1\n b 2", "2:1: here should be a metric name, a comment or an empty line"),
        ("# TYPE a unknown\na 1", "1:10: this is no type of a family"),
        ("# TYPE a countre\na 1", "1:10: this is no type of a family"),
        ("# TYPE a info\na 1", "1:10: this is no type of a family"),
        ("# HELP 1 x\n", "1:8: here should be a metric name, a comment or an empty line"),
        ("<!DOCTYPE html>", "1:1: here should be a metric name, a comment or an empty line"),
    ] {
        assert_eq!(text(page).last().map(String::as_str), Some(fault), "{page}");
    }
    assert_eq!(text(b"a{b=\"\xff\"} 1"), ["1:6: this is not UTF-8"]);
    assert_eq!(text(b"# HELP a \xc3\x28\na 1"), ["1:10: this is not UTF-8"]);
    assert_eq!(text(b"# free \xff\na 1"), ["a [] 1"]);
    let long = format!("a{{b=\"{}\"}} 1\n", "x".repeat(LONGEST));
    assert_eq!(text(long), ["1:1: this line is longer than 64 KiB"]);
    let many: String = (0..=MOST_LABELS).map(|n| format!("l{n}=\"\",")).collect();
    assert_eq!(text(format!("a{{{many}}} 1"))[0].split(": ").nth(1), Some("these are more than 128 labels"));
}

#[test]
fn a_fault_of_an_openmetrics_page_is_told_with_line_and_column() {
    for (page, fault) in [
        ("a 1\n", "2:1: the page ends without # EOF: it was cut"),
        ("a 1", "1:4: the page ends without # EOF: it was cut"),
        ("", "1:1: the page ends without # EOF: it was cut"),
        ("# EOF\na 1\n", "2:1: something comes after # EOF"),
        ("a 1\n\n# EOF", "2:1: here should be a metric name, a comment or an empty line"),
        ("a  1\n# EOF", "1:3: here should be a value"),
        ("a{b=\"c\",} 1\n# EOF", "1:9: here should be a label name or `}`"),
        ("a{b=\"c\"d=\"e\"} 1\n# EOF", "1:8: here should be `,` or `}`"),
        ("a{b=\"c\nd\"} 1\n# EOF", "1:5: this label value does not end"),
        ("a 1 NaN\n# EOF", "1:5: this is no timestamp"),
        ("a 1 1 \n# EOF", "1:6: the line should end here"),
        ("a_total 1 # {a=\"b\"}\n# EOF", "1:20: this is no exemplar"),
        ("a 1 # {a=\"b\"} 1\n# EOF", "1:4: this is no exemplar"),
        ("# TYPE a untyped\n# EOF", "1:10: this is no type of a family"),
        ("# UNIT a seconds\n# EOF", "1:10: the family's name does not end in this unit"),
        ("# remark\n# EOF", "1:3: here should be HELP, TYPE, UNIT or EOF"),
        ("# TYPE a\n# EOF", "1:9: here should be a text after the name"),
    ] {
        assert_eq!(openmetrics(page).last().map(String::as_str), Some(fault), "{page:?}");
    }
}

#[test]
fn the_format_is_told_by_the_content_type() {
    for (told, format) in [
        (None, Format::Text),
        (Some("text/plain; version=0.0.4; charset=utf-8"), Format::Text),
        (Some("text/html"), Format::Text),
        (Some("application/openmetrics-text; version=1.0.0; charset=utf-8"), Format::OpenMetrics),
        (Some("Application/OpenMetrics-Text"), Format::OpenMetrics),
    ] {
        assert_eq!(Format::of(told), format);
    }
}

#[test]
fn a_sample_with_a_time_of_its_own_says_so() {
    for (page, format, timed) in [
        ("a 1 5\n", Format::Text, true),
        ("a 1 \n", Format::Text, false),
        ("a 1 5.5\n# EOF\n", Format::OpenMetrics, true),
        ("a_total 1 # {} 1 5.5\n# EOF\n", Format::OpenMetrics, false),
    ] {
        let Some(Ok(Line::Sample(sample))) = Parser::new(page.as_bytes(), format).next_line() else { panic!("{page}") };
        assert_eq!(sample.timed, timed, "{page}");
    }
}

#[test]
fn the_same_series_is_written_with_the_same_bytes_whatever_its_value() {
    let mut parser = Parser::new(b"a{b=\"c\"} 1\na{b=\"c\"} 2 5\n", Format::Text);
    for _ in 0..2 {
        let Some(Ok(Line::Sample(sample))) = parser.next_line() else { panic!("no sample") };
        assert_eq!(sample.series, b"a{b=\"c\"}");
    }
}
