//! Settings while the file is being read, and what is left to decide when it has been.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::reader::Reader;
use super::{ChildEnvironment, ChildSettings, DaemonSettings, EndpointKind, HttpDraft};
use super::{LogSettings, MetricsDraft, RetrievalMode, SettingsError};
use crate::budget;
use crate::config::{
    Billing, Config, CoordinatorConfig, CreateTable, InitialPosition, LeaseConfig, Pace,
    PollingConfig, ProcessorConfig, RegistrationConfig, Retrieval, SyncConfig, TableConfig,
};
use crate::credentials::Provider;
use crate::id::{StreamName, WorkerId};
use crate::pacing::SHORTEST;
use crate::properties::values;
use crate::time::Timestamp;

/// By how much a date may be in the future: whoever wrote it may have a clock that is fast.
const CLOCKS_DIFFER_SECONDS: i64 = 300;

/// The keys of capacities: of each, ours first, which wins over Java's.
const CAPACITIES: [[&str; 2]; 2] = [
    ["shardwise.leaseTable.readCapacity", "initialLeaseTableReadCapacity"],
    ["shardwise.leaseTable.writeCapacity", "initialLeaseTableWriteCapacity"],
];

/// The other keys of a table that we make. Recovery to a point in time is switched on of any.
const OF_A_NEW_TABLE: [&str; 3] = [
    "shardwise.leaseTable.billing",
    "shardwise.leaseTable.tags",
    "leaseTableDeletionProtectionEnabled",
];

/// Settings while the file is being read: what each key has set so far.
#[derive(Debug)]
pub struct Draft {
    pub(in crate::properties) executable: Vec<String>,
    pub(in crate::properties) application_name: Option<String>,
    pub(in crate::properties) stream_name: Option<String>,
    pub(in crate::properties) stream_arn: Option<String>,
    pub(in crate::properties) worker_id: Option<String>,
    pub(in crate::properties) initial_position: InitialPosition,
    pub(in crate::properties) initial_timestamp: Option<i64>,
    pub(in crate::properties) credentials: Option<Vec<Provider>>,
    pub(in crate::properties) dynamodb_credentials: Option<Vec<Provider>>,
    /// The profiles that keys of their own name, and those keys.
    pub(in crate::properties) profiles: BTreeMap<&'static str, String>,
    pub(in crate::properties) region: Option<String>,
    pub(in crate::properties) kinesis_region: Option<String>,
    pub(in crate::properties) dynamodb_region: Option<String>,
    pub(in crate::properties) kinesis_endpoint: Option<String>,
    pub(in crate::properties) dynamodb_endpoint: Option<String>,
    pub(in crate::properties) kinesis_endpoint_kind: EndpointKind,
    pub(in crate::properties) dynamodb_endpoint_kind: EndpointKind,
    pub(in crate::properties) allow_insecure_endpoint: bool,
    pub(in crate::properties) retrieval: RetrievalMode,
    pub(in crate::properties) registration: RegistrationConfig,
    pub(in crate::properties) consumer_name: Option<String>,
    pub(in crate::properties) consumer_arn: Option<String>,
    pub(in crate::properties) table_name: Option<String>,
    pub(in crate::properties) create_table: CreateTable,
    pub(in crate::properties) provisioned: bool,
    pub(in crate::properties) initial_read_capacity: Option<u32>,
    pub(in crate::properties) initial_write_capacity: Option<u32>,
    pub(in crate::properties) read_capacity: Option<u32>,
    pub(in crate::properties) write_capacity: Option<u32>,
    pub(in crate::properties) tags: BTreeMap<String, String>,
    pub(in crate::properties) point_in_time_recovery: bool,
    pub(in crate::properties) deletion_protection: bool,
    pub(in crate::properties) lease: LeaseConfig,
    pub(in crate::properties) sync: SyncConfig,
    pub(in crate::properties) polling: PollingConfig,
    pub(in crate::properties) processor: ProcessorConfig,
    pub(in crate::properties) coordinator: CoordinatorConfig,
    pub(in crate::properties) idle_time: Duration,
    pub(in crate::properties) at_tip: Duration,
    pub(in crate::properties) is_adaptive: bool,
    pub(in crate::properties) byte_budget: usize,
    pub(in crate::properties) wants_3x: bool,
    pub(in crate::properties) metrics: MetricsDraft,
    pub(in crate::properties) child: ChildSettings,
    pub(in crate::properties) child_environment: Option<String>,
    pub(in crate::properties) max_calls: Option<u32>,
    pub(in crate::properties) log: LogSettings,
    pub(in crate::properties) http: HttpDraft,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            // KCL's own: the daemon follows it, the library is quicker.
            idle_time: Duration::from_millis(1_500),
            at_tip: Duration::ZERO,
            is_adaptive: false,
            byte_budget: budget::DEFAULT,
            executable: Vec::new(),
            application_name: None,
            stream_name: None,
            stream_arn: None,
            worker_id: None,
            initial_position: InitialPosition::Latest,
            initial_timestamp: None,
            credentials: None,
            dynamodb_credentials: None,
            profiles: BTreeMap::new(),
            region: None,
            kinesis_region: None,
            dynamodb_region: None,
            kinesis_endpoint: None,
            dynamodb_endpoint: None,
            kinesis_endpoint_kind: EndpointKind::default(),
            dynamodb_endpoint_kind: EndpointKind::default(),
            allow_insecure_endpoint: false,
            retrieval: RetrievalMode::Default,
            registration: RegistrationConfig::default(),
            consumer_name: None,
            consumer_arn: None,
            table_name: None,
            create_table: CreateTable::IfMissing,
            provisioned: false,
            initial_read_capacity: None,
            initial_write_capacity: None,
            read_capacity: None,
            write_capacity: None,
            tags: BTreeMap::new(),
            point_in_time_recovery: false,
            deletion_protection: false,
            lease: LeaseConfig::default(),
            sync: SyncConfig::default(),
            polling: PollingConfig::default(),
            processor: ProcessorConfig::default(),
            coordinator: CoordinatorConfig::default(),
            wants_3x: false,
            metrics: MetricsDraft::default(),
            child: ChildSettings::default(),
            child_environment: None,
            max_calls: None,
            log: LogSettings::default(),
            http: HttpDraft::default(),
        }
    }
}

