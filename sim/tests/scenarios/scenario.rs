//! A small world that is scripted, and what came of it.

use std::fmt;
use std::time::Duration;

use shardwise_referee::{Event, Gap, LeaseWrite, Place, Row, Why, WorkerEvent};
use shardwise_sim::order::Fault;
use shardwise_sim::plan::{Family, Habits, Happening, Knobs, Limits, Plan};
use shardwise_sim::point::Call;
use shardwise_sim::run::{Outcome, run};

/// A script: shards, workers, and what happens when. Nothing goes wrong but what it says.
pub(crate) struct Scenario {
    plan: Plan,
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The id of the `number`-th shard that the stream ever had.
pub(crate) fn shard(number: usize) -> String {
    format!("shardId-{number:012}")
}

impl Scenario {
    /// A minute for the script, then four without faults. Records flow unless
    /// [`with`](Self::with) says otherwise.
    pub(crate) fn new(shards: u32, workers: usize) -> Self {
        let limits = Limits {
            without: Family::ALL.into_iter().collect(),
            chaos: Some(secs(60)),
            workers: Some(workers),
            shards: Some(shards),
        };
        let plan = Plan::new(0, &limits);
        let knobs = Knobs {
            failover: secs(10),
            idle: millis(500),
            audit: secs(10),
            cleanup: secs(10),
            parent_poll: secs(2),
            keeps_name: false,
            ..plan.knobs
        };
        let habits = Habits { usual: millis(20), longest: secs(20), ..Habits::default() };
        let quiet = secs(240);
        Self { plan: Plan { knobs, habits, quiet, records_per_second: 10, ..plan } }
    }

    /// With something about the plan changed.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        change(&mut self.plan);
        self
    }

    /// Without any records but those that the script puts.
    pub(crate) fn without_records(self) -> Self {
        self.with(|plan| plan.records_per_second = 0)
    }

    pub(crate) fn at(mut self, at: Duration, happening: Happening) -> Self {
        self.plan.happenings.push((at, happening));
        self
    }

    /// So many of a worker's next calls go wrong from then on.
    pub(crate) fn fault(
        self,
        at: Duration,
        worker: usize,
        call: Call,
        fault: Fault,
        times: u32,
    ) -> Self {
        self.at(at, Happening::Fault { worker, call, fault, times: Some(times) })
    }

    /// All calls of a kind that a worker makes from then on go wrong.
    pub(crate) fn always(self, at: Duration, worker: usize, call: Call, fault: Fault) -> Self {
        self.at(at, Happening::Fault { worker, call, fault, times: None })
    }

    /// A worker comes only then.
    pub(crate) fn joins(self, at: Duration, worker: usize) -> Self {
        self.at(Duration::ZERO, Happening::Kill { worker, down: at })
    }

    /// Runs it. Everything that was scripted must have happened, and nothing may be broken.
    pub(crate) fn run(self) -> Ran {
        let ran = self.run_with_faults_left();
        assert_eq!(ran.0.orders_left, 0, "faults that were ordered did not happen");
        ran
    }

    /// Runs it. Nothing may be broken, whether or not every fault met the call that it was for.
    pub(crate) fn run_with_faults_left(mut self) -> Ran {
        self.plan.happenings.sort_by_key(|(at, _)| *at);
        let outcome = run(self.plan, false);
        assert!(outcome.is_clean(), "{}", outcome.report());
        Ran(outcome)
    }
}

/// A run that the referee found clean.
pub(crate) struct Ran(Outcome);

/// What one processor saw.
pub(crate) struct Tenure<'a> {
    pub(crate) worker: &'a str,
    pub(crate) shard: &'a str,
    pub(crate) started: Duration,
    pub(crate) start: &'a Place,
    /// When it was handed what: the places of the records.
    pub(crate) hands: Vec<(Duration, Vec<&'a Place>)>,
    /// When it returned, and whether well.
    pub(crate) returns: Vec<(Duration, bool)>,
    pub(crate) ends: Vec<(Duration, Why)>,
    /// What it was told of its checkpoints.
    pub(crate) refusals: usize,
}

impl<'a> Tenure<'a> {
    /// The first record that it was handed.
    pub(crate) fn first(&self) -> Option<&'a Place> {
        self.hands.first().and_then(|(_, places)| places.first().copied())
    }
}

/// In one line: a tenure has hundreds of records.
impl fmt::Debug for Tenure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker, shard, started, start, hands, ends, .. } = self;
        let hands = hands.iter().map(|(at, places)| (*at, places.len())).collect::<Vec<_>>();
        write!(f, "{shard} by {worker} from {start} at {started:?}: {hands:?}, then {ends:?}")
    }
}

