//! A strict parser of Prometheus' text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/

use std::collections::BTreeMap;

/// The samples of one metric name.
#[derive(Debug)]
pub struct Metric {
    /// Help text.
    pub help: Option<String>,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Values by series: the name with its labels.
    pub samples: BTreeMap<String, f64>,
}

/// Parses a text and checks the format's rules: a type before the samples of each name, no name or sample twice, only
/// allowed characters in names and labels, and cumulative buckets.
///
/// # Panics
///
/// When the text is not in the format.
pub fn parse(text: &str) -> BTreeMap<String, Metric> {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut metrics = BTreeMap::<String, Metric>::new();
    let (mut current, mut described) = (String::new(), None);
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a help text");
            described = Some((name, help));
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert!(is_name(name), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            let help = described.take().filter(|(described, _)| *described == name);
            let metric = Metric {
                help: help.map(|(_, help)| help.to_owned()),
                kind: kind.to_owned(),
                samples: BTreeMap::new(),
            };
            let before = metrics.insert(name.to_owned(), metric);
            assert!(before.is_none(), "{name} is there twice");
            current = name.to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().expect("a number");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("a brace")),
            None => (series, ""),
        };
        let metric = metrics.get_mut(&current).expect("a type before a sample");
        let suffix = name.strip_prefix(&current).expect("its own name");
        match metric.kind.as_str() {
            "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
            _ => assert_eq!(suffix, "", "{line}"),
        }
        if !labels.is_empty() {
            labels.split(',').for_each(check_label);
        }
        let before = metric.samples.insert(series.to_owned(), value);
        assert!(before.is_none(), "{series} is there twice");
        if suffix == "_count" {
            check_buckets(text, &current, labels, value);
        }
    }
    metrics
}

fn is_name(name: &str) -> bool {
    let first = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Checks a label. Values are words of the program and ids of lines, which contain nothing to be escaped.
fn check_label(label: &str) {
    let (name, value) = label.split_once('=').expect("a label");
    let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let value = value.expect("a value in quotes");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
    assert!(is_name(name) && value.chars().all(plain), "{label}");
}

/// Checks that a histogram's buckets are in order and cumulative, and that the last one equals the count.
fn check_buckets(text: &str, name: &str, labels: &str, count: f64) {
    let start = match labels {
        "" => format!("{name}_bucket{{le=\""),
        labels => format!("{name}_bucket{{{labels},le=\""),
    };
    let buckets: Vec<(f64, f64)> = text
        .lines()
        .filter_map(|line| line.strip_prefix(&start)?.split_once("\"} "))
        .map(|(bound, held)| (bound.parse().unwrap(), held.parse().unwrap()))
        .collect();
    let in_order = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
    assert!(buckets.windows(2).all(in_order), "{name}: {buckets:?}");
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{name}");
}