/// Decides what depends on more than one key, and checks the whole.
pub(super) fn finish(
    mut reader: Reader,
    generated: &WorkerId,
    now: Timestamp,
) -> Result<DaemonSettings, SettingsError> {
    let mut draft = std::mem::take(&mut reader.draft);
    if draft.executable.is_empty() {
        let needed = "the child's command, such as `node app.js`";
        return Err(reader.missing("executableName", needed));
    }
    let Some(application_name) = draft.application_name.clone() else {
        let needed = "the name that all workers of the application share";
        return Err(reader.missing("applicationName", needed));
    };
    let stream_name = reader.stream(&draft)?;
    reader.profiles(&mut draft)?;
    let Some(kinesis_credentials) = draft.credentials.clone() else {
        let needed = "where credentials come from, such as `DefaultCredentialsProvider`";
        return Err(reader.missing("AwsCredentialsProvider", needed));
    };
    reader.one_endpoint_a_service();
    reader.insecure_endpoint(&draft)?;
    let retrieval = reader.retrieval(&draft, &application_name);
    reader.warn_of_what_differs(&draft, retrieval == Retrieval::Polling);

    let worker_id = draft.worker_id.as_ref().and_then(|name| WorkerId::new(name).ok());
    let mut config =
        Config::new(application_name, stream_name, worker_id.unwrap_or_else(|| generated.clone()));
    config.initial_position = reader.initial_position(&draft, now)?;
    config.table = reader.table(&draft, config.table);
    config.lease = draft.lease;
    config.sync = draft.sync;
    config.retrieval = retrieval;
    config.registration = draft.registration;
    config.polling = draft.polling;
    if !draft.is_adaptive {
        let (idle, at_tip) = (draft.idle_time.max(SHORTEST), draft.at_tip);
        config.polling.pace = Pace::Fixed { idle, at_tip };
    }
    config.byte_budget = draft.byte_budget;
    config.processor = draft.processor;
    config.coordinator = draft.coordinator;
    reader.validate(&config, draft.stream_arn.is_some())?;
    let (region, insecure) = (draft.region.as_ref(), draft.allow_insecure_endpoint);
    let metrics = reader.metrics(draft.metrics, insecure, region, &kinesis_credentials)?;
    let http = reader.http(draft.http)?;
    let environment = draft.child_environment.as_deref().map(child_environment);
    Ok(DaemonSettings {
        config,
        executable: draft.executable,
        kinesis_region: draft.kinesis_region.or_else(|| draft.region.clone()),
        dynamodb_region: draft.dynamodb_region.or(draft.region),
        kinesis_endpoint: draft.kinesis_endpoint,
        dynamodb_endpoint: draft.dynamodb_endpoint,
        kinesis_endpoint_kind: draft.kinesis_endpoint_kind,
        dynamodb_endpoint_kind: draft.dynamodb_endpoint_kind,
        dynamodb_credentials: draft
            .dynamodb_credentials
            .unwrap_or_else(|| kinesis_credentials.clone()),
        kinesis_credentials,
        metrics,
        child: ChildSettings { environment: environment.unwrap_or_default(), ..draft.child },
        max_calls: draft
            .max_calls
            .and_then(|calls| NonZeroUsize::new(usize::try_from(calls).unwrap_or(usize::MAX))),
        log: draft.log,
        http,
        warnings: reader.warnings,
        lines: reader.lines,
        values: reader.values,
        outweighed: reader.outweighed,
    })
}

