//! Which way records get out of the stream, and why.

use super::draft::Draft;
use super::reader::Reader;
use super::{Level, RetrievalMode};
use crate::config::{Retrieval, StreamConsumer};

/// Keys that choose polling where `retrievalMode` leaves it open, as in Java: these unless they are
/// 0,
const UNLESS_ZERO: [&str; 3] =
    ["maxRecords", "idleTimeBetweenReadsInMillis", "millisBehindLatestThresholdForReducedTps"];
/// and these with any value.
const WITH_ANY_VALUE: [&str; 2] = ["retryGetRecordsInSeconds", "maxGetRecordsThreadPool"];
/// Keys that only fan-out looks at.
const OF_FAN_OUT: [&str; 4] = [
    "fanoutConfig.consumerArn",
    "fanoutConfig.consumerName",
    "fanoutConfig.maxDescribeStreamConsumerRetries",
    "fanoutConfig.retryBackoffMillis",
];

impl Reader {
    /// Chooses, and notes the choice with its reason and its cost, so that nobody is surprised by a
    /// bill or by a shared limit.
    pub(super) fn retrieval(&mut self, draft: &Draft, application_name: &str) -> Retrieval {
        let retrieval = self.chosen(draft, application_name);
        match &retrieval {
            Retrieval::Polling => {
                let text = "no effect with polling; `retrievalMode = FANOUT` chooses fan-out";
                self.in_vain(&OF_FAN_OUT, text);
            }
            Retrieval::FanOut(consumer) => {
                let text = "no effect with enhanced fan-out; `retrievalMode = POLLING` chooses \
                            polling";
                self.in_vain(&UNLESS_ZERO, text);
                if draft.is_adaptive {
                    self.warn_of("shardwise.polling", text);
                }
                if matches!(consumer, StreamConsumer::Arn(_)) {
                    let text = "passed over: `fanoutConfig.consumerArn` wins";
                    self.in_vain(&["fanoutConfig.consumerName"], text);
                }
            }
        }
        retrieval
    }

