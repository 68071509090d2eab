//! What a daemon's role must be allowed to do: the least that its settings need.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::config::{Config, CreateTable, InitialPosition, Retrieval, StreamConsumer};
use crate::credentials::Provider;
use crate::properties::settings::{DaemonSettings, MetricsTarget};

/// Some actions on some resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it is about, as IAM takes it: letters and digits.
    pub sid: &'static str,
    /// The actions.
    pub actions: Vec<&'static str>,
    /// The resources, by their ARNs.
    pub resources: Vec<String>,
    /// The one namespace of CloudWatch that is meant, since metrics have no ARN.
    pub namespace: Option<String>,
}

impl Statement {
    fn new(sid: &'static str, actions: &[&'static str], resources: Vec<String>) -> Self {
        Self { sid, actions: actions.to_vec(), resources, namespace: None }
    }
}

/// The statements of a policy that is enough for these settings.
///
/// Where the file names no region or account, a `*` stands for it. The key of an encrypted stream
/// is not in the settings: its policy has to allow `kms:Decrypt`.
#[must_use]
pub fn needed(settings: &DaemonSettings) -> Vec<Statement> {
    let config = &settings.config;
    let mut statements = of_stream(settings);
    let region = settings.dynamodb_region.as_deref();
    let table = arn("dynamodb", region, &format!("table/{}", config.table.name));
    statements.push(Statement::new("LeaseTable", &table_actions(config), vec![table]));
    let metrics = &settings.metrics;
    if metrics.targets.contains(&MetricsTarget::CloudWatch) {
        let all = vec!["*".to_owned()];
        let namespace = Some(config.application_name.clone());
        let send = Statement::new("Metrics", &["cloudwatch:PutMetricData"], all);
        statements.push(Statement { namespace, ..send });
    }
    let roles = roles(settings);
    if !roles.is_empty() {
        statements.push(Statement::new("Roles", &["sts:AssumeRole"], roles));
    }
    statements
}

const OF_CONSUMER: [&str; 2] = ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"];

fn of_stream(settings: &DaemonSettings) -> Vec<Statement> {
    let config = &settings.config;
    let name = format!("stream/{}", config.stream_name);
    let region = settings.kinesis_region.as_deref();
    // Calls name the stream, whatever ARN the file gives: its region and account are not used.
    let stream = arn("kinesis", region, &name);
    let mut actions = vec!["kinesis:DescribeStreamSummary", "kinesis:ListShards"];
    let is_polled = config.retrieval == Retrieval::Polling;
    if is_polled || config.initial_position == InitialPosition::Latest {
        // With fan-out it tells whether LATEST's date is still to come for the service.
        actions.push("kinesis:GetShardIterator");
    }
    let consumer = match &config.retrieval {
        Retrieval::Polling => {
            actions.push("kinesis:GetRecords");
            return vec![Statement::new("Stream", &actions, vec![stream])];
        }
        Retrieval::FanOut(StreamConsumer::Arn(arn)) => {
            Statement::new("StreamConsumer", &OF_CONSUMER, vec![arn.clone()])
        }
        Retrieval::FanOut(StreamConsumer::Named(name)) => {
            actions.push("kinesis:RegisterStreamConsumer");
            // Behind its name an ARN has the time at which the consumer was registered.
            let consumer = format!("{stream}/consumer/{name}:*");
            Statement::new("StreamConsumer", &OF_CONSUMER, vec![consumer])
        }
    };
    vec![Statement::new("Stream", &actions, vec![stream]), consumer]
}

fn table_actions(config: &Config) -> Vec<&'static str> {
    let mut actions = vec![
        "dynamodb:DescribeTable",
        "dynamodb:Scan",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
    ];
    if config.table.create == CreateTable::IfMissing {
        actions.push("dynamodb:CreateTable");
        if !config.table.tags.is_empty() {
            actions.push("dynamodb:TagResource");
        }
    }
    if config.table.point_in_time_recovery {
        actions.push("dynamodb:UpdateContinuousBackups");
    }
    actions
}

