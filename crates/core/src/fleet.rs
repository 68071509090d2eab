//! Which generation of KCL the rows of a lease table speak of.

use std::time::Duration;

use crate::row::{Item, Value};
use crate::time::Time;

/// How long a leader's lock row may stand still before its leader is taken for dead.
/// KCL: `dynamoDbLockBasedLeaderLeaseDurationInMillis`.
const LEADER_DURATION: Duration = Duration::from_secs(120);

/// Watches a lease table for a fleet that is led as KCL 3.x leads it.
///
/// In such a fleet a leader moves leases, so a worker that counts and steals as KCL 2.x does would
/// only undo its moves.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// The lock row's version, and when it was first seen.
    lock: Option<(String, Time)>,
}

impl Watch {
    /// The key of the row that shows such a fleet, if there is one `now`.
    pub fn observe(&mut self, items: &[Item], now: Time) -> Option<&'static str> {
        let row = |key| items.iter().find(|item| text(item, "leaseKey") == Some(key));
        let version = row("Leader").and_then(|row| text(row, "recordVersionNumber"));
        self.lock = version.map(|version| match self.lock.take() {
            Some((seen, since)) if seen == version => (seen, since),
            Some(_) | None => (version.to_owned(), now),
        });
        if self.lock.as_ref().is_some_and(|(_, since)| now.since(*since) <= LEADER_DURATION) {
            return Some("Leader");
        }
        let version = row("Migration3.0").and_then(|row| text(row, "cv"));
        let is_3x =
            matches!(version, Some("CLIENT_VERSION_3X" | "CLIENT_VERSION_3X_WITH_ROLLBACK"));
        is_3x.then_some("Migration3.0")
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    match item.get(name)? {
        Value::S(text) => Some(text),
        Value::N(_) | Value::B(_) | Value::Ss(_) | Value::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, name: &str, value: &str) -> Item {
        let text = |text: &str| Value::S(text.to_owned());
        Item::from([("leaseKey".to_owned(), text(key)), (name.to_owned(), text(value))])
    }

    fn after(seconds: u64) -> Time {
        Time::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_leader_is_alive_while_its_lock_row_changes() {
        let mut watch = Watch::default();
        let lock = |version: &str| [row("Leader", "recordVersionNumber", version)];
        assert_eq!(watch.observe(&lock("a"), after(0)), Some("Leader"));
        assert_eq!(watch.observe(&lock("b"), after(100)), Some("Leader"));
        assert_eq!(watch.observe(&lock("b"), after(220)), Some("Leader"));
        assert_eq!(watch.observe(&lock("b"), after(221)), None);
        assert_eq!(watch.observe(&[], after(222)), None);
    }

    #[test]
    fn a_finished_migration_shows_a_fleet_of_kcl_3() {
        let migrated = [row("Migration3.0", "cv", "CLIENT_VERSION_3X_WITH_ROLLBACK")];
        assert_eq!(Watch::default().observe(&migrated, after(0)), Some("Migration3.0"));
    }

    #[test]
    fn a_fleet_that_still_works_as_kcl_2_shows_none() {
        for version in ["CLIENT_VERSION_UPGRADE_FROM_2X", "CLIENT_VERSION_2X"] {
            let rows = [row("Migration3.0", "cv", version)];
            assert_eq!(Watch::default().observe(&rows, after(0)), None);
        }
        let lease = [row("shardId-000000000000", "leaseOwner", "w")];
        assert_eq!(Watch::default().observe(&lease, after(0)), None);
    }
}
