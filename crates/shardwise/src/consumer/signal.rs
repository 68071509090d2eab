//! What a shard consumer hears while it waits.

use std::sync::Arc;
use std::time::Duration;

use shardwise_core::consumer::{ConsumerState, Event};

use super::Consumer;

/// What a shard consumer is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The lease is no longer held.
    LeaseLost,
    /// The worker stops.
    ShutdownAsked,
    /// A parent may have ended: look again.
    LookAtParents,
}

impl Consumer {
    /// The future's output, unless something is signalled first that changes the course.
    pub(super) async fn unless_told<T>(
        &mut self,
        future: impl Future<Output = T>,
    ) -> Result<T, Event> {
        tokio::pin!(future);
        loop {
            let signal = tokio::select! {
                biased;
                signal = self.signals.recv() => signal,
                output = &mut future => return Ok(output),
            };
            if let Some(event) = self.note(signal) {
                return Err(event);
            }
        }
    }

    /// Waits, unless something is signalled first that changes the course.
    pub(super) async fn pause(&mut self, pause: Duration) -> Option<Event> {
        let clock = Arc::clone(&self.shared.ports.clock);
        let until = clock.now() + pause;
        loop {
            let signal = tokio::select! {
                biased;
                signal = self.signals.recv() => signal,
                () = clock.sleep_until(until) => return None,
            };
            if signal == Some(Signal::LookAtParents) {
                if self.state == ConsumerState::WaitingOnParentShards {
                    return None;
                }
                continue;
            }
            return self.note(signal);
        }
    }

    pub(super) fn signalled(&mut self) -> Option<Event> {
        while let Ok(signal) = self.signals.try_recv() {
            if let Some(event) = self.note(Some(signal)) {
                return Some(event);
            }
        }
        None
    }

    pub(super) fn note(&self, signal: Option<Signal>) -> Option<Event> {
        match signal {
            Some(Signal::ShutdownAsked) => Some(Event::ShutdownAsked),
            Some(Signal::LookAtParents) => None,
            // The worker itself is gone: nobody renews the lease any more.
            Some(Signal::LeaseLost) | None => Some(Event::LeaseLost),
        }
    }
}