/// The roles that are assumed, each once.
fn roles(settings: &DaemonSettings) -> Vec<String> {
    let metrics = &settings.metrics.cloudwatch.credentials;
    let lists = [&settings.kinesis_credentials, &settings.dynamodb_credentials, metrics];
    let roles = lists.into_iter().flatten().filter_map(|provider| match provider {
        Provider::AssumeRole(role) => Some(role.role_arn.clone()),
        Provider::Default
        | Provider::Environment
        | Provider::Profile(_)
        | Provider::WebIdentity
        | Provider::Container
        | Provider::InstanceProfile
        | Provider::Anonymous => None,
    });
    roles.collect::<BTreeSet<_>>().into_iter().collect()
}

fn arn(service: &str, region: Option<&str>, resource: &str) -> String {
    let partition = match region {
        Some(region) if region.starts_with("cn-") => "aws-cn",
        Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
        Some(_) | None => "aws",
    };
    let region = region.unwrap_or("*");
    format!("arn:{partition}:{service}:{region}:*:{resource}")
}

/// The policy as IAM takes it.
#[must_use]
pub fn json(statements: &[Statement]) -> String {
    let statement = |statement: &Statement| {
        let mut value = json!({
            "Sid": statement.sid,
            "Effect": "Allow",
            "Action": statement.actions,
            "Resource": statement.resources,
        });
        if let Some(namespace) = &statement.namespace {
            value["Condition"] = json!({ "StringEquals": { "cloudwatch:namespace": namespace } });
        }
        value
    };
    let statements: Vec<Value> = statements.iter().map(statement).collect();
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    format!("{policy:#}")
}

/// The policy as a Terraform data source.
#[must_use]
pub fn terraform(statements: &[Statement]) -> String {
    let mut text = "data \"aws_iam_policy_document\" \"shardwise\" {\n".to_owned();
    for statement in statements {
        let Statement { sid, actions, resources, namespace } = statement;
        let _ = writeln!(text, "  statement {{\n    sid = {}", quoted(sid));
        let _ = writeln!(text, "    actions = [{}]", list(actions));
        let _ = writeln!(text, "    resources = [{}]", list(resources));
        if let Some(namespace) = namespace {
            let _ = writeln!(text, "    condition {{\n      test = \"StringEquals\"");
            let _ = writeln!(text, "      variable = \"cloudwatch:namespace\"");
            let _ = writeln!(text, "      values = [{}]\n    }}", quoted(namespace));
        }
        text.push_str("  }\n");
    }
    text.push('}');
    text
}

fn list<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(|text| quoted(text.as_ref())).collect::<Vec<_>>().join(", ")
}