    fn chosen(&mut self, draft: &Draft, application_name: &str) -> Retrieval {
        let counting = UNLESS_ZERO.into_iter().filter(|key| !self.zeros.contains(key));
        let polling_key = counting.chain(WITH_ANY_VALUE).find(|key| self.lines.contains_key(key));
        let reason = match (draft.retrieval, polling_key) {
            (RetrievalMode::Polling, _) => {
                let text = "polling, as configured: no extra cost, and all applications of the \
                            stream share five reads and 2 MB a second of each shard; \
                            `retrievalMode = FANOUT` chooses enhanced fan-out";
                self.say_of("retrievalMode", Level::Note, text);
                return Retrieval::Polling;
            }
            (RetrievalMode::Default, Some(key)) => {
                let as_in_java = if self.ignored_by_java.contains(key) {
                    "in a spelling that Java passes over; it would choose enhanced fan-out"
                } else {
                    "as in Java"
                };
                let text = format!(
                    "polling, since `{key}` is set, {as_in_java}: no extra cost, and all \
                     applications of the stream share five reads and 2 MB a second of each shard; \
                     `retrievalMode = FANOUT` chooses enhanced fan-out"
                );
                self.say_of("retrievalMode", Level::Note, &text);
                return Retrieval::Polling;
            }
            (RetrievalMode::Default, None) => "since no key of polling is set, as in Java",
            (RetrievalMode::FanOut, _) => "as configured",
        };
        let consumer = match (&draft.consumer_arn, &draft.consumer_name) {
            (Some(arn), _) => StreamConsumer::Arn(arn.clone()),
            (None, Some(name)) => StreamConsumer::Named(name.clone()),
            (None, None) => StreamConsumer::Named(application_name.to_owned()),
        };
        let text = format!(
            "enhanced fan-out, {reason}: AWS charges for the consumer, each shard and hour, and \
             for each byte; `retrievalMode = POLLING` does without"
        );
        self.say_of("retrievalMode", Level::Note, &text);
        Retrieval::FanOut(consumer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    fn named(name: &str) -> Retrieval {
        Retrieval::FanOut(StreamConsumer::Named(name.to_owned()))
    }

    #[test]
    fn a_spelling_that_java_passes_over_is_not_as_in_java() {
        let said = |more: &str| {
            let said = settings(more).warnings.into_iter();
            said.filter(|it| it.key == "retrievalMode").map(|it| it.text).collect::<String>()
        };
        assert!(said("maxRecords = 9").contains("`maxRecords` is set, as in Java"));
        assert!(said("MaxRecords = 9").contains("in a spelling that Java passes over"));
    }

    #[test]
    fn the_default_is_javas_rule() {
        assert_eq!(settings("").config.retrieval, named("app"));
        for key in UNLESS_ZERO.into_iter().chain(WITH_ANY_VALUE) {
            let more = format!("{key} = 500\n");
            assert_eq!(settings(&more).config.retrieval, Retrieval::Polling, "{key}");
        }
        for key in UNLESS_ZERO {
            for nothing in ["0", "", " ", "+0"] {
                let more = format!("{key} = {nothing}\n");
                assert_eq!(settings(&more).config.retrieval, named("app"), "{more}");
            }
        }
        // Java can tell these from absent ones, and an empty number is 0 to it.
        for key in WITH_ANY_VALUE {
            for nothing in ["0", ""] {
                let more = format!("{key} = {nothing}\n");
                assert_eq!(settings(&more).config.retrieval, Retrieval::Polling, "{more}");
            }
        }
    }

    #[test]
    fn keys_of_the_other_way_have_no_effect_and_a_warning_each_says_so() {
        let polling = "maxRecords = 9\nidleTimeBetweenReadsInMillis = 100\n\
                       millisBehindLatestThresholdForReducedTps = 5\n";
        let fan_out = "fanoutConfig.consumerName = reader\nfanoutConfig.retryBackoffMillis = 5\n\
                       fanoutConfig.maxDescribeStreamConsumerRetries = 5\n";
        let warned = |more: &str| {
            let warned = settings(more).warnings.into_iter();
            warned.filter(|it| it.level == Level::Warning).collect::<Vec<_>>()
        };
        for (mode, wrong, right) in [("FANOUT", polling, fan_out), ("POLLING", fan_out, polling)] {
            let warned = warned(&format!("retrievalMode = {mode}\n{wrong}"));
            assert_eq!(warned.len(), 3, "{warned:?}");
            assert!(warned.iter().all(|it| it.text.starts_with("no effect with")), "{warned:?}");
            let right = settings(&format!("retrievalMode = {mode}\n{right}")).warnings;
            assert!(right.iter().all(|it| !it.text.contains("no effect")), "{right:?}");
        }
        assert_eq!(warned(&format!("{polling}{fan_out}")).len(), 4, "and 100 is raised to 200");
        let nothing = "retrievalMode = FANOUT\nmillisBehindLatestThresholdForReducedTps = 0\n";
        assert_eq!(warned(nothing), []);
        let arn = "arn:aws:kinesis:us-east-1:1:stream/orders/consumer/reader:1";
        let both = format!("fanoutConfig.consumerArn = {arn}\nfanoutConfig.consumerName = a");
        let [said] = &warned(&both)[..] else { panic!("one warning") };
        assert!(said.key.ends_with("Name") && said.text.contains("consumerArn` wins"), "{said:?}");
    }

    #[test]
    fn the_mode_outweighs_the_keys_of_polling() {
        let more = "retrievalMode = fanout\nmaxRecords = 500\n";
        assert_eq!(settings(more).config.retrieval, named("app"));
        assert_eq!(settings("retrievalMode = POLLING").config.retrieval, Retrieval::Polling);
    }

    #[test]
    fn a_consumer_is_known_by_its_arn_before_its_name() {
        let more = "fanoutConfig.consumerName = reader\n";
        assert_eq!(settings(more).config.retrieval, named("reader"));
        let arn = "arn:aws:kinesis:us-east-1:1:stream/orders/consumer/reader:1";
        let more = format!("{more}fanoutConfig.consumerArn = {arn}\n");
        let expected = Retrieval::FanOut(StreamConsumer::Arn(arn.to_owned()));
        assert_eq!(settings(&more).config.retrieval, expected);
    }

    #[test]
    fn the_choice_is_said_with_its_reason_its_cost_and_its_key() {
        for (more, words) in [
            ("", ["fan-out", "no key of polling", "charges", "`retrievalMode = POLLING`"]),
            ("retrievalMode=FANOUT", ["fan-out", "configured", "charges", "POLLING"]),
            ("maxRecords=9", ["polling", "`maxRecords` is set", "no extra cost", "FANOUT"]),
            ("retrievalMode=POLLING", ["polling", "configured", "no extra cost", "FANOUT"]),
        ] {
            let [said] = &settings(more).warnings[..] else { panic!("{more}") };
            assert_eq!((said.key.as_str(), said.level), ("retrievalMode", Level::Note));
            assert!(words.iter().all(|word| said.text.contains(word)), "{}", said.text);
        }
    }

    #[test]
    fn a_pace_of_polling_has_no_effect_with_fan_out_and_a_warning_says_so() {
        let warned = settings("shardwise.polling = adaptive").warnings;
        assert!(warned.iter().any(|it| it.key == "shardwise.polling"), "{warned:?}");
        let polled = settings("shardwise.polling = adaptive\nretrievalMode = POLLING").warnings;
        assert!(polled.iter().all(|it| it.key == "retrievalMode"), "{polled:?}");
    }
}
