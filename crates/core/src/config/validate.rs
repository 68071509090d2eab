//! What is allowed: one check of all settings, before anything is started.

use std::time::Duration;

use super::{Config, Pace, Retrieval, StreamConsumer};
use crate::pacing::SHORTEST;

/// A setting that cannot be: which one, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` is `{found}`: {allowed}")]
pub struct InvalidSetting {
    /// The setting, by the name of its property where it has one.
    pub setting: &'static str,
    /// What was found.
    pub found: String,
    /// What is allowed.
    pub allowed: &'static str,
}

impl Config {
    /// Says which setting cannot be, if one cannot.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let at_least = |setting, value: Duration, least: Duration, allowed| {
            if value < least {
                Err(InvalidSetting { setting, found: format!("{value:?}"), allowed })
            } else {
                Ok(())
            }
        };
        let not_zero = |setting, value: usize| {
            let found = value.to_string();
            if value == 0 {
                Err(InvalidSetting { setting, found, allowed: "1 or more is allowed" })
            } else {
                Ok(())
            }
        };
        let millis = Duration::from_millis;
        self.validate_names()?;
        at_least(
            "failoverTimeMillis",
            self.lease.failover_time,
            millis(500),
            "500 ms or more is allowed",
        )?;
        if let Pace::Fixed { idle, .. } = self.polling.pace {
            at_least(
                "idleTimeBetweenReadsInMillis",
                idle,
                SHORTEST,
                "200 ms or more is allowed: Kinesis answers five reads a second and shard",
            )?;
        }
        at_least(
            "taskBackoffTimeMillis",
            self.processor.backoff,
            millis(1),
            "1 ms or more is allowed",
        )?;
        for (setting, value) in [
            ("audit_interval", self.sync.audit_interval),
            ("cleanup_interval", self.lease.cleanup_interval),
            ("parentShardPollIntervalMillis", self.processor.parent_poll_interval),
            ("request_timeout", self.polling.request_timeout),
            ("logWarningForTaskAfterMillis", self.processor.busy_report),
        ] {
            at_least(setting, value, millis(1), "1 ms or more is allowed")?;
        }
        if !(1..=10_000).contains(&self.polling.max_records) {
            return Err(InvalidSetting {
                setting: "maxRecords",
                found: self.polling.max_records.to_string(),
                allowed: "1 to 10000 is allowed",
            });
        }
        not_zero("maxLeasesForWorker", self.lease.max_leases)?;
        not_zero("maxLeasesToStealAtOneTime", self.lease.max_steal)?;
        not_zero("max_pending_batches", self.polling.max_pending_batches)?;
        not_zero("max_pending_bytes", self.polling.max_pending_bytes)?;
        not_zero("byte_budget", self.byte_budget)?;
        not_zero("max_pending_records", self.polling.max_pending_records)
    }

    /// What AWS would refuse as a name is said here, before anything is asked of it.
    fn validate_names(&self) -> Result<(), InvalidSetting> {
        if self.application_name.trim().is_empty() {
            return Err(InvalidSetting {
                setting: "applicationName",
                found: self.application_name.clone(),
                allowed: "a name is needed",
            });
        }
        let is_name = |name: &str, least: usize, most: usize| {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            (least..=most).contains(&name.len()) && name.bytes().all(is_part)
        };
        let table = &self.table.name;
        if !is_name(table, 3, 255) {
            let is_derived = *table == self.application_name;
            return Err(InvalidSetting {
                setting: if is_derived { "applicationName" } else { "tableName" },
                found: table.clone(),
                allowed: "the name of a DynamoDB table is needed: 3 to 255 letters, digits, `_`, \
                          `.` or `-`",
            });
        }
        if !is_name(self.stream_name.as_str(), 1, 128) {
            return Err(InvalidSetting {
                setting: "streamName",
                found: self.stream_name.to_string(),
                allowed: "the name of a stream is needed: 1 to 128 letters, digits, `_`, \
                          `.` or `-`",
            });
        }
        if let Some(arn) = self.stream_arn.as_ref().filter(|arn| !self.is_stream_arn(arn)) {
            return Err(InvalidSetting {
                setting: "stream_arn",
                found: arn.clone(),
                allowed: "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME is needed, with the stream's \
                          name",
            });
        }
        match &self.retrieval {
            Retrieval::FanOut(StreamConsumer::Named(name)) if !is_name(name, 1, 128) => {
                let is_derived = *name == self.application_name;
                Err(InvalidSetting {
                    setting: if is_derived {
                        "applicationName"
                    } else {
                        "fanoutConfig.consumerName"
                    },
                    found: name.clone(),
                    allowed: "the name of a stream consumer is needed: 1 to 128 letters, digits, \
                              `_`, `.` or `-`",
                })
            }
            Retrieval::FanOut(StreamConsumer::Arn(arn)) if !self.is_consumer_arn(arn) => {
                Err(InvalidSetting {
                    setting: "fanoutConfig.consumerArn",
                    found: arn.clone(),
                    allowed: "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/NAME:SECONDS is \
                              needed, of a consumer of this stream",
                })
            }
            Retrieval::FanOut(_) | Retrieval::Polling => Ok(()),
        }
    }

    /// Whether it has the shape of this stream's ARN. Records of another stream would be taken for
    /// this one's.
    fn is_stream_arn(&self, arn: &str) -> bool {
        let name = arn.rsplit_once(":stream/").map(|(_, name)| name);
        arn.starts_with("arn:aws") && name == Some(self.stream_name.as_str())
    }

    /// Whether it has the shape of an ARN of one of the stream's consumers: the stream's, a name,
    /// and when it was made.
    fn is_consumer_arn(&self, arn: &str) -> bool {
        let Some((stream, consumer)) = arn.split_once("/consumer/") else { return false };
        let made = consumer.split_once(':').map(|(_, made)| made);
        self.is_stream_arn(stream) && made.is_some_and(|made| made.parse::<u64>().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{StreamName, WorkerId};

    fn config() -> Config {
        let stream = StreamName::new("orders").unwrap();
        Config::new("app", stream, WorkerId::new("worker").unwrap())
    }

    #[test]
    fn an_invalid_setting_is_named_with_what_is_allowed() {
        let mut config = config();
        config.polling.max_records = 10_001;
        let error = config.validate().unwrap_err();
        assert_eq!(error.to_string(), "`maxRecords` is `10001`: 1 to 10000 is allowed");
    }

    #[test]
    fn a_buffer_of_no_size_is_refused() {
        let sizes: [fn(&mut Config); 4] = [
            |config| config.polling.max_records = 0,
            |config| config.polling.max_pending_batches = 0,
            |config| config.polling.max_pending_records = 0,
            |config| config.byte_budget = 0,
        ];
        for (at, make_nothing_of) in sizes.into_iter().enumerate() {
            let mut config = config();
            make_nothing_of(&mut config);
            assert_eq!(config.validate().unwrap_err().found, "0", "{at}");
        }
    }

    #[test]
    fn names_that_aws_would_refuse_are_refused() {
        let setting = |change: fn(&mut Config)| {
            let mut config = config();
            change(&mut config);
            config.validate().map_err(|invalid| invalid.setting)
        };
        assert_eq!(
            setting(|config| config.application_name = " ".to_owned()),
            Err("applicationName")
        );
        assert_eq!(setting(|config| config.table.name = "a b".to_owned()), Err("tableName"));
        assert_eq!(setting(|config| config.table.name = "ab".to_owned()), Err("tableName"));
        assert_eq!(setting(|config| config.table.name = "a".repeat(256)), Err("tableName"));
        assert_eq!(setting(|config| config.table.name = "a_B.9-".to_owned()), Ok(()));
        let stream = |config: &mut Config| config.stream_name = StreamName::new("a/b").unwrap();
        assert_eq!(setting(stream), Err("streamName"));
        let own_name = |config: &mut Config| {
            config.application_name = "my app".to_owned();
            config.table.name = "my app".to_owned();
        };
        assert_eq!(setting(own_name), Err("applicationName"));
        let other_table = |config: &mut Config| config.application_name = "my app".to_owned();
        assert_eq!(setting(other_table), Ok(()));
        let arn = |config: &mut Config, name: &str| {
            config.stream_arn =
                Some(format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{name}"));
        };
        assert_eq!(setting(|config| config.stream_arn = Some("orders".into())), Err("stream_arn"));
        let [mut right, mut wrong] = [config(), config()];
        arn(&mut right, "orders");
        arn(&mut wrong, "others");
        assert!(right.validate().is_ok() && wrong.validate().is_err());
    }

    #[test]
    fn a_stream_consumer_that_aws_would_refuse_is_refused() {
        let check = |consumer| {
            let mut config = config();
            config.application_name = "my app".to_owned();
            config.retrieval = Retrieval::FanOut(consumer);
            config.validate().map_err(|invalid| invalid.setting)
        };
        let named = |name: &str| check(StreamConsumer::Named(name.to_owned()));
        assert_eq!(named("reader"), Ok(()));
        assert_eq!(named("a reader"), Err("fanoutConfig.consumerName"));
        assert_eq!(named("my app"), Err("applicationName"));
        let arn = |arn: &str| check(StreamConsumer::Arn(arn.to_owned()));
        let whole = "arn:aws:kinesis:us-east-1:123456789012:stream/orders/consumer/reader:1";
        assert_eq!(arn(whole), Ok(()));
        let other = whole.replace("orders", "others");
        for wrong in ["reader", &whole[..whole.len() - 2], &whole[12..], &other] {
            assert_eq!(arn(wrong), Err("fanoutConfig.consumerArn"), "{wrong}");
        }
    }
}
