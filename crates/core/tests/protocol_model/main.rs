//! The protocol, explored exhaustively part by part: what a fleet does to one lease, to shards that
//! end, to a lease that is handed off, and to the lock of its leader.
//!
//! The models share no code with the crate: they state the rules that the code must follow, and
//! show that these suffice and that each is needed. A mutant is the same rules with one changed;
//! a test names the invariant that it breaks, or the state that it never gets out of.
//! Where crate and model decide alike, in `lease` and `reshard`, a test compares them.

mod checking;
mod handoff;
mod leader_lock;
mod lease;
mod recovery;
mod reshard;
