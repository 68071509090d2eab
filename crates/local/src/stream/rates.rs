//! How often calls are answered, and how many changes may be under way.

use std::collections::BTreeMap;

use super::limits::Bucket;
use super::{HOUR, Phase, ServiceError, Stream, Streams, Timestamp};

/// What a rate is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Account,
    Stream,
}

/// How often a call is answered in a second.
///
/// As the service's own description of the call says ("has a limit of N transactions per second
/// per account"); calls without such a sentence have no rate here. Those of a shard's records and
/// iterators are with the shard.
#[derive(Clone, Copy, Debug)]
struct Rate {
    operation: &'static str,
    per_second: i64,
    scope: Scope,
}

const RATES: [Rate; 17] = [
    Rate { operation: "AddTagsToStream", per_second: 5, scope: Scope::Account },
    Rate { operation: "CreateStream", per_second: 5, scope: Scope::Account },
    Rate { operation: "DeleteStream", per_second: 5, scope: Scope::Account },
    Rate { operation: "DeregisterStreamConsumer", per_second: 5, scope: Scope::Stream },
    Rate { operation: "DescribeLimits", per_second: 1, scope: Scope::Account },
    Rate { operation: "DescribeStream", per_second: 10, scope: Scope::Account },
    Rate { operation: "DescribeStreamConsumer", per_second: 20, scope: Scope::Stream },
    Rate { operation: "DescribeStreamSummary", per_second: 20, scope: Scope::Account },
    Rate { operation: "ListShards", per_second: 1000, scope: Scope::Stream },
    Rate { operation: "ListStreamConsumers", per_second: 5, scope: Scope::Stream },
    Rate { operation: "ListStreams", per_second: 5, scope: Scope::Account },
    Rate { operation: "ListTagsForStream", per_second: 5, scope: Scope::Account },
    Rate { operation: "MergeShards", per_second: 5, scope: Scope::Account },
    Rate { operation: "RegisterStreamConsumer", per_second: 5, scope: Scope::Account },
    Rate { operation: "RemoveTagsFromStream", per_second: 5, scope: Scope::Account },
    Rate { operation: "SplitShard", per_second: 5, scope: Scope::Account },
    Rate { operation: "UpdateShardCount", per_second: 10, scope: Scope::Account },
];

/// How many streams may be CREATING at a time, as CreateStream says.
const CREATING_MAX: usize = 5;
/// How many of all consumers may be CREATING at a time, as RegisterStreamConsumer says.
const REGISTERING_MAX: usize = 5;
/// How often a stream's shard count is updated in [`SCALING_PERIOD`], as UpdateShardCount says.
const SCALINGS_MAX: usize = 10;
const SCALING_PERIOD: std::time::Duration = HOUR.saturating_mul(24);

