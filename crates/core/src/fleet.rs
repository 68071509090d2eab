//! Which generation of KCL the rows of a lease table speak of.

use crate::row::{Item, Value};

/// The key of the row that shows that a fleet is led as KCL 3.x leads it, if there is one.
///
/// In such a fleet a leader moves leases, so a worker that counts and steals as KCL 2.x does would
/// only undo its moves.
#[must_use]
pub fn sign_of_kcl_3(items: &[Item]) -> Option<&str> {
    items.iter().find_map(|item| {
        let key = text(item, "leaseKey")?;
        let led = match key {
            "Leader" => text(item, "ownerName").is_some(),
            "Migration3.0" => {
                let version = text(item, "cv")?;
                matches!(version, "CLIENT_VERSION_3X" | "CLIENT_VERSION_3X_WITH_ROLLBACK")
            }
            _ => false,
        };
        led.then_some(key)
    })
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

    #[test]
    fn a_lock_row_or_a_finished_migration_shows_a_fleet_of_kcl_3() {
        assert_eq!(sign_of_kcl_3(&[row("Leader", "ownerName", "w")]), Some("Leader"));
        let migrated = row("Migration3.0", "cv", "CLIENT_VERSION_3X_WITH_ROLLBACK");
        assert_eq!(sign_of_kcl_3(&[migrated]), Some("Migration3.0"));
    }

    #[test]
    fn a_fleet_that_still_works_as_kcl_2_shows_none() {
        for version in ["CLIENT_VERSION_UPGRADE_FROM_2X", "CLIENT_VERSION_2X"] {
            assert_eq!(sign_of_kcl_3(&[row("Migration3.0", "cv", version)]), None);
        }
        assert_eq!(sign_of_kcl_3(&[row("shardId-000000000000", "leaseOwner", "w")]), None);
    }
}
