//! What a machine must have. All that is missing is one error; nothing is skipped for it.

use std::process::Command;

/// A program that the project needs, and from which version on.
pub(crate) struct Tool {
    name: &'static str,
    version_min: Option<(u32, u32)>,
    why: &'static str,
}

pub(crate) const NODE: Tool =
    Tool { name: "node", version_min: Some((20, 15)), why: "the npm package and its children" };
pub(crate) const NPM: Tool = Tool { name: "npm", version_min: None, why: "packages for node" };
pub(crate) const PYTHON: Tool =
    Tool { name: "python3", version_min: Some((3, 11)), why: "clients and children in Python" };
pub(crate) const CC: Tool = Tool { name: "cc", version_min: None, why: "SQLite and the TLS code" };
pub(crate) const JAVA: Tool = Tool { name: "java", version_min: Some((17, 0)), why: "Java KCL" };
pub(crate) const MAVEN: Tool = Tool { name: "mvn", version_min: None, why: "fetching Java KCL" };

/// Fails, naming every tool that is missing or too old.
pub(crate) fn need(tools: &[Tool]) -> Result<(), String> {
    let missing: Vec<String> = tools.iter().filter_map(Tool::fault).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("this machine lacks what is needed:\n  {}", missing.join("\n  ")))
}

impl Tool {
    fn fault(&self) -> Option<String> {
        let wanted = match self.version_min {
            Some((major, minor)) => format!("{} {major}.{minor} or newer", self.name),
            None => self.name.to_owned(),
        };
        let Ok(output) = Command::new(self.name).arg("--version").output() else {
            return Some(format!("{wanted} ({}): not found", self.why));
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let found = version(&said);
        match self.version_min {
            Some(wanted_min) if found.is_none_or(|found| found < wanted_min) => {
                Some(format!("{wanted} ({}): found {}", self.why, said.trim()))
            }
            _ => None,
        }
    }
}

/// The first two numbers of the first word that looks like a version.
fn version(said: &str) -> Option<(u32, u32)> {
    said.split_whitespace().find_map(|word| {
        let mut numbers = word.trim_start_matches('v').split('.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0);
        Some((major, minor))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_say() {
        assert_eq!(version("v20.20.2"), Some((20, 20)));
        assert_eq!(version("Python 3.11.7"), Some((3, 11)));
        assert_eq!(version("openjdk 17.0.12 2024-07-16"), Some((17, 0)));
        assert_eq!(version("nothing of the kind"), None);
    }

    #[test]
    fn all_that_is_missing_is_one_error() {
        let tool = |name| Tool { name, version_min: None, why: "a test" };
        let error = need(&[tool("no-such-tool-a"), tool("no-such-tool-b")]).unwrap_err();
        assert!(error.contains("no-such-tool-a") && error.contains("no-such-tool-b"));
    }
}
