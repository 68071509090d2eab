//! Which environment variables children get.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use shardwise_core::properties::settings::ChildEnvironment;

/// What a program needs to find its files and to speak the user's language.
const NEEDED: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM"];

/// The variables that children get; none means all.
pub(super) fn chosen(
    environment: &ChildEnvironment,
    ours: impl Iterator<Item = (OsString, OsString)>,
) -> Option<BTreeMap<OsString, OsString>> {
    let is_needed = |name: &OsStr| {
        name.to_str().is_some_and(|name| NEEDED.contains(&name) || name.starts_with("LC_"))
    };
    match environment {
        ChildEnvironment::Inherit => None,
        ChildEnvironment::Minimal => Some(ours.filter(|(name, _)| is_needed(name)).collect()),
        ChildEnvironment::Names(names) => {
            let is_named = |name: &OsStr| names.iter().any(|wanted| name == wanted.as_str());
            Some(ours.filter(|(name, _)| is_named(name)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_get_all_the_needed_or_the_named_variables() {
        let names = |environment: ChildEnvironment| {
            let ours = ["PATH", "LC_ALL", "AWS_SECRET_ACCESS_KEY", "APP"];
            let ours = ours.map(|name| (OsString::from(name), OsString::from("x")));
            chosen(&environment, ours.into_iter())
                .map(|chosen| chosen.into_keys().collect::<Vec<_>>())
        };
        assert_eq!(names(ChildEnvironment::Inherit), None);
        assert_eq!(names(ChildEnvironment::Minimal), Some(vec!["LC_ALL".into(), "PATH".into()]));
        let named = ChildEnvironment::Names(vec!["APP".to_owned(), "ABSENT".to_owned()]);
        assert_eq!(names(named), Some(vec!["APP".into()]));
    }
}
