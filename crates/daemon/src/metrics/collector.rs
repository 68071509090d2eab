//! Where the OpenTelemetry collector is, by the properties file and OpenTelemetry's own variables.

use percent_encoding::percent_decode_str;
use shardwise_core::properties;

/// The address that OpenTelemetry has for everyone.
const DEFAULT: &str = "http://localhost:4318";

/// Where metrics are sent, and with which headers.
pub(super) struct Collector {
    pub(super) endpoint: String,
    pub(super) headers: Vec<(String, String)>,
}

/// A list of headers that is none. What it holds may be a secret, and is not shown.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` must be NAME=VALUE,NAME=VALUE, percent-encoded")]
pub(crate) struct Malformed(&'static str);

/// The file's address wins; a variable for metrics alone wins over one for everything, and is an
/// address with its path. An empty variable is none.
pub(super) fn find(
    configured: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Collector, Malformed> {
    let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
    let with_path = |base: &str| format!("{}/v1/metrics", base.trim_end_matches('/'));
    let endpoint = configured.map(with_path);
    let endpoint = endpoint.or_else(|| variable("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"));
    let of_all = || variable("OTEL_EXPORTER_OTLP_ENDPOINT").as_deref().map(with_path);
    let endpoint = endpoint.or_else(of_all).unwrap_or_else(|| with_path(DEFAULT));
    let names = ["OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    let mut lists = names.into_iter().filter_map(|name| Some((name, variable(name)?)));
    let headers = lists.next().map(|(name, list)| headers_of(&list).ok_or(Malformed(name)));
    Ok(Collector { endpoint, headers: headers.transpose()?.unwrap_or_default() })
}

impl Collector {
    /// Whether what is sent crosses the network as anyone can read it.
    pub(super) fn is_in_clear(&self) -> bool {
        properties::is_in_clear(&self.endpoint)
    }
}

fn headers_of(list: &str) -> Option<Vec<(String, String)>> {
    let header = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned()))
    };
    list.split(',').filter(|pair| !pair.trim().is_empty()).map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(configured: Option<&str>, variables: &[(&str, &str)]) -> Result<Collector, Malformed> {
        find(configured, |name| {
            let mut all = variables.iter();
            all.find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_file_wins_and_then_what_is_for_metrics_alone() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all/");
        let alone = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://alone/own/path");
        let empty = ("OTEL_EXPORTER_OTLP_ENDPOINT", "");
        for (configured, variables, expected) in [
            (None, &[] as &[_], "http://localhost:4318/v1/metrics"),
            (None, &[empty], "http://localhost:4318/v1/metrics"),
            (None, &[all], "https://all/v1/metrics"),
            (None, &[all, alone], "https://alone/own/path"),
            (Some("https://file"), &[all, alone], "https://file/v1/metrics"),
        ] {
            assert_eq!(found(configured, variables).unwrap().endpoint, expected);
        }
    }

    #[test]
    fn headers_are_percent_encoded_pairs() {
        let name = "OTEL_EXPORTER_OTLP_HEADERS";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = found(None, &[(name, "a=1, b = Basic%20x==,")]).unwrap().headers;
        assert_eq!(headers, [pair("a", "1"), pair("b", "Basic x==")]);
        let alone = ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "c=2");
        assert_eq!(found(None, &[(name, "a=1"), alone]).unwrap().headers, [pair("c", "2")]);
        let error = found(None, &[(name, "a=1,secret")]).err().unwrap().to_string();
        assert!(error.contains(name) && !error.contains("secret"), "{error}");
    }
}
