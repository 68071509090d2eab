//! Which metrics are sent, and where.

use std::collections::BTreeSet;

use super::reader::Reader;
use super::{CLOUDWATCH_PROFILE, DaemonSettings, EndpointKind, SettingsError};
use crate::credentials::Provider;
use crate::metrics::buffer::Limits;
use crate::metrics::{Dimension, Level, Selection};

/// Which metrics are sent, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Where they are sent.
    pub targets: BTreeSet<MetricsTarget>,
    /// Which.
    pub selection: Selection,
    /// How long they are collected, and how many.
    pub limits: Limits,
    /// How CloudWatch is reached.
    pub cloudwatch: CloudWatchSettings,
    /// Where the collector is, if the file says so.
    pub otlp_endpoint: Option<String>,
    /// Whether headers may cross the network in clear.
    pub allow_insecure_endpoint: bool,
}

/// Where metrics are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricsTarget {
    /// To CloudWatch, as Java does.
    CloudWatch,
    /// To an OpenTelemetry collector.
    Otlp,
}

impl MetricsTarget {
    const ALL: [Self; 2] = [Self::CloudWatch, Self::Otlp];

    /// Its name in a properties file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CloudWatch => "cloudwatch",
            Self::Otlp => "otlp",
        }
    }
}

/// How CloudWatch is reached, and what else only it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudWatchSettings {
    /// Its region, if the file names one.
    pub region: Option<String>,
    /// Where it is, if not at AWS.
    pub endpoint: Option<String>,
    /// Which of its endpoints are used.
    pub endpoint_kind: EndpointKind,
    /// Where credentials for it come from; never empty.
    pub credentials: Vec<Provider>,
    /// Whether it is sent metrics that Java does not have.
    pub own: bool,
}

/// What the keys of metrics have set so far.
#[derive(Debug, Default)]
pub struct MetricsDraft {
    pub(in crate::properties) targets: Option<String>,
    pub(in crate::properties) is_off: bool,
    pub(in crate::properties) level: Level,
    pub(in crate::properties) dimensions: Option<String>,
    pub(in crate::properties) limits: Limits,
    pub(in crate::properties) region: Option<String>,
    pub(in crate::properties) endpoint: Option<String>,
    pub(in crate::properties) endpoint_kind: EndpointKind,
    pub(in crate::properties) credentials: Option<Vec<Provider>>,
    pub(in crate::properties) own: bool,
    pub(in crate::properties) otlp_endpoint: Option<String>,
}

/// The key that says where metrics are sent.
const TARGETS: &str = "shardwise.metrics";
/// The key that says what they are told apart by.
const DIMENSIONS: &str = "metricsEnabledDimensions";
/// Keys that only matter where metrics are sent to a collector.
const OF_OTLP: [&str; 1] = ["shardwise.otlpEndpoint"];
/// The same for CloudWatch,
const OF_CLOUDWATCH: [&str; 7] = [
    "AwsCredentialsProviderCloudWatch",
    CLOUDWATCH_PROFILE,
    "cloudWatchClient.region",
    "cloudWatchClient.endpointOverride",
    "cloudWatchClient.fipsEnabled",
    "cloudWatchClient.dualstackEnabled",
    "shardwise.cloudWatchOwnMetrics",
];
/// and for both.
const OF_ANY: [&str; 2] = ["metricsBufferTimeMillis", "metricsMaxQueueSize"];

impl Reader {
    /// Decides on metrics; CloudWatch is reached as Kinesis is, unless keys of its own say how.
    pub(super) fn metrics(
        &mut self,
        draft: MetricsDraft,
        allow_insecure_endpoint: bool,
        region: Option<&String>,
        credentials: &[Provider],
    ) -> Result<MetricsSettings, SettingsError> {
        let targets = self.metrics_targets(draft.targets.as_deref())?;
        self.warn_of_what_is_not_sent(draft.is_off, &targets);
        let dimensions = self.metrics_dimensions(draft.dimensions.as_deref());
        Ok(MetricsSettings {
            targets: if draft.is_off { BTreeSet::new() } else { targets },
            selection: Selection { level: draft.level, dimensions, own: true },
            limits: draft.limits,
            cloudwatch: CloudWatchSettings {
                region: draft.region.or_else(|| region.cloned()),
                endpoint: draft.endpoint,
                endpoint_kind: draft.endpoint_kind,
                credentials: draft.credentials.unwrap_or_else(|| credentials.to_vec()),
                own: draft.own,
            },
            otlp_endpoint: draft.otlp_endpoint,
            allow_insecure_endpoint,
        })
    }

