//! The built binary, with real children, against local endpoints.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "daemon/aggregates.rs"]
mod aggregates;
#[path = "daemon/asked.rs"]
mod asked;
#[path = "../../shardwise/tests/cloudwatch/server.rs"]
#[allow(dead_code, reason = "the library's tests ask for more")]
mod cloudwatch;
#[path = "../../shardwise/tests/otlp/collector.rs"]
#[allow(dead_code, reason = "the library's tests ask for more")]
mod collector;
#[path = "daemon/death.rs"]
mod death;
#[path = "daemon/dialects.rs"]
mod dialects;
#[path = "daemon/endpoints.rs"]
mod endpoints;
#[path = "daemon/fan_out.rs"]
mod fan_out;
#[path = "daemon/faults.rs"]
mod faults;
#[path = "daemon/large.rs"]
mod large;
#[path = "daemon/metrics.rs"]
mod metrics;
#[path = "daemon/noise.rs"]
mod noise;
#[path = "daemon/page.rs"]
mod page;
#[path = "daemon/permissions.rs"]
mod permissions;
#[path = "daemon/protocol.rs"]
mod protocol;
#[path = "daemon/proxies.rs"]
mod proxies;
#[path = "daemon/refusals.rs"]
mod refusals;
#[path = "daemon/secrets.rs"]
mod secrets;
#[path = "daemon/several.rs"]
mod several;
#[path = "daemon/start.rs"]
mod start;
#[path = "daemon/stopping.rs"]
mod stopping;
#[path = "daemon/transcripts.rs"]
mod transcripts;
#[path = "daemon/version.rs"]
mod version;
#[path = "daemon/world.rs"]
mod world;
