//! The daemons: each in a place, behind proxies of its own, down or up or somewhere between.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use shardwise_demo::application::Settings;
use shardwise_demo::clock::now_micros;
use shardwise_demo::error::Error;
use shardwise_demo::program::Program;
use tokio::sync::watch;

use crate::plan::After;
use crate::processes::{Processes, signal};
use crate::proxy::Weather;

/// How long a daemon may take to end after SIGTERM: its grace, and some time on a busy machine.
pub const STOP: Duration = Duration::from_secs(40);
/// How long a place stays empty whose daemon has ended by itself.
const AFTER_EXIT: Duration = Duration::from_secs(1);

/// The daemons of a run.
#[derive(Debug)]
pub struct Fleet {
    directory: PathBuf,
    places: Vec<Place>,
    /// Every end of a daemon, in order.
    pub deaths: Vec<Death>,
    /// Restarts whose log was on a full disk.
    pub full_disks: usize,
}

/// Where one daemon at a time runs.
#[derive(Debug)]
pub struct Place {
    settings: Settings,
    /// What the networks to Kinesis and to DynamoDB are like.
    pub weather: [watch::Sender<Weather>; 2],
    started: usize,
    next: After,
    state: State,
}

#[derive(Debug)]
enum State {
    Down { until: Instant },
    Up(Daemon),
    Paused { daemon: Daemon, until: Instant, children: Vec<i32> },
    Stopping { daemon: Daemon, deadline: Instant, asked_t: u64 },
}

#[derive(Debug)]
struct Daemon {
    program: Program,
    kill_at: Option<Instant>,
    /// When its descriptors are no longer short, and what the limit was.
    shortage: Option<(Instant, Rlimit)>,
}

/// The end of a daemon.
#[derive(Clone, Debug)]
pub struct Death {
    /// Its worker id, which no other has.
    pub worker: String,
    /// What its process id was.
    pub pid: i32,
    /// When, in microseconds of CLOCK_MONOTONIC.
    pub t: u64,
    /// When it was seen.
    pub seen: Instant,
    /// How.
    pub how: How,
}

/// How a daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By SIGKILL.
    Killed,
    /// After SIGTERM.
    Asked {
        /// When it was asked.
        asked_t: u64,
        /// How it ended; nothing if it did not, and was killed.
        status: Option<ExitStatus>,
    },
    /// Unasked.
    ByItself(ExitStatus),
}

impl Place {
    /// An empty one.
    #[must_use]
    pub fn new(settings: Settings, weather: [watch::Sender<Weather>; 2]) -> Self {
        let next = After { down: Duration::ZERO, again: None, is_disk_full: false };
        let state = State::Down { until: Instant::now() };
        Self { settings, weather, started: 0, next, state }
    }

    fn start(&mut self, place: usize, directory: &Path) -> Result<String, Error> {
        self.started += 1;
        let worker = format!("daemon{}-{}", place + 1, self.started);
        let log = if self.next.is_disk_full {
            PathBuf::from("/dev/full")
        } else {
            directory.join(format!("{worker}.log"))
        };
        let program = self.settings.start(&worker, &log)?;
        let kill_at = self.next.again.take().map(|again| Instant::now() + again);
        self.state = State::Up(Daemon { program, kill_at, shortage: None });
        Ok(worker)
    }

    fn take(&mut self, next: After) -> Option<Daemon> {
        let until = Instant::now() + next.down;
        match std::mem::replace(&mut self.state, State::Down { until }) {
            State::Up(daemon) => {
                self.next = next;
                Some(daemon)
            }
            state @ (State::Down { .. } | State::Paused { .. } | State::Stopping { .. }) => {
                self.state = state;
                None
            }
        }
    }
}

impl Daemon {
    fn pid(&self) -> i32 {
        i32::try_from(self.program.id()).expect("process ids are small")
    }

    fn death(&self, how: How) -> Death {
        let worker = self.program.name().to_owned();
        Death { worker, pid: self.pid(), t: now_micros(), seen: Instant::now(), how }
    }
}

