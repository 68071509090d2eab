//! Which of our crates may import which. Arrows go down only.

use serde_json::Value;

use crate::json::{list, text};

/// A crate of ours, what it may import, and what its tests may import beside that.
struct Rule {
    package: &'static str,
    imports: &'static [&'static str],
    in_tests: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule { package: "shardwise-core", imports: &[], in_tests: &["shardwise-table-model"] },
    // On purpose none of ours: a model that shared code would share bugs.
    Rule { package: "shardwise-local", imports: &[], in_tests: &[] },
    Rule { package: "shardwise-referee", imports: &[], in_tests: &[] },
    Rule { package: "shardwise-table-model", imports: &["shardwise-core"], in_tests: &[] },
    Rule {
        package: "shardwise",
        imports: &["shardwise-core"],
        in_tests: &["shardwise-local", "shardwise-referee", "shardwise-table-model"],
    },
    Rule {
        package: "shardwise-multilang",
        imports: &["shardwise", "shardwise-core"],
        in_tests: &[],
    },
    Rule {
        package: "shardwise-daemon",
        imports: &["shardwise", "shardwise-core", "shardwise-local", "shardwise-multilang"],
        in_tests: &[],
    },
    Rule { package: "shardwise-demo", imports: &["shardwise-referee"], in_tests: &[] },
    Rule {
        package: "shardwise-fuzz",
        imports: &[
            "shardwise-core",
            "shardwise-local",
            "shardwise-referee",
            "shardwise-table-model",
        ],
        in_tests: &[],
    },
    Rule {
        package: "shardwise-sim",
        imports: &[
            "shardwise",
            "shardwise-core",
            "shardwise-local",
            "shardwise-multilang",
            "shardwise-referee",
            "shardwise-table-model",
        ],
        in_tests: &[],
    },
    Rule {
        package: "shardwise-chaos",
        imports: &["shardwise-demo", "shardwise-referee"],
        in_tests: &[],
    },
    Rule { package: "xtask", imports: &[], in_tests: &[] },
];

pub(super) fn check(metadata: &Value, findings: &mut Vec<String>) {
    let members = list(&metadata["workspace_members"]);
    let packages: Vec<&Value> =
        list(&metadata["packages"]).iter().filter(|p| members.contains(&p["id"])).collect();
    let is_ours = |name: &str| packages.iter().any(|package| package["name"] == name);
    for package in &packages {
        let name = text(&package["name"]);
        let Some(rule) = RULES.iter().find(|rule| rule.package == name) else {
            findings.push(format!("{name}: a crate that xtask/src/tidy/imports.rs does not know"));
            continue;
        };
        for dependency in list(&package["dependencies"]) {
            let other = text(&dependency["name"]);
            let is_for_tests = dependency["kind"] == "dev";
            let is_allowed =
                rule.imports.contains(&other) || (is_for_tests && rule.in_tests.contains(&other));
            if is_ours(other) && !is_allowed {
                findings.push(format!("{name}: may not import {other}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings_for(package: &str, other: &str, kind: Value) -> usize {
        let metadata = serde_json::json!({
            "workspace_members": [package, other],
            "packages": [
                {"id": package, "name": package, "dependencies": [{"name": other, "kind": kind}]},
                {"id": other, "name": other, "dependencies": []},
            ],
        });
        let mut findings = Vec::new();
        check(&metadata, &mut findings);
        findings.len()
    }

    #[test]
    fn arrows_go_down_only() {
        assert_eq!(findings_for("shardwise", "shardwise-core", Value::Null), 0);
        assert_eq!(findings_for("shardwise-core", "shardwise", Value::Null), 1);
    }

    #[test]
    fn tests_may_import_more() {
        assert_eq!(findings_for("shardwise", "shardwise-local", "dev".into()), 0);
        assert_eq!(findings_for("shardwise", "shardwise-local", Value::Null), 1);
    }

    #[test]
    fn a_new_crate_needs_a_rule() {
        assert_eq!(findings_for("shardwise-new", "shardwise-core", Value::Null), 1);
    }
}
