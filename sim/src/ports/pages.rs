//! A scan page by page: rows in the order of the hashes of their keys, as DynamoDB has them.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

use shardwise::row::{Item, Value};

/// How far a scan has come.
#[derive(Debug)]
pub(super) struct Pages {
    /// Rows on one page; all of them, if there is no limit.
    rows: Option<usize>,
    /// The last row of the page before, by its place.
    after: Option<(u64, String)>,
}

impl Pages {
    pub(super) fn new(rows: Option<usize>) -> Self {
        Self { rows, after: None }
    }

    /// Takes the next page of the rows as they are now; whether it is the last one.
    pub(super) fn next(&mut self, all: Vec<Item>, taken: &mut Vec<Item>) -> bool {
        let Some(rows) = self.rows else {
            taken.extend(all);
            return true;
        };
        let mut left: Vec<_> = all.into_iter().map(|item| (place(&item), item)).collect();
        left.retain(|(place, _)| self.after.as_ref().is_none_or(|after| after < place));
        left.sort_by(|(left, _), (right, _)| left.cmp(right));
        let is_last = left.len() <= rows;
        left.truncate(rows);
        self.after = left.last().map(|(place, _)| place.clone()).or(self.after.take());
        taken.extend(left.into_iter().map(|(_, item)| item));
        is_last
    }
}

fn place(item: &Item) -> (u64, String) {
    let key = match item.get("leaseKey") {
        Some(Value::S(key)) => key.clone(),
        Some(Value::N(_) | Value::B(_) | Value::Ss(_) | Value::Other(_)) | None => String::new(),
    };
    let mut hasher = DefaultHasher::new();
    hasher.write(key.as_bytes());
    (hasher.finish(), key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str) -> Item {
        [("leaseKey".to_owned(), Value::S(key.to_owned()))].into_iter().collect()
    }

    #[test]
    fn pages_have_each_row_once_and_a_row_that_comes_behind_the_page_is_on_none() {
        let keys = ["a", "b", "c", "d", "e"];
        let all = || keys.map(item).to_vec();
        let (mut pages, mut taken) = (Pages::new(Some(2)), Vec::new());
        let lasts: Vec<bool> = (0..3).map(|_| pages.next(all(), &mut taken)).collect();
        assert_eq!(lasts, [false, false, true]);
        assert_eq!(taken.len(), keys.len());
        assert!(all().iter().all(|item| taken.contains(item)));

        let first = keys.map(item).into_iter().min_by_key(place).unwrap();
        let without_it: Vec<Item> = all().into_iter().filter(|item| *item != first).collect();
        let (mut pages, mut taken) = (Pages::new(Some(2)), Vec::new());
        pages.next(without_it, &mut taken);
        while !pages.next(all(), &mut taken) {}
        assert!(!taken.contains(&first));
    }
}