impl Fleet {
    /// Nobody runs yet.
    #[must_use]
    pub fn new(directory: &Path, places: Vec<Place>) -> Self {
        let directory = directory.to_owned();
        Self { directory, places, deaths: Vec::new(), full_disks: 0 }
    }

    /// The place of a daemon.
    #[must_use]
    pub fn place(&self, place: usize) -> &Place {
        &self.places[place]
    }

    /// All places.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    /// The daemons that run and are not asked to end: worker and process id.
    pub fn up(&self) -> impl Iterator<Item = (&str, i32)> {
        (0..self.places.len()).filter_map(|place| self.daemon(place))
    }

    /// The daemon of a place, if it runs and is not asked to end: worker and process id.
    #[must_use]
    pub fn daemon(&self, place: usize) -> Option<(&str, i32)> {
        match &self.places[place].state {
            State::Up(daemon) => Some((daemon.program.name(), daemon.pid())),
            State::Down { .. } | State::Paused { .. } | State::Stopping { .. } => None,
        }
    }

    /// Whether a kill is still to come to a daemon that starts, or will.
    #[must_use]
    pub fn is_kill_to_come(&self) -> bool {
        self.places.iter().any(|place| match &place.state {
            State::Up(daemon) => daemon.kill_at.is_some(),
            State::Down { .. } => place.next.again.is_some(),
            State::Paused { .. } | State::Stopping { .. } => false,
        })
    }

    /// This place or the next one whose daemon is up, and not about to be killed.
    #[must_use]
    pub fn one_up(&self, place: usize) -> Option<usize> {
        let places = (0..self.places.len()).map(|offset| (place + offset) % self.places.len());
        places.into_iter().find(|place| match &self.places[*place].state {
            State::Up(daemon) => daemon.kill_at.is_none(),
            State::Down { .. } | State::Paused { .. } | State::Stopping { .. } => false,
        })
    }

    /// Kills the daemon of a place that is up.
    pub fn kill(&mut self, place: usize, after: After) {
        let Some(mut daemon) = self.places[place].take(after) else { return };
        daemon.program.kill();
        self.deaths.push(daemon.death(How::Killed));
    }

    /// Stops the daemon of a place that is up, and perhaps its children, for a while.
    pub fn pause(
        &mut self,
        place: usize,
        lasts: Duration,
        with_children: bool,
        processes: &Processes,
    ) {
        let place = &mut self.places[place];
        let Some(daemon) = place.take(place.next) else { return };
        daemon.program.signal(Signal::STOP);
        let mut children = Vec::new();
        if with_children {
            let running = processes.children(daemon.pid()).filter(|child| child.state != 'T');
            children.extend(running.map(|child| child.pid));
        }
        for child in &children {
            signal(*child, Signal::STOP);
        }
        place.state = State::Paused { daemon, until: Instant::now() + lasts, children };
    }

    /// Asks the daemon of a place that is up to end.
    pub fn stop(&mut self, place: usize, after: After) {
        let place = &mut self.places[place];
        let Some(daemon) = place.take(after) else { return };
        let asked_t = now_micros();
        daemon.program.signal(Signal::TERM);
        place.state = State::Stopping { daemon, deadline: Instant::now() + STOP, asked_t };
    }