impl Ran {
    pub(crate) fn outcome(&self) -> &Outcome {
        &self.0
    }

    /// Where workers said that records may be lost to retention.
    pub(crate) fn gaps(&self) -> &[Gap] {
        self.0.journals.gaps.as_deref().expect("they are listened to")
    }

    pub(crate) fn duplicates(&self) -> usize {
        self.0.verdict.counts.duplicates
    }

    /// Every tenure, in the order of their starts.
    pub(crate) fn tenures(&self) -> Vec<Tenure<'_>> {
        let mut tenures: Vec<(&str, Tenure<'_>)> = Vec::new();
        for event in self.0.journals.hand_overs.iter().flatten() {
            let t = Duration::from_micros(event.t());
            if let Event::Start { tenure, worker, shard, place, .. } = event {
                let worker = worker.as_deref().unwrap_or_default();
                let (hands, returns, ends) = (Vec::new(), Vec::new(), Vec::new());
                let seen = Tenure {
                    worker,
                    shard,
                    started: t,
                    start: place,
                    hands,
                    returns,
                    ends,
                    refusals: 0,
                };
                tenures.push((tenure, seen));
                continue;
            }
            let tenure = tenures.iter_mut().rev().find(|(id, _)| *id == event.tenure());
            let (_, tenure) = tenure.expect("a tenure starts before anything else");
            match event {
                Event::Hand { records, .. } => {
                    tenure.hands.push((t, records.iter().map(|record| &record.place).collect()));
                }
                Event::Done { error, .. } => tenure.returns.push((t, error.is_none())),
                Event::End { why, .. } => tenure.ends.push((t, *why)),
                Event::Answer { error, .. } | Event::Prepared { error, .. } => {
                    tenure.refusals += usize::from(error.is_some());
                }
                Event::Start { .. } | Event::Ask { .. } | Event::Prepare { .. } => {}
            }
        }
        tenures.into_iter().map(|(_, tenure)| tenure).collect()
    }

    pub(crate) fn tenures_of(&self, number: usize) -> Vec<Tenure<'_>> {
        let mut tenures = self.tenures();
        tenures.retain(|tenure| tenure.shard == shard(number));
        tenures
    }

    /// The writes to a shard's lease, in the order of their application.
    pub(crate) fn writes_to(&self, number: usize) -> Vec<&LeaseWrite> {
        let key = shard(number);
        self.0.journals.lease_writes.iter().filter(|write| write.key == key).collect()
    }

    /// A shard's row as it was then.
    pub(crate) fn row_at(&self, number: usize, at: Duration) -> Option<&Row> {
        let writes = self.writes_to(number);
        let mut earlier = writes.iter().rev().filter(|write| Duration::from_micros(write.t) <= at);
        earlier.next()?.after.as_ref()
    }

    /// When a shard's end was written; the first time, if its lease was made anew.
    pub(crate) fn ended_at(&self, number: usize) -> Option<Duration> {
        let is_end = |row: &Row| row.checkpoint == Place::ShardEnd;
        let writes = self.writes_to(number);
        let end = writes.iter().find(|write| write.after.as_ref().is_some_and(is_end))?;
        Some(Duration::from_micros(end.t))
    }

    /// How often a shard's lease was made.
    pub(crate) fn creations_of(&self, number: usize) -> usize {
        // A row that is put over another one begins at 0 again.
        let counter = |row: &Option<Row>| row.as_ref().map(|row| row.counter);
        let is_made = |write: &&&LeaseWrite| {
            let (before, after) = (counter(&write.before), counter(&write.after));
            after.is_some() && (before.is_none() || after < before)
        };
        self.writes_to(number).iter().filter(is_made).count()
    }

    /// When a worker was first asked to stop, and when and how it ended then.
    pub(crate) fn stop_of(&self, name: &str) -> (Duration, Duration, bool) {
        let workers = &self.0.journals.workers;
        let mut events = workers.iter().filter(|event| event.worker() == name);
        let asked = events.find(|event| matches!(event, WorkerEvent::StopAsked { .. }));
        let ended = events.find_map(|event| match event {
            WorkerEvent::Ended { t, in_order, .. } => Some((*t, *in_order)),
            WorkerEvent::Started { .. }
            | WorkerEvent::Killed { .. }
            | WorkerEvent::Paused { .. }
            | WorkerEvent::Resumed { .. }
            | WorkerEvent::StopAsked { .. } => None,
        });
        let (ended, in_order) = ended.expect("it ended");
        let asked = asked.expect("it was asked to stop").t();
        (Duration::from_micros(asked), Duration::from_micros(ended), in_order)
    }
}
