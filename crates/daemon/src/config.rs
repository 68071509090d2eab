//! `shardwise config`: what a properties file says, before anything runs.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use shardwise::WorkerId;
use shardwise_core::permissions;
use shardwise_core::properties::settings::{
    DaemonSettings, Effective, Level, MetricsTarget, Origin, Warning,
};
use shardwise_core::properties::{is_in_clear, without_user};

use crate::args::{CheckArguments, ConfigMode};
use crate::daemon;
use crate::exit::{Error, Exit};

const CLOUDWATCH_ENDPOINT: &str = "cloudWatchClient.endpointOverride";
const REGION: &[&str] = &["AWS_REGION", "AWS_DEFAULT_REGION"];
/// Keys that the environment may speak for, and by which variables; the first that is set holds.
const ENVIRONMENT: [(&str, &[&str]); 5] = [
    ("regionName", REGION),
    ("kinesisEndpoint", &["AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL"]),
    ("dynamoDBEndpoint", &["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"]),
    (CLOUDWATCH_ENDPOINT, &["AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_ENDPOINT_URL"]),
    (
        "shardwise.otlpEndpoint",
        &["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
    ),
];
const FIPS: (&str, &[&str]) = ("AWS_USE_FIPS_ENDPOINT", &["true", "false"]);
const DUAL_STACK: (&str, &[&str]) = ("AWS_USE_DUALSTACK_ENDPOINT", &["true", "false"]);
/// Keys that a variable or a profile may speak for, and the words that the SDK knows for them.
const WORDS: [(&str, (&str, &[&str])); 7] = [
    ("kinesisClient.fipsEnabled", FIPS),
    ("kinesisClient.dualstackEnabled", DUAL_STACK),
    ("dynamoDbClient.fipsEnabled", FIPS),
    ("dynamoDbClient.dualstackEnabled", DUAL_STACK),
    (
        "dynamoDbClient.accountIdEndpointMode",
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", &["PREFERRED", "DISABLED", "REQUIRED"]),
    ),
    ("cloudWatchClient.fipsEnabled", FIPS),
    ("cloudWatchClient.dualstackEnabled", DUAL_STACK),
];
/// The endpoints among them, and the other spelling of each.
const ENDPOINTS: [(&str, &str); 3] = [
    ("kinesisEndpoint", "kinesisClient.endpointOverride"),
    ("dynamoDBEndpoint", "dynamoDbClient.endpointOverride"),
    (CLOUDWATCH_ENDPOINT, CLOUDWATCH_ENDPOINT),
];
/// The one key that the environment outweighs.
const LOG_LEVEL: (&str, &str) = ("shardwise.logLevel", "RUST_LOG");

/// Holds the environment to what the file is held to: requests in clear are for this machine alone,
/// unless the file says otherwise. Gives the variables that lead elsewhere all the same.
pub(crate) fn in_clear_by_environment(
    settings: &DaemonSettings,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<&'static str>, Error> {
    let mut found = Vec::new();
    for (key, other) in ENDPOINTS {
        let is_used = key != CLOUDWATCH_ENDPOINT
            || settings.metrics.targets.contains(&MetricsTarget::CloudWatch);
        if !is_used || settings.sets(key) || settings.sets(other) {
            continue;
        }
        let names = ENVIRONMENT.iter().find(|(name, _)| *name == key).map(|(_, names)| names);
        let set = names.into_iter().flat_map(|names| names.iter());
        let Some((name, url)) = set.filter_map(|name| Some((*name, variable(name)?))).next() else {
            continue;
        };
        if is_in_clear(&url) {
            if !settings.metrics.allow_insecure_endpoint {
                return Err(Error::configuration(format!(
                    "the environment variable {name} is `{}`: http:// is for this machine only; \
                     use https://, without a user, or set shardwise.allowInsecureEndpoint = true",
                    without_user(&url)
                )));
            }
            found.push(name);
        }
    }
    Ok(found)
}

/// What a variable of the environment says; an empty one says nothing.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Does what is asked of a properties file.
pub(crate) fn run(mode: &ConfigMode) -> Result<Exit, Error> {
    match mode {
        ConfigMode::Check(arguments) => check(arguments),
    }
}

fn check(arguments: &CheckArguments) -> Result<Exit, Error> {
    let file = &arguments.file;
    let (bytes, _) = daemon::read(file)?;
    let mut settings = daemon::understand(file, &bytes, &WorkerId::from_random(0))?;
    in_clear_by_environment(&settings, &variable)?;
    for region in [&mut settings.kinesis_region, &mut settings.dynamodb_region] {
        *region = region.take().or_else(|| REGION.iter().find_map(|name| variable(name)));
    }
    let text = page(file, &settings, &variable);
    // Whoever asked may have heard enough.
    drop(writeln!(std::io::stdout(), "{text}"));
    let warnings = settings.warnings.iter().filter(|it| it.level == Level::Warning).count();
    match warnings {
        1.. if arguments.strict => {
            let text = if warnings == 1 { "warning" } else { "warnings" };
            let text = format!("{}: {warnings} {text}, and --strict", file.display());
            Err(Error::configuration(text))
        }
        _ => Ok(Exit::InOrder),
    }
}

fn page(
    file: &Path,
    settings: &DaemonSettings,
    variable: &dyn Fn(&str) -> Option<String>,
) -> String {
    let mut rows: Vec<(&str, String, String)> = Vec::new();
    for effective in settings.effective() {
        let (key, mut value, why) = in_effect(&effective, variable);
        if let Origin::Key(other) = effective.origin
            && let Some((_, known, _)) = rows.iter().find(|(key, ..)| *key == other)
        {
            value.clone_from(known);
        }
        rows.push((key, value, why));
    }
    let width = |column: fn(&(&str, String, String)) -> usize| rows.iter().map(column).max();
    let key = width(|(key, ..)| key.len()).unwrap_or_default();
    let value = width(|(_, value, _)| value.chars().count().min(40)).unwrap_or_default();
    let rows = rows.iter().map(|(name, says, why)| format!("{name:<key$} = {says:<value$}  {why}"));
    let of_level = |level: Level| {
        let of_it = settings.warnings.iter().filter(move |it| it.level == level);
        of_it.map(|it| warning(file, it))
    };
    let statements = permissions::needed(settings);
    let parts = [
        section("What holds, and why", rows),
        section("Warnings", of_level(Level::Warning)),
        section("Notes", of_level(Level::Note)),
        section("What its role must be allowed, for IAM", [permissions::json(&statements)]),
        section("The same for Terraform", [permissions::terraform(&statements)]),
        "A stream that is encrypted with a key of your own needs kms:Decrypt on that key as well."
            .to_owned(),
    ];
    parts.join("\n")
}

fn section(title: &str, lines: impl IntoIterator<Item = impl Display>) -> String {
    let mut lines = lines.into_iter().map(|line| format!("{line}\n")).peekable();
    let none = if lines.peek().is_none() { "none\n" } else { "" };
    format!("# {title}\n\n{none}{}", lines.collect::<String>())
}

fn warning(file: &Path, warning: &Warning) -> String {
    let Warning { key, line, text, .. } = warning;
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    format!("{}{line}: `{key}`: {text}", file.display())
}

/// A key, what holds in this environment, and why.
fn in_effect(
    effective: &Effective,
    variable: &dyn Fn(&str) -> Option<String>,
) -> (&'static str, String, String) {
    let Effective { key, value, origin } = effective;
    let is_open = *origin == Origin::Default;
    // Of a default that names variables, what holds if none of them is set.
    let value = value.rsplit_once(", else ").filter(|_| is_open).map_or(&**value, |(_, last)| last);
    if let Some((_, (name, words))) = WORDS.iter().find(|(name, _)| is_open && name == key) {
        let said = variable(name);
        let said = said.and_then(|said| words.iter().find(|word| said.eq_ignore_ascii_case(word)));
        let why = format!("environment variable {name}");
        return said.map_or_else(
            || (*key, value.to_owned(), "default, unless a profile says otherwise".to_owned()),
            |word| (*key, (*word).to_owned(), why),
        );
    }
    let names = ENVIRONMENT.iter().find(|(name, _)| is_open && *name == *key);
    let names = names.map_or(&[][..], |(_, names)| names);
    let names = if *key == LOG_LEVEL.0 { &[LOG_LEVEL.1] } else { names };
    if let Some((name, value)) = names.iter().find_map(|name| Some((name, variable(name)?))) {
        return (*key, without_user(&value), format!("environment variable {name}"));
    }
    let why = match origin {
        Origin::Line(line) => format!("line {line}"),
        Origin::Key(other) => format!("as {other}"),
        Origin::By(other) => format!("by {other}"),
        Origin::Default => "default".to_owned(),
    };
    (*key, value.to_owned(), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "executableName = a\napplicationName = billing\nstreamName = orders\n\
                        AwsCredentialsProvider = DefaultCredentialsProvider\n\
                        retrievalMode = POLLING\n";

    fn shown(key: &'static str, origin: Origin, variables: &[(&str, &str)]) -> (String, String) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let effective = Effective { key, value: "own".to_owned(), origin };
        let (_, value, why) = in_effect(&effective, &variable);
        (value, why)
    }

    #[test]
    fn the_environment_speaks_where_the_file_is_silent() {
        let region = [("AWS_REGION", "eu-west-1")];
        let expected = ("eu-west-1".to_owned(), "environment variable AWS_REGION".to_owned());
        assert_eq!(shown("regionName", Origin::Default, &region), expected);
        assert_eq!(shown("regionName", Origin::Line(3), &region).1, "line 3");
        assert_eq!(
            shown("tableName", Origin::Key("applicationName"), &region).1,
            "as applicationName"
        );
    }

    #[test]
    fn an_endpoint_in_clear_is_for_this_machine_whoever_names_it() {
        let held = |more: &str, name: &'static str, url: &str| {
            let text = format!("{FILE}{more}");
            let worker = WorkerId::from_random(0);
            let now = shardwise::Timestamp::from_millis(0);
            let settings = DaemonSettings::from_bytes(text.as_bytes(), &worker, now).unwrap();
            let variable = |asked: &str| (asked == name).then(|| url.to_owned());
            in_clear_by_environment(&settings, &variable).map_err(|error| error.to_string())
        };
        let far = "http://10.0.0.1:4566";
        let error = held("", "AWS_ENDPOINT_URL_DYNAMODB", far).unwrap_err();
        assert!(error.contains("AWS_ENDPOINT_URL_DYNAMODB is `http://10.0.0.1:4566`"), "{error}");
        assert!(held("", "AWS_ENDPOINT_URL", far).is_err());
        for (name, url) in [
            ("AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:4567"),
            ("AWS_ENDPOINT_URL", "https://10.0.0.1"),
            ("AWS_ENDPOINT_URL_S3", far),
        ] {
            assert_eq!(held("", name, url), Ok(vec![]), "{name}");
        }
        let own = "kinesisEndpoint = https://kinesis\n";
        assert_eq!(held(own, "AWS_ENDPOINT_URL_KINESIS", far), Ok(vec![]), "the file wins");
        let allowed = "shardwise.allowInsecureEndpoint = true\n";
        let found = held(allowed, "AWS_ENDPOINT_URL_KINESIS", far);
        assert_eq!(found, Ok(vec!["AWS_ENDPOINT_URL_KINESIS"]));
    }

    /// What the page says of a key, blanks made one.
    fn row(key: &str, more: &str, variables: &[(&str, &str)]) -> String {
        let text = format!("{FILE}{more}");
        let worker = WorkerId::from_random(0);
        let now = shardwise::Timestamp::from_millis(0);
        let settings = DaemonSettings::from_bytes(text.as_bytes(), &worker, now).unwrap();
        let page = page(Path::new("app.properties"), &settings, &|name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let rows = page.lines().filter_map(|line| line.split_once(" = "));
        let found = rows.filter(|(name, _)| name.trim() == key).map(|(_, says)| says);
        found.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_page_shows_what_holds_and_who_says_so() {
        let more = "streamArn = arn:aws:kinesis:eu-west-1:123456789012:stream/sample\n\
                    initialPositionInStreamExtended = 0\n";
        assert_eq!(row("streamName", more, &[]), "sample by streamArn");
        let position = row("initialPositionInStream", more, &[]);
        assert_eq!(position, "AT_TIMESTAMP by initialPositionInStreamExtended");
        let endpoint = [("AWS_ENDPOINT_URL", "https://a")];
        let both = ["kinesisEndpoint", "kinesisClient.endpointOverride"];
        let [java, client] = both.map(|key| row(key, "", &endpoint));
        assert_eq!(java, "https://a environment variable AWS_ENDPOINT_URL");
        assert_eq!(client, "https://a as kinesisEndpoint");
    }

    #[test]
    fn of_the_collector_s_variables_the_one_for_metrics_alone_comes_first() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1");
        let alone = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://localhost:2/own/path");
        let shown = |variables: &[(&str, &str)]| row("shardwise.otlpEndpoint", "", variables);
        assert_eq!(shown(&[all, alone]), format!("{} environment variable {}", alone.1, alone.0));
        assert_eq!(shown(&[all]), format!("{} environment variable {}", all.1, all.0));
        assert_eq!(shown(&[]), "http://localhost:4318 default");
    }

    #[test]
    fn a_flag_that_the_environment_may_set_is_shown_as_it_is_read() {
        let names = [
            ("fipsEnabled", "AWS_USE_FIPS_ENDPOINT"),
            ("dualstackEnabled", "AWS_USE_DUALSTACK_ENDPOINT"),
        ];
        for client in ["kinesisClient", "dynamoDbClient", "cloudWatchClient"] {
            for (flag, name) in names {
                let key = format!("{client}.{flag}");
                let silent = "false default, unless a profile says otherwise";
                assert_eq!(row(&key, "", &[]), silent, "{key}");
                assert_eq!(row(&key, "", &[(name, "yes")]), silent, "the SDK knows two words");
                let set = row(&key, "", &[(name, "TRUE")]);
                assert_eq!(set, format!("true environment variable {name}"), "{key}");
                assert_eq!(row(&key, &format!("{key} = on"), &[(name, "false")]), "true line 6");
            }
        }
    }

    #[test]
    fn a_user_in_an_endpoint_is_not_shown() {
        let endpoint = [("AWS_ENDPOINT_URL", "https://me:hunter2@10.0.0.1/path@x")];
        let shown = shown("kinesisEndpoint", Origin::Default, &endpoint).0;
        assert_eq!(shown, "https://...@10.0.0.1/path@x");
    }

    #[test]
    fn of_several_variables_the_service_s_own_comes_first() {
        let both = [("AWS_ENDPOINT_URL", "a"), ("AWS_ENDPOINT_URL_KINESIS", "b")];
        assert_eq!(shown("kinesisEndpoint", Origin::Default, &both).0, "b");
        assert_eq!(shown("dynamoDBEndpoint", Origin::Default, &both).0, "a");
    }

    #[test]
    fn the_log_level_of_the_environment_outweighs_the_file() {
        let level = [("RUST_LOG", "debug")];
        assert_eq!(shown("shardwise.logLevel", Origin::Line(3), &level).0, "debug");
        assert_eq!(shown("shardwise.logLevel", Origin::Line(3), &[]).0, "own");
    }
}