    /// Leaves the daemon of a place that is up few descriptors beyond those that it has. Its
    /// process id, if it has that limit now.
    #[must_use]
    pub fn leave_descriptors(&mut self, place: usize, spare: u64, lasts: Duration) -> Option<i32> {
        let State::Up(daemon) = &mut self.places[place].state else { return None };
        let used = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).ok()?.count();
        let used = u64::try_from(used).unwrap_or(u64::MAX);
        let pid = Pid::from_raw(daemon.pid())?;
        // The hard limit stays, or it could not be raised again.
        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
        let short = Rlimit { current: Some(used + spare), maximum };
        let until = Instant::now() + lasts;
        match (&mut daemon.shortage, prlimit(Some(pid), Resource::Nofile, short)) {
            (Some(shortage), Ok(_)) => shortage.0 = until,
            (none @ None, Ok(before)) => *none = Some((until, before)),
            // It has just ended.
            (_, Err(_)) => return None,
        }
        Some(daemon.pid())
    }

    /// Does what is due, and sees who has ended. Returns what to tell.
    ///
    /// # Errors
    ///
    /// When a daemon cannot be started.
    pub fn tick(&mut self) -> Result<Vec<String>, Error> {
        let now = Instant::now();
        let mut told = Vec::new();
        for number in 0..self.places.len() {
            if let Some(text) = self.tick_place(number, now)? {
                told.push(text);
            }
        }
        Ok(told)
    }

    fn tick_place(&mut self, number: usize, now: Instant) -> Result<Option<String>, Error> {
        let place = &mut self.places[number];
        let until = now + place.next.down;
        match std::mem::replace(&mut place.state, State::Down { until }) {
            State::Down { until } if until <= now => {
                self.full_disks += usize::from(place.next.is_disk_full);
                return place
                    .start(number, &self.directory)
                    .map(|it| Some(format!("{it} started")));
            }
            State::Up(mut daemon) => {
                if let Some(status) = daemon.program.try_end()? {
                    place.state = State::Down { until: now + AFTER_EXIT };
                    place.next.again = daemon.kill_at.map(|at| at.saturating_duration_since(now));
                    let death = daemon.death(How::ByItself(status));
                    let text = format!("{} ended by itself: {status}", death.worker);
                    self.deaths.push(death);
                    return Ok(Some(text));
                }
                if daemon.kill_at.is_some_and(|at| at <= now) {
                    daemon.program.kill();
                    let death = daemon.death(How::Killed);
                    let text = format!("kill -9 {} again, while it starts", death.worker);
                    self.deaths.push(death);
                    return Ok(Some(text));
                }
                end_shortage(&mut daemon, now);
                place.state = State::Up(daemon);
            }
            State::Paused { daemon, until, children } if until <= now => {
                for child in children {
                    signal(child, Signal::CONT);
                }
                daemon.program.signal(Signal::CONT);
                let text = format!("{} goes on", daemon.program.name());
                place.state = State::Up(daemon);
                return Ok(Some(text));
            }
            State::Stopping { mut daemon, deadline, asked_t } => {
                let status = daemon.program.try_end()?;
                if status.is_none() && now < deadline {
                    place.state = State::Stopping { daemon, deadline, asked_t };
                    return Ok(None);
                }
                let how = status.map_or("not at all".to_owned(), |status| status.to_string());
                daemon.program.kill();
                let death = daemon.death(How::Asked { asked_t, status });
                let text = format!("{} ended when asked: {how}", death.worker);
                self.deaths.push(death);
                return Ok(Some(text));
            }
            state @ (State::Down { .. } | State::Paused { .. }) => place.state = state,
        }
        Ok(None)
    }

    /// Ends what lasts: pauses, shortages, full disks, and places that are to stay empty.
    pub fn calm(&mut self) {
        let now = Instant::now();
        for place in &mut self.places {
            place.next = After { down: Duration::ZERO, again: None, is_disk_full: false };
            match &mut place.state {
                State::Down { until } | State::Paused { until, .. } => *until = now,
                State::Up(daemon) => {
                    daemon.kill_at = None;
                    if let Some(shortage) = &mut daemon.shortage {
                        shortage.0 = now;
                    }
                }
                State::Stopping { .. } => {}
            }
            for weather in &place.weather {
                weather.send_replace(Weather::Calm);
            }
        }
    }

    /// Asks those that are up to end, and leaves their places empty for good.
    pub fn stop_all(&mut self) {
        let for_good = Duration::from_secs(3_600);
        for place in 0..self.places.len() {
            self.stop(place, After { down: for_good, again: None, is_disk_full: false });
        }
    }

    /// Whether nobody runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.iter().all(|place| matches!(place.state, State::Down { .. }))
    }
}

fn end_shortage(daemon: &mut Daemon, now: Instant) {
    if let Some((until, before)) = daemon.shortage
        && until <= now
    {
        // Failing means that it has just ended.
        prlimit(Pid::from_raw(daemon.pid()), Resource::Nofile, before).ok();
        daemon.shortage = None;
    }
}
