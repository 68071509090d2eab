//! Names for OpenTelemetry and Prometheus, made from those of CloudWatch.

use super::{Dimension, Kind, Metric, Unit};

/// What is called differently, as in KCL; the last is ours.
const RENAMED: [(&str, &str); 3] = [
    ("MillisBehindLatest", "consumer.lag.duration"),
    ("DataBytesProcessed", "records.size"),
    ("MillisSinceLastSuccess", "since_last_success.duration"),
];

/// A metric's name in OpenTelemetry, by KCL's rule: a prefix, words in lower case with lines
/// between them, and `duration` for what takes time.
#[must_use]
pub fn opentelemetry(name: &str) -> String {
    let renamed = RENAMED.iter().find(|(cloudwatch, _)| *cloudwatch == name);
    let rest = match renamed {
        Some((_, rest)) => (*rest).to_owned(),
        None => with_duration(&in_lower_case(name)),
    };
    format!("aws.kinesis.client.{rest}")
}

fn in_lower_case(name: &str) -> String {
    let mut lower = String::new();
    let mut is_inside_word = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && is_inside_word {
            lower.push('_');
        }
        is_inside_word = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        lower.push(if letter == ':' { '.' } else { letter.to_ascii_lowercase() });
    }
    lower
}

fn with_duration(name: &str) -> String {
    match name.rsplit_once('.') {
        None if name == "time" => "duration".to_owned(),
        Some((rest, "time")) => format!("{rest}.duration"),
        Some(_) | None => name.to_owned(),
    }
}

/// The name of the failures of something whose successes have the name `success`.
#[must_use]
pub fn failures(success: &str) -> String {
    success.strip_suffix("success").map_or_else(|| success.to_owned(), |of| format!("{of}failure"))
}

/// A dimension's name in OpenTelemetry.
#[must_use]
pub const fn attribute(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Operation => "aws.kinesis.operation",
        Dimension::ShardId => "aws.kinesis.shard.id",
        Dimension::StreamId => "aws.kinesis.stream_name",
        Dimension::WorkerIdentifier => "aws.kinesis.consumer.name",
    }
}

/// The name of a metric's family in Prometheus, from the one in OpenTelemetry: with the unit, which
/// is a base unit, and `total` for what adds up.
#[must_use]
pub fn prometheus(metric: &Metric) -> String {
    let unit = match metric.unit {
        Unit::Count => "",
        Unit::Bytes => "_bytes",
        Unit::Milliseconds => "_seconds",
    };
    let total = match metric.kind {
        Kind::Counter | Kind::Outcome => "_total",
        Kind::Timer | Kind::Gauge => "",
    };
    format!("{}{unit}{total}", opentelemetry(metric.name).replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalogue;

    #[test]
    fn names_follow_kcls_rule() {
        for (cloudwatch, expected) in [
            ("Success", "success"),
            ("Time", "duration"),
            ("MillisBehindLatest", "consumer.lag.duration"),
            ("DataBytesProcessed", "records.size"),
            ("RecordsProcessed", "records_processed"),
            ("RecordProcessor.processRecords.Time", "record_processor.process_records.duration"),
            ("CreateLease_TRIM_HORIZON.Success", "create_lease_trim_horizon.success"),
            ("LeaderDecider:IsLeader", "leader_decider.is_leader"),
        ] {
            assert_eq!(opentelemetry(cloudwatch), format!("aws.kinesis.client.{expected}"));
        }
    }

    #[test]
    fn prometheus_has_base_units_last_but_for_the_total() {
        for (metric, expected) in [
            (&catalogue::RECORDS_PROCESSED, "records_processed_total"),
            (&catalogue::DATA_BYTES_PROCESSED, "records_size_bytes_total"),
            (&catalogue::SHARD_LAG, "consumer_lag_duration_seconds"),
            (&catalogue::PROCESS.time, "duration_seconds"),
            (&catalogue::PROCESS.success, "success_total"),
            (&catalogue::CURRENT_LEASES, "current_leases"),
        ] {
            assert_eq!(prometheus(metric), format!("aws_kinesis_client_{expected}"));
        }
        assert_eq!(failures("update_lease.success"), "update_lease.failure");
    }

    #[test]
    fn no_two_metrics_become_one() {
        for (one, other) in
            catalogue::all().flat_map(|one| catalogue::all().map(move |it| (one, it)))
        {
            let is_same = prometheus(one) == prometheus(other);
            assert_eq!(is_same, one.name == other.name, "{} {}", one.name, other.name);
        }
    }
}
