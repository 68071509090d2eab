//! The recordings.

use std::fs;
use std::path::{Path, PathBuf};

use shardwise_core::row::Item;

use crate::json;

type Json = serde_json::Value;

/// What happened at one moment.
#[derive(Clone, Debug)]
pub(crate) enum Moment {
    /// The whole table was read.
    Rows(Vec<Item>),
    /// These rows were made or changed since the last moment.
    Changed(Vec<Item>),
    /// KCL wrote; the request's target and body.
    Write { target: String, request: Json },
}

/// A recorded run, in order.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) moments: Vec<Moment>,
}

fn folder(version: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    fixtures.join(format!("java-kcl-{version}"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parse(text: &str) -> Json {
    serde_json::from_str(text).expect("the recording is JSON")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the recordings are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn is_scan(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with("lease_rows_")
}

fn moment(line: &Json) -> Moment {
    let target = line["target"].as_str().unwrap();
    let target = target.rsplit('.').next().unwrap().to_owned();
    Moment::Write { target, request: line["request"].clone() }
}

/// The scenarios that the daemon 2.5.8 ran through.
pub(crate) fn scenarios() -> Vec<Recording> {
    let folders = entries(&folder("2.5.8")).into_iter().filter(|path| path.is_dir());
    let recordings: Vec<Recording> = folders.map(|folder| scenario(&folder)).collect();
    assert_eq!(recordings.len(), 6);
    recordings
}

fn scenario(folder: &Path) -> Recording {
    let mut timed: Vec<(u64, Moment)> = Vec::new();
    for path in entries(folder).into_iter().filter(|path| is_scan(path)) {
        let scan = parse(&read(&path));
        let items = scan["scan"]["Items"].as_array().unwrap().iter().map(json::item);
        timed.push((scan["t"].as_u64().unwrap(), Moment::Rows(items.collect())));
    }
    for line in read(&folder.join("writes.jsonl")).lines() {
        let line = parse(line);
        timed.push((line["t"].as_u64().unwrap(), moment(&line)));
    }
    timed.sort_by_key(|(t, _)| *t);
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    Recording { name, moments: timed.into_iter().map(|(_, moment)| moment).collect() }
}

/// The versions whose lease table code was driven step by step.
pub(crate) const DRIVEN: [&str; 2] = ["2.7.2", "3.5.1"];

/// What the lease table code of `version` writes, step by step.
pub(crate) fn driven(version: &str) -> Recording {
    let folder = folder(version);
    let rows = parse(&read(&folder.join("rows.json")));
    let requests = read(&folder.join("requests.jsonl"));
    let lines: Vec<Json> = requests.lines().map(parse).collect();
    let mut moments = Vec::new();
    for step in lines.chunk_by(|left, right| left["step"] == right["step"]) {
        moments.extend(step.iter().map(moment));
        let changed = rows.as_array().unwrap().iter().filter(|row| row["step"] == step[0]["step"]);
        moments.push(Moment::Changed(changed.map(|row| json::item(&row["item"])).collect()));
    }
    Recording { name: version.to_owned(), moments }
}
