//! An answer that is passed on while it comes.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{mpsc, watch};

use super::answer::Broken;
use super::{Cut, Weather, reset_at_close};
use crate::journal::Journal;

/// After so many bytes an answer that is cut breaks off: behind a subscription's first words, and
/// in the middle of an event.
pub(super) const CUT_AFTER: usize = 2_000;

/// Passes parts of an answer on, as the weather allows.
pub(super) struct Pump {
    pub(super) weather: watch::Receiver<Weather>,
    pub(super) socket: Arc<OwnedFd>,
    pub(super) journal: Journal,
    /// After how many bytes it breaks off, if it does.
    pub(super) left: Option<usize>,
    pub(super) sender: mpsc::Sender<Result<Bytes, Broken>>,
}

impl Pump {
    pub(super) async fn run(mut self, mut body: Incoming) {
        loop {
            let part = tokio::select! {
                biased;
                () = self.sender.closed() => return,
                cut = self.weather.wait_for(is_cut) => Err(cut.ok().map(|cut| *cut)),
                frame = body.frame() => Ok(frame),
            };
            let is_over = match part {
                Err(cut) => self.be_cut(cut).await,
                Ok(None) => true,
                Ok(Some(Ok(frame))) => self.send(frame.into_data().unwrap_or_default()).await,
                Ok(Some(Err(_))) => self.break_off().await,
            };
            if is_over {
                return;
            }
        }
    }

    /// Sends a part, or as much of it as is left; says whether that was all.
    async fn send(&mut self, part: Bytes) -> bool {
        let sent = part.slice(..self.left.unwrap_or(part.len()).min(part.len()));
        self.left = self.left.map(|left| left - sent.len());
        if self.sender.send(Ok(sent)).await.is_err() {
            return true;
        }
        self.left == Some(0) && self.break_off().await
    }

    /// Lets a cut have its effect; says whether the answer is over, or goes on after a silence.
    async fn be_cut(&mut self, cut: Option<Weather>) -> bool {
        match cut {
            Some(Weather::Cut(Cut::Refused)) => {
                reset_at_close(&self.socket);
                self.break_off().await
            }
            Some(Weather::Cut(Cut::Silent)) => {
                self.weather.wait_for(|weather| !is_cut(weather)).await.is_err()
            }
            // The run is over.
            None | Some(Weather::Calm | Weather::Faults { .. }) => true,
        }
    }

    async fn break_off(&self) -> bool {
        self.journal.broke_off();
        // A client that is gone hears nothing.
        drop(self.sender.send(Err(Broken)).await);
        true
    }
}

fn is_cut(weather: &Weather) -> bool {
    matches!(weather, Weather::Cut(_))
}
