//! The workers of a run: when they lived, stood still, and stopped.

use std::collections::BTreeMap;

use crate::worker::WorkerEvent;

/// The workers of a run.
#[derive(Default)]
pub(crate) struct Fleet<'a> {
    workers: BTreeMap<&'a str, Lives>,
    events: &'a [WorkerEvent],
}

/// What became of one worker; a worker that is started again under its name lives once more.
#[derive(Default)]
struct Lives {
    /// From a start to when it was killed, ended, or was asked to stop.
    at_work: Vec<Span>,
    /// From a pause to its end, or to the worker's.
    paused: Vec<Span>,
    /// When it was killed, ended or was paused.
    gone: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Span {
    from: u64,
    until: u64,
}

impl Span {
    fn open(from: u64) -> Self {
        Self { from, until: u64::MAX }
    }
}

impl Lives {
    fn note(&mut self, event: &WorkerEvent) {
        let close = |spans: &mut Vec<Span>| {
            if let Some(last) = spans.last_mut() {
                last.until = event.t().min(last.until);
            }
        };
        match event {
            WorkerEvent::Started { t, .. } => {
                close(&mut self.at_work);
                close(&mut self.paused);
                self.at_work.push(Span::open(*t));
            }
            WorkerEvent::Killed { t, .. } | WorkerEvent::Ended { t, .. } => {
                self.gone.push(*t);
                close(&mut self.at_work);
                close(&mut self.paused);
            }
            WorkerEvent::StopAsked { .. } => close(&mut self.at_work),
            WorkerEvent::Paused { t, .. } => {
                self.gone.push(*t);
                self.paused.push(Span::open(*t));
            }
            WorkerEvent::Resumed { .. } => close(&mut self.paused),
        }
    }

    /// Whether it was at work, and was not paused, from the one moment to the other.
    fn lived_through(&self, from: u64, until: u64) -> bool {
        // Half open, so that a moment inside a pause is part of it.
        let overlaps = |span: &Span| span.from < until.max(from + 1) && from < span.until;
        self.at_work.iter().any(|span| span.from <= from && until <= span.until)
            && !self.paused.iter().any(overlaps)
    }

    fn paused_within(&self, from: u64, until: u64) -> u64 {
        let within = |span: &Span| span.until.min(until).saturating_sub(span.from.max(from));
        self.paused.iter().map(within).sum()
    }
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(events: &'a [WorkerEvent]) -> Self {
        let mut fleet = Self { workers: BTreeMap::new(), events };
        for event in events {
            fleet.workers.entry(event.worker()).or_default().note(event);
        }
        fleet
    }

    /// Whether the journals say anything of workers.
    pub(crate) fn is_known(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) fn events(&self) -> &'a [WorkerEvent] {
        self.events
    }

    /// Whether a worker was at work, not paused, and not about to stop, all the time.
    pub(crate) fn lived_through(&self, worker: &str, from: u64, until: u64) -> bool {
        self.workers.get(worker).is_some_and(|lives| lives.lived_through(from, until))
    }

    /// Whether there was one worker that was at work all the time.
    pub(crate) fn someone_lived_through(&self, from: u64, until: u64) -> bool {
        self.workers.values().any(|lives| lives.lived_through(from, until))
    }

    /// The workers that were at work at a time.
    pub(crate) fn living(&self, t: u64) -> impl Iterator<Item = &'a str> {
        self.workers.iter().filter(move |(_, lives)| lives.lived_through(t, t)).map(|(id, _)| *id)
    }

    /// When something happened to a worker, in order.
    pub(crate) fn changes(&self, worker: &str) -> impl Iterator<Item = u64> {
        self.events.iter().filter(move |event| event.worker() == worker).map(WorkerEvent::t)
    }

    /// When a worker was last killed, ended or was paused before a time.
    pub(crate) fn last_gone(&self, worker: &str, t: u64) -> Option<u64> {
        let gone = self.workers.get(worker)?.gone.iter().rev();
        gone.copied().find(|gone_t| *gone_t <= t)
    }

    /// How long a worker stood still between two moments.
    pub(crate) fn paused_within(&self, worker: &str, from: u64, until: u64) -> u64 {
        self.workers.get(worker).map_or(0, |lives| lives.paused_within(from, until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_lives_from_its_start_to_its_end_but_for_pauses() {
        let worker = || "a".to_owned();
        let events = [
            WorkerEvent::Started { t: 10, worker: worker() },
            WorkerEvent::Paused { t: 20, worker: worker() },
            WorkerEvent::Resumed { t: 25, worker: worker() },
            WorkerEvent::StopAsked { t: 40, worker: worker() },
            WorkerEvent::Ended { t: 45, worker: worker(), in_order: true },
            WorkerEvent::Started { t: 60, worker: worker() },
            WorkerEvent::Paused { t: 70, worker: worker() },
            WorkerEvent::Killed { t: 80, worker: worker() },
        ];
        let fleet = Fleet::new(&events);
        for (from, until) in [(10, 20), (25, 40), (60, 70), (80, 80)] {
            assert!(fleet.lived_through("a", from, until), "{from} to {until}");
        }
        for (from, until) in [(5, 15), (15, 22), (30, 41), (41, 44), (35, 65), (72, 72), (81, 90)] {
            assert!(!fleet.lived_through("a", from, until), "{from} to {until}");
        }
        assert_eq!(fleet.paused_within("a", 0, 100), 15);
        assert_eq!(fleet.paused_within("a", 22, 75), 8);
        assert!(!fleet.lived_through("b", 10, 20));
        assert!(fleet.changes("a").eq(events.iter().map(WorkerEvent::t)));
        assert_eq!((fleet.last_gone("a", 19), fleet.last_gone("a", 50)), (None, Some(45)));
    }
}
