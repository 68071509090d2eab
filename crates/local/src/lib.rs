//! Local Kinesis and DynamoDB endpoints for development and tests.
//!
//! [`Endpoints::start`] serves both on loopback ports, with nothing to install and nothing kept
//! when they stop. Any credentials are accepted.
//!
//! Behind the ports stand a model of Kinesis, [`stream::Streams`], which is deterministic and can
//! be run without them, and [`table::Tables`], a DynamoDB of dynoxide. This crate depends on none
//! of the others here, on purpose: it would share the bugs that it is there to find.
//!
//! # Features
//!
//! `endpoints` (default) is everything. A simulation that runs the model in process turns it off,
//! and builds neither the HTTP server nor SQLite: without features there is [`stream`],
//! `kinesis` adds the calls in JSON to it, and `cbor` the same calls in CBOR.
//!
//! # Examples
//!
//! ```
//! # #[cfg(feature = "endpoints")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), shardwise_local::StartError> {
//! use shardwise_local::{Endpoints, Options};
//!
//! let endpoints = Endpoints::start(Options::default()).await?;
//! assert!(endpoints.kinesis_url().starts_with("http://127.0.0.1:"));
//! endpoints.stop().await;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "endpoints"))]
//! # fn main() {}
//! ```

#[cfg(feature = "endpoints")]
mod endpoints;
#[cfg(feature = "kinesis")]
mod format;
#[cfg(feature = "endpoints")]
mod http;
#[cfg(feature = "kinesis")]
pub mod kinesis;
#[cfg(feature = "endpoints")]
mod latency;
#[cfg(feature = "endpoints")]
mod pushing;
pub mod stream;
#[cfg(feature = "endpoints")]
pub mod table;

#[cfg(feature = "endpoints")]
pub use endpoints::{Endpoints, Options, StartError};
#[cfg(feature = "kinesis")]
pub use format::Format;
#[cfg(feature = "endpoints")]
pub use http::Answer;
