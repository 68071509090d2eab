//! What counts of a Logback file, and what does not.

/// A file for Java's logging.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Logback {
    /// The level of the root logger, in our words.
    pub(super) level: Option<String>,
    /// What has no effect here, in words; nothing if that is no loss.
    pub(super) in_vain: Option<String>,
}

impl Logback {
    pub(super) fn read(text: &str) -> Self {
        let text = without_comments(text);
        let (asked, level) = root(&text).map_or((None, None), |root| {
            let asked =
                attribute(root, "root", "level").or_else(|| attribute(root, "level", "value"));
            (asked, asked.and_then(level_of))
        });
        let mut in_vain = Vec::new();
        if let (Some(asked), None) = (asked, &level) {
            in_vain.push(format!("the root level `{asked}`"));
        }
        let loggers = tags(&text, "logger").count();
        if loggers > 0 {
            in_vain.push(format!("{loggers} loggers"));
        }
        // What goes to the console goes there without it.
        let appenders = tags(&text, "appender");
        let appenders = appenders.filter(|tag| !tag.contains("ConsoleAppender")).count();
        if appenders > 0 {
            in_vain.push(format!("{appenders} appenders that are not the console's"));
        }
        let in_vain = (!in_vain.is_empty()).then(|| in_vain.join(", "));
        Self { level, in_vain }
    }
}

/// The root logger with all that is inside.
fn root(text: &str) -> Option<&str> {
    let tag = tags(text, "root").next()?;
    if tag.ends_with("/>") {
        return Some(tag);
    }
    let root = &text[text.find(tag)?..];
    let end = root.find("</root").unwrap_or(root.len());
    Some(&root[..end])
}

/// The tags of that name, each from its `<` to its `>`.
fn tags<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices('<').filter_map(move |(at, _)| {
        let rest = text[at + 1..].strip_prefix(name)?;
        let is_whole = rest.starts_with(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/');
        let end = text[at..].find('>').map_or(text.len(), |length| at + length + 1);
        is_whole.then(|| &text[at..end])
    })
}

/// An attribute of the first tag of that name.
fn attribute<'a>(text: &'a str, tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = tags(text, tag).next()?.split_once(name)?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (value, _) = value[1..].split_once(quote)?;
    Some(value.trim())
}

fn level_of(word: &str) -> Option<String> {
    let level = word.to_ascii_lowercase();
    match level.as_str() {
        "all" => Some("trace".to_owned()),
        "trace" | "debug" | "info" | "warn" | "error" | "off" => Some(level),
        _ => None,
    }
}

fn without_comments(mut xml: &str) -> String {
    let mut left = String::new();
    while let Some((before, comment)) = xml.split_once("<!--") {
        left.push_str(before);
        xml = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    left + xml
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(text: &str) -> Option<String> {
        Logback::read(text).level
    }

    fn in_vain(text: &str) -> Option<String> {
        Logback::read(text).in_vain
    }

    #[test]
    fn the_root_level_of_a_logback_file_is_found() {
        let file = r#"<configuration><logger name="a" level="ERROR"/>
            <root level = "DEBUG"><appender-ref ref="x"/></root></configuration>"#;
        assert_eq!(level(file).as_deref(), Some("debug"));
        assert_eq!(level("<root level='ALL'/>").as_deref(), Some("trace"));
        assert_eq!(level("<root>\n<level value='WARN'/></root>").as_deref(), Some("warn"));
        assert_eq!(level("<root level='${LEVEL}'/>"), None);
        assert_eq!(level("<root/><level value='WARN'/>"), None);
        assert_eq!(level("nothing"), None);
    }

    #[test]
    fn a_root_level_in_a_comment_does_not_count() {
        let root = "<root level='WARN'/>";
        let file = format!("<!-- <root level='TRACE'/> -->{root}<!--<root level='DEBUG'/>-->");
        assert_eq!(level(&file).as_deref(), Some("warn"));
        assert_eq!(level(&format!("<!-- {root}")), None);
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let console = "<appender name='A' class='ch.qos.logback.core.ConsoleAppender'><encoder/>\
                       </appender><root level='INFO'><appender-ref ref='A'/></root>";
        assert_eq!(in_vain(console), None);
        let file = "<appender class='ch.qos.logback.core.FileAppender'/><logger name='a'/>\
                    <logger name='b'/><root level='${LEVEL:-DEBUG}'/>";
        let told = "the root level `${LEVEL:-DEBUG}`, 2 loggers, 1 appenders that are not the \
                    console's";
        assert_eq!(in_vain(file).as_deref(), Some(told));
    }
}
