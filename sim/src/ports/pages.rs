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

/// One page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) is_last: bool,
}

impl Pages {
    pub(super) fn new(rows: Option<usize>) -> Self {
        Self { rows, after: None }
    }

    /// The next page of the rows as they are now.
    pub(super) fn next(&self, all: Vec<&Item>) -> Page {
        let Some(rows) = self.rows else {
            return Page { items: all.into_iter().cloned().collect(), is_last: true };
        };
        let after = self.after.as_ref().map(|(hash, key)| (*hash, key.as_str()));
        let mut left: Vec<_> = all.into_iter().map(|item| (place(item), item)).collect();
        left.retain(|(place, _)| after.is_none_or(|after| after < *place));
        left.sort_by_key(|(place, _)| *place);
        let is_last = left.len() <= rows;
        Page { items: left.into_iter().take(rows).map(|(_, item)| item.clone()).collect(), is_last }
    }

    /// Goes on behind a page.
    pub(super) fn turn(&mut self, page: &Page) {
        let last = page.items.last().map(place).map(|(hash, key)| (hash, key.to_owned()));
        self.after = last.or(self.after.take());
    }
}

fn place(item: &Item) -> (u64, &str) {
    let key = match item.get("leaseKey") {
        Some(Value::S(key)) => key.as_str(),
        Some(Value::N(_) | Value::B(_) | Value::Ss(_) | Value::Other(_)) | None => "",
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
        let all = keys.map(item);
        let first = all.iter().min_by_key(|item| place(item)).unwrap();
        let scan = |first_page: Vec<&Item>| {
            let mut pages = Pages::new(Some(2));
            let mut taken = vec![pages.next(first_page)];
            while let Some(page) = taken.last().filter(|page| !page.is_last) {
                pages.turn(page);
                taken.push(pages.next(all.iter().collect()));
            }
            taken
        };
        let pages = scan(all.iter().collect());
        assert!(pages.iter().map(|page| page.items.len()).eq([2, 2, 1]));
        assert!(all.iter().all(|item| pages.iter().any(|page| page.items.contains(item))));

        let pages = scan(all.iter().filter(|item| *item != first).collect());
        assert!(!pages.iter().any(|page| page.items.contains(first)));
    }
}
