//! A collector of a few lines: it takes what is sent to it by OTLP/HTTP, and does what its test
//! says.
//!
//! The daemon's tests have it too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message;

/// One call: its headers, and what it has brought.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    pub(crate) request: ExportMetricsServiceRequest,
}

impl Call {
    /// The metrics by name.
    pub(crate) fn metrics(&self) -> BTreeMap<String, Metric> {
        let scopes = self.request.resource_metrics.iter().flat_map(|all| &all.scope_metrics);
        let metrics = scopes.flat_map(|scope| &scope.metrics);
        metrics.map(|metric| (metric.name.clone(), metric.clone())).collect()
    }
}

/// Attributes that are text.
pub(crate) fn text(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |it: &KeyValue| match it.value.as_ref().and_then(|value| value.value.clone()) {
        Some(Value::StringValue(text)) => (it.key.clone(), text),
        other => panic!("{}: {other:?}", it.key),
    };
    attributes.iter().map(text).collect()
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Collector {
    calls: Arc<Mutex<Vec<Call>>>,
    is_failing: Arc<Mutex<bool>>,
}

impl Collector {
    /// Serves at a port of its own, whose URL is given.
    pub(crate) async fn start() -> (Self, String) {
        let this = Self::default();
        let router = Router::new().fallback(take).with_state(this.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (this, url)
    }

    /// Whether it fails from here on.
    pub(crate) fn fail(&self, is_failing: bool) {
        *self.is_failing.lock().unwrap() = is_failing;
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn take(
    State(this): State<Collector>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    assert_eq!(uri.path(), "/v1/metrics");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    this.calls.lock().unwrap().push(Call { headers, request });
    let is_failing = *this.is_failing.lock().unwrap();
    if is_failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}