    fn warn_of_what_is_not_sent(&mut self, is_off: bool, targets: &BTreeSet<MetricsTarget>) {
        if is_off {
            let text = "no effect with `metricsLevel = NONE`";
            if !targets.is_empty() {
                self.in_vain(&[TARGETS], text);
            }
            for keys in [&OF_OTLP[..], &OF_CLOUDWATCH, &OF_ANY] {
                self.in_vain(keys, text);
            }
            return;
        }
        if !targets.contains(&MetricsTarget::CloudWatch) {
            self.in_vain(&OF_CLOUDWATCH, "no effect without `cloudwatch` in `shardwise.metrics`");
        }
        if !targets.contains(&MetricsTarget::Otlp) {
            self.in_vain(&OF_OTLP, "no effect without `otlp` in `shardwise.metrics`");
        }
        if targets.is_empty() {
            self.in_vain(&OF_ANY, "no effect with `shardwise.metrics = none`");
        }
    }

    fn metrics_targets(
        &mut self,
        listed: Option<&str>,
    ) -> Result<BTreeSet<MetricsTarget>, SettingsError> {
        let Some(listed) = listed else { return Ok([MetricsTarget::CloudWatch].into()) };
        let mut targets = BTreeSet::new();
        for name in listed.split(',').map(str::trim).filter(|name| *name != "none") {
            let target = MetricsTarget::ALL.into_iter().find(|target| target.name() == name);
            let Some(target) = target else {
                return Err(SettingsError::Wrong {
                    line: self.lines.get(TARGETS).copied().unwrap_or_default(),
                    key: TARGETS.to_owned(),
                    value: listed.to_owned(),
                    allowed: "`none`, or a list of `cloudwatch` and `otlp` is needed".to_owned(),
                });
            };
            targets.insert(target);
        }
        Ok(targets)
    }

    /// The dimensions of a list, as Java reads it: names between any other characters.
    fn metrics_dimensions(&mut self, listed: Option<&str>) -> BTreeSet<Dimension> {
        let Some(listed) = listed else { return Dimension::ALL.into() };
        let mut dimensions = BTreeSet::new();
        let is_separator = |letter: char| {
            letter < '\u{a0}' && !letter.is_ascii_alphanumeric() && !matches!(letter, '.' | '-')
        };
        for name in listed.split(is_separator).filter(|name| !name.is_empty()) {
            match (Dimension::ALL.into_iter().find(|dimension| dimension.name() == name), name) {
                (Some(dimension), _) => drop(dimensions.insert(dimension)),
                (None, "ALL") => dimensions.extend(Dimension::ALL),
                (None, _) => {
                    let text = format!(
                        "there is no dimension `{name}`; there are `ALL`, `Operation`, \
                         `ShardId`, `StreamId` and `WorkerIdentifier`"
                    );
                    self.warn_of(DIMENSIONS, &text);
                }
            }
        }
        dimensions
    }
}

