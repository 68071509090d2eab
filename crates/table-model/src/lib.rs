//! A lease table in memory, for tests and the simulation.
//!
//! It gets the writes of [`shardwise_core::row`] as DynamoDB would, as text, and reads conditions
//! and updates for itself: it shares the types of a row with the core, and no rule.

use std::collections::BTreeMap;

use shardwise_core::row::{Action, Item, Value, Write};

/// Rows by their keys.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: BTreeMap<String, Item>,
}

impl Table {
    /// Every row, in the order of their keys.
    #[must_use]
    pub fn rows(&self) -> &BTreeMap<String, Item> {
        &self.rows
    }

    /// One row.
    #[must_use]
    pub fn row(&self, key: &str) -> Option<&Item> {
        self.rows.get(key)
    }

    /// Puts a row there, or deletes it, whatever was there before.
    pub fn set(&mut self, key: &str, item: Option<Item>) {
        match item {
            Some(item) => drop(self.rows.insert(key.to_owned(), item)),
            None => drop(self.rows.remove(key)),
        }
    }

    /// Makes a conditional write; whether its condition held.
    ///
    /// # Panics
    ///
    /// When the text of the write is not of the kind that leases need.
    pub fn apply(&mut self, write: &Write) -> bool {
        let key = write.key.as_str();
        let item = self.rows.get(key);
        if !write.condition.split(" AND ").all(|term| holds(term.trim(), item, write)) {
            return false;
        }
        match &write.action {
            Action::Put(item) => self.set(key, Some(item.clone())),
            Action::Delete => self.set(key, None),
            Action::Update(text) => {
                let item = self.rows.entry(key.to_owned()).or_default();
                for (clause, terms) in clauses(text) {
                    terms.split(',').for_each(|term| change(clause, term.trim(), item, write));
                }
            }
        }
        true
    }
}

fn holds(term: &str, item: Option<&Item>, write: &Write) -> bool {
    let attribute = |name: &str| item.and_then(|item| item.get(name));
    if let Some(name) = argument(term, "attribute_not_exists") {
        return attribute(name).is_none();
    }
    if let Some(name) = argument(term, "attribute_exists") {
        return attribute(name).is_some();
    }
    let (name, value) = term.split_once(" = ").expect("a comparison");
    attribute(name) == Some(&write.values[value])
}

fn argument<'a>(term: &'a str, function: &str) -> Option<&'a str> {
    term.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')
}

/// The clauses of an update expression: the verb, and what follows it.
fn clauses(text: &str) -> Vec<(&str, &str)> {
    let verbs = ["SET ", "REMOVE ", "ADD "];
    let mut starts: Vec<(usize, &str)> = verbs
        .iter()
        .filter_map(|verb| {
            let at = if text.starts_with(verb) {
                Some(0)
            } else {
                text.find(&format!(" {verb}")).map(|at| at + 1)
            };
            at.map(|at| (at, *verb))
        })
        .collect();
    starts.sort_unstable();
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let clause = |(&(at, verb), end): (&(usize, &'static str), usize)| {
        (verb.trim_end(), text[at + verb.len()..end].trim())
    };
    starts.iter().zip(ends).map(clause).collect()
}

fn change(clause: &str, term: &str, item: &mut Item, write: &Write) {
    let value = |name: &str| {
        write.values.get(name).unwrap_or_else(|| panic!("`{name}` has no value")).clone()
    };
    match clause {
        "SET" => {
            let (name, placeholder) = term.split_once(" = ").expect("an assignment");
            item.insert(name.to_owned(), value(placeholder));
        }
        "REMOVE" => drop(item.remove(term)),
        "ADD" => {
            let (name, placeholder) = term.split_once(' ').expect("a name and a number");
            let sum = number(item.get(name)) + number(Some(&value(placeholder)));
            item.insert(name.to_owned(), Value::N(sum.to_string()));
        }
        other => panic!("a clause that leases do not need: {other}"),
    }
}

fn number(value: Option<&Value>) -> u64 {
    match value {
        None => 0,
        Some(Value::N(text)) => text.parse().expect("a number that is not negative"),
        Some(other) => panic!("not a number: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use shardwise_core::id::LeaseKey;

    use super::*;

    fn write(action: Action, condition: &str, values: &[(&str, Value)]) -> Write {
        Write {
            key: LeaseKey::new("k").unwrap(),
            action,
            condition: condition.to_owned(),
            values: values.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
        }
    }

    fn item(attributes: &[(&str, Value)]) -> Item {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn n(number: u64) -> Value {
        Value::N(number.to_string())
    }

    fn s(text: &str) -> Value {
        Value::S(text.to_owned())
    }

    #[test]
    fn a_row_is_put_only_where_there_is_none() {
        let mut table = Table::default();
        let put = |c| {
            write(
                Action::Put(item(&[("leaseKey", s("k")), ("c", n(c))])),
                "attribute_not_exists(leaseKey)",
                &[],
            )
        };
        assert!(table.apply(&put(1)));
        assert!(!table.apply(&put(2)));
        assert_eq!(table.row("k").unwrap()["c"], n(1));
    }

    #[test]
    fn an_update_needs_every_term_and_changes_what_it_names() {
        let mut table = Table::default();
        table.set("k", Some(item(&[("c", n(1)), ("o", s("a")), ("x", s("kept")), ("gone", n(9))])));
        let update = |seen: u64| {
            let text = "SET c = :c, o = :o REMOVE gone ADD times :times";
            write(
                Action::Update(text.to_owned()),
                "c = :seen AND o = :owner AND attribute_not_exists(h)",
                &[
                    (":c", n(2)),
                    (":o", s("b")),
                    (":times", n(1)),
                    (":seen", n(seen)),
                    (":owner", s("a")),
                ],
            )
        };
        assert!(!table.apply(&update(7)));
        assert_eq!(table.row("k").unwrap()["c"], n(1));
        assert!(table.apply(&update(1)));
        let expected = item(&[("c", n(2)), ("o", s("b")), ("x", s("kept")), ("times", n(1))]);
        assert_eq!(table.row("k"), Some(&expected));
    }

    #[test]
    fn a_row_is_deleted_on_its_condition() {
        let mut table = Table::default();
        table.set("k", Some(item(&[("checkpoint", s("7"))])));
        let delete = |end: &str| write(Action::Delete, "checkpoint = :end", &[(":end", s(end))]);
        assert!(!table.apply(&delete("SHARD_END")));
        assert!(table.apply(&delete("7")));
        assert!(table.rows().is_empty());
    }
}
