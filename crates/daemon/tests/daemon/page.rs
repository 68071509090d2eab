//! `docs/properties.md` and the table of keys say the same.

use std::fmt::Write;

use shardwise_core::properties::keys::{ALIASES, SECTIONS, all, find};

const PAGE: &str = include_str!("../../../../docs/properties.md");

fn tables() -> String {
    let mut text = String::new();
    for section in &SECTIONS {
        writeln!(text, "## {}\n", section.title).unwrap();
        writeln!(
            text,
            "| key | value | default | here | what it does |\n| --- | --- | --- | --- | --- |"
        )
        .unwrap();
        for key in section.keys {
            let fate = key.fate.word();
            writeln!(
                text,
                "| `{}` | {} | {} | {fate} | {} |",
                key.name, key.form, key.default, key.note
            )
            .unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_page_of_properties_shows_the_table_of_keys() {
    let tables = tables();
    let missing: Vec<_> = tables.lines().filter(|line| !PAGE.contains(*line)).collect();
    assert!(missing.is_empty(), "put into docs/properties.md:\n{}", missing.join("\n"));
    assert!(PAGE.contains(&tables), "the order of docs/properties.md must be:\n{tables}");
}

#[test]
fn the_page_of_properties_names_no_other_key() {
    let (_, tables) = PAGE.split_once("## What runs").unwrap();
    for line in tables.lines().filter(|line| line.starts_with("| `")) {
        let name = line.split('`').nth(1).unwrap();
        assert!(find(name).is_some(), "{name}");
    }
}

#[test]
fn every_other_spelling_is_on_the_page() {
    for alias in &ALIASES {
        assert!(PAGE.contains(&format!("`{}`", alias.name)), "{}", alias.name);
    }
    assert!(all().count() > 100);
}