/// A string of Terraform, in which `${` and `%{` would begin a template.
fn quoted(text: &str) -> String {
    let text = Value::from(text).to_string();
    text.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::settings::tests::settings;

    fn of(more: &str) -> Vec<Statement> {
        needed(&settings(more))
    }

    fn actions(statements: &[Statement], sid: &str) -> Vec<&'static str> {
        let of_it = statements.iter().filter(|statement| statement.sid == sid);
        of_it.flat_map(|statement| statement.actions.clone()).collect()
    }

    #[test]
    fn polling_needs_no_consumer_and_fan_out_an_iterator_only_for_latest() {
        let polling = of("retrievalMode = POLLING");
        assert!(actions(&polling, "Stream").contains(&"kinesis:GetRecords"));
        assert!(actions(&polling, "StreamConsumer").is_empty());
        let named = of("retrievalMode = FANOUT\nfanoutConfig.consumerName = reader");
        assert!(actions(&named, "Stream").contains(&"kinesis:RegisterStreamConsumer"));
        assert!(!actions(&named, "Stream").contains(&"kinesis:GetRecords"));
        assert!(actions(&named, "Stream").contains(&"kinesis:GetShardIterator"));
        let oldest = "retrievalMode = FANOUT\ninitialPositionInStream = TRIM_HORIZON";
        assert!(!actions(&of(oldest), "Stream").contains(&"kinesis:GetShardIterator"));
        assert_eq!(named[1].resources, ["arn:aws:kinesis:*:*:stream/orders/consumer/reader:*"]);
        let arn = "arn:aws:kinesis:us-east-1:1:stream/orders/consumer/reader:1";
        let known = of(&format!("retrievalMode = FANOUT\nfanoutConfig.consumerArn = {arn}"));
        assert_eq!(actions(&known, "StreamConsumer"), OF_CONSUMER);
        assert_eq!(known[1].resources, [arn]);
        assert!(!actions(&known, "Stream").contains(&"kinesis:RegisterStreamConsumer"));
    }

    #[test]
    fn what_the_table_is_not_asked_for_is_not_allowed() {
        let more = "shardwise.leaseTable.create = never\nshardwise.leaseTable.tags = a=b";
        let never = actions(&of(more), "LeaseTable");
        assert!(!never.contains(&"dynamodb:CreateTable"));
        assert!(!never.contains(&"dynamodb:TagResource"));
        let more = "shardwise.leaseTable.tags = a=b\nleaseTablePitrEnabled = true";
        let all = actions(&of(more), "LeaseTable");
        for action in ["CreateTable", "TagResource", "UpdateContinuousBackups"] {
            assert!(all.contains(&&*format!("dynamodb:{action}")), "{all:?}");
        }
    }

    #[test]
    fn regions_accounts_and_partitions_are_as_far_as_they_are_known() {
        let resource = |more: &str, sid: &str| {
            let statements = of(more);
            let statement = statements.iter().find(|statement| statement.sid == sid).unwrap();
            statement.resources[0].clone()
        };
        let china = "regionName = cn-north-1";
        assert_eq!(resource(china, "LeaseTable"), "arn:aws-cn:dynamodb:cn-north-1:*:table/app");
        let by_arn = "streamArn = arn:aws:kinesis:eu-west-1:123456789012:stream/other\n";
        assert_eq!(resource(by_arn, "Stream"), "arn:aws:kinesis:*:*:stream/other");
        let called = "arn:aws-cn:kinesis:cn-north-1:*:stream/other";
        assert_eq!(resource(&format!("{by_arn}{china}"), "Stream"), called);
        let table = "dynamoDbClient.region = us-gov-west-1\ntableName = leases";
        let expected = "arn:aws-us-gov:dynamodb:us-gov-west-1:*:table/leases";
        assert_eq!(resource(table, "LeaseTable"), expected);
    }

    #[test]
    fn metrics_and_roles_are_there_only_if_they_are_used() {
        let sids = |more: &str| of(more).iter().map(|it| it.sid).collect::<Vec<_>>();
        assert!(sids("").contains(&"Metrics"));
        for more in ["metricsLevel = NONE", "shardwise.metrics = none", "shardwise.metrics = otlp"]
        {
            assert!(!sids(more).contains(&"Metrics"), "{more}");
        }
        let role = "arn:aws:iam::123456789012:role/reader";
        let more = format!("AwsCredentialsProvider = StsAssumeRoleCredentialsProvider|{role}|me");
        assert_eq!(of(&more).last().unwrap().resources, [role]);
    }

    #[test]
    fn both_forms_say_the_same() {
        let mut statements = of("retrievalMode = FANOUT");
        statements[0].resources = vec!["arn:${x}%{y}\"".to_owned()];
        let (json, terraform) = (json(&statements), terraform(&statements));
        let read: Value = serde_json::from_str(&json).unwrap();
        let written = read["Statement"].as_array().unwrap();
        assert_eq!(written.len(), statements.len());
        for (statement, read) in statements.iter().zip(written) {
            assert_eq!(read["Sid"], statement.sid);
            assert_eq!(read["Action"], json!(statement.actions));
            assert_eq!(read["Resource"], json!(statement.resources));
            assert!(statement.actions.iter().all(|action| terraform.contains(action)));
        }
        let condition = &written.last().unwrap()["Condition"];
        assert_eq!(condition["StringEquals"]["cloudwatch:namespace"], "app");
        assert!(terraform.contains("values = [\"app\"]"), "{terraform}");
        assert!(terraform.contains(r#""arn:$${x}%%{y}\"""#), "{terraform}");
        assert_eq!(terraform.matches('{').count(), terraform.matches('}').count());
    }
}
