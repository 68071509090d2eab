//! The demo's parts: endpoints, daemons with Node children, a producer, a display, and a verdict.
//!
//! The demo sees the system from outside only: an SDK's clients, processes, files, the lease table.

pub mod application;
pub mod args;
pub mod bench;
pub mod child;
pub mod click_stream;
pub mod clock;
pub mod display;
pub mod endpoints;
pub mod error;
pub mod feed;
pub mod follow;
pub mod operator;
pub mod plan;
pub mod producer;
pub mod program;
pub mod report;
pub mod rng;
pub mod run;
pub mod stage;
pub mod stream;
pub mod table;
pub mod tail;
pub mod watch;
