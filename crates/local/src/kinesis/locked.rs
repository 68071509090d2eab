//! The model under its lock.

use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use super::Kinesis;
use crate::stream::Streams;

/// The model, to be used for short calls.
///
/// When it is let go of, the subscriptions that may have something to say by then wake up.
#[derive(Debug)]
pub struct Locked<'a> {
    streams: MutexGuard<'a, Streams>,
    #[cfg(feature = "endpoints")]
    kinesis: &'a Kinesis,
}

impl Kinesis {
    /// The model behind the protocol. The lock is for short calls, never over an await.
    pub fn streams(&self) -> Locked<'_> {
        Locked {
            streams: self.streams.lock().expect("no call panics while it holds the lock"),
            #[cfg(feature = "endpoints")]
            kinesis: self,
        }
    }
}

impl Deref for Locked<'_> {
    type Target = Streams;

    fn deref(&self) -> &Streams {
        &self.streams
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Streams {
        &mut self.streams
    }
}

#[cfg(feature = "endpoints")]
impl Drop for Locked<'_> {
    fn drop(&mut self) {
        for place in self.streams.take_changed().places() {
            self.kinesis.waiting[place].notify_waiters();
        }
    }
}
