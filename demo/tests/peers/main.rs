//! End to end with programs that were not written here: other Kinesis and DynamoDB servers, and
//! the npm package `aws-kcl`. `cargo xtask test` installs them and runs this.

mod clients;
mod cutter;
mod scene;
mod servers;
