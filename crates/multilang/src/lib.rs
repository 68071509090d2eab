//! A record processor that is a child: it talks the stdio protocol over pipes.
//!
//! [`ChildProcessor`] asks one child for each call of the library, makes the checkpoints that the
//! child asks for, and ends a child that breaks the protocol. `core::multilang` decides what is
//! said. Shards may share a child that wants to be shared: [`Children`]. What a child is, a process
//! or a script of the simulation, is told by [`Launch`] and [`Running`]: nothing here knows of
//! processes.

mod agreement;
mod child;
mod children;
mod connection;
mod failure;
mod input;
mod launch;
mod lines;
mod output;
mod processor;
#[cfg(test)]
mod scripted;
mod several;
mod talk;
mod turns;

pub use crate::children::Children;
pub use crate::launch::{Ended, Ending, Hurry, Launch, Launched, Patience, Running};
pub use crate::processor::{ChildProcessor, Outcome, Shared};
pub use crate::turns::{Turns, TurnsStanding};
