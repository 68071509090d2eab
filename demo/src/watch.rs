//! Whether everything is done: every record handed, every checkpoint at the end of its shard.

use std::collections::BTreeMap;

use crate::stream::Shard;
use crate::table::Lease;

const SHARD_END: &str = "SHARD_END";

/// The first shard whose checkpoint is not at its end, and what is missing there.
///
/// `last` is the last sequence number that was acknowledged in each shard. A closed shard without
/// a lease is done: leases of finished shards are deleted.
#[must_use]
pub fn unfinished(
    shards: &[Shard],
    leases: &[Lease],
    last: &BTreeMap<String, String>,
) -> Option<String> {
    let leases: BTreeMap<&str, &Lease> =
        leases.iter().map(|lease| (lease.shard.as_str(), lease)).collect();
    shards.iter().find_map(|shard| {
        let id = shard.id.as_str();
        let Some(lease) = leases.get(id) else {
            return shard.is_open.then(|| format!("{id} has no lease"));
        };
        let checkpoint = lease.checkpoint.as_str();
        let is_done = match last.get(id) {
            _ if checkpoint == SHARD_END => true,
            _ if !shard.is_open => false,
            Some(last) => reaches(checkpoint, last),
            None => true,
        };
        (!is_done).then(|| format!("{id} is checkpointed at {checkpoint} only"))
    })
}

/// Whether a checkpoint is at or after a sequence number; sentinels are before all numbers.
fn reaches(checkpoint: &str, sequence: &str) -> bool {
    let number = |text: &str| text.trim_start_matches('0').to_owned();
    if !checkpoint.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let (checkpoint, sequence) = (number(checkpoint), number(sequence));
    (checkpoint.len(), checkpoint) >= (sequence.len(), sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, is_open: bool) -> Shard {
        Shard { id: id.to_owned(), parents: Vec::new(), is_open, hash_keys: (0, 0) }
    }

    fn lease(shard: &str, checkpoint: &str) -> Lease {
        Lease { shard: shard.to_owned(), owner: None, checkpoint: checkpoint.to_owned() }
    }

    fn is_done(shard: &Shard, checkpoint: Option<&str>) -> bool {
        let leases: Vec<_> = checkpoint.map(|at| lease(&shard.id, at)).into_iter().collect();
        let last = BTreeMap::from([("a".to_owned(), "100".to_owned())]);
        unfinished(std::slice::from_ref(shard), &leases, &last).is_none()
    }

    #[test]
    fn an_open_shard_is_done_at_its_last_record() {
        for (checkpoint, done) in
            [("100", true), ("0101", true), ("99", false), ("TRIM_HORIZON", false)]
        {
            assert_eq!(is_done(&shard("a", true), Some(checkpoint)), done, "{checkpoint}");
        }
        assert!(!is_done(&shard("a", true), None));
        assert!(is_done(&shard("without records", true), Some("TRIM_HORIZON")));
    }

    #[test]
    fn a_closed_shard_is_done_at_shard_end_or_when_its_lease_is_gone() {
        assert!(is_done(&shard("a", false), Some("SHARD_END")));
        assert!(is_done(&shard("a", false), None));
        assert!(!is_done(&shard("a", false), Some("100")));
    }
}
