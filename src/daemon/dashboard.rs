//! The dashboard of one recording node for Grafana 10 and later: a row of panels per kind of probe, and one for Vedette
//! itself. Printed, so that a probe says in its folder what is worth seeing of it.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};
use crate::probe::KINDS;
use serde_json::{Value, json};

/// Panels beside each other; Grafana's grid has 24 columns.
const BESIDE: usize = 3;
const WIDTH: usize = 24 / BESIDE;
/// Rows of the grid, 30 pixels each.
const HEIGHT: usize = 8;

/// The same under every dashboard of this kind, so that a newer one takes the place of an older.
const UID: &str = "vedette-recording-node";

static OWN: &[Panel] = &[
    Panel {
        title: "Alarms",
        look: Look::Lines,
        unit: Unit::Count,
        queries: &[("vedette_alerts_active{$node}", "{{phase}}")],
    },
    Panel {
        title: "Probes at work",
        look: Look::States,
        unit: Unit::Count,
        queries: &[("vedette_probe_up{$node}", "{{probe}}/{{target}}")],
    },
    Panel {
        title: "Kept on disk",
        look: Look::Lines,
        unit: Unit::Bytes,
        queries: &[("vedette_store_bytes{$node}", "samples"), ("process_resident_memory_bytes{$node}", "memory")],
    },
];

/// The dashboard as a file for Grafana's provisioning.
pub fn print() -> String {
    let rows = KINDS.iter().map(|kind| (kind.name, kind.panels)).filter(|(_, panels)| !panels.is_empty());
    let mut panels = Vec::new();
    let mut y = 0;
    for (title, all) in rows.chain([("vedette", OWN)]) {
        panels.push(json!({
            "id": panels.len() + 1, "type": "row", "title": title, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
        }));
        y += 1;
        for (n, panel) in all.iter().enumerate() {
            let place = json!({"x": n % BESIDE * WIDTH, "y": y + n / BESIDE * HEIGHT, "w": WIDTH, "h": HEIGHT});
            panels.push(drawn(panel, panels.len() + 1, place));
        }
        y += all.len().div_ceil(BESIDE) * HEIGHT;
    }
    let dashboard = json!({
        "uid": UID, "title": "Recording node", "tags": ["vedette"], "schemaVersion": 39, "version": 1,
        "editable": true, "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "graphTooltip": 1,
        "templating": {"list": [
            {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
            {"name": "instance", "label": "Node", "type": "query", "datasource": source(), "refresh": 2, "sort": 1,
             "query": {"query": "label_values(vedette_snapshot_series, instance)", "refId": "A"}},
        ]},
        "annotations": {"list": [{
            "name": "Alarms", "enable": true, "iconColor": "red", "datasource": source(),
            "expr": at_node("ALERTS{$node,alertstate=\"firing\"}"), "titleFormat": "{{alertname}}",
        }]},
        "panels": panels,
    });
    format!("{dashboard:#}\n")
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${source}"})
}

/// What Grafana puts in the place of our words.
fn at_node(expr: &str) -> String {
    expr.replace("$node", "instance=\"$instance\"").replace("$span", "$__rate_interval")
}

fn drawn(panel: &Panel, id: usize, place: Value) -> Value {
    let targets: Vec<_> = panel.queries.iter().zip('A'..).map(|((expr, legend), name)| {
        json!({"refId": name.to_string(), "expr": at_node(expr), "legendFormat": legend, "datasource": source()})
    }).collect();
    let (kind, custom) = match panel.look {
        Look::Lines => ("timeseries", json!({"fillOpacity": 5, "showPoints": "never"})),
        Look::States => ("state-timeline", json!({"fillOpacity": 70})),
    };
    let mut defaults = json!({"unit": unit(panel.unit), "custom": custom});
    if panel.look == Look::States {
        let state = |value: &str, text: &str, color: &str| (value.to_owned(), json!({"text": text, "color": color}));
        let options: serde_json::Map<_, _> =
            [state("0", "no", "red"), state("1", "yes", "green")].into_iter().collect();
        defaults["mappings"] = json!([{"type": "value", "options": options}]);
    }
    json!({
        "id": id, "type": kind, "title": panel.title, "gridPos": place, "datasource": source(),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": true}},
        "targets": targets,
    })
}

/// Grafana's name of a unit.
fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "s",
        Unit::Bytes => "bytes",
        Unit::Ratio => "percentunit",
        Unit::Percent => "percent",
        Unit::BitsPerSecond => "bps",
        Unit::Celsius => "celsius",
        Unit::Watts => "watt",
        Unit::Hertz => "hertz",
        Unit::Count | Unit::PerSecond | Unit::Pixels => "short",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::catalogue;
    use crate::query::{Compat, Expr};

    #[test]
    fn every_query_is_promql_over_names_that_this_box_exports() {
        let exported = catalogue::names(false, &[]);
        let panels: Vec<_> = KINDS.iter().flat_map(|kind| kind.panels).chain(OWN).collect();
        assert!(panels.len() > 20);
        for (query, _) in panels.iter().flat_map(|panel| panel.queries) {
            assert!(query.contains("{$node"), "{query} shows all boxes at once");
            let text = query.replace("$node", "instance=\"box\"").replace("$span", "5m");
            let expr = Expr::parse(&text, Compat::V3).unwrap_or_else(|refused| panic!("{query}: {refused}"));
            for name in expr.names() {
                assert!(exported.has(name), "{query}: nothing is called {name}");
            }
        }
    }
}
