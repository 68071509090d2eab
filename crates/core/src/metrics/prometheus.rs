//! Totals as text that Prometheus reads: its exposition format, version 0.0.4.

use std::fmt::{self, Write};

use super::totals::{BOUNDS_MILLIS, Series, Totals};
use super::{Key, Kind, Unit, names};

/// What the text says it is, as the header `content-type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that has come to be counted, one family after the other.
#[must_use]
pub fn render(totals: &Totals) -> String {
    let all: Vec<_> = totals.series().collect();
    let mut text = String::new();
    for family in all.chunk_by(|(one, _), (other, _)| one.name == other.name) {
        write_family(&mut text, family).expect("a string takes everything");
    }
    text
}

fn write_family(text: &mut String, family: &[(&Key, &Series)]) -> fmt::Result {
    let Some((Key { name: cloudwatch, .. }, Series { metric, .. })) = family.first() else {
        return Ok(());
    };
    let name = names::prometheus(metric);
    let help = |text: &mut String, name: &str, of: &str, kind: &str| {
        writeln!(text, "# HELP {name} {of} `{cloudwatch}`, see docs/metrics.md.")?;
        writeln!(text, "# TYPE {name} {kind}")
    };
    let samples = |text: &mut String, name: &str, number: fn(&Series) -> f64| {
        let mut write =
            |(key, series): &(&Key, &Series)| sample(text, name, key, None, scaled(series, number));
        family.iter().try_for_each(&mut write)
    };
    match metric.kind {
        Kind::Counter => {
            help(text, &name, "The metric", "counter")?;
            samples(text, &name, |series| series.sum)
        }
        Kind::Outcome => {
            help(text, &name, "The metric", "counter")?;
            samples(text, &name, |series| series.sum)?;
            let name = format!("{}_total", names::failures(name.trim_end_matches("_total")));
            help(text, &name, "The failures beside", "counter")?;
            samples(text, &name, Series::failures)
        }
        Kind::Gauge => {
            help(text, &name, "The metric", "gauge")?;
            samples(text, &name, Series::standing)
        }
        Kind::Timer => {
            help(text, &name, "The metric", "histogram")?;
            family.iter().try_for_each(|(key, series)| histogram(text, &name, key, series))
        }
    }
}

fn histogram(text: &mut String, name: &str, key: &Key, series: &Series) -> fmt::Result {
    let bounds = BOUNDS_MILLIS.iter().map(|millis| (millis / 1_000.0).to_string());
    let mut so_far = 0_u64;
    for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(series.buckets) {
        so_far = so_far.saturating_add(count);
        sample(text, &format!("{name}_bucket"), key, Some(&bound), so_far)?;
    }
    sample(text, &format!("{name}_sum"), key, None, scaled(series, |series| series.sum))?;
    sample(text, &format!("{name}_count"), key, None, series.count)
}

/// A number in the base unit of what it measures.
fn scaled(series: &Series, number: fn(&Series) -> f64) -> f64 {
    match series.metric.unit {
        Unit::Count | Unit::Bytes => number(series),
        Unit::Milliseconds => number(series) / 1_000.0,
    }
}

fn sample(
    text: &mut String,
    name: &str,
    key: &Key,
    bound: Option<&str>,
    number: impl fmt::Display,
) -> fmt::Result {
    let named = |(dimension, value)| (names::attribute(dimension).replace('.', "_"), value);
    let labels = key.dimensions().map(named).chain(bound.map(|bound| ("le".to_owned(), bound)));
    let labels: Vec<_> =
        labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    text.write_str(name)?;
    if !labels.is_empty() {
        write!(text, "{{{}}}", labels.join(","))?;
    }
    writeln!(text, " {number}")
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::WorkerId;
    use crate::metrics::catalogue::{CURRENT_LEASES, DATA_BYTES_PROCESSED, PROCESS, SHARD_LAG};
    use crate::metrics::tests::shard;
    use crate::metrics::{Selection, Source};
    use crate::time::Timestamp;

    #[test]
    fn every_kind_is_written_as_prometheus_reads_it() {
        let (worker, shard) = (WorkerId::new("a\"b\\c").unwrap(), shard(0));
        let source = Source { worker: &worker, shard: Some(&shard), stream: None };
        let mut totals = Totals::new(Selection::default());
        totals.begin(&shard);
        let data = [
            CURRENT_LEASES.count(3),
            DATA_BYTES_PROCESSED.count(1_500),
            SHARD_LAG.of(2_500.0),
            PROCESS.success.was(false),
            PROCESS.success.was(true),
            PROCESS.time.of(20.5),
            PROCESS.time.of(70_000.0),
        ];
        totals.record(source, &data, Timestamp::from_millis(0));
        assert_eq!(render(&totals), include_str!("prometheus.txt"));
    }

    #[test]
    fn without_numbers_there_is_no_text() {
        assert_eq!(render(&Totals::default()), "");
    }

    #[test]
    fn without_dimensions_there_are_no_braces() {
        let selection = Selection { dimensions: [].into(), ..Selection::default() };
        let mut totals = Totals::new(selection);
        let worker = WorkerId::new("worker").unwrap();
        let source = Source { worker: &worker, shard: None, stream: None };
        totals.record(source, &[CURRENT_LEASES.count(3)], Timestamp::from_millis(0));
        assert!(render(&totals).ends_with("\naws_kinesis_client_current_leases 3\n"));
    }
}
