//! The table at the end: what had to be so, and whether it was.

use std::fmt;

use comfy_table::{Cell, CellAlignment, Table, presets};
use shardwise_referee::{Invariant, Verdict};

use crate::feed::Totals;

/// What a run showed, one line for each thing that had to be so.
#[derive(Debug, Default)]
pub struct Report {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    what: String,
    is_so: Option<bool>,
    figures: String,
}

impl Report {
    /// Something that has to be so.
    pub fn check(&mut self, what: &str, is_so: bool, figures: impl Into<String>) {
        self.lines.push(Line {
            what: what.to_owned(),
            is_so: Some(is_so),
            figures: figures.into(),
        });
    }

    /// Something that is only told.
    pub fn tell(&mut self, what: &str, figures: impl Into<String>) {
        self.lines.push(Line { what: what.to_owned(), is_so: None, figures: figures.into() });
    }

    /// Whether as many daemons were killed as planned.
    pub fn kills(&mut self, done: usize, planned: usize) {
        self.check("daemons killed with kill -9", done == planned, format!("{done} of {planned}"));
    }

    /// That no process was left behind.
    pub fn left_behind(&mut self, pids: &[u32]) {
        self.check("no process left behind", pids.is_empty(), format!("{} left", pids.len()));
    }

    /// That what came again lay after the last checkpoint: so it is where no write comes late.
    pub fn duplicates_after_checkpoint(&mut self, verdict: &Verdict) {
        let counts = &verdict.counts;
        let before = counts.duplicates.saturating_sub(counts.duplicates_after_checkpoint);
        let figures = format!("{before} before it");
        self.check("duplicates only after the last checkpoint", before == 0, figures);
    }

    /// What the referee says of the journals.
    pub fn verdict(&mut self, verdict: &Verdict) {
        let counts = &verdict.counts;
        let delivered = counts.distinct == counts.put && is_kept(verdict, DELIVERED);
        let of = format!("{} of {}", counts.distinct, counts.put);
        self.check("every record delivered at least once", delivered, of);
        let (again, late) = (counts.duplicates, counts.duplicates_after_checkpoint);
        let is_bounded = is_kept(verdict, &[Invariant::DuplicatesBounded]);
        let again = format!("{again} duplicates, {late} after the last checkpoint");
        self.check("no record again but in a new tenure", is_bounded, again);
        for (what, invariants, figures) in [
            ("order kept", ORDER, format!("{} tenures", counts.tenures)),
            ("checkpoints never went back", CHECKPOINTS, format!("{} written", counts.checkpoints)),
            ("parents before children", PARENTS, format!("{} shards ended", counts.ended)),
        ] {
            self.check(what, is_kept(verdict, invariants), figures);
        }
        let named = [DELIVERED, ORDER, CHECKPOINTS, PARENTS].concat();
        let others: Vec<_> = Invariant::ALL
            .into_iter()
            .filter(|invariant| !named.contains(invariant))
            .filter(|invariant| *invariant != Invariant::DuplicatesBounded)
            .filter(|invariant| !verdict.not_judged.contains(invariant))
            .collect();
        let names: Vec<&str> = others.iter().map(|invariant| invariant.id()).collect();
        self.check("the referee's other rules", is_kept(verdict, &others), names.join(" "));
    }

    /// Whether what was handed adds up to what the file does.
    pub fn totals(&mut self, handed: &Totals, expected: &Totals) {
        let flights: u64 = handed.values().map(|total| total.flights).sum();
        let wrong: Vec<&str> = expected
            .iter()
            .filter(|(airport, total)| handed.get(*airport) != Some(total))
            .map(|(airport, _)| airport.as_str())
            .take(5)
            .collect();
        let figures = if wrong.is_empty() {
            format!("{} airports, {flights} flights", handed.len())
        } else {
            format!("wrong: {}", wrong.join(" "))
        };
        self.check("totals by airport equal the file's", handed == expected, figures);
    }

    /// Whether all that had to be so was.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults().next().is_none()
    }

    /// What was not so.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        let is_fault = |line: &&Line| line.is_so == Some(false);
        self.lines.iter().filter(is_fault).map(|line| line.what.as_str())
    }
}

const DELIVERED: &[Invariant] = &[Invariant::EverythingDelivered, Invariant::Content];
const ORDER: &[Invariant] =
    &[Invariant::OrderInTenure, Invariant::OrderOfKeys, Invariant::NothingBeforeStart];
const CHECKPOINTS: &[Invariant] = &[Invariant::CheckpointNeverGoesBack];
const PARENTS: &[Invariant] =
    &[Invariant::ParentsFirst, Invariant::ShardEndEarned, Invariant::ChildrenLeased];

/// Whether invariants were judged, and none of them is broken.
fn is_kept(verdict: &Verdict, invariants: &[Invariant]) -> bool {
    let broken = verdict.violations.iter().map(|violation| &violation.invariant);
    !broken.chain(&verdict.not_judged).any(|invariant| invariants.contains(invariant))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_BORDERS_ONLY);
        for line in &self.lines {
            let is_so = match line.is_so {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            };
            let figures = Cell::new(&line.figures).set_alignment(CellAlignment::Right);
            table.add_row([Cell::new(&line.what), Cell::new(is_so), figures]);
        }
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use shardwise_referee::{Counts, Violation};

    use super::*;
    use crate::feed::Total;

    #[test]
    fn one_thing_that_is_not_so_spoils_the_report() {
        let mut report = Report::default();
        report.check("a", true, "");
        report.tell("b", "7");
        assert!(report.is_good());
        report.check("c", false, "");
        assert_eq!(report.faults().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn every_broken_invariant_spoils_the_report() {
        let is_good = |violations: Vec<Violation>| {
            let mut report = Report::default();
            let (counts, not_judged) = (Counts::default(), Vec::new());
            report.verdict(&Verdict { counts, violations, not_judged });
            report.is_good()
        };
        assert!(is_good(Vec::new()));
        for invariant in Invariant::ALL {
            let (shard, text) = ("shardId-0".to_owned(), "seen".to_owned());
            assert!(!is_good(vec![Violation { invariant, shard, text }]), "{invariant}");
        }
    }

    #[test]
    fn what_was_not_judged_is_not_so() {
        for invariants in [DELIVERED, ORDER, CHECKPOINTS, PARENTS] {
            let mut report = Report::default();
            let (counts, not_judged) = (Counts::default(), invariants.to_vec());
            report.verdict(&Verdict { counts, violations: Vec::new(), not_judged });
            assert!(!report.is_good(), "{invariants:?}");
        }
    }

    #[test]
    fn a_duplicate_before_the_checkpoint_spoils_the_report() {
        let counts = Counts { duplicates: 2, duplicates_after_checkpoint: 1, ..Counts::default() };
        let mut report = Report::default();
        let (violations, not_judged) = (Vec::new(), Vec::new());
        report.duplicates_after_checkpoint(&Verdict { counts, violations, not_judged });
        assert_eq!(report.faults().count(), 1);
    }

    #[test]
    fn totals_differ_by_one_flight_or_one_airport() {
        let total = Total { flights: 2, delay: 1, distance: 9 };
        let expected = Totals::from([("LAS".to_owned(), total)]);
        let is_good = |handed: &Totals| {
            let mut report = Report::default();
            report.totals(handed, &expected);
            report.is_good()
        };
        assert!(is_good(&expected));
        assert!(!is_good(&Totals::from([("LAS".to_owned(), total.with(0, 0))])));
        assert!(!is_good(&Totals::new()));
    }
}
