//! Links between our own pages.

use std::path::Path;

/// Finds relative links to files that are not there.
pub(super) fn links(text: &str, page: &Path, at: &mut impl FnMut(usize, &str)) {
    let directory = page.parent().unwrap_or(page);
    let mut is_listing = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_listing = !is_listing;
        }
        if is_listing {
            continue;
        }
        for target in targets(line) {
            if is_relative(target) && !directory.join(path_of(target)).exists() {
                at(index + 1, &format!("dead link: {target}"));
            }
        }
    }
}

/// What the links of a line point to: `[text](target)` and `[text]: target`.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        found.push(target.trim());
    }
    for part in line.split("](").skip(1) {
        if let Some((target, _)) = part.split_once(')') {
            found.push(target.split(' ').next().unwrap_or(target));
        }
    }
    found
}

fn is_relative(target: &str) -> bool {
    // Names with `::` are rustdoc's.
    !target.is_empty()
        && !target.starts_with('#')
        && !target.contains("://")
        && !target.starts_with("mailto:")
        && !target.contains("::")
}

fn path_of(target: &str) -> &str {
    target.split('#').next().unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_links_to_nothing_are_dead() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("PAGE.md");
        let text = "[a](Cargo.toml) [b](gone.md#part)\n[c](https://example.com/x) [d](#part)\n\
                    ```\n[e](gone.md)\n```\n[f]: src/main.rs\n[g]: src/gone.rs\n";
        let mut lines = Vec::new();
        links(text, &page, &mut |line, _| lines.push(line));
        assert_eq!(lines, [1, 7]);
    }
}
