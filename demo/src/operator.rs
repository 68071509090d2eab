//! What an operator does to the system while data flows: splits, merges, kills, and starts again.

use std::time::{Duration, Instant};

use crate::application::Application;
use crate::display::Display;
use crate::error::Error;
use crate::plan::{Act, Moment};
use crate::report::Report;
use crate::rng::Rng;
use crate::stream::{self, Shard, Stream};

const STOP: Duration = Duration::from_secs(40);

/// Does what is planned to a stream and the daemons that read it.
#[derive(Debug)]
pub struct Operator {
    /// The stream.
    pub stream: Stream,
    /// The daemons.
    pub application: Application,
    /// How many of them were killed.
    pub kills: usize,
    /// What is still to be done, in order.
    moments: Vec<Moment>,
    /// Which places are empty, and when they are to be filled again.
    down: Vec<(usize, Instant)>,
    rng: Rng,
}

impl Operator {
    /// An operator with a plan.
    #[must_use]
    pub fn new(stream: Stream, application: Application, moments: Vec<Moment>, seed: u64) -> Self {
        let (down, rng) = (Vec::new(), Rng::new(seed ^ 1));
        Self { stream, application, kills: 0, moments, down, rng }
    }

    /// Starts a daemon in every place.
    ///
    /// # Errors
    ///
    /// When one does not start.
    pub fn start(&mut self, display: &Display) -> Result<(), Error> {
        (0..self.application.places()).try_for_each(|place| self.start_daemon(place, display))
    }

    /// Does what is due once data has flowed for so long.
    ///
    /// # Errors
    ///
    /// When a call fails, or when a daemon does not start.
    pub async fn act(&mut self, flowed: Duration, display: &Display) -> Result<(), Error> {
        let due = self.down.iter().position(|(_, at)| *at <= Instant::now());
        if let Some(due) = due {
            let (place, _) = self.down.swap_remove(due);
            self.start_daemon(place, display)?;
        }
        while self.moments.first().is_some_and(|moment| moment.at <= flowed) {
            let Moment { act, .. } = self.moments.remove(0);
            match act {
                Act::Split => self.split(display).await?,
                Act::Merge => self.merge(display).await?,
                Act::Kill { daemon, down } => {
                    if !self.kill(daemon, down, display) {
                        // All are down: the kill comes when one is up again.
                        let at = flowed.saturating_add(Duration::from_millis(1));
                        self.moments.insert(0, Moment { at, act });
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether all is done that was planned.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.moments.is_empty() && self.down.is_empty()
    }

    /// Stops the daemons, and reports how they ended.
    ///
    /// # Errors
    ///
    /// When one has not ended in time.
    pub async fn stop(&mut self, report: &mut Report) -> Result<(), Error> {
        let ended = self.application.stop(STOP).await?;
        let in_order = ended.iter().filter(|(_, status)| status.success()).count();
        let places = self.application.places();
        report.check(
            "daemons ended in order",
            in_order == places,
            format!("{in_order} of {places}"),
        );
        Ok(())
    }

    fn start_daemon(&mut self, place: usize, display: &Display) -> Result<(), Error> {
        let worker = self.application.start(place)?;
        display.event(&format!("{worker} started"));
        Ok(())
    }

    /// Kills a daemon, if one is up.
    fn kill(&mut self, daemon: usize, down: Duration, display: &Display) -> bool {
        // With this one down already, the next is the victim.
        let places = self.application.places();
        let mut victims = (0..places).map(|next| (daemon + next) % places);
        let Some(place) = victims.find(|&place| self.application.daemon(place).is_some()) else {
            return false;
        };
        if let Some(worker) = self.application.kill(place) {
            self.kills += 1;
            display.event(&format!("kill -9 {worker}, back in {} ms", down.as_millis()));
            self.down.push((place, Instant::now() + down));
        }
        true
    }

    async fn split(&mut self, display: &Display) -> Result<(), Error> {
        let shards = self.stream.shards().await?;
        let open: Vec<&Shard> = shards.iter().filter(|shard| shard.is_open).collect();
        let shard = open[self.rng.index(open.len())];
        self.stream.split(shard).await?;
        display.event(&format!("split {}", shard.id));
        Ok(())
    }

    async fn merge(&mut self, display: &Display) -> Result<(), Error> {
        let shards = self.stream.shards().await?;
        let (lower, upper) = stream::neighbours(&shards).expect("open shards cover all hash keys");
        self.stream.merge(lower, upper).await?;
        display.event(&format!("merged {} and {}", lower.id, upper.id));
        Ok(())
    }
}
