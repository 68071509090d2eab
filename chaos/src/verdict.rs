//! What had to be so at the end of a run, and whether it was.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use shardwise_demo::error::Error;
use shardwise_demo::report::Report;
use shardwise_referee::Verdict;

use crate::canary;
use crate::fleet::{Death, How};
use crate::hands::{self, Hands};
use crate::isolation::Isolation;
use crate::journal::Counts;
use crate::memory::Memory;
use crate::mischief::{Mischief, Mischiefs};
use crate::plan::Amounts;
use crate::proxy::fault::Fault;
use crate::released::{self, LeaseWrites};
use crate::remains::Remains;
use crate::run::DAEMONS;
use crate::shortage;
use crate::stretch::{Begun, Stretch};

/// What was seen of a run.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// Where journals and logs are.
    pub directory: &'a Path,
    /// What the plan asked for.
    pub planned: Amounts,
    /// Every end of a daemon, the last ones at the end of the run.
    pub deaths: &'a [Death],
    /// How many of those, from the first on, were before the faults were over.
    pub deaths_in_chaos: usize,
    /// Acts that are neither ends of daemons nor mischief.
    pub done: &'a Done,
    /// What was done by and to children.
    pub mischiefs: &'a Mischiefs,
    /// When the stretches began.
    pub begun: &'a Begun,
    /// What was done to requests.
    pub requests: &'a Counts,
    /// What daemons left behind.
    pub remains: &'a Remains,
    /// What daemons took of the machine.
    pub memory: &'a Memory,
    /// Daemons with more descriptors than their children need, at the end of the quiet phase.
    pub leaks: &'a [String],
    /// How long the quiet phase took.
    pub quiet: Duration,
}

/// How many acts of some kinds were done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Daemons paused.
    pub pauses: usize,
    /// Daemons cut off, from everything or one service.
    pub cuts: usize,
    /// Daemons short of descriptors.
    pub shortages: usize,
    /// Daemons whose log was on a full disk.
    pub full_disks: usize,
}

/// Adds what a run showed to a report; returns what to say of what was not so.
///
/// # Errors
///
/// When a journal or log cannot be read.
pub fn judge(
    evidence: &Evidence<'_>,
    verdict: &Verdict,
    report: &mut Report,
) -> Result<Vec<String>, Error> {
    let mut notes = Vec::new();
    report.verdict(verdict);
    if !verdict.is_clean() {
        notes.push(verdict.to_string());
    }
    daemons(evidence, report, &mut notes)?;
    remains(evidence, report, &mut notes);
    let (sightings, bytes) = canary::sightings(evidence.directory)?;
    let figures = format!("{} of log, {} sightings", kibibytes(bytes), sightings.len());
    report.check("no secret, record or key in a log (S3)", sightings.is_empty(), figures);
    notes.extend(sightings);
    acts(evidence, verdict, report);
    let short = shortage::of_whom(evidence.directory)?;
    let what = "a daemon was out of descriptors (P9)";
    report.check(what, !short.is_empty(), short.join(" "));
    others_go_on(evidence, report)?;
    let quiet = format!("{:.1} s", evidence.quiet.as_secs_f64());
    report.tell("from the end of all faults to everything done", quiet);
    Ok(notes)
}

/// I34: what exit codes say is so.
fn daemons(
    evidence: &Evidence<'_>,
    report: &mut Report,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let leases = LeaseWrites::read(evidence.directory)?;
    let (mut in_order, mut cut_short) = (0, 0);
    let before = notes.len();
    for death in evidence.deaths {
        let worker = &death.worker;
        let (asked_t, status) = match death.how {
            How::Killed => continue,
            How::ByItself(status) => {
                notes.push(format!("{worker} ended by itself: {status}"));
                continue;
            }
            How::Asked { asked_t, status } => (asked_t, status),
        };
        // It was asked before it could hear, and had done nothing.
        let is_unheard = status
            .is_some_and(|status| status.signal() == Some(Signal::TERM.as_raw()))
            && !leases.has_owned(worker);
        match status.and_then(|status| status.code()) {
            _ if is_unheard => {}
            Some(0) => {
                in_order += 1;
                let held = leases.held(worker, death.t);
                if !held.is_empty() {
                    notes.push(format!("{worker} ended with 0 and held {}", held.join(" ")));
                }
                let children = released::children_not_told(evidence.directory, worker, asked_t)?;
                notes.extend(children.iter().map(|it| format!("{worker} ended with 0: {it}")));
            }
            Some(2) => cut_short += 1,
            _ => notes.push(format!("{worker} ended when asked: {status:?}")),
        }
    }
    let figures = format!("{in_order} in order, {cut_short} cut short");
    let is_well = notes.len() == before && few_are_cut_short(in_order, cut_short);
    report.check("daemons ended as they say (I34)", is_well, figures);
    let last = &evidence.deaths[evidence.deaths.len().saturating_sub(DAEMONS)..];
    let is_success = |death: &&Death| match death.how {
        How::Asked { status, .. } => status.is_some_and(|status| status.success()),
        How::Killed | How::ByItself(_) => false,
    };
    let at_the_end = last.iter().filter(is_success).count();
    report.check(
        "in order at the end",
        at_the_end == DAEMONS,
        format!("{at_the_end} of {DAEMONS}"),
    );
    Ok(())
}