impl DaemonSettings {
    /// What CloudWatch is sent.
    #[must_use]
    pub fn cloudwatch_selection(&self) -> Selection {
        let MetricsSettings { selection, cloudwatch, .. } = &self.metrics;
        Selection { own: cloudwatch.own, ..selection.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Level as Loudness, Warning};
    use super::*;
    use crate::id::WorkerId;
    use crate::time::Timestamp;

    fn read(more: &str) -> Result<DaemonSettings, SettingsError> {
        let file = format!(
            "executableName = node app.js\napplicationName = app\nstreamName = orders\n\
             AWSCredentialsProvider = DefaultCredentialsProvider\nretrievalMode = POLLING\n{more}"
        );
        let worker = WorkerId::new("worker").unwrap();
        DaemonSettings::from_bytes(file.as_bytes(), &worker, Timestamp::from_millis(0))
    }

    fn warnings(settings: &DaemonSettings) -> Vec<&Warning> {
        settings.warnings.iter().filter(|it| it.level == Loudness::Warning).collect()
    }

    fn metrics(more: &str) -> MetricsSettings {
        read(more).unwrap().metrics
    }

    #[test]
    fn the_default_is_javas() {
        let metrics = metrics("");
        assert_eq!(metrics.targets, [MetricsTarget::CloudWatch].into());
        assert_eq!(metrics.selection, Selection::default());
        assert_eq!(metrics.limits, Limits { time: Duration::from_secs(10), keys: 10_000 });
        assert!(!read("").unwrap().cloudwatch_selection().own, "the bill is Java's");
    }

    #[test]
    fn a_level_of_none_is_the_same_as_no_target() {
        assert!(metrics("metricsLevel = none").targets.is_empty());
        assert!(metrics("shardwise.metrics = none").targets.is_empty());
        assert_eq!(metrics("metricsLevel=SUMMARY").selection.level, Level::Summary);
    }

    #[test]
    fn metrics_may_go_to_several_places() {
        let both = [MetricsTarget::CloudWatch, MetricsTarget::Otlp].into();
        assert_eq!(metrics("shardwise.metrics = otlp, cloudwatch").targets, both);
        let more = "shardwise.metrics = otlp\nshardwise.otlpEndpoint = http://collector:4318";
        let metrics = metrics(more);
        assert_eq!(metrics.targets, [MetricsTarget::Otlp].into());
        assert_eq!(metrics.otlp_endpoint.as_deref(), Some("http://collector:4318"));
    }

    #[test]
    fn a_target_that_there_is_not_is_an_error() {
        let error = read("shardwise.metrics = cloudwatch, statsd").unwrap_err().to_string();
        assert!(error.contains("`shardwise.metrics` is `cloudwatch, statsd`"), "{error}");
    }

    #[test]
    fn dimensions_are_read_as_java_reads_them() {
        use Dimension::{Operation, ShardId, StreamId};
        for (listed, expected) in [
            ("ALL", Dimension::ALL.into()),
            ("Operation,ShardId", [Operation, ShardId].into()),
            ("{Operation, ShardId}", [Operation, ShardId].into()),
            ("ShardId\tStreamId", [ShardId, StreamId].into()),
            ("", [].into()),
        ] {
            let settings = read(&format!("metricsEnabledDimensions = {listed}")).unwrap();
            assert_eq!(settings.metrics.selection.dimensions, expected, "{listed}");
            assert!(warnings(&settings).is_empty(), "{:?}", settings.warnings);
        }
        for unknown in ["operation", "Operation.ShardId", "Operation-ShardId", "Operation\u{a0}x"] {
            let settings = read(&format!("metricsEnabledDimensions = {unknown}")).unwrap();
            assert!(settings.metrics.selection.dimensions.is_empty(), "{unknown}");
            assert!(warnings(&settings)[0].text.contains("no dimension `"), "{unknown}");
        }
    }

    #[test]
    fn cloudwatch_is_reached_as_kinesis_is_unless_its_own_keys_say_how() {
        let cloudwatch = metrics("regionName = eu-central-1").cloudwatch;
        assert_eq!(cloudwatch.region.as_deref(), Some("eu-central-1"));
        assert_eq!(cloudwatch.credentials, [Provider::Default]);
        let cloudwatch = metrics(
            "regionName = eu-central-1\ncloudWatchClient.region = eu-west-1\n\
             cloudWatchClient.endpointOverride = https://monitoring\n\
             AwsCredentialsProviderCloudWatch = EnvironmentVariableCredentialsProvider",
        )
        .cloudwatch;
        assert_eq!(cloudwatch.region.as_deref(), Some("eu-west-1"));
        assert_eq!(cloudwatch.endpoint.as_deref(), Some("https://monitoring"));
        assert_eq!(cloudwatch.credentials, [Provider::Environment]);
    }

    #[test]
    fn the_region_of_kinesis_alone_is_not_that_of_cloudwatch() {
        let more = "kinesisClient.region = eu-central-1\n";
        assert_eq!(metrics(more).cloudwatch.region, None, "as in Java");
        assert_eq!(read(more).unwrap().dynamodb_region, None);
        let cloudwatch = metrics(&format!("{more}regionName = eu-west-1")).cloudwatch;
        assert_eq!(cloudwatch.region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn a_key_of_what_is_not_sent_has_no_effect_and_one_warning_says_so() {
        let cloudwatch = "cloudWatchClient.region = eu-west-1\ncloudWatchClient.fipsEnabled = yes\n\
                          AwsCredentialsProviderCloudWatch = DefaultCredentialsProvider\n\
                          cloudWatchClient.endpointOverride = https://monitoring\n\
                          cloudWatchClient.dualstackEnabled = yes\n\
                          shardwise.cloudWatchOwnMetrics = yes\n";
        let otlp = "shardwise.otlpEndpoint = https://collector\n";
        let any = "metricsBufferTimeMillis = 9\nmetricsMaxQueueSize = 9\n";
        let all = format!("{cloudwatch}{otlp}{any}");
        for (targets, number, why) in [
            ("", 1, "without `otlp`"),
            ("shardwise.metrics = otlp", 6, "without `cloudwatch`"),
            ("shardwise.metrics = otlp, cloudwatch", 0, ""),
            ("shardwise.metrics = none", 9, "no effect with"),
            ("metricsLevel = NONE", 9, "`metricsLevel = NONE`"),
            ("metricsLevel = NONE\nshardwise.metrics = none", 9, "`metricsLevel = NONE`"),
            ("metricsLevel = NONE\nshardwise.metrics = otlp", 10, "`metricsLevel = NONE`"),
        ] {
            let settings = read(&format!("{all}{targets}")).unwrap();
            let said = warnings(&settings);
            assert_eq!(said.len(), number, "{targets}: {said:?}");
            let is_why = |it: &&Warning| it.text.contains(why) || it.text.starts_with("no effect");
            assert!(said.iter().all(is_why), "{targets}: {said:?}");
        }
    }

    #[test]
    fn metrics_cross_the_network_in_clear_only_when_that_is_allowed() {
        let far = "cloudWatchClient.endpointOverride = http://10.0.0.1";
        let error = read(far).unwrap_err().to_string();
        assert!(error.contains("shardwise.allowInsecureEndpoint"), "{error}");
        read(&format!("{far}\nshardwise.allowInsecureEndpoint = true")).unwrap();
    }
}
