//! What the producer was told to be in the stream, and whether the bucket has that and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::bucket::Object;
use crate::error::Error;
use crate::report::Report;
use crate::tail::Tail;

/// Clicks that were acknowledged, by their places in the stream.
#[derive(Debug)]
pub(super) struct Clicks {
    log: Tail,
    ids: BTreeMap<Place, String>,
}

/// A shard, and a sequence number there: its length, then its digits, so that numbers are in order.
type Place = (String, usize, String);

impl Clicks {
    /// Follows the log that the producer writes into a directory.
    pub(super) fn follow(directory: &Path) -> Result<Self, Error> {
        fs::create_dir_all(directory).map_err(Error::file(directory))?;
        let log = directory.join("application.log");
        fs::write(&log, "").map_err(Error::file(&log))?;
        Ok(Self { log: Tail::new(&log), ids: BTreeMap::new() })
    }

    /// Reads what was written since the last time.
    pub(super) fn poll(&mut self) -> Result<(), Error> {
        for line in self.log.lines()? {
            self.take(&line);
        }
        Ok(())
    }

    fn take(&mut self, line: &str) {
        if let Some((_, acknowledged)) = line.split_once("] Acknowledged ")
            && let Some((id, place)) = acknowledged.trim_end_matches('.').split_once(" in ")
            && let Some((shard, number)) = place.split_once(" at ")
        {
            self.ids.insert(place_of(shard, number), id.to_owned());
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.ids.len()
    }

    /// The last sequence number in each shard.
    pub(super) fn last(&self) -> BTreeMap<String, String> {
        let places = self.ids.keys().cloned();
        places.map(|(shard, _, number)| (shard, number)).collect()
    }

    /// Compares them with what is in a bucket.
    pub(super) fn compare(&self, objects: &[Object], report: &mut Report) {
        let acknowledged: BTreeSet<&String> = self.ids.values().collect();
        let written: BTreeSet<&String> = objects.iter().flat_map(|object| &object.ids).collect();
        let (distinct, wanted) = (written.len(), acknowledged.len());
        let found = acknowledged.intersection(&written).count();
        let of = format!("{found} of {wanted}");
        report.check("every acknowledged click is in S3", found == wanted, of);
        report.check("no other click is", found == distinct, format!("{distinct} distinct in S3"));
        let wrong = objects.iter().filter(|object| !self.is_range(object)).count();
        let figures = format!("{} of {}", objects.len() - wrong, objects.len());
        report.check("objects hold what their keys say, in order", wrong == 0, figures);
        let lines: usize = objects.iter().map(|object| object.ids.len()).sum();
        report.tell("lines in S3", format!("{lines}, {} again", lines - distinct));
    }

    /// Whether an object has every click from the first to the last that its key names.
    fn is_range(&self, object: &Object) -> bool {
        let Some((shard, range)) = object.key.split_once('/') else { return false };
        let Some((first, last)) = range.split_once('-') else { return false };
        let (first, last) = (place_of(shard, first), place_of(shard, last));
        first <= last && self.ids.range(first..=last).map(|(_, id)| id).eq(&object.ids)
    }
}

fn place_of(shard: &str, number: &str) -> Place {
    let number = number.trim_start_matches('0');
    (shard.to_owned(), number.len(), number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clicks `a` to `d`, in that order, in one shard, whose numbers get longer on the way.
    fn clicks() -> Clicks {
        let mut clicks = Clicks { log: Tail::new(Path::new("none")), ids: BTreeMap::new() };
        for (id, number) in [("a", "8"), ("b", "9"), ("c", "10"), ("d", "11")] {
            clicks.take(&format!("now (PID: 1) DEBUG [p] Acknowledged {id} in s at {number}."));
        }
        clicks.take("now (PID: 1) INFO [p] Put 5 records into s, 5 so far.");
        clicks
    }

    /// Objects are a key, a blank, and a letter for each line.
    fn is_good(objects: &[&str]) -> bool {
        let object = |text: &&str| {
            let (key, ids) = text.split_once(' ').unwrap();
            Object { key: key.to_owned(), ids: ids.chars().map(String::from).collect() }
        };
        let mut report = Report::default();
        clicks().compare(&objects.iter().map(object).collect::<Vec<_>>(), &mut report);
        report.is_good()
    }

    #[test]
    fn acknowledgements_are_read_from_the_log_and_ordered_by_number() {
        assert_eq!(clicks().count(), 4);
        assert_eq!(clicks().last(), BTreeMap::from([("s".to_owned(), "11".to_owned())]));
    }

    #[test]
    fn a_bucket_is_good_if_its_ranges_are_whole_and_cover_all() {
        assert!(is_good(&["s/8-9 ab", "s/10-11 cd"]));
    }

    #[test]
    fn ranges_may_overlap_after_a_kill() {
        assert!(is_good(&["s/8-10 abc", "s/9-11 bcd"]));
    }

    #[test]
    fn a_click_that_is_missing_unknown_misplaced_or_out_of_order_spoils_the_bucket() {
        for objects in [
            &["s/8-10 abc"] as &[_],
            &["s/8-11 abcd", "s/12-12 e"],
            &["s/8-11 abd", "s/10-10 c"],
            &["s/8-11 acbd"],
            &["s/8-11 abcd", "other/8-8 a"],
            &["s/8-11 abcd", "s/9-8 "],
        ] {
            assert!(!is_good(objects), "{objects:?}");
        }
    }
}
