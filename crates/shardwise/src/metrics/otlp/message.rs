//! Totals as a message of OTLP, with the names, attributes and meter of KCL's own.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsDouble;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use shardwise_core::metrics::totals::{BOUNDS_MILLIS, Series, Totals};
use shardwise_core::metrics::{Key, Kind, Unit, names};
use shardwise_core::time::Timestamp;

/// The meter that KCL's metrics come from.
const METER: &str = "software.amazon.kinesis";

/// Everything that has come to be counted, as it is at `date`.
pub(super) fn encode(
    totals: &Totals,
    resource: &[(&'static str, String)],
    date: Timestamp,
) -> Vec<u8> {
    let all: Vec<_> = totals.series().collect();
    let families = all.chunk_by(|(one, _), (other, _)| one.name == other.name);
    let metrics = families.flat_map(|family| metrics(family, nanos(date))).collect();
    let scope = InstrumentationScope {
        name: METER.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_metrics = ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() };
    let resource = Resource {
        attributes: resource.iter().map(|(name, value)| attribute(name, value)).collect(),
        ..Resource::default()
    };
    let resource_metrics = ResourceMetrics {
        resource: Some(resource),
        scope_metrics: vec![scope_metrics],
        schema_url: String::new(),
    };
    ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] }.encode_to_vec()
}

/// The metrics that one of CloudWatch's becomes.
fn metrics(family: &[(&Key, &Series)], now: u64) -> Vec<Metric> {
    let Some((key, Series { metric: of, .. })) = family.first() else { return Vec::new() };
    let name = names::opentelemetry(key.name);
    let numbers = |number: fn(&Series) -> f64| {
        family.iter().map(|(key, series)| point(key, series, number(series), now)).collect()
    };
    let sum = |number| {
        Data::Sum(Sum {
            data_points: numbers(number),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        })
    };
    let unit = match of.unit {
        Unit::Count => "1",
        Unit::Bytes => "By",
        Unit::Milliseconds => "ms",
    };
    let metric = |name: String, data| Metric {
        name,
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    };
    match of.kind {
        Kind::Counter => vec![metric(name, sum(|series| series.sum))],
        Kind::Outcome => vec![
            metric(names::failures(&name), sum(Series::failures)),
            metric(name, sum(|series| series.sum)),
        ],
        Kind::Gauge => {
            let data_points = numbers(Series::standing);
            vec![metric(name, Data::Gauge(Gauge { data_points }))]
        }
        Kind::Timer => {
            let points = family.iter().map(|(key, series)| histogram(key, series, now));
            let histogram = Histogram {
                data_points: points.collect(),
                aggregation_temporality: AggregationTemporality::Cumulative.into(),
            };
            vec![metric(name, Data::Histogram(histogram))]
        }
    }
}

fn point(key: &Key, series: &Series, number: f64, now: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(key),
        start_time_unix_nano: nanos(series.since),
        time_unix_nano: now,
        value: Some(AsDouble(number)),
        ..NumberDataPoint::default()
    }
}

fn histogram(key: &Key, series: &Series, now: u64) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(key),
        start_time_unix_nano: nanos(series.since),
        time_unix_nano: now,
        count: series.count,
        sum: Some(series.sum),
        bucket_counts: series.buckets.to_vec(),
        explicit_bounds: BOUNDS_MILLIS.to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn attributes(key: &Key) -> Vec<KeyValue> {
    key.dimensions().map(|(name, value)| attribute(names::attribute(name), value)).collect()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// A date before 1970 is no date of a metric.
fn nanos(date: Timestamp) -> u64 {
    u64::try_from(date.as_millis()).unwrap_or_default().saturating_mul(1_000_000)
}
