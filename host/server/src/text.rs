//! Metrics in the text form of Prometheus, version 0.0.4.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write;

use nyala_node::{Metric, MetricKind};

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Help and type stand before the first of each name.
pub fn write(metrics: &[Metric]) -> String {
    let mut text = String::new();
    let mut last = None;
    for metric in metrics {
        if last != Some(metric.name) {
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            };
            put(&mut text, format_args!("# HELP {} {}\n", metric.name, escaped(metric.help, false)));
            put(&mut text, format_args!("# TYPE {} {kind}\n", metric.name));
            last = Some(metric.name);
        }
        put(&mut text, format_args!("{}{} {}\n", metric.name, labels(metric), metric.value));
    }
    text
}

fn labels(metric: &Metric) -> String {
    if metric.labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> =
        metric.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn escaped(text: &str, in_quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if in_quotes { text.replace('"', "\\\"") } else { text }
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_help_for_all_of_a_name_and_quotes_are_escaped() {
        let metric = |name, kind, labels, value| Metric { name, help: "What\nit is.", kind, labels, value };
        let text = write(&[
            metric("nyala_a_total", MetricKind::Counter, vec![("state", "done".to_owned())], 3.0),
            metric("nyala_a_total", MetricKind::Counter, vec![("state", "a \"b\"\\c".to_owned())], 0.5),
            metric("nyala_b", MetricKind::Gauge, vec![], 1e10),
        ]);
        let expected = "# HELP nyala_a_total What\\nit is.\n# TYPE nyala_a_total counter\n\
            nyala_a_total{state=\"done\"} 3\nnyala_a_total{state=\"a \\\"b\\\"\\\\c\"} 0.5\n\
            # HELP nyala_b What\\nit is.\n# TYPE nyala_b gauge\nnyala_b 10000000000\n";
        assert_eq!(text, expected);
    }
}
