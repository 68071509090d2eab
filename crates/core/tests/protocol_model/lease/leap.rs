//! Takes that leap ahead: counters whose tenures are told apart by more than their order.
//!
//! A counter is a leap and some steps. A leap is made by chance, so never the same twice; only
//! which are the same matters. So they are numbered anew after each step of the model, in the order
//! in which they are met, and one that nobody remembers is as good as one that never was.

use super::rules::{Rules, TakeCounter};
use super::state::State;
use super::table::{Change, Write};
use super::worker::{Flight, Stage, Worker};

/// More than the steps of any tenure.
pub(crate) const LEAP_LENGTH: u8 = 16;
/// The leap of a take that is being sent.
const NEW_LEAP: u8 = 15;

impl State {
    /// The counter that a take of the row as it is would write.
    pub(crate) fn taken_counter(&self, rules: &Rules) -> u8 {
        let next = self.row.counter + 1;
        match rules.take_counter {
            TakeCounter::Next => next,
            TakeCounter::Apart => NEW_LEAP * LEAP_LENGTH + next % LEAP_LENGTH,
        }
    }

    /// Forgets writes that can never be applied, and numbers the leaps anew.
    pub(crate) fn settle_leaps(&mut self, rules: &Rules) {
        if rules.take_counter == TakeCounter::Next {
            return;
        }
        // The row as it is, and as it is made.
        let mut live = vec![0, self.row.counter / LEAP_LENGTH];
        let flights = self.workers.iter().filter_map(Worker::flight);
        let sent = flights.filter(|flight| flight.stage == Stage::Sent).map(|flight| flight.write);
        live.extend(sent.chain(self.late.iter().copied()).filter_map(|write| match write.change {
            Change::Take(counter) => Some(counter / LEAP_LENGTH),
            Change::Renew | Change::Checkpoint(_) | Change::Release => None,
        }));
        self.late.retain(|write| live.contains(&(write.before.counter / LEAP_LENGTH)));
        let mut met = vec![0];
        self.each_counter(|counter| {
            let leap = *counter / LEAP_LENGTH;
            let at = met.iter().position(|other| *other == leap).unwrap_or_else(|| {
                met.push(leap);
                met.len() - 1
            });
            let at = u8::try_from(at).expect("they are few");
            *counter = at * LEAP_LENGTH + *counter % LEAP_LENGTH;
        });
        self.late.sort_unstable();
    }

    fn each_counter(&mut self, mut visit: impl FnMut(&mut u8)) {
        visit(&mut self.row.counter);
        self.tenure.iter_mut().for_each(|tenure| visit(&mut tenure.counter));
        for worker in &mut self.workers {
            match worker {
                Worker::Idle => {}
                Worker::Taking(flight) => in_flight(flight, &mut visit),
                Worker::Holding(tenure) => {
                    visit(&mut tenure.row.counter);
                    visit(&mut tenure.id.counter);
                    if let Some(flight) = &mut tenure.flight {
                        in_flight(flight, &mut visit);
                    }
                }
            }
        }
        self.late.iter_mut().for_each(|write| in_write(write, &mut visit));
    }
}

fn in_flight(flight: &mut Flight, visit: &mut impl FnMut(&mut u8)) {
    in_write(&mut flight.write, visit);
    if let Stage::Applied(row, tenure) = &mut flight.stage {
        visit(&mut row.counter);
        visit(&mut tenure.counter);
    }
}

fn in_write(write: &mut Write, visit: &mut impl FnMut(&mut u8)) {
    visit(&mut write.before.counter);
    write.tenure.iter_mut().for_each(|tenure| visit(&mut tenure.counter));
    if let Change::Take(counter) = &mut write.change {
        visit(counter);
    }
}