/// What is left of the rates of calls.
#[derive(Debug, Default)]
pub(super) struct CallUsage(BTreeMap<&'static str, Bucket>);

impl CallUsage {
    fn admit(&mut self, rate: Rate, now: Timestamp) -> bool {
        let bucket = self.0.entry(rate.operation);
        bucket.or_insert_with(|| Bucket::new(rate.per_second, now)).take(1, now)
    }
}

impl Streams {
    /// Counts a call, or refuses it because there were too many lately.
    ///
    /// Whoever offers the calls asks this first, and names the operation as the service does.
    /// Nothing is refused unless [`Limits::calls`](super::Limits::calls) is set.
    ///
    /// # Errors
    ///
    /// [`ServiceError::LimitExceeded`], as the service answers.
    pub fn admit(
        &mut self,
        operation: &str,
        stream: Option<&str>,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        if !self.settings.limits.calls {
            return Ok(());
        }
        let now = self.advance(now);
        let rate = RATES.iter().find(|rate| rate.operation == operation);
        let Some(&rate) = rate else { return Ok(()) };
        let usage = match rate.scope {
            Scope::Account => Some(&mut self.calls),
            // That a stream is not there is for the call itself to say.
            Scope::Stream => {
                let stream = stream.and_then(|name| self.streams.get_mut(name));
                stream.map(|stream| &mut stream.calls)
            }
        };
        if usage.is_none_or(|usage| usage.admit(rate, now)) {
            return Ok(());
        }
        Err(ServiceError::LimitExceeded(format!("Rate exceeded for {operation}.")))
    }

    /// Refuses one more stream while too many are being created.
    pub(super) fn check_creating(&self) -> Result<(), ServiceError> {
        let is_creating = |stream: &&Stream| matches!(stream.phase, Phase::Creating { .. });
        let creating = self.streams.values().filter(is_creating).count();
        if !self.settings.limits.calls || creating < CREATING_MAX {
            return Ok(());
        }
        Err(ServiceError::LimitExceeded(format!(
            "{creating} streams under account {} are in the CREATING state; {CREATING_MAX} at \
             most may be at a time.",
            self.settings.account
        )))
    }

    /// Refuses one more consumer while too many are being registered.
    pub(super) fn check_registering(&self) -> Result<(), ServiceError> {
        let registering: usize = self.streams.values().map(Stream::consumers_being_made).sum();
        if !self.settings.limits.calls || registering < REGISTERING_MAX {
            return Ok(());
        }
        Err(ServiceError::LimitExceeded(format!(
            "{registering} consumers under account {} are in the CREATING state; \
             {REGISTERING_MAX} at most may be at a time.",
            self.settings.account
        )))
    }

    /// Counts a new target for a stream's shard count, or refuses it for the day.
    pub(super) fn admit_scaling(
        &mut self,
        stream: &str,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        if !self.settings.limits.calls {
            return Ok(());
        }
        let stream = self.stream(stream)?;
        stream.scalings.retain(|at| *at + SCALING_PERIOD > now);
        if stream.scalings.len() >= SCALINGS_MAX {
            return Err(ServiceError::LimitExceeded(format!(
                "The shard count of stream {} under account {} has been updated {SCALINGS_MAX} \
                 times within 24 hours.",
                stream.name, stream.account
            )));
        }
        stream.scalings.push(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Capacity, Limits, Settings};
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn limited(settings: Settings) -> Streams {
        let limits = Limits { calls: true, ..Limits::default() };
        Streams::new(Settings { limits, ..settings })
    }

    fn admitted(streams: &mut Streams, operation: &str, stream: Option<&str>) -> usize {
        (0..2000).filter(|_| streams.admit(operation, stream, START).is_ok()).count()
    }

    #[test]
    fn twenty_summaries_a_second_are_described_for_the_account() {
        let mut streams = limited(Settings::default());

        assert_eq!(admitted(&mut streams, "DescribeStreamSummary", Some("a")), 20);
        assert_eq!(admitted(&mut streams, "DescribeStreamSummary", Some("b")), 0);
        let later = Timestamp::from_millis(1_000_050);
        assert_eq!(streams.admit("DescribeStreamSummary", Some("a"), later), Ok(()));
    }

    #[test]
    fn shards_are_listed_a_thousand_times_a_second_for_each_stream() {
        let mut streams = limited(Settings::default());
        for name in ["a", "b"] {
            streams.create_stream(name, Capacity::Provisioned(1), START).unwrap();
            assert_eq!(admitted(&mut streams, "ListShards", Some(name)), 1000, "{name}");
        }
    }

    #[test]
    fn without_limits_and_for_a_missing_stream_no_call_is_refused() {
        let mut streams = Streams::new(Settings::default());
        assert_eq!(admitted(&mut streams, "CreateStream", None), 2000);

        let mut streams = limited(Settings::default());
        assert_eq!(admitted(&mut streams, "ListShards", Some("none")), 2000);
        assert_eq!(admitted(&mut streams, "PutRecord", Some("none")), 2000);
    }

    #[test]
    fn a_sixth_stream_waits_until_one_is_created() {
        let creating = std::time::Duration::from_secs(10);
        let mut streams = limited(Settings { creating, ..Settings::default() });
        let mut create = |name: &str, now| {
            streams.create_stream(name, Capacity::Provisioned(1), now).map_err(|it| it.name())
        };

        for name in ["a", "b", "c", "d", "e"] {
            assert_eq!(create(name, START), Ok(()));
        }

        assert_eq!(create("f", START), Err("LimitExceededException"));
        assert_eq!(create("f", START + creating), Ok(()));
    }

    #[test]
    fn an_eleventh_shard_count_waits_until_the_next_day() {
        let mut streams = limited(Settings::default());
        streams.create_stream("a", Capacity::Provisioned(2), START).unwrap();
        let mut scale = |target, now| streams.update_shard_count("a", target, now).is_ok();

        assert!((0..5).all(|_| scale(4, START) && scale(2, START)));

        assert!(!scale(4, START + HOUR * 23));
        assert!(scale(4, START + HOUR * 24));
    }
}
