//! `docs/metrics.md` and the catalogue say the same.

use shardwise_core::metrics::{Metric, Origin, catalogue, names};

use crate::{KCL, NotEmitted, dimension, level, unit};

const PAGE: &str = include_str!("../../../../docs/metrics.md");

fn line(metric: &Metric) -> String {
    let whose = match metric.origin {
        Origin::Kcl => "KCL",
        Origin::Own => "ours",
    };
    let by = match dimension(metric).as_str() {
        "" => "-".to_owned(),
        dimensions => format!("`{}`", dimensions.replace(", ", "`, `")),
    };
    format!(
        "| `{}` | `{}` | {by} | {} | {} | {whose} | `{}` | {} |",
        metric.operation.name(),
        metric.name,
        unit(metric),
        level(metric),
        names::prometheus(metric),
        metric.note,
    )
}

#[test]
fn the_page_of_all_metrics_is_the_catalogue() {
    let table: Vec<_> = catalogue::all().map(line).collect();
    assert!(
        PAGE.contains(&table.join("\n")),
        "the table of docs/metrics.md must be:\n{}",
        table.join("\n")
    );
}

#[test]
fn the_page_names_what_kcl_has_and_we_have_not_with_the_reason() {
    let lines = KCL.iter().filter_map(|row| {
        let NotEmitted(why) = row.ours else { return None };
        let names: Vec<_> = row.names.iter().map(|name| format!("`{name}`")).collect();
        Some(format!("| `{}` | {} | {why} |", row.operation, names.join(", ")))
    });
    let table: Vec<_> = lines.collect();
    assert!(PAGE.contains(&table.join("\n")), "put into docs/metrics.md:\n{}", table.join("\n"));
}

#[test]
fn the_page_has_no_metric_that_there_is_not() {
    let lines =
        PAGE.lines().filter(|line| line.contains(" | KCL | ") || line.contains(" | ours | "));
    assert_eq!(lines.count(), catalogue::all().count());
    let unwritten = KCL.iter().filter(|row| matches!(row.ours, NotEmitted(_))).count();
    let section = PAGE.split("## What KCL has and we have not").nth(1).unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(lines.count(), unwritten);
}
