//! Rows and writes of KCL's own, recorded: every row is read, and what we write is what it writes.
//!
//! KCL sends the older form of `DynamoDB` requests (`Expected`, `AttributeUpdates`), we send
//! expressions. Both are carried out here by a small table of the test's own and compared.

#![expect(clippy::unwrap_used, reason = "a recording that reads otherwise fails the test")]

use shardwise_core::time::Timestamp;

mod effects;
mod fixtures;
mod json;
mod properties;
mod rows;
mod table;

/// When leases are taken here.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_123);