/// A daemon that meets a fault while it stops may be cut short. Good runs have none of twelve so;
/// with more than a quarter something is wrong with the stop itself.
fn few_are_cut_short(in_order: usize, cut_short: usize) -> bool {
    in_order > 0 && 3 * cut_short <= in_order
}

/// I31, but that a victim's own shard goes on.
fn others_go_on(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Error> {
    let all = Hands::of_all(evidence.directory)?;
    let [calm, children] = [Stretch::Calm, Stretch::Children].map(|it| evidence.begun.times(it));
    let isolation = Isolation::of(&all, &evidence.mischiefs.victims, &calm, &children);
    let what = "other shards go on while children fail (I31)";
    report.check(what, isolation.is_shown(), isolation.to_string());
    if let Some((micros, shard)) = hands::largest_gap(&all) {
        let seconds = Duration::from_micros(micros).as_secs_f64();
        report.tell("largest gap in a shard", format!("{seconds:.1} s, {shard}"));
    }
    Ok(())
}

/// I32, I33, and descriptors.
fn remains(evidence: &Evidence<'_>, report: &mut Report, notes: &mut Vec<String>) {
    let remains = evidence.remains;
    let longest = format!("{:.1} s at most", remains.longest.as_secs_f64());
    let is_empty = remains.outlived.is_empty();
    report.check("no child outlived its daemon by 5 s (I32)", is_empty, longest);
    notes.extend(remains.outlived.iter().map(|it| format!("outlived its daemon: {it}")));
    let zombies = &remains.lasting_zombies;
    report.check("no zombies", zombies.is_empty(), format!("{}", zombies.len()));
    notes.extend(zombies.iter().map(|it| format!("zombie: {it}")));
    let leaks = evidence.leaks;
    report.check("no descriptor leaked", leaks.is_empty(), format!("{}", leaks.len()));
    notes.extend(leaks.iter().map(|it| format!("descriptors: {it}")));
    let excesses = evidence.memory.excesses();
    let peak = format!("{} MiB at most", evidence.memory.peak() >> 20);
    report.check("no more memory than children need (I33)", excesses.is_empty(), peak);
    notes.extend(excesses.iter().map(|it| format!("memory of daemon {it}")));
}

/// A run in which little happened shows little.
fn acts(evidence: &Evidence<'_>, verdict: &Verdict, report: &mut Report) {
    let Evidence { planned, done, requests, .. } = evidence;
    let in_chaos = &evidence.deaths[..evidence.deaths_in_chaos];
    let count = |is: fn(&How) -> bool| in_chaos.iter().filter(|death| is(&death.how)).count();
    let kills = count(|how| matches!(how, How::Killed));
    let stops = count(|how| matches!(how, How::Asked { .. }));
    let cuts = planned.cuts + planned.one_way_cuts;
    let reshards = verdict.counts.splits + verdict.counts.merges;
    for (what, is, wanted) in [
        ("kill -9 of a daemon (P1)", kills, planned.kills),
        ("SIGSTOP of a daemon beyond its lease (P3)", done.pauses, planned.pauses),
        ("SIGTERM while records flow (P7)", stops, planned.stops),
        ("faults of children", evidence.mischiefs.count(), planned.mischiefs),
        ("daemons cut off (D11, D12)", done.cuts, cuts),
        ("descriptors exhausted (P9)", done.shortages, planned.shortages),
        ("splits and merges", reshards, planned.reshards),
    ] {
        report.check(what, is >= wanted, format!("{is} of {wanted}"));
    }
    let kinds: Vec<String> = Mischief::ALL
        .iter()
        .map(|kind| (kind.name(), evidence.mischiefs.done.get(kind).copied().unwrap_or(0)))
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    report.tell("faults of children by kind", kinds.join(", "));
    report.check(
        "log on a full disk (P10)",
        done.full_disks > 0,
        format!("{} daemons", done.full_disks),
    );
    let faults: usize = requests.faults.values().sum();
    let all = Fault::KINDS.iter().all(|kind| requests.faults.contains_key(kind));
    let figures = format!("{faults} of {} requests", requests.requests);
    report.check("requests met every kind of fault", all, &figures);
    report.check("two requests in a hundred met one", faults * 50 >= requests.requests, figures);
    let kinds: Vec<String> =
        requests.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    report.tell("faults of requests by kind", kinds.join(", "));
    let [begun, broken] = requests.subscriptions;
    let figures = format!("{begun} subscriptions, {broken} broken off");
    report.check("records are pushed too (K9)", begun > 0, figures);
    report.tell("writes to leases left in doubt", requests.ambiguous_writes.to_string());
    report.tell("requests of daemons that were cut off", requests.cut_off.to_string());
    let counts = &verdict.counts;
    report.tell("tenures, checkpoints", format!("{}, {}", counts.tenures, counts.checkpoints));
}

fn kibibytes(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_stops_may_be_cut_short_and_no_more() {
        let is_well = |(in_order, cut_short)| few_are_cut_short(in_order, cut_short);
        assert!([(12, 0), (9, 3), (1, 0)].into_iter().all(is_well));
        assert!(![(8, 3), (6, 5), (0, 0)].into_iter().any(is_well));
    }
}
