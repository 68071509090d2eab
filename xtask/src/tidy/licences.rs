//! Licences, sources and bans of our dependencies, by the lists in `deny.toml`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Report;
use crate::tree::Tree;

pub(super) fn check(tree: &Tree, report: &mut Report) -> Result<(), String> {
    let deny = tree.root.join("deny.toml");
    let deny =
        std::fs::read_to_string(&deny).map_err(|error| format!("{}: {error}", deny.display()))?;
    let licences = listed(&deny, "licenses", "allow");
    let sources = listed(&deny, "sources", "allow-registry");
    let banned = listed(&deny, "bans", "deny");
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in tree.metadata["packages"].as_array().map_or(&[][..], Vec::as_slice) {
        let text = |field: &str| package[field].as_str();
        let name = text("name").unwrap_or_default();
        versions.entry(name).or_default().push(text("version").unwrap_or_default());
        match text("license") {
            None => report.findings.push(format!("{name}: names no licence")),
            Some(expression) if !is_allowed(expression, &licences) => {
                report.findings.push(format!("{name}: licence `{expression}` is not allowed"));
            }
            Some(_) => {}
        }
        if let Some(source) = text("source")
            && !sources.iter().any(|allowed| source == format!("registry+{allowed}"))
        {
            report.findings.push(format!("{name}: comes from {source}"));
        }
        if banned.contains(&name) {
            report.findings.push(format!("{name}: is banned by deny.toml"));
        }
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        report.notes.push(format!(
            "{name} is built in {}: {}",
            versions.len(),
            versions.join(", ")
        ));
    }
    let external = |package: &&Value| !package["source"].is_null();
    let count =
        tree.metadata["packages"].as_array().map_or(0, |all| all.iter().filter(external).count());
    report.notes.push(format!("{count} packages from outside, tests and all platforms included"));
    Ok(())
}

/// The quoted strings of one list in one table of a TOML file.
fn listed<'a>(toml: &'a str, table: &str, key: &str) -> Vec<&'a str> {
    let heading = format!("[{table}]");
    let mut lines = toml.lines().skip_while(|line| line.trim() != heading).skip(1);
    let mut found = Vec::new();
    let mut is_inside = false;
    for line in lines.by_ref().take_while(|line| !line.starts_with('[')) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.split('=').next().is_some_and(|name| name.trim() == key) {
            is_inside = true;
        }
        if is_inside {
            found.extend(line.split('"').skip(1).step_by(2));
            is_inside = !line.ends_with(']');
        }
    }
    found
}

/// Whether a licence expression can be met with the licences that are allowed.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    let met = any_of(&mut rest, allowed);
    met && rest.is_empty()
}

fn any_of(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = all_of(words, allowed);
    while let Some(("OR", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        met |= all_of(words, allowed);
    }
    met
}

fn all_of(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while let Some(("AND", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    let Some((&word, rest)) = words.split_first() else { return false };
    *words = rest;
    if word == "(" {
        let met = any_of(words, allowed);
        let Some(rest) = words.strip_prefix(&[")"]) else { return false };
        *words = rest;
        return met;
    }
    if let ["WITH", exception, rest @ ..] = *words {
        *words = rest;
        return allowed.contains(&format!("{word} WITH {exception}").as_str());
    }
    allowed.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_met_or_not() {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];
        for expression in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "MIT AND (GPL-3.0 OR Apache-2.0)",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "GPL-3.0 AND ISC OR MIT",
        ] {
            assert!(is_allowed(expression, &allowed), "{expression}");
        }
        for expression in
            ["GPL-3.0", "MIT AND GPL-3.0", "GPL-3.0 WITH LLVM-exception", "(MIT", "MIT ISC", ""]
        {
            assert!(!is_allowed(expression, &allowed), "{expression}");
        }
    }

    #[test]
    fn lists_are_read_from_their_own_table() {
        let toml = "[bans]\ndeny = [\n  \"a\", # \"not this\"\n  \"b\",\n]\n[licenses]\n\
                    unused = [\"x\"]\nallow = [\"MIT\", \"ISC\"]\n[sources]\nallow = [\"y\"]\n";
        assert_eq!(listed(toml, "bans", "deny"), ["a", "b"]);
        assert_eq!(listed(toml, "licenses", "allow"), ["MIT", "ISC"]);
        assert!(listed(toml, "graph", "deny").is_empty());
    }
}