fn child_environment(text: &str) -> ChildEnvironment {
    match text {
        word if word.eq_ignore_ascii_case("inherit") => ChildEnvironment::Inherit,
        word if word.eq_ignore_ascii_case("minimal") => ChildEnvironment::Minimal,
        names => {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            ChildEnvironment::Names(names.map(ToOwned::to_owned).collect())
        }
    }
}

impl Reader {
    fn validate(&self, config: &Config, by_arn: bool) -> Result<(), SettingsError> {
        let Err(invalid) = config.validate() else { return Ok(()) };
        // The stream's name may have come from its ARN, which wins.
        let key = match invalid.setting {
            "streamName" if by_arn => "streamArn",
            setting => setting,
        };
        let line = self.lines.get(key).copied().unwrap_or_default();
        let (key, allowed) = (key.to_owned(), invalid.allowed.to_owned());
        Err(SettingsError::Wrong { line, key, value: invalid.found, allowed })
    }

    fn stream(&mut self, draft: &Draft) -> Result<StreamName, SettingsError> {
        let name = match &draft.stream_arn {
            None => draft.stream_name.clone(),
            Some(arn) => {
                let Some((region, name)) = values::stream_arn(arn) else {
                    return Err(SettingsError::Wrong {
                        line: self.lines.get("streamArn").copied().unwrap_or_default(),
                        key: "streamArn".to_owned(),
                        value: arn.clone(),
                        allowed: "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME is needed".to_owned(),
                    });
                };
                let named = draft.kinesis_region.as_ref().or(draft.region.as_ref());
                if named.is_some_and(|named| named != region) {
                    let text = "its region is not used, and is another one than `regionName`";
                    self.warn_of("streamArn", text);
                }
                if draft.stream_name.as_deref() != Some(name) {
                    let line = self.lines.get("streamArn").copied().unwrap_or_default();
                    let text =
                        format!("passed over: `streamArn` in line {line} wins, and names `{name}`");
                    self.in_vain(&["streamName"], &text);
                    self.outweighed.insert("streamName", ("streamArn", name.to_owned()));
                }
                Some(name.to_owned())
            }
        };
        name.and_then(|name| StreamName::new(name).ok()).ok_or_else(|| {
            let needed = "the stream to process; `streamArn` will do, and wins if both are there";
            self.missing("streamName", needed)
        })
    }

    /// A required key that is absent, or has a line and no value.
    fn missing(&self, key: &'static str, needed: &'static str) -> SettingsError {
        match self.lines.get(key) {
            None => {
                let mut misspelt = self.misspelt.iter();
                let instead = misspelt.find(|(meant, ..)| *meant == key);
                let instead = instead.map(|(_, key, line)| (key.clone(), *line));
                SettingsError::Missing { key, needed, instead }
            }
            Some(&line) => SettingsError::Wrong {
                line,
                key: key.to_owned(),
                value: String::new(),
                allowed: needed.to_owned(),
            },
        }
    }

