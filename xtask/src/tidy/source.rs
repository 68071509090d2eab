//! Long lines and files, unfinished work, `select!` without an order, names of one machine.

const COLUMNS_MAX: usize = 100;
const LINES_MAX: usize = 500;
/// How a file of more lines begins its reason, in a comment among its first lines.
const REASON: &str = "Long because";
const REASON_WITHIN_LINES: usize = 12;

/// Words that stand for work not done; put together here so that this file has none of them.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Paths and hosts that mean something on one machine only.
const PLACES: [&str; 10] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("registry.", "npmjs.org"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("files.", "pythonhosted.org"),
    concat!("proxy.", "golang.org"),
    concat!("repo1.", "maven.org"),
    concat!("repo.", "maven.apache.org"),
];

/// Paths of one machine, and hosts of package registries.
pub(super) fn places(text: &str, at: &mut impl FnMut(usize, &str)) {
    for (index, line) in text.lines().enumerate() {
        if let Some(place) = PLACES.iter().find(|place| line.contains(**place)) {
            at(index + 1, &format!("`{place}` is a place of one machine"));
        }
    }
}

/// What holds for source code in every language.
pub(super) fn code(text: &str, at: &mut impl FnMut(usize, &str)) {
    for (index, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS_MAX && !is_in_literal(line) {
            at(index + 1, &format!("{columns} columns, {COLUMNS_MAX} at most"));
        }
        if UNFINISHED.iter().any(|word| line.contains(word)) {
            at(index + 1, "unfinished work: finish it, or file an issue");
        }
    }
    let lines = text.lines().count();
    let has_reason = text.lines().take(REASON_WITHIN_LINES).any(|line| line.contains(REASON));
    if lines > LINES_MAX && !has_reason {
        at(1, &format!("{lines} lines: split it, or say `{REASON} ...` at its top"));
    }
    for (line, after) in selects(text) {
        if !after.starts_with("biased;") {
            at(line, "`select!` without `biased;`: the order of its branches would be random");
        }
    }
}

/// Whether the last allowed column lies inside a string: bytes that others read are not broken up.
fn is_in_literal(line: &str) -> bool {
    let head: String = line.chars().take(COLUMNS_MAX).collect();
    if let Some((_, raw)) = head.rsplit_once("r#\"") {
        return !raw.contains("\"#");
    }
    let mut is_inside = false;
    let mut is_escaped = false;
    for character in head.chars() {
        is_inside ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
    }
    is_inside
}

/// Each `select!` that opens a block: its line, and what stands first in the block.
fn selects(text: &str) -> Vec<(usize, &str)> {
    let opening = concat!("select", "!");
    let mut found = Vec::new();
    for (place, _) in text.match_indices(opening) {
        let line_start = text[..place].rfind('\n').map_or(0, |newline| newline + 1);
        let is_comment = text[line_start..place].trim_start().starts_with("//");
        let Some(block) = text[place + opening.len()..].trim_start().strip_prefix('{') else {
            continue;
        };
        if !is_comment {
            found.push((text[..place].lines().count(), without_comments(block)));
        }
    }
    found
}

fn without_comments(mut block: &str) -> &str {
    loop {
        block = block.trim_start();
        let Some(comment) = block.strip_prefix("//") else { return block };
        block = comment.find('\n').map_or("", |end| &comment[end..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<usize> {
        let mut lines = Vec::new();
        code(text, &mut |line, _| lines.push(line));
        lines
    }

    #[test]
    fn a_line_has_a_hundred_columns_at_most() {
        let line = |columns| "\u{e9}".repeat(columns);
        assert_eq!(faults(&format!("a\n{}\n{}\n", line(100), line(101))), [3]);
    }

    #[test]
    fn a_string_may_be_longer() {
        let filler = "x".repeat(COLUMNS_MAX);
        assert!(faults(&format!("let a = \"a \\\" b {filler}\";\n")).is_empty());
        assert!(faults(&format!("let a = r#\"a \"b\" {filler}\"#;\n")).is_empty());
        assert_eq!(faults(&format!("let a = \"a\"; // {filler}\n")), [1]);
    }

    #[test]
    fn a_long_file_gives_its_reason() {
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(faults(&long), [1]);
        assert!(faults(&format!("//! {REASON} it is one table.\n{long}")).is_empty());
    }

    #[test]
    fn a_select_begins_with_biased() {
        let select = |block: &str| format!("fn a() {{\n    tokio::select{} {block}\n}}\n", '!');
        assert_eq!(faults(&select("{ a = b() => {} }")), [2]);
        assert!(faults(&select("{\n  // why\n  biased;\n a = b() => {} }")).is_empty());
        assert!(faults(&format!("// every `select{} {{ a }}` is biased\n", '!')).is_empty());
    }

    #[test]
    fn unfinished_work_is_found() {
        assert_eq!(faults(&format!("a\n// {}: later\n", UNFINISHED[0])), [2]);
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let mut lines = Vec::new();
        let text = format!("cd {}me\nfine\n", PLACES[2]);
        places(&text, &mut |line, _| lines.push(line));
        assert_eq!(lines, [1]);
    }
}
