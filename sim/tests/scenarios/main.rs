//! Bugs that other Kinesis clients had, and faults of Kinesis, each as a small world that is
//! scripted, with the real workers in it and the referee as its judge. `docs/correctness.md` lists
//! them all.

mod children;
mod fan_out;
mod faults;
mod kinesis;
mod leases;
mod lifecycle;
mod loads;
mod retention;
mod retrieval;
mod scenario;
mod sync;
