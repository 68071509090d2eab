//! The crates that are in the daemon, as CycloneDX.
//!
//! Of our own, since cargo-cyclonedx names crates by their paths on the machine that built them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::json::{list, text};
use crate::tree::Tree;

const DAEMON: &str = "shardwise-daemon";

/// A crate: its name and version.
type Crate = (String, String);

/// The daemon, every crate that is built into it for a target, and which needs which.
pub(super) fn sbom(tree: &Tree, target: &str) -> Result<Value, String> {
    let built = built(tree, target)?;
    let packages = list(&tree.metadata["packages"]);
    let by_id: BTreeMap<&str, &Value> =
        packages.iter().map(|package| (text(&package["id"]), package)).collect();
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    let mut main = Value::Null;
    // cargo sorts by id, and ids by where a crate comes from: sorted here, by name.
    let mut nodes = BTreeMap::new();
    for node in list(&tree.metadata["resolve"]["nodes"]) {
        if let Some(package) = by_id.get(text(&node["id"])).filter(|it| built.contains(&key(it))) {
            nodes.insert(key(package), (*package, node));
        }
    }
    for (package, node) in nodes.into_values() {
        if package["name"] == DAEMON {
            main = component(package, "application")?;
        } else {
            components.push(component(package, "library")?);
        }
        let needs: BTreeSet<String> = list(&node["deps"])
            .iter()
            .filter(|needed| list(&needed["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()))
            .filter_map(|needed| by_id.get(text(&needed["pkg"])).copied())
            .filter(|needed| built.contains(&key(needed)))
            .map(purl)
            .collect();
        dependencies.push(json!({ "ref": purl(package), "dependsOn": needs }));
    }
    // Neither a time nor a serial number: the same source gives the same list.
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": main },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// What cargo builds into the daemon. Its metadata has more: what other members of the workspace
/// switch on, and what other systems need.
fn built(tree: &Tree, target: &str) -> Result<BTreeSet<Crate>, String> {
    let only = ["--edges", "normal", "--target", target, "--prefix", "none", "--format", "{p}"];
    let mut command = tree.cargo(&["tree", "--locked", "--package", DAEMON]);
    let output = command.args(only).output();
    let output = output.map_err(|error| format!("cargo tree does not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let of_line = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    };
    Ok(said.lines().filter_map(of_line).collect())
}

fn component(package: &Value, kind: &str) -> Result<Value, String> {
    let licence = package["license"].as_str();
    let licence = licence.ok_or_else(|| format!("{} names no licence", package["name"]))?;
    Ok(json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
        // An old spelling of OR, which is no SPDX expression.
        "licenses": [{ "expression": licence.replace('/', " OR ").replace("  ", " ") }],
    }))
}

fn key(package: &Value) -> Crate {
    (text(&package["name"]).to_owned(), text(&package["version"]).to_owned())
}

fn purl(package: &Value) -> String {
    // A build's metadata comes after a plus, which a purl has to escape.
    let version = text(&package["version"]).replace('+', "%2B");
    format!("pkg:cargo/{}@{version}", text(&package["name"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::TARGET;

    fn names(bom: &Value) -> BTreeSet<&str> {
        list(&bom["components"]).iter().map(|component| text(&component["name"])).collect()
    }

    #[test]
    fn every_crate_that_cargo_builds_into_the_daemon_is_named_and_no_other() {
        let tree = Tree::find().unwrap();
        let bom = sbom(&tree, TARGET).unwrap();
        let built = built(&tree, TARGET).unwrap();
        assert_eq!(list(&bom["components"]).len() + 1, built.len());
        let names = names(&bom);
        let daemon = list(&tree.metadata["packages"]).iter().find(|it| it["name"] == DAEMON);
        for needed in
            list(&daemon.unwrap()["dependencies"]).iter().filter(|it| it["kind"].is_null())
        {
            assert!(names.contains(text(&needed["name"])), "{needed}");
        }
        // C and assembly come in these.
        assert!(names.contains("aws-lc-sys") && names.contains("libsqlite3-sys"));
        for of_others in ["proptest", "windows-sys", "xtask"] {
            assert!(!names.contains(of_others), "{of_others}");
        }
    }

    #[test]
    fn every_crate_is_needed_by_the_daemon_in_the_end() {
        let bom = sbom(&Tree::find().unwrap(), TARGET).unwrap();
        let needs: BTreeMap<&str, &[Value]> = list(&bom["dependencies"])
            .iter()
            .map(|entry| (text(&entry["ref"]), list(&entry["dependsOn"])))
            .collect();
        let mut found = BTreeSet::new();
        let mut next = vec![text(&bom["metadata"]["component"]["bom-ref"])];
        while let Some(reference) = next.pop() {
            if found.insert(reference) {
                next.extend(needs[reference].iter().map(text));
            }
        }
        assert_eq!(found.len(), list(&bom["components"]).len() + 1);
    }

    #[test]
    fn no_path_is_told() {
        let tree = Tree::find().unwrap();
        let text = sbom(&tree, TARGET).unwrap().to_string();
        assert!(!text.contains(&tree.root.display().to_string()));
        assert!(!text.contains("file:") && !text.contains("\"/"), "{text}");
    }
}
