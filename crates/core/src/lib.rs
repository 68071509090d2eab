//! What Shardwise decides, and nothing that it does.
//!
//! Every module takes values and the time and returns values: there is no socket, no clock, no
//! environment and no randomness here (the lints and `clippy.toml` of this crate see to that).
//! The library `shardwise` and the daemon carry the decisions out; the simulation runs the very
//! same code.

pub mod aggregate;
pub mod answer;
pub mod budget;
pub mod checkpoint;
pub mod config;
pub mod consumer;
pub mod credentials;
pub mod fleet;
pub mod frames;
pub mod id;
pub mod leader;
pub mod lease;
pub mod metrics;
pub mod multilang;
pub mod pacing;
pub mod permissions;
pub mod properties;
pub mod retention;
pub mod rng;
pub mod row;
pub mod sequence;
pub mod shard;
pub mod sync;
pub mod take;
pub mod time;
