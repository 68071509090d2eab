//! Subscriptions whose events are spoilt on their way: what was taken in stays, what was spoilt
//! comes with the next subscription.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Connector;
use hyper_util::rt::TokioExecutor;

use crate::relay::{self, Trouble};
use crate::{Running, config, endpoints, fan_out, put, sdk_config, until};

/// HTTP/2 from the first byte on, as over TLS when the service has agreed to it.
#[derive(Clone, Debug)]
struct Http2(Client<Connector, SdkBody>);

impl HttpClient for Http2 {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Http2 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x();
            let request = request.map_err(|error| ConnectorError::user(error.into()))?;
            let answer = client.request(request).await;
            let answer = answer.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// A worker follows one shard; a record for each trouble, and one before and after each, comes
/// once and in order, and there is a new subscription behind the last record for each trouble.
async fn assert_survived(is_h2: bool, troubles: &[Trouble]) {
    let endpoints = endpoints(1).await;
    let script = relay::Shared::default();
    let relayed = relay::start(&endpoints.kinesis_url(), Arc::clone(&script), is_h2).await;
    let mut kinesis = sdk_config(relayed);
    if is_h2 {
        let mut client = Client::builder(TokioExecutor::new());
        kinesis = kinesis.http_client(Http2(client.http2_only(true).build_http()));
    }
    let worker = Running::start(config(fan_out()), &kinesis.build(), &endpoints);

    let mut expected = Vec::new();
    for (number, trouble) in troubles.iter().enumerate() {
        for (text, trouble) in [("well", None), ("ill", Some(*trouble))] {
            script.lock().unwrap().troubles = [trouble].into();
            let text = format!("{text} {number}");
            put(&endpoints, 0, &text);
            expected.push(text);
            until(|| worker.told().len() >= expected.len(), trouble).await;
        }
        assert!(script.lock().unwrap().resumed > number, "{trouble:?}");
    }

    assert_eq!(worker.told(), expected);
    worker.stop().await;
    endpoints.stop().await;
}

#[tokio::test]
async fn an_event_that_is_cut_or_spoilt_over_http_1_comes_with_the_next_subscription() {
    assert_survived(false, &[Trouble::Cut, Trouble::Short, Trouble::Spoilt]).await;
}

#[tokio::test]
async fn an_event_that_is_cut_spoilt_reset_or_goes_away_over_http_2_comes_with_the_next_one() {
    use Trouble::{Cut, GoAway, Reset, Spoilt};
    assert_survived(true, &[Cut, Spoilt, Reset, GoAway]).await;
}
