//! End to end with programs that were not written here: other Kinesis and DynamoDB servers, the npm
//! package `aws-kcl`, and `amazon_kclpy` of PyPI. `cargo xtask test` installs them and runs this.

mod clients;
mod cutter;
mod scene;
mod servers;
