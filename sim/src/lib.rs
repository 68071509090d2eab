//! The simulation: many real workers of the library in one seeded world, without a network.
//!
//! A [`Plan`](plan::Plan) follows from a seed: how many workers and shards, which settings, which
//! faults and when. [`run`](run::run) carries it out on paused time and one thread: the workers are
//! the library's own, over ports whose services lose, delay and refuse. The referee then judges
//! what was put, handed and written. The same seed gives the same run, event for event.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "chance needs no last bit, and a run no century"
)]

pub mod batch;
mod child;
pub mod dice;
pub mod figures;
mod journal;
mod listener;
mod memory;
mod nemesis;
mod node;
pub mod order;
mod panics;
pub mod plan;
pub mod point;
mod ports;
mod processor;
mod producer;
pub mod refusals;
mod rows;
pub mod run;
#[cfg(feature = "sdk")]
mod sdk;
pub mod sometimes;
pub mod tally;
mod tenure;
pub mod timeline;
mod world;