    /// Requests in clear are for this machine alone, unless the file says otherwise.
    fn insecure_endpoint(&mut self, draft: &Draft) -> Result<(), SettingsError> {
        let endpoints = [
            (["kinesisEndpoint", "kinesisClient.endpointOverride"], &draft.kinesis_endpoint),
            (["dynamoDBEndpoint", "dynamoDbClient.endpointOverride"], &draft.dynamodb_endpoint),
            (["cloudWatchClient.endpointOverride"; 2], &draft.metrics.endpoint),
        ];
        for (keys, url) in endpoints {
            let Some(url) = url.as_deref().filter(|url| values::is_in_clear(url)) else { continue };
            let key = keys.into_iter().max_by_key(|key| self.lines.get(key)).unwrap_or_default();
            if !draft.allow_insecure_endpoint {
                return Err(SettingsError::Wrong {
                    line: self.lines.get(key).copied().unwrap_or_default(),
                    key: key.to_owned(),
                    value: url.to_owned(),
                    allowed: "http:// is for this machine only; use https://, or set \
                              shardwise.allowInsecureEndpoint = true"
                        .to_owned(),
                });
            }
            self.warn_of(key, "requests cross the network in clear");
        }
        Ok(())
    }

    fn initial_position(
        &mut self,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<InitialPosition, SettingsError> {
        const KEY: &str = "initialPositionInStream";
        let Some(seconds) = draft.initial_timestamp else { return Ok(draft.initial_position) };
        let key = "initialPositionInStreamExtended";
        if self.lines.contains_key(KEY) {
            let text = "passed over: `initialPositionInStreamExtended` wins; in Java either may";
            self.warn_of(KEY, text);
        }
        self.outweighed.insert(KEY, (key, "AT_TIMESTAMP".to_owned()));
        let now = now.as_millis() / 1_000;
        if seconds > now.saturating_add(CLOCKS_DIFFER_SECONDS) {
            let (line, key) = (self.lines.get(key).copied().unwrap_or_default(), key.to_owned());
            let allowed = format!("this is in the future, which Kinesis refuses; now it is {now}");
            return Err(SettingsError::Wrong { line, key, value: seconds.to_string(), allowed });
        }
        Ok(InitialPosition::AtTimestamp(Timestamp::from_millis(seconds.saturating_mul(1_000))))
    }

    fn table(&mut self, draft: &Draft, defaults: TableConfig) -> TableConfig {
        const KCL_UNITS: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");
        let units = |ours: Option<u32>, java: Option<u32>| {
            ours.or(java).and_then(NonZeroU32::new).unwrap_or(KCL_UNITS)
        };
        let is_made = draft.create_table != CreateTable::Never;
        if !is_made {
            let text = "no effect with `shardwise.leaseTable.create = never`: it is about a table \
                        that the daemon makes";
            self.in_vain(&OF_A_NEW_TABLE, text);
            self.in_vain(CAPACITIES.as_flattened(), text);
        }
        let billing = if draft.provisioned {
            for [ours, java] in CAPACITIES {
                if is_made && self.values.contains_key(ours) {
                    self.in_vain(&[java], &format!("passed over: `{ours}` wins"));
                }
            }
            Billing::Provisioned {
                read: units(draft.read_capacity, draft.initial_read_capacity),
                write: units(draft.write_capacity, draft.initial_write_capacity),
            }
        } else {
            if is_made {
                let text = "no effect without `shardwise.leaseTable.billing = provisioned`";
                self.in_vain(CAPACITIES.as_flattened(), text);
            }
            Billing::OnDemand
        };
        TableConfig {
            name: draft.table_name.clone().unwrap_or(defaults.name),
            create: draft.create_table,
            billing,
            tags: draft.tags.clone(),
            point_in_time_recovery: draft.point_in_time_recovery,
            deletion_protection: draft.deletion_protection,
        }
    }

    fn warn_of_what_differs(&mut self, draft: &Draft, is_polled: bool) {
        if is_polled && draft.is_adaptive {
            let pace = ["idleTimeBetweenReadsInMillis", "millisBehindLatestThresholdForReducedTps"];
            self.in_vain(&pace, "no effect with `shardwise.polling = adaptive`");
        } else if is_polled && draft.idle_time < SHORTEST {
            let text = "raised to 200: Kinesis answers five reads a second and shard";
            self.warn_of("idleTimeBetweenReadsInMillis", text);
        }
        if !draft.lease.cleanup_finished {
            let text = "leases of finished shards are kept; Java would delete them all the same";
            self.warn_of("cleanupLeasesUponShardCompletion", text);
        }
        if draft.wants_3x {
            let text = "leases are balanced as KCL 2.x does; KCL 3.x's way is not built yet";
            self.warn_of("clientVersionConfig", text);
        }
    }
}
