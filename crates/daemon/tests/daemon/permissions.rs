//! A role that lacks one of the actions that `shardwise config check` asks for: the daemon names it
//! (S9).

use std::process::Stdio;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

use crate::cloudwatch::CloudWatch;
use crate::world::{World, binary};

/// Finished leases are looked at soon, which is when they are read and deleted.
const SOON: &str = "completedLeaseCleanupThresholdMillis = 200";

#[tokio::test(flavor = "multi_thread")]
async fn whichever_action_of_the_policy_is_taken_away_the_daemon_names_it() {
    LocalSet::new().run_until(each_is_named()).await;
}

async fn each_is_named() {
    let mut tries = JoinSet::new();
    for mode in ["POLLING", "FANOUT"] {
        let more = format!("retrievalMode = {mode}\n{SOON}");
        let actions = needed(&more).await;
        assert!(actions.len() >= 11, "{actions:?}");
        for action in actions {
            tries.spawn_local(is_named(action, more.clone()));
        }
    }
    while let Some(tried) = tries.join_next().await {
        tried.unwrap();
    }
}

/// The actions in the policy that is printed for these settings.
async fn needed(more: &str) -> Vec<String> {
    let world = World::new(0).await;
    let properties = world.properties("python3 app.py", more);
    let mut check = binary();
    check.args(["config", "check"]).arg(properties).stdout(Stdio::piped());
    let said = String::from_utf8(check.output().unwrap().stdout).unwrap();
    let policy = &said[said.find("\n{\n").unwrap()..said.find("\n}\n").unwrap() + 3];
    let policy: Value = serde_json::from_str(policy).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// A daemon without this action says so, as IAM says it: with the role and the resource.
async fn is_named(action: String, more: String) {
    let world = World::new(1).await;
    let (_, cloudwatch) = CloudWatch::start().await;
    let [kinesis, dynamodb] = world.urls();
    let without = async |url| start(url, action.clone()).await;
    let (kinesis, dynamodb) = (without(kinesis).await, without(dynamodb).await);
    let cloudwatch = without(cloudwatch).await;
    let more = format!(
        "{more}\nkinesisEndpoint = {kinesis}\ndynamoDBEndpoint = {dynamodb}\n\
         cloudWatchClient.endpointOverride = {cloudwatch}\nmetricsBufferTimeMillis = 200"
    );
    let daemon = world.daemon("", &more);
    world.split().await;
    // A finished lease is deleted once its children have got on.
    world.put("record", 2).await;
    daemon.until_log(&format!("is not authorized to perform: {action} on resource")).await;
}

#[derive(Clone)]
struct Proxy {
    to: String,
    action: String,
    client: Client<HttpConnector, Body>,
}

/// Passes on to this URL what is not this action, which is refused as IAM does; gives its own URL.
async fn start(to: String, action: String) -> String {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let to = to.trim_end_matches('/').to_owned();
    let router = Router::new().fallback(pass).with_state(Proxy { to, action, client });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn pass(State(proxy): State<Proxy>, mut request: Request) -> Response {
    let (_, operation) = proxy.action.split_once(':').unwrap();
    let target = request.headers().get("x-amz-target").map(|it| it.to_str().unwrap().to_owned());
    let asked = target.unwrap_or_else(|| request.uri().path().replace('/', "."));
    if asked.ends_with(&format!(".{operation}")) {
        return refusal(&proxy.action, request.headers().contains_key("smithy-protocol"));
    }
    let path = request.uri().path();
    *request.uri_mut() = format!("{}{path}", proxy.to).parse().unwrap();
    proxy.client.request(request).await.unwrap().into_response()
}

fn refusal(action: &str, in_cbor: bool) -> Response {
    let message = format!(
        "User: arn:aws:sts::123456789012:assumed-role/billing/i-0 is not authorized to perform: \
         {action} on resource: arn:aws:some:thing because no identity-based policy allows it"
    );
    let error = json!({ "__type": "AccessDeniedException", "message": message });
    if !in_cbor {
        let kind = [("content-type", "application/x-amz-json-1.1")];
        return (StatusCode::BAD_REQUEST, kind, error.to_string()).into_response();
    }
    let kind = [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")];
    let mut body = Vec::new();
    ciborium::into_writer(&error, &mut body).unwrap();
    (StatusCode::FORBIDDEN, kind, body).into_response()
}
