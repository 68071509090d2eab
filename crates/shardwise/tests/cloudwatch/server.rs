//! A CloudWatch of a few lines: it takes what PutMetricData sends, as the SDK sends it (Smithy RPC
//! v2 in CBOR, compressed when it is long), and does what its test says.
//!
//! The daemon's tests have it too.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;

/// What one call has brought.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Call {
    pub(crate) namespace: String,
    pub(crate) metric_data: Vec<Datum>,
}

/// One metric of a call.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Datum {
    pub(crate) metric_name: String,
    dimensions: Vec<Dimension>,
    pub(crate) unit: String,
    pub(crate) statistic_values: Statistics,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: String,
    value: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statistics {
    pub(crate) sample_count: f64,
    pub(crate) sum: f64,
    pub(crate) minimum: f64,
    pub(crate) maximum: f64,
}

impl Datum {
    pub(crate) fn dimensions(&self) -> BTreeMap<&str, &str> {
        self.dimensions.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect()
    }
}

/// What it does with a call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Answer {
    #[default]
    Taken,
    Failed,
    None,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct CloudWatch {
    calls: Arc<Mutex<Vec<Call>>>,
    answer: Arc<Mutex<Answer>>,
}

impl CloudWatch {
    /// Serves at a port of its own, whose URL is given.
    pub(crate) async fn start() -> (Self, String) {
        let this = Self::default();
        let router = Router::new().fallback(take).with_state(this.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (this, url)
    }

    /// What the calls to come are answered.
    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Every call so far, those included that were not answered.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn take(
    State(this): State<CloudWatch>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 2], Vec<u8>) {
    assert_eq!(uri.path(), "/service/GraniteServiceVersion20100801/operation/PutMetricData");
    assert_eq!(headers["smithy-protocol"], "rpc-v2-cbor");
    let mut text = body.to_vec();
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        text.clear();
        flate2::read::GzDecoder::new(&*body).read_to_end(&mut text).unwrap();
    }
    this.calls.lock().unwrap().push(ciborium::from_reader(&*text).unwrap());
    let answer = *this.answer.lock().unwrap();
    let status = match answer {
        Answer::Taken => StatusCode::OK,
        Answer::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        Answer::None => std::future::pending().await,
    };
    let headers = [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")];
    (status, headers, vec![EMPTY_MAP])
}

/// In CBOR.
const EMPTY_MAP: u8 = 0xa0;
